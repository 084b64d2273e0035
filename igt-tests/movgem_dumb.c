// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "igt.h"
#include "movgem_rig.h"

/**
 * TEST: movgem dumb
 * Description: Dumb buffers are buffers like others.
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: uapi
 * Functionality: dumb buffers
 * Feature: movgem
 * Test category: functionality test
 *
 * SUBTEST: create
 * Description: Pitch and size hold the picture that was asked for.
 *
 * SUBTEST: map
 * Description: A dumb buffer is mapped, written and zero at first.
 *
 * SUBTEST: gpu
 * Description: A dumb buffer is bound, drawn into and queried as any other.
 *
 * SUBTEST: bad-size
 * Description: Sizes that are zero, odd or too large are refused.
 *
 * SUBTEST: destroy
 * Description: A destroyed buffer is gone.
 *
 * SUBTEST: render-node
 * Description: The render node has no dumb buffers.
 */

IGT_TEST_DESCRIPTION("Dumb buffers of movgem.");

static int __dumb_create(int fd, uint32_t width, uint32_t height, uint32_t bpp,
			 struct drm_mode_create_dumb *args)
{
	*args = (struct drm_mode_create_dumb) {
		.width = width,
		.height = height,
		.bpp = bpp,
	};
	return movgem_ioctl(fd, DRM_IOCTL_MODE_CREATE_DUMB, args);
}

static int dumb_destroy(int fd, uint32_t handle)
{
	struct drm_mode_destroy_dumb args = { .handle = handle };

	return movgem_ioctl(fd, DRM_IOCTL_MODE_DESTROY_DUMB, &args);
}

static void *dumb_mmap(int fd, const struct drm_mode_create_dumb *dumb)
{
	struct drm_mode_map_dumb args = { .handle = dumb->handle };
	void *map;

	do_ioctl(fd, DRM_IOCTL_MODE_MAP_DUMB, &args);
	map = mmap(NULL, dumb->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, args.offset);
	igt_assert(map != MAP_FAILED);
	return map;
}

static void test_create(int fd)
{
	static const struct { uint32_t w, h, bpp; } modes[] = {
		{ 1, 1, 32 }, { 1, 1, 8 }, { 640, 480, 32 }, { 1023, 767, 16 }, { 333, 1, 24 },
		{ 1280, 800, 32 }, { 4096, 1, 32 }, { 1, 4096, 8 }, { 64, 64, 64 },
	};
	struct drm_mode_create_dumb dumb;
	struct drm_movgem_bo_info info;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		igt_assert_eq(__dumb_create(fd, modes[i].w, modes[i].h, modes[i].bpp, &dumb), 0);
		igt_assert_neq_u32(dumb.handle, 0);
		igt_assert_lte_u32(modes[i].w * (modes[i].bpp / 8), dumb.pitch);
		/* The blitter wants lines of whole pixels. */
		if (modes[i].bpp != 24)
			igt_assert_eq_u32(dumb.pitch % (modes[i].bpp / 8), 0);
		igt_assert_lte_u64((uint64_t)dumb.pitch * modes[i].h, dumb.size);
		igt_assert(IS_ALIGNED(dumb.size, MOVGEM_PAGE));
		movgem_bo_info(fd, dumb.handle, &info);
		igt_assert_eq_u64(info.size, dumb.size);
		igt_assert_eq(dumb_destroy(fd, dumb.handle), 0);
	}
}

static void test_map(int fd)
{
	struct drm_mode_create_dumb dumb;
	void *map, *map2;

	igt_assert_eq(__dumb_create(fd, 640, 480, 32, &dumb), 0);
	map = dumb_mmap(fd, &dumb);
	movgem_check_value(map, dumb.size, 0);
	movgem_fill_pattern(map, dumb.size, 1);
	/* The driver's own offset leads to the same place. */
	map2 = movgem_bo_mmap(fd, dumb.handle, dumb.size);
	movgem_check_pattern(map2, dumb.size, 1);
	igt_assert_eq(dumb_destroy(fd, dumb.handle), 0);
	movgem_check_pattern(map, dumb.size, 1);
	munmap(map, dumb.size);
	munmap(map2, dumb.size);
}

