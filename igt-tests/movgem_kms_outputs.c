// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 */
#include <drm_fourcc.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

#include "igt.h"
#include "movgem_devices.h"
#include "movgem_kms_rig.h"

/**
 * TEST: movgem kms outputs
 * Description: Devices with more than one monitor, or with none.
 * Category: Display
 * Mega feature: General Display Features
 * Sub-category: uapi
 * Functionality: kms
 * Feature: movgem
 * Test category: functionality test
 *
 * SUBTEST: count
 * Description: Devices have as many outputs as the parameter says when they are
 *              bound, and a number that cannot be is refused.
 *
 * SUBTEST: own-objects
 * Description: Planes and writeback connectors belong to one CRTC each, and
 *              monitors to any.
 *
 * SUBTEST: any-monitor
 * Description: One CRTC has both monitors, one of them is taken by the other CRTC,
 *              and then both, by which the first one is off; there is a copy of what
 *              both show, and the GPU is off when they are.
 *
 * SUBTEST: one-each
 * Description: Each output shows a picture of its own at a mode of its own, and
 *              one goes on when the other is switched off.
 *
 * SUBTEST: power
 * Description: The GPU is on for as long as one output is.
 *
 * SUBTEST: at-once
 * Description: One commit switches both on, and flips of both overlap.
 *
 * SUBTEST: moves
 * Description: Both outputs show buffers, one of them the same, whose pages move.
 *
 * SUBTEST: unbind
 * Description: The device goes away while both are on, and comes back.
 */

IGT_TEST_DESCRIPTION("Devices with more than one monitor.");

/* The device whose outputs are counted: not the one of the other tests. */
#define DEVICE	1u
#define DELAY_MS	20

static struct kms_rig rigs[2];

static int open_with(unsigned int outputs)
{
	int fd;

	movgem_devices_require_outputs(outputs);
	igt_assert_eq(movgem_device_bind(DEVICE, false), 0);
	igt_assert_eq(movgem_device_bind(DEVICE, true), 0);
	fd = movgem_device_open(DEVICE);
	igt_assert_fd(fd);
	return fd;
}

static int open_both(void)
{
	int fd = open_with(2);

	for (int i = 0; i < 2; i++)
		kms_rig_init_output(&rigs[i], fd, i);
	return fd;
}

/* A picture for each. */
static void pictures_init(struct kms_scene scenes[2], struct kms_fb fbs[2])
{
	for (int i = 0; i < 2; i++) {
		kms_full_screen(&rigs[i], &scenes[i], &fbs[i], kms_small_mode());
		kms_fb_draw(&fbs[i], i);
	}
}

static void test_count(void)
{
	drmModeRes *res;
	int fd;

	for (unsigned int count = 1; count <= 4; count++) {
		fd = open_with(count);
		res = drmModeGetResources(fd);
		igt_assert(res);
		igt_assert_eq(res->count_crtcs, count);
		/* Without those for writeback, which nobody has asked for. */
		igt_assert_eq(res->count_connectors, count);
		drmModeFreeResources(res);
		movgem_close(fd);
	}
	fd = open_with(0);
	igt_assert(!drmModeGetResources(fd));
	igt_assert_eq(errno, EOPNOTSUPP);
	movgem_bo_create(fd, MOVGEM_PAGE, 0);
	movgem_close(fd);
	igt_assert_eq(__movgem_devices_outputs(5), -EINVAL);
}

