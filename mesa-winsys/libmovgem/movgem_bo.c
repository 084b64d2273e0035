/*
 * Copyright (C) 2026 movgem maintainers
 * SPDX-License-Identifier: MIT
 */

/* Buffers: made, mapped once, exported, imported. */

#include "movgem_private.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/dma-buf.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

void
movgem_bo_free(struct movgem_bo *bo)
{
   movgem_bo_log(bo, "freed");
   if (bo->map)
      munmap(bo->map, bo->map_size);
   if (bo->foreign_fd >= 0)
      close(bo->foreign_fd);
   drmCloseBufferHandle(bo->dev->fd, bo->handle);
   free(bo);
}

static struct movgem_bo *
bo_new(struct movgem_device *dev, uint32_t handle, uint64_t size)
{
   struct movgem_bo *bo = calloc(1, sizeof(*bo));

   if (!bo)
      return NULL;
   bo->dev = dev;
   bo->handle = handle;
   bo->size = size;
   bo->foreign_fd = -1;
   return bo;
}

/* Hands it out for the first time, or again. */
static void
bo_give(struct movgem_bo *bo, struct movgem_bo **out)
{
   if (!bo->refcount++)
      movgem_device_ref(bo->dev);
   *out = bo;
}

int
movgem_bo_share(struct movgem_bo *bo)
{
   if (bo->shared)
      return 0;
   if (drmHashInsert(bo->dev->handles, bo->handle, bo))
      return -ENOMEM;
   bo->shared = true;
   bo->dev->shared++;
   return 0;
}

/* These two with the lock, or for a BO that nobody else has so far.
 *
 * A BO of ours too may come back as an image of another shape, so all of them
 * have slack, of memory that is nobody's.
 */
static int
bo_map(struct movgem_bo *bo)
{
   struct drm_movgem_bo_mmap_offset args = { .handle = bo->handle };
   const int fd = bo->foreign_fd < 0 ? bo->dev->fd : bo->foreign_fd;
   const size_t size = bo->size + bo->dev->map_slack;
   const int prot = PROT_READ | PROT_WRITE;
   void *map;
   int ret;

   if (bo->map)
      return 0;
   if (size < bo->size)
      return -ENOMEM;

   if (bo->foreign_fd < 0) {
      ret = movgem_ioctl(fd, DRM_IOCTL_MOVGEM_BO_MMAP_OFFSET, &args);
      if (ret)
         return ret;
   }

   map = mmap(NULL, size, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
              -1, 0);
   if (map == MAP_FAILED)
      return -errno;
   if (mmap(map, bo->size, prot, MAP_SHARED | MAP_FIXED, fd, args.offset) ==
       MAP_FAILED) {
      ret = -errno;
      munmap(map, size);
      return ret;
   }
   bo->map = map;
   bo->map_size = size;
   return 0;
}

static int
bo_label(struct movgem_bo *bo, const char *label)
{
   struct drm_movgem_bo_label args = {
      .handle = bo->handle,
      .label = (uintptr_t)label,
   };
   int ret;

   /* Others who have it may have named it anew meanwhile. */
   if (!bo->shared && !strcmp(bo->label, label ? label : ""))
      return 0;
   ret = movgem_ioctl(bo->dev->fd, DRM_IOCTL_MOVGEM_BO_LABEL, &args);
   /* It is short enough then. */
   if (!ret)
      strcpy(bo->label, label ? label : "");
   return ret;
}

static int
bo_create(struct movgem_device *dev, const struct movgem_bo_params *params,
          struct movgem_bo **out)
{
   struct drm_movgem_bo_create args = {
      .size = params->size,
      .flags = params->flags,
      .exclusive_vm_id = params->exclusive_vm_id,
   };
   int ret = movgem_ioctl(dev->fd, DRM_IOCTL_MOVGEM_BO_CREATE, &args);

   if (ret)
      return ret;
   *out = bo_new(dev, args.handle, args.size);
   if (!*out) {
      drmCloseBufferHandle(dev->fd, args.handle);
      return -ENOMEM;
   }
   (*out)->plain = !params->flags && !params->exclusive_vm_id;
   movgem_bo_log(*out, "created");
   return 0;
}

