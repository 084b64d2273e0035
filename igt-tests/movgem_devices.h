/* SPDX-License-Identifier: MIT */
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * More than one movgem device: the module makes as many as its parameter says,
 * and each can be taken from the driver and given back. And a device that imports
 * whatever dma-buf there is.
 */
#ifndef MOVGEM_DEVICES_H
#define MOVGEM_DEVICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Not a number: the device that movgem_devices_require_pci() has found. */
#define MOVGEM_DEVICE_PCI	(~0u)

/* Has at least so many devices; skips where that cannot be had. */
void movgem_devices_require(unsigned int count);
/* Has the driver take QEMU's pci-testdev; skips where there is none. */
void movgem_devices_require_pci(void);
/* Devices that are bound from now on have so many monitors; 0 or -errno. */
int __movgem_devices_outputs(unsigned int count);
/* The same; skips where that cannot be had. */
void movgem_devices_require_outputs(unsigned int count);
/* Undoes all of these. */
void movgem_devices_restore(void);
/* The card node of a device, by number; bound or -1. */
int movgem_device_open(unsigned int n);
/*
 * Takes the device from the driver, or gives it back; that of PCI is taken from
 * the machine, and found again. 0 or -errno.
 */
int movgem_device_bind(unsigned int n, bool bind);
/* How often the module is in use, by others than us reading this. */
int movgem_module_users(void);
/* Waits until the module is in use no more than that. */
void movgem_wait_for_users(int want);


/*
 * The device of tools/selftest/importer.c, which uses a dma-buf as told; skips
 * where it is not there. What an open file has of a dma-buf goes with it.
 */
int movgem_importer_open(void);
/* One command, as in printf(); 0 or -errno. */
int __movgem_importer(int importer, const char *command, ...)
	__attribute__((format(printf, 2, 3)));
/* One that must succeed. */
void movgem_importer(int importer, const char *command, ...)
	__attribute__((format(printf, 2, 3)));
/* The memory as the device finds it; mapped anew where it has moved. */
void movgem_importer_read(int importer, void *data, size_t size, uint64_t offset);
void movgem_importer_write(int importer, const void *data, size_t size, uint64_t offset);

#endif /* MOVGEM_DEVICES_H */
