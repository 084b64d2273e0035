// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 */

/**
 * TEST: movgem_blit
 * Category: Core
 * Mega feature: General Core features
 * Functionality: blitter
 * Description:
 *   The 2D blit command against a reference that is computed in the test, to
 *   the last bit, for every pair of formats.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <drm_fourcc.h>

#include "igt.h"
#include "igt_syncobj.h"
#include "movgem_blit_ref.h"
#include "movgem_drm.h"
#include "movgem_lib.h"

#define PAGE		4096u
#define ARENA_PAGES	72u
#define ARENA_SIZE	(ARENA_PAGES * PAGE)

/* Nothing is ever bound in the gaps between these. */
#define SRC_VA		0x10000000ull
#define DST_VA		0x20000000ull
#define CMD_VA		0x30000000ull

static const uint32_t formats[] = {
	DRM_FORMAT_XRGB8888,
	DRM_FORMAT_ARGB8888,
	DRM_FORMAT_XBGR8888,
	DRM_FORMAT_ABGR8888,
	DRM_FORMAT_RGB565,
};

/*
 * Memory that the blitter sees as one range and that is made of pages of a BO
 * in a shuffled order: what runs over the end of a page by a linear access
 * lands in the wrong place.
 */
struct arena {
	uint32_t handle;
	uint64_t va;
	uint8_t *map;
	uint32_t order[ARENA_PAGES];

	/* in the order of the GPU's addresses */
	uint8_t *model, *readback;
};

static struct {
	int fd;
	uint32_t vm, queue, cmd_handle;
	uint8_t *cmd;
	struct arena src, dst;
	uint64_t seed;
} rig;

/* xorshift64*: the same numbers everywhere for the same seed */
static uint64_t rnd_state = 88172645463325252ull;

static uint64_t rnd64(void)
{
	rnd_state ^= rnd_state >> 12;
	rnd_state ^= rnd_state << 25;
	rnd_state ^= rnd_state >> 27;
	return rnd_state * 2685821657736338717ull;
}

static void rnd_seed(uint64_t seed)
{
	rnd_state = (seed + 1) * 0x9e3779b97f4a7c15ull;
	if (!rnd_state)
		rnd_state = 1;
}

/* From @low to @high, both included. */
static uint32_t rnd(uint32_t low, uint32_t high)
{
	return low + (uint32_t)((rnd64() >> 16) % ((uint64_t)high - low + 1));
}

static uint32_t rnd_format(void)
{
	return formats[rnd(0, ARRAY_SIZE(formats) - 1)];
}

static void arena_init(struct arena *a, uint64_t va)
{
	struct drm_movgem_bind_op ops[ARENA_PAGES] = { };
	uint32_t i, j, swap;

	a->va = va;
	a->handle = movgem_bo_create(rig.fd, ARENA_SIZE, 0);
	a->map = movgem_bo_mmap(rig.fd, a->handle, ARENA_SIZE);
	a->model = malloc(ARENA_SIZE);
	a->readback = malloc(ARENA_SIZE);
	igt_assert(a->model && a->readback);

	for (i = 0; i < ARENA_PAGES; i++)
		a->order[i] = i;
	for (i = ARENA_PAGES - 1; i; i--) {
		j = rnd(0, i);
		swap = a->order[i];
		a->order[i] = a->order[j];
		a->order[j] = swap;
	}

	for (i = 0; i < ARENA_PAGES; i++) {
		ops[i].op = DRM_MOVGEM_BIND_OP_MAP;
		ops[i].handle = a->handle;
		ops[i].bo_offset = (uint64_t)a->order[i] * PAGE;
		ops[i].va = va + (uint64_t)i * PAGE;
		ops[i].size = PAGE;
	}
	movgem_vm_bind(rig.fd, rig.vm, ops, ARENA_PAGES);
}

static void arena_fini(struct arena *a)
{
	munmap(a->map, ARENA_SIZE);
	gem_close(rig.fd, a->handle);
	free(a->model);
	free(a->readback);
}

/* model -> buffer */
static void arena_write(struct arena *a)
{
	uint32_t i;

	for (i = 0; i < ARENA_PAGES; i++)
		memcpy(a->map + a->order[i] * PAGE, a->model + i * PAGE, PAGE);
}

/* buffer -> readback */
static void arena_read(struct arena *a)
{
	uint32_t i;

	for (i = 0; i < ARENA_PAGES; i++)
		memcpy(a->readback + i * PAGE, a->map + a->order[i] * PAGE,
		       PAGE);
}

