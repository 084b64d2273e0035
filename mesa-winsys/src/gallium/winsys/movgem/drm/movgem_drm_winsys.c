/*
 * Copyright (C) 2026 movgem maintainers
 * SPDX-License-Identifier: MIT
 */

#include "movgem_drm_winsys.h"

#include <inttypes.h>

#include "drm-uapi/drm_fourcc.h"
#include "pipe/p_state.h"
#include "util/format/u_format.h"
#include "util/log.h"
#include "util/u_math.h"
#include "util/u_memory.h"

#include "movgem_drm_bo.h"
#include "movgem_drm_gpu.h"

static void
movgem_winsys_destroy(struct sw_winsys *ws)
{
   movgem_gpu_destroy(movgem_winsys(ws)->gpu);
   movgem_device_unref(movgem_winsys(ws)->dev);
   FREE(ws);
}

static int
movgem_get_fd(struct sw_winsys *ws)
{
   return movgem_device_get_fd(movgem_winsys(ws)->dev);
}

/* What can be shown, or handed to somebody else as an image to draw to: formats
 * that DRM has a fourcc for, and their sRGB variants.
 */
static bool
movgem_displaytarget_format_supported(struct sw_winsys *ws, unsigned tex_usage,
                                      enum pipe_format format)
{
   switch (util_format_linear(format)) {
   case PIPE_FORMAT_B8G8R8A8_UNORM:
   case PIPE_FORMAT_B8G8R8X8_UNORM:
   case PIPE_FORMAT_R8G8B8A8_UNORM:
   case PIPE_FORMAT_R8G8B8X8_UNORM:
   case PIPE_FORMAT_B5G6R5_UNORM:
   case PIPE_FORMAT_B5G5R5A1_UNORM:
   case PIPE_FORMAT_B5G5R5X1_UNORM:
   case PIPE_FORMAT_B4G4R4A4_UNORM:
   case PIPE_FORMAT_B4G4R4X4_UNORM:
   case PIPE_FORMAT_B10G10R10A2_UNORM:
   case PIPE_FORMAT_B10G10R10X2_UNORM:
   case PIPE_FORMAT_R10G10B10A2_UNORM:
   case PIPE_FORMAT_R10G10B10X2_UNORM:
   case PIPE_FORMAT_R16G16B16A16_UNORM:
   case PIPE_FORMAT_R16G16B16X16_UNORM:
   case PIPE_FORMAT_R16G16B16A16_FLOAT:
   case PIPE_FORMAT_R16G16B16X16_FLOAT:
   case PIPE_FORMAT_R8_UNORM:
   case PIPE_FORMAT_R16_UNORM:
   case PIPE_FORMAT_R8G8_UNORM:
   case PIPE_FORMAT_R16G16_UNORM:
      return true;
   default:
      return false;
   }
}

static struct sw_displaytarget *
displaytarget_new(struct movgem_bo *bo, enum pipe_format format,
                  unsigned stride, unsigned offset)
{
   struct sw_displaytarget *dt = CALLOC_STRUCT(sw_displaytarget);

   if (!dt) {
      movgem_bo_unref(bo);
      return NULL;
   }
   dt->bo = bo;
   dt->format = format;
   dt->stride = stride;
   dt->offset = offset;
   return dt;
}

static struct sw_displaytarget *
movgem_displaytarget_create(struct sw_winsys *ws, unsigned tex_usage,
                            enum pipe_format format,
                            unsigned width, unsigned height,
                            unsigned alignment, const void *front_private,
                            unsigned *stride)
{
   *stride = align(util_format_get_stride(format, width), alignment);

   const uint64_t size =
      (uint64_t)*stride * util_format_get_nblocksy(format, height);
   struct movgem_bo *bo = movgem_drm_bo_create(movgem_winsys(ws)->dev, size);

   return bo ? displaytarget_new(bo, format, *stride, 0) : NULL;
}

/* Which power of two llvmpipe takes lines to be aligned to when it draws: it
 * loads and stores four pixels, but no more than 16 bytes.
 */
static unsigned
drawing_alignment(enum pipe_format format)
{
   const unsigned pixels = 4 * util_format_get_blocksize(format);

   return MIN2(pixels & -pixels, 16);
}

/* Can an image of this shape, of the BO, be sampled and drawn to? */
static bool
image_fits(const struct movgem_bo *bo, const struct pipe_resource *templat,
           unsigned stride, unsigned offset)
{
   /* Nobody has looked at them so far; they bound what is calculated below. */
   if (templat->width0 > MOVGEM_MAX_IMAGE_SIZE ||
       templat->height0 > MOVGEM_MAX_IMAGE_SIZE)
      return false;

   /* The rest of the last blocks: up to three lines and three pixels. */
   if (3ull * stride + 3 * 16 > MOVGEM_MAP_SLACK)
      return false;

   /* Planes of YUV are for sampling only, which any address will do for. */
   if (templat->bind & PIPE_BIND_RENDER_TARGET &&
       (stride | offset) & (drawing_alignment(templat->format) - 1))
      return false;

   const unsigned row = util_format_get_stride(templat->format, templat->width0);
   const unsigned rows =
      util_format_get_nblocksy(templat->format, templat->height0);

   return stride >= row && rows &&
          offset + (uint64_t)stride * (rows - 1) + row <= movgem_bo_get_size(bo);
}

