/*
 * wasm3 for Node: one instance of one module whose functions take and return i64.
 *
 * It loads and calls as the kernel stub's engine does: every function is compiled at load, and a call writes its
 * arguments where wasm3 keeps those of a function with one result (slot 0 is the result, arguments follow) and runs the
 * compiled code. Arguments, result and the place of linear memory lie in one record that the other side sees as memory.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "m3_env.h"
#include "m3_exec_defs.h"

#define API __attribute__((visibility("default")))
#define WASM_STACK_BYTES 2048
#define ARGUMENTS_MAX 4

/* Shared with index.ts, which knows the offsets. */
struct shared {
	uint64_t result; /* 0 */
	uint64_t arguments[ARGUMENTS_MAX]; /* 8 */
	uint64_t memory; /* 40: address of linear memory's byte 0 */
	uint64_t memory_bytes; /* 48 */
};

_Static_assert(sizeof(struct shared) == 56, "index.ts knows the offsets");

struct instance {
	struct shared shared;
	IM3Environment environment;
	IM3Runtime runtime;
	IM3Module module;
	uint8_t *bytes; /* of the module: wasm3 refers to them as long as it lives */
	const char *trap;
};

static void show_memory(struct instance *instance)
{
	M3MemoryHeader *memory = instance->runtime->memory.mallocated;

	instance->shared.memory = memory ? (uint64_t)(uintptr_t)m3MemData(memory) : 0;
	instance->shared.memory_bytes = memory ? memory->length : 0;
}

static M3Result load(struct instance *instance, const uint8_t *bytes, uint32_t nr_bytes)
{
	M3Result result;

	instance->bytes = malloc(nr_bytes);
	instance->environment = m3_NewEnvironment();
	if (!instance->bytes || !instance->environment)
		return m3Err_mallocFailed;
	memcpy(instance->bytes, bytes, nr_bytes);
	instance->runtime = m3_NewRuntime(instance->environment, WASM_STACK_BYTES, NULL);
	if (!instance->runtime)
		return m3Err_mallocFailed;

	result =
		m3_ParseModule(instance->environment, &instance->module, instance->bytes, nr_bytes);
	if (result)
		return result;
	result = m3_LoadModule(instance->runtime, instance->module);
	if (result) {
		m3_FreeModule(instance->module);
		return result;
	}
	return m3_CompileModule(instance->module);
}

/* Frees an instance. */
API void wasm3_free(struct instance *instance)
{
	if (!instance)
		return;
	m3_FreeRuntime(instance->runtime);
	m3_FreeEnvironment(instance->environment);
	free(instance->bytes);
	free(instance);
}

/* Loads a module. Returns NULL and wasm3's words in `error` (at least 256 bytes) if that fails. */
API struct instance *wasm3_load(const uint8_t *bytes, uint32_t nr_bytes, char *error)
{
	struct instance *instance = calloc(1, sizeof(*instance));
	M3Result result = instance ? load(instance, bytes, nr_bytes) : m3Err_mallocFailed;

	if (result) {
		strncpy(error, result, 255);
		wasm3_free(instance);
		return NULL;
	}
	show_memory(instance);
	return instance;
}

/* Finds an exported function whose arguments and one result are i64. Returns NULL, with arity -1, if there is none. */
API struct M3Function *wasm3_find(struct instance *instance, const char *name, int32_t *arity)
{
	IM3Function function = NULL;
	uint32_t i;

	*arity = -1;
	if (m3_FindFunction(&function, instance->runtime, name) ||
	    m3_GetArgCount(function) > ARGUMENTS_MAX)
		return NULL;
	for (i = 0; i < m3_GetArgCount(function); i++) {
		if (m3_GetArgType(function, i) != c_m3Type_i64)
			return NULL;
	}
	if (m3_GetRetCount(function) != 1 || m3_GetRetType(function, 0) != c_m3Type_i64)
		return NULL;
	*arity = m3_GetArgCount(function);
	return function;
}

/* Calls a function with the shared arguments. Returns false after a trap, which wasm3_trap() names. */
API _Bool wasm3_call(struct instance *instance, struct M3Function *function)
{
	IM3Runtime runtime = instance->runtime;
	uint64_t *stack = runtime->stack;

	memcpy(stack + 1, instance->shared.arguments, sizeof(instance->shared.arguments));
	instance->trap = RunCode(function->compiled, (m3stack_t)stack, runtime->memory.mallocated,
				 d_m3OpDefaultArgs);
	instance->shared.result = stack[0];
	show_memory(instance);
	return !instance->trap;
}

/* Calls a function `repeat` times, adding `step` to the first shared argument after each call, for measuring. */
API _Bool wasm3_call_repeatedly(struct instance *instance, struct M3Function *function,
				uint32_t repeat, uint64_t step)
{
	for (; repeat; repeat--, instance->shared.arguments[0] += step) {
		if (!wasm3_call(instance, function))
			return 0;
	}
	return 1;
}

/* Returns wasm3's words for the last trap. */
API const char *wasm3_trap(struct instance *instance)
{
	return instance->trap;
}
