/*
 * Copyright (C) 2026 movgem maintainers
 * SPDX-License-Identifier: MIT
 *
 * What movgem's GPU can do of llvmpipe's work with the very same result: clears,
 * copies, and copies from one format to another of four bytes with alpha. Only
 * with the last it is the faster one, so that others are to be asked for. It is
 * given a job when all is drawn that the job depends on, and is waited for. What
 * it cannot do, or has failed to do, llvmpipe does.
 */

#include "movgem_drm_winsys.h"

#include <string.h>

#include "drm-uapi/drm_fourcc.h"
#include "pipe/p_context.h"
#include "util/format/u_format.h"
#include "util/u_inlines.h"
#include "util/u_math.h"
#include "util/u_pack_color.h"
#include "util/u_surface.h"

#include "llvmpipe/lp_context.h"
#include "llvmpipe/lp_flush.h"
#include "llvmpipe/lp_screen.h"
#include "llvmpipe/lp_state.h"
#include "llvmpipe/lp_texture.h"

#include "movgem_drm_bo.h"
#include "movgem_drm_gpu.h"

static struct movgem_winsys *
context_winsys(struct pipe_context *ctx)
{
   return movgem_winsys(llvmpipe_screen(ctx->screen)->winsys);
}

/* llvmpipe's own functions */
static const struct movgem_context_functions *
original(struct pipe_context *ctx)
{
   return &context_winsys(ctx)->context;
}

static bool
is_conditional(struct pipe_context *ctx)
{
   const struct llvmpipe_context *lp = llvmpipe_context(ctx);

   return lp->render_cond_query || lp->render_cond_buffer;
}

/* Where a box of a resource is. \return false if the GPU cannot get at it */
static bool
get_box(struct pipe_resource *resource, unsigned level,
        const struct pipe_box *box, struct movgem_gpu_box *out)
{
   const struct llvmpipe_resource *lpr = llvmpipe_resource(resource);
   const enum pipe_format format = resource->format;

   out->bo = movgem_llvmpipe_resource_bo(resource, &out->va);
   if (!out->bo || movgem_bo_is_foreign(out->bo) || resource->nr_samples > 1)
      return false;

   out->stride = lpr->row_stride[level];
   out->layer_stride = lpr->img_stride[level];
   out->offset = lpr->dt ? lpr->dt->offset : lpr->mip_offsets[level];
   if (llvmpipe_resource_is_texture(resource))
      out->offset += box->z * out->layer_stride +
                     box->y / util_format_get_blockheight(format) * out->stride;
   out->offset += (uint64_t)(box->x / util_format_get_blockwidth(format)) *
                  util_format_get_blocksize(format);
   return true;
}

static struct movgem_gpu_size
get_size(enum pipe_format format, const struct pipe_box *box)
{
   return (struct movgem_gpu_size) {
      .line = util_format_get_stride(format, box->width),
      .lines = util_format_get_nblocksy(format, box->height),
      .layers = box->depth,
   };
}

/* What llvmpipe has been told to draw is drawn, as for a map of its own. */
static void
finish_drawing(struct pipe_context *ctx, struct pipe_resource *resource,
               unsigned level, bool read_only)
{
   llvmpipe_flush_resource(ctx, resource, level, read_only, true, false,
                           __func__);
}

static void
begin_access(const struct movgem_gpu_box *box)
{
   if (movgem_bo_is_shared(box->bo))
      movgem_drm_bo_begin_access(box->bo);
}

/* Tells all who sample, or have copies of, what has been written to. */
static void
has_written(struct pipe_context *ctx, const struct pipe_resource *resource)
{
   llvmpipe_screen(ctx->screen)->timestamp++;
   if (resource->bind & PIPE_BIND_CONSTANT_BUFFER)
      llvmpipe_context(ctx)->dirty |= LP_NEW_FS_CONSTANTS;
}

/* The value of a pixel, or more of them, in four bytes. */
static bool
get_pattern(enum pipe_format format, const union util_color *color,
            uint32_t *pattern)
{
   switch (util_format_get_blocksize(format)) {
   case 4:
      *pattern = color->ui[0];
      return true;
   case 2:
      *pattern = color->us * 0x00010001u;
      return true;
   case 1:
      *pattern = color->ub * 0x01010101u;
      return true;
   default:
      return false;
   }
}

