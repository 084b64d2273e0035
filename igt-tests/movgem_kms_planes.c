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
 * TEST: movgem kms planes
 * Description: What planes make of their pictures.
 * Category: Display
 * Mega feature: General Display Features
 * Sub-category: kms
 * Functionality: planes
 * Feature: movgem
 * Test category: functionality test
 *
 * SUBTEST: alpha
 * Description: Planes that are transparent as a whole, with and without an alpha
 *              in their pixels.
 *
 * SUBTEST: blend-modes
 * Description: Each blend mode on each plane, with and without an alpha of the
 *              plane's.
 *
 * SUBTEST: zpos
 * Description: The primary and the overlay planes in all orders, also with the same
 *              number; the cursor stays above all.
 *
 * SUBTEST: scale
 * Description: Planes that are larger and smaller on the screen than in memory, by
 *              both filters, over the edges of the screen.
 *
 * SUBTEST: scale-fractions
 * Description: Parts of pictures that start and end within a pixel, turned round,
 *              with alpha, in all formats.
 *
 * SUBTEST: scale-limits
 * Description: One pixel on all of the screen, a picture wider than any screen, and
 *              sizes that are refused.
 *
 * SUBTEST: turned
 * Description: Planes turned by right angles and mirrored, as they are, scaled, between
 *              the pixels and over the edges of the screen.
 *
 * SUBTEST: far-off
 * Description: Planes far off the screen show nothing, as far as numbers go they are
 *              refused.
 */

IGT_TEST_DESCRIPTION("What planes make of their pictures.");

static struct kms_rig rig;

static const uint32_t formats[] = {
	DRM_FORMAT_XRGB8888, DRM_FORMAT_ARGB8888, DRM_FORMAT_XBGR8888, DRM_FORMAT_ABGR8888,
	DRM_FORMAT_RGB565,
};

static void test_alpha(int fd)
{
	static const uint16_t fades[] = { 1, 0x8080, 0xfffe, 0xffff };
	struct kms_scene scene;
	struct kms_blend b;
	uint32_t crc;

	for (unsigned int i = 0; i < ARRAY_SIZE(formats); i++) {
		kms_blend_init(&rig, &b, formats[(i + 1) % ARRAY_SIZE(formats)], formats[i]);
		kms_show(&rig, &b.scene);
		crc = kms_reference_crc(&b.scene);
		igt_assert_eq_u32(kms_crc(&rig), crc);
		scene = b.scene;
		scene.layers[KMS_OVERLAY].fade = 0x4321;
		kms_show_other(&rig, &scene, &crc);
		if (!i)
			for (unsigned int k = 0; k < ARRAY_SIZE(fades); k++) {
				scene.layers[KMS_PRIMARY].fade = fades[k];
				scene.layers[KMS_OVERLAY].fade = 0x1234 * k;
				scene.layers[KMS_CURSOR].fade = fades[3 - k];
				kms_show_other(&rig, &scene, &crc);
			}
		kms_off(&rig);
		kms_blend_fini(&b);
	}
}

static void test_blend_modes(int fd)
{
	static const char * const modes[] = { "None", "Coverage", "Pre-multiplied" };
	struct kms_blend b;
	uint32_t crc = 0;

	kms_blend_init(&rig, &b, DRM_FORMAT_ARGB8888, DRM_FORMAT_ABGR8888);
	for (unsigned int i = 0; i < 6; i++) {
		for (int plane = 0; plane < KMS_PLANES; plane++) {
			b.scene.layers[plane].blend = modes[(i + plane) % 3];
			b.scene.layers[plane].fade = i < 3 ? 0 : 0x1111 * (i + plane);
		}
		kms_show_other(&rig, &b.scene, &crc);
	}
	kms_off(&rig);
	kms_blend_fini(&b);

	/* No alpha, no difference. */
	kms_blend_init(&rig, &b, DRM_FORMAT_XRGB8888, DRM_FORMAT_RGB565);
	crc = kms_reference_crc(&b.scene);
	for (unsigned int i = 0; i < 3; i++) {
		b.scene.layers[KMS_PRIMARY].blend = modes[i];
		b.scene.layers[KMS_OVERLAY].blend = modes[i];
		kms_show(&rig, &b.scene);
		igt_assert_eq_u32(kms_crc(&rig), crc);
	}
	kms_off(&rig);
	kms_blend_fini(&b);
}