static void arena_randomize(struct arena *a)
{
	uint64_t value;
	uint32_t i;

	for (i = 0; i < ARENA_SIZE; i += sizeof(value)) {
		value = rnd64();
		memcpy(a->model + i, &value, sizeof(value));
	}
}

static void rig_init(void)
{
	const char *seed = getenv("MOVGEM_SEED");

	rig.fd = movgem_open();
	rig.seed = seed ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL);
	igt_info("seed %llu, set MOVGEM_SEED to repeat\n",
		 (unsigned long long)rig.seed);
	rnd_seed(rig.seed);

	rig.vm = movgem_vm_create(rig.fd);
	rig.queue = movgem_queue_create(rig.fd, rig.vm);
	arena_init(&rig.src, SRC_VA);
	arena_init(&rig.dst, DST_VA);
	rig.cmd_handle = movgem_bo_create(rig.fd, PAGE, 0);
	rig.cmd = movgem_bo_mmap(rig.fd, rig.cmd_handle, PAGE);
	movgem_vm_map(rig.fd, rig.vm, rig.cmd_handle, 0, CMD_VA, PAGE, 0);
}

static void rig_fini(void)
{
	movgem_queue_destroy(rig.fd, rig.queue);
	movgem_vm_destroy(rig.fd, rig.vm);
	arena_fini(&rig.src);
	arena_fini(&rig.dst);
	munmap(rig.cmd, PAGE);
	gem_close(rig.fd, rig.cmd_handle);
	movgem_close(rig.fd);
}

/* Runs @size bytes at CMD_VA and returns how the job ended: 0 or -errno. */
static int rig_run(uint32_t size)
{
	uint32_t syncobj = syncobj_create(rig.fd, 0);
	struct drm_movgem_sync sync = movgem_sync_signal(syncobj, 0);
	int ret;

	igt_assert_eq(__movgem_submit(rig.fd, rig.queue, CMD_VA, size, &sync,
				      1), 0);
	ret = movgem_syncobj_result(rig.fd, syncobj);
	syncobj_destroy(rig.fd, syncobj);
	return ret;
}

static struct drm_movgem_cmd_blit blit_cmd(uint32_t flags)
{
	struct drm_movgem_cmd_blit cmd = {
		.hdr.opcode = DRM_MOVGEM_CMD_BLIT,
		.hdr.size = sizeof(cmd),
		.hdr.flags = flags,
	};

	return cmd;
}

/* A w * h surface of @format at @va that is all rectangle. */
static struct drm_movgem_surface surface(uint64_t va, uint32_t format,
					 uint32_t w, uint32_t h)
{
	return (struct drm_movgem_surface) {
		.addr = va,
		.pitch = w * ref_format_bytes(format),
		.format = format,
		.width = w,
		.height = h,
		.w = w,
		.h = h,
	};
}

static void print_surface(const char *name, const struct drm_movgem_surface *s)
{
	igt_warn("%s: %s at 0x%llx pitch %u, %ux%u, rectangle %ux%u+%u+%u\n",
		 name, ref_format_name(s->format), (unsigned long long)s->addr,
		 s->pitch, s->width, s->height, s->w, s->h, s->x, s->y);
}

static void print_difference(const struct drm_movgem_cmd_blit *cmd,
			     const struct arena *a)
{
	const struct drm_movgem_surface *d = &cmd->dst;
	unsigned int bytes = ref_format_bytes(d->format);
	uint32_t first, wrong = 0, i;
	int64_t at, line, x;

	for (first = 0; a->model[first] == a->readback[first]; first++)
		;
	for (i = first; i < ARENA_SIZE; i++)
		wrong += a->model[i] != a->readback[i];

	igt_warn("flags:%s%s\n",
		 cmd->hdr.flags & DRM_MOVGEM_BLIT_BILINEAR ? " bilinear" : "",
		 cmd->hdr.flags & DRM_MOVGEM_BLIT_SRC_OVER ? " src-over" : "");
	print_surface("source", &cmd->src);
	print_surface("destination", d);
	igt_warn("%s: %u bytes differ, the first at 0x%llx: want %02x, have %02x\n",
		 a == &rig.src ? "source" : "destination", wrong,
		 (unsigned long long)a->va + first, a->model[first],
		 a->readback[first]);

	if (a == &rig.src)
		return;

	at = (int64_t)(a->va + first) - (int64_t)d->addr;
	line = at >= 0 && d->pitch ? at / d->pitch : -1;
	x = line >= 0 ? (at - line * d->pitch) / bytes : -1;
	if (line >= d->y && line < (int64_t)d->y + d->h &&
	    x >= d->x && x < (int64_t)d->x + d->w)
		igt_warn("that is pixel (%lld, %lld) of the rectangle\n",
			 (long long)x - d->x, (long long)line - d->y);
	else
		igt_warn("that is outside the rectangle\n");
}

