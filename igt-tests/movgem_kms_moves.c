// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 */
#include <drm_fourcc.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "igt.h"
#include "movgem_kms_moves.h"
#include "movgem_kms_rig.h"
#include "movgem_migrate_trigger.h"

static struct kms_rig rig;

/* Has a BO's pages moved all the time. */
struct mover {
	pthread_t thread;
	int fd;
	uint64_t id;
	bool compact;
	bool stop;
};

static void *mover_thread(void *arg)
{
	struct mover *mover = arg;

	while (!READ_ONCE(mover->stop)) {
		__movgem_migrate_bo(mover->fd, mover->id);
		if (mover->compact)
			compact_memory();
	}
	return NULL;
}

static void mover_start(struct mover *mover, int fd, uint64_t id, bool compact)
{
	*mover = (struct mover) { .fd = fd, .id = id, .compact = compact };
	igt_assert_eq(pthread_create(&mover->thread, NULL, mover_thread, mover), 0);
}

static void mover_stop(struct mover *mover)
{
	WRITE_ONCE(mover->stop, true);
	igt_assert_eq(pthread_join(mover->thread, NULL), 0);
}

static void require_moves(int fd)
{
	movgem_require_debugfs(fd);
	igt_require_f(movgem_can_move(fd), "pages do not move\n");
}

/* On the screen, not pinned, and mapped for the display. */
static void expect_movable(int fd, uint64_t id)
{
	struct movgem_gem gem;

	igt_assert(movgem_gem_row(fd, id, &gem));
	igt_assert_eq_u64(gem.pins, 0);
	igt_assert_eq_u64(gem.gpu_maps, 1);
}

static void test_scanout_moves(int fd)
{
	uint64_t ids[KMS_PLANES], moved;
	struct mover mover;
	struct kms_blend b;
	uint32_t want;
	int file;

	require_moves(fd);
	kms_blend_init(&rig, &b, DRM_FORMAT_XRGB8888, DRM_FORMAT_ARGB8888);
	want = kms_reference_crc(&b.scene);
	kms_show(&rig, &b.scene);
	for (int i = 0; i < KMS_PLANES; i++) {
		ids[i] = movgem_bo_id(fd, b.fbs[i].handle);
		expect_movable(fd, ids[i]);
	}
	igt_assert_eq_u32(kms_crc(&rig), want);
	for (int i = 0; i < KMS_PLANES; i++) {
		igt_assert_eq_u64(movgem_migrate_bo(fd, ids[i]), b.fbs[i].size / MOVGEM_PAGE);
		igt_assert_eq_u32(kms_crc(&rig), want);
	}

	for (int i = 0; i < KMS_PLANES; i++) {
		file = kms_crc_open(&rig);
		moved = movgem_bo_moved(fd, b.fbs[i].handle);
		mover_start(&mover, fd, ids[i], i == KMS_PRIMARY);
		for (int k = 0; k < 20; k++)
			igt_assert_eq_u32(kms_crc_read(file, NULL), want);
		/* What nobody reads for two seconds DRM complains of. */
		close(file);
		mover_stop(&mover);
		igt_assert_lt_u64(moved, movgem_bo_moved(fd, b.fbs[i].handle));
	}
	igt_assert_eq_u32(kms_crc(&rig), want);
	kms_off(&rig);
	kms_blend_fini(&b);
}

/*
 * One page is all that the display reads, so its translation is in the TLB from
 * frame to frame. The other planes are off.
 */
static void test_write_after_move(int fd)
{
	struct kms_scene scene = { .mode = kms_small_mode() };
	struct kms_fb fb;
	uint64_t id;

	require_moves(fd);
	kms_fb_init(&fb, fd, 32, 32, DRM_FORMAT_XRGB8888);
	igt_assert_eq_u64(fb.size, MOVGEM_PAGE);
	id = movgem_bo_id(fd, fb.handle);
	scene.layers[KMS_OVERLAY] = kms_whole(&fb, 100, 100);
	for (int i = 0; i < 10; i++) {
		kms_fb_draw(&fb, i);
		kms_show(&rig, &scene);
		kms_expect(&rig, &scene);
		igt_assert_eq_u64(movgem_migrate_bo(fd, id), 1);
		kms_fb_draw(&fb, 100 + i);
		kms_expect(&rig, &scene);
	}
	kms_off(&rig);
	kms_fb_fini(&fb);
}

