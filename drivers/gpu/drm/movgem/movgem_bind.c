// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include <drm/drm_exec.h>
#include <drm/drm_file.h>

#include "movgem_bind.h"
#include "movgem_bo.h"
#include "movgem_compat.h"
#include "movgem_drv.h"
#include "movgem_sync.h"
#include "movgem_vm.h"

/**
 * DOC: VM_BIND
 *
 * The ioctl does all that can fail: it checks the operations, looks BOs up,
 * allocates page tables and the mappings that splitting may need. The job that
 * it pushes to the VM's scheduler only applies them, in order, when its fences
 * have signalled.
 */

#define MAPS_PER_BO	16384

/* A map adds one mapping; either operation can split one at each end. */
#define SPARE_MAP	3
#define SPARE_UNMAP	2

/*
 * Each page that moves costs a look at all mappings of the page, under a
 * spinlock, so there is a limit. What is queued counts; splitting a mapping
 * may pass the limit, but no two parts have a page in common.
 */
static int reserve_map(struct movgem_bo *bo)
{
	bool full;

	spin_lock(&bo->pages_lock);
	full = bo->gpu_maps + bo->gpu_maps_queued >= MAPS_PER_BO;
	if (!full)
		bo->gpu_maps_queued++;
	spin_unlock(&bo->pages_lock);

	return full ? -ENOSPC : 0;
}

static void unreserve_map(struct movgem_bo *bo)
{
	spin_lock(&bo->pages_lock);
	bo->gpu_maps_queued--;
	spin_unlock(&bo->pages_lock);
}

/* Keeps the memory of the VM, and so the scheduler that fences point to. */
struct bind_fence {
	struct dma_fence base;
	struct movgem_vm *vm;
};

static const char *bind_fence_driver_name(struct dma_fence *fence)
{
	return "movgem";
}

static const char *bind_fence_timeline_name(struct dma_fence *fence)
{
	return "bind";
}

static void bind_fence_release(struct dma_fence *fence)
{
	struct bind_fence *bind = container_of(fence, struct bind_fence, base);

	rcu_read_lock();
	movgem_vm_shell_put(bind->vm);
	dma_fence_free(fence);
	rcu_read_unlock();
}

static const struct dma_fence_ops bind_fence_ops = {
	.get_driver_name = bind_fence_driver_name,
	.get_timeline_name = bind_fence_timeline_name,
	.release = bind_fence_release,
};

/* Allocated with the job, completed and signalled when it is run. */
static int bind_fence_alloc(struct movgem_bind_job *job)
{
	struct bind_fence *bind = kzalloc(sizeof(*bind), GFP_KERNEL_ACCOUNT);

	if (!bind)
		return -ENOMEM;
	kref_get(&job->vm->shell);
	bind->vm = job->vm;
	dma_fence_init(&bind->base, &bind_fence_ops, &job->vm->fence_lock,
		       dma_fence_context_alloc(1), 1);
	job->applied = &bind->base;
	return 0;
}

static void bind_job_free(struct movgem_bind_job *job)
{
	for (u32 i = 0; i < job->count; i++) {
		struct drm_gpuvm_bo *vm_bo = job->ops[i].vm_bo;

		if (vm_bo) {
			unreserve_map(to_movgem_bo(vm_bo->obj));
			movgem_vm_bo_put(vm_bo);
		}
	}
	movgem_vma_free_list(&job->spare);
	movgem_vma_free_list(&job->done);
	kvfree(job->ops);
	dma_fence_put(job->applied);
	movgem_vm_put(job->vm);
	kfree(job);
}

static void bind_job_free_work(struct work_struct *work)
{
	bind_job_free(container_of(work, struct movgem_bind_job, free_work));
}

static struct movgem_bind_job *to_bind_job(struct drm_sched_job *job)
{
	return container_of(job, struct movgem_bind_job, base);
}

static struct dma_fence *bind_run(struct drm_sched_job *base)
{
	struct movgem_bind_job *job = to_bind_job(base);
	int ret = movgem_vma_apply(job->vm, job);

	if (ret)
		dma_fence_set_error(job->applied, ret);
	dma_fence_signal(job->applied);
	return dma_fence_get(job->applied);
}

static void bind_sched_free(struct drm_sched_job *base)
{
	struct movgem_bind_job *job = to_bind_job(base);

	drm_sched_job_cleanup(base);
	queue_work(movgem_wq, &job->free_work);
}

const struct drm_sched_backend_ops movgem_bind_sched_ops = {
	.run_job = bind_run,
	.free_job = bind_sched_free,
};

