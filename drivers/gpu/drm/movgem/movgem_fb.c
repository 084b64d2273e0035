// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include <drm/drm_atomic_helper.h>
#include <drm/drm_drv.h>
#include <drm/drm_fourcc.h>
#include <drm/drm_gem_framebuffer_helper.h>
#include <drm/drm_managed.h>
#include <drm/drm_mode.h>
#include <drm/drm_modeset_helper.h>

#include "movgem_bind.h"
#include "movgem_bo.h"
#include "movgem_device.h"
#include "movgem_engine.h"
#include "movgem_kms.h"
#include "movgem_vm.h"

/**
 * DOC: Framebuffers
 *
 * The display has a VM of the driver's own, in which the BO of each framebuffer (or
 * both of them, where NV12 has its planes in two) is mapped for as long as the
 * framebuffer lives. So what a move does for jobs it does for the display as well:
 * the page is blocked in this VM too, and the display's TLB is invalidated with the
 * others. Nothing is pinned, and a page flip maps nothing.
 *
 * A VM has GPU page tables and holds the module, so this one is there only as
 * long as there are framebuffers. Its address space has a hole behind each BO.
 *
 * The BO of an imported framebuffer has its pages elsewhere, and DMA addresses
 * that its exporter may take back but for fences, which a screen has none of. It
 * is mapped in the kernel for as long as the framebuffer lives, or until the
 * device goes, which pins it at its exporter.
 *
 * No fence says that the screen reads a BO, so as long as it has a framebuffer it
 * is not purged, and user space cannot give it up.
 */

/**
 * movgem_fb_init - set up what framebuffers share
 * @kms: the display
 *
 * Return: 0 or -ENOMEM.
 */
int movgem_fb_init(struct movgem_kms *kms)
{
	INIT_LIST_HEAD(&kms->fbs.imports);
	return drmm_mutex_init(&kms->mdev->drm, &kms->fbs.lock);
}

static unsigned int num_bos(struct movgem_fb *fb)
{
	struct drm_gem_object **obj = fb->base.obj;

	return obj[1] && obj[1] != obj[0] ? 2 : 1;
}

/* Where a plane of the format is. */
static struct movgem_fb_bo *fb_bo(struct movgem_fb *fb, unsigned int plane)
{
	return &fb->bos[min(plane, num_bos(fb) - 1)];
}

/* The VM's first framebuffer brings it. */
static int vm_get(struct movgem_kms *kms)
{
	struct movgem_vm *vm;

	lockdep_assert_held(&kms->fbs.lock);

	if (!kms->fbs.vm) {
		vm = movgem_vm_create(kms->mdev);
		if (IS_ERR(vm))
			return PTR_ERR(vm);
		drm_mm_init(&kms->fbs.mm, MOVGEM_VA_START,
			    MOVGEM_VA_END - MOVGEM_VA_START);
		kms->fbs.vm = vm;
	}
	kms->fbs.count++;
	return 0;
}

static void vm_put(struct movgem_kms *kms)
{
	lockdep_assert_held(&kms->fbs.lock);

	if (--kms->fbs.count)
		return;
	drm_mm_takedown(&kms->fbs.mm);
	movgem_vm_kill(kms->fbs.vm);
	kms->fbs.vm = NULL;
}

static int bind(struct movgem_kms *kms, struct movgem_fb_bo *fbo)
{
	int ret;

	lockdep_assert_held(&kms->fbs.lock);

	ret = drm_mm_insert_node(&kms->fbs.mm, &fbo->node,
				 fbo->bo->base.size + PAGE_SIZE);
	if (ret)
		return ret;
	ret = movgem_vm_map(kms->fbs.vm, fbo->bo, fbo->node.start);
	if (ret)
		drm_mm_remove_node(&fbo->node);
	return ret;
}

static void unbind(struct movgem_kms *kms, struct movgem_fb_bo *fbo)
{
	lockdep_assert_held(&kms->fbs.lock);

	movgem_vm_unmap(kms->fbs.vm, fbo->bo, fbo->node.start);
	drm_mm_remove_node(&fbo->node);
}

