/*
 * Copyright (C) 2026 movgem maintainers
 * SPDX-License-Identifier: MIT
 *
 * Jobs for movgem's GPU. BOs are bound when they are first used, and stay bound;
 * each job is waited for, as llvmpipe is to read and write the same memory next.
 */

#include "movgem_drm_gpu.h"

#include <string.h>
#include <unistd.h>

#include "util/log.h"
#include "util/macros.h"
#include "util/simple_mtx.h"
#include "util/u_math.h"
#include "util/u_memory.h"
#include "util/vma.h"

#include "movgem.h"
#include "movgem_drm_bo.h"

#define COMMANDS_SIZE (64 * 1024)

struct movgem_gpu {
   struct movgem_device *dev;

   /* For all that follows, and the addresses that others keep of their BOs. */
   simple_mtx_t lock;

   /* Has it been made, and can it be used? */
   bool tried, usable;

   uint32_t vm_id;
   uint32_t queue_id;
   uint32_t page_size;
   struct util_vma_heap heap;

   /* The fence of the newest job. */
   uint32_t syncobj;

   /* The job that is being written. */
   struct movgem_bo *commands;
   uint64_t commands_va;
   uint8_t *map;
   uint32_t used, max_used;
};

/* Binds what nobody else does, so that it remains the caller's alone. */
static int
bind(struct movgem_gpu *gpu, struct movgem_bo *bo, uint64_t *out)
{
   const uint64_t size = movgem_bo_get_size(bo);
   struct drm_movgem_bind_op op = {
      .op = DRM_MOVGEM_BIND_OP_MAP,
      .handle = movgem_bo_borrow_handle(bo),
      .va = util_vma_heap_alloc(&gpu->heap, size, gpu->page_size),
      .size = size,
   };
   int ret;

   if (!op.va)
      return -ENOSPC;
   ret = movgem_vm_bind(gpu->dev, gpu->vm_id, 0, &op, 1, NULL, 0);
   if (ret) {
      util_vma_heap_free(&gpu->heap, op.va, size);
      return ret;
   }
   *out = op.va;
   return 0;
}

static int
create_commands(struct movgem_gpu *gpu, uint32_t max_stream_size)
{
   /* It goes with the other BOs of Mesa's wherever these are moved. */
   const struct movgem_bo_params params = {
      .size = COMMANDS_SIZE,
      .exclusive_vm_id = gpu->vm_id,
      .label = "mesa",
   };
   void *map;
   int ret = movgem_bo_create(gpu->dev, &params, &gpu->commands);

   if (!ret)
      ret = movgem_bo_map(gpu->commands, &map);
   if (!ret)
      ret = bind(gpu, gpu->commands, &gpu->commands_va);
   if (!ret)
      gpu->map = map;
   gpu->max_used = MIN2(max_stream_size, COMMANDS_SIZE);
   return ret;
}

/* Makes all of it, once; what there is of it goes in the end. */
static int
open_gpu(struct movgem_gpu *gpu)
{
   struct drm_movgem_gpu_info info;
   uint64_t start;
   int ret = movgem_device_gpu_info(gpu->dev, &info);

   if (ret)
      return ret;
   /* No BO is at 0, which is for those that are nowhere. */
   gpu->page_size = info.page_size;
   start = MAX2(info.va_start, info.page_size);
   util_vma_heap_init(&gpu->heap, start, info.va_end - start);

   ret = movgem_vm_create(gpu->dev, &gpu->vm_id);
   if (!ret)
      ret = movgem_queue_create(gpu->dev, gpu->vm_id,
                                DRM_MOVGEM_QUEUE_PRIORITY_NORMAL,
                                &gpu->queue_id);
   if (!ret)
      ret = movgem_syncobj_create(gpu->dev, false, &gpu->syncobj);
   if (!ret)
      ret = create_commands(gpu, info.max_stream_size);
   return ret;
}

/* With the lock. */
static bool
is_there(struct movgem_gpu *gpu)
{
   if (!gpu->tried) {
      const int ret = open_gpu(gpu);

      gpu->tried = true;
      gpu->usable = !ret;
      if (ret)
         mesa_loge("movgem: no GPU: %s", strerror(-ret));
   }
   return gpu->usable;
}

