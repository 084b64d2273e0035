// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "igt.h"
#include "movgem_lib.h"

/**
 * TEST: movgem create
 * Description: Creating, naming, querying and freeing buffers.
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: uapi
 * Functionality: buffer management
 * Feature: movgem
 * Test category: functionality test
 *
 * SUBTEST: query
 * Description: What the device says of itself makes sense, in full and in part.
 *
 * SUBTEST: sizes
 * Description: Sizes are rounded up to pages, and the pages are there at once.
 *
 * SUBTEST: zeroed
 * Description: A new buffer is all zero.
 *
 * SUBTEST: many
 * Description: A thousand buffers have a thousand handles and all are freed again.
 *
 * SUBTEST: close
 * Description: A closed handle is gone.
 *
 * SUBTEST: close-file
 * Description: Closing the file frees its buffers.
 *
 * SUBTEST: close-file-killed
 * Description: The end of a process frees its buffers.
 *
 * SUBTEST: memory-comes-back
 * Description: The memory of freed buffers is free.
 *
 * SUBTEST: no-mmap
 * Description: A buffer that was created without CPU access has none.
 *
 * SUBTEST: exclusive
 * Description: The VM of an exclusive buffer has to be one of this file.
 *
 * SUBTEST: label
 * Description: Labels appear in debugfs, change, and go.
 *
 * SUBTEST: render-node
 * Description: The render node does the same.
 *
 * SUBTEST: larger-than-memory
 * Description: A buffer larger than memory is refused and leaves nothing behind.
 *
 * SUBTEST: parallel
 * Description: Processes that create and free at once do not see each other's bytes.
 */

IGT_TEST_DESCRIPTION("Creating, naming, querying and freeing movgem buffers.");

/* Freeing may lag behind the call that caused it; it may not lag for ever. */
static void wait_for_bos(int fd, const struct drm_movgem_mem_info *want)
{
	struct drm_movgem_mem_info now;
	int i;

	for (i = 0; i < 3000; i++) {
		movgem_mem_info(fd, &now);
		if (now.bos <= want->bos && now.pages <= want->pages)
			return;
		usleep(10000);
	}
	igt_assert_lte_u64(now.bos, want->bos);
	igt_assert_lte_u64(now.pages, want->pages);
}

static void test_query(int fd)
{
	struct drm_movgem_gpu_info gpu, part;
	struct drm_movgem_mem_info mem;
	uint8_t large[512];
	uint32_t size;

	movgem_gpu_info(fd, &gpu);
	igt_info("engine %u, %u cores, VM %#llx to %#llx, TLB %u, stream %u, time-out %u ms\n",
		 gpu.engine, gpu.cores, (long long)gpu.va_start, (long long)gpu.va_end,
		 gpu.tlb_entries, gpu.max_stream_size, gpu.job_timeout_ms);
	igt_assert_lte_u32(1, gpu.cores);
	igt_assert_lt_u64(gpu.va_start, gpu.va_end);
	igt_assert(IS_ALIGNED(gpu.va_start, gpu.page_size));
	igt_assert(IS_ALIGNED(gpu.va_end, gpu.page_size));
	igt_assert_eq_u32(gpu.page_size, MOVGEM_PAGE);
	igt_assert_lte_u32(4096, gpu.max_stream_size);
	igt_assert_eq_u32(gpu.max_stream_size % 8, 0);
	igt_assert_lte_u32(1, gpu.job_timeout_ms);
	igt_assert_lte_u64(1, gpu.timestamp_frequency);

	movgem_mem_info(fd, &mem);
	igt_info("page store %u, %llu BOs, %llu pages\n", mem.page_store,
		 (long long)mem.bos, (long long)mem.pages);
	igt_assert_lte_u32(mem.page_store, DRM_MOVGEM_PAGE_STORE_FOLIO);
	igt_assert_eq_u32(mem.pad, 0);

	/* The size is asked for with no place to write to. */
	size = 0;
	igt_assert_eq(__movgem_query(fd, DRM_MOVGEM_DEV_QUERY_GPU_INFO, NULL, &size), 0);
	igt_assert_eq_u32(size, sizeof(gpu));
	size = 0;
	igt_assert_eq(__movgem_query(fd, DRM_MOVGEM_DEV_QUERY_MEM_INFO, NULL, &size), 0);
	igt_assert_eq_u32(size, sizeof(mem));

	/* An old program gets the start, and no byte more. */
	memset(&part, 0xaa, sizeof(part));
	size = 8;
	igt_assert_eq(__movgem_query(fd, DRM_MOVGEM_DEV_QUERY_GPU_INFO, &part, &size), 0);
	igt_assert_eq_u32(size, 8);
	igt_assert_eq_u32(part.engine, gpu.engine);
	igt_assert_eq_u32(part.cores, gpu.cores);
	igt_assert_eq_u64(part.va_start, 0xaaaaaaaaaaaaaaaaull);

	/* A program from the future is told how much of its structure is known. */
	memset(large, 0xaa, sizeof(large));
	size = sizeof(large);
	igt_assert_eq(__movgem_query(fd, DRM_MOVGEM_DEV_QUERY_GPU_INFO, large, &size), 0);
	igt_assert_eq_u32(size, sizeof(gpu));
	igt_assert(!memcmp(large, &gpu, sizeof(gpu)));
	igt_assert_eq(large[sizeof(gpu)], 0xaa);
}

