// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "igt.h"
#include "igt_syncobj.h"
#include "movgem_rig.h"

/**
 * TEST: movgem fdinfo
 * Description: What /proc/PID/fdinfo says of a client, by the kernel's
 *              Documentation/gpu/drm-usage-stats.rst.
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: uapi
 * Functionality: client stats
 * Feature: movgem
 * Test category: functionality test
 *
 * SUBTEST: keys
 * Description: Every key that the specification asks for is there, once, and well formed.
 *
 * SUBTEST: clients
 * Description: Every open file is a client of its own.
 *
 * SUBTEST: total
 * Description: Buffers count with their exact size, from creation to close.
 *
 * SUBTEST: shared
 * Description: Shared buffers are counted as shared, in both files.
 *
 * SUBTEST: active
 * Description: Buffers that a job may use are active.
 *
 * SUBTEST: purgeable
 * Description: Buffers that are not needed are purgeable, and resident until they are purged.
 *
 * SUBTEST: engine-time
 * Description: The engine's time grows with the jobs of this client and with no others.
 *
 * SUBTEST: parallel
 * Description: Reading while others create, submit and close is safe.
 */

IGT_TEST_DESCRIPTION("Client usage statistics of movgem.");

#define REGION	"memory"

static char *read_fdinfo(int fd)
{
	char path[64];
	char *text = calloc(1, 16384);
	int file, len;

	igt_assert(text);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = open(path, O_RDONLY);
	igt_assert_fd(file);
	len = read(file, text, 16383);
	close(file);
	igt_assert_lt(0, len);
	igt_assert_lt(len, 16383);
	return text;
}

/* The value behind `key:`; how many lines there are of it is in count. */
static char *find_key(char *text, const char *key, char *value, int *count)
{
	char *copy = strdup(text), *line, *pos;
	size_t len = strlen(key);

	igt_assert(copy);
	*count = 0;
	value[0] = 0;
	for (line = strtok_r(copy, "\n", &pos); line; line = strtok_r(NULL, "\n", &pos)) {
		if (strncmp(line, key, len) || line[len] != ':')
			continue;
		(*count)++;
		line += len + 1;
		line += strspn(line, " \t");
		snprintf(value, 128, "%s", line);
	}
	free(copy);
	return value;
}

static void get_text(int fd, const char *key, char *value)
{
	char *text = read_fdinfo(fd);
	int count;

	find_key(text, key, value, &count);
	igt_assert_f(count == 1, "%d lines of %s in\n%s\n", count, key, text);
	free(text);
}

/* A number with a unit that the specification knows. */
static uint64_t get_number(int fd, const char *key, bool memory)
{
	char value[128], unit[16] = "";
	uint64_t number;
	int fields;

	get_text(fd, key, value);
	fields = sscanf(value, "%" SCNu64 " %15s", &number, unit);
	igt_assert_f(fields >= 1, "%s is '%s'\n", key, value);
	if (!memory) {
		igt_assert_f(!strcmp(unit, "ns"), "%s is '%s'\n", key, value);
		return number;
	}
	if (!strcmp(unit, "KiB"))
		return number << 10;
	if (!strcmp(unit, "MiB"))
		return number << 20;
	igt_assert_f(!unit[0], "%s is '%s'\n", key, value);
	return number;
}

struct meminfo {
	uint64_t total, shared, active, resident, purgeable;
};

static struct meminfo get_memory(int fd)
{
	struct meminfo m = {
		.total = get_number(fd, "drm-total-" REGION, true),
		.shared = get_number(fd, "drm-shared-" REGION, true),
		.active = get_number(fd, "drm-active-" REGION, true),
	};

	/* The kernel leaves these two out of a file that has no buffers. */
	if (m.total) {
		m.resident = get_number(fd, "drm-resident-" REGION, true);
		m.purgeable = get_number(fd, "drm-purgeable-" REGION, true);
	}
	return m;
}

