/*
 * Copyright (C) 2026 movgem maintainers
 * SPDX-License-Identifier: MIT
 *
 * llvmpipe has memory of the process for textures, and display targets, of one
 * level and layer, for what is shared. Here whatever is created as a texture,
 * to be shared or not, is laid out as a texture in a BO: "unbacked" resources
 * get it as their memory, which llvmpipe hands to free_memory_fd() in the end.
 * Display targets remain for what is imported, as they can have any stride.
 */

#include "movgem_drm_winsys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "drm-uapi/drm_fourcc.h"
#include "frontend/winsys_handle.h"
#include "pipe/p_screen.h"
#include "util/log.h"
#include "util/os_file.h"
#include "util/os_time.h"
#include "util/u_framebuffer.h"
#include "util/u_memory.h"

#include "llvmpipe/lp_context.h"
#include "llvmpipe/lp_fence.h"
#include "llvmpipe/lp_flush.h"
#include "llvmpipe/lp_rast.h"
#include "llvmpipe/lp_screen.h"
#include "llvmpipe/lp_texture.h"

#include "movgem_drm_bo.h"
#include "movgem_drm_gpu.h"

#ifndef HAVE_LINUX_UDMABUF_H
#error "without linux/udmabuf.h llvmpipe has no dma-bufs"
#endif

/* Of these llvmpipe makes display targets. */
#define SHARED_BINDS \
   (PIPE_BIND_DISPLAY_TARGET | PIPE_BIND_SCANOUT | PIPE_BIND_SHARED)

/* llvmpipe tells its own kinds of memory apart by this. */
#define MEMORY_TYPE_BO ((enum llvmpipe_memory_fd_type)0x6d6f7667)

/* Buffers of this size, in bytes, are BOs where the GPU copies. */
#define MIN_COPIED_BUFFER (64 * 1024)

/** A BO as llvmpipe's kind of memory. */
struct movgem_memory {
   struct llvmpipe_memory_allocation base;
   struct movgem_bo *bo;

   /** See struct movgem_gpu_box. */
   uint64_t va;
};

static struct movgem_winsys *
screen_winsys(struct pipe_screen *screen)
{
   return movgem_winsys(llvmpipe_screen(screen)->winsys);
}

static struct movgem_device *
screen_device(struct pipe_screen *screen)
{
   return screen_winsys(screen)->dev;
}

/* llvmpipe's own functions */
static const struct pipe_screen *
original(struct pipe_screen *screen)
{
   return &screen_winsys(screen)->original;
}

/* \return such memory; NULL for memory of llvmpipe's own */
static struct movgem_memory *
movgem_memory(struct llvmpipe_memory_allocation *mem)
{
   return mem && mem->type == MEMORY_TYPE_BO ? (struct movgem_memory *)mem : NULL;
}

struct movgem_bo *
movgem_llvmpipe_resource_bo(struct pipe_resource *resource, uint64_t **va)
{
   const struct llvmpipe_resource *lpr = llvmpipe_resource(resource);
   struct movgem_memory *mem = movgem_memory(lpr->dmabuf_alloc);

   if (lpr->dt) {
      *va = &lpr->dt->va;
      return lpr->dt->bo;
   }
   if (!mem)
      return NULL;
   *va = &mem->va;
   return mem->bo;
}

static struct movgem_bo *
resource_bo(struct pipe_resource *resource)
{
   uint64_t *va;

   return movgem_llvmpipe_resource_bo(resource, &va);
}

static struct llvmpipe_memory_allocation *
memory_create(struct pipe_screen *screen, uint64_t size)
{
   struct movgem_memory *mem = CALLOC_STRUCT(movgem_memory);

   if (!mem)
      return NULL;

   mem->bo = movgem_drm_bo_create(screen_device(screen), size);
   if (!mem->bo) {
      FREE(mem);
      return NULL;
   }
   mem->base.type = MEMORY_TYPE_BO;
   mem->base.cpu_addr = movgem_drm_bo_map(mem->bo);
   mem->base.size = size;
   mem->base.fd = -1;
   mem->base.mem_fd = -1;
   mem->base.dmabuf_fd = -1;
   return &mem->base;
}

/* Memory that llvmpipe wants as a dma-buf, for a buffer that is exported. */
static struct pipe_memory_allocation *
movgem_allocate_memory_fd(struct pipe_screen *screen, uint64_t size, int *fd,
                          bool dmabuf)
{
   struct llvmpipe_memory_allocation *mem;

   if (!dmabuf)
      return original(screen)->allocate_memory_fd(screen, size, fd, dmabuf);

   mem = memory_create(screen, size);
   if (!mem)
      return NULL;

   mem->dmabuf_fd = movgem_drm_bo_export(movgem_memory(mem)->bo);
   *fd = mem->dmabuf_fd < 0 ? -1 : os_dupfd_cloexec(mem->dmabuf_fd);
   if (*fd < 0) {
      screen->free_memory_fd(screen, (struct pipe_memory_allocation *)mem);
      return NULL;
   }
   return (struct pipe_memory_allocation *)mem;
}

