// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * How many BOs there are; the GPU, which copies.
 */
#include <string.h>
#include <unistd.h>

#include "gpu.h"

#define CMD_SIZE	(64 * 1024)
#define GATE		(CMD_SIZE - 4096)
#define VA_ALIGN	(1ull << 24)

static uint64_t count_bos(struct movgem_device *dev)
{
	struct drm_movgem_mem_info info;

	check_ret(movgem_device_mem_info(dev, &info), 0);
	return info.bos;
}

uint64_t settled_bos(struct movgem_device *dev)
{
	uint64_t count = count_bos(dev);

	for (int same = 0; same < 10; same++) {
		uint64_t before = count;

		usleep(10000);
		count = count_bos(dev);
		if (count != before)
			same = 0;
	}
	return count;
}

void expect_bos(struct movgem_device *dev, uint64_t count)
{
	for (int i = 0; i < 1000 && count_bos(dev) != count; i++)
		usleep(10000);
	check_ret(count_bos(dev), count);
}

void gpu_open(struct gpu *gpu, struct movgem_device *dev)
{
	const struct movgem_bo_params params = { .size = CMD_SIZE };
	struct drm_movgem_gpu_info info;
	void *map;

	memset(gpu, 0, sizeof(*gpu));
	gpu->dev = movgem_device_ref(dev);
	check_ret(movgem_device_gpu_info(dev, &info), 0);
	gpu->next_va = (info.va_start + VA_ALIGN - 1) & ~(VA_ALIGN - 1);
	check_ret(movgem_vm_create(dev, &gpu->vm), 0);
	check_ret(movgem_queue_create(dev, gpu->vm,
				      DRM_MOVGEM_QUEUE_PRIORITY_NORMAL,
				      &gpu->queue), 0);
	check_ret(movgem_bo_create(dev, &params, &gpu->cmd), 0);
	check_ret(movgem_bo_map(gpu->cmd, &map), 0);
	gpu->map = map;
	gpu->cmd_va = gpu_bind(gpu, gpu->cmd);
}

void gpu_close(struct gpu *gpu)
{
	gpu_finish(gpu);
	check_ret(movgem_queue_destroy(gpu->dev, gpu->queue), 0);
	check_ret(movgem_vm_destroy(gpu->dev, gpu->vm), 0);
	movgem_bo_unref(gpu->cmd);
	movgem_device_unref(gpu->dev);
}

uint64_t gpu_bind(struct gpu *gpu, struct movgem_bo *bo)
{
	uint64_t size = movgem_bo_get_size(bo), va = gpu->next_va;

	check_ret(movgem_vm_map(gpu->dev, gpu->vm, bo, 0, va, size, 0), 0);
	gpu->next_va += (size + VA_ALIGN - 1) & ~(VA_ALIGN - 1);
	return va;
}

static void *add(struct gpu *gpu, uint16_t opcode, uint16_t size)
{
	struct drm_movgem_cmd_header *hdr = (void *)(gpu->map + gpu->used);

	check(gpu->used + size <= GATE);
	memset(hdr, 0, size);
	hdr->opcode = opcode;
	hdr->size = size;
	gpu->used += size;
	return hdr;
}

void gpu_copy(struct gpu *gpu, uint64_t dst, uint64_t src, uint64_t size,
	      bool gate, uint32_t wait, uint32_t done)
{
	struct drm_movgem_sync syncs[2];
	struct drm_movgem_cmd_copy *copy;
	uint32_t start = gpu->used, count = 0;

	if (gate) {
		struct drm_movgem_cmd_sem *sem =
			add(gpu, DRM_MOVGEM_CMD_SEM_WAIT, sizeof(*sem));

		*(volatile uint64_t *)(gpu->map + GATE) = 0;
		sem->addr = gpu->cmd_va + GATE;
		sem->value = 1;
	}
	copy = add(gpu, DRM_MOVGEM_CMD_COPY, sizeof(*copy));
	copy->src = src;
	copy->dst = dst;
	copy->size = size;

	if (wait)
		syncs[count++] = (struct drm_movgem_sync){ .handle = wait };
	if (done)
		syncs[count++] = (struct drm_movgem_sync){
			.flags = DRM_MOVGEM_SYNC_SIGNAL, .handle = done,
		};
	check_ret(movgem_submit(gpu->dev, gpu->queue, gpu->cmd_va + start,
				gpu->used - start, syncs, count), 0);
}

void gpu_open_gate(struct gpu *gpu)
{
	*(volatile uint64_t *)(gpu->map + GATE) = 1;
}

void gpu_finish(struct gpu *gpu)
{
	struct drm_movgem_queue_state state;

	check_ret(movgem_bo_wait(gpu->cmd, INT64_MAX), 0);
	check_ret(movgem_queue_state(gpu->dev, gpu->queue, &state), 0);
	if (state.faulted)
		fail("%llu of the GPU's jobs failed, the last one with %u at 0x%llx",
		     state.faulted, state.fault.type, state.fault.address);
	check_ret(state.completed, state.submitted);
	gpu->used = 0;
}
