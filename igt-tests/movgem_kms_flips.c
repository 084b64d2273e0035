// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 */
#include <drm_fourcc.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <xf86drm.h>

#include "igt.h"
#include "movgem_kms_flips.h"
#include "movgem_kms_rig.h"
#include "movgem_rig.h"

static struct kms_rig rig;
static bool is_late;

static void test_flip(int fd)
{
	struct kms_commit commit = {
		.flags = DRM_MODE_ATOMIC_NONBLOCK | DRM_MODE_PAGE_FLIP_EVENT,
	};
	unsigned int last = 0, seq;
	struct kms_pair pair;

	kms_pair_init(&rig, &pair, kms_small_mode());
	for (int i = 0; i < 10; i++) {
		const struct kms_scene *next = &pair.scenes[!(i % 2)];

		if (i < 5) {
			commit.user_data = 100 + i;
			igt_assert_eq(__kms_show(&rig, next, &commit), 0);
		} else {
			igt_assert_eq(drmModePageFlip(fd, rig.crtc, pair.fbs[!(i % 2)].id,
						      DRM_MODE_PAGE_FLIP_EVENT,
						      (void *)(uintptr_t)(100 + i)), 0);
		}
		seq = kms_event(&rig, 100 + i);
		if (i)
			igt_assert_lt_u32(last, seq);
		last = seq;
		kms_expect(&rig, next);
	}
	kms_pair_fini(&rig, &pair);
}

static void test_flip_fences(int fd)
{
	struct kms_commit commit = {
		.flags = DRM_MODE_ATOMIC_NONBLOCK | DRM_MODE_PAGE_FLIP_EVENT,
		.fences = true,
		.user_data = 7,
	};
	struct movgem_gate gate;
	struct kms_pair pair;

	kms_pair_init(&rig, &pair, kms_small_mode());
	movgem_gate_loop(n) {
		bool early, held;

		kms_show(&rig, &pair.scenes[0]);
		movgem_gate_shut(&gate, fd);
		commit.in_fence = movgem_syncobj_file(fd, gate.syncobj);
		igt_assert_eq(__kms_show(&rig, &pair.scenes[1], &commit), 0);
		close(commit.in_fence);
		/* A flip that does not wait is done by then, mostly. */
		usleep(200000);
		early = kms_event_pending(&rig);
		held = movgem_gate_open(&gate);
		kms_event(&rig, 7);
		igt_assert_eq(kms_fence_result(commit.out_fence), 0);
		kms_expect(&rig, &pair.scenes[1]);
		if (held) {
			igt_assert_f(!early, "the flip was done before its fence signalled\n");
			break;
		}
	}
	kms_pair_fini(&rig, &pair);
}

/*
 * With CRCs on each frame is composed. In this mode that takes much longer than
 * from one vblank to the next.
 */
