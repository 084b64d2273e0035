// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

#include <linux/dma-resv.h>
#include <linux/interval_tree_generic.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "movgem_bind.h"
#include "movgem_bo.h"
#include "movgem_compat.h"
#include "movgem_store.h"
#include "movgem_vm.h"

/**
 * DOC: GPU mappings
 *
 * drm_gpuvm keeps the tree of mappings of a VM. A &struct movgem_vma is also
 * in its BO's tree for as long as the page tables may have entries of it, so
 * that a move finds them all. That tree and the entries are written under
 * &movgem_bo.pages_lock: whatever the order of a bind and a move, an entry
 * ends up as the slot of its page says.
 *
 * Everything here that a bind job calls is in the fence signalling path: what
 * it needs has been allocated by the ioctl, what it takes out goes to a list
 * that is freed later.
 */

#define PTE_BATCH	64

static u64 vma_end(struct movgem_vma *vma)
{
	return vma->base.va.addr + vma->base.va.range;
}

/* First and last page of the BO that is mapped. */
static u64 vma_first_page(struct movgem_vma *vma)
{
	return vma->base.gem.offset >> PAGE_SHIFT;
}

static u64 vma_last_page(struct movgem_vma *vma)
{
	return ((vma->base.gem.offset + vma->base.va.range) >> PAGE_SHIFT) - 1;
}

INTERVAL_TREE_DEFINE(struct movgem_vma, bo_node, u64, bo_subtree_last,
		     vma_first_page, vma_last_page, static, vma_tree)

static struct movgem_bo *vma_bo(struct movgem_vma *vma)
{
	return to_movgem_bo(vma->base.gem.obj);
}

static struct movgem_vm *vma_vm(struct movgem_vma *vma)
{
	return to_movgem_vm(vma->base.vm);
}

/* The entry that a page should have, by the state of its slot, or zero. */
static u64 page_pte(struct movgem_bo *bo, u32 index)
{
	struct movgem_slot *slot;
	u64 pte;

	lockdep_assert_held(&bo->pages_lock);

	if (!movgem_bo_has_pages(bo))
		return bo->import.addrs ?
		       bo->import.addrs[index] | MOVGEM_PTE_VALID : 0;

	slot = &bo->slot[index];
	pte = PFN_PHYS(movgem_slot_pfn(slot)) | MOVGEM_PTE_VALID;
	if (movgem_migrate_blocked(slot))
		pte |= MOVGEM_PTE_BLOCKED;
	return pte;
}

/* Write the entry of a page as this mapping has it. */
static __always_inline void write_one(struct movgem_vma *vma, u64 va, u64 pte)
{
	if (va < vma->hole.end && va >= vma->hole.start)
		pte = 0;
	else if (pte && vma->readonly)
		pte |= MOVGEM_PTE_READONLY;
	movgem_pt_set_near(&vma_vm(vma)->pt, &vma->cursor, va, pte);
}

/* Write the entries of a range as their slots are. */
static void vma_write(struct movgem_vma *vma, u64 start, u64 end)
{
	struct movgem_bo *bo = vma_bo(vma);
	u32 index = (start - vma->base.va.addr + vma->base.gem.offset) >>
		    PAGE_SHIFT;

	while (start < end) {
		spin_lock(&bo->pages_lock);
		for (int i = 0; i < PTE_BATCH && start < end; i++) {
			write_one(vma, start, page_pte(bo, index++));
			start += PAGE_SIZE;
		}
		spin_unlock(&bo->pages_lock);
		cond_resched();
	}
}

static void bo_add(struct movgem_vma *vma)
{
	struct movgem_bo *bo = vma_bo(vma);

	lockdep_assert_held(movgem_gpuva_lock(bo));

	spin_lock(&bo->pages_lock);
	vma_tree_insert(vma, &bo->vmas);
	bo->gpu_maps++;
	bo->gpu_map_pages += vma->base.va.range >> PAGE_SHIFT;
	spin_unlock(&bo->pages_lock);
}

static void bo_del(struct movgem_vma *vma)
{
	struct movgem_bo *bo = vma_bo(vma);

	lockdep_assert_held(movgem_gpuva_lock(bo));

	spin_lock(&bo->pages_lock);
	vma_tree_remove(vma, &bo->vmas);
	bo->gpu_maps--;
	bo->gpu_map_pages -= vma->base.va.range >> PAGE_SHIFT;
	spin_unlock(&bo->pages_lock);
}

static void link_vma(struct movgem_vma *vma, struct drm_gpuvm_bo *vm_bo)
{
	struct movgem_bo *bo = vma_bo(vma);

	mutex_lock(movgem_gpuva_lock(bo));
	drm_gpuva_link(&vma->base, vm_bo);
	bo_add(vma);
	mutex_unlock(movgem_gpuva_lock(bo));
}

