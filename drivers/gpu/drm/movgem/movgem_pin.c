// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

#include <linux/delay.h>
#include <linux/dma-resv.h>
#include <linux/iosys-map.h>
#include <linux/mm.h>
#include <linux/vmalloc.h>

#include "movgem_bo.h"
#include "movgem_store.h"

/**
 * DOC: Pins
 *
 * Somebody who keeps the addresses of a BO's pages pins it: importers that
 * cannot be told of a move, and kernel mappings. Pins are counted per BO and
 * visible (BO_INFO, debugfs). The kernel is refused a pinned page as soon as
 * it asks, so no work is wasted on it.
 *
 * A pin may last, so pages leave ZONE_MOVABLE first: else the memory block
 * could not be taken offline as long as it does.
 */

#define LEAVE_RETRIES	200

static bool page_in_movable_zone(struct movgem_bo *bo, u32 index)
{
	bool movable;

	spin_lock(&bo->pages_lock);
	movable = page_zonenum(movgem_bo_page(bo, index)) == ZONE_MOVABLE;
	spin_unlock(&bo->pages_lock);
	return movable;
}

/* Called with the BO pinned once, by the caller, who holds the dma_resv. */
static int leave_movable_zone(struct movgem_bo *bo)
{
	const struct movgem_store_ops *store = movgem_bo_device(bo)->store;
	gfp_t gfp = movgem_store_gfp() & ~__GFP_MOVABLE;

	if (!store->move)
		return 0;

	for (u32 i = 0; i < movgem_bo_count(bo); i++) {
		int ret = 0;

		for (int try = 0; page_in_movable_zone(bo, i); try++) {
			/* The kernel may hold it; it will be refused soon. */
			ret = store->move(bo, i, gfp, true);
			if (!ret)
				break;
			if (ret == -ENOMEM || try == LEAVE_RETRIES)
				return ret == -ENOMEM ? ret : -EBUSY;
			usleep_range(500, 1000);
		}
		cond_resched();
	}
	return 0;
}

/**
 * movgem_bo_pin - forbid the kernel to move a BO's pages
 * @bo: the BO, its dma_resv held
 *
 * In return the pages are where they will be. Undo with movgem_bo_unpin().
 *
 * Return: 0, -EFAULT for a purged BO, -ENOMEM or -EBUSY where a page could not
 * leave ZONE_MOVABLE.
 */
int movgem_bo_pin(struct movgem_bo *bo)
{
	struct movgem_device *mdev = movgem_bo_device(bo);
	bool first;
	int ret = 0;

	dma_resv_assert_held(bo->base.resv);

	/* An import is pinned by its exporter. */
	if (bo->base.import_attach)
		return 0;

	spin_lock(&bo->pages_lock);
	if (!movgem_bo_has_pages(bo)) {
		spin_unlock(&bo->pages_lock);
		return -EFAULT;
	}
	first = !bo->pins++;
	if (first && mdev->store->set_pinned)
		mdev->store->set_pinned(bo, true);
	spin_unlock(&bo->pages_lock);

	if (!first)
		return 0;

	movgem_stat_add(mdev, pages_pinned, movgem_bo_count(bo));
	movgem_migrate_drain(bo);

	ret = leave_movable_zone(bo);
	if (ret)
		movgem_bo_unpin(bo);
	return ret;
}

/**
 * movgem_bo_unpin - undo movgem_bo_pin()
 * @bo: the BO, its dma_resv held
 */
void movgem_bo_unpin(struct movgem_bo *bo)
{
	struct movgem_device *mdev = movgem_bo_device(bo);
	bool last;

	dma_resv_assert_held(bo->base.resv);

	if (bo->base.import_attach)
		return;

	spin_lock(&bo->pages_lock);
	last = !--bo->pins;
	if (last && mdev->store->set_pinned)
		mdev->store->set_pinned(bo, false);
	spin_unlock(&bo->pages_lock);
	if (last)
		movgem_stat_sub(mdev, pages_pinned, movgem_bo_count(bo));
}

/**
 * movgem_bo_page_array - the pages of a BO that cannot move just now
 * @bo: the BO, pinned or MAPPED by an importer
 *
 * Return: an array to be freed with kvfree(), or NULL.
 */
struct page **movgem_bo_page_array(struct movgem_bo *bo)
{
	struct page **array;

	array = kvmalloc_array(bo->count, sizeof(*array), GFP_KERNEL);
	for (u32 i = 0; array && i < bo->count; i++)
		array[i] = movgem_bo_page(bo, i);
	return array;
}

static void *map_pages(struct movgem_bo *bo)
{
	struct page **array = movgem_bo_page_array(bo);
	void *vaddr;

	if (!array)
		return NULL;
	vaddr = vmap(array, bo->count, VM_MAP, PAGE_KERNEL);
	kvfree(array);
	return vaddr;
}

/**
 * movgem_bo_vmap - map a BO in the kernel
 * @obj: the BO, its dma_resv held
 * @map: returned mapping
 *
 * Return: 0, -ENOMEM, or as movgem_bo_pin().
 */
int movgem_bo_vmap(struct drm_gem_object *obj, struct iosys_map *map)
{
	struct movgem_bo *bo = to_movgem_bo(obj);
	int ret;

	dma_resv_assert_held(obj->resv);

	if (obj->import_attach)
		return dma_buf_vmap(obj->import_attach->dmabuf, map);

	if (!bo->vmap.count) {
		ret = movgem_bo_pin(bo);
		if (ret)
			return ret;
		bo->vmap.vaddr = map_pages(bo);
		if (!bo->vmap.vaddr) {
			movgem_bo_unpin(bo);
			return -ENOMEM;
		}
	}
	bo->vmap.count++;
	iosys_map_set_vaddr(map, bo->vmap.vaddr);
	return 0;
}

/**
 * movgem_bo_vunmap - undo movgem_bo_vmap()
 * @obj: the BO, its dma_resv held
 * @map: the mapping
 */
void movgem_bo_vunmap(struct drm_gem_object *obj, struct iosys_map *map)
{
	struct movgem_bo *bo = to_movgem_bo(obj);

	dma_resv_assert_held(obj->resv);

	if (obj->import_attach) {
		dma_buf_vunmap(obj->import_attach->dmabuf, map);
		return;
	}

	if (--bo->vmap.count)
		return;
	vunmap(bo->vmap.vaddr);
	bo->vmap.vaddr = NULL;
	movgem_bo_unpin(bo);
}
