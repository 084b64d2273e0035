// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

#include <linux/file.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include <drm/drm_drv.h>
#include <drm/drm_prime.h>

#include "movgem_bo.h"
#include "movgem_compat.h"
#include "movgem_drv.h"
#include "movgem_store.h"

/**
 * DOC: Buffer objects
 *
 * A &struct movgem_bo is a GEM object with pages of a page store and a file of
 * its own for CPU mappings. A BO that was imported from another device has
 * neither: the GPU uses its DMA addresses, see DOC: Imported BOs.
 *
 * Lifetime: handles, VMAs, dma-bufs, &struct drm_gpuvm_bo and whoever looks a
 * BO up hold a reference of the GEM object. A BO holds the device, since a VMA
 * may outlive the DRM file that it was made through.
 */

static int movgem_bo_gem_pin(struct drm_gem_object *obj)
{
	return movgem_bo_pin(to_movgem_bo(obj));
}

static void movgem_bo_gem_unpin(struct drm_gem_object *obj)
{
	movgem_bo_unpin(to_movgem_bo(obj));
}

/* Called with the BO pinned, or MAPPED by a dynamic importer. */
static struct sg_table *movgem_bo_get_sg_table(struct drm_gem_object *obj)
{
	struct movgem_bo *bo = to_movgem_bo(obj);
	struct sg_table *sgt;
	struct page **array;

	if (obj->import_attach)
		return ERR_PTR(-EINVAL);

	array = movgem_bo_page_array(bo);
	if (!array)
		return ERR_PTR(-ENOMEM);
	sgt = drm_prime_pages_to_sg(obj->dev, array, bo->count);
	kvfree(array);
	return sgt;
}

static enum drm_gem_object_status movgem_bo_status(struct drm_gem_object *obj)
{
	struct movgem_bo *bo = to_movgem_bo(obj);
	enum drm_gem_object_status status = 0;

	spin_lock(&bo->pages_lock);
	if (movgem_bo_has_pages(bo) || obj->import_attach)
		status |= DRM_GEM_OBJECT_RESIDENT;
	if (bo->madv == DRM_MOVGEM_MADV_DONTNEED)
		status |= DRM_GEM_OBJECT_PURGEABLE;
	spin_unlock(&bo->pages_lock);
	return status;
}

static void bo_destroy(struct movgem_bo *bo)
{
	struct drm_device *drm = bo->base.dev;
	struct movgem_device *mdev = to_movgem_device(drm);

	movgem_lru_remove(bo);

	spin_lock(&mdev->bos.lock);
	list_del(&bo->device_link);
	spin_unlock(&mdev->bos.lock);

	if (bo->base.import_attach)
		movgem_import_fini(bo);
	movgem_store_free(bo);
	/* An import, also one that has failed, has no slots. */
	if (bo->count) {
		if (bo->file)
			fput(bo->file);
		iput(bo->inode);
		movgem_mmap_unpin();
	}
	drm_gem_object_release(&bo->base);
	if (bo->exclusive_root)
		drm_gem_object_put(bo->exclusive_root);
	mutex_destroy(&bo->own_gpuva_lock);
	kvfree_rcu(bo, rcu);
	/* Last: who sees that the BO is gone finds its pages gone too. */
	movgem_stat_sub(mdev, bos_live, 1);
	drm_dev_put(drm);
}

static void bo_destroy_work(struct work_struct *work)
{
	bo_destroy(container_of(work, struct movgem_bo, reclaim_work));
}

static void movgem_bo_free(struct drm_gem_object *obj)
{
	struct movgem_bo *bo = to_movgem_bo(obj);

	/*
	 * Giving the pages back takes page locks, and a task in reclaim may
	 * hold those very locks while it moves pages. Nor can the device's
	 * shrinker go while it scans.
	 */
	if (current->flags & PF_MEMALLOC) {
		INIT_WORK(&bo->reclaim_work, bo_destroy_work);
		queue_work(movgem_wq, &bo->reclaim_work);
		return;
	}
	bo_destroy(bo);
}

static const struct drm_gem_object_funcs movgem_bo_funcs = {
	.free = movgem_bo_free,
	.export = movgem_prime_export,
	.pin = movgem_bo_gem_pin,
	.unpin = movgem_bo_gem_unpin,
	.get_sg_table = movgem_bo_get_sg_table,
	.vmap = movgem_bo_vmap,
	.vunmap = movgem_bo_vunmap,
	.mmap = movgem_bo_mmap,
	.status = movgem_bo_status,
	.vm_ops = &movgem_vm_ops,
};

/*
 * With its slots. Not more than a page of memory that cannot move at a time: a
 * driver against fragmentation must not take what is in one piece.
 */
static struct movgem_bo *alloc_memory(u32 count)
{
	gfp_t gfp = GFP_KERNEL_ACCOUNT | __GFP_NOWARN | __GFP_ZERO;
	struct movgem_bo *bo;
	size_t size = struct_size(bo, slot, count);

	return size <= PAGE_SIZE ? kmalloc(size, gfp) : __vmalloc(size, gfp);
}

/**
 * movgem_bo_alloc - a BO without pages, mapping and handle
 * @mdev: the device
 * @size: size in bytes, a number of whole pages
 * @count: slots to have, zero for an import
 *
 * Return: the BO, or NULL.
 */