static void expect_memory(int fd, uint64_t total, uint64_t shared, uint64_t active,
			  uint64_t resident, uint64_t purgeable)
{
	struct meminfo m = get_memory(fd);

	igt_assert_eq_u64(m.total, total);
	igt_assert_eq_u64(m.shared, shared);
	igt_assert_eq_u64(m.active, active);
	igt_assert_eq_u64(m.resident, resident);
	igt_assert_eq_u64(m.purgeable, purgeable);
}

/* The one key that begins like that and is no capacity. */
static void engine_key(int fd, char *key)
{
	char *text = read_fdinfo(fd), *line, *pos;

	key[0] = 0;
	for (line = strtok_r(text, "\n", &pos); line; line = strtok_r(NULL, "\n", &pos)) {
		if (strncmp(line, "drm-engine-", 11) ||
		    !strncmp(line, "drm-engine-capacity-", 20))
			continue;
		igt_assert_f(!key[0], "more than one engine\n");
		snprintf(key, 64, "%.*s", (int)strcspn(line, ":"), line);
	}
	igt_assert_f(key[0], "no drm-engine- key\n");
	free(text);
}

static void test_keys(int fd)
{
	struct drm_movgem_gpu_info gpu;
	char value[128], key[64], capacity[160], *text;
	uint32_t handle;
	int count;

	get_text(fd, "drm-driver", value);
	igt_assert_f(!strcmp(value, "movgem"), "drm-driver is '%s'\n", value);
	get_text(fd, "drm-client-id", value);
	igt_assert_eq(strspn(value, "0123456789"), strlen(value));
	get_memory(fd);
	handle = movgem_bo_create(fd, MOVGEM_PAGE, 0);
	get_memory(fd);
	gem_close(fd, handle);
	engine_key(fd, key);
	get_number(fd, key, false);

	/* More than one core is said so. */
	movgem_gpu_info(fd, &gpu);
	snprintf(capacity, sizeof(capacity), "drm-engine-capacity-%s", key + 11);
	text = read_fdinfo(fd);
	find_key(text, capacity, value, &count);
	if (gpu.cores > 1 || count) {
		igt_assert_eq(count, 1);
		igt_assert_eq_u64(strtoull(value, NULL, 10), gpu.cores);
	}
	igt_info("%s", text);
	free(text);
}

static void test_clients(int fd)
{
	int fd2 = movgem_reopen(fd), fd3 = dup(fd);
	char a[128], b[128], c[128];
	uint32_t handle;

	get_text(fd, "drm-client-id", a);
	get_text(fd2, "drm-client-id", b);
	get_text(fd3, "drm-client-id", c);
	igt_assert_f(strcmp(a, b), "two clients with the id %s\n", a);
	igt_assert(!strcmp(a, c));
	handle = movgem_bo_create(fd, SZ_1M, 0);
	expect_memory(fd2, 0, 0, 0, 0, 0);
	gem_close(fd, handle);
	close(fd3);
	movgem_close(fd2);
}

static void test_total(int fd)
{
	static const uint64_t sizes[] = { 4096, 12288, SZ_64K, SZ_1M, SZ_1M + 4096, 5000 };
	uint32_t handles[ARRAY_SIZE(sizes)];
	uint64_t total = 0;
	unsigned int i;
	int fd2 = movgem_reopen(fd);

	expect_memory(fd2, 0, 0, 0, 0, 0);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		handles[i] = movgem_bo_create(fd2, sizes[i], i & 1 ? DRM_MOVGEM_BO_NO_MMAP : 0);
		total += ALIGN(sizes[i], MOVGEM_PAGE);
		expect_memory(fd2, total, 0, 0, total, 0);
	}
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		gem_close(fd2, handles[i]);
		total -= ALIGN(sizes[i], MOVGEM_PAGE);
		expect_memory(fd2, total, 0, 0, total, 0);
	}
	movgem_close(fd2);
}