static bool
clear_box(struct pipe_context *ctx, struct pipe_resource *resource,
          unsigned level, const struct pipe_box *box, enum pipe_format format,
          const union util_color *color)
{
   const struct movgem_gpu_size size = get_size(format, box);
   struct movgem_gpu_box dst;
   uint32_t pattern;

   if (util_format_is_compressed(format) ||
       !get_pattern(format, color, &pattern) ||
       !get_box(resource, level, box, &dst) ||
       (dst.offset | dst.stride | dst.layer_stride | size.line) & 3)
      return false;

   finish_drawing(ctx, resource, level, false);
   begin_access(&dst);
   if (!movgem_gpu_fill(context_winsys(ctx)->gpu, &dst, &size, pattern))
      return false;
   has_written(ctx, resource);
   return true;
}

static bool
clear_surface(struct pipe_context *ctx, const struct pipe_surface *surface,
              const union pipe_color_union *color)
{
   const struct pipe_framebuffer_state *fb =
      &llvmpipe_context(ctx)->framebuffer;
   union util_color packed;
   struct pipe_box box;

   if (!surface || surface->texture->target == PIPE_BUFFER ||
       surface->u.tex.first_layer != surface->u.tex.last_layer ||
       util_format_get_blocksize(surface->format) !=
       util_format_get_blocksize(surface->texture->format))
      return false;

   u_box_3d(0, 0, surface->u.tex.first_layer, fb->width, fb->height, 1, &box);
   util_pack_color_union(surface->format, &packed, color);
   return clear_box(ctx, surface->texture, surface->u.tex.level, &box,
                    surface->format, &packed);
}

static void
movgem_clear(struct pipe_context *ctx, unsigned buffers,
             const struct pipe_scissor_state *scissor,
             const union pipe_color_union *color, double depth,
             unsigned stencil)
{
   const struct pipe_framebuffer_state *fb =
      &llvmpipe_context(ctx)->framebuffer;

   if (!scissor && !is_conditional(ctx)) {
      for (unsigned i = 0; i < fb->nr_cbufs; i++) {
         if (buffers & PIPE_CLEAR_COLOR0 << i &&
             clear_surface(ctx, fb->cbufs[i], color))
            buffers &= ~(PIPE_CLEAR_COLOR0 << i);
      }
   }
   if (buffers)
      original(ctx)->clear(ctx, buffers, scissor, color, depth, stencil);
}

static void
movgem_clear_texture(struct pipe_context *ctx, struct pipe_resource *resource,
                     unsigned level, const struct pipe_box *box,
                     const void *data)
{
   const unsigned bytes = util_format_get_blocksize(resource->format);
   union util_color color = { 0 };

   if (bytes <= sizeof(color)) {
      memcpy(&color, data, bytes);
      if (clear_box(ctx, resource, level, box, resource->format, &color))
         return;
   }
   original(ctx)->clear_texture(ctx, resource, level, box, data);
}

static bool
copy_region(struct pipe_context *ctx, struct pipe_resource *dst,
            unsigned dst_level, const struct pipe_box *dst_box,
            struct pipe_resource *src, unsigned src_level,
            const struct pipe_box *src_box)
{
   const struct movgem_gpu_size size = get_size(src->format, src_box);
   struct movgem_gpu_box to, from;

   /* Not within an image, as lines come one after the other. */
   if (dst == src && dst_level == src_level)
      return false;
   /* Blocks may be another format's, or pixels, of the same size. */
   if (util_format_get_blocksize(dst->format) !=
       util_format_get_blocksize(src->format) ||
       util_format_get_blockwidth(dst->format) !=
       util_format_get_blockwidth(src->format) ||
       util_format_get_blockheight(dst->format) !=
       util_format_get_blockheight(src->format))
      return false;
   if (!get_box(dst, dst_level, dst_box, &to) ||
       !get_box(src, src_level, src_box, &from))
      return false;

   finish_drawing(ctx, dst, dst_level, false);
   finish_drawing(ctx, src, src_level, true);
   begin_access(&to);
   begin_access(&from);
   if (!movgem_gpu_copy(context_winsys(ctx)->gpu, &to, &from, &size))
      return false;
   has_written(ctx, dst);
   return true;
}

static void
movgem_resource_copy_region(struct pipe_context *ctx, struct pipe_resource *dst,
                            unsigned dst_level, unsigned dstx, unsigned dsty,
                            unsigned dstz, struct pipe_resource *src,
                            unsigned src_level, const struct pipe_box *src_box)
{
   struct pipe_box dst_box;

   u_box_3d(dstx, dsty, dstz, src_box->width, src_box->height, src_box->depth,
            &dst_box);
   if (!copy_region(ctx, dst, dst_level, &dst_box, src, src_level, src_box))
      original(ctx)->resource_copy_region(ctx, dst, dst_level, dstx, dsty,
                                          dstz, src, src_level, src_box);
}

