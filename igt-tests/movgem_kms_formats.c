// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 */
#include <drm_fourcc.h>
#include <errno.h>
#include <limits.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

#include "igt.h"
#include "movgem_kms_rig.h"

/**
 * TEST: movgem kms formats
 * Description: Formats of planes that the GPU's blitter does not have.
 * Category: Display
 * Mega feature: General Display Features
 * Sub-category: kms
 * Functionality: formats
 * Feature: movgem
 * Test category: functionality test
 *
 * SUBTEST: planes
 * Description: Which planes have which formats, and whether writeback has them;
 *              others are refused there.
 *
 * SUBTEST: deep
 * Description: Formats with 10 bits a channel, as they are, scaled and blended.
 *
 * SUBTEST: deep-writeback
 * Description: Copies of the picture in formats with 10 bits a channel.
 *
 * SUBTEST: nv12
 * Description: NV12 by each encoding and range.
 *
 * SUBTEST: nv12-layouts
 * Description: NV12 of odd sizes, at any offset and pitch, in one BO and in two, to
 *              the last byte of them; turned, scaled, and parts of it.
 *
 * SUBTEST: nv12-bad-fbs
 * Description: Planes that do not fit their BO, or are none, and modifiers that
 *              are not the same.
 *
 * SUBTEST: nv12-bad-bos
 * Description: Either BO may be one that cannot be shown.
 */

IGT_TEST_DESCRIPTION("Formats of planes that the GPU's blitter does not have.");

static struct kms_rig rig;

/* Those with 10 bits a channel come first. */
static const uint32_t formats[] = {
	DRM_FORMAT_XRGB2101010, DRM_FORMAT_ARGB2101010, DRM_FORMAT_XBGR2101010,
	DRM_FORMAT_ABGR2101010, DRM_FORMAT_NV12,
};

#define DEEP	4

static bool has_format(uint32_t plane, uint32_t format)
{
	drmModePlane *p = drmModeGetPlane(rig.fd, plane);
	bool found = false;

	igt_assert(p);
	for (uint32_t i = 0; i < p->count_formats; i++)
		found |= p->formats[i] == format;
	drmModeFreePlane(p);
	return found;
}

static void test_planes(int fd)
{
	struct kms_scene scene;
	struct kms_fb fb, copy;

	for (unsigned int i = 0; i < ARRAY_SIZE(formats); i++) {
		kms_full_screen(&rig, &scene, &fb, kms_small_mode());
		kms_fb_init(&copy, fd, KMS_WIDTH, KMS_HEIGHT, formats[i]);
		for (int plane = 0; plane < KMS_PLANES; plane++) {
			bool has = plane != KMS_CURSOR;

			igt_assert_eq(has_format(rig.planes[plane], formats[i]), has);
			scene.layers[plane] = kms_whole(&copy, 0, 0);
			igt_assert_eq(kms_try(&rig, &scene, NULL), has ? 0 : -EINVAL);
			scene.layers[plane].fb = NULL;
		}
		scene.layers[KMS_PRIMARY] = kms_whole(&fb, 0, 0);
		igt_assert_eq(kms_try(&rig, &scene, &fb), 0);
		igt_assert_eq(kms_try(&rig, &scene, &copy), i < DEEP ? 0 : -EINVAL);
		kms_fb_fini(&copy);
		kms_fb_fini(&fb);
	}
}

static void test_deep(int fd)
{
	static const char * const modes[] = { "None", "Coverage", NULL };

	for (unsigned int i = 0; i < DEEP; i++) {
		struct kms_layer *overlay;
		struct kms_blend b;
		uint32_t crc = 0;

		kms_blend_init(&rig, &b, formats[i], formats[(i + 1) % DEEP]);
		overlay = &b.scene.layers[KMS_OVERLAY];
		kms_show_other(&rig, &b.scene, &crc);
		overlay->blend = modes[i % 3];
		overlay->fade = 0x4321;
		overlay->fraction.x = 0x7000;
		overlay->screen_w = 333;
		overlay->screen_h = 99;
		kms_show_other(&rig, &b.scene, &crc);
		kms_off(&rig);
		kms_blend_fini(&b);
	}
}

