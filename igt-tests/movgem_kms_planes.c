// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 */
#include <drm_fourcc.h>
#include <errno.h>
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
 */

IGT_TEST_DESCRIPTION("What planes make of their pictures.");

static struct kms_rig rig;

static const uint32_t formats[] = {
	DRM_FORMAT_XRGB8888, DRM_FORMAT_ARGB8888, DRM_FORMAT_XBGR8888, DRM_FORMAT_ABGR8888,
	DRM_FORMAT_RGB565,
};

/* Shows a scene that is to look other than the last one, which @crc is of. */
static void show_other(const struct kms_scene *scene, uint32_t *crc)
{
	uint32_t want = kms_reference_crc(scene);

	igt_assert(want != *crc);
	*crc = want;
	kms_show(&rig, scene);
	igt_assert_eq_u32(kms_crc(&rig), want);
}

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
		show_other(&scene, &crc);
		if (!i)
			for (unsigned int k = 0; k < ARRAY_SIZE(fades); k++) {
				scene.layers[KMS_PRIMARY].fade = fades[k];
				scene.layers[KMS_OVERLAY].fade = 0x1234 * k;
				scene.layers[KMS_CURSOR].fade = fades[3 - k];
				show_other(&scene, &crc);
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
		show_other(&b.scene, &crc);
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

static const struct movgem_subtest tests[] = {
	{ "alpha", test_alpha, "Planes that are transparent as a whole." },
	{ "blend-modes", test_blend_modes, "Each blend mode on each plane." },
};

int igt_main()
{
	kms_subtests(&rig, tests, ARRAY_SIZE(tests));
}