static void test_gpu(int fd)
{
	struct drm_mode_create_dumb dumb;
	struct movgem_rig rig;
	uint64_t va;
	void *map;

	igt_assert_eq(__dumb_create(fd, 64, 64, 32, &dumb), 0);
	map = dumb_mmap(fd, &dumb);
	va = movgem_va_alloc(fd, dumb.size);
	movgem_rig_init(&rig, fd);
	movgem_vm_map(fd, rig.vm, dumb.handle, 0, va, dumb.size, 0);
	movgem_cmd_fill(&rig.s, va, dumb.size, 0x00ff00ff);
	movgem_stream_run(&rig.s, rig.queue);
	movgem_check_value(map, dumb.size, 0x00ff00ff);
	movgem_rig_fini(&rig);
	munmap(map, dumb.size);
	igt_assert_eq(dumb_destroy(fd, dumb.handle), 0);
}

static void test_bad_size(int fd)
{
	static const struct { uint32_t w, h, bpp; } bad[] = {
		{ 0, 64, 32 }, { 64, 0, 32 }, { 64, 64, 0 },
		{ 0xffffffff, 1, 32 }, { 1, 0xffffffff, 32 }, { 64, 64, 0xffffffff },
		{ 0x10000, 0x10000, 32 }, { 0xffff, 0xffff, 0xffff },
		{ 0x80000000, 2, 8 }, { 1, 1, 0xfffffff8 },
	};
	static const uint32_t odd[] = { 1, 4, 7, 9, 12, 15, 17, 30, 33, 48, 128, 1000 };
	struct drm_movgem_mem_info before, after;
	struct drm_mode_create_dumb dumb;
	unsigned int i;
	int ret;

	movgem_mem_info(fd, &before);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		ret = __dumb_create(fd, bad[i].w, bad[i].h, bad[i].bpp, &dumb);
		igt_assert_f(ret == -EINVAL || (ret == -ENOMEM && bad[i].w && bad[i].h),
			     "%ux%u, %u bits: %d\n", bad[i].w, bad[i].h, bad[i].bpp, ret);
	}
	/* Refused, or large enough for what was asked. */
	for (i = 0; i < ARRAY_SIZE(odd); i++) {
		ret = __dumb_create(fd, 100, 10, odd[i], &dumb);
		if (ret) {
			igt_assert_eq(ret, -EINVAL);
			continue;
		}
		igt_assert_lte_u64((100ull * odd[i] + 7) / 8, dumb.pitch);
		igt_assert_lte_u64(10ull * dumb.pitch, dumb.size);
		igt_assert_eq(dumb_destroy(fd, dumb.handle), 0);
	}
	movgem_mem_info(fd, &after);
	igt_assert_eq_u64(after.bos, before.bos);
	igt_assert_eq_u64(after.pages, before.pages);
}

static void test_destroy(int fd)
{
	struct drm_mode_map_dumb map = { };
	struct drm_mode_create_dumb dumb;
	struct drm_movgem_bo_info info;

	igt_assert_eq(__dumb_create(fd, 64, 64, 32, &dumb), 0);
	igt_assert_eq(dumb_destroy(fd, dumb.handle), 0);
	igt_assert_eq(dumb_destroy(fd, dumb.handle), -EINVAL);
	map.handle = dumb.handle;
	do_ioctl_err(fd, DRM_IOCTL_MODE_MAP_DUMB, &map, ENOENT);
	igt_assert_eq(__movgem_bo_info(fd, dumb.handle, &info), -ENOENT);
}

static void test_render_node(void)
{
	struct drm_mode_create_dumb dumb;
	int fd = movgem_open_render();

	igt_assert_eq(__dumb_create(fd, 64, 64, 32, &dumb), -EACCES);
	movgem_close(fd);
}

int igt_main()
{
	int fd = -1;

	igt_fixture()
		fd = movgem_open();

	igt_describe("Pitch and size hold the picture that was asked for.");
	igt_subtest("create")
		test_create(fd);

	igt_describe("A dumb buffer is mapped, written and zero at first.");
	igt_subtest("map")
		test_map(fd);

	igt_describe("A dumb buffer is bound, drawn into and queried as any other.");
	igt_subtest("gpu")
		test_gpu(fd);

	igt_describe("Sizes that are zero, odd or too large are refused.");
	igt_subtest("bad-size")
		test_bad_size(fd);

	igt_describe("A destroyed buffer is gone.");
	igt_subtest("destroy")
		test_destroy(fd);

	igt_describe("The render node has no dumb buffers.");
	igt_subtest("render-node")
		test_render_node();

	igt_fixture()
		movgem_close(fd);
}
