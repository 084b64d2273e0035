/*
 * Copyright (C) 2026 movgem maintainers
 * SPDX-License-Identifier: MIT
 */

/* Devices: one for each file description. */

#include "movgem_private.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <linux/kcmp.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#ifndef F_DUPFD_QUERY
#define F_DUPFD_QUERY 1027
#endif

static pthread_mutex_t devices_lock = PTHREAD_MUTEX_INITIALIZER;
static LIST_HEAD(, movgem_device) devices = LIST_HEAD_INITIALIZER(devices);

int64_t
movgem_now(void)
{
   struct timespec now;

   clock_gettime(CLOCK_MONOTONIC, &now);
   return now.tv_sec * 1000000000ll + now.tv_nsec;
}

movgem_public int64_t
movgem_deadline(uint64_t ns)
{
   const int64_t now = movgem_now();

   return ns < (uint64_t)(INT64_MAX - now) ? now + (int64_t)ns : INT64_MAX;
}

int
movgem_query(int fd, uint32_t type, void *info, uint32_t size)
{
   struct drm_movgem_dev_query query = {
      .type = type,
      .size = size,
      .pointer = (uintptr_t)info,
   };

   memset(info, 0, size);
   return movgem_ioctl(fd, DRM_IOCTL_MOVGEM_DEV_QUERY, &query);
}

/* Is it a file of this driver? Numbers of ioctls are others' as well. */
static int
check_driver(int fd)
{
   struct drm_movgem_mem_info info;
   drmVersionPtr version;
   bool same;

   if (fcntl(fd, F_GETFD) < 0)
      return -EBADF;
   version = drmGetVersion(fd);
   if (!version)
      return -ENODEV;
   same = !strcmp(version->name, "movgem");
   drmFreeVersion(version);
   if (!same || movgem_query(fd, DRM_MOVGEM_DEV_QUERY_MEM_INFO, &info,
                             sizeof(info)))
      return -ENODEV;
   return 0;
}

/* \return 1 or 0, or -ENOSYS if the kernel does not tell */
static int
same_description(int a, int b)
{
   int ret = fcntl(a, F_DUPFD_QUERY, b);

   if (ret >= 0)
      return ret;
   ret = syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, a, b);
   return ret < 0 ? -ENOSYS : !ret;
}

static struct movgem_device *
device_new(int fd)
{
   struct movgem_device *dev = calloc(1, sizeof(*dev));

   if (!dev)
      return NULL;
   dev->handles = drmHashCreate();
   if (!dev->handles) {
      free(dev);
      return NULL;
   }
   pthread_mutex_init(&dev->lock, NULL);
   for (unsigned i = 0; i < CACHE_BUCKETS; i++)
      TAILQ_INIT(&dev->cache[i]);
   dev->page_size = sysconf(_SC_PAGESIZE);
   dev->fd = fd;
   return dev;
}

/* With devices_lock. */
static int
device_find(int fd, dev_t node, struct movgem_device **found)
{
   struct movgem_device *dev;

   *found = NULL;
   LIST_FOREACH(dev, &devices, link) {
      if (dev->node != node)
         continue;

      const int same = same_description(dev->fd, fd);

      if (same < 0)
         return same;
      if (same) {
         *found = dev;
         return 0;
      }
   }
   return 0;
}

movgem_public int
movgem_device_create(int fd, struct movgem_device **out)
{
   struct movgem_device *dev;
   struct stat stat;
   int ret = check_driver(fd);

   if (ret)
      return ret;
   if (fstat(fd, &stat))
      return -errno;

   pthread_mutex_lock(&devices_lock);
   ret = device_find(fd, stat.st_rdev, &dev);
   if (!ret && !dev) {
      fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
      if (fd < 0) {
         ret = -errno;
      } else {
         dev = device_new(fd);
         if (dev) {
            dev->node = stat.st_rdev;
            LIST_INSERT_HEAD(&devices, dev, link);
         } else {
            close(fd);
            ret = -ENOMEM;
         }
      }
   }
   if (!ret) {
      dev->refcount++;
      *out = dev;
   }
   pthread_mutex_unlock(&devices_lock);
   return ret;
}

