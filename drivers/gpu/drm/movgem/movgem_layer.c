// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/sched.h>
#include <linux/string.h>

#include <drm/drm_blend.h>
#include <drm/drm_fourcc.h>

#include "movgem_kms.h"
#include "movgem_soft.h"

/**
 * DOC: Layers
 *
 * What a plane adds to a line of the screen, with the arithmetic of the soft
 * engine's blitter. Its pixels are made ARGB8888 (see DOC: Scanout formats) and
 * premultiplied, as the blitter blends no others: "Coverage" multiplies colours by
 * the pixel's alpha, "None" has alpha be 255, as has a format without alpha. Then
 * all four channels are multiplied by the plane's alpha, of 16 bits, and src-over
 * follows. Each product is rounded to 8 bits. A plane that is opaque is copied.
 *
 * A layer is scaled if it is not of the size of its part of the framebuffer, or if
 * this does not start with a whole pixel. Then it is sampled before the plane's
 * alpha, as in &struct drm_movgem_cmd_blit: bilinear, between pixels that are
 * premultiplied, or by the property "SCALING_FILTER" nearest. Positions are those
 * in the whole of the rectangles, however much of them is on the screen; pixels
 * beyond the part that is shown are never seen.
 *
 * Where a layer is turned by 90 or 270 degrees a line of the screen is a column of
 * the framebuffer. Columns are read sixteen at a time, of all lines that are needed,
 * and kept for the next lines of the screen.
 */

static void reverse(u32 *row, u32 n)
{
	for (u32 i = 0; i < n / 2; i++)
		swap(row[i], row[n - 1 - i]);
}

/* Multiplies channels, those of @mask, by @factor of @one. */
static u32 scale(u32 pixel, u32 mask, u32 factor, u32 one)
{
	u32 result = pixel & ~mask;

	for (u32 shift = 0; shift < 32; shift += 8) {
		u32 c = (pixel & mask) >> shift & 0xff;

		result |= DIV_ROUND_CLOSEST(c * factor, one) << shift;
	}
	return result;
}

/* Makes pixels premultiplied. */
static void premultiply(const struct movgem_layer *layer, u32 *row, u32 n)
{
	if (layer->blend == DRM_MODE_BLEND_PIXEL_NONE) {
		for (u32 i = 0; i < n; i++)
			row[i] |= 0xff000000;
	} else if (layer->blend == DRM_MODE_BLEND_COVERAGE) {
		for (u32 i = 0; i < n; i++)
			row[i] = scale(row[i], 0xffffff, row[i] >> 24, 0xff);
	}
}

/* Reads pixels of a line of the framebuffer. Returns 0 or -EFAULT. */
static int read_pixels(struct movgem_crtc *crtc,
		       const struct movgem_layer *layer, u32 x, u32 y,
		       u32 *row, u32 n)
{
	int ret = movgem_scanout_read(layer, crtc->raw, x, y, row, n);

	if (layer->fb->base.format->has_alpha)
		premultiply(layer, row, n);
	return ret;
}

static int read_line(struct movgem_crtc *crtc, const struct movgem_layer *layer,
		     u32 y)
{
	u32 w = drm_rect_width(&layer->dst);
	u32 line = y - layer->dst.y1;
	int ret;

	if (layer->flip_y)
		line = drm_rect_height(&layer->dst) - 1 - line;
	ret = read_pixels(crtc, layer, layer->x, layer->y + line, crtc->row, w);
	if (layer->flip_x)
		reverse(crtc->row, w);
	return ret;
}

/* Where a column or line of a layer lies, in 24.8 fixed point. */
static u32 axis_at(const struct movgem_axis *axis, bool nearest, u32 i)
{
	u32 last = axis->start + axis->size - 1;
	s64 at;

	if (nearest) {
		at = axis->start +
		     movgem_soft_nearest(i, axis->size, axis->length);
		return at >> 16 << 8;
	}
	at = axis->start + movgem_soft_middle(i, axis->size, axis->length);
	return clamp_t(s64, at, axis->start >> 16 << 16, last >> 16 << 16) >> 8;
}

/* The last pixel that is needed for what lies at @at. */
static u32 last_pixel(u32 at)
{
	return (at >> 8) + !!(at & 0xff);
}

/* Finds the lines that columns need, of which the next one never starts before. */
static void begin_band(struct movgem_band *band, const u32 *cols, u32 n)
{
	u32 count = 0;

	for (u32 i = 0; i < n; i++) {
		u32 top = cols[i] >> 8, bottom = last_pixel(cols[i]);

		if (!count || band->lines[count - 1] < top)
			band->lines[count++] = top;
		/* The last one or that before. */
		band->slots[i] = count - 1 - (band->lines[count - 1] - top);
		if (band->lines[count - 1] < bottom)
			band->lines[count++] = bottom;
	}
	band->count = count;
	band->first = U32_MAX;
}

/**
 * movgem_layer_begin - begin with a frame of a layer that is scaled or turned
 * @layer: the layer
 * @cols: returned for each of its columns on the screen, before it is mirrored:
 *	  the place in the framebuffer in 24.8 fixed point
 */
void movgem_layer_begin(const struct movgem_layer *layer, u32 *cols)
{
	u32 w = drm_rect_width(&layer->dst);

	for (u32 i = 0; i < w; i++)
		cols[i] = axis_at(&layer->h, layer->nearest, layer->h.first + i);
	if (layer->band)
		begin_band(layer->band, cols, w);
}

