/* SPDX-License-Identifier: MIT */
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * Small files below a directory.
 */
#ifndef IGT_SYSFS_H
#define IGT_SYSFS_H

#include <stdbool.h>

char *igt_sysfs_path(int device, char *path, int pathlen);
int igt_sysfs_open(int device);
int igt_sysfs_read(int dir, const char *attr, void *data, int len);
int igt_sysfs_write(int dir, const char *attr, const void *data, int len);
bool igt_sysfs_set(int dir, const char *attr, const char *value);
char *igt_sysfs_get(int dir, const char *attr);

#endif /* IGT_SYSFS_H */
