/*
 * Copyright (C) 2026 movgem maintainers
 * SPDX-License-Identifier: MIT
 */

/* Idle BOs, kept to be used again. The kernel may have their pages meanwhile. */

#include "movgem_private.h"

static unsigned
bucket_of(const struct movgem_device *dev, uint64_t size)
{
   const uint64_t pages = size / dev->page_size;

   return pages ? 63 - __builtin_clzll(pages) : 0;
}

static bool
retained(struct movgem_bo *bo, uint32_t madv)
{
   bool is;

   return !movgem_bo_madvise(bo, madv, &is) && is;
}

/* It was mapped before there was to be that much behind each map. */
static bool
lacks_slack(const struct movgem_bo *bo)
{
   return bo->map && bo->map_size - bo->size < bo->dev->map_slack;
}

static void
cache_remove(struct movgem_bo *bo)
{
   struct movgem_device *dev = bo->dev;

   TAILQ_REMOVE(&dev->cache[bucket_of(dev, bo->size)], bo, idle);
   dev->cache_size -= bo->size;
}

void
movgem_cache_trim(struct movgem_device *dev, int64_t idle_since)
{
   for (unsigned i = 0; i < CACHE_BUCKETS; i++) {
      struct movgem_bo *bo;

      while ((bo = TAILQ_FIRST(&dev->cache[i])) &&
             bo->idle_since <= idle_since) {
         cache_remove(bo);
         movgem_bo_free(bo);
      }
   }
}

bool
movgem_cache_put(struct movgem_bo *bo)
{
   struct movgem_device *dev = bo->dev;
   const unsigned bucket = bucket_of(dev, bo->size);

   if (!bo->plain || bo->shared || lacks_slack(bo) ||
       bucket >= CACHE_BUCKETS || !dev->cache_max_size)
      return false;

   bo->idle_since = movgem_now();
   movgem_cache_trim(dev, bo->idle_since - dev->cache_max_ns);
   if (bo->size > dev->cache_max_size ||
       dev->cache_size > dev->cache_max_size - bo->size ||
       !retained(bo, DRM_MOVGEM_MADV_DONTNEED))
      return false;

   movgem_bo_log(bo, "to the cache");
   TAILQ_INSERT_TAIL(&dev->cache[bucket], bo, idle);
   dev->cache_size += bo->size;
   return true;
}

struct movgem_bo *
movgem_cache_get(struct movgem_device *dev, uint64_t size)
{
   struct movgem_bo *bo, *next;
   unsigned bucket;

   size = (size + dev->page_size - 1) & ~(uint64_t)(dev->page_size - 1);
   bucket = bucket_of(dev, size);
   if (!size || bucket >= CACHE_BUCKETS)
      return NULL;

   /* The last one is the most likely to have its pages, in caches at that. */
   for (bo = TAILQ_LAST(&dev->cache[bucket], movgem_bo_list); bo; bo = next) {
      next = TAILQ_PREV(bo, movgem_bo_list, idle);
      if (bo->size < size || bo->size > size + size / 4)
         continue;
      cache_remove(bo);
      if (retained(bo, DRM_MOVGEM_MADV_WILLNEED)) {
         movgem_bo_log(bo, "from the cache");
         return bo;
      }
      movgem_bo_free(bo);
   }
   return NULL;
}
