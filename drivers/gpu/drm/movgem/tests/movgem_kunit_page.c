// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

/*
 * BOs for tests, and the kernel's part in a move: what mm/compaction.c and
 * mm/migrate.c do with a non-LRU movable page around the calls of the driver,
 * one step at a time, so that tests can choose the order.
 */

#include <linux/dma-resv.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/slab.h>

#include "movgem_kunit_page.h"

#include "../movgem_bind.h"
#include "../movgem_compat.h"

static void put_bo(void *bo)
{
	movgem_bo_put(bo);
}

/**
 * movgem_kunit_bo - a BO that goes when the test ends
 * @test: the test
 * @mdev: its device
 * @pages: its size; page i begins with the word i + 1
 *
 * Return: the BO.
 */
struct movgem_bo *movgem_kunit_bo(struct kunit *test,
				  struct movgem_device *mdev, u32 pages)
{
	struct movgem_bo *bo;

	bo = movgem_bo_create(mdev, (u64)pages << PAGE_SHIFT, 0, NULL);
	KUNIT_ASSERT_FALSE(test, IS_ERR(bo));
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, put_bo, bo));
	for (u32 i = 0; i < pages; i++)
		*(u32 *)movgem_kunit_content(bo, i) = i + 1;
	return bo;
}

static struct drm_gpuvm_bo *obtain_vm_bo(struct movgem_vm *vm,
					 struct movgem_bo *bo)
{
	struct drm_gpuvm_bo *vm_bo;

	vm_bo = drm_gpuvm_bo_create(&vm->base, &bo->base);
	if (!vm_bo)
		return NULL;
	dma_resv_lock(drm_gpuvm_resv(&vm->base), NULL);
	mutex_lock(movgem_gpuva_lock(bo));
	vm_bo = drm_gpuvm_bo_obtain_prealloc(vm_bo);
	mutex_unlock(movgem_gpuva_lock(bo));
	drm_gpuvm_bo_extobj_add(vm_bo);
	dma_resv_unlock(drm_gpuvm_resv(&vm->base));
	return vm_bo;
}

/**
 * movgem_kunit_bind - map a whole BO in the VM, as VM_BIND does
 * @gpu: the GPU
 * @bo: the BO
 * @va: GPU address, where nothing is mapped
 */
void movgem_kunit_bind(struct movgem_kunit_gpu *gpu, struct movgem_bo *bo,
		       u64 va)
{
	struct movgem_bind_op op = {
		.va = va,
		.size = bo->base.size,
	};
	struct movgem_bind_job job = {
		.vm = gpu->vm,
		.ops = &op,
		.count = 1,
	};

	INIT_LIST_HEAD(&job.spare);
	INIT_LIST_HEAD(&job.done);
	KUNIT_ASSERT_EQ(gpu->test, 0,
			movgem_pt_reserve(&gpu->vm->pt, va, bo->base.size));
	op.vm_bo = obtain_vm_bo(gpu->vm, bo);
	KUNIT_ASSERT_NOT_NULL(gpu->test, op.vm_bo);
	for (int i = 0; i < 3; i++) {
		struct movgem_vma *vma = kzalloc(sizeof(*vma), GFP_KERNEL);

		if (vma)
			list_add(&vma->done_link, &job.spare);
	}
	KUNIT_EXPECT_EQ(gpu->test, 0, movgem_vma_apply(gpu->vm, &job));
	movgem_vma_free_list(&job.spare);
	movgem_vma_free_list(&job.done);
	movgem_vm_bo_put(op.vm_bo);
}

/**
 * movgem_kunit_content - what is in a page of a BO
 * @bo: the BO
 * @index: the page
 *
 * Return: the page, as the CPU sees it; lost when it moves.
 */
u8 *movgem_kunit_content(struct movgem_bo *bo, u32 index)
{
	return page_address(movgem_bo_page(bo, index));
}

static bool has_operations(struct page *page)
{
	return __PageMovable(page) && page_movable_ops(page);
}

/**
 * movgem_kunit_isolate - take a page from its BO, as isolate_movable_page()
 * @slot: the page
 *
 * Return: the page, with a reference; or NULL if the driver refused it.
 */
struct page *movgem_kunit_isolate(struct movgem_slot *slot)
{
	struct page *page = movgem_slot_page(slot);
	bool ok = false;

	get_page(page);
	lock_page(page);
	if (has_operations(page) && !PageIsolated(page))
		ok = page_movable_ops(page)->isolate_page(page, 0);
	if (ok)
		SetPageIsolated(page);
	unlock_page(page);
	if (ok)
		return page;
	put_page(page);
	return NULL;
}

/**
 * movgem_kunit_migrate - move an isolated page, as migrate_pages() does
 * @test: the test
 * @src: the page; on success the reference is gone
 * @mode: the mode
 * @lock: lock the page around it; else it is locked, and stays so if it fails
 *
 * Return: what the driver said.
 */
int movgem_kunit_migrate(struct kunit *test, struct page *src,
			 enum migrate_mode mode, bool lock)
{
	struct page *dst = alloc_page(GFP_HIGHUSER_MOVABLE);
	int ret;

	KUNIT_ASSERT_NOT_NULL(test, dst);
	lock_page(dst);
	if (lock)
		lock_page(src);

	ret = -EBUSY;
	if (has_operations(src))
		ret = page_movable_ops(src)->migrate_page(dst, src, mode);
	if (!ret) {
		KUNIT_EXPECT_FALSE(test, has_operations(src));
		KUNIT_EXPECT_TRUE(test, has_operations(dst));
		ClearPageIsolated(src);
	}

	if (lock || !ret)
		unlock_page(src);
	unlock_page(dst);
	if (!ret) {
		/* What is left is the reference of whoever isolated it. */
		KUNIT_EXPECT_EQ(test, 1, page_count(src));
		put_page(src);
	}
	put_page(dst);
	return ret;
}

/**
 * movgem_kunit_putback - give a page back, as putback_movable_pages() does
 * @page: the page
 */
void movgem_kunit_putback(struct page *page)
{
	lock_page(page);
	if (has_operations(page))
		page_movable_ops(page)->putback_page(page);
	ClearPageIsolated(page);
	unlock_page(page);
	put_page(page);
}
