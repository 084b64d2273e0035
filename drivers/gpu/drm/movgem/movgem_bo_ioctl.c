// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/mm.h>
#include <linux/uaccess.h>

#include <drm/drm_ioctl.h>
#include <drm/drm_mode.h>
#include <drm/drm_utils.h>

#include "movgem_bo.h"
#include "movgem_drv.h"
#include "movgem_store.h"
#include "movgem_vm.h"

/* Page indices have 32 bits; whatever fits no machine is a mistake. */
#define BO_SIZE_MAX	BIT_ULL(42)

#define BO_FLAGS	DRM_MOVGEM_BO_NO_MMAP

static int reject_handle(struct drm_device *drm, const char *ioctl, u32 handle)
{
	return movgem_reject(drm, -ENOENT, "%s.handle: no BO %u", ioctl,
			     handle);
}

/* Give a new BO a handle, which then is its only reference. */
static int publish(struct movgem_bo *bo, struct drm_file *file, u32 *handle)
{
	int ret = drm_gem_handle_create(file, &bo->base, handle);

	movgem_bo_put(bo);
	return ret;
}

/* DRM_IOCTL_MOVGEM_BO_CREATE */
int movgem_bo_create_ioctl(struct drm_device *drm, void *data,
			   struct drm_file *file)
{
	struct drm_movgem_bo_create *args = data;
	struct drm_gem_object *root = NULL;
	struct movgem_vm *vm = NULL;
	struct movgem_bo *bo;
	u64 size;
	int ret;

	if (args->flags & ~BO_FLAGS)
		return movgem_invalid(drm, "bo_create.flags: unknown 0x%x",
				      args->flags & ~BO_FLAGS);
	if (args->pad)
		return movgem_invalid(drm, "bo_create.pad: not zero");
	if (!args->size || args->size > BO_SIZE_MAX)
		return movgem_invalid(drm, "bo_create.size: %llu", args->size);

	if (args->exclusive_vm_id) {
		vm = movgem_vm_lookup(file->driver_priv, args->exclusive_vm_id);
		if (!vm)
			return movgem_reject(drm, -ENOENT,
					     "bo_create.exclusive_vm_id: no VM %u",
					     args->exclusive_vm_id);
		root = drm_gpuvm_resv_obj(&vm->base);
	}

	bo = movgem_bo_create(to_movgem_device(drm), PAGE_ALIGN(args->size),
			      args->flags, root);
	movgem_vm_put(vm);
	if (IS_ERR(bo))
		return PTR_ERR(bo);

	size = bo->base.size;
	ret = publish(bo, file, &args->handle);
	if (!ret)
		args->size = size;
	return ret;
}

/* DRM_IOCTL_MOVGEM_BO_MMAP_OFFSET */
int movgem_bo_mmap_offset_ioctl(struct drm_device *drm, void *data,
				struct drm_file *file)
{
	struct drm_movgem_bo_mmap_offset *args = data;
	struct movgem_bo *bo;
	int ret;

	if (args->pad)
		return movgem_invalid(drm, "bo_mmap_offset.pad: not zero");

	bo = movgem_bo_lookup(file, args->handle);
	if (!bo)
		return reject_handle(drm, "bo_mmap_offset", args->handle);

	if (bo->flags & DRM_MOVGEM_BO_NO_MMAP)
		ret = movgem_reject(drm, -EPERM,
				    "bo_mmap_offset.handle: BO has NO_MMAP");
	else if (bo->base.import_attach)
		ret = movgem_invalid(drm, "bo_mmap_offset.handle: imported BO");
	else
		ret = drm_gem_create_mmap_offset(&bo->base);

	if (!ret)
		args->offset = drm_vma_node_offset_addr(&bo->base.vma_node);
	movgem_bo_put(bo);
	return ret;
}

/* DRM_IOCTL_MOVGEM_BO_INFO */
int movgem_bo_info_ioctl(struct drm_device *drm, void *data,
			 struct drm_file *file)
{
	struct drm_movgem_bo_info *args = data;
	const struct movgem_store_ops *store = to_movgem_device(drm)->store;
	struct movgem_bo *bo;

	if (args->gup)
		return movgem_invalid(drm, "bo_info.gup: not zero");

	bo = movgem_bo_lookup(file, args->handle);
	if (!bo)
		return reject_handle(drm, "bo_info", args->handle);

	args->flags = bo->flags;
	args->size = bo->base.size;
	args->imported = !!bo->base.import_attach;
	spin_lock(&bo->pages_lock);
	args->pages = movgem_bo_has_pages(bo) ? bo->count : 0;
	args->moved = bo->moved;
	args->pins = bo->pins;
	args->gpu_maps = bo->gpu_maps;
	args->madvise = bo->madv;
	spin_unlock(&bo->pages_lock);
	if (store->count_gup)
		args->gup = store->count_gup(bo);

	movgem_bo_put(bo);
	return 0;
}