static void test_writeback_moves(int fd)
{
	struct mover mover;
	struct kms_fb copy;
	uint64_t moved;
	struct kms_blend b;

	require_moves(fd);
	kms_blend_init(&rig, &b, DRM_FORMAT_XRGB8888, DRM_FORMAT_ARGB8888);
	kms_fb_init(&copy, fd, KMS_WIDTH, KMS_HEIGHT, DRM_FORMAT_XRGB8888);
	moved = movgem_bo_moved(fd, copy.handle);
	mover_start(&mover, fd, movgem_bo_id(fd, copy.handle), false);
	for (int i = 0; i < 5; i++) {
		b.scene.layers[KMS_CURSOR].x = 100 * i;
		kms_check_copy(&rig, &b.scene, &copy);
	}
	mover_stop(&mover);
	igt_assert_lt_u64(moved, movgem_bo_moved(fd, copy.handle));
	kms_off(&rig);
	kms_fb_fini(&copy);
	kms_blend_fini(&b);
}

/* Both BOs of NV12: each moves, and is shown all the same. */
static void test_nv12_moves(int fd)
{
	static const struct kms_nv12 layout = { .split = true };
	struct kms_scene scene = { .mode = kms_small_mode() };
	uint64_t ids[2], sizes[2], moved;
	uint32_t handles[2], want;
	struct mover mover;
	struct kms_fb fb;
	int file;

	require_moves(fd);
	kms_fb_init_nv12(&fb, fd, KMS_WIDTH, KMS_HEIGHT, &layout);
	kms_fb_draw(&fb, 4);
	scene.layers[KMS_PRIMARY] = kms_whole(&fb, 0, 0);
	want = kms_reference_crc(&scene);
	kms_show(&rig, &scene);
	for (int i = 0; i < 2; i++) {
		handles[i] = i ? fb.chroma.handle : fb.handle;
		ids[i] = movgem_bo_id(fd, handles[i]);
		sizes[i] = i ? fb.chroma.size : fb.size;
		expect_movable(fd, ids[i]);
	}
	for (int i = 0; i < 2; i++) {
		igt_assert_eq_u64(movgem_migrate_bo(fd, ids[i]), sizes[i] / MOVGEM_PAGE);
		igt_assert_eq_u32(kms_crc(&rig), want);
		file = kms_crc_open(&rig);
		moved = movgem_bo_moved(fd, handles[i]);
		mover_start(&mover, fd, ids[i], false);
		for (int k = 0; k < 20; k++)
			igt_assert_eq_u32(kms_crc_read(file, NULL), want);
		/* What nobody reads for two seconds DRM complains of. */
		close(file);
		mover_stop(&mover);
		igt_assert_lt_u64(moved, movgem_bo_moved(fd, handles[i]));
	}
	kms_expect(&rig, &scene);
	/* What is written after a move is shown. */
	kms_fb_draw(&fb, 5);
	kms_expect(&rig, &scene);
	kms_off(&rig);
	kms_fb_fini(&fb);
}

