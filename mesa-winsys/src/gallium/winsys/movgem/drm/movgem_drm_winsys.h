/*
 * Copyright (C) 2026 movgem maintainers
 * SPDX-License-Identifier: MIT
 */

#ifndef MOVGEM_DRM_WINSYS_H
#define MOVGEM_DRM_WINSYS_H

#include <stdbool.h>
#include <stdint.h>

#include "frontend/sw_winsys.h"
#include "pipe/p_screen.h"

struct movgem_bo;
struct movgem_device;
struct movgem_gpu;
struct pipe_blit_info;
struct pipe_box;
struct pipe_framebuffer_state;
struct pipe_scissor_state;
struct winsys_handle;
union pipe_color_union;

/** What a software rasterizer draws into: a linear image in a BO. */
struct sw_displaytarget {
   struct movgem_bo *bo;
   enum pipe_format format;
   unsigned stride;
   unsigned offset;

   /** See struct movgem_gpu_box. */
   uint64_t va;
};

/** A rasterizer's functions that are replaced, as they were. */
struct movgem_context_functions {
   void (*set_framebuffer_state)(struct pipe_context *ctx,
                                 const struct pipe_framebuffer_state *fb);
   /* Those that the GPU may do the work of: */
   void (*clear)(struct pipe_context *ctx, unsigned buffers,
                 const struct pipe_scissor_state *scissor,
                 const union pipe_color_union *color, double depth,
                 unsigned stencil);
   void (*clear_texture)(struct pipe_context *ctx,
                         struct pipe_resource *resource, unsigned level,
                         const struct pipe_box *box, const void *data);
   void (*resource_copy_region)(struct pipe_context *ctx,
                                struct pipe_resource *dst, unsigned dst_level,
                                unsigned dstx, unsigned dsty, unsigned dstz,
                                struct pipe_resource *src, unsigned src_level,
                                const struct pipe_box *src_box);
   void (*blit)(struct pipe_context *ctx, const struct pipe_blit_info *info);
};

/** The winsys of one file description. */
struct movgem_winsys {
   struct sw_winsys base;
   struct movgem_device *dev;

   /** Any of enum movgem_debug. */
   unsigned debug;

   /** NULL where it is not to do anything. */
   struct movgem_gpu *gpu;

   /** The rasterizer's screen as it was before we changed some functions. */
   struct pipe_screen original;

   /** Of its contexts, all of which have the same. */
   struct movgem_context_functions context;
};

static inline struct movgem_winsys *
movgem_winsys(struct sw_winsys *ws)
{
   return (struct movgem_winsys *)ws;
}

/** Make a winsys for the device of \p fd; \p fd stays the caller's. */
struct sw_winsys *
movgem_winsys_create(int fd);

/**
 * Fill in \p whandle for an image in \p bo.
 *
 * \return false for a type of handle that there is not, or on errors
 */
bool
movgem_fill_handle(struct movgem_bo *bo, unsigned stride, unsigned offset,
                   struct winsys_handle *whandle);

#ifdef GALLIUM_LLVMPIPE
/** Have an llvmpipe screen keep its textures in BOs. */
void
movgem_llvmpipe_init(struct pipe_screen *screen);

/**
 * \param va  in return, where the BO's address for the GPU is kept
 * \return a resource's BO, or NULL if it has none
 */
struct movgem_bo *
movgem_llvmpipe_resource_bo(struct pipe_resource *resource, uint64_t **va);

/** Have a context of llvmpipe's give work to the GPU, if that is wanted. */
void
movgem_llvmpipe_init_gpu(struct pipe_context *ctx);
#endif

#endif /* MOVGEM_DRM_WINSYS_H */