static void test_own_objects(void)
{
	int fd = open_both();
	struct kms_scene scene;
	struct kms_commit commit = { .flags = DRM_MODE_ATOMIC_ALLOW_MODESET };
	struct kms_rig mixed;
	struct kms_fb fb;

	igt_assert(rigs[0].crtc != rigs[1].crtc);
	igt_assert(rigs[0].connector != rigs[1].connector);
	igt_assert(rigs[0].writeback != rigs[1].writeback);
	for (int i = 0; i < KMS_PLANES; i++)
		igt_assert(rigs[0].planes[i] != rigs[1].planes[i]);

	kms_full_screen(&rigs[0], &scene, &fb, kms_small_mode());
	commit.flags |= DRM_MODE_ATOMIC_TEST_ONLY;
	igt_assert_eq(__kms_show(&rigs[0], &scene, &commit), 0);
	mixed = rigs[0];
	mixed.planes[KMS_PRIMARY] = rigs[1].planes[KMS_PRIMARY];
	igt_assert_eq(__kms_show(&mixed, &scene, &commit), -EINVAL);
	mixed = rigs[0];
	mixed.connector = rigs[1].connector;
	igt_assert_eq(__kms_show(&mixed, &scene, &commit), 0);
	mixed = rigs[0];
	mixed.writeback = rigs[1].writeback;
	igt_assert_eq(__kms_show(&mixed, &scene, &commit), -EINVAL);
	kms_fb_fini(&fb);
	movgem_close(fd);
}

/* The CRTC that a monitor is on. */
static uint32_t crtc_of(const struct kms_rig *rig)
{
	drmModeConnector *connector = drmModeGetConnectorCurrent(rig->fd, rig->connector);
	drmModeEncoder *encoder;
	uint32_t crtc;

	igt_assert(connector);
	encoder = drmModeGetEncoder(rig->fd, connector->encoder_id);
	crtc = encoder ? encoder->crtc_id : 0;
	drmModeFreeEncoder(encoder);
	drmModeFreeConnector(connector);
	return crtc;
}

static void set_crtc(int crtc, const struct kms_scene *scene, int first, int count)
{
	uint32_t connectors[] = { rigs[0].connector, rigs[1].connector };
	drmModeModeInfo mode = scene->mode;

	igt_assert_eq(drmModeSetCrtc(rigs[crtc].fd, rigs[crtc].crtc,
				     scene->layers[KMS_PRIMARY].fb->id, 0, 0, connectors + first,
				     count, &mode), 0);
}

static void test_any_monitor(void)
{
	struct kms_scene scenes[2];
	struct kms_fb fbs[2], copy;
	int fd = open_both();
	bool pm = movgem_power_auto(fd, DELAY_MS);
	drmModeCrtc *first;

	pictures_init(scenes, fbs);
	kms_fb_init(&copy, fd, KMS_WIDTH, KMS_HEIGHT, DRM_FORMAT_XRGB8888);
	set_crtc(0, &scenes[0], 0, 2);
	for (int i = 0; i < 2; i++)
		igt_assert_eq_u32(crtc_of(&rigs[i]), rigs[0].crtc);
	kms_expect(&rigs[0], &scenes[0]);

	set_crtc(1, &scenes[1], 0, 1);
	for (int i = 0; i < 2; i++)
		igt_assert_eq_u32(crtc_of(&rigs[i]), rigs[!i].crtc);
	for (int i = 0; i < 2; i++)
		kms_expect(&rigs[i], &scenes[i]);

	set_crtc(1, &scenes[1], 0, 2);
	for (int i = 0; i < 2; i++)
		igt_assert_eq_u32(crtc_of(&rigs[i]), rigs[1].crtc);
	first = drmModeGetCrtc(fd, rigs[0].crtc);
	igt_assert(first);
	igt_assert(!first->mode_valid);
	drmModeFreeCrtc(first);
	kms_expect(&rigs[1], &scenes[1]);
	kms_check_copy(&rigs[1], &scenes[1], &copy);
	for (int i = 0; i < 2; i++)
		igt_assert_eq_u32(crtc_of(&rigs[i]), rigs[1].crtc);

	for (int i = 0; i < 2; i++)
		kms_off(&rigs[i]);
	if (pm)
		movgem_power_wait_off(fd);
	kms_fb_fini(&copy);
	for (int i = 0; i < 2; i++)
		kms_fb_fini(&fbs[i]);
	movgem_close(fd);
}

