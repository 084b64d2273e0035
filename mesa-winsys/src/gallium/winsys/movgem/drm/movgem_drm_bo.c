/*
 * Copyright (C) 2026 movgem maintainers
 * SPDX-License-Identifier: MIT
 */

#include "movgem_drm_bo.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <linux/dma-buf.h>
#include <xf86drm.h>

#include "drm-uapi/movgem_drm.h"
#include "util/log.h"
#include "util/os_file.h"
#include "util/os_misc.h"
#include "util/os_mman.h"
#include "util/os_time.h"
#include "util/u_debug.h"
#include "util/u_hash_table.h"
#include "util/u_math.h"
#include "util/u_memory.h"

/* Idle BOs are kept for this long, and no more of them than this. The kernel
 * may have their pages at any time, so that they cost little.
 */
#define CACHE_USECS (2 * 1000 * 1000)
#define CACHE_SIZE (128ull << 20)

static const struct debug_named_value debug_flags[] = {
   { "bo", MOVGEM_DEBUG_BO, "Log what happens to BOs" },
   { "nocache", MOVGEM_DEBUG_NO_CACHE, "Keep no BOs for reuse" },
   { "notextures", MOVGEM_DEBUG_NO_TEXTURES,
     "Textures that nobody else uses are memory of the process" },
   DEBUG_NAMED_VALUE_END
};

#define bo_log(bo, what)                                                      \
   do {                                                                       \
      if ((bo)->dev->debug & MOVGEM_DEBUG_BO)                                 \
         mesa_logi("movgem: bo %u, %" PRIu64 " bytes: %s", (bo)->handle,      \
                   (bo)->size, what);                                         \
   } while (0)

struct movgem_device *
movgem_device_create(int fd)
{
   struct drm_movgem_mem_info info = { 0 };
   struct drm_movgem_dev_query query = {
      .type = DRM_MOVGEM_DEV_QUERY_MEM_INFO,
      .size = sizeof(info),
      .pointer = (uintptr_t)&info,
   };

   if (drmIoctl(fd, DRM_IOCTL_MOVGEM_DEV_QUERY, &query)) {
      mesa_loge("movgem: not a movgem device: %s", strerror(errno));
      return NULL;
   }

   struct movgem_device *dev = CALLOC_STRUCT(movgem_device);
   if (!dev)
      return NULL;

   dev->handles = util_hash_table_create_ptr_keys();
   dev->fd = os_dupfd_cloexec(fd);
   if (!dev->handles || dev->fd < 0) {
      _mesa_hash_table_destroy(dev->handles, NULL);
      FREE(dev);
      return NULL;
   }
   simple_mtx_init(&dev->lock, mtx_plain);
   for (unsigned i = 0; i < ARRAY_SIZE(dev->cache); i++)
      list_inithead(&dev->cache[i]);
   dev->debug = debug_get_flags_option("MOVGEM_DEBUG", debug_flags, 0);
   return dev;
}

/* The rest is called with dev->lock, as far as BOs are concerned that others
 * can have.
 */

static void
bo_free(struct movgem_bo *bo)
{
   bo_log(bo, "freed");
   if (bo->map)
      os_munmap(bo->map, bo->size + MOVGEM_MAP_SLACK);
   if (bo->foreign_fd >= 0)
      close(bo->foreign_fd);
   drmCloseBufferHandle(bo->dev->fd, bo->handle);
   FREE(bo);
}

/* \return whether the pages are there */
static bool
bo_madvise(struct movgem_bo *bo, uint32_t madv)
{
   struct drm_movgem_bo_madvise args = {
      .handle = bo->handle,
      .madv = madv,
   };

   return !drmIoctl(bo->dev->fd, DRM_IOCTL_MOVGEM_BO_MADVISE, &args) &&
          args.retained;
}

static unsigned
cache_bucket(uint64_t size)
{
   uint64_t page_size;

   os_get_page_size(&page_size);
   return util_logbase2_64(size / page_size);
}

static void
cache_remove(struct movgem_bo *bo)
{
   list_del(&bo->idle);
   bo->dev->cache_size -= bo->size;
}

static void
cache_trim(struct movgem_device *dev, int64_t idle_before)
{
   for (unsigned i = 0; i < ARRAY_SIZE(dev->cache); i++) {
      list_for_each_entry_safe(struct movgem_bo, bo, &dev->cache[i], idle) {
         if (bo->idle_since > idle_before)
            break;
         cache_remove(bo);
         bo_free(bo);
      }
   }
}