/* The display has both BOs of NV12, whoever lets go of them. */
static void test_nv12_kept(int fd)
{
	static const struct kms_nv12 layout = { .split = true };
	struct kms_scene scene = { .mode = kms_small_mode() };
	uint64_t before = movgem_bo_count(fd);
	uint32_t retained, want;
	drmModeFB2 *got;
	struct kms_fb fb;

	kms_fb_init_nv12(&fb, fd, KMS_WIDTH, KMS_HEIGHT, &layout);
	kms_fb_draw(&fb, 6);
	scene.layers[KMS_PRIMARY] = kms_whole(&fb, 0, 0);
	want = kms_reference_crc(&scene);
	kms_show(&rig, &scene);
	igt_assert_eq(__movgem_bo_madvise(fd, fb.handle, DRM_MOVGEM_MADV_DONTNEED, &retained),
		      -EBUSY);
	igt_assert_eq(__movgem_bo_madvise(fd, fb.chroma.handle, DRM_MOVGEM_MADV_DONTNEED,
					  &retained), -EBUSY);
	munmap(fb.map, fb.size);
	munmap(fb.chroma.map, fb.chroma.size);
	igt_assert_eq(__movgem_gem_close(fd, fb.handle), 0);
	igt_assert_eq(__movgem_gem_close(fd, fb.chroma.handle), 0);
	igt_assert_eq_u32(kms_crc(&rig), want);
	kms_off(&rig);
	got = drmModeGetFB2(fd, fb.id);
	igt_assert(got);
	igt_assert(got->handles[0] && got->handles[1] && got->handles[0] != got->handles[1]);
	igt_assert_eq(__movgem_gem_close(fd, got->handles[0]), 0);
	igt_assert_eq(__movgem_gem_close(fd, got->handles[1]), 0);
	drmModeFreeFB2(got);
	igt_assert_eq(drmModeRmFB(fd, fb.id), 0);
	movgem_wait_for_bos(fd, before);
}

/* Shows a scene while pages of a BO are in the kernel's hands. */
static void expect_held(int fd, uint64_t id, const char *how, uint32_t want)
{
	int file = igt_debugfs_open(fd, "hold", O_RDWR), len;
	uint64_t taken = movgem_stat(fd, "gpu_unblock");
	char text[64] = "";

	igt_assert_fd(file);
	len = snprintf(text, sizeof(text), "%llu 1 8 %s", (unsigned long long)id, how);
	igt_assert_eq(write(file, text, len), len);
	memset(text, 0, sizeof(text));
	igt_assert_lt(0, read(file, text, sizeof(text) - 1));
	igt_assert_eq(atoi(text), 8);
	igt_assert_eq_u32(kms_crc(&rig), want);
	igt_assert_lte_u64(taken + 8, movgem_stat(fd, "gpu_unblock"));
	close(file);
	igt_assert_eq_u32(kms_crc(&rig), want);
}

static void test_held_pages(int fd)
{
	/* More pages than the display's TLB has entries, a page for each line. */
	static const struct kms_nv12 layout = {
		.pitch = MOVGEM_PAGE,
		.chroma_pitch = MOVGEM_PAGE,
		.split = true,
	};
	static const char * const how[] = { "isolate", "quiesce" };
	struct kms_scene scene;
	struct kms_fb fb;
	uint32_t want;
	uint64_t id;

	require_moves(fd);
	kms_full_screen(&rig, &scene, &fb, kms_small_mode());
	kms_show(&rig, &scene);
	/* Not later: the CPU would take the pages back. */
	want = kms_reference_crc(&scene);
	id = movgem_bo_id(fd, fb.handle);
	for (unsigned int i = 0; i < ARRAY_SIZE(how); i++)
		expect_held(fd, id, how[i], want);
	kms_off(&rig);
	kms_fb_fini(&fb);

	/* Either BO of NV12, read in lines and in columns. */
	kms_fb_init_nv12(&fb, fd, KMS_WIDTH, KMS_HEIGHT, &layout);
	kms_fb_draw(&fb, 3);
	scene.layers[KMS_PRIMARY] = kms_whole(&fb, 0, 0);
	want = kms_reference_crc(&scene);
	kms_show(&rig, &scene);
	expect_held(fd, movgem_bo_id(fd, fb.handle), how[1], want);
	expect_held(fd, movgem_bo_id(fd, fb.chroma.handle), how[1], want);
	scene.layers[KMS_PRIMARY].rotation = DRM_MODE_ROTATE_90;
	scene.layers[KMS_PRIMARY].screen_w = KMS_WIDTH;
	scene.layers[KMS_PRIMARY].screen_h = KMS_HEIGHT;
	want = kms_reference_crc(&scene);
	kms_show(&rig, &scene);
	expect_held(fd, movgem_bo_id(fd, fb.chroma.handle), how[0], want);
	expect_held(fd, movgem_bo_id(fd, fb.handle), how[1], want);
	kms_off(&rig);
	kms_fb_fini(&fb);
}

