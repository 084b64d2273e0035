// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

#include <linux/minmax.h>
#include <linux/string.h>

#include <drm/drm_color_mgmt.h>
#include <drm/drm_fourcc.h>

#include "movgem_kms.h"
#include "movgem_soft.h"

/**
 * DOC: Scanout formats
 *
 * Pixels of a framebuffer become ARGB8888, from where the arithmetic is that of
 * the blitter. Its formats it widens itself. Two more kinds are the display's only:
 *
 * With 10 bits a channel the low two are dropped, as the monitor has 8. An alpha of
 * two bits is multiplied by 85. Writeback repeats the high two of 8 bits, so that
 * white is white, and has the high two of alpha.
 *
 * NV12 is made RGB by the properties "COLOR_ENCODING" (BT.601 or BT.709) and
 * "COLOR_RANGE" of the plane, as these standards define it, with coefficients of 16
 * bits after the point; the sums are rounded and clamped. So nothing is off by more
 * than one. Two by two pixels have one chroma sample, which is mixed with no other:
 * a filter that scales works on RGB. Where the size is odd there is a sample for the
 * last column, and for the last line, alone.
 */

/* Bits of coefficients after the point. */
#define FRACTION	16

/**
 * struct movgem_yuv - how YUV becomes RGB
 */
struct movgem_yuv {
	/** @black: luma of black. */
	int black;

	/** @y: what luma adds to all channels. */
	int y;

	/** @r_v: what V adds to red. */
	int r_v;

	/** @g_u: what U takes from green. */
	int g_u;

	/** @g_v: what V takes from green. */
	int g_v;

	/** @b_u: what U adds to blue. */
	int b_u;
};

/*
 * BT.601 has 0.299 of red and 0.114 of blue in luma (Kr and Kb), BT.709 0.2126 and
 * 0.0722. So red is Y + 2 (1 - Kr) V, blue Y + 2 (1 - Kb) U, and green what is left
 * of Y then, by 1 - Kr - Kb. In the limited range luma is times 255 / 219, and chroma
 * 255 / 224.
 */
static const struct movgem_yuv yuvs[][DRM_COLOR_RANGE_MAX] = {
	[DRM_COLOR_YCBCR_BT601] = {
		[DRM_COLOR_YCBCR_LIMITED_RANGE] = {
			.black = 16,
			.y = 76309,
			.r_v = 104597,
			.g_u = 25675,
			.g_v = 53279,
			.b_u = 132201,
		},
		[DRM_COLOR_YCBCR_FULL_RANGE] = {
			.y = 65536,
			.r_v = 91881,
			.g_u = 22553,
			.g_v = 46802,
			.b_u = 116130,
		},
	},
	[DRM_COLOR_YCBCR_BT709] = {
		[DRM_COLOR_YCBCR_LIMITED_RANGE] = {
			.black = 16,
			.y = 76309,
			.r_v = 117489,
			.g_u = 13975,
			.g_v = 34925,
			.b_u = 138438,
		},
		[DRM_COLOR_YCBCR_FULL_RANGE] = {
			.y = 65536,
			.r_v = 103206,
			.g_u = 12276,
			.g_v = 30679,
			.b_u = 121609,
		},
	},
};

/**
 * movgem_scanout_yuv - find how YUV becomes RGB
 * @encoding: of the encodings that planes have
 * @range: any
 *
 * Return: it.
 */
const struct movgem_yuv *movgem_scanout_yuv(enum drm_color_encoding encoding,
					    enum drm_color_range range)
{
	return &yuvs[encoding][range];
}

static u32 channel(int value)
{
	return clamp((value + (1 << (FRACTION - 1))) >> FRACTION, 0, 255);
}

/**
 * movgem_scanout_from_yuv - make a YUV pixel XRGB8888
 * @yuv: how
 * @y: luma
 * @u: Cb
 * @v: Cr
 *
 * Return: the pixel, with X of 255.
 */
u32 movgem_scanout_from_yuv(const struct movgem_yuv *yuv, u8 y, u8 u, u8 v)
{
	int luma = yuv->y * (y - yuv->black);

	return 0xff000000 | channel(luma + yuv->r_v * (v - 128)) << 16 |
	       channel(luma - yuv->g_u * (u - 128) - yuv->g_v * (v - 128)) << 8 |
	       channel(luma + yuv->b_u * (u - 128));
}

/**
 * movgem_scanout_from_deep - make a pixel of 10 bits a channel ARGB8888
 * @fourcc: its format
 * @pixel: the pixel
 *
 * Return: the pixel.
 */