static void compare(const struct drm_movgem_cmd_blit *cmd, struct arena *a)
{
	arena_read(a);
	if (!memcmp(a->model, a->readback, ARENA_SIZE))
		return;

	print_difference(cmd, a);
	igt_assert_f(false, "the blit differs from the reference (seed %llu)\n",
		     (unsigned long long)rig.seed);
}

/*
 * Executes @cmd with what the models hold, and compares every byte of both
 * arenas: the rectangle with the reference, all else with what was there.
 */
static void check_blit(const struct drm_movgem_cmd_blit *cmd)
{
	int ret;

	arena_write(&rig.src);
	arena_write(&rig.dst);
	memcpy(rig.cmd, cmd, sizeof(*cmd));

	ret = rig_run(sizeof(*cmd));
	if (ret) {
		print_surface("source", &cmd->src);
		print_surface("destination", &cmd->dst);
	}
	igt_assert_eq(ret, 0);

	ref_blit(cmd, rig.src.model + (cmd->src.addr - rig.src.va),
		 rig.dst.model + (cmd->dst.addr - rig.dst.va));
	compare(cmd, &rig.dst);
	compare(cmd, &rig.src);
}

static void check_random(const struct drm_movgem_cmd_blit *cmd)
{
	arena_randomize(&rig.src);
	arena_randomize(&rig.dst);
	check_blit(cmd);
}

/* How a rectangle of the source becomes one of the destination. */
enum scale { SCALE_NONE, SCALE_UP, SCALE_DOWN, SCALE_MIXED };

static const char * const scale_names[] = {
	[SCALE_NONE] = "1to1",
	[SCALE_UP] = "up",
	[SCALE_DOWN] = "down",
	[SCALE_MIXED] = "mixed",
};

/*
 * Odd rectangles at odd places of surfaces with a gap between the lines, at
 * addresses that are aligned to a pixel and no more.
 */
static void place(struct drm_movgem_surface *s, uint64_t va, uint32_t format,
		  uint32_t w, uint32_t h)
{
	unsigned int bytes = ref_format_bytes(format);

	s->format = format;
	s->w = w;
	s->h = h;
	s->x = rnd(0, 9);
	s->y = rnd(0, 5);
	s->width = s->x + w + rnd(0, 7);
	s->height = s->y + h + rnd(0, 4);
	s->pitch = (s->width + rnd(0, 13)) * bytes;
	s->addr = va + rnd(0, PAGE / bytes - 1) * bytes;
}

static void test_pairs(uint32_t flags, enum scale scale)
{
	struct drm_movgem_cmd_blit cmd = blit_cmd(flags);
	uint32_t s, d, sw, sh, dw, dh;

	for (s = 0; s < ARRAY_SIZE(formats); s++) {
		for (d = 0; d < ARRAY_SIZE(formats); d++) {
			sw = dw = rnd(17, 61);
			sh = dh = rnd(17, 47);
			if (scale == SCALE_UP || scale == SCALE_MIXED)
				dw = sw + rnd(1, 90);
			if (scale == SCALE_UP)
				dh = sh + rnd(1, 40);
			if (scale == SCALE_DOWN)
				dw = rnd(1, sw - 1);
			if (scale == SCALE_DOWN || scale == SCALE_MIXED)
				dh = rnd(1, sh - 1);

			place(&cmd.src, SRC_VA, formats[s], sw, sh);
			place(&cmd.dst, DST_VA, formats[d], dw, dh);
			check_random(&cmd);
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
			for (d = 0; d < ARRAY_SIZE(formats); d++) {
				place(&cmd.src, SRC_VA, formats[s],
				      sizes[i].sw, sizes[i].sh);
				place(&cmd.dst, DST_VA, formats[d],
				      sizes[i].dw, sizes[i].dh);
				check_random(&cmd);
			}
		}
	}
}

