// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

#include <linux/dma-resv.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/mm.h>

#include <drm/drm_atomic.h>
#include <drm/drm_atomic_helper.h>
#include <drm/drm_blend.h>
#include <drm/drm_color_mgmt.h>
#include <drm/drm_fourcc.h>
#include <drm/drm_gem_atomic_helper.h>
#include <drm/drm_gem_framebuffer_helper.h>
#include <drm/drm_managed.h>
#include <drm/drm_modeset_helper_vtables.h>
#include <drm/movgem_drm.h>

#include "movgem_device.h"
#include "movgem_kms.h"

/**
 * DOC: Planes
 *
 * Each CRTC has its own. The overlay planes are above the primary one, unless the
 * property "zpos" says otherwise (of two planes with the same one that is above
 * which is so at first), and the cursor is above all. The planes have an alpha of
 * their own and all blend modes. They can be anywhere on the screen, over its edges
 * and off it. They are turned by right angles and mirrored, and scaled by any
 * factor: both rectangles have one pixel at least and DRM_MOVGEM_SURFACE_MAX at
 * most, in each direction. Where there is none the screen is black. A commit leaves
 * what a plane shows in &movgem_crtc.staged, as in registers of hardware, from where
 * the CRTC's part of the commit takes it.
 */

/* All that check_size() lets through. */
#define SCALE_MIN	(DRM_PLANE_NO_SCALING / DRM_MOVGEM_SURFACE_MAX)
#define SCALE_MAX	(DRM_PLANE_NO_SCALING * DRM_MOVGEM_SURFACE_MAX)

struct movgem_plane {
	struct drm_plane base;
	struct movgem_crtc *crtc;
	enum movgem_layer_index index;
	/* There once it has been turned by 90 or 270 degrees. */
	struct movgem_band *band;
};

static const u64 modifiers[] = {
	DRM_FORMAT_MOD_LINEAR,
	DRM_FORMAT_MOD_INVALID,
};

static const enum drm_plane_type types[] = {
	[MOVGEM_LAYER_PRIMARY] = DRM_PLANE_TYPE_PRIMARY,
	[MOVGEM_LAYER_OVERLAY] = DRM_PLANE_TYPE_OVERLAY,
	[MOVGEM_LAYER_OVERLAY2] = DRM_PLANE_TYPE_OVERLAY,
	[MOVGEM_LAYER_CURSOR] = DRM_PLANE_TYPE_CURSOR,
};

static struct movgem_plane *to_movgem_plane(struct drm_plane *plane)
{
	return container_of(plane, struct movgem_plane, base);
}

static struct movgem_layer *staged_layer(struct drm_plane *plane)
{
	struct movgem_plane *mplane = to_movgem_plane(plane);

	return &mplane->crtc->staged[mplane->index];
}

/* Of the framebuffer there is less than of DRM_MOVGEM_SURFACE_MAX anyway. */
static int check_size(const struct drm_plane_state *new)
{
	struct drm_device *drm = new->plane->dev;

	if (new->src_w < 1 << 16 || new->src_h < 1 << 16)
		return movgem_reject(drm, -ERANGE,
				     "SRC_W, SRC_H: less than a pixel");
	if (!new->crtc_w || new->crtc_w > DRM_MOVGEM_SURFACE_MAX ||
	    !new->crtc_h || new->crtc_h > DRM_MOVGEM_SURFACE_MAX)
		return movgem_reject(drm, -ERANGE, "CRTC_W, CRTC_H: %ux%u",
				     new->crtc_w, new->crtc_h);
	return 0;
}

/*
 * Where a plane begins so far above or left of the screen that DRM's helper cannot
 * compute with it, nothing of it is seen, given what check_size() lets through; nor
 * is there from a place that is not as far.
 */