static void test_deep_writeback(int fd)
{
	struct kms_blend b;
	struct kms_fb copy;

	kms_blend_init(&rig, &b, DRM_FORMAT_XRGB8888, DRM_FORMAT_ARGB8888);
	for (unsigned int i = 0; i < DEEP; i++) {
		kms_fb_init(&copy, fd, KMS_WIDTH, KMS_HEIGHT, formats[i]);
		kms_check_copy(&rig, &b.scene, &copy);
		kms_fb_fini(&copy);
	}
	kms_off(&rig);
	kms_blend_fini(&b);
}

static void test_nv12(int fd)
{
	struct kms_blend b;
	uint32_t crc = 0;

	kms_blend_init(&rig, &b, DRM_FORMAT_NV12, DRM_FORMAT_NV12);
	for (unsigned int i = 0; i < 4; i++) {
		b.scene.layers[KMS_PRIMARY].bt709 = i & 1;
		b.scene.layers[KMS_PRIMARY].full_range = i & 2;
		b.scene.layers[KMS_OVERLAY].bt709 = (i + 1) & 1;
		b.scene.layers[KMS_OVERLAY].full_range = !(i & 2);
		b.scene.layers[KMS_OVERLAY].fade = 0x1111 * i;
		kms_show_other(&rig, &b.scene, &crc);
	}
	kms_off(&rig);
	kms_blend_fini(&b);
}

static void check(const struct kms_scene *scene)
{
	kms_show(&rig, scene);
	kms_expect(&rig, scene);
}

/* In all the ways that pixels are read in. */
static void check_layout(struct kms_scene *scene, const struct kms_fb *fb)
{
	struct kms_layer *layer = &scene->layers[KMS_OVERLAY];

	*layer = kms_whole(fb, 37, 21);
	layer->fade = 0x1000;
	check(scene);
	layer->x = -(int)fb->width / 3;
	layer->y = -(int)fb->height / 3;
	layer->rotation = DRM_MODE_ROTATE_180;
	check(scene);
	layer->screen_w = 97;
	layer->screen_h = 211;
	layer->x = 20;
	check(scene);
	layer->rotation = DRM_MODE_ROTATE_90;
	check(scene);
	if (fb->width < 9 || fb->height < 9)
		return;
	/* From odd pixels to odd ones. */
	layer->rotation = DRM_MODE_ROTATE_0 | DRM_MODE_REFLECT_X;
	layer->src_x = 3;
	layer->src_y = 5;
	layer->w = (fb->width - 4) | 1;
	layer->h = (fb->height - 6) | 1;
	layer->w -= layer->src_x + layer->w > fb->width ? 2 : 0;
	layer->h -= layer->src_y + layer->h > fb->height ? 2 : 0;
	layer->screen_w = 0;
	layer->screen_h = 0;
	check(scene);
	layer->w--;
	layer->fraction.x = 0x9abc;
	layer->nearest = true;
	check(scene);
}

static void test_nv12_layouts(int fd)
{
	static const struct {
		uint32_t w, h;
		struct kms_nv12 layout;
	} cases[] = {
		{ 200, 150, { .chroma_offset = 30000 } },
		{ 201, 151, { .chroma_offset = 201 * 151 } },
		{ 201, 150, { .pitch = 333, .offset = 7, .chroma_pitch = 777,
			      .chroma_offset = 49999 } },
		/* U and V come first. */
		{ 120, 91, { .pitch = 128, .offset = 46 * 128, .chroma_pitch = 128 } },
		{ 199, 149, { .pitch = 200, .split = true } },
		{ 64, 64, { .pitch = 4096, .offset = 8192, .chroma_pitch = 99,
			    .chroma_offset = 5000, .split = true } },
		{ 1, 1, { .chroma_offset = 1 } },
		{ 1, 3, { .chroma_pitch = 5, .split = true } },
		{ 3, 1, { .split = true } },
	};
	struct kms_scene scene = { .mode = kms_small_mode() };
	uint64_t faulted;

	movgem_require_debugfs(fd);
	faulted = movgem_stat(fd, "frames_faulted");
	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		struct kms_fb fb;

		kms_fb_init_nv12(&fb, fd, cases[i].w, cases[i].h, &cases[i].layout);
		kms_fb_draw(&fb, i);
		check_layout(&scene, &fb);
		scene.layers[KMS_OVERLAY].fb = NULL;
		kms_show(&rig, &scene);
		kms_fb_fini(&fb);
	}
	/* Behind each BO nothing is mapped. */
	igt_assert_eq_u64(movgem_stat(fd, "frames_faulted"), faulted);
	kms_off(&rig);
}