static struct sw_displaytarget *
movgem_displaytarget_from_handle(struct sw_winsys *ws,
                                 const struct pipe_resource *templat,
                                 struct winsys_handle *whandle,
                                 unsigned *stride)
{
   struct movgem_bo *bo;

   /* There are no global names, and KMS handles are for export only. */
   if (whandle->type != WINSYS_HANDLE_TYPE_FD)
      return NULL;
   if (whandle->modifier != DRM_FORMAT_MOD_LINEAR &&
       whandle->modifier != DRM_FORMAT_MOD_INVALID)
      return NULL;

   bo = movgem_drm_bo_import(movgem_winsys(ws)->dev, whandle->handle);
   if (!bo)
      return NULL;
   if (!image_fits(bo, templat, whandle->stride, whandle->offset)) {
      mesa_loge("movgem: an image of %ux%u with stride %u at %u is too large, "
                "for its dma-buf of %" PRIu64 " bytes or at all, or is not "
                "aligned to %u bytes", templat->width0, templat->height0,
                whandle->stride, whandle->offset, movgem_bo_get_size(bo),
                drawing_alignment(templat->format));
      goto fail;
   }
   /* Better now than when it is drawn to. */
   if (!movgem_drm_bo_map(bo))
      goto fail;

   whandle->size = movgem_bo_get_size(bo);
   *stride = whandle->stride;
   return displaytarget_new(bo, templat->format, whandle->stride,
                            whandle->offset);

fail:
   movgem_bo_unref(bo);
   return NULL;
}

bool
movgem_fill_handle(struct movgem_bo *bo, unsigned stride, unsigned offset,
                   struct winsys_handle *whandle)
{
   int fd;

   switch (whandle->type) {
   case WINSYS_HANDLE_TYPE_KMS:
      whandle->handle = movgem_bo_get_handle(bo);
      break;
   case WINSYS_HANDLE_TYPE_FD:
      fd = movgem_drm_bo_export(bo);
      if (fd < 0)
         return false;
      whandle->handle = fd;
      break;
   default:
      return false;
   }
   whandle->stride = stride;
   whandle->offset = offset;
   whandle->modifier = DRM_FORMAT_MOD_LINEAR;
   whandle->size = movgem_bo_get_size(bo);
   return true;
}

static bool
movgem_displaytarget_get_handle(struct sw_winsys *ws,
                                struct sw_displaytarget *dt,
                                struct winsys_handle *whandle)
{
   return movgem_fill_handle(dt->bo, dt->stride, dt->offset, whandle);
}

static void *
movgem_displaytarget_map(struct sw_winsys *ws, struct sw_displaytarget *dt,
                         unsigned flags)
{
   uint8_t *map = movgem_drm_bo_map(dt->bo);

   if (!map)
      return NULL;
   if (movgem_bo_is_shared(dt->bo))
      movgem_drm_bo_begin_access(dt->bo);
   return map + dt->offset;
}

static void
movgem_displaytarget_unmap(struct sw_winsys *ws, struct sw_displaytarget *dt)
{
   if (movgem_bo_is_shared(dt->bo))
      movgem_drm_bo_end_access(dt->bo);
}

/* Whoever shows an image has its dma-buf or its GEM handle. */
static void
movgem_displaytarget_display(struct sw_winsys *ws, struct sw_displaytarget *dt,
                             void *context_private, unsigned nboxes,
                             struct pipe_box *box)
{
}

static void
movgem_displaytarget_destroy(struct sw_winsys *ws, struct sw_displaytarget *dt)
{
   if (movgem_winsys(ws)->gpu)
      movgem_gpu_unbind(movgem_winsys(ws)->gpu, &dt->va,
                        movgem_bo_get_size(dt->bo));
   movgem_bo_unref(dt->bo);
   FREE(dt);
}

struct sw_winsys *
movgem_winsys_create(int fd)
{
   struct movgem_winsys *ws = CALLOC_STRUCT(movgem_winsys);

   if (!ws)
      return NULL;

   ws->dev = movgem_drm_device_open(fd, &ws->debug);
   if (!ws->dev) {
      FREE(ws);
      return NULL;
   }

   /* No displaytarget_create_mapped: with it llvmpipe maps dma-bufs by itself,
    * past GEM, and their handles could not be had.
    */
   ws->base.destroy = movgem_winsys_destroy;
   ws->base.get_fd = movgem_get_fd;
   ws->base.is_displaytarget_format_supported =
      movgem_displaytarget_format_supported;
   ws->base.displaytarget_create = movgem_displaytarget_create;
   ws->base.displaytarget_from_handle = movgem_displaytarget_from_handle;
   ws->base.displaytarget_get_handle = movgem_displaytarget_get_handle;
   ws->base.displaytarget_map = movgem_displaytarget_map;
   ws->base.displaytarget_unmap = movgem_displaytarget_unmap;
   ws->base.displaytarget_display = movgem_displaytarget_display;
   ws->base.displaytarget_destroy = movgem_displaytarget_destroy;
   return &ws->base;
}
