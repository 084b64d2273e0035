// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "igt.h"
#include "igt_kmod.h"
#include "igt_syncobj.h"
#include "movgem_rig.h"

/**
 * TEST: movgem prime
 * Description: Buffers that cross the borders between files, drivers and
 *              processes as dma-bufs, and what that does to moving them.
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: uapi
 * Functionality: prime
 * Feature: movgem
 * Test category: functionality test
 *
 * SUBTEST: same-file
 * Description: A buffer that comes home has the handle it had.
 *
 * SUBTEST: other-file
 * Description: A buffer in another file is the same buffer.
 *
 * SUBTEST: export-twice
 * Description: A buffer has one dma-buf.
 *
 * SUBTEST: size
 * Description: A dma-buf says how large it is.
 *
 * SUBTEST: mmap-dma-buf
 * Description: A mapping of the dma-buf shows the buffer, also when its pages move.
 *
 * SUBTEST: mmap-dma-buf-read-only
 * Description: A dma-buf that was exported read-only cannot be mapped writable.
 *
 * SUBTEST: sync-files
 * Description: Fences come out of a dma-buf and go into it.
 *
 * SUBTEST: lifetime
 * Description: A buffer lives as long as any of handle, dma-buf, mapping and import.
 *
 * SUBTEST: other-process
 * Description: A process that was given the file imports and writes the buffer.
 *
 * SUBTEST: exclusive-refused
 * Description: A buffer of one VM is not exported.
 *
 * SUBTEST: bad-handles
 * Description: What is no buffer is not exported, what is no dma-buf is not imported.
 *
 * SUBTEST: export-to-vgem
 * Description: vgem imports a buffer: a kernel whose vgem maps it pins it for as long
 *              as that lasts, one whose vgem does not lets it move.
 *
 * SUBTEST: import-from-vgem
 * Description: The GPU reads and writes a buffer of another driver.
 *
 * SUBTEST: import-from-vgem-limits
 * Description: What an imported buffer cannot do is refused.
 */

IGT_TEST_DESCRIPTION("Buffers of movgem as dma-bufs.");

#define PAGES	16
#define SIZE	(PAGES * MOVGEM_PAGE)

static bool can_move;

static void shake(int fd, uint64_t id)
{
	if (can_move)
		movgem_migrate_bo(fd, id);
}

static uint32_t bo_pins(int fd, uint32_t handle)
{
	struct drm_movgem_bo_info info;

	movgem_bo_info(fd, handle, &info);
	return info.pins;
}

static void *map_dma_buf(int dmabuf, int prot)
{
	return mmap(NULL, SIZE, prot, MAP_SHARED, dmabuf, 0);
}

static int export_rdwr(int fd, uint32_t handle)
{
	int dmabuf = prime_handle_to_fd_for_mmap(fd, handle);

	igt_assert_fd(dmabuf);
	return dmabuf;
}

static void test_same_file(int fd)
{
	uint32_t handle = movgem_bo_create(fd, SIZE, 0), again;
	int dmabuf = prime_handle_to_fd(fd, handle);

	igt_assert_eq_u32(prime_fd_to_handle(fd, dmabuf), handle);
	/* Handles of one file are not counted: one close is enough. */
	gem_close(fd, handle);
	again = prime_fd_to_handle(fd, dmabuf);
	igt_assert_neq_u32(again, 0);
	close(dmabuf);
	gem_close(fd, again);
}