static void test_zpos(int fd)
{
	static const uint8_t orders[][KMS_CURSOR] = {
		{ 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 },
		{ 0, 0, 0 }, { 2, 2, 2 }, { 1, 1, 0 }, { 1, 0, 0 }, { 1, 0, 1 }, { 0, 2, 0 },
	};
	static const uint8_t too_high[KMS_CURSOR] = { 0, 3, 2 };
	drmModePropertyRes *prop;
	struct kms_blend b;
	uint32_t crc, id;
	uint64_t value;

	id = kms_prop(&rig, rig.planes[KMS_CURSOR], DRM_MODE_OBJECT_PLANE, "zpos", &value);
	prop = drmModeGetProperty(fd, id);
	igt_assert(prop);
	igt_assert(prop->flags & DRM_MODE_PROP_IMMUTABLE);
	igt_assert_eq_u64(value, KMS_CURSOR);
	drmModeFreeProperty(prop);

	kms_blend_init(&rig, &b, DRM_FORMAT_ARGB8888, DRM_FORMAT_ABGR8888);
	b.scene.layers[KMS_CURSOR].x = 60;
	b.scene.layers[KMS_CURSOR].y = 70;
	kms_show(&rig, &b.scene);
	crc = kms_reference_crc(&b.scene);
	igt_assert_eq_u32(kms_crc(&rig), crc);
	for (unsigned int i = 0; i < ARRAY_SIZE(orders); i++) {
		b.scene.zpos = orders[i];
		/* Else it looked as before where the order is the same. */
		b.scene.layers[KMS_PRIMARY].fade = 0x1000 * (i + 1);
		kms_show_other(&rig, &b.scene, &crc);
	}
	/* A plane that is off does not count. */
	b.scene.zpos = orders[5];
	for (int i = 0; i < KMS_CURSOR; i++) {
		b.scene.layers[i].fb = NULL;
		kms_show_other(&rig, &b.scene, &crc);
		b.scene.layers[i].fb = &b.fbs[i];
	}
	b.scene.zpos = too_high;
	igt_assert_eq(kms_try(&rig, &b.scene, NULL), -EINVAL);
	/* Else the next test had it. */
	b.scene.zpos = NULL;
	kms_show(&rig, &b.scene);
	kms_off(&rig);
	kms_blend_fini(&b);
}

static void test_scale(int fd)
{
	static const struct { int x, y; unsigned int w, h; } places[] = {
		{ 0, 0, KMS_WIDTH, KMS_HEIGHT }, { 37, -20, 97, 50 }, { -300, -50, 1000, 600 },
		{ 5, 150, 191, 500 }, { KMS_WIDTH - 10, KMS_HEIGHT - 10, 3000, 3000 },
		{ -1, KMS_HEIGHT - 1, KMS_WIDTH + 2, 2 },
	};
	struct kms_layer *overlay, *cursor;
	struct kms_blend b;
	uint32_t crc = 0;

	kms_blend_init(&rig, &b, DRM_FORMAT_XRGB8888, DRM_FORMAT_ARGB8888);
	overlay = &b.scene.layers[KMS_OVERLAY];
	cursor = &b.scene.layers[KMS_CURSOR];
	for (unsigned int i = 0; i < ARRAY_SIZE(places); i++) {
		overlay->x = places[i].x;
		overlay->y = places[i].y;
		overlay->screen_w = places[i].w;
		overlay->screen_h = places[i].h;
		overlay->nearest = i % 3 == 2;
		kms_show_other(&rig, &b.scene, &crc);
		overlay->nearest = !overlay->nearest;
		cursor->screen_w = 32 + 17 * i;
		cursor->screen_h = 96 - 9 * i;
		kms_show_other(&rig, &b.scene, &crc);
	}
	/* The primary plane, from less and from more than the screen has. */
	overlay->fb = NULL;
	b.scene.layers[KMS_PRIMARY] = kms_whole(&b.fbs[KMS_OVERLAY], 0, 0);
	b.scene.layers[KMS_PRIMARY].screen_w = KMS_WIDTH;
	b.scene.layers[KMS_PRIMARY].screen_h = KMS_HEIGHT;
	kms_show_other(&rig, &b.scene, &crc);
	b.scene.layers[KMS_PRIMARY] = kms_whole(&b.fbs[KMS_PRIMARY], 100, 100);
	b.scene.layers[KMS_PRIMARY].screen_w = 77;
	b.scene.layers[KMS_PRIMARY].screen_h = 33;
	kms_show_other(&rig, &b.scene, &crc);
	kms_off(&rig);
	kms_blend_fini(&b);
}

