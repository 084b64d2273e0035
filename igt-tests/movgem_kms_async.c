// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 */
#include <drm_fourcc.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

#include "igt.h"
#include "movgem_kms_rig.h"
#include "movgem_rig.h"

/**
 * TEST: movgem kms async
 * Description: Flips that do not wait for a vblank.
 * Category: Display
 * Mega feature: General Display Features
 * Sub-category: kms
 * Functionality: asynchronous flips
 * Feature: movgem
 * Test category: functionality test
 *
 * SUBTEST: sooner
 * Description: More than one flip fits between two vblanks, by both calls, and what
 *              is flipped to is shown.
 *
 * SUBTEST: fences
 * Description: An asynchronous flip waits for its fence.
 *
 * SUBTEST: back-buffer
 * Description: What has been flipped away is not read any more, also while each
 *              frame is composed and the flip comes in the middle of it.
 *
 * SUBTEST: copy-is-whole
 * Description: A copy is of the frame that it was asked for with, whatever is
 *              flipped to meanwhile.
 *
 * SUBTEST: cursor
 * Description: The cursor moves between asynchronous flips.
 *
 * SUBTEST: flips-only
 * Description: An asynchronous commit changes nothing but the primary plane's
 *              framebuffer.
 */

IGT_TEST_DESCRIPTION("Flips that do not wait for a vblank.");

#define ASYNC	(DRM_MODE_PAGE_FLIP_ASYNC | DRM_MODE_PAGE_FLIP_EVENT)

static struct kms_rig rig;

/* Flips by one call or the other, and waits for the event. */
static unsigned int flip(int fd, const struct kms_fb *fb, bool atomic)
{
	const struct kms_commit commit = { .flags = ASYNC | DRM_MODE_ATOMIC_NONBLOCK };

	if (atomic)
		igt_assert_eq(__kms_flip(&rig, fb, &commit), 0);
	else
		igt_assert_eq(drmModePageFlip(fd, rig.crtc, fb->id, ASYNC, NULL), 0);
	return kms_event(&rig, 0);
}

static void test_sooner(int fd)
{
	uint64_t cap = 0;
	struct kms_pair pair;

	igt_assert_eq(drmGetCap(fd, DRM_CAP_ASYNC_PAGE_FLIP, &cap), 0);
	igt_assert_eq_u64(cap, 1);
	igt_assert_eq(drmGetCap(fd, DRM_CAP_ATOMIC_ASYNC_PAGE_FLIP, &cap), 0);
	igt_assert_eq_u64(cap, 1);

	kms_pair_init(&rig, &pair, kms_slow_mode(&rig));
	for (int atomic = 0; atomic < 2; atomic++) {
		unsigned int first = flip(fd, &pair.fbs[1], atomic), last = first;

		for (int i = 0; i < 100; i++) {
			unsigned int seq = flip(fd, &pair.fbs[i % 2], atomic);

			igt_assert_lte_u32(last, seq);
			last = seq;
		}
		igt_assert_f(last - first < 100, "100 flips took %u frames\n", last - first);
		kms_expect(&rig, &pair.scenes[1]);
		flip(fd, &pair.fbs[0], atomic);
		kms_expect(&rig, &pair.scenes[0]);
		/* The other kind, which does wait, is none the worse. */
		kms_show(&rig, &pair.scenes[1]);
		kms_expect(&rig, &pair.scenes[1]);
	}
	kms_pair_fini(&rig, &pair);
}

static void test_fences(int fd)
{
	struct kms_commit commit = {
		.flags = ASYNC | DRM_MODE_ATOMIC_NONBLOCK,
		.fences = true,
		.user_data = 3,
	};
	struct movgem_gate gate;
	struct kms_pair pair;

	kms_pair_init(&rig, &pair, kms_small_mode());
	movgem_gate_loop(n) {
		bool early, held;

		kms_show(&rig, &pair.scenes[0]);
		movgem_gate_shut(&gate, fd);
		commit.in_fence = movgem_syncobj_file(fd, gate.syncobj);
		igt_assert_eq(__kms_flip(&rig, &pair.fbs[1], &commit), 0);
		close(commit.in_fence);
		/* A flip that does not wait is done by then, mostly. */
		usleep(200000);
		early = kms_event_pending(&rig);
		held = movgem_gate_open(&gate);
		kms_event(&rig, 3);
		kms_expect(&rig, &pair.scenes[1]);
		if (held) {
			igt_assert_f(!early, "the flip was done before its fence signalled\n");
			break;
		}
	}
	kms_pair_fini(&rig, &pair);
}

/* All CRCs that there are by now have to be these. */
static void expect_crcs(int file, uint32_t want)
{
	struct pollfd pfd = { .fd = file, .events = POLLIN };
	uint32_t crc, frame;

	while (poll(&pfd, 1, 0) == 1) {
		crc = kms_crc_read(file, &frame);
		igt_assert_f(crc == want, "frame %u is of a buffer that is not on the screen any more\n",
			     frame);
	}
}

/* Both buffers look the same while they are shown, so nothing else may be seen. */
static void test_back_buffer(int fd)
{
	uint32_t want, frame = 0, last;
	struct kms_pair pair;
	int file;

	kms_pair_init(&rig, &pair, kms_mode(&rig, 1920, 1080));
	kms_fb_draw(&pair.fbs[1], 0);
	want = kms_reference_crc(&pair.scenes[0]);
	kms_expect(&rig, &pair.scenes[0]);
	file = kms_crc_open(&rig);
	igt_assert_eq_u32(kms_crc_read(file, &last), want);
	for (int i = 1; i < 40; i++) {
		struct kms_fb *back = &pair.fbs[!(i % 2)];

		flip(fd, &pair.fbs[i % 2], i % 3);
		memset(back->map, 0x55, back->size);
		expect_crcs(file, want);
		kms_fb_draw(back, 0);
	}
	/* Until there was one without any flip. */
	for (int i = 0; i < 10; i++)
		igt_assert_eq_u32(kms_crc_read(file, &frame), want);
	igt_assert_lt_u32(last, frame);
	close(file);
	kms_pair_fini(&rig, &pair);
}

