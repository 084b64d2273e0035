// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 */

/**
 * TEST: movgem blit
 * Description: The 2D blit command against a reference that is computed in the
 *              test, to the last bit, for every pair of formats.
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: uapi
 * Functionality: blitter
 * Feature: movgem
 * Test category: functionality test
 *
 * SUBTEST: %s-%s
 * Description: All 25 pairs of formats, odd rectangles at unaligned places,
 *              %arg[1], %arg[2], compared with the reference to the last bit,
 *              and nothing else written
 *
 * arg[1]:
 *
 * @nearest-copy: nearest
 * @bilinear-copy: bilinear
 * @nearest-over: nearest and src-over
 * @bilinear-over: bilinear and src-over
 *
 * arg[2]:
 *
 * @1to1: not scaled
 * @up: enlarged
 * @down: reduced
 * @mixed: enlarged in x and reduced in y
 *
 * SUBTEST: one-pixel
 * Description: Single pixels, to and from larger rectangles
 *
 * SUBTEST: widen
 * Description: All 65536 values of RGB565 to every format
 *
 * SUBTEST: narrow
 * Description: Every value of every 8 bit channel to every format
 *
 * SUBTEST: over-values
 * Description: Src-over of every alpha on every destination value, with sums
 *              above 255
 *
 * SUBTEST: wide
 * Description: Lines and columns of the largest allowed size, scaled by up
 *              to 16384
 *
 * SUBTEST: mostly-unmapped
 * Description: Of an image of a gigabyte only the rectangle is mapped
 *
 * SUBTEST: edges
 * Description: Surfaces that end with the last and begin with the first
 *              mapped byte
 *
 * SUBTEST: page-crossing
 * Description: Lines that cross a page boundary at every pixel, where the
 *              next page is elsewhere
 *
 * SUBTEST: chain
 * Description: A stream of blits that read what the ones before wrote
 *
 * SUBTEST: overlap
 * Description: Overlapping rectangles: no byte outside the destination
 *              rectangle changes
 *
 * SUBTEST: random
 * Description: Random surfaces, rectangles, formats and flags
 *
 * SUBTEST: random-moving
 * Description: The same while every page is moved again and again: at least
 *              20 moves for each page of the destination
 *
 * SUBTEST: bad-source
 * Description: Every wrong field of the source ends the job with a command
 *              fault, and nothing is written
 *
 * SUBTEST: bad-destination
 * Description: Every wrong field of the destination ends the job with a
 *              command fault, and nothing is written
 *
 * SUBTEST: bad-address
 * Description: Misaligned addresses and addresses outside the VM
 *
 * SUBTEST: bad-command
 * Description: Unknown flags and wrong sizes of the command
 *
 * SUBTEST: hole-in-source
 * Description: A source that runs into a hole: a fault there, nothing
 *              written outside the destination
 *
 * SUBTEST: hole-in-destination
 * Description: A destination that runs into a hole: a fault there, nothing
 *              written outside the destination
 *
 * SUBTEST: readonly-destination
 * Description: A destination that is mapped for reading only
 */

#include <stdlib.h>
#include <string.h>

#include <drm_fourcc.h>

#include "igt.h"
#include "movgem_blit_ref.h"
#include "movgem_blit_rig.h"
#include "movgem_lib.h"

/* How a rectangle of the source becomes one of the destination. */
enum scale { SCALE_NONE, SCALE_UP, SCALE_DOWN, SCALE_MIXED };

static const char * const scale_names[] = {
	[SCALE_NONE] = "1to1",
	[SCALE_UP] = "up",
	[SCALE_DOWN] = "down",
	[SCALE_MIXED] = "mixed",
};

static void test_pairs(uint32_t flags, enum scale scale)
{
	struct drm_movgem_cmd_blit cmd = blit_cmd(flags);
	uint32_t s, d, sw, sh, dw, dh;

	for (s = 0; s < ARRAY_SIZE(blit_formats); s++) {
		for (d = 0; d < ARRAY_SIZE(blit_formats); d++) {
			sw = dw = blit_rnd(17, 61);
			sh = dh = blit_rnd(17, 47);
			if (scale == SCALE_UP || scale == SCALE_MIXED)
				dw = sw + blit_rnd(1, 90);
			if (scale == SCALE_UP)
				dh = sh + blit_rnd(1, 40);
			if (scale == SCALE_DOWN)
				dw = blit_rnd(1, sw - 1);
			if (scale == SCALE_DOWN || scale == SCALE_MIXED)
				dh = blit_rnd(1, sh - 1);

			blit_place(&cmd.src, SRC_VA, blit_formats[s], sw, sh);
			blit_place(&cmd.dst, DST_VA, blit_formats[d], dw, dh);
			blit_check_random(&cmd);
		}
	}
}

