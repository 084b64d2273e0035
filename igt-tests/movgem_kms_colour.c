// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 */
#include <drm_fourcc.h>
#include <errno.h>
#include <stdlib.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

#include "igt.h"
#include "movgem_kms_rig.h"

/**
 * TEST: movgem kms colour
 * Description: What the display makes of colours: degamma, matrix and gamma.
 * Category: Display
 * Mega feature: Color Management
 * Sub-category: kms
 * Functionality: colour management
 * Feature: movgem
 * Test category: functionality test
 *
 * SUBTEST: degamma
 * Description: Degamma alone, and with gamma after it.
 *
 * SUBTEST: ctm
 * Description: Matrices that exchange, mix, fade and invert colours, and that are
 *              out of range.
 *
 * SUBTEST: all
 * Description: Degamma, matrix and gamma at once, in this order; also in a copy.
 *
 * SUBTEST: kept
 * Description: Page flips keep the colours, and so does the display switched off
 *              and on again.
 *
 * SUBTEST: legacy
 * Description: The legacy call sets gamma and takes the others away.
 *
 * SUBTEST: bad-blobs
 * Description: Tables and matrices of a wrong size are refused.
 */

IGT_TEST_DESCRIPTION("What the display makes of colours.");

#define ONE	(1ull << 32)
#define MINUS	(1ull << 63)

static struct kms_rig rig;

/* Each table is another, and none is its own inverse. */
static void make_lut(struct drm_color_lut *lut, uint32_t seed)
{
	for (uint32_t i = 0; i < 256; i++)
		lut[i] = (struct drm_color_lut) {
			.red = i * i,
			.green = 65535 - (255 - i) * (255 - i),
			.blue = movgem_mix(i, seed),
		};
}

/* What it is to notice it also has to change. */
static void expect_other(const struct kms_scene *scene, const struct kms_scene *other)
{
	igt_assert(kms_reference_crc(scene) != kms_reference_crc(other));
	kms_show(&rig, scene);
	kms_expect(&rig, scene);
}

static void test_degamma(int fd)
{
	struct drm_color_lut degamma[256], gamma[256];
	struct kms_scene scene, plain;
	struct kms_fb fb;

	make_lut(degamma, 1);
	make_lut(gamma, 2);
	kms_full_screen(&rig, &plain, &fb, kms_small_mode());
	scene = plain;
	scene.degamma = degamma;
	expect_other(&scene, &plain);
	/* It falls between the entries of the second. */
	scene.lut = gamma;
	expect_other(&scene, &plain);
	scene.degamma = NULL;
	expect_other(&scene, &plain);
	scene.lut = NULL;
	kms_show(&rig, &scene);
	kms_expect(&rig, &plain);
	kms_off(&rig);
	kms_fb_fini(&fb);
}

static const struct drm_color_ctm matrices[] = {
	/* Red to green, green to blue, blue to red. */
	{ { 0, 0, ONE, ONE, 0, 0, 0, ONE, 0 } },
	/* Grey, by fractions that have no end. */
	{ { ONE / 3, ONE / 3, ONE / 3, ONE / 7, ONE / 7, ONE / 7, ONE / 9, ONE / 9, ONE / 9 } },
	/* Below zero, and above one. */
	{ { MINUS | ONE, 0, 0, 0, 2 * ONE, 0, 100 * ONE, MINUS | 100 * ONE, 0 } },
	/* What is below zero alone is not in the sum. */
	{ { ONE, MINUS | ONE / 2, 0, MINUS | ONE / 4, ONE, 0, 0, MINUS | ONE / 8, ONE } },
	/* Zero with a sign, less than what rounds to something, and the largest. */
	{ { MINUS, 1, 1, ONE / 2, MINUS | 1, 0, 0, 0, 8192 * ONE } },
};

