/* SPDX-License-Identifier: GPL-2.0 */
/* Copyright (C) 2026 movgem maintainers */
#ifndef _MOVGEM_KMS_H_
#define _MOVGEM_KMS_H_

#include <linux/iosys-map.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/types.h>

#include <drm/drm_framebuffer.h>
#include <drm/drm_mm.h>

#include "movgem_compat.h"

struct movgem_device;
struct movgem_vm;

/**
 * struct movgem_fb - a framebuffer, that is a BO that the display can reach
 */
struct movgem_fb {
	/** @base: DRM's part; first, as drm_gem_fb_destroy() frees it. */
	struct drm_framebuffer base;

	/** @vm: the display's VM, which &movgem_kms.fbs counts it for, or NULL. */
	struct movgem_vm *vm;

	/** @node: where the BO is mapped in @vm, if it is not imported. */
	struct drm_mm_node node;

	/** @map: an imported BO in the kernel's address space, else not set. */
	struct iosys_map map;

	/** @link: in &movgem_kms.fbs.imports while @map is set. */
	struct list_head link;

	/** @ready: fb_create() is done with @node and @map. */
	bool ready;
};

static_assert(offsetof(struct movgem_fb, base) == 0);

static inline struct movgem_fb *to_movgem_fb(struct drm_framebuffer *fb)
{
	return container_of(fb, struct movgem_fb, base);
}

/**
 * struct movgem_kms - the display of a device
 */
struct movgem_kms {
	/** @mdev: the device. */
	struct movgem_device *mdev;

	/** @fbs: framebuffers in the GPU's address space. */
	struct {
		/** @fbs.lock: protects the rest, outer to dma_resv. */
		struct mutex lock;

		/** @fbs.vm: the VM, while there are any. */
		struct movgem_vm *vm;

		/** @fbs.count: how many are mapped. */
		u32 count;

		/** @fbs.mm: addresses in @fbs.vm. */
		struct drm_mm mm;

		/** @fbs.imports: imported ones, by &movgem_fb.link. */
		struct list_head imports;
	} fbs;
};

/* movgem_fb.c */
extern const struct drm_mode_config_funcs movgem_mode_config_funcs;
int movgem_fb_init(struct movgem_kms *kms);
void movgem_fb_unplug(struct movgem_kms *kms);
int movgem_fb_read(struct movgem_fb *fb, u64 offset, void *buf, u32 len);
int movgem_fb_write(struct movgem_fb *fb, u64 offset, const void *buf, u32 len);

#endif