static int map_import(struct movgem_kms *kms, struct movgem_fb_bo *fbo)
{
	struct drm_gem_object *obj = &fbo->bo->base;
	int ret, idx;

	lockdep_assert_held(&kms->fbs.lock);

	/* What is mapped by then movgem_fb_unplug() will find. */
	if (!drm_dev_enter(obj->dev, &idx))
		return -ENODEV;
	ret = dma_resv_lock_interruptible(obj->resv, NULL);
	if (!ret) {
		ret = movgem_bo_vmap(obj, &fbo->map);
		dma_resv_unlock(obj->resv);
	}
	if (!ret)
		list_add(&fbo->link, &kms->fbs.imports);
	drm_dev_exit(idx);
	return ret;
}

static void unmap_import(struct movgem_kms *kms, struct movgem_fb_bo *fbo)
{
	struct drm_gem_object *obj = &fbo->bo->base;

	lockdep_assert_held(&kms->fbs.lock);

	dma_resv_lock(obj->resv, NULL);
	movgem_bo_vunmap(obj, &fbo->map);
	dma_resv_unlock(obj->resv);
	iosys_map_clear(&fbo->map);
	list_del(&fbo->link);
}

static int keep(struct movgem_fb *fb, unsigned int plane)
{
	struct movgem_bo *bo = to_movgem_bo(fb->base.obj[plane]);
	int ret;

	ret = movgem_bo_keep(bo, &bo->fbs);
	if (ret)
		return movgem_reject(fb->base.dev, ret,
				     "fb.handles[%u]: BO was purged", plane);
	fb->bos[plane].bo = bo;
	return 0;
}

/* If this fails fb_destroy() undoes what has been done. */
static int fb_map(struct movgem_kms *kms, struct movgem_fb *fb)
{
	int ret = 0;

	for (unsigned int i = 0; !ret && i < num_bos(fb); i++)
		ret = keep(fb, i);
	if (ret)
		return ret;

	mutex_lock(&kms->fbs.lock);
	ret = vm_get(kms);
	if (!ret)
		fb->vm = kms->fbs.vm;
	for (unsigned int i = 0; !ret && i < num_bos(fb); i++) {
		struct movgem_fb_bo *fbo = &fb->bos[i];

		ret = fbo->bo->base.import_attach ? map_import(kms, fbo) :
						    bind(kms, fbo);
	}
	mutex_unlock(&kms->fbs.lock);
	return ret;
}

static void fb_unmap(struct movgem_kms *kms, struct movgem_fb *fb)
{
	for (unsigned int i = 0; i < num_bos(fb); i++) {
		struct movgem_fb_bo *fbo = &fb->bos[i];

		mutex_lock(&kms->fbs.lock);
		if (!iosys_map_is_null(&fbo->map))
			unmap_import(kms, fbo);
		if (drm_mm_node_allocated(&fbo->node))
			unbind(kms, fbo);
		mutex_unlock(&kms->fbs.lock);
		if (fbo->bo)
			movgem_bo_unkeep(fbo->bo, &fbo->bo->fbs);
	}
}

/*
 * The last reference may be that of a work item of DRM's. The VM goes last, as it
 * holds the module, and the device after it.
 */
static void fb_destroy(struct drm_framebuffer *base)
{
	struct movgem_kms *kms = to_movgem_device(base->dev)->kms;
	struct movgem_fb *fb = to_movgem_fb(base);
	struct drm_device *drm = base->dev;
	bool counted = fb->vm;

	drm_dev_get(drm);
	fb_unmap(kms, fb);
	drm_gem_fb_destroy(base);

	if (counted) {
		mutex_lock(&kms->fbs.lock);
		vm_put(kms);
		mutex_unlock(&kms->fbs.lock);
	}
	drm_dev_put(drm);
}

static const struct drm_framebuffer_funcs fb_funcs = {
	.destroy = fb_destroy,
	.create_handle = drm_gem_fb_create_handle,
};

/* DRM has seen to it that each plane is within its BO. */
static int check(struct movgem_fb *fb)
{
	for (unsigned int i = 0; i < num_bos(fb); i++)
		if (to_movgem_bo(fb->base.obj[i])->exclusive_root)
			return movgem_invalid(fb->base.dev,
					      "fb.handles[%u]: BO has an exclusive VM",
					      i);
	return 0;
}