/* DRM_IOCTL_MOVGEM_BO_LABEL */
int movgem_bo_label_ioctl(struct drm_device *drm, void *data,
			  struct drm_file *file)
{
	char label[DRM_MOVGEM_BO_LABEL_MAX] = {};
	struct drm_movgem_bo_label *args = data;
	struct movgem_bo *bo;

	if (args->pad)
		return movgem_invalid(drm, "bo_label.pad: not zero");

	if (args->label) {
		long len = strncpy_from_user(label,
					     u64_to_user_ptr(args->label),
					     sizeof(label));

		if (len < 0)
			return len;
		if (len == sizeof(label))
			return movgem_reject(drm, -E2BIG,
					     "bo_label.label: too long");
	}

	bo = movgem_bo_lookup(file, args->handle);
	if (!bo)
		return reject_handle(drm, "bo_label", args->handle);

	spin_lock(&bo->pages_lock);
	memcpy(bo->label, label, sizeof(label));
	spin_unlock(&bo->pages_lock);

	movgem_bo_put(bo);
	return 0;
}

/* DRM_IOCTL_MOVGEM_BO_WAIT */
int movgem_bo_wait_ioctl(struct drm_device *drm, void *data,
			 struct drm_file *file)
{
	struct drm_movgem_bo_wait *args = data;
	struct movgem_bo *bo;
	long ret;

	if (args->flags)
		return movgem_invalid(drm, "bo_wait.flags: not zero");

	bo = movgem_bo_lookup(file, args->handle);
	if (!bo)
		return reject_handle(drm, "bo_wait", args->handle);

	ret = dma_resv_wait_timeout(bo->base.resv, DMA_RESV_USAGE_BOOKKEEP,
				    true,
				    drm_timeout_abs_to_jiffies(args->timeout_ns));
	movgem_bo_put(bo);
	if (!ret)
		return -ETIME;
	return min(ret, 0L);
}

/* DRM_IOCTL_MOVGEM_BO_MADVISE */
int movgem_bo_madvise_ioctl(struct drm_device *drm, void *data,
			    struct drm_file *file)
{
	struct movgem_device *mdev = to_movgem_device(drm);
	struct drm_movgem_bo_madvise *args = data;
	struct movgem_bo *bo;
	bool retained;
	int ret;

	if (args->pad)
		return movgem_invalid(drm, "bo_madvise.pad: not zero");
	if (args->madv > DRM_MOVGEM_MADV_DONTNEED)
		return movgem_invalid(drm, "bo_madvise.madv: unknown %u",
				      args->madv);

	bo = movgem_bo_lookup(file, args->handle);
	if (!bo)
		return reject_handle(drm, "bo_madvise", args->handle);

	if (bo->base.import_attach) {
		ret = movgem_invalid(drm, "bo_madvise.handle: imported BO");
		goto out_put;
	}

	ret = dma_resv_lock_interruptible(bo->base.resv, NULL);
	if (ret)
		goto out_put;

	spin_lock(&bo->pages_lock);
	retained = movgem_bo_has_pages(bo);
	if (args->madv == DRM_MOVGEM_MADV_DONTNEED && movgem_bo_kept(bo))
		ret = -EBUSY;
	else if (retained)
		bo->madv = args->madv;
	spin_unlock(&bo->pages_lock);

	if (ret) {
		movgem_reject(drm, ret, "bo_madvise.madv: BO is shared, shown or pinned");
		goto out_unlock;
	}

	args->retained = retained;
	if (retained && args->madv == DRM_MOVGEM_MADV_DONTNEED)
		drm_gem_lru_move_tail(&mdev->lru.list, &bo->base);
	else
		movgem_lru_remove(bo);

out_unlock:
	dma_resv_unlock(bo->base.resv);
out_put:
	movgem_bo_put(bo);
	return ret;
}

/**
 * movgem_dumb_create - create a dumb buffer
 * @file: DRM file
 * @drm: DRM device
 * @args: width, height and bpp; returns pitch, size and handle
 *
 * Return: 0 or a negative errno.
 */
int movgem_dumb_create(struct drm_file *file, struct drm_device *drm,
		       struct drm_mode_create_dumb *args)
{
	struct movgem_bo *bo;

	if (args->flags)
		return movgem_invalid(drm, "create_dumb.flags: not zero");
	if (args->bpp > 64)
		return movgem_invalid(drm, "create_dumb.bpp: %u", args->bpp);

	args->pitch = ALIGN(args->width * DIV_ROUND_UP(args->bpp, 8), 64);
	args->size = PAGE_ALIGN((u64)args->pitch * args->height);
	if (!args->pitch || !args->size)
		return movgem_invalid(drm, "create_dumb: empty");

	bo = movgem_bo_create(to_movgem_device(drm), args->size, 0, NULL);
	if (IS_ERR(bo))
		return PTR_ERR(bo);
	return publish(bo, file, &args->handle);
}