/* All 65536 values of RGB565 to every format. */
static void test_widen(void)
{
	struct drm_movgem_cmd_blit cmd = blit_cmd(0);
	uint32_t d, i;

	for (d = 0; d < ARRAY_SIZE(formats); d++) {
		arena_randomize(&rig.dst);
		for (i = 0; i < 65536; i++) {
			rig.src.model[2 * i] = i;
			rig.src.model[2 * i + 1] = i >> 8;
		}
		cmd.src = surface(SRC_VA, DRM_FORMAT_RGB565, 256, 256);
		cmd.dst = surface(DST_VA, formats[d], 256, 256);
		check_blit(&cmd);
	}
}

/* Every value of every channel, to every format. */
static void test_narrow(void)
{
	struct drm_movgem_cmd_blit cmd = blit_cmd(0);
	uint32_t s, d, i;

	for (s = 0; s < 4; s++) {
		for (d = 0; d < ARRAY_SIZE(formats); d++) {
			arena_randomize(&rig.dst);
			for (i = 0; i < 256; i++) {
				rig.src.model[4 * i] = i;
				rig.src.model[4 * i + 1] = 255 - i;
				rig.src.model[4 * i + 2] = i ^ 0x5a;
				rig.src.model[4 * i + 3] = i * 5;
			}
			cmd.src = surface(SRC_VA, formats[s], 16, 16);
			cmd.dst = surface(DST_VA, formats[d], 16, 16);
			check_blit(&cmd);
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

	cmd.src = surface(SRC_VA, DRM_FORMAT_ARGB8888, 256, 256);
	cmd.dst = surface(DST_VA, DRM_FORMAT_ABGR8888, 256, 256);

	for (v = 0; v < ARRAY_SIZE(values); v++) {
		for (a = 0; a < 256; a++) {
			for (i = 0; i < 256; i++) {
				p = rig.src.model + (a * 256 + i) * 4;
				p[0] = values[v];
				p[1] = a; /* as large as it may be */
				p[2] = 255 - a;
				p[3] = a;
				p = rig.dst.model + (a * 256 + i) * 4;
				p[0] = p[1] = p[2] = p[3] = i;
			}
		}
		check_blit(&cmd);
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
			cmd.src = surface(SRC_VA, rnd_format(), sizes[i][0], 1);
			cmd.dst = surface(DST_VA, rnd_format(), sizes[i][1], 1);
			check_random(&cmd);

			cmd.src = surface(SRC_VA, rnd_format(), 1, sizes[i][0]);
			cmd.dst = surface(DST_VA, rnd_format(), 1, sizes[i][1]);
			check_random(&cmd);
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
			s->format = rnd_format();
			bytes = ref_format_bytes(s->format);
			s->width = s->height = DRM_MOVGEM_SURFACE_MAX;
			s->pitch = pitch = DRM_MOVGEM_SURFACE_MAX * bytes;
			s->w = 1 + rnd(0, 60);
			s->h = lines;
			s->x = rnd(0, s->width - s->w);
			s->y = rnd(1, 100);
			/* the rectangle's first line is the arena's start */
			s->addr = va - (uint64_t)s->y * pitch;
		}
		check_random(&cmd);
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
				place(s, side ? DST_VA : SRC_VA, rnd_format(),
				      rnd(1, 40), rnd(1, 40));
				bytes = ref_format_bytes(s->format);
				/* rectangle in the lower right corner */
				s->width = s->x + s->w;
				s->height = s->y + s->h;
				gap = rnd(0, 9) * bytes;
				s->pitch = s->width * bytes + gap;
				/* the last line has no gap behind it */
				end = (side ? DST_VA : SRC_VA) + ARENA_SIZE;
				s->addr = end + gap -
					  (uint64_t)s->height * s->pitch;
			}
			check_random(&cmd);

			/* and at the front */
			cmd.src.addr = SRC_VA;
			cmd.dst.addr = DST_VA;
			cmd.src.x = cmd.src.y = cmd.dst.x = cmd.dst.y = 0;
			check_random(&cmd);
		}
	}
}