static void test_shared(int fd)
{
	int fd2 = movgem_reopen(fd), fd3 = movgem_reopen(fd), dmabuf;
	uint32_t own = movgem_bo_create(fd2, SZ_64K, 0);
	uint32_t handle = movgem_bo_create(fd2, SZ_1M, 0), handle3;

	expect_memory(fd2, SZ_1M + SZ_64K, 0, 0, SZ_1M + SZ_64K, 0);
	dmabuf = prime_handle_to_fd(fd2, handle);
	handle3 = prime_fd_to_handle(fd3, dmabuf);
	close(dmabuf);
	expect_memory(fd2, SZ_1M + SZ_64K, SZ_1M, 0, SZ_1M + SZ_64K, 0);
	expect_memory(fd3, SZ_1M, SZ_1M, 0, SZ_1M, 0);
	gem_close(fd3, handle3);
	expect_memory(fd3, 0, 0, 0, 0, 0);
	gem_close(fd2, own);
	gem_close(fd2, handle);
	movgem_close(fd2);
	movgem_close(fd3);
}

static void test_active(int fd)
{
	int fd2 = movgem_reopen(fd);
	struct movgem_rig rig;
	uint32_t handle, idle, own;
	uint64_t all;

	movgem_rig_init(&rig, fd2);
	handle = movgem_bo_create(fd2, SZ_1M, 0);
	idle = movgem_bo_create(fd2, SZ_2M, 0);
	own = movgem_bo_create_exclusive(fd2, SZ_64K, rig.vm);
	movgem_vm_map(fd2, rig.vm, handle, 0, movgem_va_alloc(fd2, SZ_1M), SZ_1M, 0);
	movgem_vm_map(fd2, rig.vm, own, 0, movgem_va_alloc(fd2, SZ_64K), SZ_64K, 0);
	all = get_memory(fd2).total;
	igt_assert_eq_u64(get_memory(fd2).active, 0);
	movgem_gate_loop(try) {
		struct movgem_gate gate;
		struct meminfo m;

		movgem_gate_shut_in(&gate, fd2, rig.vm, rig.queue);
		m = get_memory(fd2);
		if (!movgem_gate_open(&gate))
			continue;
		/* All that is bound in the VM, with the gate's own two pages. */
		igt_assert_eq_u64(m.total, all + 2 * MOVGEM_PAGE);
		igt_assert_eq_u64(m.active, m.total - SZ_2M);
		break;
	}
	movgem_bo_wait(fd2, handle);
	movgem_bo_wait(fd2, own);
	igt_assert_eq_u64(get_memory(fd2).active, 0);
	movgem_rig_fini(&rig);
	gem_close(fd2, handle);
	gem_close(fd2, own);
	gem_close(fd2, idle);
	movgem_close(fd2);
}

static void test_purgeable(int fd)
{
	int fd2 = movgem_reopen(fd), i;
	uint32_t needed = movgem_bo_create(fd2, SZ_1M, 0);
	uint32_t spare = movgem_bo_create(fd2, SZ_64K, 0);
	struct drm_movgem_bo_info info;

	expect_memory(fd2, SZ_1M + SZ_64K, 0, 0, SZ_1M + SZ_64K, 0);
	igt_assert(movgem_bo_madvise(fd2, spare, DRM_MOVGEM_MADV_DONTNEED));
	expect_memory(fd2, SZ_1M + SZ_64K, 0, 0, SZ_1M + SZ_64K, SZ_64K);
	igt_assert(movgem_bo_madvise(fd2, spare, DRM_MOVGEM_MADV_WILLNEED));
	expect_memory(fd2, SZ_1M + SZ_64K, 0, 0, SZ_1M + SZ_64K, 0);
	igt_assert(movgem_bo_madvise(fd2, spare, DRM_MOVGEM_MADV_DONTNEED));
	for (i = 0; i < 20; i++) {
		movgem_bo_info(fd2, spare, &info);
		if (info.madvise == DRM_MOVGEM_MADV_PURGED)
			break;
		movgem_drop_slab();
	}
	/* It is still a buffer of that size, with nothing in it. */
	expect_memory(fd2, SZ_1M + SZ_64K, 0, 0, SZ_1M, 0);
	gem_close(fd2, spare);
	expect_memory(fd2, SZ_1M, 0, 0, SZ_1M, 0);
	gem_close(fd2, needed);
	movgem_close(fd2);
}