static void test_one_each(void)
{
	struct kms_scene scene = { };
	struct kms_fb fb, copy;
	int fd = open_both();
	struct kms_blend b;

	kms_blend_init(&rigs[0], &b, DRM_FORMAT_XRGB8888, DRM_FORMAT_ARGB8888);
	kms_full_screen(&rigs[1], &scene, &fb, kms_mode(&rigs[1], 800, 600));
	kms_fb_draw(&fb, 9);
	kms_fb_init(&copy, fd, 800, 600, DRM_FORMAT_XRGB8888);

	kms_show(&rigs[0], &b.scene);
	kms_expect(&rigs[0], &b.scene);
	kms_show(&rigs[1], &scene);
	kms_expect(&rigs[1], &scene);
	kms_expect(&rigs[0], &b.scene);
	kms_check_copy(&rigs[1], &scene, &copy);
	kms_off(&rigs[0]);
	kms_expect(&rigs[1], &scene);
	kms_show(&rigs[0], &b.scene);
	kms_off(&rigs[1]);
	kms_expect(&rigs[0], &b.scene);

	kms_off(&rigs[0]);
	kms_fb_fini(&copy);
	kms_fb_fini(&fb);
	kms_blend_fini(&b);
	movgem_close(fd);
}

static void test_power(void)
{
	struct kms_scene scenes[2];
	struct kms_fb fbs[2];
	int fd = open_both();

	igt_require_f(movgem_power_auto(fd, DELAY_MS), "no runtime PM\n");
	movgem_power_wait_off(fd);
	pictures_init(scenes, fbs);
	for (int first = 0; first < 2; first++) {
		for (int i = 0; i < 2; i++)
			kms_show(&rigs[i], &scenes[i]);
		kms_off(&rigs[first]);
		movgem_power_expect_on(fd, DELAY_MS);
		kms_expect(&rigs[!first], &scenes[!first]);
		kms_off(&rigs[!first]);
		movgem_power_wait_off(fd);
	}
	for (int i = 0; i < 2; i++)
		kms_fb_fini(&fbs[i]);
	movgem_close(fd);
}

static void test_at_once(void)
{
	int fd = open_both();
	bool pm = movgem_power_auto(fd, DELAY_MS);
	struct kms_scene scenes[2][2];
	struct kms_fb fbs[2][2];

	if (pm)
		movgem_power_wait_off(fd);
	for (int i = 0; i < 2; i++) {
		for (int k = 0; k < 2; k++) {
			kms_full_screen(&rigs[k], &scenes[i][k], &fbs[i][k],
					kms_small_mode());
			kms_fb_draw(&fbs[i][k], 2 * i + k);
		}
	}
	kms_show_at_once(rigs, scenes[0], 2);
	for (int round = 1; round < 20; round++) {
		struct kms_commit commits[2];

		for (int k = 0; k < 2; k++) {
			commits[k] = (struct kms_commit) {
				.flags = DRM_MODE_ATOMIC_NONBLOCK,
				.fences = true,
				.in_fence = -1,
			};
			igt_assert_eq(__kms_show(&rigs[k], &scenes[round % 2][k], &commits[k]), 0);
		}
		for (int k = 0; k < 2; k++)
			igt_assert_eq(kms_fence_result(commits[k].out_fence), 0);
		if (round < 2 || round > 17)
			for (int k = 0; k < 2; k++)
				kms_expect(&rigs[k], &scenes[round % 2][k]);
	}
	kms_off(&rigs[0]);
	if (pm)
		movgem_power_expect_on(fd, DELAY_MS);
	kms_expect(&rigs[1], &scenes[1][1]);
	kms_off(&rigs[1]);
	if (pm)
		movgem_power_wait_off(fd);
	for (int i = 0; i < 4; i++)
		kms_fb_fini(&fbs[i / 2][i % 2]);
	movgem_close(fd);
}