static void test_other_file(int fd)
{
	uint32_t handle = movgem_bo_create(fd, SIZE, 0), handle2;
	struct drm_movgem_bo_info info;
	int fd2 = movgem_reopen(fd), dmabuf = prime_handle_to_fd(fd, handle);
	uint64_t before = movgem_bo_count(fd), va = movgem_va_alloc(fd, SIZE);
	uint32_t *map = movgem_bo_mmap(fd, handle, SIZE), *map2;
	struct movgem_rig rig;

	handle2 = prime_fd_to_handle(fd2, dmabuf);
	igt_assert_eq_u64(movgem_bo_count(fd), before);
	movgem_bo_info(fd2, handle2, &info);
	igt_assert_eq_u64(info.size, SIZE);
	igt_assert_eq_u32(info.imported, 0);
	igt_assert_eq_u32(info.pins, 0);
	map2 = movgem_bo_mmap(fd2, handle2, SIZE);
	map2[77] = 0x1234;
	igt_assert_eq_u32(map[77], 0x1234);

	/* And the GPU of the other file. */
	movgem_rig_init(&rig, fd2);
	movgem_vm_map(fd2, rig.vm, handle2, 0, va, SIZE, 0);
	movgem_rig_expect(&rig, va + 77 * 4, 0x1234);
	igt_assert_eq(movgem_rig_write(&rig, va + 4096, 0x5678), 0);
	igt_assert_eq_u32(map[1024], 0x5678);
	movgem_rig_fini(&rig);
	munmap(map2, SIZE);
	munmap(map, SIZE);
	close(dmabuf);
	gem_close(fd, handle);
	movgem_close(fd2);
}

static void test_export_twice(int fd)
{
	uint32_t handle = movgem_bo_create(fd, SIZE, 0);
	int a = prime_handle_to_fd(fd, handle), b = prime_handle_to_fd(fd, handle);
	struct stat sa, sb;

	igt_assert_neq(a, b);
	igt_assert_eq(fstat(a, &sa), 0);
	igt_assert_eq(fstat(b, &sb), 0);
	igt_assert_eq_u64(sa.st_ino, sb.st_ino);
	close(a);
	close(b);
	gem_close(fd, handle);
}

static void test_size(int fd)
{
	uint32_t handle = movgem_bo_create(fd, SIZE + 1, 0);
	int dmabuf = prime_handle_to_fd(fd, handle);

	igt_assert_eq_u64(prime_get_size(dmabuf), SIZE + MOVGEM_PAGE);
	close(dmabuf);
	gem_close(fd, handle);
}

static void test_mmap_dma_buf(int fd)
{
	uint32_t handle = movgem_bo_create(fd, SIZE, 0);
	uint64_t id = can_move ? movgem_bo_id(fd, handle) : 0;
	int dmabuf = export_rdwr(fd, handle), round;
	void *map = movgem_bo_mmap(fd, handle, SIZE), *map2, *middle;

	map2 = map_dma_buf(dmabuf, PROT_READ | PROT_WRITE);
	igt_assert(map2 != MAP_FAILED);
	for (round = 0; round < 4; round++) {
		movgem_fill_pattern(round & 1 ? map : map2, SIZE, round);
		shake(fd, id);
		prime_sync_start(dmabuf, false);
		movgem_check_pattern(round & 1 ? map2 : map, SIZE, round);
		prime_sync_end(dmabuf, false);
	}
	/* A part, from an offset; and nothing past the end. */
	middle = mmap(NULL, 2 * MOVGEM_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, dmabuf,
		      5 * MOVGEM_PAGE);
	igt_assert(middle != MAP_FAILED);
	shake(fd, id);
	igt_assert(!memcmp(middle, (uint8_t *)map + 5 * MOVGEM_PAGE, 2 * MOVGEM_PAGE));
	*(uint32_t *)middle = 0xabc;
	igt_assert_eq_u32(((uint32_t *)map)[5 * 1024], 0xabc);
	munmap(middle, 2 * MOVGEM_PAGE);
	igt_assert(mmap(NULL, SIZE, PROT_READ, MAP_SHARED, dmabuf, MOVGEM_PAGE) == MAP_FAILED);
	igt_assert(mmap(NULL, SIZE + MOVGEM_PAGE, PROT_READ, MAP_SHARED, dmabuf, 0) ==
		   MAP_FAILED);
	/* Private means copy on write, which there is not. */
	igt_assert(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, dmabuf, 0) ==
		   MAP_FAILED);
	close(dmabuf);
	gem_close(fd, handle);
	munmap(map, SIZE);
	movgem_fill_pattern(map2, SIZE, 9);
	shake(fd, id);
	movgem_check_pattern(map2, SIZE, 9);
	munmap(map2, SIZE);
}