static void test_engine_time(int fd)
{
	int fd2 = movgem_reopen(fd), fd3 = movgem_reopen(fd), i;
	uint64_t va = movgem_va_alloc(fd2, SZ_1M), last, now, idle;
	uint32_t handle = movgem_bo_create(fd2, SZ_1M, 0);
	struct movgem_rig rig;
	char key[64];

	engine_key(fd2, key);
	igt_assert_eq_u64(get_number(fd2, key, false), 0);
	movgem_rig_init(&rig, fd2);
	movgem_vm_map(fd2, rig.vm, handle, 0, va, SZ_1M, 0);
	last = get_number(fd2, key, false);
	for (i = 0; i < 5; i++) {
		int n;

		for (n = 0; n < 4; n++)
			movgem_cmd_fill(&rig.s, va, SZ_1M, i);
		movgem_stream_run(&rig.s, rig.queue);
		now = get_number(fd2, key, false);
		igt_assert_lt_u64(last, now);
		last = now;
	}
	/* It stands still when there is nothing to do. */
	idle = get_number(fd2, key, false);
	usleep(50000);
	igt_assert_eq_u64(get_number(fd2, key, false), idle);
	igt_assert_eq_u64(get_number(fd3, key, false), 0);

	/* Time that was spent stays, also when the queue goes. */
	movgem_rig_fini(&rig);
	igt_assert_lte_u64(idle, get_number(fd2, key, false));
	gem_close(fd2, handle);
	movgem_close(fd2);
	movgem_close(fd3);
}

static void test_parallel(int fd)
{
	int fd2 = movgem_reopen(fd), i;

	igt_fork(child, 3) {
		if (!child) {
			for (i = 0; i < 300; i++)
				free(read_fdinfo(fd2));
			continue;
		}
		for (i = 0; i < 60; i++) {
			uint32_t handle = movgem_bo_create(fd2, SZ_64K, 0);
			struct movgem_rig rig;

			if (child == 1) {
				movgem_rig_init(&rig, fd2);
				movgem_rig_expect(&rig, rig.va + 64, 0);
				movgem_rig_fini(&rig);
			}
			movgem_bo_madvise(fd2, handle, DRM_MOVGEM_MADV_DONTNEED);
			gem_close(fd2, handle);
		}
	}
	igt_waitchildren();
	expect_memory(fd2, 0, 0, 0, 0, 0);
	movgem_close(fd2);
}

int igt_main()
{
	static const struct movgem_subtest tests[] = {
		{ "keys", test_keys,
		  "Every key that the specification asks for is there, once, and well formed." },
		{ "clients", test_clients, "Every open file is a client of its own." },
		{ "total", test_total,
		  "Buffers count with their exact size, from creation to close." },
		{ "shared", test_shared,
		  "Shared buffers are counted as shared, in both files." },
		{ "active", test_active, "Buffers that a job may use are active." },
		{ "purgeable", test_purgeable,
		  "Buffers that are not needed are purgeable, and resident until they are purged." },
		{ "engine-time", test_engine_time,
		  "The engine's time grows with the jobs of this client and with no others." },
		{ "parallel", test_parallel,
		  "Reading while others create, submit and close is safe." },
	};
	int fd = -1;

	igt_fixture()
		fd = movgem_open();

	movgem_subtests(tests, ARRAY_SIZE(tests), fd);

	igt_fixture()
		movgem_close(fd);
}