/* For a BO that nobody else has so far. */
static int
bo_zero(struct movgem_bo *bo)
{
   int ret = bo_map(bo);

   if (!ret)
      memset(bo->map, 0, bo->size);
   return ret;
}

movgem_public int
movgem_bo_create(struct movgem_device *dev,
                 const struct movgem_bo_params *params, struct movgem_bo **out)
{
   struct movgem_bo *bo = NULL;
   int ret = 0;

   if (!params->flags && !params->exclusive_vm_id) {
      pthread_mutex_lock(&dev->lock);
      bo = movgem_cache_get(dev, params->size);
      pthread_mutex_unlock(&dev->lock);
   }
   if (bo && bo_zero(bo)) {
      movgem_bo_free(bo);
      bo = NULL;
   }
   if (!bo)
      ret = bo_create(dev, params, &bo);
   if (ret)
      return ret;

   ret = bo_label(bo, params->label);
   if (ret) {
      movgem_bo_free(bo);
      return ret;
   }
   bo_give(bo, out);
   return 0;
}

/* \return one without a reference, where it was not there before */
static int
bo_import(struct movgem_device *dev, int dmabuf, struct movgem_bo **out)
{
   struct drm_movgem_bo_info info = { 0 };
   struct movgem_bo *bo;
   void *found;
   int ret;

   if (drmPrimeFDToHandle(dev->fd, dmabuf, &info.handle))
      return -errno;

   if (!drmHashLookup(dev->handles, info.handle, &found)) {
      *out = found;
      return 0;
   }

   bo = bo_new(dev, info.handle, 0);
   if (!bo) {
      drmCloseBufferHandle(dev->fd, info.handle);
      return -ENOMEM;
   }
   ret = movgem_ioctl(dev->fd, DRM_IOCTL_MOVGEM_BO_INFO, &info);
   if (!ret && info.imported) {
      bo->foreign_fd = fcntl(dmabuf, F_DUPFD_CLOEXEC, 3);
      if (bo->foreign_fd < 0)
         ret = -errno;
   }
   bo->size = info.size;
   if (!ret)
      ret = movgem_bo_share(bo);
   if (ret) {
      movgem_bo_free(bo);
      return ret;
   }
   movgem_bo_log(bo, info.imported ? "imported from another driver" :
                                     "imported");
   *out = bo;
   return 0;
}

movgem_public int
movgem_bo_import(struct movgem_device *dev, int dmabuf, struct movgem_bo **out)
{
   struct movgem_bo *bo = NULL;
   int ret;

   pthread_mutex_lock(&dev->lock);
   ret = bo_import(dev, dmabuf, &bo);
   if (!ret)
      bo_give(bo, out);
   pthread_mutex_unlock(&dev->lock);
   return ret;
}

movgem_public int
movgem_bo_export(struct movgem_bo *bo, int *dmabuf)
{
   int ret, fd;

   /* First, so that it is not kept with somebody else's dma-buf of it. */
   pthread_mutex_lock(&bo->dev->lock);
   ret = movgem_bo_share(bo);
   pthread_mutex_unlock(&bo->dev->lock);
   if (ret)
      return ret;

   if (drmPrimeHandleToFD(bo->dev->fd, bo->handle, DRM_CLOEXEC | DRM_RDWR,
                          &fd))
      return -errno;
   *dmabuf = fd;
   return 0;
}

movgem_public struct movgem_bo *
movgem_bo_ref(struct movgem_bo *bo)
{
   pthread_mutex_lock(&bo->dev->lock);
   assert(bo->refcount);
   bo->refcount++;
   pthread_mutex_unlock(&bo->dev->lock);
   return bo;
}

movgem_public void
movgem_bo_unref(struct movgem_bo *bo)
{
   struct movgem_device *dev;
   bool last;

   if (!bo)
      return;
   dev = bo->dev;

   pthread_mutex_lock(&dev->lock);
   assert(bo->refcount);
   last = !--bo->refcount;
   if (last) {
      if (bo->shared) {
         drmHashDelete(dev->handles, bo->handle);
         dev->shared--;
      }
      if (!movgem_cache_put(bo))
         movgem_bo_free(bo);
   }
   pthread_mutex_unlock(&dev->lock);
   if (last)
      movgem_device_unref(dev);
}

movgem_public struct movgem_device *
movgem_bo_get_device(const struct movgem_bo *bo)
{
   return bo->dev;
}

