/*
 * Copyright (C) 2026 movgem maintainers
 * SPDX-License-Identifier: MIT
 */

#ifndef MOVGEM_PRIVATE_H
#define MOVGEM_PRIVATE_H

#include <errno.h>
#include <pthread.h>
#include <sys/queue.h>
#include <sys/types.h>
#include <xf86drm.h>

#include "movgem.h"

/* All else is hidden. Where the library is a part of another one, so is this. */
#ifndef movgem_public
#define movgem_public __attribute__((visibility("default")))
#endif

/* One list of idle BOs for each power of two of pages, up to 64 MiB. */
#define CACHE_BUCKETS 15

TAILQ_HEAD(movgem_bo_list, movgem_bo);

struct movgem_device {
   /* Ours to close. */
   int fd;
   dev_t node;
   size_t page_size;

   /* These two with the lock of all devices. */
   unsigned refcount;
   LIST_ENTRY(movgem_device) link;

   /* Guards what follows, and in BOs what is not constant. */
   pthread_mutex_t lock;

   /* GEM handle to BO, of those that somebody else may know. */
   void *handles;
   unsigned shared;

   /* By size; in each the BO that has been idle longest first. */
   struct movgem_bo_list cache[CACHE_BUCKETS];
   uint64_t cache_size;
   uint64_t cache_max_size;
   int64_t cache_max_ns;

   size_t map_slack;

   void (*log)(void *data, const struct movgem_bo *bo, uint32_t handle,
               const char *what);
   void *log_data;
};

struct movgem_bo {
   /* With a reference while there is one to the BO. */
   struct movgem_device *dev;
   uint32_t handle;
   uint64_t size;

   unsigned refcount;

   void *map;
   size_t map_size;

   /* What it was last named here. */
   char label[DRM_MOVGEM_BO_LABEL_MAX];

   /* Exported, imported, its handle is known: it is in dev->handles. */
   bool shared;

   /* Made without anything special about it. */
   bool plain;

   /* The dma-buf of another driver's BO, else -1. */
   int foreign_fd;

   TAILQ_ENTRY(movgem_bo) idle;
   int64_t idle_since;
};

/* ioctl(), repeated after signals. \return 0 or a negative errno value */
static inline int
movgem_ioctl(int fd, unsigned long request, void *args)
{
   return drmIoctl(fd, request, args) ? -errno : 0;
}

static inline int
movgem_check_access(uint32_t access)
{
   const uint32_t all = MOVGEM_ACCESS_READ | MOVGEM_ACCESS_WRITE;

   return access && !(access & ~all) ? 0 : -EINVAL;
}

static inline void
movgem_bo_log(const struct movgem_bo *bo, const char *what)
{
   if (bo->dev->log)
      bo->dev->log(bo->dev->log_data, bo, bo->handle, what);
}

/* The end of a BO that has no reference left. */
void
movgem_bo_free(struct movgem_bo *bo);

/* With the device's lock, like all that follow: the BO becomes one that others may know. \return 0 or -ENOMEM */
int
movgem_bo_share(struct movgem_bo *bo);

/* \return false for a BO that is not to be kept */
bool
movgem_cache_put(struct movgem_bo *bo);

/* \return a BO that has its pages, with what is in them; or NULL */
struct movgem_bo *
movgem_cache_get(struct movgem_device *dev, uint64_t size);

/* Frees those that have been idle since then, or longer. */
void
movgem_cache_trim(struct movgem_device *dev, int64_t idle_since);

/* Without it. */

int64_t
movgem_now(void);

int
movgem_query(int fd, uint32_t type, void *info, uint32_t size);

#endif /* MOVGEM_PRIVATE_H */