static void test_moves(void)
{
	struct igt_helper_process mover = { .use_SIGKILL = true };
	struct kms_scene other;
	uint64_t ids[3], least;
	uint32_t handles[3];
	int fd = open_both();
	struct kms_blend b;
	struct kms_fb fb;
	uint32_t want[2];

	movgem_require_debugfs(fd);
	igt_require_f(movgem_can_move(fd), "pages do not move\n");
	kms_blend_init(&rigs[0], &b, DRM_FORMAT_XRGB8888, DRM_FORMAT_ARGB8888);
	kms_full_screen(&rigs[1], &other, &fb, kms_small_mode());
	other.layers[KMS_OVERLAY] = kms_whole(&b.fbs[KMS_OVERLAY], 111, 222);
	want[0] = kms_reference_crc(&b.scene);
	want[1] = kms_reference_crc(&other);
	kms_show(&rigs[0], &b.scene);
	kms_show(&rigs[1], &other);
	handles[0] = b.fbs[KMS_PRIMARY].handle;
	handles[1] = b.fbs[KMS_OVERLAY].handle;
	handles[2] = fb.handle;
	for (int i = 0; i < 3; i++)
		ids[i] = movgem_bo_id(fd, handles[i]);

	igt_fork_helper(&mover) {
		for (int i = 0; ; i = (i + 1) % 3)
			__movgem_migrate_bo(fd, ids[i]);
	}
	/* One frame at a time: who has CRCs on must read one for every vblank. */
	for (unsigned int round = 0; ; round++) {
		for (int i = 0; i < 2; i++)
			igt_assert_eq_u32(kms_crc(&rigs[i]), want[i]);
		least = UINT64_MAX;
		for (int i = 0; i < 3; i++)
			least = min(least, movgem_bo_moved(fd, handles[i]));
		if (round >= movgem_rounds(20) && least >= movgem_rounds(256))
			break;
	}
	igt_stop_helper(&mover);
	/* After the last move, too. */
	kms_expect(&rigs[0], &b.scene);
	kms_expect(&rigs[1], &other);
	for (int i = 0; i < 2; i++)
		kms_off(&rigs[i]);
	kms_fb_fini(&fb);
	kms_blend_fini(&b);
	movgem_close(fd);
}

static void test_unbind(void)
{
	struct kms_scene scenes[2];
	struct kms_fb fbs[2];
	int fd = open_both();

	pictures_init(scenes, fbs);
	for (int i = 0; i < 2; i++)
		kms_show(&rigs[i], &scenes[i]);
	igt_assert_eq(movgem_device_bind(DEVICE, false), 0);
	for (int i = 0; i < 2; i++) {
		munmap(fbs[i].map, fbs[i].size);
	}
	movgem_close(fd);

	igt_assert_eq(movgem_device_bind(DEVICE, true), 0);
	fd = open_both();
	pictures_init(scenes, fbs);
	for (int i = 0; i < 2; i++) {
		kms_show(&rigs[i], &scenes[i]);
		kms_expect(&rigs[i], &scenes[i]);
		kms_off(&rigs[i]);
		kms_fb_fini(&fbs[i]);
	}
	/* Both were switched off at once, and neither still has it on. */
	if (movgem_power_auto(fd, DELAY_MS))
		movgem_power_wait_off(fd);
	movgem_close(fd);
}

int igt_main()
{
	igt_fixture()
		movgem_devices_require(DEVICE + 1);

	igt_describe("Devices have as many outputs as the parameter says.");
	igt_subtest("count")
		test_count();

	igt_describe("Planes and writeback connectors belong to one CRTC each.");
	igt_subtest("own-objects")
		test_own_objects();

	igt_describe("Monitors go from one CRTC to another, and one has two.");
	igt_subtest("any-monitor")
		test_any_monitor();

	igt_describe("Each output shows a picture of its own at a mode of its own.");
	igt_subtest("one-each")
		test_one_each();

	igt_describe("The GPU is on for as long as one output is.");
	igt_subtest("power")
		test_power();

	igt_describe("One commit switches both on, and flips of both overlap.");
	igt_subtest("at-once")
		test_at_once();

	igt_describe("Both outputs show buffers whose pages move.");
	igt_subtest("moves")
		test_moves();

	igt_describe("The device goes away while both are on, and comes back.");
	igt_subtest("unbind")
		test_unbind();

	igt_fixture()
		movgem_devices_restore();
}
