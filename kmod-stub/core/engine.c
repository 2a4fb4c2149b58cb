// SPDX-License-Identifier: GPL-2.0-only
/*
 * The core in wasm3, one interpreter per device.
 *
 * What a call needs beside its own stack is made ready before it: all functions are compiled at
 * load, and linear memory grows in CORE_INIT, and later only where engine_prepare() has made more
 * of it ready. So no call sleeps but CORE_INIT.
 *
 * A call writes its arguments where wasm3 keeps those of a function with one result (slot 0 of
 * the wasm stack is the result, arguments follow, 8 bytes each) and runs the compiled code,
 * without wasm3's own checks of each call.
 */

#include <linux/err.h>
#include <linux/mutex.h>
#include <linux/printk.h>
#include <linux/slab.h>

#include "core/core_wasm.h"
#include "core/engine.h"
#include "shim/libc.h"

/* After every kernel header: these define `not`, `and` and `or`. */
#include "m3_env.h"
#include "m3_exec_defs.h"

#define WASM_STACK_BYTES 2048 /* wasm recursion traps before it takes 3 KiB of the native stack */
#define WASM_PAGES_MAX 65536
#define MAX_ARGUMENTS 3

static const struct core_export_type {
	const char *name;
	unsigned int nr_arguments;
	s64 least; /* result: an errno, or that it needs a section or room first */
} export_types[] = {
/* In the order of enum core_export, which is made from the same list. */
#define X(suffix, name, nr_arguments, least) { name, nr_arguments, least },
	CORE_EXPORTS(X)
#undef X
#ifdef DATTOBD_DEBUG_CORE
		[CORE_DEBUG_OUT_OF_BOUNDS] = { "debug_out_of_bounds", 0, -MAX_ERRNO },
#endif
};

#ifdef DATTOBD_DEBUG_CORE
/* struct lie - @type: NULL, or the export that returns @returned without being called. */
struct lie {
	const struct core_export_type *type;
	s64 returned;
};

static struct lie lie_of_all;
#endif

struct engine {
	u64 *stack; /* of wasm: result, arguments, then its own */
	IM3Runtime runtime;
	IM3Environment environment;
	bool trapped;
	struct engine_report report;
#ifdef DATTOBD_DEBUG_CORE
	struct lie lie;
#endif
	u64 nr_sectors; /* of the origin; the argument of CORE_INIT */
	pc_t code[ARRAY_SIZE(export_types)];
};

static_assert(sizeof(M3MemoryHeader) == LIBC_HEADER_BYTES);

/* wasm3 keeps some of a module's state in static variables while it parses and compiles. */
static DEFINE_MUTEX(load_mutex);

/* Want of memory is nobody's bug, and the caller reports it. */
static int load_error(const char *what, M3Result result)
{
	if (result == m3Err_mallocFailed || result == m3Err_mallocFailedCodePage)
		return -ENOMEM;
	pr_err("datto: cannot %s the core: %s\n", what, result);
	return -ENOEXEC;
}

/* The core stands alone. */
static int check_imports(IM3Module module)
{
	if (!module->numFuncImports && !module->memoryImported)
		return 0;
	pr_err("datto: the core has imports, expected none\n");
	return -ENOEXEC;
}

/* Every argument and the one result are i64. */
static int check_type(IM3Function function, const struct core_export_type *type)
{
	unsigned int nr_arguments = m3_GetArgCount(function);
	unsigned int i;

	if (nr_arguments != type->nr_arguments || nr_arguments > MAX_ARGUMENTS) {
		pr_err("datto: the core's %s takes %u arguments, expected %u\n", type->name,
		       nr_arguments, type->nr_arguments);
		return -ENOEXEC;
	}
	if (m3_GetRetCount(function) != 1 || m3_GetRetType(function, 0) != c_m3Type_i64) {
		pr_err("datto: the core's %s does not return one i64\n", type->name);
		return -ENOEXEC;
	}
	for (i = 0; i < nr_arguments; i++) {
		if (m3_GetArgType(function, i) != c_m3Type_i64) {
			pr_err("datto: argument %u of the core's %s is not an i64\n", i,
			       type->name);
			return -ENOEXEC;
		}
	}
	return 0;
}

