/*
 * Copyright (C) 2026 movgem maintainers
 * SPDX-License-Identifier: MIT
 */

#ifndef MOVGEM_DRM_BO_H
#define MOVGEM_DRM_BO_H

#include <stdbool.h>
#include <stdint.h>

#include "util/list.h"
#include "util/simple_mtx.h"

struct hash_table;

/* One list of idle BOs for each power of two of pages, up to 64 MiB. */
#define MOVGEM_CACHE_BUCKETS 15

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
};

/**
 * An open file of the driver. GEM handles belong to it, so there is one for
 * each file description.
 */
struct movgem_device {
   /** Ours to close. */
   int fd;

   /** Any of enum movgem_debug, from MOVGEM_DEBUG in the environment. */
   unsigned debug;

   /** Guards all that follows, and everything in a BO that is not constant. */
   simple_mtx_t lock;

   /** GEM handle to BO, of those that somebody else may know. */
   struct hash_table *handles;

   /** Idle BOs, by size; in each the one that has been idle longest first. */
   struct list_head cache[MOVGEM_CACHE_BUCKETS];
   uint64_t cache_size;
};

/** A buffer object: movgem's own, or a dma-buf of another driver. */
struct movgem_bo {
   struct movgem_device *dev;
   uint32_t handle;
   uint64_t size;

   unsigned refcount;

   /** Where it is mapped, or NULL; once mapped it stays so. */
   void *map;

   /** Exported, imported, or its handle is known: it is in dev->handles. */
   bool shared;

   /** The dma-buf of another driver's BO, else -1. */
   int foreign_fd;

   /** In a bucket of the cache, since when. */
   struct list_head idle;
   int64_t idle_since;
};

/** \return NULL if \p fd is no movgem device, or without memory */
struct movgem_device *
movgem_device_create(int fd);

void
movgem_device_destroy(struct movgem_device *dev);

/**
 * \return a BO of at least \p size bytes, mapped, all of them zero; NULL
 * without memory
 */
struct movgem_bo *
movgem_bo_create(struct movgem_device *dev, uint64_t size);

/** \return the BO of a dma-buf, of this driver or another; NULL on errors */
struct movgem_bo *
movgem_bo_import(struct movgem_device *dev, int dmabuf_fd);

/** \return a new fd for the BO's dma-buf, or -1 */
int
movgem_bo_export(struct movgem_bo *bo);

/** \return the BO's GEM handle, which others may use from now on */
uint32_t
movgem_bo_get_handle(struct movgem_bo *bo);

/**
 * Get all BOs that somebody else may know, with a reference to each.
 *
 * \param bos  set to an array that the caller frees
 * \return how many there are; 0 without memory for the array, too
 */
unsigned
movgem_device_get_shared(struct movgem_device *dev, struct movgem_bo ***bos);

/**
 * \return where the BO is mapped for reading and writing, or NULL;
 * MOVGEM_MAP_SLACK bytes after it may be written to as well
 */
void *
movgem_bo_map(struct movgem_bo *bo);

/**
 * Bracket CPU access to a BO that another device may work on: waits until that
 * has ended, and has caches right.
 */
void
movgem_bo_begin_access(struct movgem_bo *bo);

void
movgem_bo_end_access(struct movgem_bo *bo);

void
movgem_bo_unref(struct movgem_bo *bo);

#endif /* MOVGEM_DRM_BO_H */
