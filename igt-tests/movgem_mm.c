// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 */

/**
 * TEST: movgem mm
 * Description: Memory management system calls, and memory errors, on mapped
 *              buffers.
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: Memory management tests
 * Functionality: page migration
 * Feature: movgem
 * Test category: functionality test
 *
 * SUBTEST: advice
 * Description: No advice to the kernel loses a byte of a buffer.
 *
 * SUBTEST: lock
 * Description: mlock() on a mapping works or is refused, and the pages move.
 *
 * SUBTEST: sync
 * Description: msync(), mincore() and remap_file_pages() do no harm.
 *
 * SUBTEST: map-files
 * Description: Nobody gets at a buffer's pages through /proc/pid/map_files.
 *
 * SUBTEST: userfaultfd
 * Description: A mapping is not registered for missing pages; write protection that
 *              resolves by itself loses no write.
 *
 * SUBTEST: drop-caches
 * Description: Pages stay when the system's caches are dropped.
 *
 * SUBTEST: memory-error
 * Description: A page with a memory error kills who touches it; the other pages of
 *              the buffer stay what they are and move.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "igt.h"
#include "movgem_lib.h"
#include "movgem_migrate_trigger.h"

IGT_TEST_DESCRIPTION("Memory management system calls on mapped movgem buffers.");

#define PAGES	64
#define SIZE	(PAGES * MOVGEM_PAGE)

#ifndef MADV_COLD
#define MADV_COLD		20
#define MADV_PAGEOUT		21
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ	22
#define MADV_POPULATE_WRITE	23
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED	24
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE		25
#endif
#ifndef UFFD_FEATURE_WP_ASYNC
#define UFFD_FEATURE_WP_ASYNC	(1 << 15)
#endif

struct buffer {
	int fd;
	uint32_t handle;
	uint64_t id;
	uint8_t *map;
};

static bool can_move;

static void buffer_init(struct buffer *b, int fd, uint32_t seed)
{
	b->fd = fd;
	b->handle = movgem_bo_create(fd, SIZE, 0);
	b->id = can_move ? movgem_bo_id(fd, b->handle) : 0;
	b->map = movgem_bo_mmap(fd, b->handle, SIZE);
	movgem_fill_pattern(b->map, SIZE, seed);
}

/* All pages are there, and can move. */
static void buffer_check(struct buffer *b, uint32_t seed)
{
	movgem_check_pattern(b->map, SIZE, seed);
	if (!b->id)
		return;
	igt_assert_eq_u64(movgem_migrate_bo(b->fd, b->id), PAGES);
	movgem_check_pattern(b->map, SIZE, seed);
}

static void buffer_fini(struct buffer *b)
{
	munmap(b->map, SIZE);
	gem_close(b->fd, b->handle);
}

static void drop_caches(void)
{
	int file = open("/proc/sys/vm/drop_caches", O_WRONLY);

	igt_require_f(file >= 0, "no drop_caches: %s\n", strerror(errno));
	igt_assert_eq(write(file, "3", 1), 1);
	close(file);
}

static void test_advice(int fd)
{
	static const struct {
		const char *name;
		int advice;
		bool refused;
	} all[] = {
		{ "NORMAL", MADV_NORMAL },
		{ "RANDOM", MADV_RANDOM },
		{ "SEQUENTIAL", MADV_SEQUENTIAL },
		{ "WILLNEED", MADV_WILLNEED },
		{ "COLD", MADV_COLD },
		{ "PAGEOUT", MADV_PAGEOUT },
		{ "DONTNEED", MADV_DONTNEED },
		{ "DONTNEED_LOCKED", MADV_DONTNEED_LOCKED },
		{ "FREE", MADV_FREE, true },
		{ "REMOVE", MADV_REMOVE, true },
		{ "HUGEPAGE", MADV_HUGEPAGE },
		{ "NOHUGEPAGE", MADV_NOHUGEPAGE },
		{ "COLLAPSE", MADV_COLLAPSE, true },
		{ "MERGEABLE", MADV_MERGEABLE },
		{ "UNMERGEABLE", MADV_UNMERGEABLE },
		{ "POPULATE_READ", MADV_POPULATE_READ },
		{ "POPULATE_WRITE", MADV_POPULATE_WRITE },
		{ "WIPEONFORK", MADV_WIPEONFORK, true },
		{ "DONTDUMP", MADV_DONTDUMP },
		{ "DONTFORK", MADV_DONTFORK },
	};
	struct buffer b;
	unsigned int i;
	int ret;

	buffer_init(&b, fd, 1);
	for (i = 0; i < ARRAY_SIZE(all); i++) {
		ret = madvise(b.map, SIZE, all[i].advice) ? -errno : 0;
		igt_debug("MADV_%s: %d\n", all[i].name, ret);
		igt_assert_f(ret || !all[i].refused, "MADV_%s worked\n",
			     all[i].name);
		buffer_check(&b, 1);
		/* and on a part of it */
		madvise(b.map + 3 * MOVGEM_PAGE, 5 * MOVGEM_PAGE, all[i].advice);
		buffer_check(&b, 1);
	}
	buffer_fini(&b);
}