static void
movgem_free_memory_fd(struct pipe_screen *screen,
                      struct pipe_memory_allocation *pmem)
{
   struct movgem_memory *mem =
      movgem_memory((struct llvmpipe_memory_allocation *)pmem);
   struct movgem_gpu *gpu = screen_winsys(screen)->gpu;

   if (!mem) {
      original(screen)->free_memory_fd(screen, pmem);
      return;
   }
   if (mem->base.dmabuf_fd >= 0)
      close(mem->base.dmabuf_fd);
   if (gpu)
      movgem_gpu_unbind(gpu, &mem->va, movgem_bo_get_size(mem->bo));
   movgem_bo_unref(mem->bo);
   FREE(mem);
}

static bool
wants_bo(struct pipe_screen *screen, const struct pipe_resource *templat)
{
   const unsigned debug = screen_winsys(screen)->debug;

   if (templat->flags & PIPE_RESOURCE_FLAG_SPARSE)
      return false;
   if (templat->target == PIPE_BUFFER)
      return debug & MOVGEM_DEBUG_GPU_COPY &&
             templat->width0 >= MIN_COPIED_BUFFER;
   return templat->bind & SHARED_BINDS || !(debug & MOVGEM_DEBUG_NO_TEXTURES);
}

static struct pipe_resource *
movgem_resource_create(struct pipe_screen *screen,
                       const struct pipe_resource *templat)
{
   struct pipe_resource texture = *templat;
   struct pipe_resource *resource;
   struct llvmpipe_resource *lpr;
   uint64_t size;

   if (!wants_bo(screen, templat))
      return original(screen)->resource_create(screen, templat);

   texture.bind &= ~SHARED_BINDS;
   if (!screen->can_create_resource(screen, &texture))
      return NULL;
   resource = screen->resource_create_unbacked(screen, &texture, &size);
   if (!resource)
      return NULL;

   lpr = llvmpipe_resource(resource);
   lpr->dmabuf_alloc = memory_create(screen, size);
   if (!lpr->dmabuf_alloc) {
      screen->resource_destroy(screen, resource);
      /* Nobody else is to have it: memory of the process does as well. */
      return templat->bind & SHARED_BINDS ?
             NULL : original(screen)->resource_create(screen, templat);
   }
   if (llvmpipe_resource_is_texture(resource))
      lpr->tex_data = lpr->dmabuf_alloc->cpu_addr;
   else
      lpr->data = lpr->dmabuf_alloc->cpu_addr;
   lpr->base.bind = templat->bind;
   return resource;
}

static struct pipe_resource *
movgem_resource_from_handle(struct pipe_screen *screen,
                            const struct pipe_resource *templat,
                            struct winsys_handle *whandle, unsigned usage)
{
   struct winsys_handle plane = *whandle;
   struct pipe_resource *resource;

   /* Each plane of an image is one of its own to llvmpipe. */
   plane.plane = 0;
   resource = original(screen)->resource_from_handle(screen, templat, &plane, usage);
   whandle->size = plane.size;
   return resource;
}

/* Wait until all is drawn that llvmpipe's threads have been given so far. They
 * take one scene after the other, so the last one's fence stands for all.
 */
static void
wait_for_drawing(struct pipe_screen *screen)
{
   struct llvmpipe_screen *lp = llvmpipe_screen(screen);
   struct lp_fence *last = NULL;

   /* The threads come with the first context. */
   mtx_lock(&lp->late_mutex);
   const bool draws = lp->late_init_done;
   mtx_unlock(&lp->late_mutex);
   if (!draws)
      return;

   mtx_lock(&lp->rast_mutex);
   lp_rast_fence(lp->rast, &last);
   mtx_unlock(&lp->rast_mutex);
   if (last)
      lp_fence_wait(last);
   lp_fence_reference(&last, NULL);
}

/* The planes of an image are a chain of resources. */
static struct pipe_resource *
resource_plane(struct pipe_resource *resource, unsigned plane)
{
   while (plane-- && resource)
      resource = resource->next;
   return resource;
}

static bool
movgem_resource_get_handle(struct pipe_screen *screen, struct pipe_context *ctx,
                           struct pipe_resource *resource,
                           struct winsys_handle *whandle, unsigned usage)
{
   const struct llvmpipe_resource *lpr;
   struct movgem_bo *bo;
   unsigned offset;