static void test_mmap_read_only(int fd)
{
	uint32_t handle = movgem_bo_create(fd, SIZE, 0);
	int dmabuf = prime_handle_to_fd(fd, handle);
	void *map;

	igt_assert(map_dma_buf(dmabuf, PROT_READ | PROT_WRITE) == MAP_FAILED);
	igt_assert_eq(errno, EACCES);
	map = map_dma_buf(dmabuf, PROT_READ);
	igt_assert(map != MAP_FAILED);
	movgem_check_value(map, SIZE, 0);
	igt_assert_eq(movgem_touch(map, true), SIGSEGV);
	igt_assert_neq(mprotect(map, SIZE, PROT_READ | PROT_WRITE), 0);
	munmap(map, SIZE);
	close(dmabuf);
	gem_close(fd, handle);
}

static void test_sync_files(int fd)
{
	struct dma_buf_export_sync_file out = { .flags = DMA_BUF_SYNC_RW, .fd = -1 };
	uint32_t handle = movgem_bo_create(fd, SIZE, 0), done = syncobj_create(fd, 0);
	struct dma_buf_import_sync_file in = { .flags = DMA_BUF_SYNC_WRITE };
	int dmabuf = export_rdwr(fd, handle);
	struct movgem_rig rig;

	movgem_rig_init(&rig, fd);
	movgem_gate_loop(try) {
		struct movgem_gate gate;
		bool busy, held;
		int wait;

		movgem_gate_shut(&gate, fd);
		/* In: the gate's fence becomes one that others wait for... */
		in.fd = movgem_syncobj_file(fd, gate.syncobj);
		do_ioctl(dmabuf, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &in);
		close(in.fd);
		wait = __movgem_bo_wait(fd, handle, 0);
		/* ... and out again. */
		do_ioctl(dmabuf, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &out);
		syncobj_import_sync_file(fd, done, out.fd);
		close(out.fd);
		busy = movgem_syncobj_busy(fd, done);
		held = movgem_gate_open(&gate);
		movgem_syncobj_result(fd, done);
		if (!held)
			continue;
		igt_assert_eq(wait, -ETIME);
		igt_assert(busy);
		break;
	}
	movgem_bo_wait(fd, handle);
	syncobj_destroy(fd, done);
	movgem_rig_fini(&rig);
	close(dmabuf);
	gem_close(fd, handle);
}

static void test_lifetime(int fd)
{
	uint64_t before = movgem_bo_count(fd);
	int fd2 = movgem_reopen(fd), dmabuf;
	uint32_t handle = movgem_bo_create(fd, SIZE, 0), handle2;
	void *map = movgem_bo_mmap(fd, handle, SIZE);

	movgem_fill_pattern(map, SIZE, 1);
	dmabuf = export_rdwr(fd, handle);
	gem_close(fd, handle);
	munmap(map, SIZE);
	/* The dma-buf alone. */
	igt_assert_eq_u64(movgem_bo_count(fd), before + 1);
	map = map_dma_buf(dmabuf, PROT_READ);
	igt_assert(map != MAP_FAILED);
	/* Its mapping alone. */
	close(dmabuf);
	igt_assert_eq_u64(movgem_bo_count(fd), before + 1);
	movgem_check_pattern(map, SIZE, 1);
	munmap(map, SIZE);
	movgem_wait_for_bos(fd, before);

	/* An import alone, whose file is another one. */
	handle = movgem_bo_create(fd, SIZE, 0);
	map = movgem_bo_mmap(fd, handle, SIZE);
	movgem_fill_pattern(map, SIZE, 2);
	munmap(map, SIZE);
	dmabuf = prime_handle_to_fd(fd, handle);
	handle2 = prime_fd_to_handle(fd2, dmabuf);
	close(dmabuf);
	gem_close(fd, handle);
	map = movgem_bo_mmap(fd2, handle2, SIZE);
	movgem_check_pattern(map, SIZE, 2);
	munmap(map, SIZE);
	igt_assert_eq_u64(movgem_bo_count(fd), before + 1);
	movgem_close(fd2);
	movgem_wait_for_bos(fd, before);
}