movgem_public uint64_t
movgem_bo_get_size(const struct movgem_bo *bo)
{
   return bo->size;
}

movgem_public uint32_t
movgem_bo_get_handle(struct movgem_bo *bo)
{
   int ret;

   pthread_mutex_lock(&bo->dev->lock);
   ret = movgem_bo_share(bo);
   /* Without memory for the table it cannot be found by its dma-buf. */
   if (ret)
      bo->plain = false;
   pthread_mutex_unlock(&bo->dev->lock);
   return bo->handle;
}

movgem_public uint32_t
movgem_bo_borrow_handle(const struct movgem_bo *bo)
{
   return bo->handle;
}

movgem_public bool
movgem_bo_is_shared(struct movgem_bo *bo)
{
   bool shared;

   pthread_mutex_lock(&bo->dev->lock);
   shared = bo->shared;
   pthread_mutex_unlock(&bo->dev->lock);
   return shared;
}

movgem_public bool
movgem_bo_is_foreign(const struct movgem_bo *bo)
{
   return bo->foreign_fd >= 0;
}

movgem_public int
movgem_bo_map(struct movgem_bo *bo, void **map)
{
   int ret;

   pthread_mutex_lock(&bo->dev->lock);
   ret = bo_map(bo);
   if (ret == -ENOMEM && bo->dev->cache_size) {
      /* There is a limit to how many maps a process has; idle BOs have some. */
      movgem_cache_trim(bo->dev, INT64_MAX);
      ret = bo_map(bo);
   }
   if (!ret)
      *map = bo->map;
   pthread_mutex_unlock(&bo->dev->lock);
   return ret;
}

static int
sync_foreign(struct movgem_bo *bo, uint32_t access, uint64_t flags)
{
   struct dma_buf_sync args = { .flags = flags };

   if (bo->foreign_fd < 0)
      return 0;
   if (access & MOVGEM_ACCESS_READ)
      args.flags |= DMA_BUF_SYNC_READ;
   if (access & MOVGEM_ACCESS_WRITE)
      args.flags |= DMA_BUF_SYNC_WRITE;
   return movgem_ioctl(bo->foreign_fd, DMA_BUF_IOCTL_SYNC, &args);
}

movgem_public int
movgem_bo_begin_access(struct movgem_bo *bo, uint32_t access)
{
   int ret = movgem_check_access(access);

   /* Before the other driver's turn, which does not wait for movgem's own jobs:
    * caches are right only once all have written.
    */
   if (!ret)
      ret = movgem_bo_wait(bo, INT64_MAX);
   return ret ? ret : sync_foreign(bo, access, DMA_BUF_SYNC_START);
}

movgem_public int
movgem_bo_end_access(struct movgem_bo *bo, uint32_t access)
{
   const int ret = movgem_check_access(access);

   return ret ? ret : sync_foreign(bo, access, DMA_BUF_SYNC_END);
}

movgem_public int
movgem_bo_info(struct movgem_bo *bo, struct drm_movgem_bo_info *info)
{
   memset(info, 0, sizeof(*info));
   info->handle = bo->handle;
   return movgem_ioctl(bo->dev->fd, DRM_IOCTL_MOVGEM_BO_INFO, info);
}

movgem_public int
movgem_bo_set_label(struct movgem_bo *bo, const char *label)
{
   int ret;

   pthread_mutex_lock(&bo->dev->lock);
   ret = bo_label(bo, label);
   pthread_mutex_unlock(&bo->dev->lock);
   return ret;
}

movgem_public int
movgem_bo_wait(struct movgem_bo *bo, int64_t deadline)
{
   struct drm_movgem_bo_wait args = {
      .handle = bo->handle,
      .timeout_ns = deadline,
   };

   return movgem_ioctl(bo->dev->fd, DRM_IOCTL_MOVGEM_BO_WAIT, &args);
}

movgem_public int
movgem_bo_madvise(struct movgem_bo *bo, uint32_t madv, bool *retained)
{
   struct drm_movgem_bo_madvise args = {
      .handle = bo->handle,
      .madv = madv,
   };
   int ret = movgem_ioctl(bo->dev->fd, DRM_IOCTL_MOVGEM_BO_MADVISE, &args);

   if (!ret && retained)
      *retained = args.retained;
   return ret;
}