static int check_rects(struct drm_plane_state *new,
		       const struct drm_crtc_state *crtc_state)
{
	const int first = INT_MIN + DRM_MOVGEM_SURFACE_MAX;
	const int x = new->crtc_x, y = new->crtc_y;
	int ret;

	new->crtc_x = max(x, first);
	new->crtc_y = max(y, first);
	ret = drm_atomic_helper_check_plane_state(new, crtc_state, SCALE_MIN,
						  SCALE_MAX, true, true);
	new->crtc_x = x;
	new->crtc_y = y;
	return ret;
}

static void free_band(struct drm_device *drm, void *band)
{
	kvfree(band);
}

/* A quarter of a MiB that most planes never need; it stays. */
static int need_band(struct movgem_plane *plane)
{
	struct movgem_band *band;
	int ret;

	if (plane->band)
		return 0;
	band = kvzalloc(sizeof(*band), GFP_KERNEL);
	if (!band)
		return -ENOMEM;
	ret = drmm_add_action_or_reset(plane->base.dev, free_band, band);
	if (!ret)
		plane->band = band;
	return ret;
}

static int plane_check(struct drm_plane *plane,
		       struct movgem_atomic_commit *state)
{
	struct drm_plane_state *new = drm_atomic_get_new_plane_state(state,
								     plane);
	struct drm_crtc_state *crtc_state;
	int ret;

	if (!new->crtc)
		return 0;

	ret = check_size(new);
	if (ret)
		return ret;
	if (drm_rotation_90_or_270(new->rotation)) {
		ret = need_band(to_movgem_plane(plane));
		if (ret)
			return ret;
	}
	crtc_state = drm_atomic_get_new_crtc_state(state, new->crtc);
	return check_rects(new, crtc_state);
}

static bool is_scaled(const struct drm_plane_state *new)
{
	return new->src_w != new->crtc_w << 16 ||
	       new->src_h != new->crtc_h << 16 ||
	       (new->src_x | new->src_y) & 0xffff;
}

/* Reflections come first, then the picture is turned counter-clockwise. */
static void set_rotation(struct movgem_layer *layer, struct movgem_plane *plane,
			 unsigned int rotation)
{
	bool flip_x = rotation & (DRM_MODE_ROTATE_90 | DRM_MODE_ROTATE_180);
	bool flip_y = rotation & (DRM_MODE_ROTATE_180 | DRM_MODE_ROTATE_270);

	flip_x ^= !!(rotation & DRM_MODE_REFLECT_X);
	flip_y ^= !!(rotation & DRM_MODE_REFLECT_Y);
	if (drm_rotation_90_or_270(rotation)) {
		layer->band = plane->band;
		swap(flip_x, flip_y);
	}
	layer->flip_x = flip_x;
	layer->flip_y = flip_y;
}

static void set_axes(struct movgem_layer *layer,
		     const struct drm_plane_state *new)
{
	const struct drm_rect *dst = &new->dst;

	layer->scaled = true;
	layer->nearest = new->scaling_filter ==
			 DRM_SCALING_FILTER_NEAREST_NEIGHBOR;
	layer->h = (struct movgem_axis) {
		.start = layer->band ? new->src_y : new->src_x,
		.size = layer->band ? new->src_h : new->src_w,
		.length = new->crtc_w,
		.first = layer->flip_x ?
			 new->crtc_x + (int)new->crtc_w - dst->x2 :
			 dst->x1 - new->crtc_x,
	};
	layer->v = (struct movgem_axis) {
		.start = layer->band ? new->src_x : new->src_y,
		.size = layer->band ? new->src_w : new->src_h,
		.length = new->crtc_h,
		.first = layer->flip_y ?
			 new->crtc_y + (int)new->crtc_h - dst->y2 :
			 dst->y1 - new->crtc_y,
	};
}