/* A framebuffer that is right but for one thing. */
#define expect_fb(fd, good, want, ...) ({					\
	struct drm_mode_fb_cmd2 cmd = *(good);					\
	__VA_ARGS__;								\
	igt_assert_eq(kms_try_fb(fd, &cmd), want);				\
})

static void test_nv12_bad_fbs(int fd)
{
	const uint32_t size = 2 * MOVGEM_PAGE, chroma = 64 * 32;
	uint32_t bo = movgem_bo_create(fd, size, 0), other = movgem_bo_create(fd, size, 0);
	struct drm_mode_fb_cmd2 good = {
		.width = 64,
		.height = 64,
		.pixel_format = DRM_FORMAT_NV12,
		.handles = { bo, bo },
		.pitches = { 64, 64 },
		.offsets = { 0, 64 * 64 },
	};

	expect_fb(fd, &good, 0, );
	expect_fb(fd, &good, 0, cmd.handles[1] = other);
	expect_fb(fd, &good, 0, cmd.flags = DRM_MODE_FB_MODIFIERS);

	expect_fb(fd, &good, -EINVAL, cmd.handles[1] = 0);
	expect_fb(fd, &good, -ENOENT, cmd.handles[1] = 12345);
	expect_fb(fd, &good, -ENOENT, cmd.handles[0] = 12345);
	expect_fb(fd, &good, -EINVAL, cmd.pitches[0] = 63);
	expect_fb(fd, &good, -EINVAL, cmd.pitches[1] = 63);
	expect_fb(fd, &good, -EINVAL, cmd.pitches[1] = 0);
	/* An odd column has U and V of its own. */
	expect_fb(fd, &good, -EINVAL, cmd.width = 63, cmd.pitches[1] = 63);
	expect_fb(fd, &good, 0, cmd.width = 63);
	expect_fb(fd, &good, 0, cmd.width = 63, cmd.pitches[0] = 63);

	/* To the last byte, of either plane in either BO. */
	for (int i = 0; i < 2; i++) {
		uint32_t last = i ? size - chroma : size - 64 * 64;

		for (int split = 0; split < 2; split++) {
			good.handles[1] = split ? other : bo;
			expect_fb(fd, &good, 0, cmd.offsets[i] = last);
			expect_fb(fd, &good, -EINVAL, cmd.offsets[i] = last + 1);
			expect_fb(fd, &good, -EINVAL, cmd.offsets[i] = size);
		}
	}
	/* As many lines as fit, of which an odd one has U and V of its own. */
	expect_fb(fd, &good, 0, cmd.height = 65, cmd.offsets[1] = size - 33 * 64);
	expect_fb(fd, &good, -EINVAL, cmd.height = 65, cmd.offsets[1] = size - 33 * 64 + 1);
	expect_fb(fd, &good, -EINVAL, cmd.height = 129);
	expect_fb(fd, &good, -EINVAL, cmd.pitches[1] = 256, cmd.offsets[1] = 193);
	expect_fb(fd, &good, 0, cmd.pitches[1] = 256, cmd.offsets[1] = 192);

	/* What is small again in 32 bits. */
	expect_fb(fd, &good, -ERANGE, cmd.offsets[1] = UINT_MAX);
	expect_fb(fd, &good, -ERANGE, cmd.offsets[0] = UINT_MAX - 63);
	expect_fb(fd, &good, -ERANGE, cmd.pitches[1] = UINT_MAX);
	expect_fb(fd, &good, -ERANGE, cmd.pitches[1] = 0x8000000);
	expect_fb(fd, &good, -ERANGE, cmd.pitches[0] = 0x4000000);

	expect_fb(fd, &good, -EINVAL, cmd.modifier[1] = I915_FORMAT_MOD_X_TILED,
		  cmd.flags = DRM_MODE_FB_MODIFIERS);
	expect_fb(fd, &good, -EINVAL, cmd.modifier[0] = I915_FORMAT_MOD_X_TILED,
		  cmd.flags = DRM_MODE_FB_MODIFIERS);
	expect_fb(fd, &good, -EINVAL, cmd.modifier[0] = cmd.modifier[1] = I915_FORMAT_MOD_X_TILED,
		  cmd.flags = DRM_MODE_FB_MODIFIERS);
	expect_fb(fd, &good, -EINVAL, cmd.modifier[0] = cmd.modifier[1] = DRM_FORMAT_MOD_INVALID,
		  cmd.flags = DRM_MODE_FB_MODIFIERS);
	expect_fb(fd, &good, -EINVAL, cmd.modifier[1] = I915_FORMAT_MOD_X_TILED);
	expect_fb(fd, &good, -EINVAL, cmd.handles[2] = bo, cmd.flags = DRM_MODE_FB_MODIFIERS);
	/* The same with U and V apart, and with fewer: not ours. */
	expect_fb(fd, &good, -EINVAL, cmd.pixel_format = DRM_FORMAT_NV21);
	expect_fb(fd, &good, -EINVAL, cmd.pixel_format = DRM_FORMAT_NV16);
	expect_fb(fd, &good, -EINVAL, cmd.pixel_format = DRM_FORMAT_P010);

	igt_assert_eq(__movgem_gem_close(fd, other), 0);
	igt_assert_eq(__movgem_gem_close(fd, bo), 0);
}