static uint32_t madvise_state(int fd, uint32_t handle)
{
	struct drm_movgem_bo_info info;

	movgem_bo_info(fd, handle, &info);
	return info.madvise;
}

/* Scans until a BO that nobody needs is purged: a full scan was done. */
static void scan(int fd)
{
	uint32_t bait = movgem_bo_create(fd, MOVGEM_PAGE, 0);

	igt_assert(movgem_bo_madvise(fd, bait, DRM_MOVGEM_MADV_DONTNEED));
	for (int i = 0; i < 20 && madvise_state(fd, bait) != DRM_MOVGEM_MADV_PURGED; i++)
		movgem_drop_slab();
	igt_assert_eq_u32(madvise_state(fd, bait), DRM_MOVGEM_MADV_PURGED);
	igt_assert_eq(__movgem_gem_close(fd, bait), 0);
	movgem_drop_slab();
}

static void test_not_purged(int fd)
{
	int64_t deadline = movgem_deadline(MOVGEM_LONG_NS);
	struct kms_scene scene;
	uint32_t retained;
	struct kms_fb fb;

	kms_full_screen(&rig, &scene, &fb, kms_small_mode());
	igt_assert_eq(__movgem_bo_madvise(fd, fb.handle, DRM_MOVGEM_MADV_DONTNEED, &retained),
		      -EBUSY);

	/* The other way round: given up, and then shown. */
	igt_assert_eq(drmModeRmFB(fd, fb.id), 0);
	igt_assert(movgem_bo_madvise(fd, fb.handle, DRM_MOVGEM_MADV_DONTNEED));
	igt_assert_eq(__kms_fb_add(&fb), 0);
	kms_show(&rig, &scene);
	scan(fd);
	igt_assert_eq_u32(madvise_state(fd, fb.handle), DRM_MOVGEM_MADV_DONTNEED);
	kms_expect(&rig, &scene);
	kms_off(&rig);

	/* Nobody shows it any more. The frame that did goes a little later. */
	igt_assert_eq(drmModeRmFB(fd, fb.id), 0);
	while (madvise_state(fd, fb.handle) != DRM_MOVGEM_MADV_PURGED &&
	       movgem_deadline(0) < deadline)
		scan(fd);
	igt_assert_eq_u32(madvise_state(fd, fb.handle), DRM_MOVGEM_MADV_PURGED);
	igt_assert_eq(__kms_fb_add(&fb), -EFAULT);
	munmap(fb.map, fb.size);
	igt_assert_eq(__movgem_gem_close(fd, fb.handle), 0);
}

static const struct movgem_subtest tests[] = {
	{ "scanout-moves", test_scanout_moves,
	  "The picture stays as it is while its pages move." },
	{ "write-after-move", test_write_after_move, "What is written after a move is shown." },
	{ "writeback-moves", test_writeback_moves,
	  "Copies are whole although the pages that they go to move." },
	{ "nv12-moves", test_nv12_moves, "Both BOs of NV12 move while they are shown." },
	{ "nv12-kept", test_nv12_kept, "Both BOs of NV12 stay for as long as they are shown." },
	{ "held-pages", test_held_pages,
	  "Pages in the kernel's hands are shown, sooner or later." },
	{ "not-purged", test_not_purged, "A buffer that has a framebuffer is not purged." },
};

void kms_move_subtests(int fd)
{
	igt_fixture()
		kms_rig_init(&rig, fd);

	movgem_subtests(tests, ARRAY_SIZE(tests), fd);
}