static void fill_layer(struct movgem_layer *layer, struct drm_plane *plane,
		       const struct drm_plane_state *new)
{
	*layer = (struct movgem_layer) {};
	/* All of it would be transparent. */
	if (!new->visible || !new->alpha)
		return;

	layer->fb = to_movgem_fb(new->fb);
	if (new->fb->format->is_yuv)
		layer->yuv = movgem_scanout_yuv(new->color_encoding,
						new->color_range);
	layer->dst = new->dst;
	layer->x = new->src.x1 >> 16;
	layer->y = new->src.y1 >> 16;
	layer->zpos = new->zpos;
	layer->alpha = new->alpha;
	layer->blend = new->pixel_blend_mode;
	set_rotation(layer, to_movgem_plane(plane), new->rotation);
	if (layer->band || is_scaled(new))
		set_axes(layer, new);
}

static void plane_update(struct drm_plane *plane,
			 struct movgem_atomic_commit *state)
{
	fill_layer(staged_layer(plane), plane,
		   drm_atomic_get_new_plane_state(state, plane));
}

static void plane_disable(struct drm_plane *plane,
			  struct movgem_atomic_commit *state)
{
	*staged_layer(plane) = (struct movgem_layer) {};
}

/*
 * Whether the cursor can change although commits of the CRTC are not done yet. DRM
 * asks where the legacy calls change nothing else, and none of those is the
 * cursor's. It does not wait for fences then.
 */
static int cursor_async_check(MOVGEM_ASYNC_CHECK_ARGS)
{
	struct drm_plane_state *new = drm_atomic_get_new_plane_state(state,
								     plane);
	struct drm_gem_object *obj;

	if (MOVGEM_ASYNC_CHECK_FLIP || !new->crtc->state->active)
		return -EINVAL;

	obj = drm_gem_fb_get_obj(new->fb, 0);
	if (!dma_resv_test_signaled(obj->resv, DMA_RESV_USAGE_WRITE))
		return -EBUSY;
	return 0;
}

static void cursor_async_update(struct drm_plane *plane,
				struct movgem_atomic_commit *state)
{
	struct drm_plane_state *new = drm_atomic_get_new_plane_state(state,
								     plane);
	struct drm_plane_state *now = plane->state;
	struct movgem_layer layer;

	fill_layer(&layer, plane, new);
	movgem_crtc_set_cursor(to_movgem_plane(plane)->crtc, &layer,
			       drm_atomic_get_new_crtc_state(state, new->crtc));

	/* The old one's reference goes with @state. */
	swap(now->fb, new->fb);
	now->crtc_x = new->crtc_x;
	now->crtc_y = new->crtc_y;
	now->crtc_w = new->crtc_w;
	now->crtc_h = new->crtc_h;
	now->src_x = new->src_x;
	now->src_y = new->src_y;
	now->src_w = new->src_w;
	now->src_h = new->src_h;
	now->src = new->src;
	now->dst = new->dst;
	now->visible = new->visible;
}

static const struct drm_plane_helper_funcs plane_helper_funcs = {
	.prepare_fb = drm_gem_plane_helper_prepare_fb,
	.atomic_check = plane_check,
	.atomic_update = plane_update,
	.atomic_disable = plane_disable,
};

static const struct drm_plane_helper_funcs cursor_helper_funcs = {
	.prepare_fb = drm_gem_plane_helper_prepare_fb,
	.atomic_check = plane_check,
	.atomic_update = plane_update,
	.atomic_disable = plane_disable,
	.atomic_async_check = cursor_async_check,
	.atomic_async_update = cursor_async_update,
};

/* DRM has asynchronous flips of primary planes only. */
static bool has_async_flips(const struct drm_plane *plane)
{
	return plane->type == DRM_PLANE_TYPE_PRIMARY;
}

static bool __maybe_unused format_supported_async(struct drm_plane *plane,
						  u32 format, u64 modifier)
{
	return has_async_flips(plane);
}

static const struct drm_plane_funcs plane_funcs = {
	MOVGEM_ASYNC_FORMATS(format_supported_async)
	.update_plane = drm_atomic_helper_update_plane,
	.disable_plane = drm_atomic_helper_disable_plane,
	.reset = drm_atomic_helper_plane_reset,
	.atomic_duplicate_state = drm_atomic_helper_plane_duplicate_state,
	.atomic_destroy_state = drm_atomic_helper_plane_destroy_state,
};

