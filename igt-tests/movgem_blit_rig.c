// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <drm_fourcc.h>

#include "igt.h"
#include "igt_syncobj.h"
#include "movgem_blit_ref.h"
#include "movgem_blit_rig.h"
#include "movgem_lib.h"

const uint32_t blit_formats[BLIT_FORMATS] = {
	DRM_FORMAT_XRGB8888,
	DRM_FORMAT_ARGB8888,
	DRM_FORMAT_XBGR8888,
	DRM_FORMAT_ABGR8888,
	DRM_FORMAT_RGB565,
};

struct blit_rig blit_rig;

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

uint32_t blit_rnd(uint32_t low, uint32_t high)
{
	return low + (uint32_t)((rnd64() >> 16) % ((uint64_t)high - low + 1));
}

uint32_t blit_rnd_format(void)
{
	return blit_formats[blit_rnd(0, ARRAY_SIZE(blit_formats) - 1)];
}

static void arena_init(struct blit_arena *a, uint64_t va)
{
	struct drm_movgem_bind_op ops[ARENA_PAGES] = { };
	uint32_t i, j, swap;

	a->va = va;
	a->handle = movgem_bo_create(blit_rig.fd, ARENA_SIZE, 0);
	a->map = movgem_bo_mmap(blit_rig.fd, a->handle, ARENA_SIZE);
	a->model = malloc(ARENA_SIZE);
	a->readback = malloc(ARENA_SIZE);
	igt_assert(a->model && a->readback);

	for (i = 0; i < ARENA_PAGES; i++)
		a->order[i] = i;
	for (i = ARENA_PAGES - 1; i; i--) {
		j = blit_rnd(0, i);
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
	movgem_vm_bind(blit_rig.fd, blit_rig.vm, ops, ARENA_PAGES);
}

static void arena_fini(struct blit_arena *a)
{
	munmap(a->map, ARENA_SIZE);
	gem_close(blit_rig.fd, a->handle);
	free(a->model);
	free(a->readback);
}

void blit_arena_write(struct blit_arena *a)
{
	uint32_t i;

	for (i = 0; i < ARENA_PAGES; i++)
		memcpy(a->map + a->order[i] * PAGE, a->model + i * PAGE, PAGE);
}

void blit_arena_read(struct blit_arena *a)
{
	uint32_t i;

	for (i = 0; i < ARENA_PAGES; i++)
		memcpy(a->readback + i * PAGE, a->map + a->order[i] * PAGE,
		       PAGE);
}

void blit_arena_randomize(struct blit_arena *a)
{
	uint64_t value;
	uint32_t i;

	for (i = 0; i < ARENA_SIZE; i += sizeof(value)) {
		value = rnd64();
		memcpy(a->model + i, &value, sizeof(value));
	}
}

void blit_rig_init(void)
{
	const char *seed = getenv("MOVGEM_SEED");

	blit_rig.fd = movgem_open();
	blit_rig.seed = seed ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL);
	igt_info("seed %llu, set MOVGEM_SEED to repeat\n",
		 (unsigned long long)blit_rig.seed);
	rnd_seed(blit_rig.seed);

	blit_rig.vm = movgem_vm_create(blit_rig.fd);
	blit_rig.queue = movgem_queue_create(blit_rig.fd, blit_rig.vm);
	arena_init(&blit_rig.src, SRC_VA);
	arena_init(&blit_rig.dst, DST_VA);
	blit_rig.cmd_handle = movgem_bo_create(blit_rig.fd, PAGE, 0);
	blit_rig.cmd = movgem_bo_mmap(blit_rig.fd, blit_rig.cmd_handle, PAGE);
	movgem_vm_map(blit_rig.fd, blit_rig.vm, blit_rig.cmd_handle, 0, CMD_VA, PAGE, 0);
}

void blit_rig_fini(void)
{
	movgem_queue_destroy(blit_rig.fd, blit_rig.queue);
	movgem_vm_destroy(blit_rig.fd, blit_rig.vm);
	arena_fini(&blit_rig.src);
	arena_fini(&blit_rig.dst);
	munmap(blit_rig.cmd, PAGE);
	gem_close(blit_rig.fd, blit_rig.cmd_handle);
	movgem_close(blit_rig.fd);
}

int blit_run(uint32_t size)
{
	uint32_t syncobj = syncobj_create(blit_rig.fd, 0);
	struct drm_movgem_sync sync = movgem_sync_signal(syncobj, 0);
	int ret;

	igt_assert_eq(__movgem_submit(blit_rig.fd, blit_rig.queue, CMD_VA, size, &sync,
				      1), 0);
	ret = movgem_syncobj_result(blit_rig.fd, syncobj);
	syncobj_destroy(blit_rig.fd, syncobj);
	return ret;
}

struct drm_movgem_cmd_blit blit_cmd(uint32_t flags)
{
	struct drm_movgem_cmd_blit cmd = {
		.hdr.opcode = DRM_MOVGEM_CMD_BLIT,
		.hdr.size = sizeof(cmd),
		.hdr.flags = flags,
	};

	return cmd;
}

struct drm_movgem_surface blit_surface(uint64_t va, uint32_t format,
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
			     const struct blit_arena *a)
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
		 a == &blit_rig.src ? "source" : "destination", wrong,
		 (unsigned long long)a->va + first, a->model[first],
		 a->readback[first]);

	if (a == &blit_rig.src)
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

void blit_compare(const struct drm_movgem_cmd_blit *cmd, struct blit_arena *a)
{
	blit_arena_read(a);
	if (!memcmp(a->model, a->readback, ARENA_SIZE))
		return;

	print_difference(cmd, a);
	igt_assert_f(false, "the blit differs from the reference (seed %llu)\n",
		     (unsigned long long)blit_rig.seed);
}

void blit_check(const struct drm_movgem_cmd_blit *cmd)
{
	int ret;

	blit_arena_write(&blit_rig.src);
	blit_arena_write(&blit_rig.dst);
	memcpy(blit_rig.cmd, cmd, sizeof(*cmd));

	ret = blit_run(sizeof(*cmd));
	if (ret) {
		print_surface("source", &cmd->src);
		print_surface("destination", &cmd->dst);
	}
	igt_assert_eq(ret, 0);

	ref_blit(cmd, blit_rig.src.model + (cmd->src.addr - blit_rig.src.va),
		 blit_rig.dst.model + (cmd->dst.addr - blit_rig.dst.va));
	blit_compare(cmd, &blit_rig.dst);
	blit_compare(cmd, &blit_rig.src);
}

void blit_check_random(const struct drm_movgem_cmd_blit *cmd)
{
	blit_arena_randomize(&blit_rig.src);
	blit_arena_randomize(&blit_rig.dst);
	blit_check(cmd);
}

void blit_place(struct drm_movgem_surface *s, uint64_t va, uint32_t format,
		uint32_t w, uint32_t h)
{
	unsigned int bytes = ref_format_bytes(format);

	s->format = format;
	s->w = w;
	s->h = h;
	s->x = blit_rnd(0, 9);
	s->y = blit_rnd(0, 5);
	s->width = s->x + w + blit_rnd(0, 7);
	s->height = s->y + h + blit_rnd(0, 4);
	s->pitch = (s->width + blit_rnd(0, 13)) * bytes;
	s->addr = va + blit_rnd(0, PAGE / bytes - 1) * bytes;
}