static void test_sizes(int fd)
{
	static const uint64_t sizes[] = { 1, 4095, 4096, 4097, SZ_64K, SZ_1M + 1, SZ_2M * 4 };
	struct drm_movgem_mem_info before, after;
	struct drm_movgem_bo_info info;
	unsigned int i;

	movgem_mem_info(fd, &before);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct drm_movgem_bo_create args = { .size = sizes[i] };
		uint64_t size = ALIGN(sizes[i], MOVGEM_PAGE);

		do_ioctl(fd, DRM_IOCTL_MOVGEM_BO_CREATE, &args);
		igt_assert_neq_u32(args.handle, 0);
		igt_assert_eq_u64(args.size, size);

		movgem_bo_info(fd, args.handle, &info);
		igt_assert_eq_u64(info.size, size);
		igt_assert_eq_u64(info.pages, size / MOVGEM_PAGE);
		igt_assert_eq_u32(info.flags, 0);
		igt_assert_eq_u32(info.pins, 0);
		igt_assert_eq_u32(info.gpu_maps, 0);
		igt_assert_eq_u32(info.imported, 0);
		igt_assert_eq_u32(info.madvise, DRM_MOVGEM_MADV_WILLNEED);
		igt_assert_eq_u64(info.gup, 0);

		movgem_mem_info(fd, &after);
		igt_assert_eq_u64(after.bos, before.bos + 1);
		igt_assert_eq_u64(after.pages, before.pages + size / MOVGEM_PAGE);
		gem_close(fd, args.handle);
	}
	wait_for_bos(fd, &before);
}

static void test_zeroed(int fd)
{
	const uint64_t size = SZ_2M * 2;
	uint32_t handle = movgem_bo_create(fd, size, 0);
	void *map = movgem_bo_mmap(fd, handle, size);

	movgem_check_value(map, size, 0);
	munmap(map, size);
	gem_close(fd, handle);
}