static int check_range(struct drm_device *drm, u32 i,
		       const struct drm_movgem_bind_op *op)
{
	if (!op->size || !PAGE_ALIGNED(op->size))
		return movgem_invalid(drm, "vm_bind.ops[%u].size: 0x%llx", i,
				      op->size);
	if (!PAGE_ALIGNED(op->va) || op->va < MOVGEM_VA_START ||
	    op->va >= MOVGEM_VA_END || op->size > MOVGEM_VA_END - op->va)
		return movgem_invalid(drm, "vm_bind.ops[%u].va: 0x%llx", i,
				      op->va);
	return 0;
}

static int check_unmap(struct drm_device *drm, u32 i,
		       const struct drm_movgem_bind_op *op)
{
	if (op->flags)
		return movgem_invalid(drm, "vm_bind.ops[%u].flags: not zero", i);
	if (op->handle)
		return movgem_invalid(drm, "vm_bind.ops[%u].handle: not zero", i);
	if (op->bo_offset)
		return movgem_invalid(drm, "vm_bind.ops[%u].bo_offset: not zero",
				      i);
	return 0;
}

static int check_map(struct drm_device *drm, u32 i, struct movgem_vm *vm,
		     struct movgem_bo *bo, const struct drm_movgem_bind_op *op)
{
	if (op->flags & ~DRM_MOVGEM_BIND_READONLY)
		return movgem_invalid(drm, "vm_bind.ops[%u].flags: 0x%x", i,
				      op->flags);
	if (!PAGE_ALIGNED(op->bo_offset) || op->bo_offset >= bo->base.size ||
	    op->size > bo->base.size - op->bo_offset)
		return movgem_invalid(drm, "vm_bind.ops[%u].bo_offset: 0x%llx",
				      i, op->bo_offset);
	if (bo->exclusive_root &&
	    bo->exclusive_root != drm_gpuvm_resv_obj(&vm->base))
		return movgem_invalid(drm,
				      "vm_bind.ops[%u].handle: BO of another VM",
				      i);
	return 0;
}

static int lock_vm_bo(struct drm_exec *exec, struct movgem_vm *vm,
		      struct movgem_bo *bo)
{
	int ret;

	/* -EINTR of VM_BIND says that the operations are queued, so not here. */
	drm_exec_init(exec, DRM_EXEC_IGNORE_DUPLICATES, 2);
	drm_exec_until_all_locked(exec) {
		ret = drm_gpuvm_prepare_vm(&vm->base, exec, 0);
		if (!ret && bo->base.import_attach)
			ret = drm_exec_lock_obj(exec, &bo->base);
		drm_exec_retry_on_contention(exec);
		if (ret)
			break;
	}
	return ret;
}

static struct drm_gpuvm_bo *obtain_vm_bo(struct movgem_vm *vm,
					 struct movgem_bo *bo)
{
	struct drm_gpuvm_bo *vm_bo;
	struct drm_exec exec;
	int ret;

	vm_bo = drm_gpuvm_bo_create(&vm->base, &bo->base);
	if (!vm_bo)
		return ERR_PTR(-ENOMEM);

	ret = lock_vm_bo(&exec, vm, bo);
	if (!ret) {
		vm_bo = movgem_gpuvm_bo_obtain(vm_bo, movgem_gpuva_lock(bo));
		drm_gpuvm_bo_extobj_add(vm_bo);
		/* As an external object it has the fences of later jobs. */
		if (bo->base.import_attach)
			ret = movgem_import_add_vm(bo, vm);
	}
	drm_exec_fini(&exec);
	if (!ret)
		return vm_bo;

	movgem_vm_bo_put(vm_bo);
	return ERR_PTR(ret);
}

static int prepare_map(struct movgem_bind_job *job, struct drm_file *file,
		       u32 i, const struct drm_movgem_bind_op *op)
{
	struct drm_device *drm = file->minor->dev;
	struct movgem_vm *vm = job->vm;
	struct drm_gpuvm_bo *vm_bo;
	struct movgem_bo *bo;
	int ret;

	bo = movgem_bo_lookup(file, op->handle);
	if (!bo)
		return movgem_reject(drm, -ENOENT,
				     "vm_bind.ops[%u].handle: no BO %u", i,
				     op->handle);

	ret = check_map(drm, i, vm, bo, op);
	if (ret)
		goto out_put;
	ret = reserve_map(bo);
	if (ret) {
		movgem_reject(drm, ret,
			      "vm_bind.ops[%u].handle: too many mappings", i);
		goto out_put;
	}

	vm_bo = obtain_vm_bo(vm, bo);
	if (IS_ERR(vm_bo)) {
		unreserve_map(bo);
		ret = PTR_ERR(vm_bo);
		goto out_put;
	}
	job->ops[i].vm_bo = vm_bo;

	mutex_lock(&vm->pt_lock);
	ret = movgem_pt_reserve(&vm->pt, op->va, op->size);
	mutex_unlock(&vm->pt_lock);
out_put:
	movgem_bo_put(bo);
	return ret;
}

