/* SPDX-License-Identifier: GPL-2.0 */
/* Copyright (C) 2026 movgem maintainers */
#ifndef _MOVGEM_DRV_H_
#define _MOVGEM_DRV_H_

#include <linux/fs.h>

struct device;
struct drm_file;
struct drm_minor;
struct drm_printer;
struct movgem_device;
struct workqueue_struct;

#define MOVGEM_DRIVER_NAME	"movgem"

/*
 * Runs what must happen neither in the fence signalling path nor in reclaim:
 * freeing BOs, VMs and queues. Drained before the module goes.
 */
extern struct workqueue_struct *movgem_wq;

/* movgem_drv.c: for the buses below. */
int movgem_device_probe(struct device *dev);
void movgem_device_remove(struct device *dev);

/* movgem_platform.c */
int movgem_platform_init(void);
void movgem_platform_exit(void);

/* movgem_pci.c */
#if IS_ENABLED(CONFIG_PCI)
int movgem_pci_init(void);
void movgem_pci_exit(void);
#else
static inline int movgem_pci_init(void)
{
	return 0;
}

static inline void movgem_pci_exit(void)
{
}
#endif

/* movgem_debugfs.c */
void movgem_debugfs_init(struct drm_minor *minor);

/* movgem_hold.c */
extern const struct file_operations movgem_hold_fops;

/* movgem_fdinfo.c */
void movgem_show_fdinfo(struct drm_printer *p, struct drm_file *file);

/* movgem_lockdep.c */
void movgem_lockdep_prime(struct movgem_device *mdev);

#endif