static void test_flip_back_buffer(int fd)
{
	struct kms_pair pair;
	uint32_t want[2];
	int file;

	kms_pair_init(&rig, &pair, kms_mode(&rig, 1920, 1080));
	for (int i = 0; i < 2; i++)
		want[i] = kms_reference_crc(&pair.scenes[i]);
	file = kms_crc_open(&rig);
	for (int i = 1; i < 10; i++) {
		struct kms_fb *back = &pair.fbs[!(i % 2)];
		uint32_t crc;

		kms_show(&rig, &pair.scenes[i % 2]);
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
	kms_pair_fini(&rig, &pair);
}

/* Whether the scene is on the screen, or will be after some frames. */
static bool comes(const struct kms_scene *scene)
{
	uint32_t want = kms_reference_crc(scene);
	int file = kms_crc_open(&rig);
	bool seen = false;

	for (int i = 0; i < 20 && !seen; i++)
		seen = kms_crc_read(file, NULL) == want;
	close(file);
	return seen;
}

/* The legacy calls do not wait for a flip that waits, and the flip keeps what they did. */
static void test_flip_cursor(int fd)
{
	struct kms_commit commit = {
		.flags = DRM_MODE_ATOMIC_NONBLOCK | DRM_MODE_PAGE_FLIP_EVENT,
		.fences = true,
	};
	struct movgem_gate gate;
	struct kms_scene scene;
	struct kms_fb other, cursor;
	struct kms_blend b;

	kms_blend_init(&rig, &b, DRM_FORMAT_XRGB8888, DRM_FORMAT_ARGB8888);
	kms_fb_init(&other, fd, KMS_WIDTH, KMS_HEIGHT, DRM_FORMAT_XRGB8888);
	kms_fb_draw(&other, 9);
	kms_fb_init(&cursor, fd, 64, 64, DRM_FORMAT_ARGB8888);
	kms_fb_draw(&cursor, 10);
	movgem_gate_loop(n) {
		bool early, held, seen;

		kms_show(&rig, &b.scene);
		movgem_gate_shut(&gate, fd);
		commit.in_fence = movgem_syncobj_file(fd, gate.syncobj);
		igt_assert_eq(__kms_flip(&rig, &other, &commit), 0);
		close(commit.in_fence);
		scene = b.scene;
		scene.layers[KMS_CURSOR].x = 300;
		scene.layers[KMS_CURSOR].y = 100 + n;
		igt_assert_eq(drmModeMoveCursor(fd, rig.crtc, 300, 100 + n), 0);
		seen = comes(&scene);
		/* Twice in a frame, mostly, and another image. */
		scene.layers[KMS_CURSOR] = kms_whole(&cursor, 200, 90 + n);
		igt_assert_eq(drmModeSetCursor(fd, rig.crtc, cursor.handle, 64, 64), 0);
		igt_assert_eq(drmModeMoveCursor(fd, rig.crtc, 10, 10), 0);
		igt_assert_eq(drmModeMoveCursor(fd, rig.crtc, 200, 90 + n), 0);
		seen &= comes(&scene);
		early = kms_event_pending(&rig);
		held = movgem_gate_open(&gate);
		kms_event(&rig, 0);
		scene.layers[KMS_PRIMARY].fb = &other;
		kms_expect(&rig, &scene);
		if (held) {
			igt_assert_f(!early, "the flip was done before its fence signalled\n");
			igt_assert_f(seen, "the cursor waited for the flip\n");
			break;
		}
	}
	kms_off(&rig);
	kms_fb_fini(&cursor);
	kms_fb_fini(&other);
	kms_blend_fini(&b);
}

static int64_t now_us(void)
{
	return movgem_deadline(0) / 1000;
}

/* In us; back to none with 0. */
static void set_late(int fd, unsigned int late)
{
	char name[32], text[16];
	int file;

	snprintf(name, sizeof(name), "crtc-%u/vblank_late_us", rig.output);
	file = igt_debugfs_open(fd, name, O_WRONLY);
	igt_assert_f(file >= 0, "%s: %s\n", name, strerror(errno));
	snprintf(text, sizeof(text), "%u", late);
	igt_assert_eq(write(file, text, strlen(text)), strlen(text));
	close(file);
	is_late = late;
}

/*
 * At ten frames a second, each vblank is told 90 ms after it was. Flips are asked
 * for in between.
 */
static void test_flip_late(int fd)
{
	const int64_t period = 100000, late = 90000;
	struct kms_commit commit = {
		.flags = DRM_MODE_ATOMIC_NONBLOCK | DRM_MODE_PAGE_FLIP_EVENT,
	};
	unsigned int between = 0, tries;
	struct kms_pair pair;

	movgem_require_debugfs(fd);
	kms_pair_init(&rig, &pair, kms_slow_mode(&rig));
	set_late(fd, late);
	for (tries = 0; tries < 60 && between < 5; tries++) {
		int64_t asked, due, shown;

		igt_assert_eq(__kms_flip(&rig, &pair.fbs[1], &commit), 0);
		kms_event_time(&rig, 0, &shown);
		due = shown + period;
		asked = now_us();
		/* The first one's timer may have been set before. */
		if (tries)
			igt_assert_f(asked >= shown + late, "told after %lld us\n",
				     (long long)(asked - shown));
		if (asked < due) {
			usleep(due - asked);
			asked = now_us();
		}
		igt_assert_eq(__kms_flip(&rig, &pair.fbs[0], &commit), 0);
		between += now_us() < due + late;
		kms_event_time(&rig, 0, &shown);
		igt_assert_f(asked <= shown, "shown %lld us before it was asked for\n",
			     (long long)(asked - shown));
	}
	set_late(fd, 0);
	igt_assert_f(between >= 5, "%u of %u flips came in between\n", between, tries);
	kms_expect(&rig, &pair.scenes[0]);
	kms_pair_fini(&rig, &pair);
}

static const struct movgem_subtest tests[] = {
	{ "flip", test_flip, "Page flips send their event when the new picture is shown." },
	{ "flip-fences", test_flip_fences,
	  "A flip waits for its fence, and its own fence for the flip." },
	{ "flip-back-buffer", test_flip_back_buffer,
	  "What has been flipped away is not read any more." },
	{ "flip-cursor", test_flip_cursor,
	  "The cursor moves while a flip waits for its fence, and stays there." },
	{ "flip-late", test_flip_late,
	  "A flip that is asked for before a late vblank is told goes to the next one." },
};

void kms_flip_subtests(int fd)
{
	igt_fixture()
		kms_rig_init(&rig, fd);

	movgem_subtests(tests, ARRAY_SIZE(tests), fd);

	/* Where a failed one has left it. */
	igt_fixture() {
		if (is_late)
			set_late(fd, 0);
	}
}