/* The lines cross a page boundary at each pixel in turn. */
static void test_page_crossing(void)
{
	struct drm_movgem_cmd_blit cmd;
	uint32_t s, d, k, bytes;

	for (k = 0; k <= 24; k++) {
		for (s = 0; s < ARRAY_SIZE(formats); s++) {
			d = (s + k) % ARRAY_SIZE(formats);
			cmd = blit_cmd(k & 3);

			cmd.src = surface(SRC_VA, formats[s], 24, 5);
			bytes = ref_format_bytes(formats[s]);
			cmd.src.addr += PAGE - k * bytes;
			cmd.src.pitch = PAGE;

			cmd.dst = surface(DST_VA, formats[d], 24, 5);
			bytes = ref_format_bytes(formats[d]);
			cmd.dst.addr += PAGE - (24 - k) * bytes;
			cmd.dst.pitch = PAGE + bytes;
			check_random(&cmd);
		}
	}
}

/* A surface that is anywhere in the arena, with a rectangle anywhere in it. */
static void random_surface(struct drm_movgem_surface *s, uint64_t va)
{
	uint32_t bytes, budget, lines;
	uint64_t size;

	s->format = rnd_format();
	bytes = ref_format_bytes(s->format);

	budget = 1u << rnd(0, 14);
	s->width = rnd(1, budget);
	s->pitch = (s->width + (rnd(0, 2) ? rnd(0, 64) : 0)) * bytes;
	lines = ARENA_SIZE / s->pitch;
	s->height = rnd(1, lines < 300 ? lines : 300);
	s->w = rnd(1, s->width);
	s->h = rnd(1, s->height);
	s->x = rnd(0, s->width - s->w);
	s->y = rnd(0, s->height - s->h);
	size = (uint64_t)s->pitch * s->height;
	s->addr = va + (uint64_t)rnd(0, (ARENA_SIZE - size) / bytes) * bytes;
}

static void random_case(void)
{
	struct drm_movgem_cmd_blit cmd = blit_cmd(rnd(0, 3));

	random_surface(&cmd.src, SRC_VA);
	random_surface(&cmd.dst, DST_VA);
	/* the reference is slow: not more than 20,000 pixels */
	while ((uint64_t)cmd.dst.w * cmd.dst.h > 20000)
		cmd.dst.h = 1 + cmd.dst.h / 2;
	check_random(&cmd);
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
	struct drm_movgem_mem_info mem;
	struct drm_movgem_bo_info info;
	uint64_t before;

	movgem_mem_info(rig.fd, &mem);
	igt_require_f(mem.page_store != DRM_MOVGEM_PAGE_STORE_PINNED,
		      "page_store=pinned: nothing moves\n");
	movgem_require_debugfs(rig.fd);

	movgem_bo_info(rig.fd, rig.dst.handle, &info);
	before = info.moved;
	igt_fork_helper(&mover) {
		for (;;)
			__movgem_migrate(rig.fd, "all");
	}

	do {
		random_case();
		if (cases)
			cases--;
		movgem_bo_info(rig.fd, rig.dst.handle, &info);
	} while (cases || info.moved - before < 20 * ARENA_PAGES);

	igt_stop_helper(&mover);
}

/* What the GPU has to say about the newest job. */
static struct drm_movgem_fault newest_fault(void)
{
	struct drm_movgem_queue_state state = { .queue_id = rig.queue };

	do_ioctl(rig.fd, DRM_IOCTL_MOVGEM_QUEUE_STATE, &state);
	igt_assert_eq_u64(state.fault.seqno, state.submitted);
	return state.fault;
}

struct bad_surface {
	const char *name;
	size_t field; /* of struct drm_movgem_surface */
	uint64_t value;
};

#define BAD(name_, field_, value_) \
	{ name_, offsetof(struct drm_movgem_surface, field_), value_ }

/* One wrong field each in a 32x24 surface whose rectangle is 16x12+8+6. */
static const struct bad_surface bad_surfaces[] = {
	BAD("w 0", w, 0),
	BAD("h 0", h, 0),
	BAD("width 0", width, 0),
	BAD("height 0", height, 0),
	BAD("width beyond the limit", width, DRM_MOVGEM_SURFACE_MAX + 1),
	BAD("height beyond the limit", height, DRM_MOVGEM_SURFACE_MAX + 1),
	BAD("width all ones", width, 0xffffffff),
	BAD("height all ones", height, 0xffffffff),
	BAD("w one too large", w, 25),
	BAD("h one too large", h, 19),
	BAD("w all ones", w, 0xffffffff),
	BAD("h all ones", h, 0xffffffff),
	BAD("w wraps", w, 0xffffffff - 7),
	BAD("h wraps", h, 0xffffffff - 5),
	BAD("x one too large", x, 17),
	BAD("y one too large", y, 13),
	BAD("x wraps", x, 0xffffffff - 15),
	BAD("y wraps", y, 0xffffffff - 11),
	BAD("width smaller than the rectangle", width, 23),
	BAD("height smaller than the rectangle", height, 17),
	BAD("no format", format, 0),
	BAD("unknown format", format, DRM_FORMAT_NV12),
	BAD("32 bit format that is not supported", format, DRM_FORMAT_RGBA8888),
	BAD("16 bit format that is not supported", format, DRM_FORMAT_BGR565),
	BAD("big endian", format, DRM_FORMAT_XRGB8888 | DRM_FORMAT_BIG_ENDIAN),
	BAD("pitch off by one", pitch, 129),
	BAD("pitch off by two", pitch, 130),
	BAD("pitch off by three", pitch, 131),
};