static void test_one_pixel(void)
{
	static const struct {
		uint32_t sw, sh, dw, dh;
	} sizes[] = {
		{ 1, 1, 1, 1 }, { 1, 1, 7, 5 }, { 9, 11, 1, 1 },
		{ 1, 13, 6, 1 }, { 2, 2, 3, 3 }, { 2, 1, 5, 1 },
	};
	struct drm_movgem_cmd_blit cmd;
	uint32_t flags, s, d, i;

	for (flags = 0; flags < 4; flags++) {
		cmd = blit_cmd(flags);
		for (i = 0; i < ARRAY_SIZE(sizes); i++) {
			/* each pair once, whatever the flags and the size */
			s = (flags * ARRAY_SIZE(sizes) + i) % 5;
			for (d = 0; d < ARRAY_SIZE(blit_formats); d++) {
				blit_place(&cmd.src, SRC_VA, blit_formats[s],
					   sizes[i].sw, sizes[i].sh);
				blit_place(&cmd.dst, DST_VA, blit_formats[d],
					   sizes[i].dw, sizes[i].dh);
				blit_check_random(&cmd);
			}
		}
	}
}

/* All 65536 values of RGB565 to every format. */
static void test_widen(void)
{
	struct drm_movgem_cmd_blit cmd = blit_cmd(0);
	uint32_t d, i;

	for (d = 0; d < ARRAY_SIZE(blit_formats); d++) {
		blit_arena_randomize(&blit_rig.dst);
		for (i = 0; i < 65536; i++) {
			blit_rig.src.model[2 * i] = i;
			blit_rig.src.model[2 * i + 1] = i >> 8;
		}
		cmd.src = blit_surface(SRC_VA, DRM_FORMAT_RGB565, 256, 256);
		cmd.dst = blit_surface(DST_VA, blit_formats[d], 256, 256);
		blit_check(&cmd);
	}
}

/* Every value of every channel, to every format. */
static void test_narrow(void)
{
	struct drm_movgem_cmd_blit cmd = blit_cmd(0);
	uint32_t s, d, i;

	for (s = 0; s < 4; s++) {
		for (d = 0; d < ARRAY_SIZE(blit_formats); d++) {
			blit_arena_randomize(&blit_rig.dst);
			for (i = 0; i < 256; i++) {
				blit_rig.src.model[4 * i] = i;
				blit_rig.src.model[4 * i + 1] = 255 - i;
				blit_rig.src.model[4 * i + 2] = i ^ 0x5a;
				blit_rig.src.model[4 * i + 3] = i * 5;
			}
			cmd.src = blit_surface(SRC_VA, blit_formats[s], 16, 16);
			cmd.dst = blit_surface(DST_VA, blit_formats[d], 16, 16);
			blit_check(&cmd);
		}
	}
}

/* Every alpha over every value of the destination, for a few sources. */
static void test_over_values(void)
{
	static const uint8_t values[] = { 0, 1, 100, 254, 255 };
	struct drm_movgem_cmd_blit cmd = blit_cmd(DRM_MOVGEM_BLIT_SRC_OVER);
	uint32_t a, i, v;
	uint8_t *p;

	cmd.src = blit_surface(SRC_VA, DRM_FORMAT_ARGB8888, 256, 256);
	cmd.dst = blit_surface(DST_VA, DRM_FORMAT_ABGR8888, 256, 256);

	for (v = 0; v < ARRAY_SIZE(values); v++) {
		for (a = 0; a < 256; a++) {
			for (i = 0; i < 256; i++) {
				p = blit_rig.src.model + (a * 256 + i) * 4;
				p[0] = values[v];
				p[1] = a; /* as large as it may be */
				p[2] = 255 - a;
				p[3] = a;
				p = blit_rig.dst.model + (a * 256 + i) * 4;
				p[0] = p[1] = p[2] = p[3] = i;
			}
		}
		blit_check(&cmd);
	}
}

