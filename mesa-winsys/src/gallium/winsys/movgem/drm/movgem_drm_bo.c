/*
 * Copyright (C) 2026 movgem maintainers
 * SPDX-License-Identifier: MIT
 */

#include "movgem_drm_bo.h"

#include <inttypes.h>
#include <string.h>

#include "util/log.h"
#include "util/macros.h"
#include "util/u_debug.h"

/* Idle BOs are kept for this long, and no more of them than this. The kernel
 * may have their pages at any time, so that they cost little.
 */
#define CACHE_MSECS (2 * 1000)
#define CACHE_SIZE (128ull << 20)

static const struct debug_named_value debug_flags[] = {
   { "bo", MOVGEM_DEBUG_BO, "Log what happens to BOs" },
   { "nocache", MOVGEM_DEBUG_NO_CACHE, "Keep no BOs for reuse" },
   { "notextures", MOVGEM_DEBUG_NO_TEXTURES,
     "Textures that nobody else uses are memory of the process" },
   { "gpuclear", MOVGEM_DEBUG_GPU_CLEAR, "Clear with the GPU" },
   { "gpucopy", MOVGEM_DEBUG_GPU_COPY,
     "Copy with the GPU; large buffers are BOs for that" },
   { "nogpublit", MOVGEM_DEBUG_NO_GPU_BLIT,
     "Do not copy from one format to another with the GPU" },
   DEBUG_NAMED_VALUE_END
};

static void
log_bo(void *data, const struct movgem_bo *bo, uint32_t handle, const char *what)
{
   mesa_logi("movgem: bo %u, %" PRIu64 " bytes: %s", handle,
             movgem_bo_get_size(bo), what);
}

struct movgem_device *
movgem_drm_device_open(int fd, unsigned *debug)
{
   struct movgem_device *dev;
   const int ret = movgem_device_create(fd, &dev);

   if (ret) {
      mesa_loge("movgem: no device: %s", strerror(-ret));
      return NULL;
   }

   *debug = debug_get_flags_option("MOVGEM_DEBUG", debug_flags, 0);
   if (*debug & MOVGEM_DEBUG_BO)
      movgem_device_set_log(dev, log_bo, NULL);
   if (!(*debug & MOVGEM_DEBUG_NO_CACHE))
      movgem_device_set_cache(dev, CACHE_SIZE, CACHE_MSECS);
   movgem_device_set_map_slack(dev, MOVGEM_MAP_SLACK);
   return dev;
}

struct movgem_bo *
movgem_drm_bo_create(struct movgem_device *dev, uint64_t size)
{
   /* Debugfs lists it by this label. */
   const struct movgem_bo_params params = {
      .size = MAX2(size, 1),
      .label = "mesa",
   };
   struct movgem_bo *bo;
   const int ret = movgem_bo_create(dev, &params, &bo);

   if (ret) {
      mesa_loge("movgem: no BO of %" PRIu64 " bytes: %s", size, strerror(-ret));
      return NULL;
   }
   if (!movgem_drm_bo_map(bo)) {
      movgem_bo_unref(bo);
      return NULL;
   }
   return bo;
}

struct movgem_bo *
movgem_drm_bo_import(struct movgem_device *dev, int dmabuf_fd)
{
   struct movgem_bo *bo;
   const int ret = movgem_bo_import(dev, dmabuf_fd, &bo);

   if (ret) {
      mesa_loge("movgem: importing a dma-buf: %s", strerror(-ret));
      return NULL;
   }
   return bo;
}

int
movgem_drm_bo_export(struct movgem_bo *bo)
{
   int fd;
   const int ret = movgem_bo_export(bo, &fd);

   if (ret) {
      mesa_loge("movgem: exporting a BO: %s", strerror(-ret));
      return -1;
   }
   return fd;
}

void *
movgem_drm_bo_map(struct movgem_bo *bo)
{
   void *map;
   const int ret = movgem_bo_map(bo, &map);

   if (ret) {
      mesa_loge("movgem: mapping a BO: %s", strerror(-ret));
      return NULL;
   }
   return map;
}

/* Drawing goes on whatever the result; nothing could be done about it. */
void
movgem_drm_bo_begin_access(struct movgem_bo *bo)
{
   movgem_bo_begin_access(bo, MOVGEM_ACCESS_READ | MOVGEM_ACCESS_WRITE);
}

void
movgem_drm_bo_end_access(struct movgem_bo *bo)
{
   movgem_bo_end_access(bo, MOVGEM_ACCESS_READ | MOVGEM_ACCESS_WRITE);
}