struct movgem_gpu *
movgem_gpu_create(struct movgem_device *dev)
{
   struct movgem_gpu *gpu = CALLOC_STRUCT(movgem_gpu);

   if (!gpu)
      return NULL;
   gpu->dev = dev;
   simple_mtx_init(&gpu->lock, mtx_plain);
   return gpu;
}

void
movgem_gpu_destroy(struct movgem_gpu *gpu)
{
   if (!gpu)
      return;
   /* With the VM goes all that is bound there. Ids and handles begin at 1. */
   if (gpu->queue_id)
      movgem_queue_destroy(gpu->dev, gpu->queue_id);
   if (gpu->vm_id)
      movgem_vm_destroy(gpu->dev, gpu->vm_id);
   if (gpu->syncobj)
      movgem_syncobj_destroy(gpu->dev, gpu->syncobj);
   movgem_bo_unref(gpu->commands);
   if (gpu->page_size)
      util_vma_heap_finish(&gpu->heap);
   simple_mtx_destroy(&gpu->lock);
   FREE(gpu);
}

void
movgem_gpu_unbind(struct movgem_gpu *gpu, uint64_t *va, uint64_t size)
{
   simple_mtx_lock(&gpu->lock);
   if (*va) {
      const int ret = movgem_vm_unmap(gpu->dev, gpu->vm_id, *va, size);

      /* The address is lost then; nothing is ever read or written there. */
      if (ret)
         mesa_loge("movgem: unbinding a BO: %s", strerror(-ret));
      else
         util_vma_heap_free(&gpu->heap, *va, size);
      *va = 0;
   }
   simple_mtx_unlock(&gpu->lock);
}

/* These with the lock. */

/* \return the address of a box's first byte, or 0 */
static uint64_t
box_address(struct movgem_gpu *gpu, const struct movgem_gpu_box *box)
{
   if (!*box->va) {
      const int ret = bind(gpu, box->bo, box->va);

      if (ret) {
         mesa_loge("movgem: binding a BO: %s", strerror(-ret));
         return 0;
      }
   }
   return *box->va + box->offset;
}

/* Has the GPU do what has been written. */
static bool
run(struct movgem_gpu *gpu)
{
   const struct drm_movgem_sync sync = {
      .flags = DRM_MOVGEM_SYNC_SIGNAL,
      .handle = gpu->syncobj,
   };
   int ret, fd;

   if (!gpu->used)
      return true;
   ret = movgem_submit(gpu->dev, gpu->queue_id, gpu->commands_va, gpu->used,
                       &sync, 1);
   gpu->used = 0;
   if (!ret) {
      /* Which tells how the job ended, but takes a file. */
      ret = movgem_syncobj_export_sync_file(gpu->dev, gpu->syncobj, 0, &fd);
      if (ret) {
         movgem_syncobj_wait(gpu->dev, gpu->syncobj, 0, INT64_MAX);
      } else {
         ret = movgem_sync_file_wait(fd, INT64_MAX);
         close(fd);
      }
   }
   if (ret)
      mesa_loge("movgem: a job on the GPU: %s", strerror(-ret));
   return !ret;
}

static bool
add_command(struct movgem_gpu *gpu, const void *command, uint32_t size)
{
   if (gpu->used + size > gpu->max_used && !run(gpu))
      return false;
   memcpy(gpu->map + gpu->used, command, size);
   gpu->used += size;
   return true;
}

/* Begins a command, whose type begins with its header. */
#define COMMAND(name, opcode_) \
   struct drm_movgem_cmd_##name name = { \
      .hdr = { .opcode = opcode_, .size = sizeof(name) }, \
   }

/* Lines that follow each other without a gap are one. */
static struct movgem_gpu_size
joined(const struct movgem_gpu_size *size, const struct movgem_gpu_box *a,
       const struct movgem_gpu_box *b)
{
   struct movgem_gpu_size result = *size;

   if (a->stride == size->line && b->stride == size->line) {
      result.line *= size->lines;
      result.lines = 1;
   }
   return result;
}

