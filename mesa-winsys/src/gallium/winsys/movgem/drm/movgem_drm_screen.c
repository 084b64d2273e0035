/*
 * Copyright (C) 2026 movgem maintainers
 * SPDX-License-Identifier: MIT
 */

#include "movgem_drm_public.h"

#include <string.h>
#include <xf86drm.h>

#include "drm-uapi/drm_fourcc.h"
#include "pipe/p_screen.h"
#include "util/format/u_format.h"
#include "util/list.h"
#include "util/log.h"
#include "util/os_file.h"
#include "util/simple_mtx.h"
#include "util/u_debug.h"
#include "util/u_memory.h"

#ifdef GALLIUM_LLVMPIPE
#include "llvmpipe/lp_public.h"
#endif
#ifdef GALLIUM_SOFTPIPE
#include "softpipe/sp_public.h"
#endif

#include "movgem_drm_bo.h"
#include "movgem_drm_winsys.h"

/** A screen and who has it. */
struct movgem_screen {
   struct pipe_screen *screen;
   struct sw_winsys *ws;
   unsigned refcount;
   struct list_head link;

   /* The rasterizer's own functions */
   void (*destroy)(struct pipe_screen *screen);
   bool (*is_format_supported)(struct pipe_screen *screen,
                               enum pipe_format format,
                               enum pipe_texture_target target,
                               unsigned sample_count,
                               unsigned storage_sample_count, unsigned bind);
};

/* Two screens with the GEM handles of one file would each close what the other
 * still uses, so each file description has one. (util_hash_table's fd keys tell
 * device nodes apart, not files.)
 */
static simple_mtx_t screens_lock = SIMPLE_MTX_INITIALIZER;
static struct list_head screens = { &screens, &screens };

static struct movgem_screen *
find_screen(struct pipe_screen *screen)
{
   list_for_each_entry(struct movgem_screen, entry, &screens, link) {
      if (entry->screen == screen)
         return entry;
   }
   unreachable("a screen that was not created here");
}

static void
movgem_screen_destroy(struct pipe_screen *screen)
{
   simple_mtx_lock(&screens_lock);

   /* All of it with the lock: a new screen of the same file would get handles
    * that this one is about to close.
    */
   struct movgem_screen *entry = find_screen(screen);
   if (!--entry->refcount) {
      list_del(&entry->link);
      entry->destroy(screen);
      entry->ws->destroy(entry->ws);
      FREE(entry);
   }

   simple_mtx_unlock(&screens_lock);
}

/* Frontends take formats of several planes, and YUV, apart into images that the
 * rasterizers can import and sample, unless they claim to know them.
 */
static bool
movgem_is_format_supported(struct pipe_screen *screen, enum pipe_format format,
                           enum pipe_texture_target target,
                           unsigned sample_count, unsigned storage_sample_count,
                           unsigned bind)
{
   if (util_format_is_yuv(format) || util_format_get_num_planes(format) > 1)
      return false;

   simple_mtx_lock(&screens_lock);
   struct movgem_screen *entry = find_screen(screen);
   simple_mtx_unlock(&screens_lock);
   return entry->is_format_supported(screen, format, target, sample_count,
                                     storage_sample_count, bind);
}

static struct pipe_resource *
movgem_resource_create_with_modifiers(struct pipe_screen *screen,
                                      const struct pipe_resource *templat,
                                      const uint64_t *modifiers, int count)
{
   for (int i = 0; i < count; i++) {
      if (modifiers[i] == DRM_FORMAT_MOD_LINEAR)
         return screen->resource_create(screen, templat);
   }
   return NULL;
}

/* YUV has to be sampled by way of an external texture, which does the
 * conversion.
 */
static void
movgem_query_dmabuf_modifiers(struct pipe_screen *screen,
                              enum pipe_format format, int max,
                              uint64_t *modifiers, unsigned int *external_only,
                              int *count)
{
   *count = 1;
   if (max < 1)
      return;
   modifiers[0] = DRM_FORMAT_MOD_LINEAR;
   if (external_only)
      external_only[0] = util_format_is_yuv(format);
}

static bool
movgem_is_dmabuf_modifier_supported(struct pipe_screen *screen,
                                    uint64_t modifier, enum pipe_format format,
                                    bool *external_only)
{
   if (external_only)
      *external_only = util_format_is_yuv(format);
   return modifier == DRM_FORMAT_MOD_LINEAR;
}

static unsigned
movgem_get_dmabuf_modifier_planes(struct pipe_screen *screen, uint64_t modifier,
                                  enum pipe_format format)
{
   return modifier == DRM_FORMAT_MOD_LINEAR ?
          util_format_get_num_planes(format) : 0;
}

/* llvmpipe, or what GALLIUM_DRIVER in the environment says. */
static struct pipe_screen *
create_rasterizer(struct sw_winsys *ws)
{
   const char *name = debug_get_option("GALLIUM_DRIVER", NULL);

#ifdef GALLIUM_LLVMPIPE
   if (!name || !strcmp(name, "llvmpipe")) {
      struct pipe_screen *screen = llvmpipe_create_screen(ws);
      if (screen)
         movgem_llvmpipe_init(screen);
      return screen;
   }
#endif
#ifdef GALLIUM_SOFTPIPE
   if (!name || !strcmp(name, "softpipe"))
      return softpipe_create_screen(ws);
#endif
   mesa_loge("movgem: there is no rasterizer %s", name ? name : "in this build");
   return NULL;
}

static struct movgem_screen *
create_screen(int fd)
{
   struct movgem_screen *entry = CALLOC_STRUCT(movgem_screen);
   struct pipe_screen *screen;

   if (!entry)
      return NULL;

   entry->ws = movgem_winsys_create(fd);
   if (!entry->ws)
      goto fail;

   screen = create_rasterizer(entry->ws);
   if (!screen) {
      entry->ws->destroy(entry->ws);
      goto fail;
   }

   ((struct pipe_caps *)&screen->caps)->dmabuf =
      DRM_PRIME_CAP_IMPORT | DRM_PRIME_CAP_EXPORT;
   screen->query_dmabuf_modifiers = movgem_query_dmabuf_modifiers;
   screen->is_dmabuf_modifier_supported = movgem_is_dmabuf_modifier_supported;
   screen->get_dmabuf_modifier_planes = movgem_get_dmabuf_modifier_planes;
   screen->resource_create_with_modifiers =
      movgem_resource_create_with_modifiers;

   entry->screen = screen;
   entry->destroy = screen->destroy;
   screen->destroy = movgem_screen_destroy;
   entry->is_format_supported = screen->is_format_supported;
   screen->is_format_supported = movgem_is_format_supported;
   list_add(&entry->link, &screens);
   return entry;

fail:
   FREE(entry);
   return NULL;
}

struct pipe_screen *
movgem_drm_screen_create(int fd)
{
   struct movgem_screen *found = NULL;

   simple_mtx_lock(&screens_lock);
   list_for_each_entry(struct movgem_screen, entry, &screens, link) {
      const int differs =
         os_same_file_description(entry->ws->get_fd(entry->ws), fd);

      if (differs < 0)
         mesa_logw_once("movgem: there is no kcmp(); if a file is used twice, "
                        "each use may close the buffers of the other");
      if (!differs) {
         found = entry;
         break;
      }
   }
   if (!found)
      found = create_screen(fd);
   if (found)
      found->refcount++;
   simple_mtx_unlock(&screens_lock);

   return found ? found->screen : NULL;
}