u32 movgem_scanout_from_deep(u32 fourcc, u32 pixel)
{
	u32 high = pixel >> 22 & 0xff, low = pixel >> 2 & 0xff;
	u32 rgb = high << 16 | (pixel >> 12 & 0xff) << 8 | low;
	u32 bgr = low << 16 | (pixel >> 12 & 0xff) << 8 | high;
	u32 alpha = (pixel >> 30) * 0x55000000;

	switch (fourcc) {
	case DRM_FORMAT_ARGB2101010:
		return alpha | rgb;
	case DRM_FORMAT_ABGR2101010:
		return alpha | bgr;
	case DRM_FORMAT_XBGR2101010:
		return 0xff000000 | bgr;
	default:
		return 0xff000000 | rgb;
	}
}

/**
 * movgem_scanout_to_deep - make an ARGB8888 pixel one of 10 bits a channel
 * @fourcc: its format
 * @pixel: the pixel
 *
 * Return: the pixel, with X of 3.
 */
u32 movgem_scanout_to_deep(u32 fourcc, u32 pixel)
{
	u32 high = pixel >> 16 & 0xff, mid = pixel >> 8 & 0xff;
	u32 low = pixel & 0xff, top = pixel & 0xc0000000;

	if (fourcc == DRM_FORMAT_XRGB2101010 ||
	    fourcc == DRM_FORMAT_XBGR2101010)
		top = 0xc0000000;
	if (fourcc == DRM_FORMAT_XBGR2101010 ||
	    fourcc == DRM_FORMAT_ABGR2101010)
		swap(high, low);
	return top | (high << 2 | high >> 6) << 20 |
	       (mid << 2 | mid >> 6) << 10 | (low << 2 | low >> 6);
}

static int read_rgb(struct movgem_fb *fb, void *raw, u32 x, u32 y, u32 *row,
		    u32 n)
{
	const struct drm_format_info *info = fb->base.format;
	const struct soft_format *soft = movgem_soft_format(info->format);
	u32 cpp = info->cpp[0];
	const u32 *deep = raw;
	int ret;

	ret = movgem_fb_read(fb, 0, x * cpp, y, raw, n * cpp);
	if (ret)
		memset(raw, 0, n * cpp);

	if (soft) {
		movgem_soft_widen(soft, row, raw, n);
	} else {
		for (u32 i = 0; i < n; i++)
			row[i] = movgem_scanout_from_deep(info->format, deep[i]);
	}
	return ret;
}

static int read_nv12(struct movgem_fb *fb, const struct movgem_yuv *yuv,
		     u8 *raw, u32 x, u32 y, u32 *row, u32 n)
{
	const struct drm_format_info *info = fb->base.format;
	u32 first = x / info->hsub;
	u32 count = (x + n - 1) / info->hsub - first + 1;
	u8 *chroma = raw + n;
	int ret;

	ret = movgem_fb_read(fb, 0, x, y, raw, n) ?:
	      movgem_fb_read(fb, 1, first * info->cpp[1], y / info->vsub,
			     chroma, count * info->cpp[1]);
	if (ret) {
		memset32(row, 0xff000000, n);
		return ret;
	}

	for (u32 i = 0; i < n; i++) {
		const u8 *uv = chroma + 2 * ((x + i) / info->hsub - first);

		row[i] = movgem_scanout_from_yuv(yuv, raw[i], uv[0], uv[1]);
	}
	return 0;
}

/**
 * movgem_scanout_read - read pixels of a line of a framebuffer
 * @layer: who shows it
 * @raw: a buffer of four bytes for each pixel
 * @x: first pixel
 * @y: line
 * @row: returned pixels, as ARGB8888
 * @n: number of pixels
 *
 * Memory that is not there is transparent, or black if the format has no alpha.
 *
 * Context: sleeps while pages move, fence signalling path.
 *
 * Return: 0 or -EFAULT.
 */
int movgem_scanout_read(const struct movgem_layer *layer, void *raw, u32 x,
			u32 y, u32 *row, u32 n)
{
	if (layer->yuv)
		return read_nv12(layer->fb, layer->yuv, raw, x, y, row, n);
	return read_rgb(layer->fb, raw, x, y, row, n);
}

/**
 * movgem_scanout_write - write a line of a framebuffer
 * @fb: the framebuffer, of a format that writeback has
 * @raw: a buffer of four bytes for each pixel
 * @y: line
 * @row: pixels, as ARGB8888
 * @n: number of pixels
 *
 * Context: sleeps while pages move, fence signalling path.
 *
 * Return: 0 or -EFAULT.
 */
int movgem_scanout_write(struct movgem_fb *fb, void *raw, u32 y, const u32 *row,
			 u32 n)
{
	const struct drm_format_info *info = fb->base.format;
	const struct soft_format *soft = movgem_soft_format(info->format);
	u32 *deep = raw;

	if (soft) {
		movgem_soft_narrow(soft, raw, row, n);
	} else {
		for (u32 i = 0; i < n; i++)
			deep[i] = movgem_scanout_to_deep(info->format, row[i]);
	}
	return movgem_fb_write(fb, y, raw, n * info->cpp[0]);
}
