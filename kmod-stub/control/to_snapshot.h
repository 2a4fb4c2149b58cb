/* SPDX-License-Identifier: GPL-2.0-only */
/* The next snapshot of devices that are incremental. */
#ifndef DATTOBD_CONTROL_TO_SNAPSHOT_H
#define DATTOBD_CONTROL_TO_SNAPSHOT_H

struct client_request;

/**
 * transition_to_snapshot() - Take the next snapshot of each member, all at one instant.
 *
 * Context: the minors are locked. Errors and their order:
 * docs/ABI.md, B4.41 to B4.47, and B6.6 to B6.9.
 */
int transition_to_snapshot(struct client_request *request);

#endif