/* Formats whose channels are moved about, and no more; 0 for others. */
static uint32_t
get_fourcc(enum pipe_format format)
{
   switch (format) {
   case PIPE_FORMAT_B8G8R8A8_UNORM:
      return DRM_FORMAT_ARGB8888;
   case PIPE_FORMAT_B8G8R8X8_UNORM:
      return DRM_FORMAT_XRGB8888;
   case PIPE_FORMAT_R8G8B8A8_UNORM:
      return DRM_FORMAT_ABGR8888;
   case PIPE_FORMAT_R8G8B8X8_UNORM:
      return DRM_FORMAT_XBGR8888;
   default:
      return 0;
   }
}

static bool
get_image(struct pipe_resource *resource, unsigned level,
          const struct pipe_box *box, enum pipe_format format,
          struct movgem_gpu_image *image)
{
   const struct pipe_box layer = { .z = box->z };

   image->format = get_fourcc(format);
   if (!image->format || resource->format != format ||
       !get_box(resource, level, &layer, &image->box) ||
       (image->box.offset | image->box.stride) & 3)
      return false;
   image->width = u_minify(resource->width0, level);
   image->height = u_minify(resource->height0, level);
   image->x = box->x;
   image->y = box->y;
   return box->x >= 0 && box->y >= 0 && box->width > 0 && box->height > 0 &&
          box->x + box->width <= image->width &&
          box->y + box->height <= image->height;
}

/* Each channel stays what it is; an alpha that the source does not have is one
 * in any case, and may be asked for.
 */
static bool
is_swizzled(const struct pipe_blit_info *info)
{
   if (!info->swizzle_enable)
      return false;
   return info->swizzle[0] != PIPE_SWIZZLE_X ||
          info->swizzle[1] != PIPE_SWIZZLE_Y ||
          info->swizzle[2] != PIPE_SWIZZLE_Z ||
          (info->swizzle[3] != PIPE_SWIZZLE_W &&
           (info->swizzle[3] != PIPE_SWIZZLE_1 ||
            util_format_has_alpha(info->src.format)));
}

static bool
blit(struct pipe_context *ctx, const struct pipe_blit_info *info)
{
   const struct pipe_box *to = &info->dst.box, *from = &info->src.box;
   struct movgem_gpu_image dst, src;

   /* Without a change that is a copy, and llvmpipe calls for it to be one. It
    * does not write an X as the GPU does.
    */
   if (info->src.format == info->dst.format ||
       !util_format_has_alpha(info->dst.format))
      return false;
   /* It rounds, and filters, in another way. */
   if (to->width != from->width || to->height != from->height ||
       to->depth != from->depth || info->filter != PIPE_TEX_FILTER_NEAREST)
      return false;
   if ((info->mask & PIPE_MASK_RGBA) != PIPE_MASK_RGBA || info->dst_sample ||
       info->scissor_enable || is_swizzled(info) || info->alpha_blend ||
       info->num_window_rectangles ||
       (info->render_condition_enable && is_conditional(ctx)) ||
       info->dst.resource == info->src.resource)
      return false;
   if (!get_image(info->dst.resource, info->dst.level, to, info->dst.format,
                  &dst) ||
       !get_image(info->src.resource, info->src.level, from, info->src.format,
                  &src))
      return false;

   finish_drawing(ctx, info->dst.resource, info->dst.level, false);
   finish_drawing(ctx, info->src.resource, info->src.level, true);
   begin_access(&dst.box);
   begin_access(&src.box);
   if (!movgem_gpu_convert(context_winsys(ctx)->gpu, &dst, &src, to->width,
                           to->height, to->depth))
      return false;
   has_written(ctx, info->dst.resource);
   return true;
}

static void
movgem_blit(struct pipe_context *ctx, const struct pipe_blit_info *info)
{
   if (!blit(ctx, info))
      original(ctx)->blit(ctx, info);
}

void
movgem_llvmpipe_init_gpu(struct pipe_context *ctx)
{
   struct movgem_winsys *ws = context_winsys(ctx);

   if (!ws->gpu)
      return;

   ws->context.clear = ctx->clear;
   ws->context.clear_texture = ctx->clear_texture;
   ws->context.resource_copy_region = ctx->resource_copy_region;
   ws->context.blit = ctx->blit;

   if (ws->debug & MOVGEM_DEBUG_GPU_CLEAR) {
      ctx->clear = movgem_clear;
      ctx->clear_texture = movgem_clear_texture;
   }
   if (ws->debug & MOVGEM_DEBUG_GPU_COPY)
      ctx->resource_copy_region = movgem_resource_copy_region;
   if (!(ws->debug & MOVGEM_DEBUG_NO_GPU_BLIT))
      ctx->blit = movgem_blit;
}
