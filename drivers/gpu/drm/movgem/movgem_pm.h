/* SPDX-License-Identifier: GPL-2.0 */
/* Copyright (C) 2026 movgem maintainers */
#ifndef _MOVGEM_PM_H_
#define _MOVGEM_PM_H_

#include <linux/pm.h>

struct movgem_device;

extern const struct dev_pm_ops movgem_pm_ops;

void movgem_pm_start(struct movgem_device *mdev);
void movgem_pm_stop(struct movgem_device *mdev);
int movgem_pm_get(struct movgem_device *mdev);
void movgem_pm_put(struct movgem_device *mdev);

#endif