static void test_lock(int fd)
{
	struct buffer b, later;
	int ret;

	buffer_init(&b, fd, 2);
	ret = mlock(b.map, SIZE) ? -errno : 0;
	igt_debug("mlock: %d\n", ret);
	buffer_check(&b, 2);
	if (!ret) {
		/* what is locked may not be dropped; what is refused here is no loss */
		madvise(b.map, SIZE, MADV_DONTNEED);
		buffer_check(&b, 2);
		igt_assert_eq(munlock(b.map, SIZE), 0);
	}
	buffer_check(&b, 2);

	if (!mlockall(MCL_CURRENT | MCL_FUTURE)) {
		buffer_init(&later, fd, 3);
		buffer_check(&later, 3);
		buffer_fini(&later);
		igt_assert_eq(munlockall(), 0);
	}
	buffer_check(&b, 2);
	buffer_fini(&b);
}

static void test_sync(int fd)
{
	unsigned char vec[PAGES];
	struct buffer b;

	buffer_init(&b, fd, 4);
	msync(b.map, SIZE, MS_ASYNC);
	msync(b.map, SIZE, MS_SYNC);
	msync(b.map, SIZE, MS_SYNC | MS_INVALIDATE);
	igt_assert_eq(mincore(b.map, SIZE, vec), 0);
	buffer_check(&b, 4);
	/* It would map the file anew, without asking the driver. */
	igt_emit_ignore_dmesg_regex("deprecated remap_file_pages");
	igt_assert_neq(syscall(__NR_remap_file_pages, b.map, MOVGEM_PAGE, 0, 9, 0), 0);
	buffer_check(&b, 4);
	buffer_fini(&b);
}

/* The link of the mapping at @map. */
static void map_files_path(void *map, char *path, size_t size)
{
	unsigned long first, last;
	struct dirent *entry;
	DIR *dir;

	dir = opendir("/proc/self/map_files");
	igt_require_f(dir, "no map_files: %s\n", strerror(errno));
	*path = 0;
	while ((entry = readdir(dir)))
		if (sscanf(entry->d_name, "%lx-%lx", &first, &last) == 2 &&
		    first == (unsigned long)map)
			snprintf(path, size, "/proc/self/map_files/%s",
				 entry->d_name);
	closedir(dir);
	igt_assert(*path);
}

static void test_map_files(int fd)
{
	int notify = inotify_init1(IN_CLOEXEC);
	char path[300];
	struct buffer b;

	igt_assert_fd(notify);
	buffer_init(&b, fd, 5);
	map_files_path(b.map, path, sizeof(path));
	igt_assert_neq(truncate(path, 0), 0);
	igt_assert_neq(chmod(path, 0777), 0);
	igt_assert_eq(open(path, O_RDONLY), -1);
	igt_assert_eq(errno, EPERM);
	igt_assert_eq(open(path, O_RDWR), -1);
	/* A watch would hold the file for longer than the buffer. */
	igt_assert_eq(inotify_add_watch(notify, path, IN_ALL_EVENTS), -1);
	igt_assert_eq(errno, EPERM);
	close(notify);
	buffer_check(&b, 5);
	buffer_fini(&b);
}

