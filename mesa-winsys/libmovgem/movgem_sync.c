/*
 * Copyright (C) 2026 movgem maintainers
 * SPDX-License-Identifier: MIT
 */

/* Syncobjs, sync_files, and fences of dma-bufs. */

#include "movgem_private.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>
#include <linux/dma-buf.h>
#include <linux/sync_file.h>
#include <sys/ioctl.h>

/* For calls of libdrm's, some of which set errno and some of which return it. */
static int
result(int ret)
{
   return ret == -1 ? -errno : ret;
}

movgem_public int
movgem_syncobj_create(struct movgem_device *dev, bool signalled,
                      uint32_t *syncobj)
{
   uint32_t handle;
   int ret = result(drmSyncobjCreate(
      dev->fd, signalled ? DRM_SYNCOBJ_CREATE_SIGNALED : 0, &handle));

   if (!ret)
      *syncobj = handle;
   return ret;
}

movgem_public int
movgem_syncobj_destroy(struct movgem_device *dev, uint32_t syncobj)
{
   return result(drmSyncobjDestroy(dev->fd, syncobj));
}

movgem_public int
movgem_syncobj_wait(struct movgem_device *dev, uint32_t syncobj,
                    uint64_t point, int64_t deadline)
{
   const uint32_t flags = DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT;

   if (point)
      return result(drmSyncobjTimelineWait(dev->fd, &syncobj, &point, 1,
                                           deadline, flags, NULL));
   return result(drmSyncobjWait(dev->fd, &syncobj, 1, deadline, flags, NULL));
}

movgem_public int
movgem_syncobj_signal(struct movgem_device *dev, uint32_t syncobj,
                      uint64_t point)
{
   if (point)
      return result(drmSyncobjTimelineSignal(dev->fd, &syncobj, &point, 1));
   return result(drmSyncobjSignal(dev->fd, &syncobj, 1));
}

movgem_public int
movgem_syncobj_reset(struct movgem_device *dev, uint32_t syncobj)
{
   return result(drmSyncobjReset(dev->fd, &syncobj, 1));
}

movgem_public int
movgem_syncobj_export_sync_file(struct movgem_device *dev, uint32_t syncobj,
                                uint64_t point, int *sync_file)
{
   uint32_t binary = syncobj;
   int ret = 0, fd;

   /* Sync files are of binary syncobjs only. */
   if (point) {
      ret = movgem_syncobj_create(dev, false, &binary);
      if (ret)
         return ret;
      ret = result(drmSyncobjTransfer(dev->fd, binary, 0, syncobj, point, 0));
   }
   if (!ret)
      ret = result(drmSyncobjExportSyncFile(dev->fd, binary, &fd));
   if (point)
      movgem_syncobj_destroy(dev, binary);
   if (!ret)
      *sync_file = fd;
   return ret;
}

movgem_public int
movgem_syncobj_import_sync_file(struct movgem_device *dev, uint32_t syncobj,
                                uint64_t point, int sync_file)
{
   uint32_t binary = syncobj;
   int ret;

   if (sync_file == -1)
      return movgem_syncobj_signal(dev, syncobj, point);
   if (point) {
      ret = movgem_syncobj_create(dev, false, &binary);
      if (ret)
         return ret;
   }
   ret = result(drmSyncobjImportSyncFile(dev->fd, binary, sync_file));
   if (point) {
      if (!ret)
         ret = result(drmSyncobjTransfer(dev->fd, syncobj, point, binary, 0,
                                         0));
      movgem_syncobj_destroy(dev, binary);
   }
   return ret;
}

/* Milliseconds that are left, for poll(). */
static int
remaining(int64_t deadline)
{
   int64_t ns;

   if (deadline == INT64_MAX)
      return -1;
   ns = deadline - movgem_now();
   if (deadline <= 0 || ns <= 0)
      return 0;
   ns = (ns + 999999) / 1000000;
   return ns < INT_MAX ? ns : INT_MAX;
}

movgem_public int
movgem_sync_file_wait(int sync_file, int64_t deadline)
{
   struct sync_file_info info = { 0 };
   struct pollfd poller = { .fd = sync_file, .events = POLLIN };
   int ret, ms;

   /* What is no sync_file could be polled as well. */
   ret = movgem_ioctl(sync_file, SYNC_IOC_FILE_INFO, &info);
   if (ret)
      return ret == -EBADF ? ret : -EINVAL;

   do {
      ms = remaining(deadline);
      ret = poll(&poller, 1, ms);
   } while (ret < 0 ? errno == EINTR || errno == EAGAIN : !ret && ms);
   if (ret < 0)
      return -errno;
   if (!ret)
      return -ETIME;

   info = (struct sync_file_info) { 0 };
   ret = movgem_ioctl(sync_file, SYNC_IOC_FILE_INFO, &info);
   if (ret)
      return ret;
   return info.status < 0 ? info.status : 0;
}

/* By the BO's dma-buf, which is there for as long as this takes. */
static int
bo_sync_file(struct movgem_bo *bo, uint32_t access, unsigned long request,
             void *args, uint32_t *flags)
{
   int ret, dmabuf;

   ret = movgem_check_access(access);
   if (ret)
      return ret;
   if (access & MOVGEM_ACCESS_READ)
      *flags |= DMA_BUF_SYNC_READ;
   if (access & MOVGEM_ACCESS_WRITE)
      *flags |= DMA_BUF_SYNC_WRITE;

   ret = movgem_bo_export(bo, &dmabuf);
   if (ret)
      return ret;
   ret = movgem_ioctl(dmabuf, request, args);
   close(dmabuf);
   return ret;
}

movgem_public int
movgem_bo_export_sync_file(struct movgem_bo *bo, uint32_t access,
                           int *sync_file)
{
   struct dma_buf_export_sync_file args = { .fd = -1 };
   int ret = bo_sync_file(bo, access, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &args,
                          &args.flags);

   if (!ret)
      *sync_file = args.fd;
   return ret;
}

movgem_public int
movgem_bo_import_sync_file(struct movgem_bo *bo, uint32_t access,
                           int sync_file)
{
   struct dma_buf_import_sync_file args = { .fd = sync_file };

   return bo_sync_file(bo, access, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &args,
                       &args.flags);
}
