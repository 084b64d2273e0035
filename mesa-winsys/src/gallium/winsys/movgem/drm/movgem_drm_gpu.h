/*
 * Copyright (C) 2026 movgem maintainers
 * SPDX-License-Identifier: MIT
 */

#ifndef MOVGEM_DRM_GPU_H
#define MOVGEM_DRM_GPU_H

#include <stdbool.h>
#include <stdint.h>

struct movgem_bo;
struct movgem_device;

/** The GPU for one file description: a VM, and a queue of jobs in it. */
struct movgem_gpu;

/** Boxes of this size, in bytes, lines and layers. */
struct movgem_gpu_size {
   uint64_t line;
   unsigned lines;
   unsigned layers;
};

/** A box in a BO. */
struct movgem_gpu_box {
   struct movgem_bo *bo;

   /** Where the BO is in the VM, kept by whoever has the BO; 0: nowhere yet. */
   uint64_t *va;

   /** Of its first byte, in the BO. */
   uint64_t offset;
   uint64_t stride;
   uint64_t layer_stride;
};

/** An image of 32 bit pixels that is converted, and the box in it. */
struct movgem_gpu_image {
   /** At the image's first pixel. */
   struct movgem_gpu_box box;

   /** One of those that struct drm_movgem_surface has. */
   uint32_t format;
   unsigned width, height;
   unsigned x, y;
};

/** The VM and the queue are made when they are needed. \return NULL without memory */
struct movgem_gpu *
movgem_gpu_create(struct movgem_device *dev);

/** NULL is fine. */
void
movgem_gpu_destroy(struct movgem_gpu *gpu);

/** Take a BO out of the VM, before it is given back. */
void
movgem_gpu_unbind(struct movgem_gpu *gpu, uint64_t *va, uint64_t size);

/* What the GPU does; each returns when it is done, or false if it is not, or in
 * part only: then it is to be done in another way. May be called by any thread.
 */

/** \p value  the same for all of them; all lines begin and end at 4 bytes */
bool
movgem_gpu_fill(struct movgem_gpu *gpu, const struct movgem_gpu_box *dst,
                const struct movgem_gpu_size *size, uint32_t value);

bool
movgem_gpu_copy(struct movgem_gpu *gpu, const struct movgem_gpu_box *dst,
                const struct movgem_gpu_box *src,
                const struct movgem_gpu_size *size);

/** Copy pixels from one format to another. */
bool
movgem_gpu_convert(struct movgem_gpu *gpu, const struct movgem_gpu_image *dst,
                   const struct movgem_gpu_image *src, unsigned width,
                   unsigned height, unsigned layers);

#endif /* MOVGEM_DRM_GPU_H */