movgem_public struct movgem_device *
movgem_device_ref(struct movgem_device *dev)
{
   pthread_mutex_lock(&devices_lock);
   dev->refcount++;
   pthread_mutex_unlock(&devices_lock);
   return dev;
}

static void
device_free(struct movgem_device *dev)
{
   LIST_REMOVE(dev, link);
   movgem_cache_trim(dev, INT64_MAX);
   assert(!dev->cache_size && !dev->shared);
   drmHashDestroy(dev->handles);
   pthread_mutex_destroy(&dev->lock);
   close(dev->fd);
   free(dev);
}

movgem_public void
movgem_device_unref(struct movgem_device *dev)
{
   if (!dev)
      return;

   /* All of it with the lock: a new device of the same file would get handles
    * that this one is about to close.
    */
   pthread_mutex_lock(&devices_lock);
   if (!--dev->refcount)
      device_free(dev);
   pthread_mutex_unlock(&devices_lock);
}

movgem_public int
movgem_device_get_fd(const struct movgem_device *dev)
{
   return dev->fd;
}

movgem_public int
movgem_device_gpu_info(struct movgem_device *dev,
                       struct drm_movgem_gpu_info *info)
{
   return movgem_query(dev->fd, DRM_MOVGEM_DEV_QUERY_GPU_INFO, info,
                       sizeof(*info));
}

movgem_public int
movgem_device_mem_info(struct movgem_device *dev,
                       struct drm_movgem_mem_info *info)
{
   return movgem_query(dev->fd, DRM_MOVGEM_DEV_QUERY_MEM_INFO, info,
                       sizeof(*info));
}

movgem_public void
movgem_device_set_cache(struct movgem_device *dev, uint64_t size,
                        unsigned max_ms)
{
   pthread_mutex_lock(&dev->lock);
   dev->cache_max_size = size;
   dev->cache_max_ns = max_ms * 1000000ll;
   if (dev->cache_size > size)
      movgem_cache_trim(dev, INT64_MAX);
   pthread_mutex_unlock(&dev->lock);
}

movgem_public void
movgem_device_trim_cache(struct movgem_device *dev)
{
   pthread_mutex_lock(&dev->lock);
   movgem_cache_trim(dev, INT64_MAX);
   pthread_mutex_unlock(&dev->lock);
}

movgem_public void
movgem_device_set_map_slack(struct movgem_device *dev, size_t size)
{
   pthread_mutex_lock(&dev->lock);
   if (size > dev->map_slack) {
      dev->map_slack = size;
      /* Those that are kept have maps with less behind them. */
      movgem_cache_trim(dev, INT64_MAX);
   }
   pthread_mutex_unlock(&dev->lock);
}

movgem_public void
movgem_device_set_log(struct movgem_device *dev,
                      void (*log)(void *data, const struct movgem_bo *bo,
                                  uint32_t handle, const char *what),
                      void *data)
{
   pthread_mutex_lock(&dev->lock);
   dev->log = log;
   dev->log_data = data;
   pthread_mutex_unlock(&dev->lock);
}

movgem_public int
movgem_device_get_shared(struct movgem_device *dev, struct movgem_bo ***bos,
                         unsigned *count)
{
   struct movgem_bo **list = NULL;
   unsigned long handle;
   unsigned number = 0;
   void *value;
   int ret = 0;

   pthread_mutex_lock(&dev->lock);
   if (dev->shared) {
      list = calloc(dev->shared, sizeof(*list));
      if (!list)
         ret = -ENOMEM;
   }
   for (int more = list && drmHashFirst(dev->handles, &handle, &value) == 1;
        more; more = drmHashNext(dev->handles, &handle, &value) == 1) {
      list[number] = value;
      list[number++]->refcount++;
   }
   pthread_mutex_unlock(&dev->lock);

   if (!ret) {
      *bos = list;
      *count = number;
   }
   return ret;
}