static int add_spares(struct movgem_bind_job *job, int count)
{
	while (count--) {
		struct movgem_vma *vma = kzalloc(sizeof(*vma),
						 GFP_KERNEL_ACCOUNT);

		if (!vma)
			return -ENOMEM;
		list_add(&vma->done_link, &job->spare);
	}
	return 0;
}

static int prepare_op(struct movgem_bind_job *job, struct drm_file *file,
		      u32 i, const struct drm_movgem_bind_op *op)
{
	struct drm_device *drm = file->minor->dev;
	bool map = op->op == DRM_MOVGEM_BIND_OP_MAP;
	int ret;

	if (op->op > DRM_MOVGEM_BIND_OP_UNMAP)
		return movgem_invalid(drm, "vm_bind.ops[%u].op: unknown %u", i,
				      op->op);
	if (op->pad)
		return movgem_invalid(drm, "vm_bind.ops[%u].pad: not zero", i);
	ret = check_range(drm, i, op);
	if (ret)
		return ret;

	job->ops[i].va = op->va;
	job->ops[i].size = op->size;
	job->ops[i].offset = op->bo_offset;
	job->ops[i].readonly = op->flags & DRM_MOVGEM_BIND_READONLY;

	ret = map ? prepare_map(job, file, i, op) : check_unmap(drm, i, op);
	if (ret)
		return ret;
	return add_spares(job, map ? SPARE_MAP : SPARE_UNMAP);
}

static int prepare_ops(struct movgem_bind_job *job, struct drm_file *file,
		       const struct drm_movgem_vm_bind *args)
{
	struct drm_movgem_bind_op *ops;
	int ret = 0;

	if (!args->op_count)
		return 0;

	ops = vmemdup_array_user(u64_to_user_ptr(args->ops), args->op_count,
				 sizeof(*ops));
	if (IS_ERR(ops))
		return PTR_ERR(ops);

	job->ops = kvcalloc(args->op_count, sizeof(*job->ops),
			    GFP_KERNEL_ACCOUNT);
	if (job->ops)
		job->count = args->op_count;
	else
		ret = -ENOMEM;

	for (u32 i = 0; i < job->count && !ret; i++)
		ret = prepare_op(job, file, i, &ops[i]);

	kvfree(ops);
	return ret;
}

/* Let the job go. The caller's reference of the fence is returned. */
static struct dma_fence *push(struct movgem_bind_job *job,
			      struct movgem_syncs *syncs)
{
	struct movgem_vm *vm = job->vm;
	struct dma_fence *fence;

	mutex_lock(&vm->push_lock);
	if (vm->dead) {
		mutex_unlock(&vm->push_lock);
		return ERR_PTR(-ENOENT);
	}
	drm_sched_job_arm(&job->base);
	fence = dma_fence_get(&job->base.s_fence->finished);
	movgem_syncs_push(syncs, fence);
	drm_sched_entity_push_job(&job->base);
	mutex_unlock(&vm->push_lock);
	return fence;
}

static int wait_bound(struct dma_fence *fence)
{
	/* Not -ERESTARTSYS: the operations must not be queued twice. */
	if (dma_fence_wait(fence, true))
		return -EINTR;
	return min(dma_fence_get_status(fence), 0);
}

static int check_args(struct drm_device *drm,
		      const struct drm_movgem_vm_bind *args)
{
	if (args->flags & ~DRM_MOVGEM_VM_BIND_ASYNC)
		return movgem_invalid(drm, "vm_bind.flags: 0x%x", args->flags);
	if (args->pad)
		return movgem_invalid(drm, "vm_bind.pad: not zero");
	if (args->op_count > DRM_MOVGEM_BIND_OPS_MAX)
		return movgem_invalid(drm, "vm_bind.op_count: %u",
				      args->op_count);
	return 0;
}