/* Take the entries of a range out. A move meanwhile leaves the hole empty. */
static void clear_range(struct movgem_vma *vma, u64 start, u64 end)
{
	struct movgem_bo *bo = vma_bo(vma);

	spin_lock(&bo->pages_lock);
	vma->hole.start = start;
	vma->hole.end = end;
	spin_unlock(&bo->pages_lock);
	vma_write(vma, start, end);
}

/* Forget a mapping whose entries are gone, keeping its vm_bo for later. */
static void retire(struct movgem_vma *vma, struct list_head *done)
{
	struct drm_gpuvm_bo *vm_bo = drm_gpuvm_bo_get(vma->base.vm_bo);
	struct movgem_bo *bo = vma_bo(vma);

	mutex_lock(movgem_gpuva_lock(bo));
	bo_del(vma);
	drm_gpuva_unlink(&vma->base);
	mutex_unlock(movgem_gpuva_lock(bo));
	vma->base.vm_bo = vm_bo;
	list_add_tail(&vma->done_link, done);
}

static struct movgem_vma *take_spare(struct movgem_bind_job *job)
{
	struct movgem_vma *vma;

	vma = list_first_entry(&job->spare, struct movgem_vma, done_link);
	list_del_init(&vma->done_link);
	return vma;
}

static int step_map(struct drm_gpuva_op *op, void *priv)
{
	struct movgem_bind_job *job = priv;
	struct movgem_vma *vma = take_spare(job);

	vma->readonly = job->current_op->readonly;
	drm_gpuva_map(&job->vm->base, &vma->base, &op->map);
	link_vma(vma, job->current_op->vm_bo);
	vma_write(vma, vma->base.va.addr, vma_end(vma));
	return 0;
}

static int step_remap(struct drm_gpuva_op *op, void *priv)
{
	struct drm_gpuva_op_remap *remap = &op->remap;
	struct movgem_vma *old = to_movgem_vma(remap->unmap->va);
	struct movgem_vma *prev = NULL, *next = NULL;
	struct movgem_bind_job *job = priv;
	u64 start, range;

	if (remap->prev) {
		prev = take_spare(job);
		prev->readonly = old->readonly;
	}
	if (remap->next) {
		next = take_spare(job);
		next->readonly = old->readonly;
	}
	drm_gpuva_op_remap_to_unmap_range(remap, &start, &range);
	drm_gpuva_remap(prev ? &prev->base : NULL, next ? &next->base : NULL,
			remap);
	/* What stays keeps its entries, and is in the BO's tree all the time. */
	if (prev)
		link_vma(prev, old->base.vm_bo);
	if (next)
		link_vma(next, old->base.vm_bo);
	clear_range(old, start, start + range);
	retire(old, &job->done);
	return 0;
}

static int step_unmap(struct drm_gpuva_op *op, void *priv)
{
	struct movgem_vma *vma = to_movgem_vma(op->unmap.va);
	struct movgem_bind_job *job = priv;

	clear_range(vma, vma->base.va.addr, vma_end(vma));
	drm_gpuva_unmap(&op->unmap);
	retire(vma, &job->done);
	return 0;
}

/* The exporter of an import wanted to move it; the dma_resv of both are held. */
static int vm_bo_validate(struct drm_gpuvm_bo *vm_bo, struct drm_exec *exec)
{
	int ret = movgem_import_validate(to_movgem_bo(vm_bo->obj));

	if (!ret)
		drm_gpuvm_bo_evict(vm_bo, false);
	return ret;
}

const struct drm_gpuvm_ops movgem_gpuvm_ops = {
	.vm_free = movgem_vm_free,
	.vm_bo_validate = vm_bo_validate,
	.sm_step_map = step_map,
	.sm_step_remap = step_remap,
	.sm_step_unmap = step_unmap,
};

/**
 * movgem_vma_apply - apply the operations of a bind job
 * @vm: the VM
 * @job: the job
 *
 * In return no engine uses what was unmapped. Context: fence signalling path.
 *
 * Return: 0; an error means that drm_gpuvm and movgem disagree.
 */
int movgem_vma_apply(struct movgem_vm *vm, struct movgem_bind_job *job)
{
	struct movgem_device *mdev = to_movgem_device(vm->base.drm);
	int ret = 0;

	mutex_lock(&vm->op_lock);
	for (u32 i = 0; i < job->count && !ret; i++) {
		struct movgem_bind_op *op = &job->ops[i];

		job->current_op = op;
		if (op->vm_bo)
			ret = movgem_gpuvm_sm_map(&vm->base, job, op->va,
						  op->size, op->vm_bo->obj,
						  op->offset);
		else
			ret = drm_gpuvm_sm_unmap(&vm->base, job, op->va,
						 op->size);
	}
	mutex_unlock(&vm->op_lock);

	if (!list_empty(&job->done))
		movgem_migrate_flush(mdev);
	return ret;
}

