/* SPDX-License-Identifier: MIT */
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * For tests that use libmovgem: how many BOs there are, and a queue in a VM.
 */
#ifndef MOVGEM_TESTLIB_GPU_H
#define MOVGEM_TESTLIB_GPU_H

#include <movgem.h>

#include "testlib.h"

/* How many BOs there are, when it has stayed so for a while: who has pages moved
 * may have one that its owner has freed. expect_bos() waits for so many.
 */
uint64_t settled_bos(struct movgem_device *dev);
void expect_bos(struct movgem_device *dev, uint64_t count);

struct gpu {
	struct movgem_device *dev;
	uint32_t vm;
	uint32_t queue;
	uint64_t next_va;

	/* Commands, and in a page of its own the word that a gate waits for. */
	struct movgem_bo *cmd;
	uint64_t cmd_va;
	uint8_t *map;
	uint32_t used;
};

void gpu_open(struct gpu *gpu, struct movgem_device *dev);
void gpu_close(struct gpu *gpu);
/* Returns where the buffer is for the GPU. */
uint64_t gpu_bind(struct gpu *gpu, struct movgem_bo *bo);
/* Copies, behind the fence wait and with the fence done, of syncobjs or 0. One
 * with a gate does not begin before gpu_open_gate().
 */
void gpu_copy(struct gpu *gpu, uint64_t dst, uint64_t src, uint64_t size,
	      bool gate, uint32_t wait, uint32_t done);
void gpu_open_gate(struct gpu *gpu);
/* All jobs have ended, and none with a fault. */
void gpu_finish(struct gpu *gpu);

#endif