/* Where there is YUV. */
static int create_color_properties(struct movgem_plane *plane)
{
	if (plane->index == MOVGEM_LAYER_CURSOR)
		return 0;
	return drm_plane_create_color_properties(&plane->base,
						 BIT(DRM_COLOR_YCBCR_BT601) |
						 BIT(DRM_COLOR_YCBCR_BT709),
						 BIT(DRM_COLOR_YCBCR_LIMITED_RANGE) |
						 BIT(DRM_COLOR_YCBCR_FULL_RANGE),
						 DRM_COLOR_YCBCR_BT601,
						 DRM_COLOR_YCBCR_LIMITED_RANGE);
}

static int create_properties(struct movgem_plane *plane)
{
	struct drm_plane *base = &plane->base;
	int ret;

	if (plane->index == MOVGEM_LAYER_CURSOR)
		ret = drm_plane_create_zpos_immutable_property(base,
							       plane->index);
	else
		ret = drm_plane_create_zpos_property(base, plane->index,
						     MOVGEM_LAYER_PRIMARY,
						     MOVGEM_LAYER_OVERLAY2);
	if (ret)
		return ret;
	ret = drm_plane_create_rotation_property(base, DRM_MODE_ROTATE_0,
						 DRM_MODE_ROTATE_MASK |
						 DRM_MODE_REFLECT_MASK);
	if (ret)
		return ret;
	ret = drm_plane_create_alpha_property(base);
	if (ret)
		return ret;
	ret = drm_plane_create_blend_mode_property(base,
						   BIT(DRM_MODE_BLEND_PIXEL_NONE) |
						   BIT(DRM_MODE_BLEND_PREMULTI) |
						   BIT(DRM_MODE_BLEND_COVERAGE));
	if (ret)
		return ret;
	ret = drm_plane_create_scaling_filter_property(base,
						       BIT(DRM_SCALING_FILTER_DEFAULT) |
						       BIT(DRM_SCALING_FILTER_NEAREST_NEIGHBOR));
	if (ret)
		return ret;
	ret = create_color_properties(plane);
	if (ret)
		return ret;
	return movgem_plane_create_async_formats(base, has_async_flips(base));
}

static unsigned int num_formats(enum movgem_layer_index index)
{
	return index == MOVGEM_LAYER_CURSOR ? MOVGEM_KMS_BLIT_FORMATS :
					      MOVGEM_KMS_FORMATS;
}

/**
 * movgem_plane_create - make a plane
 * @kms: the display
 * @crtc: its CRTC, which comes after those that there are
 * @index: which
 *
 * Freed with the device.
 *
 * Return: the plane or an ERR_PTR().
 */
struct drm_plane *movgem_plane_create(struct movgem_kms *kms,
				      struct movgem_crtc *crtc,
				      enum movgem_layer_index index)
{
	struct drm_device *drm = &kms->mdev->drm;
	struct movgem_plane *plane;
	int ret;

	plane = drmm_universal_plane_alloc(drm, struct movgem_plane, base,
					   BIT(drm->mode_config.num_crtc),
					   &plane_funcs, movgem_kms_formats,
					   num_formats(index), modifiers,
					   types[index], NULL);
	if (IS_ERR(plane))
		return ERR_CAST(plane);

	plane->crtc = crtc;
	plane->index = index;
	drm_plane_helper_add(&plane->base, index == MOVGEM_LAYER_CURSOR ?
			     &cursor_helper_funcs : &plane_helper_funcs);
	/* Compositors want to tell; a frame is composed as a whole anyway. */
	drm_plane_enable_fb_damage_clips(&plane->base);

	ret = create_properties(plane);
	if (ret)
		return ERR_PTR(ret);
	return &plane->base;
}
