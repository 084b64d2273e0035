// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

/*
 * What pixels become ARGB8888 by, and which lines of a framebuffer are read where a
 * layer is turned.
 */

#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/prandom.h>

#include <drm/drm_fourcc.h>
#include <kunit/test.h>

#include "../movgem_kms.h"

#define LIMITED	DRM_COLOR_YCBCR_LIMITED_RANGE
#define FULL	DRM_COLOR_YCBCR_FULL_RANGE
#define BT601	DRM_COLOR_YCBCR_BT601
#define BT709	DRM_COLOR_YCBCR_BT709

static const struct yuv_case {
	enum drm_color_encoding encoding;
	enum drm_color_range range;
	u8 y, u, v;
	u32 rgb;
} yuv_cases[] = {
	/* Black, white and what is beyond. */
	{ BT601, LIMITED, 16, 128, 128, 0x000000 },
	{ BT601, LIMITED, 235, 128, 128, 0xffffff },
	{ BT601, LIMITED, 0, 128, 128, 0x000000 },
	{ BT601, LIMITED, 255, 128, 128, 0xffffff },
	{ BT709, LIMITED, 16, 128, 128, 0x000000 },
	{ BT709, LIMITED, 235, 128, 128, 0xffffff },
	{ BT601, FULL, 0, 128, 128, 0x000000 },
	{ BT601, FULL, 255, 128, 128, 0xffffff },
	{ BT709, FULL, 1, 128, 128, 0x010101 },
	/* Red, green and blue of each, as near as 8 bits come. */
	{ BT601, LIMITED, 81, 90, 240, 0xfe0000 },
	{ BT601, LIMITED, 145, 54, 34, 0x00ff01 },
	{ BT601, LIMITED, 41, 240, 110, 0x0000ff },
	{ BT709, LIMITED, 63, 102, 240, 0xff0100 },
	{ BT709, LIMITED, 173, 42, 26, 0x00ff01 },
	{ BT709, LIMITED, 32, 240, 118, 0x0100ff },
	{ BT601, FULL, 76, 85, 255, 0xfe0000 },
	{ BT709, FULL, 54, 99, 255, 0xfe0000 },
	{ BT709, FULL, 182, 30, 12, 0x00ff00 },
};

static void yuv_known(struct kunit *test)
{
	for (int i = 0; i < ARRAY_SIZE(yuv_cases); i++) {
		const struct yuv_case *c = &yuv_cases[i];
		const struct movgem_yuv *yuv = movgem_scanout_yuv(c->encoding,
								  c->range);

		KUNIT_EXPECT_EQ_MSG(test, 0xff000000 | c->rgb,
				    movgem_scanout_from_yuv(yuv, c->y, c->u, c->v),
				    "case %d", i);
	}
}

/* Without colour all is grey, and more luma is never darker. */
static void yuv_grey(struct kunit *test)
{
	for (int i = 0; i < 4; i++) {
		const struct movgem_yuv *yuv = movgem_scanout_yuv(i & 1 ? BT709 : BT601,
								  i & 2 ? FULL : LIMITED);
		u32 last = 0;

		for (int y = 0; y < 256; y++) {
			u32 pixel = movgem_scanout_from_yuv(yuv, y, 128, 128);

			KUNIT_EXPECT_EQ(test, 0xff000000 | (pixel & 0xff) * 0x010101,
					pixel);
			KUNIT_EXPECT_LE(test, last, pixel);
			if (i & 2)
				KUNIT_EXPECT_EQ(test, y, pixel & 0xff);
			last = pixel;
		}
	}
}

/* A channel in exact fractions, rounded and clamped. */
static int exact(s64 num, s64 den)
{
	s64 value = 2 * num + den;

	return value < 0 ? 0 : min_t(s64, div64_s64(value, 2 * den), 255);
}

static bool is_near(u32 pixel, int shift, int want)
{
	int c = pixel >> shift & 0xff;

	return c == want || c == want - 1 || c == want + 1;
}

