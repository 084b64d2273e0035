/*
 * Copyright (C) 2026 movgem maintainers
 * SPDX-License-Identifier: MIT
 */

#ifndef MOVGEM_DRM_BO_H
#define MOVGEM_DRM_BO_H

#include <stdbool.h>
#include <stdint.h>

#include "movgem.h"

/* llvmpipe reads and writes pixels in blocks of 4x4, at the lower edge of an
 * image too, where the BO need not have room for that. So memory of nobody's
 * follows each map: three lines of the widest image, with the largest pixels.
 */
#define MOVGEM_MAX_IMAGE_SIZE 16384
#define MOVGEM_MAP_SLACK (3ull * MOVGEM_MAX_IMAGE_SIZE * 16)

enum movgem_debug {
   MOVGEM_DEBUG_BO = 1 << 0,
   MOVGEM_DEBUG_NO_CACHE = 1 << 1,
   MOVGEM_DEBUG_NO_TEXTURES = 1 << 2,
   MOVGEM_DEBUG_GPU_CLEAR = 1 << 3,
   MOVGEM_DEBUG_GPU_COPY = 1 << 4,
   MOVGEM_DEBUG_NO_GPU_BLIT = 1 << 5,
};

/* Devices and BOs are libmovgem's; these tell Mesa's log of what fails. */

/**
 * \param debug  in return, any of enum movgem_debug, from MOVGEM_DEBUG in the
 *               environment
 * \return NULL if \p fd is no movgem device, or without memory
 */
struct movgem_device *
movgem_drm_device_open(int fd, unsigned *debug);

/**
 * \return a BO of at least \p size bytes, mapped, all of them zero; NULL
 * without memory
 */
struct movgem_bo *
movgem_drm_bo_create(struct movgem_device *dev, uint64_t size);

/** \return the BO of a dma-buf, of this driver or another; NULL on errors */
struct movgem_bo *
movgem_drm_bo_import(struct movgem_device *dev, int dmabuf_fd);

/** \return a new fd for the BO's dma-buf, or -1 */
int
movgem_drm_bo_export(struct movgem_bo *bo);

/**
 * \return where the BO is mapped for reading and writing, or NULL;
 * MOVGEM_MAP_SLACK bytes after it may be written to as well
 */
void *
movgem_drm_bo_map(struct movgem_bo *bo);

/**
 * Bracket CPU access to a BO that another device may work on: waits until that
 * has ended, and has caches right.
 */
void
movgem_drm_bo_begin_access(struct movgem_bo *bo);

void
movgem_drm_bo_end_access(struct movgem_bo *bo);

#endif /* MOVGEM_DRM_BO_H */