   resource = resource_plane(resource, whandle->plane);
   if (!resource)
      return false;
   lpr = llvmpipe_resource(resource);
   bo = resource_bo(resource);
   if (!bo) {
      /* What is there so far is copied. */
      wait_for_drawing(screen);
      return original(screen)->resource_get_handle(screen, ctx, resource,
                                                   whandle, usage);
   }

   offset = lpr->dt ? lpr->dt->offset : lpr->img_stride[0] * whandle->layer;
   if (!movgem_fill_handle(bo, lpr->row_stride[0], offset, whandle))
      return false;
   /* Flushes so far did not, if nobody knew of a BO; from now on each one does. */
   wait_for_drawing(screen);
   return true;
}

static bool
movgem_resource_get_param(struct pipe_screen *screen, struct pipe_context *ctx,
                          struct pipe_resource *resource, unsigned plane,
                          unsigned layer, unsigned level,
                          enum pipe_resource_param param,
                          unsigned handle_usage, uint64_t *value)
{
   struct winsys_handle whandle = { .layer = layer };
   const struct llvmpipe_resource *lpr;

   resource = resource_plane(resource, plane);
   if (!resource)
      return false;
   lpr = llvmpipe_resource(resource);

   switch (param) {
   case PIPE_RESOURCE_PARAM_NPLANES:
      *value = 0;
      for (; resource; resource = resource->next)
         ++*value;
      return true;
   case PIPE_RESOURCE_PARAM_MODIFIER:
      *value = DRM_FORMAT_MOD_LINEAR;
      return true;
   case PIPE_RESOURCE_PARAM_OFFSET:
      if (!lpr->dt)
         break;
      *value = lpr->dt->offset;
      return true;
   case PIPE_RESOURCE_PARAM_HANDLE_TYPE_SHARED:
      return false;
   case PIPE_RESOURCE_PARAM_HANDLE_TYPE_KMS:
   case PIPE_RESOURCE_PARAM_HANDLE_TYPE_FD:
      whandle.type = param == PIPE_RESOURCE_PARAM_HANDLE_TYPE_KMS ?
                     WINSYS_HANDLE_TYPE_KMS : WINSYS_HANDLE_TYPE_FD;
      if (!screen->resource_get_handle(screen, ctx, resource, &whandle,
                                       handle_usage))
         return false;
      *value = whandle.handle;
      return true;
   default:
      break;
   }
   return original(screen)->resource_get_param(screen, ctx, resource, 0, layer,
                                               level, param, handle_usage,
                                               value);
}

static void
movgem_resource_get_info(struct pipe_screen *screen,
                         struct pipe_resource *resource,
                         unsigned *stride, unsigned *offset)
{
   const struct llvmpipe_resource *lpr = llvmpipe_resource(resource);

   *stride = lpr->row_stride[0];
   *offset = lpr->dt ? lpr->dt->offset : 0;
}

static const char *
movgem_get_name(struct pipe_screen *screen)
{
   return llvmpipe_screen(screen)->renderer_string;
}

/* As llvmpipe's, but that one finishes all contexts, of other threads too. */
static int
movgem_fence_get_fd(struct pipe_screen *screen,
                    struct pipe_fence_handle *handle)
{
   struct lp_fence *fence = (struct lp_fence *)handle;

   if (fence && fence->type == LP_FENCE_TYPE_SYNC_FD)
      return os_dupfd_cloexec(fence->sync_fd);
   if (fence)
      original(screen)->fence_finish(screen, NULL, handle, OS_TIMEOUT_INFINITE);
   return os_dupfd_cloexec(llvmpipe_screen(screen)->dummy_sync_fd);
}

/* All BOs that somebody else may know, with a reference to each. */
static struct movgem_bo **
get_shared(struct pipe_screen *screen, unsigned *count)
{
   struct movgem_bo **bos = NULL;

   *count = 0;
   if (movgem_device_get_shared(screen_device(screen), &bos, count))
      mesa_loge("movgem: no memory to wait for BOs");
   return bos;
}

static void
put_shared(struct movgem_bo **bos, unsigned count)
{
   for (unsigned i = 0; i < count; i++)
      movgem_bo_unref(bos[i]);
   free(bos);
}

static bool
has_shared(struct pipe_screen *screen)
{
   unsigned count;
   struct movgem_bo **bos = get_shared(screen, &count);

   put_shared(bos, count);
   return count;
}

/* Wait until others have done with an image that is drawn to. Those that are
 * imported are mapped anew for each scene, and that waits.
 */
static void
wait_for_target(const struct pipe_surface *surface)
{
   struct movgem_bo *bo;

   if (!surface || llvmpipe_resource(surface->texture)->dt)
      return;
   bo = resource_bo(surface->texture);
   if (bo && movgem_bo_is_shared(bo))
      movgem_bo_wait(bo, INT64_MAX);
}