static void test_ctm(int fd)
{
	struct drm_color_ctm identity = { { ONE, 0, 0, 0, ONE, 0, 0, 0, ONE } };
	struct drm_color_ctm huge = { { MINUS - 1, 0, 0, 0, UINT64_MAX, 0, 0, 0, ONE } };
	struct kms_scene scene, plain;
	struct kms_fb fb;

	kms_full_screen(&rig, &plain, &fb, kms_small_mode());
	scene = plain;
	for (unsigned int i = 0; i < ARRAY_SIZE(matrices); i++) {
		scene.ctm = &matrices[i];
		expect_other(&scene, &plain);
	}
	/* It counts as the largest, which makes no difference to whole colours. */
	scene.ctm = &huge;
	expect_other(&scene, &plain);
	scene.ctm = &identity;
	kms_show(&rig, &scene);
	kms_expect(&rig, &plain);
	kms_off(&rig);
	kms_fb_fini(&fb);
}

static void test_all(int fd)
{
	struct drm_color_lut degamma[256], gamma[256];
	struct kms_scene swapped, without;
	struct kms_fb copy;
	struct kms_blend b;

	make_lut(degamma, 3);
	make_lut(gamma, 4);
	kms_blend_init(&rig, &b, DRM_FORMAT_XRGB8888, DRM_FORMAT_ARGB8888);
	kms_fb_init(&copy, fd, KMS_WIDTH, KMS_HEIGHT, DRM_FORMAT_XRGB8888);
	b.scene.degamma = degamma;
	b.scene.ctm = &matrices[3];
	b.scene.lut = gamma;
	swapped = b.scene;
	swapped.degamma = gamma;
	swapped.lut = degamma;
	without = b.scene;
	without.ctm = NULL;
	expect_other(&b.scene, &swapped);
	expect_other(&swapped, &without);
	expect_other(&without, &b.scene);
	kms_check_copy(&rig, &b.scene, &copy);
	kms_off(&rig);
	kms_fb_fini(&copy);
	kms_blend_fini(&b);
}

static void test_kept(int fd)
{
	struct drm_color_lut degamma[256];
	struct kms_scene scenes[2];
	struct kms_fb fbs[2];

	make_lut(degamma, 5);
	for (int i = 0; i < 2; i++) {
		kms_full_screen(&rig, &scenes[i], &fbs[i], kms_small_mode());
		kms_fb_draw(&fbs[i], i);
		scenes[i].degamma = degamma;
		scenes[i].ctm = &matrices[1];
	}
	expect_other(&scenes[0], &scenes[1]);
	for (int i = 1; i < 4; i++) {
		igt_assert_eq(drmModePageFlip(fd, rig.crtc, fbs[i % 2].id,
					      DRM_MODE_PAGE_FLIP_EVENT, NULL), 0);
		kms_event(&rig, 0);
		kms_expect(&rig, &scenes[i % 2]);
	}
	kms_off(&rig);
	/* Properties of a CRTC stay, and this call names none of them. */
	igt_assert_eq(drmModeSetCrtc(fd, rig.crtc, fbs[0].id, 0, 0, &rig.connector, 1,
				     &scenes[0].mode), 0);
	kms_expect(&rig, &scenes[0]);
	scenes[0].degamma = NULL;
	scenes[0].ctm = NULL;
	expect_other(&scenes[0], &scenes[1]);
	kms_off(&rig);
	for (int i = 0; i < 2; i++)
		kms_fb_fini(&fbs[i]);
}

static void test_legacy(int fd)
{
	struct drm_color_lut degamma[256], gamma[256];
	uint16_t ramps[3][256];
	struct kms_scene scene;
	struct kms_fb fb;
	uint64_t value;

	make_lut(degamma, 6);
	make_lut(gamma, 7);
	kms_full_screen(&rig, &scene, &fb, kms_small_mode());
	scene.degamma = degamma;
	scene.ctm = &matrices[0];
	kms_show(&rig, &scene);
	kms_expect(&rig, &scene);
	for (int i = 0; i < 256; i++) {
		ramps[0][i] = gamma[i].red;
		ramps[1][i] = gamma[i].green;
		ramps[2][i] = gamma[i].blue;
	}
	igt_assert_eq(drmModeCrtcSetGamma(fd, rig.crtc, 256, ramps[0], ramps[1], ramps[2]), 0);
	scene.degamma = NULL;
	scene.ctm = NULL;
	scene.lut = gamma;
	kms_expect(&rig, &scene);
	igt_assert(kms_prop(&rig, rig.crtc, DRM_MODE_OBJECT_CRTC, "CTM", &value));
	igt_assert_eq_u64(value, 0);
	kms_off(&rig);
	kms_fb_fini(&fb);
}