static void test_other_process(int fd)
{
	uint32_t handle = movgem_bo_create(fd, SIZE, 0);
	uint64_t id = can_move ? movgem_bo_id(fd, handle) : 0;
	int dmabuf = export_rdwr(fd, handle);
	void *map = movgem_bo_mmap(fd, handle, SIZE);

	movgem_fill_pattern(map, SIZE, 3);
	igt_fork(child, 2) {
		int fd2 = movgem_reopen(fd);
		uint32_t handle2 = prime_fd_to_handle(fd2, dmabuf);
		uint32_t *map2 = movgem_bo_mmap(fd2, handle2, SIZE);

		if (child) {
			movgem_check_pattern(map2, SIZE / 2, 3);
		} else {
			movgem_check_pattern(map2, SIZE / 2, 3);
			movgem_fill_pattern(map2 + SIZE / 8, SIZE / 2, 4);
		}
	}
	shake(fd, id);
	igt_waitchildren();
	movgem_check_pattern(map, SIZE / 2, 3);
	movgem_check_pattern((uint8_t *)map + SIZE / 2, SIZE / 2, 4);
	munmap(map, SIZE);
	close(dmabuf);
	gem_close(fd, handle);
}

static void test_exclusive_refused(int fd)
{
	uint32_t vm = movgem_vm_create(fd);
	uint32_t handle = movgem_bo_create_exclusive(fd, SIZE, vm);
	struct drm_prime_handle args = { .handle = handle, .flags = DRM_CLOEXEC, .fd = -1 };
	int ret = movgem_ioctl(fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &args);

	igt_assert_f(ret == -EINVAL || ret == -EPERM, "export gives %d\n", ret);
	igt_assert_eq(args.fd, -1);
	gem_close(fd, handle);
	movgem_vm_destroy(fd, vm);
}

static void test_bad_handles(int fd)
{
	struct drm_prime_handle args = { .handle = 0x7fffffff, .flags = DRM_CLOEXEC, .fd = -1 };

	do_ioctl_err(fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &args, ENOENT);
	args.fd = -1;
	do_ioctl_err(fd, DRM_IOCTL_PRIME_FD_TO_HANDLE, &args, EBADF);
	args.fd = fd;
	do_ioctl_err(fd, DRM_IOCTL_PRIME_FD_TO_HANDLE, &args, EINVAL);
}

/* ---- vgem: a driver whose buffers are shmem and whose imports are static ---- */

static int open_vgem(void)
{
	int fd;

	if (!igt_kmod_is_loaded("vgem"))
		igt_kmod_load("vgem", NULL);
	fd = movgem_open_other("vgem");
	igt_require_f(fd >= 0, "no vgem device: the module is not there or does not load\n");
	return fd;
}

static uint32_t vgem_create(int vgem)
{
	struct drm_mode_create_dumb args = { .width = SIZE / 4, .height = 1, .bpp = 32 };

	do_ioctl(vgem, DRM_IOCTL_MODE_CREATE_DUMB, &args);
	igt_assert_eq_u64(args.size, SIZE);
	return args.handle;
}

static void *vgem_mmap(int vgem, uint32_t handle)
{
	struct drm_mode_map_dumb args = { .handle = handle };
	void *map;

	do_ioctl(vgem, DRM_IOCTL_MODE_MAP_DUMB, &args);
	map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, vgem, args.offset);
	igt_assert(map != MAP_FAILED);
	return map;
}