static int uffd_open(uint64_t features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	int uffd = syscall(__NR_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (uffd >= 0 && ioctl(uffd, UFFDIO_API, &api)) {
		close(uffd);
		return -1;
	}
	return uffd;
}

static void test_userfaultfd(int fd)
{
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_writeprotect protect = {
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};
	struct buffer b;
	int uffd, round;

	uffd = uffd_open(0);
	igt_require_f(uffd >= 0, "no userfaultfd: %s\n", strerror(errno));
	buffer_init(&b, fd, 6);
	reg.range.start = (uintptr_t)b.map;
	reg.range.len = SIZE;
	igt_assert_neq(ioctl(uffd, UFFDIO_REGISTER, &reg), 0);
	close(uffd);
	buffer_check(&b, 6);

	uffd = uffd_open(UFFD_FEATURE_WP_ASYNC);
	reg.mode = UFFDIO_REGISTER_MODE_WP;
	if (uffd >= 0 && !ioctl(uffd, UFFDIO_REGISTER, &reg)) {
		protect.range = reg.range;
		for (round = 0; round < 4; round++) {
			igt_assert_eq(ioctl(uffd, UFFDIO_WRITEPROTECT, &protect), 0);
			if (round % 2)
				madvise(b.map, SIZE, MADV_DONTNEED);
			buffer_check(&b, 6 + round);
			movgem_fill_pattern(b.map, SIZE, 7 + round);
			buffer_check(&b, 7 + round);
		}
		movgem_fill_pattern(b.map, SIZE, 6);
	} else {
		igt_info("no write protection of any mapping\n");
	}
	if (uffd >= 0)
		close(uffd);
	buffer_check(&b, 6);
	buffer_fini(&b);
}

static void test_drop_caches(int fd)
{
	struct buffer b, unmapped;
	int i;

	buffer_init(&b, fd, 7);
	buffer_init(&unmapped, fd, 8);
	munmap(unmapped.map, SIZE);
	for (i = 0; i < 3; i++) {
		drop_caches();
		compact_memory();
	}
	unmapped.map = movgem_bo_mmap(fd, unmapped.handle, SIZE);
	buffer_check(&b, 7);
	buffer_check(&unmapped, 8);
	buffer_fini(&b);
	buffer_fini(&unmapped);
}

#define BAD	7

/* Exits with the error, or is killed by what it asks for. */
static void report_error(struct buffer *b)
{
	signal(SIGBUS, SIG_DFL);
	b->map = movgem_bo_mmap(b->fd, b->handle, SIZE);
	((volatile uint8_t *)b->map)[BAD * MOVGEM_PAGE]++;
	((volatile uint8_t *)b->map)[BAD * MOVGEM_PAGE]--;
	if (madvise(b->map + BAD * MOVGEM_PAGE, MOVGEM_PAGE, MADV_HWPOISON))
		_exit(errno);
	_exit(0);
}

static void test_memory_error(int fd)
{
	struct drm_movgem_mem_info before, now;
	struct buffer b;
	int status, i;
	pid_t child;

	igt_require(can_move);
	igt_emit_ignore_dmesg_regex("Memory failure: |MCE: Killing movgem_mm");
	movgem_mem_info(fd, &before);
	/* The frame is lost for good: not one of a block that is to come back. */
	movable_blocks_offline();
	buffer_init(&b, fd, 9);
	/* Nobody else is to be killed. */
	munmap(b.map, SIZE);
	child = fork();
	igt_assert_lte(0, child);
	if (!child)
		report_error(&b);
	igt_assert_eq(waitpid(child, &status, 0), child);
	b.map = movgem_bo_mmap(fd, b.handle, SIZE);
	if (WIFEXITED(status) && WEXITSTATUS(status) &&
	    WEXITSTATUS(status) != EBUSY) {
		movgem_check_pattern(b.map, SIZE, 9);
		buffer_fini(&b);
		igt_skip("the kernel reports no memory error here: %s\n",
			 strerror(WEXITSTATUS(status)));
	}

	igt_assert_eq(movgem_touch(b.map + BAD * MOVGEM_PAGE, false), SIGBUS);
	igt_assert_eq(movgem_touch(b.map + BAD * MOVGEM_PAGE, true), SIGBUS);
	/* It stays where it is, the others move; and again, by the kernel. */
	igt_assert_eq_u64(movgem_migrate_bo(fd, b.id), PAGES - 1);
	compact_memory();
	drop_caches();
	igt_assert_eq(movgem_touch(b.map + BAD * MOVGEM_PAGE, false), SIGBUS);
	for (i = 0; i < SIZE / 4; i++)
		if (i / (MOVGEM_PAGE / 4) != BAD)
			igt_assert_eq_u32(((uint32_t *)b.map)[i], movgem_mix(9, i));
	buffer_fini(&b);
	triggers_reset();
	movgem_wait_for_bos(fd, before.bos);
	movgem_mem_info(fd, &now);
	igt_assert_eq_u64(now.pages, before.pages);
}

int igt_main()
{
	static const struct movgem_subtest tests[] = {
		{ "advice", test_advice, "No advice to the kernel loses a byte of a buffer." },
		{ "lock", test_lock,
		  "mlock() on a mapping works or is refused, and the pages move." },
		{ "sync", test_sync, "msync(), mincore() and remap_file_pages() do no harm." },
		{ "map-files", test_map_files,
		  "Nobody gets at a buffer's pages through /proc/pid/map_files." },
		{ "userfaultfd", test_userfaultfd,
		  "A mapping is not registered for missing pages; write protection that resolves by itself loses no write." },
		{ "drop-caches", test_drop_caches,
		  "Pages stay when the system's caches are dropped." },
		{ "memory-error", test_memory_error,
		  "A page with a memory error kills who touches it; the other pages of the buffer stay what they are and move." },
	};
	int fd = -1;

	igt_fixture() {
		fd = movgem_open();
		can_move = movgem_can_move(fd);
	}

	movgem_subtests(tests, ARRAY_SIZE(tests), fd);

	igt_fixture() {
		triggers_reset();
		movgem_close(fd);
	}
}