static void test_scale_fractions(int fd)
{
	static const unsigned int rotations[] = {
		DRM_MODE_ROTATE_0, DRM_MODE_ROTATE_0 | DRM_MODE_REFLECT_X, DRM_MODE_ROTATE_180,
		DRM_MODE_ROTATE_0 | DRM_MODE_REFLECT_Y, DRM_MODE_ROTATE_180 | DRM_MODE_REFLECT_Y,
	};
	static const char * const modes[] = { NULL, "Coverage", "None" };
	struct kms_blend b;

	for (unsigned int i = 0; i < ARRAY_SIZE(formats); i++) {
		struct kms_layer *overlay;
		uint32_t crc = 0;

		kms_blend_init(&rig, &b, DRM_FORMAT_XRGB8888, formats[i]);
		overlay = &b.scene.layers[KMS_OVERLAY];
		overlay->fraction.x = 0x8000;
		overlay->fraction.y = 0xfffe;
		overlay->rotation = rotations[i];
		overlay->blend = modes[i % 3];
		overlay->screen_w = overlay->w;
		overlay->screen_h = overlay->h;
		/* Of its size, and yet between the pixels. */
		kms_show_other(&rig, &b.scene, &crc);
		overlay->fraction.w = 0x4321;
		overlay->fraction.h = 1;
		overlay->screen_w = KMS_WIDTH + 60;
		overlay->screen_h = 150;
		overlay->fade = 0x3333;
		kms_show_other(&rig, &b.scene, &crc);
		overlay->nearest = true;
		overlay->screen_w = 111;
		kms_show_other(&rig, &b.scene, &crc);
		kms_off(&rig);
		kms_blend_fini(&b);
	}
}

static void test_scale_limits(int fd)
{
	struct kms_scene scene = { .mode = kms_small_mode() };
	struct kms_layer *layer = &scene.layers[KMS_PRIMARY];
	struct kms_fb dot, wide;
	uint32_t crc = 0;

	kms_fb_init(&dot, fd, 2, 2, DRM_FORMAT_XRGB8888);
	kms_fb_draw(&dot, 1);
	kms_fb_init(&wide, fd, 16384, 5, DRM_FORMAT_RGB565);
	kms_fb_draw(&wide, 2);
	*layer = kms_whole(&dot, 0, 0);
	layer->w = 1;
	layer->h = 1;
	layer->screen_w = 16384;
	layer->screen_h = 16384;
	kms_show_other(&rig, &scene, &crc);
	layer->w = 2;
	layer->h = 2;
	layer->x = -8000;
	layer->y = -8000;
	kms_show_other(&rig, &scene, &crc);
	layer->x = KMS_WIDTH - 16384;
	layer->y = KMS_HEIGHT - 16384;
	kms_show_other(&rig, &scene, &crc);
	/* More than eight lines of a screen in each line of it, by both filters. */
	*layer = kms_whole(&wide, 0, 0);
	layer->screen_w = KMS_WIDTH - 10;
	layer->screen_h = KMS_HEIGHT;
	kms_show_other(&rig, &scene, &crc);
	layer->nearest = true;
	kms_show_other(&rig, &scene, &crc);
	layer->rotation = DRM_MODE_ROTATE_180;
	layer->screen_w = 1;
	layer->screen_h = 1;
	kms_show_other(&rig, &scene, &crc);

	layer->screen_w = 16385;
	igt_assert_eq(kms_try(&rig, &scene, NULL), -ERANGE);
	layer->screen_w = 1 << 20;
	igt_assert_eq(kms_try(&rig, &scene, NULL), -ERANGE);
	*layer = kms_whole(&wide, 0, 0);
	layer->w = 0;
	layer->fraction.w = 0xffff;
	layer->screen_w = KMS_WIDTH;
	igt_assert_eq(kms_try(&rig, &scene, NULL), -ERANGE);
	/* Beyond the last pixel, by the least that there is. */
	layer->w = 16384;
	layer->fraction.w = 1;
	igt_assert_eq(kms_try(&rig, &scene, NULL), -ENOSPC);
	layer->fraction.w = 0;
	igt_assert_eq(kms_try(&rig, &scene, NULL), 0);
	kms_off(&rig);
	kms_fb_fini(&wide);
	kms_fb_fini(&dot);
}

