/* SPDX-License-Identifier: GPL-2.0-only */
/* The core and its interpreter. core/engine.c is the only file that sees wasm3. */
#ifndef DATTOBD_CORE_ENGINE_H
#define DATTOBD_CORE_ENGINE_H

#include <linux/types.h>
#include "layout.h"

struct engine;

/**
 * engine_create() - Load the embedded core into an interpreter of its own.
 *
 * All functions are looked up, checked against the generated export table, and compiled.
 *
 * Context: Process context. May sleep (a mutex serialises loading).
 * Return: The engine, or ERR_PTR(): -%ENOMEM, -%ENOEXEC if the core does not match the table.
 */
struct engine *engine_create(void);

/**
 * engine_destroy() - Free an engine, and print its report if nobody did. Context: Process context,
 * no call running. NULL is allowed.
 */
void engine_destroy(struct engine *engine);

/**
 * engine_call() - Call one export of the core.
 * @engine: the engine
 * @export: which
 * @a, @b, @c: arguments; those beyond the export's arity are ignored
 *
 * Context: Any, serialised by the caller's core_lock. Does not sleep or allocate (except
 * CORE_INIT: process context, no spinlock).
 * Return: What the core returned, or -%ENOTRECOVERABLE after a trap; from then on every call
 * returns that.
 */
s64 engine_call(struct engine *engine, enum core_export export, u64 a, u64 b, u64 c);

/**
 * engine_ask() - engine_call(), for a number that the caller relies on.
 * @max: the largest that can be right
 *
 * Return: at most @max; a negative errno; %CORE_STATUS_MISS or %CORE_STATUS_ROOM of an export that
 * has it. If the core returned anything else, -%ENOTRECOVERABLE: such a bug ends the core, as a
 * trap does.
 */
s64 engine_ask(struct engine *engine, enum core_export export, u64 a, u64 b, u64 c, s64 max);

/**
 * engine_distrust() - End a core that returned what cannot be right. It is printed later, see
 * engine_take_report(). Context: As engine_call().
 * Return: -%ENOTRECOVERABLE.
 */
s64 engine_distrust(struct engine *engine, enum core_export export, s64 returned);

/**
 * struct engine_report - Why a core came to its end, for the kernel's log.
 * @export: that it came to its end in; NULL if it did not
 * @trap: what wasm3 said; NULL if @returned cannot be right
 */
struct engine_report {
	const char *export;
	const char *trap;
	s64 returned;
};

/**
 * engine_take_report() - Take over what is to be printed of a core. Context: As engine_call().
 * @engine: may be NULL
 */
struct engine_report engine_take_report(struct engine *engine);

/** engine_print() - Print it. Context: No lock. */
void engine_print(const struct engine_report *report);

/**
 * engine_nr_blocks() - Size of the origin, as %CORE_INIT got it; also in sections, and chunks.
 */
u64 engine_nr_blocks(const struct engine *engine);
u64 engine_nr_sections(const struct engine *engine);
u64 engine_nr_chunks(const struct engine *engine);

#ifdef DATTOBD_DEBUG_CORE
/**
 * engine_lie() - Let an export return this from now on.
 * @engine: NULL for every core
 * @export: "none": as it was
 *
 * Return: 0; -%ENOENT for a bad name.
 */
int engine_lie(struct engine *engine, const char *export, s64 returned);
#endif

/**
 * engine_memory() - Kernel address of a piece of linear memory. Valid until core_lock is dropped.
 * @export: which export returned @address
 *
 * Return: The address, or NULL after engine_distrust() if the piece is not inside linear memory.
 */
void *engine_memory(struct engine *engine, enum core_export export, u64 address, size_t len);

/*
 * The core's two areas (docs/CORE.md). Each returns 0 or -%ENOTRECOVERABLE; context as of
 * engine_call().
 */
int engine_read_buffer(struct engine *engine, void *to, size_t bytes);
int engine_write_buffer(struct engine *engine, const void *from, size_t bytes);
int engine_read_runs(struct engine *engine, struct core_run *runs, unsigned int count);

/** engine_buffer() - The first @bytes of the buffer, or NULL. As engine_memory(). */
void *engine_buffer(struct engine *engine, size_t bytes);

/*
 * Linear memory changes its size in steps: engine_prepare() makes the change ready, which may
 * sleep. Under core_lock it is then made, by engine_cut(), or by a call of the core to which
 * engine_let_grow() allows it. engine_settle() gives back what is left over, and may sleep. One
 * change at a time; sizes are whole pages of 64 KiB.
 */
u64 engine_memory_bytes(const struct engine *engine);
int engine_prepare(struct engine *engine, u64 bytes); /* 0, -%ENOMEM or -%EINVAL */
void engine_let_grow(struct engine *engine, u64 bytes); /* for the next call only */
void engine_cut(struct engine *engine, u64 bytes);
void engine_settle(struct engine *engine);

#endif
