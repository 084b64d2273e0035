// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

/**
 * DOC: Soft engine: blit
 *
 * A blit goes line by line over the destination. The source lines that it needs
 * are read and widened to ARGB8888 (two are kept, so that enlarging reads each
 * once), sampled, blended with the destination where asked, narrowed, and
 * written. The job is interrupted between lines only, so that no pixel is
 * blended twice. The arithmetic is that of &struct drm_movgem_cmd_blit to the
 * bit; the functions for it have no other state, so that tests can call them.
 */

#include <linux/limits.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/mm.h>

#include <drm/drm_fourcc.h>

#include "movgem_queue.h"
#include "movgem_soft.h"

#define SOFT_ALPHA	0xff000000u

/* No line: lines are numbered from the top of the rectangle. */
#define SOFT_NO_LINE	U32_MAX

static const struct soft_format soft_formats[] = {
	{ .fourcc = DRM_FORMAT_XRGB8888, .cpp = 4, },
	{ .fourcc = DRM_FORMAT_ARGB8888, .cpp = 4, .alpha = true, },
	{ .fourcc = DRM_FORMAT_XBGR8888, .cpp = 4, .swap = true, },
	{ .fourcc = DRM_FORMAT_ABGR8888, .cpp = 4, .alpha = true, .swap = true, },
	{ .fourcc = DRM_FORMAT_RGB565, .cpp = 2, },
};

/**
 * struct soft_blit - a blit on a core
 */
struct soft_blit {
	/** @ctx: the slice. */
	struct soft_ctx *ctx;

	/** @cmd: the command, checked. */
	const struct drm_movgem_cmd_blit *cmd;

	/** @sfmt: format of the source. */
	const struct soft_format *sfmt;

	/** @dfmt: format of the destination. */
	const struct soft_format *dfmt;

	/** @scaled: source and destination differ in size. */
	bool scaled;

	/** @bilinear: filter; else nearest. */
	bool bilinear;

	/**
	 * @sparse: whole pages may lie between two pixels of a line that are
	 * needed: they may be unmapped, so pixels are read one by one.
	 */
	bool sparse;

	/** @lines: the source lines in &soft_core.rows. */
	u32 lines[2];
};

/**
 * movgem_soft_format - find a pixel format
 * @fourcc: DRM_FORMAT_*
 *
 * Return: the format, or NULL where the engine does not know it.
 */
const struct soft_format *movgem_soft_format(u32 fourcc)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(soft_formats); i++) {
		if (soft_formats[i].fourcc == fourcc)
			return &soft_formats[i];
	}

	return NULL;
}

static int soft_check_surface(const struct drm_movgem_surface *s)
{
	const struct soft_format *format = movgem_soft_format(s->format);

	if (!format)
		return -EINVAL;
	if (!s->width || s->width > DRM_MOVGEM_SURFACE_MAX ||
	    !s->height || s->height > DRM_MOVGEM_SURFACE_MAX)
		return -EINVAL;
	if (s->pitch % format->cpp || s->pitch < s->width * format->cpp)
		return -EINVAL;
	if (s->x >= s->width || !s->w || s->w > s->width - s->x ||
	    s->y >= s->height || !s->h || s->h > s->height - s->y)
		return -EINVAL;

	return 0;
}

/**
 * movgem_soft_check_blit - check the shape of both surfaces
 * @cmd: the command
 *
 * Addresses are checked where the command is executed.
 *
 * Return: 0 or -EINVAL.
 */
int movgem_soft_check_blit(const struct drm_movgem_cmd_blit *cmd)
{
	return soft_check_surface(&cmd->src) ?: soft_check_surface(&cmd->dst);
}

/* Exchanges red and blue. */
static u32 soft_swap(u32 pixel)
{
	return (pixel & 0xff00ff00) | (pixel & 0xff) << 16 |
	       (pixel >> 16 & 0xff);
}

/**
 * movgem_soft_widen - make pixels ARGB8888
 * @format: format of @src
 * @dst: returned pixels
 * @src: pixels, aligned to a pixel
 * @n: number of pixels
 */