/* What there is to be drawn to a framebuffer llvmpipe draws when it leaves it. */
static void
movgem_set_framebuffer_state(struct pipe_context *ctx,
                             const struct pipe_framebuffer_state *fb)
{
   const struct pipe_framebuffer_state *old = &llvmpipe_context(ctx)->framebuffer;

   if (!util_framebuffer_state_equal(old, fb)) {
      for (unsigned i = 0; i < old->nr_cbufs; i++)
         wait_for_target(old->cbufs[i]);
      wait_for_target(old->zsbuf);
   }
   screen_winsys(ctx->screen)->context.set_framebuffer_state(ctx, fb);
}

/* A flush promises others who have the BOs that they will find in them what was
 * drawn. There is no fence that they could wait for, so it is drawn here; or
 * else when the first BO is exported: see wait_for_drawing().
 */
static void
movgem_flush(struct pipe_context *ctx, struct pipe_fence_handle **fence,
             unsigned flags)
{
   struct pipe_screen *screen = ctx->screen;
   struct movgem_bo **bos;
   unsigned count;

   bos = get_shared(screen, &count);
   /* To begin access may drop from caches what is not in memory yet. */
   if (count)
      wait_for_drawing(screen);
   for (unsigned i = 0; i < count; i++)
      movgem_drm_bo_begin_access(bos[i]);

   llvmpipe_flush(ctx, fence, __func__);

   /* Also for what another thread has exported meanwhile: it may have waited
    * before this was there to be waited for.
    */
   if (count || has_shared(screen))
      wait_for_drawing(screen);

   for (unsigned i = 0; i < count; i++)
      movgem_drm_bo_end_access(bos[i]);
   put_shared(bos, count);
}

static struct pipe_context *
movgem_context_create(struct pipe_screen *screen, void *priv, unsigned flags)
{
   struct pipe_context *ctx = original(screen)->context_create(screen, priv, flags);

   if (ctx) {
      ctx->flush = movgem_flush;
      screen_winsys(screen)->context.set_framebuffer_state =
         ctx->set_framebuffer_state;
      ctx->set_framebuffer_state = movgem_set_framebuffer_state;
      movgem_llvmpipe_init_gpu(ctx);
   }
   return ctx;
}

/* llvmpipe draws with the CPU and is done when it gives a fence away: that one
 * has signalled. It wants it from udmabuf; a syncobj has one without.
 */
static void
init_fence(struct llvmpipe_screen *lp)
{
   struct movgem_device *dev = movgem_winsys(lp->winsys)->dev;
   uint32_t syncobj;
   int sync_fd = -1;

   if (!movgem_syncobj_create(dev, true, &syncobj)) {
      movgem_syncobj_export_sync_file(dev, syncobj, 0, &sync_fd);
      movgem_syncobj_destroy(dev, syncobj);
   }

   if (lp->dummy_sync_fd >= 0)
      close(lp->dummy_sync_fd);
   lp->dummy_sync_fd = sync_fd;
   if (lp->dummy_dmabuf) {
      lp->base.free_memory_fd(&lp->base,
                              (struct pipe_memory_allocation *)lp->dummy_dmabuf);
      lp->dummy_dmabuf = NULL;
   }
   if (lp->udmabuf_fd >= 0) {
      close(lp->udmabuf_fd);
      lp->udmabuf_fd = -1;
   }
   ((struct pipe_caps *)&lp->base.caps)->native_fence_fd = sync_fd >= 0;
}

void
movgem_llvmpipe_init(struct pipe_screen *screen)
{
   struct llvmpipe_screen *lp = llvmpipe_screen(screen);
   const size_t length = strlen(lp->renderer_string);

   /* Its caps are constant, so it cannot be assigned. */
   memcpy(&screen_winsys(screen)->original, screen, sizeof(*screen));

   screen_winsys(screen)->gpu = movgem_gpu_create(screen_device(screen));
   init_fence(lp);
   snprintf(lp->renderer_string + length, sizeof(lp->renderer_string) - length,
            " on movgem");

   screen->get_name = movgem_get_name;
   screen->context_create = movgem_context_create;
   screen->fence_get_fd = movgem_fence_get_fd;
   screen->resource_create = movgem_resource_create;
   screen->resource_from_handle = movgem_resource_from_handle;
   screen->resource_get_handle = movgem_resource_get_handle;
   screen->resource_get_param = movgem_resource_get_param;
   screen->resource_get_info = movgem_resource_get_info;
   screen->allocate_memory_fd = movgem_allocate_memory_fd;
   screen->free_memory_fd = movgem_free_memory_fd;
}
