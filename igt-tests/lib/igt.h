/* SPDX-License-Identifier: MIT */
/*
 * Copyright (C) 2026 movgem maintainers
 */
#ifndef IGT_H
#define IGT_H

#include "drmtest.h"
#include "igt_aux.h"
#include "igt_core.h"
#include "igt_debugfs.h"
#include "ioctl_wrappers.h"

#endif /* IGT_H */