/*
 * Samples columns from a line @top and the one below, @at in 24.8 fixed point.
 * All of their pixels fit into &movgem_crtc.lines. Returns 0 or -EFAULT.
 */
static int sample(struct movgem_crtc *crtc, const struct movgem_layer *layer,
		  const u32 *cols, u32 at, u32 *row, u32 n)
{
	u32 first = cols[0] >> 8;
	u32 count = last_pixel(cols[n - 1]) - first + 1;
	const u32 *top = crtc->lines[0];
	const u32 *bottom = top;
	int ret;

	ret = read_pixels(crtc, layer, first, at >> 8, crtc->lines[0], count);
	if (at & 0xff) {
		bottom = crtc->lines[1];
		ret = read_pixels(crtc, layer, first, (at >> 8) + 1,
				  crtc->lines[1], count) ?: ret;
	}

	for (u32 i = 0; i < n; i++) {
		u32 left = (cols[i] >> 8) - first;
		u32 right = last_pixel(cols[i]) - first;

		row[i] = movgem_soft_bilinear(top[left], top[right],
					      bottom[left], bottom[right],
					      cols[i] & 0xff, at & 0xff);
	}
	return ret;
}

/* Where a line of the screen lies in the framebuffer, in 24.8 fixed point. */
static u32 line_at(const struct movgem_layer *layer, u32 y)
{
	u32 line = layer->flip_y ? layer->dst.y2 - 1 - y : y - layer->dst.y1;

	return axis_at(&layer->v, layer->nearest, layer->v.first + line);
}

/* Has a column and the next one in the band. Returns 0 or -EFAULT. */
static int load_band(struct movgem_crtc *crtc, const struct movgem_layer *layer,
		     u32 x)
{
	struct movgem_band *band = layer->band;
	u32 first = round_down(x, MOVGEM_BAND_COLUMNS);
	u32 n = min(layer->fb->base.width - first, MOVGEM_BAND_COLUMNS + 1);
	int ret = 0;

	if (band->first == first)
		return 0;
	for (u32 i = 0; i < band->count; i++) {
		ret = read_pixels(crtc, layer, first, band->lines[i],
				  band->pixels[i], n) ?: ret;
		cond_resched();
	}
	band->first = first;
	return ret;
}

static int read_turned(struct movgem_crtc *crtc,
		       const struct movgem_layer *layer, const u32 *cols, u32 y)
{
	struct movgem_band *band = layer->band;
	u32 w = drm_rect_width(&layer->dst);
	u32 at = line_at(layer, y);
	int ret = load_band(crtc, layer, at >> 8);
	u32 left = (at >> 8) - band->first;
	u32 right = last_pixel(at) - band->first;

	for (u32 i = 0; i < w; i++) {
		const u32 *top = band->pixels[band->slots[i]];
		const u32 *bottom = cols[i] & 0xff ?
				    band->pixels[band->slots[i] + 1] : top;

		crtc->row[i] = movgem_soft_bilinear(top[left], top[right],
						    bottom[left], bottom[right],
						    at & 0xff, cols[i] & 0xff);
	}
	if (layer->flip_x)
		reverse(crtc->row, w);
	return ret;
}

static int read_scaled(struct movgem_crtc *crtc,
		       const struct movgem_layer *layer, const u32 *cols, u32 y)
{
	u32 w = drm_rect_width(&layer->dst);
	u32 at = line_at(layer, y);
	int ret = 0;

	/* Where it is made smaller the buffers are too small for a line. */
	for (u32 i = 0, n; i < w; i += n) {
		u32 end = (cols[i] >> 8) + MOVGEM_KMS_WIDTH_MAX;

		for (n = 1; i + n < w && last_pixel(cols[i + n]) < end; n++)
			;
		ret = sample(crtc, layer, cols + i, at, crtc->row + i, n) ?: ret;
	}
	if (layer->flip_x)
		reverse(crtc->row, w);
	return ret;
}

static bool is_opaque(const struct movgem_layer *layer)
{
	return layer->alpha == DRM_BLEND_ALPHA_OPAQUE &&
	       (layer->blend == DRM_MODE_BLEND_PIXEL_NONE ||
		!layer->fb->base.format->has_alpha);
}

/**
 * movgem_layer_add - add a layer to the line that is composed
 * @crtc: the CRTC, whose buffers are the caller's
 * @layer: the layer
 * @cols: if it is scaled or turned, what movgem_layer_begin() has found
 * @y: line of the screen, which the layer has
 *
 * Return: 0 or -EFAULT.
 */
int movgem_layer_add(struct movgem_crtc *crtc, const struct movgem_layer *layer,
		     const u32 *cols, u32 y)
{
	u32 *out = crtc->out + layer->dst.x1;
	u32 w = drm_rect_width(&layer->dst);
	u32 *row = crtc->row;
	int ret;

	if (layer->band)
		ret = read_turned(crtc, layer, cols, y);
	else if (layer->scaled)
		ret = read_scaled(crtc, layer, cols, y);
	else
		ret = read_line(crtc, layer, y);
	if (is_opaque(layer)) {
		memcpy(out, row, w * sizeof(*out));
		return ret;
	}
	if (layer->alpha != DRM_BLEND_ALPHA_OPAQUE) {
		for (u32 i = 0; i < w; i++)
			row[i] = scale(row[i], ~0, layer->alpha,
				       DRM_BLEND_ALPHA_OPAQUE);
	}
	for (u32 i = 0; i < w; i++)
		out[i] = movgem_soft_over(row[i], out[i]);
	return ret;
}
