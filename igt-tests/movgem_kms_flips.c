// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 */
#include <string.h>
#include <unistd.h>
#include <xf86drm.h>

#include "igt.h"
#include "igt_syncobj.h"
#include "movgem_kms_flips.h"
#include "movgem_kms_rig.h"
#include "movgem_rig.h"

static struct kms_rig rig;

static void test_flip(int fd)
{
	struct kms_commit commit = {
		.flags = DRM_MODE_ATOMIC_NONBLOCK | DRM_MODE_PAGE_FLIP_EVENT,
	};
	struct kms_scene scene, other;
	unsigned int last = 0, seq;
	struct kms_fb fb, fb2;

	kms_full_screen(&rig, &scene, &fb, kms_small_mode(&rig));
	kms_full_screen(&rig, &other, &fb2, kms_small_mode(&rig));
	kms_fb_draw(&fb2, 2);
	kms_show(&rig, &scene);
	for (int i = 0; i < 10; i++) {
		const struct kms_scene *next = i % 2 ? &scene : &other;

		if (i < 5) {
			commit.user_data = 100 + i;
			igt_assert_eq(__kms_show(&rig, next, &commit), 0);
		} else {
			igt_assert_eq(drmModePageFlip(fd, rig.crtc, i % 2 ? fb.id : fb2.id,
						      DRM_MODE_PAGE_FLIP_EVENT,
						      (void *)(uintptr_t)(100 + i)), 0);
		}
		seq = kms_event(&rig, 100 + i);
		if (i)
			igt_assert_lt_u32(last, seq);
		last = seq;
		kms_expect(&rig, next);
	}
	kms_off(&rig);
	kms_fb_fini(&fb2);
	kms_fb_fini(&fb);
}

static void test_flip_fences(int fd)
{
	struct kms_commit commit = {
		.flags = DRM_MODE_ATOMIC_NONBLOCK | DRM_MODE_PAGE_FLIP_EVENT,
		.fences = true,
		.user_data = 7,
	};
	struct kms_scene scene, other;
	struct movgem_gate gate;
	struct kms_fb fb, fb2;

	kms_full_screen(&rig, &scene, &fb, kms_small_mode(&rig));
	kms_full_screen(&rig, &other, &fb2, kms_small_mode(&rig));
	kms_fb_draw(&fb2, 2);

	movgem_gate_loop(n) {
		bool early, held;

		kms_show(&rig, &scene);
		movgem_gate_shut(&gate, fd);
		commit.in_fence = syncobj_handle_to_fd(fd, gate.syncobj,
						       DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE);
		igt_assert_eq(__kms_show(&rig, &other, &commit), 0);
		close(commit.in_fence);
		/* A flip that does not wait is done by then, mostly. */
		usleep(200000);
		early = kms_event_pending(&rig);
		held = movgem_gate_open(&gate);
		kms_event(&rig, 7);
		igt_assert_eq(kms_fence_result(commit.out_fence), 0);
		kms_expect(&rig, &other);
		if (held) {
			igt_assert_f(!early, "the flip was done before its fence signalled\n");
			break;
		}
	}
	kms_off(&rig);
	kms_fb_fini(&fb2);
	kms_fb_fini(&fb);
}

/*
 * With CRCs on each frame is composed. In this mode that takes much longer than
 * from one vblank to the next.
 */
static void test_flip_back_buffer(int fd)
{
	drmModeModeInfo mode = kms_mode(&rig, 1920, 1080);
	struct kms_scene scenes[2];
	struct kms_fb fbs[2];
	uint32_t want[2];
	int file;

	for (int i = 0; i < 2; i++) {
		kms_full_screen(&rig, &scenes[i], &fbs[i], mode);
		kms_fb_draw(&fbs[i], i);
		want[i] = kms_reference_crc(&scenes[i]);
	}
	kms_show(&rig, &scenes[0]);
	file = kms_crc_open(&rig);
	for (int i = 1; i < 10; i++) {
		struct kms_fb *back = &fbs[!(i % 2)];
		uint32_t crc;

		kms_show(&rig, &scenes[i % 2]);
		/* It was on the screen until just now. */
		memset(back->map, 0x55, back->size);
		do {
			crc = kms_crc_read(file, NULL);
			igt_assert_f(crc == want[0] || crc == want[1],
				     "frame of a buffer that is not on the screen any more\n");
		} while (crc != want[i % 2]);
		kms_fb_draw(back, !(i % 2));
	}
	close(file);
	kms_off(&rig);
	for (int i = 0; i < 2; i++)
		kms_fb_fini(&fbs[i]);
}

static const struct movgem_subtest tests[] = {
	{ "flip", test_flip, "Page flips send their event when the new picture is shown." },
	{ "flip-fences", test_flip_fences,
	  "A flip waits for its fence, and its own fence for the flip." },
	{ "flip-back-buffer", test_flip_back_buffer,
	  "What has been flipped away is not read any more." },
};

void kms_flip_subtests(int fd)
{
	igt_fixture()
		kms_rig_init(&rig, fd);

	movgem_subtests(tests, ARRAY_SIZE(tests), fd);
}
