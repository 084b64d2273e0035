// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

#include <linux/bits.h>
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/string.h>

#include <drm/drm_atomic_helper.h>
#include <drm/drm_drv.h>
#include <drm/drm_edid.h>
#include <drm/drm_managed.h>
#include <drm/drm_modeset_helper_vtables.h>
#include <drm/drm_probe_helper.h>

#include "movgem_device.h"
#include "movgem_kms.h"

/**
 * DOC: Virtual connector
 *
 * There are as many as CRTCs, each for any of them. The monitor is an EDID: 1280x800
 * is what it likes best, 1920x1080 the most that it can. It is there until somebody
 * writes 0 to "hotplug" in the connector's directory in debugfs, and again after a
 * 1, each with an uevent.
 */

/* Aspect ratios in a standard timing. */
#define STD_16_10	0x00
#define STD_4_3		0x40
#define STD_5_4		0x80
#define STD_16_9	0xc0

#define STD(width, aspect) \
	{ .hsize = (width) / 8 - 31, .vfreq_aspect = (aspect) /* 60 Hz */ }

#define STD_UNUSED	{ .hsize = 1, .vfreq_aspect = 1 }

#define LO(n)		((n) & 0xff)
#define HI(n)		((n) >> 8)

/* 1280x800 at 60 Hz, CVT with reduced blanking; a pixel is 0.265 mm wide. */
#define CLOCK		71000
#define HDISPLAY	1280
#define HFRONT		48
#define HSYNC		32
#define HBLANK		160
#define VDISPLAY	800
#define VFRONT		3
#define VSYNC		6
#define VBLANK		23
#define WIDTH_MM	339
#define HEIGHT_MM	212

/* Digital, separate syncs; horizontal positive, vertical negative. */
#define SYNC_FLAGS	0x1a

static const struct edid monitor = {
	.header = { 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00 },
	/* Three letters of 5 bits: MVG. */
	.mfg_id = { 0x36, 0xc7 },
	.prod_code = { 1, 0 },
	.mfg_week = 1,
	.mfg_year = 2026 - 1990,
	.version = 1,
	.revision = 4,
	.input = DRM_EDID_INPUT_DIGITAL | DRM_EDID_DIGITAL_DEPTH_8,
	.width_cm = WIDTH_MM / 10,
	.height_cm = HEIGHT_MM / 10,
	/* 2.2, and the colours of sRGB. */
	.gamma = 120,
	.features = DRM_EDID_FEATURE_PREFERRED_TIMING |
		    DRM_EDID_FEATURE_STANDARD_COLOR,
	.red_green_lo = 0xee,
	.blue_white_lo = 0x91,
	.red_x = 0xa3,
	.red_y = 0x54,
	.green_x = 0x4c,
	.green_y = 0x99,
	.blue_x = 0x26,
	.blue_y = 0x0f,
	.white_x = 0x50,
	.white_y = 0x54,
	/* 640x480, 800x600 and 1024x768 at 60 Hz. */
	.established_timings = { .t1 = 0x21, .t2 = 0x08 },
	.standard_timings = {
		STD(1920, STD_16_9),
		STD(1680, STD_16_10),
		STD(1600, STD_16_9),
		STD(1440, STD_16_10),
		STD(1280, STD_5_4),
		STD(1280, STD_16_9),
		STD_UNUSED,
		STD_UNUSED,
	},
	.detailed_timings = {
		{
			.pixel_clock = cpu_to_le16(CLOCK / 10),
			.data.pixel_data = {
				.hactive_lo = LO(HDISPLAY),
				.hblank_lo = LO(HBLANK),
				.hactive_hblank_hi = HI(HDISPLAY) << 4 |
						     HI(HBLANK),
				.vactive_lo = LO(VDISPLAY),
				.vblank_lo = LO(VBLANK),
				.vactive_vblank_hi = HI(VDISPLAY) << 4 |
						     HI(VBLANK),
				.hsync_offset_lo = HFRONT,
				.hsync_pulse_width_lo = HSYNC,
				.vsync_offset_pulse_width_lo = VFRONT << 4 |
							       VSYNC,
				.width_mm_lo = LO(WIDTH_MM),
				.height_mm_lo = LO(HEIGHT_MM),
				.width_height_mm_hi = HI(WIDTH_MM) << 4 |
						      HI(HEIGHT_MM),
				.misc = SYNC_FLAGS,
			},
		}, {
			.data.other_data = {
				.type = EDID_DETAIL_MONITOR_NAME,
				.data.str.str = "movgem\n     ",
			},
		}, {
			.data.other_data = {
				.type = EDID_DETAIL_MONITOR_RANGE,
				.data.range = {
					.min_vfreq = 50,
					.max_vfreq = 75,
					.min_hfreq_khz = 30,
					.max_hfreq_khz = 80,
					.pixel_clock_mhz = 16,
					/* No formula for timings. */
					.flags = 0x01,
					.formula.gtf2 = {
						.reserved = '\n',
						.hfreq_start_khz = ' ',
						.c = ' ',
						.m = cpu_to_le16(0x2020),
						.k = ' ',
						.j = ' ',
					},
				},
			},
		}, {
			.data.other_data = {
				.type = EDID_DETAIL_MONITOR_STRING,
				.data.str.str = "virtual\n    ",
			},
		},
	},
};