static void test_wide(void)
{
	static const uint32_t sizes[][2] = {
		{ 16384, 16384 }, { 16384, 1 }, { 1, 16384 },
		{ 16384, 16383 }, { 16383, 16384 }, { 4097, 16384 },
	};
	struct drm_movgem_cmd_blit cmd;
	uint32_t flags, i;

	for (flags = 0; flags < 4; flags++) {
		cmd = blit_cmd(flags);
		for (i = 0; i < ARRAY_SIZE(sizes); i++) {
			cmd.src = blit_surface(SRC_VA, blit_rnd_format(), sizes[i][0], 1);
			cmd.dst = blit_surface(DST_VA, blit_rnd_format(), sizes[i][1], 1);
			blit_check_random(&cmd);

			cmd.src = blit_surface(SRC_VA, blit_rnd_format(), 1, sizes[i][0]);
			cmd.dst = blit_surface(DST_VA, blit_rnd_format(), 1, sizes[i][1]);
			blit_check_random(&cmd);
		}
	}
}

/* The image is a gigabyte, of which the rectangle alone is mapped. */
static void test_mostly_unmapped(void)
{
	struct drm_movgem_cmd_blit cmd;
	uint32_t flags, pitch, bytes, lines = 4;
	struct drm_movgem_surface *s;
	uint64_t va;
	int side;

	for (flags = 0; flags < 4; flags++) {
		cmd = blit_cmd(flags);
		for (side = 0; side < 2; side++) {
			s = side ? &cmd.dst : &cmd.src;
			va = side ? DST_VA : SRC_VA;
			s->format = blit_rnd_format();
			bytes = ref_format_bytes(s->format);
			s->width = s->height = DRM_MOVGEM_SURFACE_MAX;
			s->pitch = pitch = DRM_MOVGEM_SURFACE_MAX * bytes;
			s->w = 1 + blit_rnd(0, 60);
			s->h = lines;
			s->x = blit_rnd(0, s->width - s->w);
			s->y = blit_rnd(1, 100);
			/* the rectangle's first line is the arena's start */
			s->addr = va - (uint64_t)s->y * pitch;
		}
		blit_check_random(&cmd);
	}
}

/*
 * Surfaces that begin with the first and end with the last byte of what is
 * mapped: one byte too much in any direction is a fault.
 */
static void test_edges(void)
{
	struct drm_movgem_cmd_blit cmd;
	struct drm_movgem_surface *s;
	uint32_t flags, i, bytes, gap;
	uint64_t end;
	int side;

	for (flags = 0; flags < 4; flags++) {
		cmd = blit_cmd(flags);
		for (i = 0; i < 12; i++) {
			for (side = 0; side < 2; side++) {
				s = side ? &cmd.dst : &cmd.src;
				blit_place(s, side ? DST_VA : SRC_VA, blit_rnd_format(),
					   blit_rnd(1, 40), blit_rnd(1, 40));
				bytes = ref_format_bytes(s->format);
				/* rectangle in the lower right corner */
				s->width = s->x + s->w;
				s->height = s->y + s->h;
				gap = blit_rnd(0, 9) * bytes;
				s->pitch = s->width * bytes + gap;
				/* the last line has no gap behind it */
				end = (side ? DST_VA : SRC_VA) + ARENA_SIZE;
				s->addr = end + gap -
					  (uint64_t)s->height * s->pitch;
			}
			blit_check_random(&cmd);

			/* and at the front */
			cmd.src.addr = SRC_VA;
			cmd.dst.addr = DST_VA;
			cmd.src.x = cmd.src.y = cmd.dst.x = cmd.dst.y = 0;
			blit_check_random(&cmd);
		}
	}
}

/* The lines cross a page boundary at each pixel in turn. */
static void test_page_crossing(void)
{
	struct drm_movgem_cmd_blit cmd;
	uint32_t s, d, k, bytes;

	for (k = 0; k <= 24; k++) {
		for (s = 0; s < ARRAY_SIZE(blit_formats); s++) {
			d = (s + k) % ARRAY_SIZE(blit_formats);
			cmd = blit_cmd(k & 3);

			cmd.src = blit_surface(SRC_VA, blit_formats[s], 24, 5);
			bytes = ref_format_bytes(blit_formats[s]);
			cmd.src.addr += PAGE - k * bytes;
			cmd.src.pitch = PAGE;

			cmd.dst = blit_surface(DST_VA, blit_formats[d], 24, 5);
			bytes = ref_format_bytes(blit_formats[d]);
			cmd.dst.addr += PAGE - (24 - k) * bytes;
			cmd.dst.pitch = PAGE + bytes;
			blit_check_random(&cmd);
		}
	}
}

