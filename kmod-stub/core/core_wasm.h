/* SPDX-License-Identifier: GPL-2.0-only */
/* The core as it is embedded at build time. */
#ifndef DATTOBD_CORE_CORE_WASM_H
#define DATTOBD_CORE_CORE_WASM_H

#include <linux/types.h>

/* The bytes of core.wasm. Engines point into them. */
extern const u8 core_wasm[];
extern const u32 core_wasm_bytes;

/* One more export for engine_call(), in a debug build of the core only: it traps. */
#ifdef DATTOBD_DEBUG_CORE
#define CORE_DEBUG_OUT_OF_BOUNDS CORE_NR_EXPORTS
#endif

#endif