static void test_turned(int fd)
{
	static const unsigned int turns[] = { DRM_MODE_ROTATE_90, DRM_MODE_ROTATE_270 };
	static const unsigned int mirrors[] = {
		0, DRM_MODE_REFLECT_X, DRM_MODE_REFLECT_Y, DRM_MODE_REFLECT_X | DRM_MODE_REFLECT_Y,
	};
	static const uint32_t shown[] = {
		DRM_FORMAT_ARGB8888, DRM_FORMAT_RGB565, DRM_FORMAT_NV12, DRM_FORMAT_ABGR2101010,
	};
	uint64_t faulted;

	movgem_require_debugfs(fd);
	faulted = movgem_stat(fd, "frames_faulted");
	for (unsigned int i = 0; i < 8; i++) {
		struct kms_layer *overlay, *other;
		struct kms_blend b;
		uint32_t crc = 0;

		kms_blend_init(&rig, &b, DRM_FORMAT_XRGB8888, shown[i % 4]);
		overlay = &b.scene.layers[KMS_OVERLAY];
		other = &b.scene.layers[KMS_OVERLAY2];
		overlay->rotation = turns[i % 2] | mirrors[i / 2];
		other->rotation = turns[!(i % 2)] | mirrors[i / 2];
		kms_show_other(&rig, &b.scene, &crc);
		/* Over the edges of the screen. */
		overlay->x = i % 2 ? -50 : KMS_WIDTH - 80;
		overlay->y = i / 2 % 2 ? -60 : KMS_HEIGHT - 80;
		kms_show_other(&rig, &b.scene, &crc);
		/* Larger and smaller, beginning and ending within a pixel. */
		overlay->fraction.x = 0x8000;
		overlay->fraction.y = 0xfffe;
		overlay->fraction.w = 0x4321;
		overlay->fraction.h = 1;
		overlay->screen_w = 200;
		overlay->screen_h = 77;
		overlay->blend = "Coverage";
		overlay->fade = 0x3333;
		kms_show_other(&rig, &b.scene, &crc);
		overlay->nearest = true;
		overlay->screen_w = 51;
		overlay->screen_h = KMS_HEIGHT;
		kms_show_other(&rig, &b.scene, &crc);
		/* By so much that most columns and lines are left out. */
		b.scene.layers[KMS_CURSOR].rotation = turns[i % 2] | mirrors[i / 2];
		overlay->nearest = false;
		overlay->screen_w = 7;
		overlay->screen_h = 5;
		overlay->x = 150;
		overlay->y = 100;
		kms_show_other(&rig, &b.scene, &crc);
		kms_off(&rig);
		kms_blend_fini(&b);
	}
	igt_assert_eq_u64(movgem_stat(fd, "frames_faulted"), faulted);
}