static bool
fill(struct movgem_gpu *gpu, const struct movgem_gpu_box *dst,
     const struct movgem_gpu_size *whole, uint32_t value)
{
   const struct movgem_gpu_size size = joined(whole, dst, dst);
   const uint64_t va = box_address(gpu, dst);
   COMMAND(fill, DRM_MOVGEM_CMD_FILL);

   if (!va)
      return false;
   fill.size = size.line;
   fill.value = value;
   for (unsigned z = 0; z < size.layers; z++) {
      for (unsigned y = 0; y < size.lines; y++) {
         fill.dst = va + z * dst->layer_stride + y * dst->stride;
         if (!add_command(gpu, &fill, sizeof(fill)))
            return false;
      }
   }
   return run(gpu);
}

static bool
copy(struct movgem_gpu *gpu, const struct movgem_gpu_box *dst,
     const struct movgem_gpu_box *src, const struct movgem_gpu_size *whole)
{
   const struct movgem_gpu_size size = joined(whole, dst, src);
   const uint64_t dst_va = box_address(gpu, dst);
   const uint64_t src_va = box_address(gpu, src);
   COMMAND(copy, DRM_MOVGEM_CMD_COPY);

   if (!dst_va || !src_va)
      return false;
   copy.size = size.line;
   for (unsigned z = 0; z < size.layers; z++) {
      for (unsigned y = 0; y < size.lines; y++) {
         copy.dst = dst_va + z * dst->layer_stride + y * dst->stride;
         copy.src = src_va + z * src->layer_stride + y * src->stride;
         if (!add_command(gpu, &copy, sizeof(copy)))
            return false;
      }
   }
   return run(gpu);
}

static void
set_surface(struct drm_movgem_surface *surface, uint64_t va,
            const struct movgem_gpu_image *image, unsigned width,
            unsigned height)
{
   surface->addr = va;
   surface->pitch = image->box.stride;
   surface->format = image->format;
   surface->width = image->width;
   surface->height = image->height;
   surface->x = image->x;
   surface->y = image->y;
   surface->w = width;
   surface->h = height;
}

static bool
convert(struct movgem_gpu *gpu, const struct movgem_gpu_image *dst,
        const struct movgem_gpu_image *src, unsigned width, unsigned height,
        unsigned layers)
{
   const uint64_t dst_va = box_address(gpu, &dst->box);
   const uint64_t src_va = box_address(gpu, &src->box);
   COMMAND(blit, DRM_MOVGEM_CMD_BLIT);

   if (!dst_va || !src_va)
      return false;
   for (unsigned z = 0; z < layers; z++) {
      set_surface(&blit.dst, dst_va + z * dst->box.layer_stride, dst, width,
                  height);
      set_surface(&blit.src, src_va + z * src->box.layer_stride, src, width,
                  height);
      if (!add_command(gpu, &blit, sizeof(blit)))
         return false;
   }
   return run(gpu);
}

bool
movgem_gpu_fill(struct movgem_gpu *gpu, const struct movgem_gpu_box *dst,
                const struct movgem_gpu_size *size, uint32_t value)
{
   simple_mtx_lock(&gpu->lock);
   const bool done = is_there(gpu) && fill(gpu, dst, size, value);
   simple_mtx_unlock(&gpu->lock);
   return done;
}

bool
movgem_gpu_copy(struct movgem_gpu *gpu, const struct movgem_gpu_box *dst,
                const struct movgem_gpu_box *src,
                const struct movgem_gpu_size *size)
{
   simple_mtx_lock(&gpu->lock);
   const bool done = is_there(gpu) && copy(gpu, dst, src, size);
   simple_mtx_unlock(&gpu->lock);
   return done;
}

bool
movgem_gpu_convert(struct movgem_gpu *gpu, const struct movgem_gpu_image *dst,
                   const struct movgem_gpu_image *src, unsigned width,
                   unsigned height, unsigned layers)
{
   simple_mtx_lock(&gpu->lock);
   const bool done = is_there(gpu) &&
                     convert(gpu, dst, src, width, height, layers);
   simple_mtx_unlock(&gpu->lock);
   return done;
}