static void set_field(struct drm_movgem_surface *s, const struct bad_surface *b)
{
	uint32_t value = b->value;

	memcpy((uint8_t *)s + b->field, &value, sizeof(value));
}

/*
 * Runs fill, @cmd, fill: the first fill must have been done, the second not,
 * and the destination must be as it was.
 */
static struct drm_movgem_fault run_bad(const struct drm_movgem_cmd_blit *cmd,
				       uint32_t cmd_size, int expect,
				       const char *what)
{
	struct drm_movgem_cmd_fill fill = {
		.hdr.opcode = DRM_MOVGEM_CMD_FILL,
		.hdr.size = sizeof(fill),
		.dst = DST_VA + ARENA_SIZE - 8,
		.size = 4,
		.value = 0x11111111,
	};
	uint32_t at = 0;
	int ret;

	memset(rig.dst.model, 0xcc, ARENA_SIZE);
	arena_write(&rig.dst);

	memcpy(rig.cmd + at, &fill, sizeof(fill));
	at += sizeof(fill);
	memcpy(rig.cmd + at, cmd, sizeof(*cmd));
	at += cmd_size;
	fill.dst += 4;
	memcpy(rig.cmd + at, &fill, sizeof(fill));
	at += sizeof(fill);

	ret = rig_run(at);
	igt_assert_f(ret == expect, "%s: the job ended with %d, not %d\n",
		     what, ret, expect);

	memset(rig.dst.model + ARENA_SIZE - 8, 0x11, 4);
	return newest_fault();
}

static void expect_command_fault(const struct drm_movgem_cmd_blit *cmd,
				 const char *what)
{
	struct drm_movgem_fault fault;

	fault = run_bad(cmd, sizeof(*cmd), -EINVAL, what);
	igt_assert_f(fault.type == DRM_MOVGEM_FAULT_COMMAND,
		     "%s: fault type %u\n", what, fault.type);
	igt_assert_eq_u64(fault.address, 0);
	igt_assert_eq_u64(fault.stream_offset,
			  sizeof(struct drm_movgem_cmd_fill));
	arena_read(&rig.dst);
	igt_assert_f(!memcmp(rig.dst.model, rig.dst.readback, ARENA_SIZE),
		     "%s: the destination was written\n", what);
}

static struct drm_movgem_cmd_blit good_cmd(void)
{
	struct drm_movgem_cmd_blit cmd = blit_cmd(0);

	cmd.src = surface(SRC_VA, DRM_FORMAT_XRGB8888, 32, 24);
	cmd.src.x = 8;
	cmd.src.y = 6;
	cmd.src.w = 16;
	cmd.src.h = 12;
	cmd.dst = cmd.src;
	cmd.dst.addr = DST_VA;
	return cmd;
}

static void test_bad_surface(bool dst)
{
	struct drm_movgem_cmd_blit cmd;
	char what[80];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad_surfaces); i++) {
		cmd = good_cmd();
		set_field(dst ? &cmd.dst : &cmd.src, &bad_surfaces[i]);
		snprintf(what, sizeof(what), "%s: %s",
			 dst ? "destination" : "source", bad_surfaces[i].name);
		expect_command_fault(&cmd, what);
	}

	/* 16 bit pixels have their own alignment */
	cmd = good_cmd();
	if (dst) {
		cmd.dst.format = DRM_FORMAT_RGB565;
		cmd.dst.pitch = 65;
	} else {
		cmd.src.format = DRM_FORMAT_RGB565;
		cmd.src.pitch = 65;
	}
	expect_command_fault(&cmd, "odd pitch of 16 bit pixels");
}