/* A surface that is anywhere in the arena, with a rectangle anywhere in it. */
static void random_surface(struct drm_movgem_surface *s, uint64_t va)
{
	uint32_t bytes, budget, lines;
	uint64_t size;

	s->format = blit_rnd_format();
	bytes = ref_format_bytes(s->format);

	budget = 1u << blit_rnd(0, 14);
	s->width = blit_rnd(1, budget);
	s->pitch = (s->width + (blit_rnd(0, 2) ? blit_rnd(0, 64) : 0)) * bytes;
	lines = ARENA_SIZE / s->pitch;
	s->height = blit_rnd(1, lines < 300 ? lines : 300);
	s->w = blit_rnd(1, s->width);
	s->h = blit_rnd(1, s->height);
	s->x = blit_rnd(0, s->width - s->w);
	s->y = blit_rnd(0, s->height - s->h);
	size = (uint64_t)s->pitch * s->height;
	s->addr = va + (uint64_t)blit_rnd(0, (ARENA_SIZE - size) / bytes) * bytes;
}

static void random_case(void)
{
	struct drm_movgem_cmd_blit cmd = blit_cmd(blit_rnd(0, 3));

	random_surface(&cmd.src, SRC_VA);
	random_surface(&cmd.dst, DST_VA);
	/* the reference is slow: not more than 20,000 pixels */
	while ((uint64_t)cmd.dst.w * cmd.dst.h > 20000)
		cmd.dst.h /= 2;
	blit_check_random(&cmd);
}

static void test_random(unsigned int cases)
{
	while (cases--)
		random_case();
}

/* The same while every page is moved all the time. */
static void test_random_moving(unsigned int cases)
{
	static struct igt_helper_process mover;
	uint64_t before;

	igt_require_f(movgem_page_store(blit_rig.fd) != DRM_MOVGEM_PAGE_STORE_PINNED,
		      "page_store=pinned: nothing moves\n");
	movgem_require_debugfs(blit_rig.fd);

	before = movgem_bo_moved(blit_rig.fd, blit_rig.dst.handle);
	igt_fork_helper(&mover) {
		for (;;)
			__movgem_migrate(blit_rig.fd, "all");
	}

	do {
		random_case();
		if (cases)
			cases--;
	} while (cases || movgem_bo_moved(blit_rig.fd, blit_rig.dst.handle) - before <
			  20 * ARENA_PAGES);

	igt_stop_helper(&mover);
}

/* Undefined, but inside the destination rectangle. */
static void test_overlap(void)
{
	struct drm_movgem_cmd_blit cmd;
	const struct drm_movgem_surface *d;
	uint32_t flags, i, n, bytes;
	int64_t at, x, y;

	for (n = 0; n < 16; n++) {
		flags = n & 3;
		cmd = blit_cmd(flags);
		blit_place(&cmd.src, DST_VA, blit_rnd_format(), blit_rnd(1, 60), blit_rnd(1, 40));
		blit_place(&cmd.dst, DST_VA, blit_rnd_format(), blit_rnd(1, 60), blit_rnd(1, 40));
		d = &cmd.dst;
		bytes = ref_format_bytes(d->format);

		blit_arena_randomize(&blit_rig.dst);
		blit_arena_write(&blit_rig.dst);
		memcpy(blit_rig.cmd, &cmd, sizeof(cmd));
		igt_assert_eq(blit_run(sizeof(cmd)), 0);
		blit_arena_read(&blit_rig.dst);

		for (i = 0; i < ARENA_SIZE; i++) {
			if (blit_rig.dst.model[i] == blit_rig.dst.readback[i])
				continue;
			at = (int64_t)(DST_VA + i) - (int64_t)d->addr;
			y = at / d->pitch;
			x = at % d->pitch / bytes;
			igt_assert_f(at >= 0 && y >= d->y && y < d->y + d->h &&
				     x >= d->x && x < d->x + d->w,
				     "byte 0x%x changed\n", i);
		}
	}
}

