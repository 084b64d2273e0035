/* SPDX-License-Identifier: MIT */
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * More than one movgem device: the module makes as many as its parameter says,
 * and each can be taken from the driver and given back.
 */
#ifndef MOVGEM_DEVICES_H
#define MOVGEM_DEVICES_H

#include <stdbool.h>

/* Has at least so many devices; skips where that cannot be had. */
void movgem_devices_require(unsigned int count);
/* Undoes movgem_devices_require(). */
void movgem_devices_restore(void);
/* The card node of a device, by number; bound or -1. */
int movgem_device_open(unsigned int n);
/* Takes the device from the driver, or gives it back; 0 or -errno. */
int movgem_device_bind(unsigned int n, bool bind);
/* How often the module is in use, by others than us reading this. */
int movgem_module_users(void);
/* Waits until the module is in use no more than that. */
void movgem_wait_for_users(int want);

#endif /* MOVGEM_DEVICES_H */