void movgem_soft_widen(const struct soft_format *format, u32 *dst,
		       const void *src, u32 n)
{
	u32 alpha = format->alpha ? 0 : SOFT_ALPHA;
	const u16 *src16 = src;
	const u32 *src32 = src;
	u32 i, r, g, b;

	if (format->cpp == sizeof(u16)) {
		for (i = 0; i < n; i++) {
			r = src16[i] >> 11;
			g = src16[i] >> 5 & 0x3f;
			b = src16[i] & 0x1f;
			dst[i] = SOFT_ALPHA | (r << 3 | r >> 2) << 16 |
				 (g << 2 | g >> 4) << 8 | (b << 3 | b >> 2);
		}
	} else if (format->swap) {
		for (i = 0; i < n; i++)
			dst[i] = soft_swap(src32[i]) | alpha;
	} else {
		for (i = 0; i < n; i++)
			dst[i] = src32[i] | alpha;
	}
}

/**
 * movgem_soft_narrow - make ARGB8888 pixels those of a format
 * @format: format of @dst
 * @dst: returned pixels, aligned to a pixel
 * @src: pixels
 * @n: number of pixels
 */
void movgem_soft_narrow(const struct soft_format *format, void *dst,
			const u32 *src, u32 n)
{
	u32 alpha = format->alpha ? 0 : SOFT_ALPHA;
	u16 *dst16 = dst;
	u32 *dst32 = dst;
	u32 i;

	if (format->cpp == sizeof(u16)) {
		for (i = 0; i < n; i++)
			dst16[i] = (src[i] >> 8 & 0xf800) |
				   (src[i] >> 5 & 0x7e0) |
				   (src[i] >> 3 & 0x1f);
	} else if (format->swap) {
		for (i = 0; i < n; i++)
			dst32[i] = soft_swap(src[i]) | alpha;
	} else {
		for (i = 0; i < n; i++)
			dst32[i] = src[i] | alpha;
	}
}

/**
 * movgem_soft_nearest - where a pixel lies in the source, not filtered
 * @i: destination column or line
 * @sw: width or height of the source, in any unit
 * @dw: that of the destination, in pixels
 *
 * Return: source column or line, in the unit of @sw.
 */
u32 movgem_soft_nearest(u32 i, u32 sw, u32 dw)
{
	return div_u64((u64)i * sw, dw);
}

/**
 * movgem_soft_middle - where the middle of a pixel lies in the source
 * @i: destination column or line
 * @sw: width or height of the source, in 16.16 fixed point
 * @dw: that of the destination, in pixels
 *
 * Return: source column or line whose middle that is, in 16.16 fixed point;
 * may be outside.
 */
s64 movgem_soft_middle(u32 i, u32 sw, u32 dw)
{
	return (s64)div_u64((2 * (u64)i + 1) * sw >> 1, dw) - (1 << 15);
}

/**
 * movgem_soft_linear - where a pixel lies in the source, for filtering
 * @i: destination column or line
 * @sw: width or height of the source, up to DRM_MOVGEM_SURFACE_MAX
 * @dw: that of the destination
 *
 * Return: source column or line in 24.8 fixed point.
 */
u32 movgem_soft_linear(u32 i, u32 sw, u32 dw)
{
	s64 u = movgem_soft_middle(i, sw << 16, dw);

	return clamp_t(s64, u, 0, (s64)(sw - 1) << 16) >> 8;
}

/**
 * movgem_soft_bilinear - mix four neighbours
 * @c00: left upper pixel
 * @c10: right upper pixel
 * @c01: left lower pixel
 * @c11: right lower pixel
 * @fu: weight of the right ones, of 256
 * @fv: weight of the lower ones, of 256
 *
 * Return: the pixel.
 */
u32 movgem_soft_bilinear(u32 c00, u32 c10, u32 c01, u32 c11, u32 fu, u32 fv)
{
	u32 pixel = 0;
	u32 shift, top, bottom, c;

	for (shift = 0; shift < 32; shift += 8) {
		top = (c00 >> shift & 255) * (256 - fu) +
		      (c10 >> shift & 255) * fu;
		bottom = (c01 >> shift & 255) * (256 - fu) +
			 (c11 >> shift & 255) * fu;
		c = (top * (256 - fv) + bottom * fv + (1 << 15)) >> 16;
		pixel |= c << shift;
	}

	return pixel;
}

/**
 * movgem_soft_over - blend a premultiplied pixel over another
 * @src: the pixel above
 * @dst: the pixel below
 *
 * Return: the pixel.
 */
u32 movgem_soft_over(u32 src, u32 dst)
{
	u32 a = src >> 24;
	u32 pixel = 0;
	u32 shift, c;

	/* What follows comes to the same. */
	if (a == 255)
		return src;

	for (shift = 0; shift < 32; shift += 8) {
		c = (src >> shift & 255) +
		    ((dst >> shift & 255) * (255 - a) + 127) / 255;
		pixel |= min(c, 255u) << shift;
	}

	return pixel;
}