static void test_export_to_vgem(int fd)
{
	int vgem = open_vgem(), dmabuf;
	uint32_t handle = movgem_bo_create(fd, SIZE, 0), theirs;
	uint64_t pfns[PAGES], now[PAGES], id = 0;
	void *map = movgem_bo_mmap(fd, handle, SIZE), *map2;
	struct drm_movgem_mem_info before, info;
	bool pinned;

	if (can_move)
		id = movgem_bo_id(fd, handle);
	movgem_fill_pattern(map, SIZE, 5);
	movgem_mem_info(fd, &before);
	igt_assert_eq_u32(bo_pins(fd, handle), 0);
	dmabuf = export_rdwr(fd, handle);
	/* Exported is not pinned. */
	igt_assert_eq_u32(bo_pins(fd, handle), 0);

	theirs = prime_fd_to_handle(vgem, dmabuf);
	/* As of Linux 7.2 it has the dma-buf only, movgem_importer has who maps it. */
	pinned = bo_pins(fd, handle);
	movgem_mem_info(fd, &info);
	igt_assert_eq_u64(info.pages_pinned, before.pages_pinned + (pinned ? PAGES : 0));
	if (id && !pinned) {
		igt_assert_eq_u64(movgem_migrate_bo(fd, id), PAGES);
		movgem_check_pattern(map, SIZE, 5);
	} else if (id) {
		igt_assert_eq(movgem_bo_pfns(fd, id, pfns, PAGES), PAGES);
		igt_assert_eq(__movgem_migrate_bo(fd, id), -EBUSY);
		igt_assert_eq(movgem_bo_pfns(fd, id, now, PAGES), PAGES);
		igt_assert(!memcmp(pfns, now, sizeof(pfns)));
	}
	/* Pinned or not, pages are mapped and freed as others are. */
	map2 = map_dma_buf(dmabuf, PROT_READ | PROT_WRITE);
	igt_assert(map2 != MAP_FAILED);
	movgem_check_pattern(map2, SIZE, 5);
	movgem_fill_pattern(map2, SIZE, 6);
	movgem_check_pattern(map, SIZE, 6);
	munmap(map2, SIZE);

	gem_close(vgem, theirs);
	igt_assert_eq_u32(bo_pins(fd, handle), 0);
	movgem_mem_info(fd, &info);
	igt_assert_eq_u64(info.pages_pinned, before.pages_pinned);
	if (id) {
		igt_assert_lt_u64(0, movgem_migrate_bo(fd, id));
		movgem_check_pattern(map, SIZE, 6);
	}

	/* The importer goes last: closing our handle must not take its pages. */
	theirs = prime_fd_to_handle(vgem, dmabuf);
	close(dmabuf);
	gem_close(fd, handle);
	movgem_check_pattern(map, SIZE, 6);
	munmap(map, SIZE);
	igt_assert_eq_u64(movgem_bo_count(fd), before.bos);
	gem_close(vgem, theirs);
	movgem_wait_for_bos(fd, before.bos - 1);
	close(vgem);
}