/* Nothing is off by more than one from what the standards say, in 1/10000. */
static void yuv_exact(struct kunit *test)
{
	for (int i = 0; i < 4; i++) {
		s64 kr = i & 1 ? 2126 : 2990, kb = i & 1 ? 722 : 1140;
		s64 kg = 10000 - kr - kb, l = i & 2 ? 255 : 219, c = i & 2 ? 255 : 224;
		const struct movgem_yuv *yuv = movgem_scanout_yuv(i & 1 ? BT709 : BT601,
								  i & 2 ? FULL : LIMITED);
		int bad = 0;

		for (int y = 0; y < 256; y += 3) {
			for (int u = 0; u < 256; u += 5) {
				for (int v = 0; v < 256; v += 7) {
					s64 dy = 255 * (y - (i & 2 ? 0 : 16)) * c * 10000;
					s64 du = 2 * 255 * (u - 128) * l;
					s64 dv = 2 * 255 * (v - 128) * l;
					u32 pixel = movgem_scanout_from_yuv(yuv, y, u, v);
					s64 one = l * c * 10000;

					bad += !is_near(pixel, 16,
							exact(dy + dv * (10000 - kr), one)) ||
					       !is_near(pixel, 8,
							exact(dy * kg -
							      du * kb * (10000 - kb) -
							      dv * kr * (10000 - kr),
							      one * kg)) ||
					       !is_near(pixel, 0,
							exact(dy + du * (10000 - kb), one));
				}
			}
		}
		KUNIT_EXPECT_EQ_MSG(test, 0, bad, "matrix %d", i);
	}
}

/* Each bit goes where it belongs, and the low two of a channel nowhere. */
static void deep_bits(struct kunit *test)
{
	for (int bit = 0; bit < 32; bit++) {
		int channel = bit / 10, at = bit % 10 - 2;
		u32 rgb = bit < 30 && at >= 0 ? BIT(8 * channel + at) : 0;
		u32 bgr = bit < 30 && at >= 0 ? BIT(8 * (2 - channel) + at) : 0;
		u32 alpha = bit < 30 ? 0 : bit == 30 ? 0x55000000 : 0xaa000000;
		u32 pixel = BIT(bit);

		KUNIT_EXPECT_EQ(test, rgb | 0xff000000,
				movgem_scanout_from_deep(DRM_FORMAT_XRGB2101010, pixel));
		KUNIT_EXPECT_EQ(test, bgr | 0xff000000,
				movgem_scanout_from_deep(DRM_FORMAT_XBGR2101010, pixel));
		KUNIT_EXPECT_EQ(test, rgb | alpha,
				movgem_scanout_from_deep(DRM_FORMAT_ARGB2101010, pixel));
		KUNIT_EXPECT_EQ(test, bgr | alpha,
				movgem_scanout_from_deep(DRM_FORMAT_ABGR2101010, pixel));
	}
	KUNIT_EXPECT_EQ(test, U32_MAX,
			movgem_scanout_from_deep(DRM_FORMAT_ARGB2101010, U32_MAX));
}

/* What is written is read as it was, with ends of the range that are its ends. */
static void deep_back(struct kunit *test)
{
	static const struct {
		u32 fourcc;
		bool alpha;
		int red;
	} formats[] = {
		{ DRM_FORMAT_XRGB2101010, false, 20 },
		{ DRM_FORMAT_XBGR2101010, false, 0 },
		{ DRM_FORMAT_ARGB2101010, true, 20 },
		{ DRM_FORMAT_ABGR2101010, true, 0 },
	};

	for (int i = 0; i < ARRAY_SIZE(formats); i++) {
		u32 fourcc = formats[i].fourcc;
		u32 none = formats[i].alpha ? 0 : 0xff000000;
		u32 bits = formats[i].alpha ? 0 : 0xc0000000;

		KUNIT_EXPECT_EQ(test, U32_MAX,
				movgem_scanout_to_deep(fourcc, U32_MAX));
		KUNIT_EXPECT_EQ(test, bits, movgem_scanout_to_deep(fourcc, 0));
		for (u32 c = 0; c < 256; c++) {
			u32 pixel = none | c << 16 | (255 - c) << 8 | (c ^ 0x5a);
			u32 deep = movgem_scanout_to_deep(fourcc, pixel);

			KUNIT_EXPECT_EQ(test, pixel,
					movgem_scanout_from_deep(fourcc, deep));
			KUNIT_EXPECT_EQ(test, c >> 6, deep >> formats[i].red & 3);
		}
		for (u32 a = 0; formats[i].alpha && a < 256; a++)
			KUNIT_EXPECT_EQ(test, a >> 6,
					movgem_scanout_to_deep(fourcc, a << 24) >> 30);
	}
}