/* Checks where the image lies. Its shape has been checked. */
static int soft_blit_range(struct soft_ctx *ctx,
			   const struct drm_movgem_surface *s, u8 cpp,
			   u32 access)
{
	if (s->addr % cpp)
		return movgem_soft_fault(ctx, DRM_MOVGEM_FAULT_RANGE, access,
					 s->addr);
	return movgem_soft_range(ctx, s->addr, (u64)(s->height - 1) * s->pitch +
				 s->width * cpp, access);
}

/* Address of a pixel of the rectangle. */
static u64 soft_pixel(const struct drm_movgem_surface *s, u8 cpp, u32 x, u32 y)
{
	return s->addr + (u64)(s->y + y) * s->pitch + (s->x + x) * cpp;
}

/* First source column that destination column i needs, and the last. */
static u32 soft_blit_first(const struct soft_blit *blit, u32 i)
{
	u32 col = blit->ctx->core->cols[i];

	return blit->bilinear ? col >> 8 : col;
}

static u32 soft_blit_last(const struct soft_blit *blit, u32 i)
{
	u32 first = soft_blit_first(blit, i);

	return blit->bilinear ? min(first + 1, blit->cmd->src.w - 1) : first;
}

/* Reads and widens columns first to last of a source line. */
static int soft_blit_read(struct soft_blit *blit, u32 *row, u32 line,
			  u32 first, u32 last)
{
	struct soft_core *core = blit->ctx->core;
	u32 n = last - first + 1;
	int ret;

	ret = movgem_soft_read(blit->ctx,
			       soft_pixel(&blit->cmd->src, blit->sfmt->cpp,
					  first, line),
			       core->raw, n * blit->sfmt->cpp,
			       DRM_MOVGEM_ACCESS_READ);
	if (ret)
		return ret;

	movgem_soft_widen(blit->sfmt, row + first, core->raw, n);
	return 0;
}

/* Makes sure that a slot of &soft_core.rows holds what a line is needed for. */
static int soft_blit_load(struct soft_blit *blit, u32 slot, u32 line)
{
	u32 dw = blit->cmd->dst.w;
	u32 *row = blit->ctx->core->rows[slot];
	u32 i;
	int ret = 0;

	if (blit->lines[slot] == line)
		return 0;
	blit->lines[slot] = SOFT_NO_LINE;

	if (!blit->sparse) {
		ret = soft_blit_read(blit, row, line, soft_blit_first(blit, 0),
				     soft_blit_last(blit, dw - 1));
	} else {
		for (i = 0; i < dw && !ret; i++)
			ret = soft_blit_read(blit, row, line,
					     soft_blit_first(blit, i),
					     soft_blit_last(blit, i));
	}
	if (ret)
		return ret;

	blit->lines[slot] = line;
	return 0;
}

/*
 * Samples a line of the destination, as ARGB8888. The result points into the
 * core's buffers.
 */
static int soft_blit_sample(struct soft_blit *blit, u32 y, const u32 **pixels)
{
	const struct drm_movgem_surface *src = &blit->cmd->src;
	const struct drm_movgem_surface *dst = &blit->cmd->dst;
	struct soft_core *core = blit->ctx->core;
	const u32 *cols = core->cols;
	const u32 *top = core->rows[0];
	const u32 *bottom;
	u32 i, v, slot, x0, x1;
	int ret;

	if (!blit->bilinear) {
		ret = soft_blit_load(blit, 0,
				     movgem_soft_nearest(y, src->h, dst->h));
		if (ret)
			return ret;
		*pixels = top;
		if (!blit->scaled)
			return 0;
		for (i = 0; i < dst->w; i++)
			core->out[i] = top[cols[i]];
		*pixels = core->out;
		return 0;
	}

	/* Going down, the lower line becomes the upper one. */
	v = movgem_soft_linear(y, src->h, dst->h);
	slot = blit->lines[1] == v >> 8;
	ret = soft_blit_load(blit, slot, v >> 8);
	if (ret)
		return ret;
	top = core->rows[slot];
	bottom = top;
	if ((v >> 8) + 1 < src->h) {
		ret = soft_blit_load(blit, !slot, (v >> 8) + 1);
		if (ret)
			return ret;
		bottom = core->rows[!slot];
	}

	for (i = 0; i < dst->w; i++) {
		x0 = cols[i] >> 8;
		x1 = min(x0 + 1, src->w - 1);
		core->out[i] = movgem_soft_bilinear(top[x0], top[x1],
						    bottom[x0], bottom[x1],
						    cols[i] & 255, v & 255);
	}
	*pixels = core->out;
	return 0;
}