static struct drm_framebuffer *fb_create(MOVGEM_FB_CREATE_ARGS)
{
	struct movgem_fb *fb;
	int ret;

	fb = kzalloc(sizeof(*fb), GFP_KERNEL_ACCOUNT);
	if (!fb)
		return ERR_PTR(-ENOMEM);

	ret = movgem_gem_fb_init(&fb->base, &fb_funcs);
	if (ret) {
		kfree(fb);
		return ERR_PTR(ret);
	}

	/* From here on it has an id: who guesses that shows black until @ready. */
	ret = check(fb);
	if (!ret)
		ret = fb_map(to_movgem_device(drm)->kms, fb);
	if (ret) {
		drm_framebuffer_put(&fb->base);
		return ERR_PTR(ret);
	}
	/* Who sees that sees @bos. */
	smp_store_release(&fb->ready, true);
	return &fb->base;
}

const struct drm_mode_config_funcs movgem_mode_config_funcs = {
	.fb_create = fb_create,
	.atomic_check = drm_atomic_helper_check,
	.atomic_commit = movgem_kms_commit,
};

/**
 * movgem_fb_unplug - unmap the imported framebuffers of a device that has gone
 * @kms: the display, off for good
 */
void movgem_fb_unplug(struct movgem_kms *kms)
{
	struct movgem_fb_bo *fbo, *next;

	mutex_lock(&kms->fbs.lock);
	list_for_each_entry_safe(fbo, next, &kms->fbs.imports, link)
		unmap_import(kms, fbo);
	mutex_unlock(&kms->fbs.lock);
}

static bool is_mapped(struct movgem_fb *fb, struct movgem_fb_bo *fbo)
{
	/* Then what fb_create() has written before is seen. */
	return smp_load_acquire(&fb->ready) &&
	       (!iosys_map_is_null(&fbo->map) ||
		drm_mm_node_allocated(&fbo->node));
}

/* Of a byte of a line, from the start of the BO. */
static u64 offset_of(struct movgem_fb *fb, unsigned int plane, u32 x, u32 y)
{
	return fb->base.offsets[plane] + (u64)y * fb->base.pitches[plane] + x;
}

/**
 * movgem_fb_read - read from a framebuffer for the display
 * @fb: the framebuffer
 * @plane: plane of the format
 * @x: first byte of the line
 * @y: line of the plane
 * @buf: where to
 * @len: bytes, of that line
 *
 * Context: sleeps while pages move, fence signalling path.
 *
 * Return: 0, or -EFAULT where there is no memory.
 */
int movgem_fb_read(struct movgem_fb *fb, unsigned int plane, u32 x, u32 y,
		   void *buf, u32 len)
{
	struct movgem_device *mdev = to_movgem_device(fb->base.dev);
	struct movgem_fb_bo *fbo = fb_bo(fb, plane);
	u64 offset = offset_of(fb, plane, x, y);

	if (!is_mapped(fb, fbo))
		return -EFAULT;
	if (!iosys_map_is_null(&fbo->map)) {
		iosys_map_memcpy_from(buf, &fbo->map, offset, len);
		return 0;
	}
	return mdev->engine->display_read(mdev, fb->vm,
					  fbo->node.start + offset, buf, len);
}

/**
 * movgem_fb_write - write a line of a framebuffer for writeback
 * @fb: the framebuffer, of a format with one plane
 * @y: the line
 * @buf: what
 * @len: bytes
 *
 * Context: as movgem_fb_read().
 *
 * Return: as movgem_fb_read().
 */
int movgem_fb_write(struct movgem_fb *fb, u32 y, const void *buf, u32 len)
{
	struct movgem_device *mdev = to_movgem_device(fb->base.dev);
	struct movgem_fb_bo *fbo = fb_bo(fb, 0);
	u64 offset = offset_of(fb, 0, 0, y);

	if (!is_mapped(fb, fbo))
		return -EFAULT;
	if (!iosys_map_is_null(&fbo->map)) {
		iosys_map_memcpy_to(&fbo->map, offset, buf, len);
		return 0;
	}
	return mdev->engine->display_write(mdev, fb->vm,
					   fbo->node.start + offset, buf, len);
}