/**
 * movgem_vma_unmap_all - unmap everything in a VM
 * @vm: the VM, which nobody uses any more
 * @done: list that the mappings go to
 */
void movgem_vma_unmap_all(struct movgem_vm *vm, struct list_head *done)
{
	struct drm_gpuva *va, *next;

	mutex_lock(&vm->op_lock);
	drm_gpuvm_for_each_va_safe(va, next, &vm->base) {
		struct movgem_vma *vma;

		if (va == &vm->base.kernel_alloc_node)
			continue;
		vma = to_movgem_vma(va);
		clear_range(vma, va->va.addr, vma_end(vma));
		drm_gpuva_remove(va);
		retire(vma, done);
	}
	mutex_unlock(&vm->op_lock);
	movgem_migrate_flush(to_movgem_device(vm->base.drm));
}

/**
 * movgem_vm_bo_put - drop a reference of a VM's use of a BO
 * @vm_bo: the reference, or NULL
 *
 * Context: may free the BO and the VM, sleeps.
 */
void movgem_vm_bo_put(struct drm_gpuvm_bo *vm_bo)
{
	struct drm_gpuvm *vm;
	struct movgem_bo *bo;

	if (!vm_bo)
		return;

	bo = to_movgem_bo(vm_bo->obj);
	vm = drm_gpuvm_get(vm_bo->vm);
	drm_gem_object_get(&bo->base);
	dma_resv_lock(drm_gpuvm_resv(vm), NULL);
	mutex_lock(movgem_gpuva_lock(bo));
	drm_gpuvm_bo_put(vm_bo);
	mutex_unlock(movgem_gpuva_lock(bo));
	dma_resv_unlock(drm_gpuvm_resv(vm));
	movgem_bo_put(bo);
	drm_gpuvm_put(vm);
}

/**
 * movgem_vma_free_list - free mappings
 * @list: by &movgem_vma.done_link; retired ones, or ones never used
 *
 * Context: may free BOs, sleeps.
 */
void movgem_vma_free_list(struct list_head *list)
{
	struct movgem_vma *vma, *next;

	list_for_each_entry_safe(vma, next, list, done_link) {
		movgem_vm_bo_put(vma->base.vm_bo);
		kfree(vma);
	}
	INIT_LIST_HEAD(list);
}

static noinline void page_write_each(struct movgem_bo *bo, u32 index, u64 pte)
{
	u64 offset = (u64)index << PAGE_SHIFT;
	struct movgem_vma *vma;

	for (vma = vma_tree_iter_first(&bo->vmas, index, index); vma;
	     vma = vma_tree_iter_next(vma, index, index))
		write_one(vma, vma->base.va.addr + offset -
			  vma->base.gem.offset, pte);
}

/* Mostly a BO has one mapping. There is no need to search for that. */
static void page_write(struct movgem_bo *bo, u32 index)
{
	u64 pte = page_pte(bo, index);
	struct movgem_vma *vma;
	u64 at;

	if (bo->gpu_maps != 1) {
		page_write_each(bo, index, pte);
		return;
	}
	vma = rb_entry(bo->vmas.rb_leftmost, struct movgem_vma, bo_node);
	at = ((u64)index << PAGE_SHIFT) - vma->base.gem.offset;
	if (at < vma->base.va.range)
		write_one(vma, vma->base.va.addr + at, pte);
}

/**
 * movgem_vm_bo_update - engine's bo_update by page tables
 * @bo: the BO
 *
 * What a bind writes from now on is the same.
 */
void movgem_vm_bo_update(struct movgem_bo *bo)
{
	struct movgem_vma *vma;

	mutex_lock(movgem_gpuva_lock(bo));
	for (vma = vma_tree_iter_first(&bo->vmas, 0, U64_MAX); vma;
	     vma = vma_tree_iter_next(vma, 0, U64_MAX))
		vma_write(vma, vma->base.va.addr, vma_end(vma));
	mutex_unlock(movgem_gpuva_lock(bo));
}

/**
 * movgem_vm_page_block - engine's page_block by page tables
 * @bo: the BO
 * @index: the page, in a state that is blocked by now
 */
void movgem_vm_page_block(struct movgem_bo *bo, u32 index)
{
	page_write(bo, index);
}

/**
 * movgem_vm_page_set - engine's page_set by page tables
 * @bo: the BO
 * @index: the page
 */
void movgem_vm_page_set(struct movgem_bo *bo, u32 index)
{
	page_write(bo, index);
}