/* All that a layer needs of lines, each once, going down, and within it. */
static void check_band(struct kunit *test, const struct movgem_layer *layer,
		       const u32 *cols)
{
	const struct movgem_band *band = layer->band;
	u32 last = (layer->h.start + layer->h.size - 1) >> 16;

	KUNIT_ASSERT_LE(test, band->count, MOVGEM_BAND_LINES);
	for (u32 i = 1; i < band->count; i++)
		KUNIT_ASSERT_LT(test, band->lines[i - 1], band->lines[i]);
	KUNIT_ASSERT_GE(test, band->lines[0], layer->h.start >> 16);
	KUNIT_ASSERT_LE(test, band->lines[band->count - 1], last);
	for (u32 i = 0; i < drm_rect_width(&layer->dst); i++) {
		u32 slot = band->slots[i];

		KUNIT_ASSERT_LT(test, slot, band->count);
		KUNIT_ASSERT_EQ(test, band->lines[slot], cols[i] >> 8);
		if (!(cols[i] & 0xff))
			continue;
		KUNIT_ASSERT_LT(test, slot + 1, band->count);
		KUNIT_ASSERT_EQ(test, band->lines[slot + 1], (cols[i] >> 8) + 1);
	}
}

static void band_lines(struct kunit *test)
{
	struct movgem_layer layer = {
		.scaled = true,
		.band = kunit_kzalloc(test, sizeof(*layer.band), GFP_KERNEL),
	};
	u32 *cols = kunit_kzalloc(test, MOVGEM_KMS_WIDTH_MAX * sizeof(*cols),
				  GFP_KERNEL);
	struct rnd_state rnd;

	KUNIT_ASSERT_NOT_NULL(test, layer.band);
	KUNIT_ASSERT_NOT_NULL(test, cols);
	prandom_seed_state(&rnd, 1);
	for (int i = 0; i < 500; i++) {
		u32 bits = prandom_u32_state(&rnd);
		u32 length = 1 + prandom_u32_state(&rnd) % (bits & 1 ? 16384 : 2000);
		u32 whole = 1 + prandom_u32_state(&rnd) % (bits & 2 ? 16384 : 2000);
		u32 first = prandom_u32_state(&rnd) % length;
		u32 width = min(length - first, MOVGEM_KMS_WIDTH_MAX);

		layer.nearest = bits & 4;
		layer.h = (struct movgem_axis) {
			.size = whole << 16,
			.length = length,
			.first = first,
		};
		/* As it is, or beginning and ending anywhere. */
		if (bits & 8)
			layer.h.length = max(whole, first + width);
		if (bits & 16 && whole > 2) {
			layer.h.start = prandom_u32_state(&rnd) % (whole << 15);
			layer.h.size = (whole << 16) - layer.h.start - (bits >> 20);
		}
		layer.h.size = max_t(u32, layer.h.size, 1 << 16);
		layer.dst = DRM_RECT_INIT(0, 0, width, 1);
		movgem_layer_begin(&layer, cols);
		check_band(test, &layer, cols);
	}
}

static struct kunit_case scanout_cases[] = {
	KUNIT_CASE(yuv_known),
	KUNIT_CASE(yuv_grey),
	KUNIT_CASE(yuv_exact),
	KUNIT_CASE(deep_bits),
	KUNIT_CASE(deep_back),
	KUNIT_CASE(band_lines),
	{}
};

static struct kunit_suite scanout_suite = {
	.name = "movgem_scanout",
	.test_cases = scanout_cases,
};

kunit_test_suite(scanout_suite);
