/* SPDX-License-Identifier: GPL-2.0 */
/* Copyright (C) 2026 movgem maintainers */
#ifndef _MOVGEM_BIND_H_
#define _MOVGEM_BIND_H_

#include <linux/list.h>
#include <linux/types.h>
#include <linux/workqueue.h>

#include <drm/gpu_scheduler.h>

struct dma_fence;
struct drm_gpuvm_bo;
struct movgem_bo;
struct movgem_vm;

/**
 * struct movgem_bind_op - one operation, checked
 */
struct movgem_bind_op {
	/** @vm_bo: map: the BO in the VM, a reference; unmap: NULL. */
	struct drm_gpuvm_bo *vm_bo;

	/** @va: GPU address. */
	u64 va;

	/** @size: bytes. */
	u64 size;

	/** @offset: start in the BO. */
	u64 offset;

	/** @readonly: GPU writes fault. */
	bool readonly;
};

/**
 * struct movgem_bind_job - one VM_BIND call
 */
struct movgem_bind_job {
	/** @base: scheduler's part. */
	struct drm_sched_job base;

	/** @vm: the VM; a reference. */
	struct movgem_vm *vm;

	/** @applied: fence that drm_sched gets from the job; a reference. */
	struct dma_fence *applied;

	/** @ops: the operations. */
	struct movgem_bind_op *ops;

	/** @count: number of @ops. */
	u32 count;

	/** @current_op: the operation that drm_gpuvm takes apart just now. */
	struct movgem_bind_op *current_op;

	/** @spare: struct movgem_vma to use, by done_link. */
	struct list_head spare;

	/** @done: struct movgem_vma taken out of the VM, by done_link. */
	struct list_head done;

	/** @free_work: frees the job outside the fence signalling path. */
	struct work_struct free_work;
};

extern const struct drm_sched_backend_ops movgem_bind_sched_ops;

int movgem_vm_map(struct movgem_vm *vm, struct movgem_bo *bo, u64 va);
void movgem_vm_unmap(struct movgem_vm *vm, struct movgem_bo *bo, u64 va);

#endif