static void test_copy_is_whole(int fd)
{
	struct kms_commit commit = {
		.flags = DRM_MODE_ATOMIC_NONBLOCK | DRM_MODE_PAGE_FLIP_EVENT,
	};
	struct kms_fb copy;
	struct kms_pair pair;
	uint32_t *want[2];

	kms_fb_init(&copy, fd, 1280, 800, DRM_FORMAT_XRGB8888);
	commit.writeback = &copy;
	kms_pair_init(&rig, &pair, kms_mode(&rig, 1280, 800));
	for (int i = 0; i < 2; i++)
		want[i] = kms_reference(&pair.scenes[i]);
	for (int i = 0; i < 4; i++) {
		memset(copy.map, 0, copy.size);
		igt_assert_eq(__kms_show(&rig, &pair.scenes[i % 2], &commit), 0);
		kms_event(&rig, 0);
		/* The copy is being made by now. */
		flip(fd, &pair.fbs[!(i % 2)], i / 2);
		igt_assert_eq(kms_fence_result(commit.writeback_fence), 0);
		igt_assert_f(!memcmp(copy.map, want[i % 2], 1280 * 800 * 4),
			     "the copy is not whole\n");
	}
	kms_expect(&rig, &pair.scenes[0]);
	for (int i = 0; i < 2; i++)
		free(want[i]);
	kms_pair_fini(&rig, &pair);
	kms_fb_fini(&copy);
}

static void test_cursor(int fd)
{
	struct kms_fb cursor;
	struct kms_pair pair;

	kms_pair_init(&rig, &pair, kms_small_mode());
	kms_fb_init(&cursor, fd, 64, 64, DRM_FORMAT_ARGB8888);
	kms_fb_draw(&cursor, 9);
	igt_assert_eq(drmModeSetCursor(fd, rig.crtc, cursor.handle, 64, 64), 0);
	for (int i = 1; i < 20; i++) {
		struct kms_scene *scene = &pair.scenes[i % 2];

		igt_assert_eq(drmModeMoveCursor(fd, rig.crtc, 11 * i, 13 * i), 0);
		/* Takes the cursor along, as it comes after it. */
		flip(fd, &pair.fbs[i % 2], i % 3);
		scene->layers[KMS_CURSOR] = kms_whole(&cursor, 11 * i, 13 * i);
		if (i % 4 == 0)
			kms_expect(&rig, scene);
	}
	kms_pair_fini(&rig, &pair);
	kms_fb_fini(&cursor);
}

/* An asynchronous commit of one property; 0 or -errno. */
static int set(uint32_t object, uint32_t type, const char *name, uint64_t value)
{
	uint32_t prop = kms_prop(&rig, object, type, name, NULL);
	drmModeAtomicReq *req = drmModeAtomicAlloc();
	int ret;

	igt_assert(prop && req);
	igt_assert(drmModeAtomicAddProperty(req, object, prop, value) > 0);
	ret = drmModeAtomicCommit(rig.fd, req, DRM_MODE_PAGE_FLIP_ASYNC | DRM_MODE_ATOMIC_NONBLOCK,
				  NULL);
	drmModeAtomicFree(req);
	return ret;
}

static void test_flips_only(int fd)
{
	struct kms_blend b;

	kms_blend_init(&rig, &b, DRM_FORMAT_XRGB8888, DRM_FORMAT_ARGB8888);
	kms_show(&rig, &b.scene);
	igt_assert_eq(set(rig.planes[KMS_PRIMARY], DRM_MODE_OBJECT_PLANE, "CRTC_X", 5), -EINVAL);
	igt_assert_eq(set(rig.planes[KMS_PRIMARY], DRM_MODE_OBJECT_PLANE, "alpha", 5), -EINVAL);
	igt_assert_eq(set(rig.planes[KMS_OVERLAY], DRM_MODE_OBJECT_PLANE, "FB_ID",
			  b.fbs[KMS_PRIMARY].id), -EINVAL);
	igt_assert_eq(set(rig.crtc, DRM_MODE_OBJECT_CRTC, "ACTIVE", 0), -EINVAL);
	igt_assert_eq(set(rig.connector, DRM_MODE_OBJECT_CONNECTOR, "CRTC_ID", 0), -EINVAL);
	kms_expect(&rig, &b.scene);
	/* What is as it was is no change. */
	igt_assert_eq(set(rig.planes[KMS_PRIMARY], DRM_MODE_OBJECT_PLANE, "CRTC_X", 0), 0);
	kms_show(&rig, &b.scene);
	kms_expect(&rig, &b.scene);
	kms_off(&rig);
	kms_blend_fini(&b);
}

static const struct movgem_subtest tests[] = {
	{ "sooner", test_sooner, "More than one flip fits between two vblanks." },
	{ "fences", test_fences, "An asynchronous flip waits for its fence." },
	{ "back-buffer", test_back_buffer, "What has been flipped away is not read any more." },
	{ "copy-is-whole", test_copy_is_whole,
	  "A copy is of the frame that it was asked for with." },
	{ "cursor", test_cursor, "The cursor moves between asynchronous flips." },
	{ "flips-only", test_flips_only,
	  "An asynchronous commit changes nothing but the primary plane's framebuffer." },
};

int igt_main()
{
	kms_subtests(&rig, tests, ARRAY_SIZE(tests));
}