/* DRM_IOCTL_MOVGEM_VM_BIND */
int movgem_vm_bind_ioctl(struct drm_device *drm, void *data,
			 struct drm_file *file)
{
	struct drm_movgem_vm_bind *args = data;
	struct movgem_bind_job *job;
	struct movgem_syncs syncs;
	struct dma_fence *fence;
	int ret;

	ret = check_args(drm, args);
	if (ret)
		return ret;

	job = kzalloc(sizeof(*job), GFP_KERNEL_ACCOUNT);
	if (!job)
		return -ENOMEM;
	INIT_LIST_HEAD(&job->spare);
	INIT_LIST_HEAD(&job->done);
	INIT_WORK(&job->free_work, bind_job_free_work);

	job->vm = movgem_vm_lookup(file->driver_priv, args->vm_id);
	if (!job->vm) {
		kfree(job);
		return movgem_reject(drm, -ENOENT, "vm_bind.vm_id: no VM %u",
				     args->vm_id);
	}

	ret = bind_fence_alloc(job);
	if (ret)
		goto err_free;
	ret = movgem_syncs_parse(file, "vm_bind", args->syncs, args->sync_count,
				 &syncs);
	if (ret)
		goto err_free;
	ret = prepare_ops(job, file, args);
	if (ret)
		goto err_syncs;
	ret = movgem_sched_job_init(&job->base, &job->vm->entity, job->vm,
				    file->client_id);
	if (ret)
		goto err_syncs;
	ret = movgem_syncs_add_deps(&syncs, &job->base);
	if (ret)
		goto err_job;

	fence = push(job, &syncs);
	movgem_syncs_fini(&syncs);
	if (IS_ERR(fence)) {
		ret = PTR_ERR(fence);
		drm_sched_job_cleanup(&job->base);
		goto err_free;
	}

	if (!(args->flags & DRM_MOVGEM_VM_BIND_ASYNC))
		ret = wait_bound(fence);
	dma_fence_put(fence);
	return ret;

err_job:
	drm_sched_job_cleanup(&job->base);
err_syncs:
	movgem_syncs_fini(&syncs);
err_free:
	bind_job_free(job);
	return ret;
}

/**
 * movgem_vm_map - map a whole BO in a VM of the driver's own, at once
 * @vm: the VM, which has no bind jobs
 * @bo: the BO, neither imported nor of an exclusive VM
 * @va: page aligned GPU address, nothing is mapped there
 *
 * Undo with movgem_vm_unmap(). Context: sleeps, takes the BO's dma_resv.
 *
 * Return: 0, -ENOMEM, or -ENOSPC where the BO has too many mappings.
 */
int movgem_vm_map(struct movgem_vm *vm, struct movgem_bo *bo, u64 va)
{
	struct movgem_bind_op op = { .va = va, .size = bo->base.size };
	struct movgem_bind_job job = { .vm = vm, .ops = &op, .count = 1 };
	int ret;

	INIT_LIST_HEAD(&job.spare);
	INIT_LIST_HEAD(&job.done);

	ret = reserve_map(bo);
	if (ret)
		return ret;
	op.vm_bo = obtain_vm_bo(vm, bo);
	if (IS_ERR(op.vm_bo)) {
		unreserve_map(bo);
		return PTR_ERR(op.vm_bo);
	}

	mutex_lock(&vm->pt_lock);
	ret = movgem_pt_reserve(&vm->pt, va, op.size);
	mutex_unlock(&vm->pt_lock);
	if (!ret)
		ret = add_spares(&job, SPARE_MAP);
	if (!ret)
		ret = movgem_vma_apply(vm, &job);

	unreserve_map(bo);
	movgem_vm_bo_put(op.vm_bo);
	movgem_vma_free_list(&job.spare);
	return ret;
}

/**
 * movgem_vm_unmap - undo movgem_vm_map()
 * @vm: the VM
 * @bo: the BO
 * @va: where it is mapped
 *
 * In return no engine uses the mapping. Context: sleeps, takes the BO's
 * dma_resv; may free the BO if this is its last reference.
 */
void movgem_vm_unmap(struct movgem_vm *vm, struct movgem_bo *bo, u64 va)
{
	struct movgem_bind_op op = { .va = va, .size = bo->base.size };
	struct movgem_bind_job job = { .vm = vm, .ops = &op, .count = 1 };

	INIT_LIST_HEAD(&job.spare);
	INIT_LIST_HEAD(&job.done);

	/* The mapping goes as a whole: that takes no memory. */
	WARN_ON(movgem_vma_apply(vm, &job));
	movgem_vma_free_list(&job.done);
}