static int find_exports(struct engine *engine)
{
	IM3Function function;
	unsigned int i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(export_types); i++) {
		if (m3_FindFunction(&function, engine->runtime, export_types[i].name)) {
			pr_err("datto: the core does not export %s\n", export_types[i].name);
			return -ENOEXEC;
		}
		ret = check_type(function, &export_types[i]);
		if (ret)
			return ret;
		engine->code[i] = function->compiled;
	}
	return 0;
}

static int load(struct engine *engine)
{
	IM3Module module;
	M3Result result;
	int ret;

	engine->environment = m3_NewEnvironment();
	if (!engine->environment)
		return -ENOMEM;
	engine->runtime = m3_NewRuntime(engine->environment, WASM_STACK_BYTES, NULL);
	if (!engine->runtime)
		return -ENOMEM;
	engine->stack = engine->runtime->stack;

	result = m3_ParseModule(engine->environment, &module, core_wasm, core_wasm_bytes);
	if (result)
		return load_error("parse", result);
	ret = check_imports(module);
	if (ret) {
		m3_FreeModule(module);
		return ret;
	}
	result = m3_LoadModule(engine->runtime, module);
	if (result) {
		m3_FreeModule(module);
		return load_error("load", result);
	}
	/* From here on the module belongs to the runtime. */
	result = m3_CompileModule(module);
	if (result)
		return load_error("compile", result);
	/* A build without optimisation sets its global variables in a start function. */
	result = m3_RunStart(module);
	if (result)
		return load_error("start", result);
	return find_exports(engine);
}

struct engine *engine_create(void)
{
	struct engine *engine = kzalloc(sizeof(*engine), GFP_KERNEL);
	int ret;

	if (!engine)
		return ERR_PTR(-ENOMEM);
	mutex_lock(&load_mutex);
	ret = load(engine);
	mutex_unlock(&load_mutex);
	if (ret) {
		engine_destroy(engine);
		return ERR_PTR(ret);
	}
	return engine;
}

void engine_destroy(struct engine *engine)
{
	struct engine_report report = engine_take_report(engine);

	if (!engine)
		return;
	engine_print(&report);
	m3_FreeRuntime(engine->runtime);
	m3_FreeEnvironment(engine->environment);
	kfree(engine);
}

struct engine_report engine_take_report(struct engine *engine)
{
	struct engine_report report = {};

	if (engine)
		swap(report, engine->report);
	return report;
}

void engine_print(const struct engine_report *report)
{
	if (!report->export)
		return;
	if (report->trap)
		pr_err("datto: core trapped in %s: %s\n", report->export, report->trap);
	else
		pr_err("datto: core returned %lld from %s, which cannot be right\n",
		       report->returned, report->export);
}

static noinline s64 fail_call(struct engine *engine, enum core_export export, const char *trap)
{
	engine->trapped = true;
	engine->report.export = export_types[export].name;
	engine->report.trap = trap;
	return -ENOTRECOVERABLE;
}

s64 engine_call(struct engine *engine, enum core_export export, u64 a, u64 b, u64 c)
{
	M3Memory *memory = &engine->runtime->memory;
	u64 *stack = engine->stack;
	const char *trap;

	if (unlikely(engine->trapped))
		return -ENOTRECOVERABLE;
#ifdef DATTOBD_DEBUG_CORE
	if (unlikely(engine->lie.type == &export_types[export]))
		return engine->lie.returned;
	/* What it returns was set before. */
	if (unlikely(smp_load_acquire(&lie_of_all.type) == &export_types[export]))
		return lie_of_all.returned;
#endif

	if (unlikely(export == CORE_INIT)) {
		memory->maxPages = WASM_PAGES_MAX;
		engine->nr_sectors = a;
	}
	/* What is not an argument is overwritten: the function clears its locals as it begins. */
	stack[1] = a;
	stack[2] = b;
	stack[3] = c;
	trap = RunCode(engine->code[export], (m3stack_t)stack, memory->mallocated,
		       d_m3OpDefaultArgs);
	if (unlikely(trap))
		return fail_call(engine, export, trap);
	memory->maxPages = memory->numPages;
	return stack[0];
}