static void expect_misaligned(uint32_t format, unsigned int off, bool dst)
{
	struct drm_movgem_cmd_blit cmd = good_cmd();
	struct drm_movgem_surface *s = dst ? &cmd.dst : &cmd.src;
	struct drm_movgem_fault fault;

	s->format = format;
	s->addr += off;
	fault = run_bad(&cmd, sizeof(cmd), -EFAULT, "misaligned address");
	igt_assert_eq(fault.type, DRM_MOVGEM_FAULT_RANGE);
	igt_assert_eq(fault.access, dst ? DRM_MOVGEM_ACCESS_WRITE :
					  DRM_MOVGEM_ACCESS_READ);
	igt_assert_eq_u64(fault.address, s->addr);
	arena_read(&rig.dst);
	igt_assert(!memcmp(rig.dst.model, rig.dst.readback, ARENA_SIZE));
}

static void test_bad_address(void)
{
	struct drm_movgem_fault fault;
	struct drm_movgem_cmd_blit cmd;
	unsigned int off, side;

	for (side = 0; side < 2; side++) {
		for (off = 1; off < 4; off++)
			expect_misaligned(DRM_FORMAT_XRGB8888, off, side);
		expect_misaligned(DRM_FORMAT_RGB565, 1, side);
	}

	/* far outside the VM: whichever name the fault has, nothing is written */
	for (side = 0; side < 2; side++) {
		cmd = good_cmd();
		if (side)
			cmd.dst.addr = 0xfffffffffffff000ull;
		else
			cmd.src.addr = 0xfffffffffffff000ull;
		fault = run_bad(&cmd, sizeof(cmd), -EFAULT, "address wraps");
		igt_assert(fault.type == DRM_MOVGEM_FAULT_RANGE ||
			   fault.type == DRM_MOVGEM_FAULT_UNMAPPED);
		arena_read(&rig.dst);
		igt_assert(!memcmp(rig.dst.model, rig.dst.readback,
				   ARENA_SIZE));
	}
}

static void test_bad_command(void)
{
	struct drm_movgem_cmd_blit cmd;
	unsigned int bit;

	for (bit = 2; bit < 32; bit++) {
		cmd = good_cmd();
		cmd.hdr.flags = 1u << bit;
		expect_command_fault(&cmd, "unknown flag");
	}

	cmd = good_cmd();
	cmd.hdr.size -= 8;
	expect_command_fault(&cmd, "too short");
	cmd.hdr.size += 16;
	expect_command_fault(&cmd, "too long");
	cmd.hdr.size = 0;
	expect_command_fault(&cmd, "size 0");
	cmd.hdr.size = 0xffff;
	expect_command_fault(&cmd, "size all ones");
}

/*
 * A blit that runs into a hole: what is outside the destination rectangle
 * must not change, and the record names an address in the hole.
 */
static void test_fault(bool dst)
{
	struct drm_movgem_cmd_blit cmd;
	struct drm_movgem_surface *s;
	struct drm_movgem_fault fault;
	uint64_t end, line;
	uint32_t flags, i;

	for (flags = 0; flags < 4; flags++) {
		cmd = good_cmd();
		cmd.hdr.flags = flags;
		s = dst ? &cmd.dst : &cmd.src;
		/* line 12 of the rectangle, and no earlier, is in the hole */
		end = (dst ? DST_VA : SRC_VA) + ARENA_SIZE;
		s->addr = end - 17ull * s->pitch - 2 * PAGE % s->pitch;
		fault = run_bad(&cmd, sizeof(cmd), -EFAULT, "hole");
		igt_assert_eq(fault.type, DRM_MOVGEM_FAULT_UNMAPPED);
		igt_assert_eq(fault.access, dst && !(flags & 2) ?
			      DRM_MOVGEM_ACCESS_WRITE : fault.access);
		igt_assert_f(fault.address >= end && fault.address < end + PAGE,
			     "0x%llx is not in the hole\n",
			     (unsigned long long)fault.address);

		arena_read(&rig.dst);
		for (i = 0; i < ARENA_SIZE - 8; i++) {
			line = (DST_VA + i - cmd.dst.addr) / cmd.dst.pitch;
			if (DST_VA + i >= cmd.dst.addr && line >= 6 &&
			    line < 18)
				continue;
			igt_assert_f(rig.dst.readback[i] == 0xcc,
				     "byte 0x%x changed\n", i);
		}
	}
}