static void test_nv12_bad_bos(int fd)
{
	struct drm_mode_fb_cmd2 good = {
		.width = 64,
		.height = 64,
		.pixel_format = DRM_FORMAT_NV12,
		.pitches = { 64, 64 },
	};
	uint32_t bos[2], vm = movgem_vm_create(fd), own, retained;
	struct drm_movgem_bo_info info;

	for (int i = 0; i < 2; i++)
		good.handles[i] = bos[i] = movgem_bo_create(fd, MOVGEM_PAGE, 0);
	own = movgem_bo_create_exclusive(fd, MOVGEM_PAGE, vm);
	for (int i = 0; i < 2; i++) {
		expect_fb(fd, &good, -EINVAL, cmd.handles[i] = own);
		/* The other one is not kept by what failed. */
		igt_assert_eq(__movgem_bo_madvise(fd, bos[!i], DRM_MOVGEM_MADV_DONTNEED,
						  &retained), 0);
		igt_assert(retained);
		igt_assert_eq(__movgem_bo_madvise(fd, bos[!i], DRM_MOVGEM_MADV_WILLNEED,
						  &retained), 0);
		igt_assert(retained);
	}
	igt_assert_eq(__movgem_gem_close(fd, own), 0);
	movgem_vm_destroy(fd, vm);

	for (int i = 0; i < 2; i++) {
		uint32_t gone = movgem_bo_create(fd, MOVGEM_PAGE, 0);

		igt_assert(movgem_bo_madvise(fd, gone, DRM_MOVGEM_MADV_DONTNEED));
		for (int k = 0; k < 20; k++)
			movgem_drop_slab();
		movgem_bo_info(fd, gone, &info);
		igt_assert_eq_u32(info.madvise, DRM_MOVGEM_MADV_PURGED);
		expect_fb(fd, &good, -EFAULT, cmd.handles[i] = gone);
		igt_assert(movgem_bo_madvise(fd, bos[!i], DRM_MOVGEM_MADV_DONTNEED));
		igt_assert(movgem_bo_madvise(fd, bos[!i], DRM_MOVGEM_MADV_WILLNEED));
		igt_assert_eq(__movgem_gem_close(fd, gone), 0);
	}
	for (int i = 0; i < 2; i++)
		igt_assert_eq(__movgem_gem_close(fd, bos[i]), 0);
}

static const struct movgem_subtest tests[] = {
	{ "planes", test_planes, "Which planes have which formats." },
	{ "deep", test_deep, "Formats with 10 bits a channel." },
	{ "deep-writeback", test_deep_writeback, "Copies of the picture with 10 bits a channel." },
	{ "nv12", test_nv12, "NV12 by each encoding and range." },
	{ "nv12-layouts", test_nv12_layouts, "NV12 of odd sizes, at any offset and pitch." },
	{ "nv12-bad-fbs", test_nv12_bad_fbs, "Planes that do not fit their BO, or are none." },
	{ "nv12-bad-bos", test_nv12_bad_bos, "Either BO may be one that cannot be shown." },
};

int igt_main()
{
	kms_subtests(&rig, tests, ARRAY_SIZE(tests));
}