/* The EDID is one block. */
static int read_edid(void *data, u8 *buf, unsigned int block, size_t len)
{
	struct edid edid = monitor;
	u8 sum = 0;

	if (block || len > sizeof(edid))
		return -ENXIO;
	for (size_t i = 0; i < sizeof(edid); i++)
		sum += ((const u8 *)&edid)[i];
	edid.checksum = -sum;
	memcpy(buf, &edid, len);
	return 0;
}

static struct movgem_output *to_output(struct drm_connector *connector)
{
	return container_of(connector, struct movgem_output, connector);
}

static enum drm_connector_status
connector_detect(struct drm_connector *connector, bool force)
{
	return READ_ONCE(to_output(connector)->connected) ?
	       connector_status_connected : connector_status_disconnected;
}

static int connector_get_modes(struct drm_connector *connector)
{
	const struct drm_edid *edid;
	int count;

	/* Or a user's, if there is one in debugfs or by drm.edid_firmware. */
	edid = drm_edid_read_custom(connector, read_edid, NULL);
	drm_edid_connector_update(connector, edid);
	count = drm_edid_connector_add_modes(connector);
	drm_edid_free(edid);
	return count;
}

static const struct drm_connector_helper_funcs connector_helper_funcs = {
	.get_modes = connector_get_modes,
};

static int hotplug_get(void *data, u64 *val)
{
	*val = READ_ONCE(to_output(data)->connected);
	return 0;
}

static int hotplug_set(void *data, u64 val)
{
	struct drm_connector *connector = data;
	int idx;

	if (val > 1)
		return movgem_invalid(connector->dev, "hotplug: %llu", val);
	if (!drm_dev_enter(connector->dev, &idx))
		return -ENODEV;
	WRITE_ONCE(to_output(connector)->connected, val);
	drm_connector_helper_hpd_irq_event(connector);
	drm_dev_exit(idx);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(hotplug_fops, hotplug_get, hotplug_set, "%llu\n");

static void connector_debugfs_init(struct drm_connector *connector,
				   struct dentry *root)
{
	debugfs_create_file("hotplug", 0600, root, connector, &hotplug_fops);
}

static const struct drm_connector_funcs connector_funcs = {
	.detect = connector_detect,
	.fill_modes = drm_helper_probe_single_connector_modes,
	.reset = drm_atomic_helper_connector_reset,
	.atomic_duplicate_state = drm_atomic_helper_connector_duplicate_state,
	.atomic_destroy_state = drm_atomic_helper_connector_destroy_state,
	.debugfs_init = connector_debugfs_init,
};

/**
 * movgem_connector_init - make the virtual connector and encoder of an output
 * @kms: the display
 * @output: the output, which has its CRTC
 *
 * Freed with the device.
 *
 * Return: 0 or a negative errno.
 */
int movgem_connector_init(struct movgem_kms *kms, struct movgem_output *output)
{
	struct drm_connector *connector = &output->connector;
	struct drm_encoder *encoder = &output->encoder;
	struct drm_device *drm = &kms->mdev->drm;
	int ret;

	ret = drmm_encoder_init(drm, encoder, NULL, DRM_MODE_ENCODER_VIRTUAL,
				NULL);
	if (ret)
		return ret;
	/* Any of the device's. */
	encoder->possible_crtcs = GENMASK(kms->num_outputs - 1, 0);

	output->connected = true;
	ret = drmm_connector_init(drm, connector, &connector_funcs,
				  DRM_MODE_CONNECTOR_VIRTUAL, NULL);
	if (ret)
		return ret;
	drm_connector_helper_add(connector, &connector_helper_funcs);
	connector->polled = DRM_CONNECTOR_POLL_HPD;
	/* Not for what DRM calls virtual, and this one has a monitor. */
	drm_connector_attach_edid_property(connector);
	return drm_connector_attach_encoder(connector, encoder);
}