static void test_readonly(void)
{
	struct drm_movgem_cmd_blit cmd = good_cmd();
	struct drm_movgem_fault fault;
	uint64_t va = DST_VA + 0x1000000;

	/* the destination once more, for reading */
	movgem_vm_map(rig.fd, rig.vm, rig.dst.handle, 0, va, ARENA_SIZE,
			   DRM_MOVGEM_BIND_READONLY);
	cmd.dst.addr = va;
	fault = run_bad(&cmd, sizeof(cmd), -EFAULT, "read-only");
	igt_assert_eq(fault.type, DRM_MOVGEM_FAULT_READONLY);
	igt_assert_eq(fault.access, DRM_MOVGEM_ACCESS_WRITE);
	igt_assert(fault.address >= va && fault.address < va + ARENA_SIZE);
	arena_read(&rig.dst);
	igt_assert(!memcmp(rig.dst.model, rig.dst.readback, ARENA_SIZE));

	/* reading through it is fine */
	cmd = good_cmd();
	arena_randomize(&rig.src);
	arena_randomize(&rig.dst);
	arena_write(&rig.src);
	arena_write(&rig.dst);
	cmd.src.addr = va;
	cmd.dst.addr = SRC_VA;
	memcpy(rig.cmd, &cmd, sizeof(cmd));
	igt_assert_eq(rig_run(sizeof(cmd)), 0);

	movgem_vm_unmap(rig.fd, rig.vm, va, ARENA_SIZE);
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
		place(&cmd.src, DST_VA, rnd_format(), rnd(1, 60), rnd(1, 40));
		place(&cmd.dst, DST_VA, rnd_format(), rnd(1, 60), rnd(1, 40));
		d = &cmd.dst;
		bytes = ref_format_bytes(d->format);

		arena_randomize(&rig.dst);
		arena_write(&rig.dst);
		memcpy(rig.cmd, &cmd, sizeof(cmd));
		igt_assert_eq(rig_run(sizeof(cmd)), 0);
		arena_read(&rig.dst);

		for (i = 0; i < ARENA_SIZE; i++) {
			if (rig.dst.model[i] == rig.dst.readback[i])
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

	arena_randomize(&rig.src);
	arena_randomize(&rig.dst);
	arena_write(&rig.src);
	arena_write(&rig.dst);

	for (i = 0; i < ARRAY_SIZE(cmd); i++) {
		cmd[i] = blit_cmd(rnd(0, 3));
		place(&cmd[i].src, i & 1 ? DST_VA : SRC_VA, rnd_format(),
		      rnd(20, 60), rnd(20, 40));
		place(&cmd[i].dst, i & 1 ? SRC_VA : DST_VA, rnd_format(),
		      rnd(20, 60), rnd(20, 40));

		src = i & 1 ? rig.dst.model : rig.src.model;
		dst = i & 1 ? rig.src.model : rig.dst.model;
		ref_blit(&cmd[i], src + (cmd[i].src.addr & 0xfffffff),
			 dst + (cmd[i].dst.addr & 0xfffffff));
	}
	memcpy(rig.cmd, cmd, sizeof(cmd));
	igt_assert_eq(rig_run(sizeof(cmd)), 0);

	compare(&cmd[ARRAY_SIZE(cmd) - 2], &rig.dst);
	compare(&cmd[ARRAY_SIZE(cmd) - 1], &rig.src);
}

int igt_main()
{
	static const char * const flag_names[] = {
		"nearest-copy", "bilinear-copy", "nearest-over", "bilinear-over",
	};
	volatile uint32_t flags, scale;

	igt_fixture()
		rig_init();

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
		test_bad_surface(false);

	igt_describe("Every wrong field of the destination ends the job with a command fault, and nothing is written");
	igt_subtest("bad-destination")
		test_bad_surface(true);

	igt_describe("Misaligned addresses and addresses outside the VM");
	igt_subtest("bad-address")
		test_bad_address();

	igt_describe("Unknown flags and wrong sizes of the command");
	igt_subtest("bad-command")
		test_bad_command();

	igt_describe("A source that runs into a hole: a fault there, nothing written outside the destination");
	igt_subtest("hole-in-source")
		test_fault(false);

	igt_describe("A destination that runs into a hole: a fault there, nothing written outside the destination");
	igt_subtest("hole-in-destination")
		test_fault(true);

	igt_describe("A destination that is mapped for reading only");
	igt_subtest("readonly-destination")
		test_readonly();

	igt_fixture()
		rig_fini();
}
