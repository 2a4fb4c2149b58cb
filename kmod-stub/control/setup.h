/* SPDX-License-Identifier: GPL-2.0-only */
/* The first snapshot of origins that are not tracked yet. */
#ifndef DATTOBD_CONTROL_SETUP_H
#define DATTOBD_CONTROL_SETUP_H

struct client_request;

/**
 * transition_setup() - Make a device for each member, with its first snapshot, all at one instant.
 *
 * Context: the minors are locked. Errors and their order:
 * docs/ABI.md, B4.2 to B4.16, and B6.6 to B6.9.
 */
int transition_setup(struct client_request *request);

#endif
