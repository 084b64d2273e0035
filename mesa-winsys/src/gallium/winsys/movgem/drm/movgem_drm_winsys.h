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
struct winsys_handle;

/** What a software rasterizer draws into: a linear image in a BO. */
struct sw_displaytarget {
   struct movgem_bo *bo;
   enum pipe_format format;
   unsigned stride;
   unsigned offset;
};

/** The winsys of one file description. */
struct movgem_winsys {
   struct sw_winsys base;
   struct movgem_device *dev;

   /** Any of enum movgem_debug. */
   unsigned debug;

   /** The rasterizer's screen as it was before we changed some functions. */
   struct pipe_screen original;
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
#endif

#endif /* MOVGEM_DRM_WINSYS_H */