static void test_import_from_vgem(int fd)
{
	int vgem = open_vgem(), dmabuf, i;
	uint32_t theirs = vgem_create(vgem), handle;
	uint64_t va = movgem_va_alloc(fd, SIZE), before = movgem_bo_count(fd);
	uint32_t *map = vgem_mmap(vgem, theirs);
	struct drm_movgem_bo_info info;
	struct movgem_rig rig;

	dmabuf = prime_handle_to_fd(vgem, theirs);
	handle = prime_fd_to_handle(fd, dmabuf);
	igt_assert_eq_u32(prime_fd_to_handle(fd, dmabuf), handle);
	close(dmabuf);
	movgem_bo_info(fd, handle, &info);
	igt_assert_eq_u32(info.imported, 1);
	igt_assert_eq_u64(info.size, SIZE);

	movgem_rig_init(&rig, fd);
	movgem_vm_map(fd, rig.vm, handle, 0, va, SIZE, 0);
	movgem_fill_pattern(map, SIZE, 7);
	for (i = 0; i < PAGES; i++)
		movgem_rig_expect(&rig, va + i * MOVGEM_PAGE + 40,
				  movgem_mix(7, i * 1024 + 10));
	movgem_stream_reset(&rig.s);
	movgem_cmd_fill(&rig.s, va + 100, SIZE - 200, 0x76543210);
	movgem_stream_run(&rig.s, rig.queue);
	movgem_check_value((uint8_t *)map + 100, SIZE - 200, 0x76543210);
	igt_assert_eq_u32(map[24], movgem_mix(7, 24));
	igt_assert_eq_u32(map[SIZE / 4 - 25], movgem_mix(7, SIZE / 4 - 25));

	/* Bound in our VM it stays, whoever else lets go. */
	munmap(map, SIZE);
	gem_close(vgem, theirs);
	gem_close(fd, handle);
	movgem_rig_expect(&rig, va + SIZE / 2, 0x76543210);
	movgem_rig_fini(&rig);
	close(vgem);
	movgem_wait_for_bos(fd, before);
}

static void test_import_limits(int fd)
{
	int vgem = open_vgem(), dmabuf;
	uint32_t theirs = vgem_create(vgem), handle, retained;
	uint64_t offset;

	dmabuf = prime_handle_to_fd(vgem, theirs);
	handle = prime_fd_to_handle(fd, dmabuf);
	igt_assert_eq(__movgem_bo_mmap_offset(fd, handle, &offset), -EINVAL);
	igt_assert_eq(__movgem_bo_madvise(fd, handle, DRM_MOVGEM_MADV_DONTNEED, &retained),
		      -EINVAL);
	igt_assert_eq(__movgem_bo_wait(fd, handle, 0), 0);
	if (can_move) {
		/* Its pages are not ours to move. */
		igt_assert_eq_u64(movgem_migrate_bo(fd, movgem_bo_id(fd, handle)), 0);
		igt_system_quiet("echo 1 > /proc/sys/vm/compact_memory");
	}
	close(dmabuf);
	gem_close(vgem, theirs);
	gem_close(fd, handle);
	close(vgem);
}

int igt_main()
{
	static const struct movgem_subtest tests[] = {
		{ "same-file", test_same_file,
		  "A buffer that comes home has the handle it had." },
		{ "other-file", test_other_file,
		  "A buffer in another file is the same buffer." },
		{ "export-twice", test_export_twice, "A buffer has one dma-buf." },
		{ "size", test_size, "A dma-buf says how large it is." },
		{ "mmap-dma-buf", test_mmap_dma_buf,
		  "A mapping of the dma-buf shows the buffer, also when its pages move." },
		{ "mmap-dma-buf-read-only", test_mmap_read_only,
		  "A dma-buf that was exported read-only cannot be mapped writable." },
		{ "sync-files", test_sync_files,
		  "Fences come out of a dma-buf and go into it." },
		{ "lifetime", test_lifetime,
		  "A buffer lives as long as any of handle, dma-buf, mapping and import." },
		{ "other-process", test_other_process,
		  "A process that was given the file imports and writes the buffer." },
		{ "exclusive-refused", test_exclusive_refused,
		  "A buffer of one VM is not exported." },
		{ "bad-handles", test_bad_handles,
		  "What is no buffer is not exported, what is no dma-buf is not imported." },
		{ "export-to-vgem", test_export_to_vgem,
		  "vgem imports a buffer, which pins it if it maps it." },
		{ "import-from-vgem", test_import_from_vgem,
		  "The GPU reads and writes a buffer of another driver." },
		{ "import-from-vgem-limits", test_import_limits,
		  "What an imported buffer cannot do is refused." },
	};
	int fd = -1;

	igt_fixture() {
		fd = movgem_open();
		can_move = movgem_can_move(fd);
	}

	movgem_subtests(tests, ARRAY_SIZE(tests), fd);

	igt_fixture()
		movgem_close(fd);
}
