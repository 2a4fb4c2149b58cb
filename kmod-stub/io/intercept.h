/* SPDX-License-Identifier: GPL-2.0-only */
/* The function that hands bios to disks, redirected for writes to tracked ones. */
#ifndef DATTOBD_IO_INTERCEPT_H
#define DATTOBD_IO_INTERCEPT_H

struct block_device;

/**
 * intercept_enable() - Redirect that function. Counted; undone by intercept_disable().
 * @bdev: for the self-test, which does no I/O if it succeeds
 *
 * Return: 0; -%EBUSY if another owner (a live patch, another snapshot module) redirects it already;
 * -%ENXIO if bios do not come by there in this kernel; -%ENOMEM.
 */
int intercept_enable(struct block_device *bdev);
void intercept_disable(void);

#endif