/* Several blits in one stream, each reading what the one before wrote. */
static void test_chain(void)
{
	struct drm_movgem_cmd_blit cmd[12];
	uint8_t *src, *dst;
	uint32_t i;

	blit_arena_randomize(&blit_rig.src);
	blit_arena_randomize(&blit_rig.dst);
	blit_arena_write(&blit_rig.src);
	blit_arena_write(&blit_rig.dst);

	for (i = 0; i < ARRAY_SIZE(cmd); i++) {
		cmd[i] = blit_cmd(blit_rnd(0, 3));
		blit_place(&cmd[i].src, i & 1 ? DST_VA : SRC_VA, blit_rnd_format(),
			   blit_rnd(20, 60), blit_rnd(20, 40));
		blit_place(&cmd[i].dst, i & 1 ? SRC_VA : DST_VA, blit_rnd_format(),
			   blit_rnd(20, 60), blit_rnd(20, 40));

		src = i & 1 ? blit_rig.dst.model : blit_rig.src.model;
		dst = i & 1 ? blit_rig.src.model : blit_rig.dst.model;
		ref_blit(&cmd[i], src + (cmd[i].src.addr & 0xfffffff),
			 dst + (cmd[i].dst.addr & 0xfffffff));
	}
	memcpy(blit_rig.cmd, cmd, sizeof(cmd));
	igt_assert_eq(blit_run(sizeof(cmd)), 0);

	blit_compare(&cmd[ARRAY_SIZE(cmd) - 2], &blit_rig.dst);
	blit_compare(&cmd[ARRAY_SIZE(cmd) - 1], &blit_rig.src);
}

int igt_main()
{
	static const char * const flag_names[] = {
		"nearest-copy", "bilinear-copy", "nearest-over", "bilinear-over",
	};
	volatile uint32_t flags, scale;

	igt_fixture()
		blit_rig_init();

	for (flags = 0; flags < 4; flags++) {
		for (scale = 0; scale < ARRAY_SIZE(scale_names); scale++) {
			igt_describe("All 25 pairs of formats, odd rectangles at unaligned places, compared with the reference to the last bit, and nothing else written");
			igt_subtest_f("%s-%s", flag_names[flags],
				      scale_names[scale])
				test_pairs(flags, scale);
		}
	}

	igt_describe("Single pixels, to and from larger rectangles");
	igt_subtest("one-pixel")
		test_one_pixel();

	igt_describe("All 65536 values of RGB565 to every format");
	igt_subtest("widen")
		test_widen();

	igt_describe("Every value of every 8 bit channel to every format");
	igt_subtest("narrow")
		test_narrow();

	igt_describe("Src-over of every alpha on every destination value, with sums above 255");
	igt_subtest("over-values")
		test_over_values();

	igt_describe("Lines and columns of the largest allowed size, scaled by up to 16384");
	igt_subtest("wide")
		test_wide();

	igt_describe("Of an image of a gigabyte only the rectangle is mapped");
	igt_subtest("mostly-unmapped")
		test_mostly_unmapped();

	igt_describe("Surfaces that end with the last and begin with the first mapped byte");
	igt_subtest("edges")
		test_edges();

	igt_describe("Lines that cross a page boundary at every pixel, where the next page is elsewhere");
	igt_subtest("page-crossing")
		test_page_crossing();

	igt_describe("A stream of blits that read what the ones before wrote");
	igt_subtest("chain")
		test_chain();

	igt_describe("Overlapping rectangles: no byte outside the destination rectangle changes");
	igt_subtest("overlap")
		test_overlap();

	igt_describe("Random surfaces, rectangles, formats and flags");
	igt_subtest("random")
		test_random(150);

	igt_describe("The same while every page is moved again and again: at least 20 moves for each page of the destination");
	igt_subtest("random-moving")
		test_random_moving(30);

	igt_describe("Every wrong field of the source ends the job with a command fault, and nothing is written");
	igt_subtest("bad-source")
		blit_test_bad_surface(false);

	igt_describe("Every wrong field of the destination ends the job with a command fault, and nothing is written");
	igt_subtest("bad-destination")
		blit_test_bad_surface(true);

	igt_describe("Misaligned addresses and addresses outside the VM");
	igt_subtest("bad-address")
		blit_test_bad_address();

	igt_describe("Unknown flags and wrong sizes of the command");
	igt_subtest("bad-command")
		blit_test_bad_command();

	igt_describe("A source that runs into a hole: a fault there, nothing written outside the destination");
	igt_subtest("hole-in-source")
		blit_test_hole(false);

	igt_describe("A destination that runs into a hole: a fault there, nothing written outside the destination");
	igt_subtest("hole-in-destination")
		blit_test_hole(true);

	igt_describe("A destination that is mapped for reading only");
	igt_subtest("readonly-destination")
		blit_test_readonly();

	igt_fixture()
		blit_rig_fini();
}