static int compare_u32(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void test_many(int fd)
{
	struct drm_movgem_mem_info before, after;
	static uint32_t handles[1000], sorted[1000];
	unsigned int i;

	movgem_mem_info(fd, &before);
	for (i = 0; i < ARRAY_SIZE(handles); i++)
		handles[i] = movgem_bo_create(fd, MOVGEM_PAGE * (1 + i % 3), 0);
	movgem_mem_info(fd, &after);
	igt_assert_eq_u64(after.bos, before.bos + ARRAY_SIZE(handles));

	memcpy(sorted, handles, sizeof(sorted));
	qsort(sorted, ARRAY_SIZE(sorted), sizeof(sorted[0]), compare_u32);
	for (i = 1; i < ARRAY_SIZE(sorted); i++)
		igt_assert_neq_u32(sorted[i], sorted[i - 1]);

	/* Every second one first, so that the holes are in between. */
	for (i = 0; i < ARRAY_SIZE(handles); i += 2)
		gem_close(fd, handles[i]);
	for (i = 1; i < ARRAY_SIZE(handles); i += 2) {
		struct drm_movgem_bo_info info;

		movgem_bo_info(fd, handles[i], &info);
		igt_assert_eq_u64(info.size, MOVGEM_PAGE * (1 + i % 3));
		gem_close(fd, handles[i]);
	}
	wait_for_bos(fd, &before);
}

static void test_close(int fd)
{
	uint32_t handle = movgem_bo_create(fd, MOVGEM_PAGE, 0);
	struct drm_movgem_bo_info info;
	uint64_t offset;

	gem_close(fd, handle);
	igt_assert_eq(__movgem_bo_info(fd, handle, &info), -ENOENT);
	igt_assert_eq(__movgem_bo_mmap_offset(fd, handle, &offset), -ENOENT);
	igt_assert_eq(__movgem_gem_close(fd, handle), -EINVAL);
}

static void test_close_file(int fd)
{
	struct drm_movgem_mem_info before;
	int i, fd2;

	movgem_mem_info(fd, &before);
	fd2 = movgem_reopen(fd);
	for (i = 0; i < 100; i++) {
		uint32_t handle = movgem_bo_create(fd2, SZ_64K, 0);

		/* Some with an offset, which is a node in the device's tree. */
		if (i & 1) {
			void *map = movgem_bo_mmap(fd2, handle, SZ_64K);

			memset(map, i, SZ_64K);
			munmap(map, SZ_64K);
		}
	}
	movgem_close(fd2);
	wait_for_bos(fd, &before);
}

/* The driver does not count a page that it has freed and kept a reference of. */
static void test_memory_comes_back(int fd)
{
	const unsigned int count = 32;
	struct drm_movgem_mem_info before;
	struct sysinfo first, last;
	unsigned int i;

	movgem_mem_info(fd, &before);
	igt_assert_eq(sysinfo(&first), 0);
	for (i = 0; i < count; i++)
		gem_close(fd, movgem_bo_create(fd, SZ_2M, 0));
	wait_for_bos(fd, &before);
	igt_assert_eq(sysinfo(&last), 0);
	/* Others come and go meanwhile, but nobody takes half of that. */
	igt_assert_lt_u64((uint64_t)first.freeram * first.mem_unit,
			  (uint64_t)last.freeram * last.mem_unit +
			  count * (uint64_t)SZ_2M / 2);
}

static void test_close_file_killed(int fd)
{
	struct igt_helper_process proc = { .use_SIGKILL = true };
	struct drm_movgem_mem_info before, now;
	int i;

	movgem_mem_info(fd, &before);
	igt_fork_helper(&proc) {
		int fd2 = movgem_reopen(fd);

		for (i = 0; i < 16; i++)
			memset(movgem_bo_mmap(fd2, movgem_bo_create(fd2, SZ_64K, 0), SZ_64K),
			       i, SZ_64K);
		for (;;)
			pause();
	}
	igt_set_timeout(60, "the child creates its buffers");
	do {
		usleep(1000);
		movgem_mem_info(fd, &now);
	} while (now.bos < before.bos + 16);
	igt_reset_timeout();
	igt_stop_helper(&proc);
	wait_for_bos(fd, &before);
}

static void test_no_mmap(int fd)
{
	uint32_t handle = movgem_bo_create(fd, MOVGEM_PAGE, DRM_MOVGEM_BO_NO_MMAP);
	struct drm_movgem_bo_info info;
	uint64_t offset;

	movgem_bo_info(fd, handle, &info);
	igt_assert_eq_u32(info.flags, DRM_MOVGEM_BO_NO_MMAP);
	igt_assert_eq(__movgem_bo_mmap_offset(fd, handle, &offset), -EPERM);
	gem_close(fd, handle);
}

static void test_exclusive(int fd)
{
	uint32_t vm = movgem_vm_create(fd), foreign, handle;
	int fd2 = movgem_reopen(fd), i;

	gem_close(fd, movgem_bo_create_exclusive(fd, MOVGEM_PAGE, vm));

	/* Ids are per file: some id of the other file is none of ours. */
	for (i = 0, foreign = 0; i < 8; i++)
		foreign = movgem_vm_create(fd2);
	igt_assert_neq_u32(foreign, vm);
	igt_assert_eq(__movgem_bo_create(fd, MOVGEM_PAGE, 0, foreign, &handle), -ENOENT);
	movgem_close(fd2);

	movgem_vm_destroy(fd, vm);
	igt_assert_eq(__movgem_bo_create(fd, MOVGEM_PAGE, 0, vm, &handle), -ENOENT);
}

static void test_label(int fd)
{
	uint32_t handle = movgem_bo_create(fd, 3 * MOVGEM_PAGE, 0);
	char text[DRM_MOVGEM_BO_LABEL_MAX + 1];
	struct movgem_gem gem;
	uint64_t id;

	movgem_require_debugfs(fd);
	id = movgem_bo_id(fd, handle);
	igt_assert(movgem_gem_row(fd, id, &gem));
	igt_assert_eq_u64(gem.size, 3 * MOVGEM_PAGE);
	igt_assert_eq_u64(gem.pages, 3);

	movgem_bo_label(fd, handle, "first label");
	igt_assert(movgem_gem_row(fd, id, &gem));
	igt_assert_f(!strcmp(gem.label, "first label"), "label is '%s'\n", gem.label);

	/* The longest that fits, and one more. */
	memset(text, 'x', sizeof(text));
	text[DRM_MOVGEM_BO_LABEL_MAX - 1] = 0;
	movgem_bo_label(fd, handle, text);
	igt_assert(movgem_gem_row(fd, id, &gem));
	igt_assert_f(!strcmp(gem.label, text), "label is '%s'\n", gem.label);
	text[DRM_MOVGEM_BO_LABEL_MAX - 1] = 'x';
	text[DRM_MOVGEM_BO_LABEL_MAX] = 0;
	igt_assert_eq(__movgem_bo_label(fd, handle, text), -E2BIG);
	igt_assert(movgem_gem_row(fd, id, &gem));
	igt_assert_eq(strlen(gem.label), DRM_MOVGEM_BO_LABEL_MAX - 1);

	/* A label may not forge lines of the table. */
	movgem_bo_label(fd, handle, "two\nlines");
	igt_assert(movgem_gem_row(fd, id, &gem));
	igt_assert(!strchr(gem.label, '\n'));
	igt_assert(strcmp(gem.label, "two"));

	movgem_bo_label(fd, handle, NULL);
	igt_assert(movgem_gem_row(fd, id, &gem));
	igt_assert(!strstr(gem.label, "two"));

	gem_close(fd, handle);
	igt_assert(!movgem_gem_row(fd, id, &gem));
}

static void test_render_node(void)
{
	int fd = movgem_open_render();
	uint32_t handle = movgem_bo_create(fd, SZ_64K, 0);
	void *map = movgem_bo_mmap(fd, handle, SZ_64K);

	movgem_check_value(map, SZ_64K, 0);
	movgem_fill_pattern(map, SZ_64K, 1);
	movgem_check_pattern(map, SZ_64K, 1);
	munmap(map, SZ_64K);
	gem_close(fd, handle);
	movgem_close(fd);
}

static void test_larger_than_memory(int fd)
{
	struct drm_movgem_mem_info before;
	uint64_t ram = sysconf(_SC_PHYS_PAGES) * MOVGEM_PAGE;
	uint32_t handle;
	int ret;

	movgem_mem_info(fd, &before);
	ret = __movgem_bo_create(fd, ram * 2, 0, 0, &handle);
	igt_assert_f(ret == -ENOMEM || ret == -EINVAL, "twice the memory: %d\n", ret);
	ret = __movgem_bo_create(fd, ram * 1024, 0, 0, &handle);
	igt_assert_f(ret == -ENOMEM || ret == -EINVAL, "1024 times the memory: %d\n", ret);
	wait_for_bos(fd, &before);
	gem_close(fd, movgem_bo_create(fd, SZ_1M, 0));
}

static void test_parallel(int fd)
{
	struct drm_movgem_mem_info before;

	movgem_mem_info(fd, &before);
	igt_fork(child, 4) {
		int fd2 = movgem_reopen(fd), i;

		for (i = 0; i < 50; i++) {
			uint64_t size = MOVGEM_PAGE * (1 + (i * 7 + child) % 40);
			uint32_t handle = movgem_bo_create(fd2, size, 0);
			void *map = movgem_bo_mmap(fd2, handle, size);

			movgem_check_value(map, size, 0);
			movgem_fill_pattern(map, size, child * 1000 + i);
			sched_yield();
			movgem_check_pattern(map, size, child * 1000 + i);
			munmap(map, size);
			gem_close(fd2, handle);
		}
	}
	igt_waitchildren();
	wait_for_bos(fd, &before);
}

int igt_main()
{
	int fd = -1;

	igt_fixture()
		fd = movgem_open();

	igt_describe("What the device says of itself makes sense, in full and in part.");
	igt_subtest("query")
		test_query(fd);

	igt_describe("Sizes are rounded up to pages, and the pages are there at once.");
	igt_subtest("sizes")
		test_sizes(fd);

	igt_describe("A new buffer is all zero.");
	igt_subtest("zeroed")
		test_zeroed(fd);

	igt_describe("A thousand buffers have a thousand handles and all are freed again.");
	igt_subtest("many")
		test_many(fd);

	igt_describe("A closed handle is gone.");
	igt_subtest("close")
		test_close(fd);

	igt_describe("Closing the file frees its buffers.");
	igt_subtest("close-file")
		test_close_file(fd);

	igt_describe("The end of a process frees its buffers.");
	igt_subtest("close-file-killed")
		test_close_file_killed(fd);

	igt_describe("The memory of freed buffers is free.");
	igt_subtest("memory-comes-back")
		test_memory_comes_back(fd);

	igt_describe("A buffer that was created without CPU access has none.");
	igt_subtest("no-mmap")
		test_no_mmap(fd);

	igt_describe("The VM of an exclusive buffer has to be one of this file.");
	igt_subtest("exclusive")
		test_exclusive(fd);

	igt_describe("Labels appear in debugfs, change, and go.");
	igt_subtest("label")
		test_label(fd);

	igt_describe("The render node does the same.");
	igt_subtest("render-node")
		test_render_node();

	igt_describe("A buffer larger than memory is refused and leaves nothing behind.");
	igt_subtest("larger-than-memory")
		test_larger_than_memory(fd);

	igt_describe("Processes that create and free at once do not see each other's bytes.");
	igt_subtest("parallel")
		test_parallel(fd);

	igt_fixture()
		movgem_close(fd);
}