struct movgem_bo *movgem_bo_alloc(struct movgem_device *mdev, u64 size,
				  u32 count)
{
	struct movgem_bo *bo;

	bo = alloc_memory(count);
	if (!bo)
		return NULL;
	bo->count = count;

	drm_gem_private_object_init(&mdev->drm, &bo->base, size);
	bo->base.funcs = &movgem_bo_funcs;
	spin_lock_init(&bo->pages_lock);
	bo->vmas = RB_ROOT_CACHED;
	mutex_init(&bo->own_gpuva_lock);
	movgem_gpuva_lock_init(&bo->base, &bo->own_gpuva_lock);
	drm_dev_get(&mdev->drm);

	spin_lock(&mdev->bos.lock);
	bo->id = ++mdev->bos.next_id;
	list_add_tail(&bo->device_link, &mdev->bos.list);
	spin_unlock(&mdev->bos.lock);
	movgem_stat_inc(mdev, bos_live);
	return bo;
}

/**
 * movgem_bo_create - create a BO with zeroed pages
 * @mdev: the device
 * @size: size in bytes, a multiple of the page size, not zero
 * @flags: DRM_MOVGEM_BO_*
 * @root: object of the only VM that will map the BO, or NULL
 *
 * Return: the BO or an ERR_PTR(), -ENOMEM or -EINTR.
 */
struct movgem_bo *movgem_bo_create(struct movgem_device *mdev, u64 size,
				   u32 flags, struct drm_gem_object *root)
{
	struct movgem_bo *bo;
	int ret;

	if (size >> PAGE_SHIFT > totalram_pages())
		return ERR_PTR(-ENOMEM);

	ret = movgem_mmap_pin();
	if (ret)
		return ERR_PTR(ret);
	bo = movgem_bo_alloc(mdev, size, size >> PAGE_SHIFT);
	if (!bo) {
		movgem_mmap_unpin();
		return ERR_PTR(-ENOMEM);
	}

	bo->flags = flags;
	if (root) {
		drm_gem_object_get(root);
		bo->exclusive_root = root;
		bo->base.resv = root->resv;
	}

	ret = movgem_store_alloc(bo);
	if (ret) {
		movgem_bo_put(bo);
		return ERR_PTR(ret);
	}
	return bo;
}

/**
 * movgem_bo_lookup - BO by handle
 * @file: DRM file
 * @handle: GEM handle
 *
 * Return: a reference of the BO, or NULL.
 */
struct movgem_bo *movgem_bo_lookup(struct drm_file *file, u32 handle)
{
	struct drm_gem_object *obj = drm_gem_object_lookup(file, handle);

	return obj ? to_movgem_bo(obj) : NULL;
}

/**
 * movgem_bo_keep - count a user who must not lose a BO's pages
 * @bo: the BO
 * @users: &movgem_bo.exports or &movgem_bo.fbs
 *
 * In return the BO is not purged, until movgem_bo_unkeep().
 *
 * Return: 0, or -EFAULT for a purged BO.
 */
int movgem_bo_keep(struct movgem_bo *bo, u32 *users)
{
	bool purged;

	spin_lock(&bo->pages_lock);
	purged = bo->madv == DRM_MOVGEM_MADV_PURGED;
	if (!purged)
		++*users;
	spin_unlock(&bo->pages_lock);
	return purged ? -EFAULT : 0;
}

/**
 * movgem_bo_unkeep - undo movgem_bo_keep()
 * @bo: the BO
 * @users: as there
 */
void movgem_bo_unkeep(struct movgem_bo *bo, u32 *users)
{
	spin_lock(&bo->pages_lock);
	--*users;
	spin_unlock(&bo->pages_lock);
}

/**
 * movgem_bo_first - start a walk over the BOs of a device
 * @mdev: the device
 *
 * Return: the first BO that is not being freed, with a reference, or NULL.
 */
struct movgem_bo *movgem_bo_first(struct movgem_device *mdev)
{
	struct movgem_bo *bo;

	spin_lock(&mdev->bos.lock);
	list_for_each_entry(bo, &mdev->bos.list, device_link) {
		if (kref_get_unless_zero(&bo->base.refcount)) {
			spin_unlock(&mdev->bos.lock);
			return bo;
		}
	}
	spin_unlock(&mdev->bos.lock);
	return NULL;
}

/**
 * movgem_bo_next - go on with a walk over the BOs of a device
 * @mdev: the device
 * @bo: the BO to go on from, whose reference is dropped. As it is alive it is
 *	in the list, so the walk is linear.
 *
 * Return: the next BO that is not being freed, with a reference, or NULL.
 */
struct movgem_bo *movgem_bo_next(struct movgem_device *mdev,
				 struct movgem_bo *bo)
{
	struct movgem_bo *next = bo;
	bool found = false;

	spin_lock(&mdev->bos.lock);
	list_for_each_entry_continue(next, &mdev->bos.list, device_link) {
		found = kref_get_unless_zero(&next->base.refcount);
		if (found)
			break;
	}
	spin_unlock(&mdev->bos.lock);
	movgem_bo_put(bo);
	return found ? next : NULL;
}
