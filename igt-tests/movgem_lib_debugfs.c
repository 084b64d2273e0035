// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "igt.h"
#include "igt_sysfs.h"
#include "movgem_lib.h"

char *movgem_debugfs_read(int fd, const char *file)
{
	int dir = igt_debugfs_dir(fd);
	char *text;

	if (dir < 0)
		return NULL;
	text = igt_sysfs_get(dir, file);
	close(dir);
	return text;
}

void movgem_require_debugfs(int fd)
{
	char *text = movgem_debugfs_read(fd, "stats");

	igt_require_f(text, "no debugfs file `stats` of this device (root, debugfs mounted?)\n");
	free(text);
}

uint64_t movgem_stat(int fd, const char *name)
{
	char *text = movgem_debugfs_read(fd, "stats"), *line, *pos;
	uint64_t value = 0;
	bool found = false;

	igt_assert_f(text, "cannot read stats\n");
	for (line = strtok_r(text, "\n", &pos); line; line = strtok_r(NULL, "\n", &pos)) {
		char key[64];

		if (sscanf(line, "%63s %" SCNu64, key, &value) == 2 && !strcmp(key, name)) {
			found = true;
			break;
		}
	}
	free(text);
	igt_assert_f(found, "no line %s in stats\n", name);
	return value;
}

/* id size pages pins cpu_maps gpu_maps moved flags label */
static bool parse_gem(const char *line, struct movgem_gem *gem)
{
	int at = 0;

	memset(gem, 0, sizeof(*gem));
	if (sscanf(line, "%" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
		   " %" SCNu64 " %" SCNu64 " %63s %n", &gem->id, &gem->size, &gem->pages,
		   &gem->pins, &gem->cpu_maps, &gem->gpu_maps, &gem->moved, gem->flags,
		   &at) < 8)
		return false;
	if (at)
		snprintf(gem->label, sizeof(gem->label), "%s", line + at);
	return true;
}

static bool find_gem(int fd, uint64_t id, const char *label, struct movgem_gem *gem)
{
	char *text = movgem_debugfs_read(fd, "gems"), *line, *pos;
	bool found = false;

	igt_assert_f(text, "cannot read gems\n");
	for (line = strtok_r(text, "\n", &pos); line && !found;
	     line = strtok_r(NULL, "\n", &pos)) {
		if (!parse_gem(line, gem))
			continue;
		found = label ? !strcmp(gem->label, label) : gem->id == id;
	}
	free(text);
	return found;
}

uint64_t movgem_bo_id(int fd, uint32_t handle)
{
	static unsigned int count;
	struct movgem_gem gem;
	char label[DRM_MOVGEM_BO_LABEL_MAX];

	snprintf(label, sizeof(label), "igt-%d-%u", getpid(), count++);
	movgem_bo_label(fd, handle, label);
	igt_assert_f(find_gem(fd, 0, label, &gem), "no row %s in gems\n", label);
	return gem.id;
}

bool movgem_gem_row(int fd, uint64_t id, struct movgem_gem *gem)
{
	return find_gem(fd, id, NULL, gem);
}

unsigned int movgem_bo_pfns(int fd, uint64_t id, uint64_t *pfns, unsigned int count)
{
	char *text = movgem_debugfs_read(fd, "pages"), *line, *pos;
	unsigned int found = 0;

	igt_assert_f(text, "cannot read pages\n");
	memset(pfns, 0, count * sizeof(*pfns));
	for (line = strtok_r(text, "\n", &pos); line; line = strtok_r(NULL, "\n", &pos)) {
		uint64_t bo, index, pfn;

		if (sscanf(line, "%" SCNu64 " %" SCNu64 " %" SCNx64, &bo, &index, &pfn) != 3)
			continue;
		if (bo != id || index >= count)
			continue;
		pfns[index] = pfn;
		found++;
	}
	free(text);
	return found;
}

bool movgem_can_move(int fd)
{
	int file = igt_debugfs_open(fd, "migrate", O_WRONLY);

	if (file < 0)
		return false;
	close(file);
	return movgem_page_store(fd) != DRM_MOVGEM_PAGE_STORE_PINNED;
}

int __movgem_migrate(int fd, const char *what)
{
	int dir = igt_debugfs_dir(fd), ret;

	igt_assert_fd(dir);
	ret = igt_sysfs_write(dir, "migrate", what, strlen(what));
	close(dir);
	return ret < 0 ? ret : 0;
}

int __movgem_migrate_bo(int fd, uint64_t id)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64, id);
	return __movgem_migrate(fd, text);
}

void movgem_migrate_result(int fd, struct movgem_migrate_result *res)
{
	char *text = movgem_debugfs_read(fd, "migrate");

	igt_assert_f(text, "cannot read migrate\n");
	igt_assert_f(sscanf(text, "tried %" SCNu64 " moved %" SCNu64 " failed %" SCNu64,
			    &res->tried, &res->moved, &res->failed) == 3,
		     "migrate reads as: %s\n", text);
	free(text);
}

uint64_t movgem_migrate_bo(int fd, uint64_t id)
{
	struct movgem_migrate_result res = { };
	int ret, tries;

	for (tries = 0; tries < 100; tries++) {
		ret = __movgem_migrate_bo(fd, id);
		if (ret != -EBUSY && ret != -EAGAIN)
			break;
		usleep(1000);
	}
	if (ret == -EBUSY || ret == -EAGAIN)
		return 0;
	igt_assert_eq(ret, 0);
	movgem_migrate_result(fd, &res);
	return res.moved;
}