/* \return false for a BO that is not to be kept */
static bool
cache_put(struct movgem_bo *bo)
{
   struct movgem_device *dev = bo->dev;
   unsigned bucket = cache_bucket(bo->size);

   if (bo->shared || bucket >= ARRAY_SIZE(dev->cache) ||
       dev->debug & MOVGEM_DEBUG_NO_CACHE)
      return false;

   bo->idle_since = os_time_get();
   cache_trim(dev, bo->idle_since - CACHE_USECS);
   if (dev->cache_size + bo->size > CACHE_SIZE ||
       !bo_madvise(bo, DRM_MOVGEM_MADV_DONTNEED))
      return false;

   bo_log(bo, "to the cache");
   list_addtail(&bo->idle, &dev->cache[bucket]);
   dev->cache_size += bo->size;
   return true;
}

static struct movgem_bo *
cache_get(struct movgem_device *dev, uint64_t size)
{
   unsigned bucket = cache_bucket(size);

   if (bucket >= ARRAY_SIZE(dev->cache))
      return NULL;

   /* The last one is the most likely to have its pages, in caches at that. */
   list_for_each_entry_safe_rev(struct movgem_bo, bo, &dev->cache[bucket], idle) {
      if (bo->size < size || bo->size > size + size / 4)
         continue;
      cache_remove(bo);
      if (bo_madvise(bo, DRM_MOVGEM_MADV_WILLNEED)) {
         bo_log(bo, "from the cache");
         return bo;
      }
      bo_free(bo);
   }
   return NULL;
}

void
movgem_device_destroy(struct movgem_device *dev)
{
   cache_trim(dev, INT64_MAX);
   assert(!dev->cache_size && !_mesa_hash_table_num_entries(dev->handles));
   _mesa_hash_table_destroy(dev->handles, NULL);
   simple_mtx_destroy(&dev->lock);
   close(dev->fd);
   FREE(dev);
}

static struct movgem_bo *
bo_new(struct movgem_device *dev, uint32_t handle, uint64_t size)
{
   struct movgem_bo *bo = CALLOC_STRUCT(movgem_bo);

   if (!bo)
      return NULL;
   bo->dev = dev;
   bo->handle = handle;
   bo->size = size;
   bo->foreign_fd = -1;
   return bo;
}

/* Others may know the BO's handle, or have the BO by another one. */
static void
bo_share(struct movgem_bo *bo)
{
   if (bo->shared)
      return;
   _mesa_hash_table_insert(bo->dev->handles,
                           (void *)(uintptr_t)bo->handle, bo);
   bo->shared = true;
}

/* For debugging: the BO shows up by this name in debugfs. */
static void
bo_label(struct movgem_bo *bo)
{
   struct drm_movgem_bo_label args = {
      .handle = bo->handle,
      .label = (uintptr_t)"mesa",
   };

   drmIoctl(bo->dev->fd, DRM_IOCTL_MOVGEM_BO_LABEL, &args);
}