/*
 * Blends pixels over the line of the destination in &soft_core.raw. The result
 * goes to &soft_core.out, where @pixels may be.
 */
static void soft_blit_over(struct soft_blit *blit, const u32 *pixels)
{
	struct soft_core *core = blit->ctx->core;
	u32 dw = blit->cmd->dst.w;
	u32 below[64];
	u32 i, k, n;

	for (i = 0; i < dw; i += n) {
		n = min_t(u32, dw - i, ARRAY_SIZE(below));
		movgem_soft_widen(blit->dfmt, below,
				  core->raw + i * blit->dfmt->cpp, n);
		for (k = 0; k < n; k++)
			core->out[i + k] = movgem_soft_over(pixels[i + k],
							    below[k]);
	}
}

/* Makes a line of the destination. */
static int soft_blit_line(struct soft_blit *blit, u32 y)
{
	const struct drm_movgem_surface *dst = &blit->cmd->dst;
	struct soft_core *core = blit->ctx->core;
	u64 va = soft_pixel(dst, blit->dfmt->cpp, 0, y);
	const u32 *pixels;
	int ret;

	ret = soft_blit_sample(blit, y, &pixels);
	if (ret)
		return ret;

	if (blit->cmd->hdr.flags & DRM_MOVGEM_BLIT_SRC_OVER) {
		ret = movgem_soft_read(blit->ctx, va, core->raw,
				       dst->w * blit->dfmt->cpp,
				       DRM_MOVGEM_ACCESS_READ);
		if (ret)
			return ret;
		soft_blit_over(blit, pixels);
		pixels = core->out;
	}

	movgem_soft_narrow(blit->dfmt, core->raw, pixels, dst->w);
	return movgem_soft_write(blit->ctx, va, core->raw,
				 dst->w * blit->dfmt->cpp);
}

/* Finds the source columns of all destination columns. */
static void soft_blit_columns(struct soft_blit *blit)
{
	u32 sw = blit->cmd->src.w;
	u32 dw = blit->cmd->dst.w;
	u32 *cols = blit->ctx->core->cols;
	u32 i;

	for (i = 0; i < dw; i++)
		cols[i] = blit->bilinear ? movgem_soft_linear(i, sw, dw) :
					   movgem_soft_nearest(i, sw, dw);

	blit->sparse = DIV_ROUND_UP(sw, dw) > PAGE_SIZE / blit->sfmt->cpp;
}

/**
 * movgem_soft_blit - execute a blit from where it stopped
 * @ctx: the slice
 * @cmd: the command; its shape has been checked
 *
 * Context: may sleep, without locks.
 *
 * Return: 0, SOFT_YIELD, or a fault.
 */
int movgem_soft_blit(struct soft_ctx *ctx,
		     const struct drm_movgem_cmd_blit *cmd)
{
	const struct drm_movgem_surface *src = &cmd->src;
	const struct drm_movgem_surface *dst = &cmd->dst;
	u64 *done = &ctx->job->engine.done_bytes;
	struct soft_blit blit = {
		.ctx = ctx,
		.cmd = cmd,
		.sfmt = movgem_soft_format(src->format),
		.dfmt = movgem_soft_format(dst->format),
		.scaled = src->w != dst->w || src->h != dst->h,
		.lines = { SOFT_NO_LINE, SOFT_NO_LINE },
	};
	u64 cost;
	int ret;

	ret = soft_blit_range(ctx, src, blit.sfmt->cpp, DRM_MOVGEM_ACCESS_READ);
	if (ret)
		return ret;
	ret = soft_blit_range(ctx, dst, blit.dfmt->cpp,
			      DRM_MOVGEM_ACCESS_WRITE);
	if (ret)
		return ret;

	/* Without scaling all weights are zero. */
	blit.bilinear = blit.scaled &&
			cmd->hdr.flags & DRM_MOVGEM_BLIT_BILINEAR;
	soft_blit_columns(&blit);
	cost = SOFT_COMMAND_COST + 4 * (src->w + 4 * dst->w);

	while (*done < dst->h) {
		ret = soft_blit_line(&blit, *done);
		if (ret)
			return ret;
		++*done;
		if (movgem_soft_should_yield(ctx, cost))
			return SOFT_YIELD;
	}

	return 0;
}