static void test_far_off(int fd)
{
	static const int far[] = {
		INT_MIN, INT_MIN + 1, INT_MIN + 16384, INT_MAX - 16384
	};
	/* What ends where numbers do not go DRM refuses. */
	static const int too_far[] = { INT_MAX - 4, INT_MAX };
	struct kms_scene scene = { .mode = kms_small_mode() };
	struct kms_layer *layer = &scene.layers[KMS_OVERLAY];
	const unsigned int widths[] = { scene.mode.hdisplay - 1, scene.mode.hdisplay, 16384 };
	struct kms_fb whole, wide;
	uint32_t want;

	kms_full_screen(&rig, &scene, &whole, scene.mode);
	kms_fb_init(&wide, fd, 16384, 5, DRM_FORMAT_RGB565);
	kms_fb_draw(&wide, 2);
	want = kms_reference_crc(&scene);
	for (unsigned int i = 0; i < ARRAY_SIZE(far); i++) {
		for (unsigned int k = 0; k < ARRAY_SIZE(widths); k++) {
			*layer = kms_whole(&wide, far[i], 0);
			layer->screen_w = widths[k];
			layer->screen_h = k % 2 ? KMS_HEIGHT : 5;
			kms_show(&rig, &scene);
			igt_assert_eq_u32(kms_crc(&rig), want);
			layer->x = 0;
			layer->y = far[i];
			kms_show(&rig, &scene);
			igt_assert_eq_u32(kms_crc(&rig), want);
		}
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(too_far); i++) {
		*layer = kms_whole(&wide, too_far[i], 0);
		igt_assert_eq(kms_try(&rig, &scene, NULL), -ERANGE);
		layer->rotation = DRM_MODE_ROTATE_90;
		igt_assert_eq(kms_try(&rig, &scene, NULL), -ERANGE);
		layer->x = 0;
		layer->y = too_far[i];
		igt_assert_eq(kms_try(&rig, &scene, NULL), -ERANGE);
	}
	/* Parts that would end where numbers wrap. */
	*layer = kms_whole(&wide, 0, 0);
	layer->screen_w = 100;
	layer->w = 0xffff;
	layer->fraction.w = 0xffff;
	igt_assert_eq(kms_try(&rig, &scene, NULL), -ENOSPC);
	layer->w = 1;
	layer->fraction.w = 0;
	layer->src_x = 0xffff;
	igt_assert_eq(kms_try(&rig, &scene, NULL), -ENOSPC);
	layer->fraction.x = 0xffff;
	igt_assert_eq(kms_try(&rig, &scene, NULL), -ENOSPC);
	layer->src_x = 0;
	layer->fraction.x = 0;
	layer->h = 0xffff;
	igt_assert_eq(kms_try(&rig, &scene, NULL), -ENOSPC);
	layer->h = 1;
	layer->src_y = 5;
	igt_assert_eq(kms_try(&rig, &scene, NULL), -ENOSPC);
	layer->src_y = 4;
	igt_assert_eq(kms_try(&rig, &scene, NULL), 0);
	kms_off(&rig);
	kms_fb_fini(&wide);
	kms_fb_fini(&whole);
}

static const struct movgem_subtest tests[] = {
	{ "alpha", test_alpha, "Planes that are transparent as a whole." },
	{ "blend-modes", test_blend_modes, "Each blend mode on each plane." },
	{ "zpos", test_zpos, "The primary and the overlay planes in all orders." },
	{ "scale", test_scale, "Planes that are larger and smaller on the screen than in memory." },
	{ "scale-fractions", test_scale_fractions,
	  "Parts of pictures that start and end within a pixel." },
	{ "scale-limits", test_scale_limits, "The largest factors, and sizes that are refused." },
	{ "turned", test_turned, "Planes turned by right angles and mirrored." },
	{ "far-off", test_far_off, "Planes as far off the screen as numbers go." },
};

int igt_main()
{
	kms_subtests(&rig, tests, ARRAY_SIZE(tests));
}
