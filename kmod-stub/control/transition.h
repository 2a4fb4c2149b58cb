/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A device's way from mode to mode. Under minor_lock(); may sleep. Errors and their order:
 * docs/ABI.md, B.4.
 */
#ifndef DATTOBD_CONTROL_TRANSITION_H
#define DATTOBD_CONTROL_TRANSITION_H

#include "layout.h"

struct dattobd_device;

/**
 * transition_begin() - Steps C6 and C7 of docs/ABI.md, B.4, then the state. On success a snapshot
 * refuses to be opened, and no checkpoint is left but a live one: that stays true.
 */
int transition_begin(struct dattobd_device *dev, enum dattobd_state wanted);

int transition_to_incremental(struct dattobd_device *dev);

#endif
