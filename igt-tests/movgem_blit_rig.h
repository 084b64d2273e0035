/* SPDX-License-Identifier: MIT */
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * What the subtests of movgem_blit work on: two arenas of memory, a queue, and
 * the comparison with the reference.
 */
#ifndef MOVGEM_BLIT_RIG_H
#define MOVGEM_BLIT_RIG_H

#include <stdbool.h>
#include <stdint.h>

#include "movgem_drm.h"

#define PAGE		4096u
#define ARENA_PAGES	72u
#define ARENA_SIZE	(ARENA_PAGES * PAGE)

/* Nothing is ever bound in the gaps between these. */
#define SRC_VA		0x10000000ull
#define DST_VA		0x20000000ull
#define CMD_VA		0x30000000ull

#define BLIT_FORMATS	5
extern const uint32_t blit_formats[BLIT_FORMATS];

/**
 * struct blit_arena - memory that the blitter sees as one range
 *
 * It is made of pages of a BO in a shuffled order: what runs over the end of a
 * page by a linear access lands in the wrong place.
 */
struct blit_arena {
	uint32_t handle;
	uint64_t va;
	uint8_t *map;
	uint32_t order[ARENA_PAGES];

	/* in the order of the GPU's addresses */
	uint8_t *model, *readback;
};

struct blit_rig {
	int fd;
	uint32_t vm, queue, cmd_handle;
	uint8_t *cmd;
	struct blit_arena src, dst;
	uint64_t seed;
};

extern struct blit_rig blit_rig;

void blit_rig_init(void);
void blit_rig_fini(void);
/* Runs @size bytes of blit_rig.cmd and returns how the job ended: 0 or -errno. */
int blit_run(uint32_t size);

/* From @low to @high, both included. */
uint32_t blit_rnd(uint32_t low, uint32_t high);
uint32_t blit_rnd_format(void);

/* model -> buffer, buffer -> readback */
void blit_arena_write(struct blit_arena *a);
void blit_arena_read(struct blit_arena *a);
void blit_arena_randomize(struct blit_arena *a);

struct drm_movgem_cmd_blit blit_cmd(uint32_t flags);
/* A w * h surface of @format at @va that is all rectangle. */
struct drm_movgem_surface blit_surface(uint64_t va, uint32_t format,
				       uint32_t w, uint32_t h);
/*
 * Odd rectangles at odd places of surfaces with a gap between the lines, at
 * addresses that are aligned to a pixel and no more.
 */
void blit_place(struct drm_movgem_surface *s, uint64_t va, uint32_t format,
		uint32_t w, uint32_t h);

/*
 * Executes @cmd with what the models hold, and compares every byte of both
 * arenas: the rectangle with the reference, all else with what was there.
 */
void blit_check(const struct drm_movgem_cmd_blit *cmd);
/* The same with random contents. */
void blit_check_random(const struct drm_movgem_cmd_blit *cmd);
/* Fails when the buffer of @a is not as its model. */
void blit_compare(const struct drm_movgem_cmd_blit *cmd, struct blit_arena *a);

/* Subtests of what must fault, in movgem_blit_bad.c. */
void blit_test_bad_surface(bool dst);
void blit_test_bad_address(void);
void blit_test_bad_command(void);
void blit_test_hole(bool dst);
void blit_test_readonly(void);

#endif