static void *
bo_map(struct movgem_bo *bo)
{
   struct drm_movgem_bo_mmap_offset args = { .handle = bo->handle };
   const int fd = bo->foreign_fd < 0 ? bo->dev->fd : bo->foreign_fd;
   const int prot = PROT_READ | PROT_WRITE;
   void *map;

   if (bo->map)
      return bo->map;

   if (bo->foreign_fd < 0 &&
       drmIoctl(bo->dev->fd, DRM_IOCTL_MOVGEM_BO_MMAP_OFFSET, &args))
      return NULL;

   /* A BO of ours too may come back as an image of another shape. */
   map = os_mmap(NULL, bo->size + MOVGEM_MAP_SLACK, prot,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
   if (map == MAP_FAILED)
      return NULL;
   if (os_mmap(map, bo->size, prot, MAP_SHARED | MAP_FIXED, fd,
               args.offset) == MAP_FAILED) {
      const int error = errno;

      os_munmap(map, bo->size + MOVGEM_MAP_SLACK);
      errno = error;
      return NULL;
   }
   bo->map = map;
   return map;
}

struct movgem_bo *
movgem_bo_create(struct movgem_device *dev, uint64_t size)
{
   struct drm_movgem_bo_create args = { 0 };
   struct movgem_bo *bo;
   uint64_t page_size;

   os_get_page_size(&page_size);
   size = align64(MAX2(size, 1), page_size);

   simple_mtx_lock(&dev->lock);
   bo = cache_get(dev, size);
   simple_mtx_unlock(&dev->lock);
   if (bo) {
      memset(bo->map, 0, bo->size);
      bo->refcount = 1;
      return bo;
   }

   args.size = size;
   if (drmIoctl(dev->fd, DRM_IOCTL_MOVGEM_BO_CREATE, &args)) {
      mesa_loge("movgem: no BO of %" PRIu64 " bytes: %s", size, strerror(errno));
      return NULL;
   }

   bo = bo_new(dev, args.handle, args.size);
   if (!bo) {
      drmCloseBufferHandle(dev->fd, args.handle);
      return NULL;
   }
   bo->refcount = 1;
   bo_label(bo);
   if (!bo_map(bo)) {
      /* There is a limit to how many maps a process has; idle BOs have some. */
      simple_mtx_lock(&dev->lock);
      cache_trim(dev, INT64_MAX);
      simple_mtx_unlock(&dev->lock);
   }
   if (!bo_map(bo)) {
      mesa_loge("movgem: mapping a BO: %s", strerror(errno));
      bo_free(bo);
      return NULL;
   }
   bo_log(bo, "created");
   return bo;
}

/* \return the BO, without a reference yet */
static struct movgem_bo *
bo_import(struct movgem_device *dev, int dmabuf_fd)
{
   struct drm_movgem_bo_info info = { 0 };
   struct movgem_bo *bo;
   uint32_t handle;

   if (drmPrimeFDToHandle(dev->fd, dmabuf_fd, &handle)) {
      mesa_loge("movgem: importing a dma-buf: %s", strerror(errno));
      return NULL;
   }

   bo = util_hash_table_get(dev->handles, (void *)(uintptr_t)handle);
   if (bo)
      return bo;

   info.handle = handle;
   bo = bo_new(dev, handle, 0);
   if (!bo || drmIoctl(dev->fd, DRM_IOCTL_MOVGEM_BO_INFO, &info))
      goto fail;
   bo->size = info.size;
   if (info.imported) {
      bo->foreign_fd = os_dupfd_cloexec(dmabuf_fd);
      if (bo->foreign_fd < 0)
         goto fail;
   }
   bo_share(bo);
   bo_log(bo, info.imported ? "imported from another driver" : "imported");
   return bo;

fail:
   drmCloseBufferHandle(dev->fd, handle);
   FREE(bo);
   return NULL;
}

struct movgem_bo *
movgem_bo_import(struct movgem_device *dev, int dmabuf_fd)
{
   simple_mtx_lock(&dev->lock);
   struct movgem_bo *bo = bo_import(dev, dmabuf_fd);
   if (bo)
      bo->refcount++;
   simple_mtx_unlock(&dev->lock);
   return bo;
}

int
movgem_bo_export(struct movgem_bo *bo)
{
   int fd;

   if (drmPrimeHandleToFD(bo->dev->fd, movgem_bo_get_handle(bo),
                          DRM_CLOEXEC | DRM_RDWR, &fd)) {
      mesa_loge("movgem: exporting a BO: %s", strerror(errno));
      return -1;
   }
   bo_log(bo, "exported");
   return fd;
}

uint32_t
movgem_bo_get_handle(struct movgem_bo *bo)
{
   simple_mtx_lock(&bo->dev->lock);
   bo_share(bo);
   simple_mtx_unlock(&bo->dev->lock);
   return bo->handle;
}

void *
movgem_bo_map(struct movgem_bo *bo)
{
   simple_mtx_lock(&bo->dev->lock);
   void *map = bo_map(bo);
   simple_mtx_unlock(&bo->dev->lock);
   return map;
}

static void
bo_sync(struct movgem_bo *bo, uint64_t flags)
{
   struct dma_buf_sync args = { .flags = flags | DMA_BUF_SYNC_RW };

   drmIoctl(bo->foreign_fd, DMA_BUF_IOCTL_SYNC, &args);
}

void
movgem_bo_begin_access(struct movgem_bo *bo)
{
   if (bo->foreign_fd < 0) {
      struct drm_movgem_bo_wait args = {
         .handle = bo->handle,
         .timeout_ns = INT64_MAX,
      };

      drmIoctl(bo->dev->fd, DRM_IOCTL_MOVGEM_BO_WAIT, &args);
      return;
   }

   bo_sync(bo, DMA_BUF_SYNC_START);
}

void
movgem_bo_end_access(struct movgem_bo *bo)
{
   if (bo->foreign_fd >= 0)
      bo_sync(bo, DMA_BUF_SYNC_END);
}

unsigned
movgem_device_get_shared(struct movgem_device *dev, struct movgem_bo ***bos)
{
   unsigned count = 0;

   *bos = NULL;
   simple_mtx_lock(&dev->lock);
   const unsigned size = _mesa_hash_table_num_entries(dev->handles);
   if (size)
      *bos = MALLOC(size * sizeof(**bos));
   if (*bos) {
      hash_table_foreach(dev->handles, entry) {
         struct movgem_bo *bo = entry->data;

         bo->refcount++;
         (*bos)[count++] = bo;
      }
   }
   simple_mtx_unlock(&dev->lock);
   return count;
}

void
movgem_bo_unref(struct movgem_bo *bo)
{
   struct movgem_device *dev = bo->dev;

   simple_mtx_lock(&dev->lock);
   assert(bo->refcount);
   if (!--bo->refcount) {
      if (bo->shared)
         _mesa_hash_table_remove_key(dev->handles,
                                     (void *)(uintptr_t)bo->handle);
      if (!cache_put(bo))
         bo_free(bo);
   }
   simple_mtx_unlock(&dev->lock);
}