s64 engine_distrust(struct engine *engine, enum core_export export, s64 returned)
{
	if (!engine->trapped) {
		engine->report.export = export_types[export].name;
		engine->report.returned = returned;
	}
	engine->trapped = true;
	return -ENOTRECOVERABLE;
}

s64 engine_ask(struct engine *engine, enum core_export export, u64 a, u64 b, u64 c, s64 max)
{
	s64 ret = engine_call(engine, export, a, b, c);

	return ret >= export_types[export].least && ret <= max ?
		       ret :
		       engine_distrust(engine, export, ret);
}

#ifdef DATTOBD_DEBUG_CORE
int engine_lie(struct engine *engine, const char *export, s64 returned)
{
	struct lie *lie = engine ? &engine->lie : &lie_of_all;
	unsigned int i;

	WRITE_ONCE(lie->type, NULL);
	if (!strcmp(export, "none"))
		return 0;
	for (i = 0; i < ARRAY_SIZE(export_types); i++) {
		if (!strcmp(export_types[i].name, export)) {
			lie->returned = returned;
			smp_store_release(&lie->type, &export_types[i]); /* see engine_call() */
			return 0;
		}
	}
	return -ENOENT;
}
#endif

u64 engine_nr_blocks(const struct engine *engine)
{
	return DIV_ROUND_UP_ULL(engine->nr_sectors, COW_BLOCK_SECTORS);
}

u64 engine_nr_sections(const struct engine *engine)
{
	return DIV_ROUND_UP_ULL(engine_nr_blocks(engine), COW_SECTION_BYTES / sizeof(__le64));
}

u64 engine_nr_chunks(const struct engine *engine)
{
	return DIV_ROUND_UP_ULL(engine_nr_blocks(engine), CORE_MASK_CHUNK_BLOCKS);
}

u64 engine_memory_bytes(const struct engine *engine)
{
	return engine->runtime->memory.mallocated->length;
}

int engine_prepare(struct engine *engine, u64 bytes)
{
	return libc_prepare(engine->runtime->memory.mallocated, bytes + LIBC_HEADER_BYTES);
}

void engine_let_grow(struct engine *engine, u64 bytes)
{
	engine->runtime->memory.maxPages = bytes / d_m3MemPageSize;
}

void engine_cut(struct engine *engine, u64 bytes)
{
	M3Memory *memory = &engine->runtime->memory;

	memory->mallocated = libc_change(memory->mallocated);
	memory->mallocated->length = bytes;
	memory->numPages = bytes / d_m3MemPageSize;
	memory->maxPages = memory->numPages;
}

void engine_settle(struct engine *engine)
{
	libc_settle(engine->runtime->memory.mallocated);
}

void *engine_memory(struct engine *engine, enum core_export export, u64 address, size_t len)
{
	M3MemoryHeader *memory = engine->runtime->memory.mallocated;

	if (address <= memory->length && len <= memory->length - address)
		return m3MemData(memory) + address;
	engine_distrust(engine, export, address);
	return NULL;
}

static void *area(struct engine *engine, enum core_export address, size_t bytes)
{
	return engine_memory(engine, address, engine_ask(engine, address, 0, 0, 0, U32_MAX), bytes);
}

void *engine_buffer(struct engine *engine, size_t bytes)
{
	return area(engine, CORE_BUFFER_ADDRESS, bytes);
}

int engine_read_buffer(struct engine *engine, void *to, size_t bytes)
{
	const void *buffer = engine_buffer(engine, bytes);

	if (!buffer)
		return -ENOTRECOVERABLE;
	memcpy(to, buffer, bytes);
	return 0;
}

int engine_write_buffer(struct engine *engine, const void *from, size_t bytes)
{
	void *buffer = engine_buffer(engine, bytes);

	if (!buffer)
		return -ENOTRECOVERABLE;
	memcpy(buffer, from, bytes);
	return 0;
}

int engine_read_runs(struct engine *engine, struct core_run *runs, unsigned int count)
{
	const void *area_of_runs = area(engine, CORE_RUNS_ADDRESS, count * sizeof(*runs));

	if (!area_of_runs)
		return -ENOTRECOVERABLE;
	memcpy(runs, area_of_runs, count * sizeof(*runs));
	return 0;
}