/* Sets a property of the CRTC to a blob of some bytes; 0 or -errno. */
static int set_blob(int fd, const char *name, uint32_t size)
{
	uint32_t prop = kms_prop(&rig, rig.crtc, DRM_MODE_OBJECT_CRTC, name, NULL), blob;
	drmModeAtomicReq *req = drmModeAtomicAlloc();
	uint8_t *zeroes = calloc(1, size);
	int ret;

	igt_assert(prop && req && zeroes);
	igt_assert_eq(drmModeCreatePropertyBlob(fd, zeroes, size, &blob), 0);
	igt_assert(drmModeAtomicAddProperty(req, rig.crtc, prop, blob) > 0);
	ret = drmModeAtomicCommit(fd, req, 0, NULL);
	igt_assert_eq(drmModeDestroyPropertyBlob(fd, blob), 0);
	drmModeAtomicFree(req);
	free(zeroes);
	return ret;
}

static void test_bad_blobs(int fd)
{
	static const char * const luts[] = { "DEGAMMA_LUT", "GAMMA_LUT" };
	const uint32_t entry = sizeof(struct drm_color_lut);
	struct kms_scene scene;
	struct kms_fb fb;

	kms_full_screen(&rig, &scene, &fb, kms_small_mode());
	scene.ctm = &matrices[0];
	kms_show(&rig, &scene);
	for (int i = 0; i < 2; i++) {
		igt_assert_eq(set_blob(fd, luts[i], 255 * entry), -EINVAL);
		igt_assert_eq(set_blob(fd, luts[i], 257 * entry), -EINVAL);
		igt_assert_eq(set_blob(fd, luts[i], 256 * entry - 1), -EINVAL);
		igt_assert_eq(set_blob(fd, luts[i], 2 * entry), -EINVAL);
	}
	igt_assert_eq(set_blob(fd, "CTM", sizeof(struct drm_color_ctm) - 1), -EINVAL);
	igt_assert_eq(set_blob(fd, "CTM", 2 * sizeof(struct drm_color_ctm)), -EINVAL);
	kms_expect(&rig, &scene);
	/* The sizes that are right: all black. */
	igt_assert_eq(set_blob(fd, "DEGAMMA_LUT", 256 * entry), 0);
	igt_assert_eq(set_blob(fd, "CTM", sizeof(struct drm_color_ctm)), 0);
	scene.layers[KMS_PRIMARY].fb = NULL;
	kms_expect(&rig, &scene);
	scene.layers[KMS_PRIMARY].fb = &fb;
	scene.ctm = NULL;
	kms_show(&rig, &scene);
	kms_expect(&rig, &scene);
	kms_off(&rig);
	kms_fb_fini(&fb);
}

static const struct movgem_subtest tests[] = {
	{ "degamma", test_degamma, "Degamma alone, and with gamma after it." },
	{ "ctm", test_ctm, "Matrices of all kinds, also such as are out of range." },
	{ "all", test_all, "Degamma, matrix and gamma at once, in this order." },
	{ "kept", test_kept, "Page flips keep the colours, and so does off and on." },
	{ "legacy", test_legacy, "The legacy call sets gamma and takes the others away." },
	{ "bad-blobs", test_bad_blobs, "Tables and matrices of a wrong size are refused." },
};

int igt_main()
{
	kms_subtests(&rig, tests, ARRAY_SIZE(tests));
}
