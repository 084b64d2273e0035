// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "igt.h"
#include "igt_sysfs.h"
#include "movgem_lib.h"

#define ATTR(name_)	"device/power/" name_

/* Of the device that is kept on: its place in sysfs, and how it was. */
static int kept_dir = -1;
static char kept_control[16], kept_delay[16];

static void power_get(int dir, const char *attr, char *value, size_t len)
{
	char *text = igt_sysfs_get(dir, attr);

	snprintf(value, len, "%s", text ?: "");
	value[strcspn(value, "\n")] = 0;
	free(text);
}

static void restore_control(int sig)
{
	igt_sysfs_set(kept_dir, ATTR("autosuspend_delay_ms"), kept_delay);
	igt_sysfs_set(kept_dir, ATTR("control"), kept_control);
}

void movgem_power_keep_on(int fd)
{
	if (kept_dir >= 0)
		return;
	kept_dir = igt_sysfs_open(fd);
	if (kept_dir < 0)
		return;
	power_get(kept_dir, ATTR("control"), kept_control, sizeof(kept_control));
	power_get(kept_dir, ATTR("autosuspend_delay_ms"), kept_delay, sizeof(kept_delay));
	/* Not root: then it stays as it is. */
	if (igt_sysfs_set(kept_dir, ATTR("control"), "on"))
		igt_install_exit_handler(restore_control);
}

bool movgem_power_auto(int fd, unsigned int delay_ms)
{
	int dir = igt_sysfs_open(fd);
	char status[16], delay[16];
	bool ret;

	igt_assert_fd(dir);
	snprintf(delay, sizeof(delay), "%u", delay_ms);
	power_get(dir, ATTR("runtime_status"), status, sizeof(status));
	ret = strcmp(status, "unsupported") &&
	      igt_sysfs_set(dir, ATTR("autosuspend_delay_ms"), delay) &&
	      igt_sysfs_set(dir, ATTR("control"), "auto");
	close(dir);
	return ret;
}

static void power_read(int fd, const char *attr, char *value, size_t len)
{
	int dir = igt_sysfs_open(fd);

	igt_assert_fd(dir);
	power_get(dir, attr, value, len);
	close(dir);
}

bool movgem_power_is_off(int fd)
{
	char status[16];

	power_read(fd, ATTR("runtime_status"), status, sizeof(status));
	return !strcmp(status, "suspended");
}

void movgem_power_expect_on(int fd, unsigned int delay_ms)
{
	for (int i = 0; i < 20; i++) {
		igt_assert(!movgem_power_is_off(fd));
		usleep(delay_ms * 1000 / 4);
	}
}

void movgem_power_wait_off(int fd)
{
	for (int i = 0; i < 6000 && !movgem_power_is_off(fd); i++)
		usleep(10000);
	igt_assert_f(movgem_power_is_off(fd), "the GPU is not switched off\n");
}

uint64_t movgem_power_time_on(int fd)
{
	char ms[32];

	power_read(fd, ATTR("runtime_active_time"), ms, sizeof(ms));
	return strtoull(ms, NULL, 10);
}
