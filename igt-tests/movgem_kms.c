// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 */
#include <drm_fourcc.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xf86drm.h>

#include "igt.h"
#include "igt_kmod.h"
#include "igt_syncobj.h"
#include "movgem_blit_ref.h"
#include "movgem_kms_flips.h"
#include "movgem_kms_moves.h"
#include "movgem_kms_rig.h"
#include "movgem_rig.h"

/**
 * TEST: movgem kms
 * Description: The display shows what it is told to, pixel by pixel, while the
 *              pages of what it shows move.
 * Category: Display
 * Mega feature: General Display Features
 * Sub-category: kms
 * Functionality: atomic modesetting
 * Feature: movgem
 * Test category: functionality test
 *
 * SUBTEST: resources
 * Description: Connectors, modes, EDID, planes and formats are as documented.
 *
 * SUBTEST: render-node
 * Description: The render node has no display.
 *
 * SUBTEST: modeset
 * Description: Each of some modes shows a picture, and off is off.
 *
 * SUBTEST: bad-modes
 * Description: Modes that are too large, too fast or interlaced are refused.
 *
 * SUBTEST: bad-fbs
 * Description: Framebuffers that do not fit their buffer, and others, are refused.
 *
 * SUBTEST: vblank
 * Description: Vblanks come at the mode's rate, none is left out.
 *
 * SUBTEST: crc-frames
 * Description: Each vblank has a CRC, and all of a static scene are the same.
 *
 * SUBTEST: flip
 * Description: Page flips send their event when the new picture is shown.
 *
 * SUBTEST: flip-fences
 * Description: A flip waits for its fence, and its own fence for the flip.
 *
 * SUBTEST: flip-back-buffer
 * Description: What has been flipped away is not read any more.
 *
 * SUBTEST: flip-cursor
 * Description: The cursor moves while a flip waits for its fence, and stays there.
 *
 * SUBTEST: flip-late
 * Description: A flip that is asked for before a late vblank is told goes to the next one.
 *
 * SUBTEST: blend
 * Description: Four planes, over the edges of the screen, look as they have to.
 *
 * SUBTEST: formats
 * Description: Planes and writeback in all formats.
 *
 * SUBTEST: rotation
 * Description: Planes that are turned and mirrored.
 *
 * SUBTEST: gamma
 * Description: Gamma ramps by property and by the legacy call.
 *
 * SUBTEST: cursor-legacy
 * Description: The cursor by the legacy calls.
 *
 * SUBTEST: hotplug
 * Description: The monitor goes and comes back.
 *
 * SUBTEST: edid-override
 * Description: A user's EDID in debugfs takes the place of the monitor's own.
 *
 * SUBTEST: scanout-moves
 * Description: The picture stays as it is while its pages move.
 *
 * SUBTEST: write-after-move
 * Description: What is written after a move is shown.
 *
 * SUBTEST: writeback-moves
 * Description: Copies are whole although the pages that they go to move.
 *
 * SUBTEST: nv12-moves
 * Description: Both BOs of NV12 move while they are shown.
 *
 * SUBTEST: nv12-kept
 * Description: Both BOs of NV12 stay for as long as they are shown.
 *
 * SUBTEST: held-pages
 * Description: Pages in the kernel's hands are shown, sooner or later.
 *
 * SUBTEST: not-purged
 * Description: A buffer that has a framebuffer is not purged.
 *
 * SUBTEST: import
 * Description: A buffer of another driver is shown.
 *
 * SUBTEST: closed-while-on
 * Description: A process that ends with its picture on leaves nothing behind.
 */

IGT_TEST_DESCRIPTION("The display of movgem, and pages that move under it.");

static struct kms_rig rig;

static void check_modes(void)
{
	drmModeConnector *connector = drmModeGetConnector(rig.fd, rig.connector);
	bool largest = false;

	igt_assert(connector);
	igt_assert_eq(connector->connection, DRM_MODE_CONNECTED);
	igt_assert_lt(0, connector->count_modes);
	igt_assert(connector->modes[0].type & DRM_MODE_TYPE_PREFERRED);
	igt_assert_eq(connector->modes[0].hdisplay, 1280);
	igt_assert_eq(connector->modes[0].vdisplay, 800);
	for (int i = 0; i < connector->count_modes; i++) {
		igt_assert_lte(connector->modes[i].hdisplay, 1920);
		igt_assert_lte(connector->modes[i].vdisplay, 1080);
		largest |= connector->modes[i].hdisplay == 1920 &&
			   connector->modes[i].vdisplay == 1080;
	}
	igt_assert(largest);
	drmModeFreeConnector(connector);
}

static void check_edid(void)
{
	static const uint8_t header[8] = { 0, 255, 255, 255, 255, 255, 255, 0 };
	drmModePropertyBlobRes *blob;
	uint64_t edid = 0;
	uint8_t sum = 0;

	igt_assert(kms_prop(&rig, rig.connector, DRM_MODE_OBJECT_CONNECTOR, "EDID", &edid));
	blob = drmModeGetPropertyBlob(rig.fd, edid);
	igt_assert(blob);
	igt_assert_eq_u32(blob->length, 128);
	igt_assert(!memcmp(blob->data, header, sizeof(header)));
	for (uint32_t i = 0; i < blob->length; i++)
		sum += ((uint8_t *)blob->data)[i];
	igt_assert_eq(sum, 0);
	drmModeFreePropertyBlob(blob);
}

static const uint32_t formats[] = {
	DRM_FORMAT_XRGB8888, DRM_FORMAT_ARGB8888, DRM_FORMAT_XBGR8888, DRM_FORMAT_ABGR8888,
	DRM_FORMAT_RGB565,
};

static void test_resources(int fd)
{
	check_modes();
	check_edid();
	for (int i = 0; i < KMS_PLANES; i++) {
		drmModePlane *plane = drmModeGetPlane(fd, rig.planes[i]);
		unsigned int found = 0;

		igt_assert(plane);
		igt_assert_eq_u32(plane->possible_crtcs, 1);
		for (uint32_t k = 0; k < plane->count_formats; k++)
			for (unsigned int n = 0; n < ARRAY_SIZE(formats); n++)
				found += plane->formats[k] == formats[n];
		igt_assert_eq_u32(found, ARRAY_SIZE(formats));
		drmModeFreePlane(plane);
	}
}

static void test_render_node(int fd)
{
	struct drm_mode_card_res res = { };
	int render = movgem_open_render();

	do_ioctl_err(render, DRM_IOCTL_MODE_GETRESOURCES, &res, EACCES);
	movgem_close(render);
}

static void test_modeset(int fd)
{
	static const struct { int w, h; } sizes[] = { { 640, 480 }, { 1280, 800 }, { 1920, 1080 } };
	struct kms_scene scene;
	struct kms_fb fb;
	int file;

	for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
		kms_full_screen(&rig, &scene, &fb, kms_mode(&rig, sizes[i].w, sizes[i].h));
		kms_show(&rig, &scene);
		kms_expect(&rig, &scene);
		kms_off(&rig);
		movgem_require_debugfs(fd);
		file = igt_debugfs_open(fd, "crtc-0/crc/data", O_RDONLY);
		igt_assert_eq(file, -1);
		igt_assert_eq(errno, EIO);
		kms_fb_fini(&fb);
	}
}

static void test_bad_modes(int fd)
{
	struct kms_commit commit = { .flags = DRM_MODE_ATOMIC_ALLOW_MODESET };
	struct kms_scene scene, bad;
	struct kms_fb fb;

	kms_full_screen(&rig, &scene, &fb, kms_small_mode());

	bad = scene;
	bad.mode.clock = 2000000;
	igt_assert_eq(__kms_show(&rig, &bad, &commit), -EINVAL);
	bad = scene;
	bad.mode.clock = 100;
	igt_assert_eq(__kms_show(&rig, &bad, &commit), -EINVAL);
	bad = scene;
	bad.mode.flags |= DRM_MODE_FLAG_INTERLACE;
	igt_assert_eq(__kms_show(&rig, &bad, &commit), -EINVAL);
	bad = scene;
	bad.mode.hdisplay = 1928;
	bad.mode.hsync_start = 1976;
	bad.mode.hsync_end = 2008;
	bad.mode.htotal = 2088;
	bad.mode.clock = 100000;
	igt_assert_eq(__kms_show(&rig, &bad, &commit), -EINVAL);
	/* None of them has spoilt anything. */
	kms_show(&rig, &scene);
	kms_expect(&rig, &scene);
	kms_off(&rig);
	kms_fb_fini(&fb);
}

static int __add_fb(int fd, uint32_t handle, uint32_t w, uint32_t h, uint32_t format,
		    uint32_t pitch, uint32_t offset, uint64_t modifier)
{
	const struct drm_mode_fb_cmd2 cmd = {
		.width = w,
		.height = h,
		.pixel_format = format,
		.flags = modifier ? DRM_MODE_FB_MODIFIERS : 0,
		.handles[0] = handle,
		.pitches[0] = pitch,
		.offsets[0] = offset,
		.modifier[0] = modifier,
	};

	return kms_try_fb(fd, &cmd);
}

static void test_bad_fbs(int fd)
{
	const uint32_t xrgb = DRM_FORMAT_XRGB8888;
	/* 64 lines of 256 bytes. */
	uint32_t bo = movgem_bo_create(fd, 4 * MOVGEM_PAGE, 0), vm, own;

	igt_assert_eq(__add_fb(fd, bo, 64, 64, xrgb, 256, 0, 0), 0);
	igt_assert_eq(__add_fb(fd, bo, 64, 65, xrgb, 256, 0, 0), -EINVAL);
	igt_assert_eq(__add_fb(fd, bo, 65, 64, xrgb, 256, 0, 0), -EINVAL);
	igt_assert_eq(__add_fb(fd, bo, 64, 64, xrgb, 256, 4, 0), -EINVAL);
	igt_assert_eq(__add_fb(fd, bo, 64, 64, xrgb, 260, 0, 0), -EINVAL);
	igt_assert_eq(__add_fb(fd, bo, 0, 64, xrgb, 256, 0, 0), -EINVAL);
	igt_assert_eq(__add_fb(fd, bo, 64, 64, DRM_FORMAT_NV12, 256, 0, 0), -EINVAL);
	igt_assert_eq(__add_fb(fd, bo, 64, 64, xrgb, 256, 0, I915_FORMAT_MOD_X_TILED), -EINVAL);
	igt_assert_eq(__add_fb(fd, bo + 1000, 64, 64, xrgb, 256, 0, 0), -ENOENT);
	/* Sizes whose product is small again in 32 bits. */
	igt_assert_eq(__add_fb(fd, bo, 64, 16384, xrgb, 0x1000000, 0, 0), -ERANGE);
	igt_assert_eq(__add_fb(fd, bo, 64, 0x1001, xrgb, 0x100000, 0, 0), -ERANGE);
	igt_assert_eq(__movgem_gem_close(fd, bo), 0);

	vm = movgem_vm_create(fd);
	own = movgem_bo_create_exclusive(fd, 4 * MOVGEM_PAGE, vm);
	igt_assert_eq(__add_fb(fd, own, 64, 64, xrgb, 256, 0, 0), -EINVAL);
	igt_assert_eq(__movgem_gem_close(fd, own), 0);
	movgem_vm_destroy(fd, vm);
}

static int64_t vblank(int fd, unsigned int *sequence)
{
	drmVBlank wait = { .request = { .type = DRM_VBLANK_RELATIVE, .sequence = 1 } };

	igt_assert_eq(drmWaitVBlank(fd, &wait), 0);
	*sequence = wait.reply.sequence;
	return wait.reply.tval_sec * 1000000ll + wait.reply.tval_usec;
}

static void test_vblank(int fd)
{
	int64_t first_us, us = 0, last_us;
	unsigned int first, n, last;
	struct kms_scene scene;
	struct kms_fb fb;
	double period;

	kms_full_screen(&rig, &scene, &fb, kms_small_mode());
	kms_show(&rig, &scene);
	period = 1000.0 * scene.mode.htotal * scene.mode.vtotal / scene.mode.clock;

	first_us = last_us = vblank(fd, &first);
	last = first;
	for (int i = 0; i < 10; i++) {
		us = vblank(fd, &n);
		igt_assert_lt_u32(last, n);
		igt_assert(last_us < us);
		last = n;
		last_us = us;
	}
	/* However late one is noticed, its number and its time belong together. */
	igt_assert_f(llabs(us - first_us - (int64_t)(period * (last - first))) < 10,
		     "%u vblanks took %lld us, each should %f\n", last - first,
		     (long long)(us - first_us), period);
	kms_off(&rig);
	kms_fb_fini(&fb);
}

static void test_crc_frames(int fd)
{
	uint32_t want, frame = 0, last = 0;
	struct kms_scene scene;
	struct kms_fb fb;
	int file;

	kms_full_screen(&rig, &scene, &fb, kms_small_mode());
	kms_show(&rig, &scene);
	want = kms_reference_crc(&scene);
	file = kms_crc_open(&rig);
	for (int i = 0; i < 30; i++) {
		igt_assert_eq_u32(kms_crc_read(file, &frame), want);
		if (i)
			igt_assert_eq_u32(frame, last + 1);
		last = frame;
	}
	close(file);
	kms_off(&rig);
	kms_fb_fini(&fb);
}

static void test_blend(int fd)
{
	static const struct { int x, y; } places[] = {
		{ KMS_WIDTH - 40, KMS_HEIGHT - 30 }, { -30, -30 }, { 100, 60 },
		{ KMS_WIDTH - 1, KMS_HEIGHT - 1 },
	};
	struct kms_fb copy;
	struct kms_blend b;

	kms_blend_init(&rig, &b, DRM_FORMAT_XRGB8888, DRM_FORMAT_ARGB8888);
	kms_fb_init(&copy, fd, KMS_WIDTH, KMS_HEIGHT, DRM_FORMAT_XRGB8888);
	for (unsigned int i = 0; i < ARRAY_SIZE(places); i++) {
		b.scene.layers[KMS_CURSOR].x = places[i].x;
		b.scene.layers[KMS_CURSOR].y = places[i].y;
		kms_check_copy(&rig, &b.scene, &copy);
		kms_expect(&rig, &b.scene);
	}
	/* Black where there is nothing, and nothing where it is off the screen. */
	b.scene.layers[KMS_PRIMARY].fb = NULL;
	b.scene.layers[KMS_CURSOR].x = KMS_WIDTH;
	kms_show(&rig, &b.scene);
	kms_expect(&rig, &b.scene);
	kms_off(&rig);
	kms_fb_fini(&copy);
	kms_blend_fini(&b);
}

static void test_formats(int fd)
{
	struct kms_fb copy;
	struct kms_blend b;

	for (unsigned int i = 0; i < ARRAY_SIZE(formats); i++) {
		kms_blend_init(&rig, &b, formats[i], formats[(i + 1) % ARRAY_SIZE(formats)]);
		kms_fb_init(&copy, fd, KMS_WIDTH, KMS_HEIGHT, formats[i]);
		kms_check_copy(&rig, &b.scene, &copy);
		kms_expect(&rig, &b.scene);
		kms_off(&rig);
		kms_fb_fini(&copy);
		kms_blend_fini(&b);
	}
}

static void test_rotation(int fd)
{
	static const unsigned int rotations[] = {
		DRM_MODE_ROTATE_0 | DRM_MODE_REFLECT_X,
		DRM_MODE_ROTATE_0 | DRM_MODE_REFLECT_Y,
		DRM_MODE_ROTATE_180,
		DRM_MODE_ROTATE_180 | DRM_MODE_REFLECT_X,
		DRM_MODE_ROTATE_90,
		DRM_MODE_ROTATE_270,
		DRM_MODE_ROTATE_90 | DRM_MODE_REFLECT_Y,
		DRM_MODE_ROTATE_270 | DRM_MODE_REFLECT_Y,
	};
	struct kms_blend b;

	kms_blend_init(&rig, &b, DRM_FORMAT_XRGB8888, DRM_FORMAT_ARGB8888);
	for (unsigned int i = 0; i < ARRAY_SIZE(rotations); i++) {
		for (int plane = 0; plane < KMS_PLANES; plane++)
			b.scene.layers[plane].rotation = rotations[(i + plane) %
								   ARRAY_SIZE(rotations)];
		kms_show(&rig, &b.scene);
		kms_expect(&rig, &b.scene);
	}
	kms_off(&rig);
	kms_blend_fini(&b);
}

static void test_gamma(int fd)
{
	struct drm_color_lut lut[256], linear[256];
	uint16_t red[256], green[256], blue[256];
	struct kms_scene scene;
	struct kms_fb fb;

	kms_full_screen(&rig, &scene, &fb, kms_small_mode());
	for (int i = 0; i < 256; i++) {
		lut[i] = (struct drm_color_lut) {
			.red = 0xffff - i * 0x101,
			.green = i * i,
			.blue = movgem_mix(i, 3),
		};
		linear[i] = (struct drm_color_lut) {
			.red = i * 0x101,
			.green = i * 0x101,
			.blue = i * 0x101,
		};
		red[i] = lut[i].green;
		green[i] = lut[i].blue;
		blue[i] = lut[i].red;
	}
	kms_show(&rig, &scene);
	kms_expect(&rig, &scene);
	scene.lut = linear;
	kms_show(&rig, &scene);
	kms_expect(&rig, &scene);
	scene.lut = NULL;
	kms_expect(&rig, &scene);
	scene.lut = lut;
	kms_show(&rig, &scene);
	kms_expect(&rig, &scene);

	igt_assert_eq(drmModeCrtcSetGamma(fd, rig.crtc, 256, red, green, blue), 0);
	for (int i = 0; i < 256; i++)
		lut[i] = (struct drm_color_lut) {
			.red = red[i],
			.green = green[i],
			.blue = blue[i],
		};
	kms_expect(&rig, &scene);
	kms_off(&rig);
	kms_fb_fini(&fb);
}

static void test_cursor_legacy(int fd)
{
	static const struct { int x, y; } places[] = { { 10, 20 }, { -16, 470 }, { 300, 200 } };
	struct kms_blend b;
	unsigned int n;

	kms_blend_init(&rig, &b, DRM_FORMAT_XRGB8888, DRM_FORMAT_ARGB8888);
	b.scene.layers[KMS_CURSOR].fb = NULL;
	kms_show(&rig, &b.scene);
	igt_assert_eq(drmModeSetCursor(fd, rig.crtc, b.fbs[KMS_CURSOR].handle, 64, 64), 0);
	b.scene.layers[KMS_CURSOR].fb = &b.fbs[KMS_CURSOR];
	for (unsigned int i = 0; i < ARRAY_SIZE(places); i++) {
		/* It is enough that the last one is shown. */
		for (int k = 0; k < 50; k++)
			igt_assert_eq(drmModeMoveCursor(fd, rig.crtc, k, k), 0);
		b.scene.layers[KMS_CURSOR].x = places[i].x;
		b.scene.layers[KMS_CURSOR].y = places[i].y;
		igt_assert_eq(drmModeMoveCursor(fd, rig.crtc, places[i].x, places[i].y), 0);
		/* These calls do not wait. */
		vblank(fd, &n);
		vblank(fd, &n);
		kms_expect(&rig, &b.scene);
	}
	igt_assert_eq(drmModeSetCursor(fd, rig.crtc, 0, 0, 0), 0);
	b.scene.layers[KMS_CURSOR].fb = NULL;
	vblank(fd, &n);
	vblank(fd, &n);
	kms_expect(&rig, &b.scene);
	kms_off(&rig);
	kms_blend_fini(&b);
}

/* A file of the connector's in debugfs. */
static int open_connector_file(int fd, const char *name)
{
	drmModeConnector *connector = drmModeGetConnectorCurrent(fd, rig.connector);
	char path[64];
	int file;

	movgem_require_debugfs(fd);
	igt_assert(connector);
	/* Connectors of a kind are counted over all devices. */
	snprintf(path, sizeof(path), "%s-%u/%s",
		 drmModeGetConnectorTypeName(connector->connector_type),
		 connector->connector_type_id, name);
	drmModeFreeConnector(connector);
	file = igt_debugfs_open(fd, path, O_WRONLY);
	igt_assert_f(file >= 0, "%s: %s\n", name, strerror(errno));
	return file;
}

static void set_monitor(int fd, bool there)
{
	int file = open_connector_file(fd, "hotplug");

	igt_assert_eq(write(file, there ? "1" : "0", 1), 1);
	close(file);
}

static void test_hotplug(int fd)
{
	drmModeConnector *connector;

	set_monitor(fd, false);
	/* What the event has left, and what a probe says. */
	connector = drmModeGetConnectorCurrent(fd, rig.connector);
	igt_assert(connector);
	igt_assert_eq(connector->connection, DRM_MODE_DISCONNECTED);
	drmModeFreeConnector(connector);
	connector = drmModeGetConnector(fd, rig.connector);
	igt_assert(connector);
	igt_assert_eq(connector->connection, DRM_MODE_DISCONNECTED);
	igt_assert_eq(connector->count_modes, 0);
	drmModeFreeConnector(connector);
	set_monitor(fd, true);
	connector = drmModeGetConnectorCurrent(fd, rig.connector);
	igt_assert(connector);
	igt_assert_eq(connector->connection, DRM_MODE_CONNECTED);
	drmModeFreeConnector(connector);
	check_modes();
	check_edid();
}

static void override_edid(int fd, const void *edid, size_t size)
{
	int file = open_connector_file(fd, "edid_override");

	igt_assert_eq(write(file, edid, size), size);
	close(file);
}

/* By a probe. */
static bool has_mode(int fd, int width, int height)
{
	drmModeConnector *connector = drmModeGetConnector(fd, rig.connector);
	bool found = false;

	igt_assert(connector);
	for (int i = 0; i < connector->count_modes; i++)
		found |= connector->modes[i].hdisplay == width &&
			 connector->modes[i].vdisplay == height;
	drmModeFreeConnector(connector);
	return found;
}

static void test_edid_override(int fd)
{
	drmModePropertyBlobRes *blob;
	uint8_t edid[128], sum = 0;
	uint64_t value;
	bool small, large;

	igt_assert(has_mode(fd, 1920, 1080));
	igt_assert(kms_prop(&rig, rig.connector, DRM_MODE_OBJECT_CONNECTOR, "EDID", &value));
	blob = drmModeGetPropertyBlob(fd, value);
	igt_assert(blob);
	igt_assert_eq(blob->length, sizeof(edid));
	memcpy(edid, blob->data, sizeof(edid));
	drmModeFreePropertyBlob(blob);

	/* The same monitor without its standard timings. */
	memset(edid + 38, 1, 16);
	for (int i = 0; i < 127; i++)
		sum += edid[i];
	edid[127] = -sum;
	override_edid(fd, edid, sizeof(edid));
	large = has_mode(fd, 1920, 1080);
	small = has_mode(fd, 1280, 800);
	override_edid(fd, "reset", 5);
	igt_assert(!large);
	igt_assert(small);
	check_modes();
	check_edid();
}

static void test_import(int fd)
{
	int other, dmabuf;
	struct kms_fb fb = {
		.fd = fd,
		.width = KMS_WIDTH,
		.height = KMS_HEIGHT,
		.format = DRM_FORMAT_XRGB8888,
	};
	struct kms_scene scene = { .mode = kms_small_mode() };
	uint32_t theirs;
	uint64_t offset;

	if (!igt_kmod_is_loaded("vgem"))
		igt_kmod_load("vgem", NULL);
	other = movgem_open_other("vgem");
	igt_require_f(other >= 0, "no vgem device: the module is not there or does not load\n");
	igt_assert_eq(drmModeCreateDumbBuffer(other, KMS_WIDTH, KMS_HEIGHT, 32, 0, &theirs,
					      &fb.pitch, &fb.size), 0);
	igt_assert_eq(drmModeMapDumbBuffer(other, theirs, &offset), 0);
	fb.map = mmap(NULL, fb.size, PROT_READ | PROT_WRITE, MAP_SHARED, other, offset);
	igt_assert(fb.map != MAP_FAILED);
	kms_fb_draw(&fb, 5);

	igt_assert_eq(drmPrimeHandleToFD(other, theirs, DRM_CLOEXEC | DRM_RDWR, &dmabuf), 0);
	igt_assert_eq(drmPrimeFDToHandle(fd, dmabuf, &fb.handle), 0);
	close(dmabuf);
	igt_assert_eq(__kms_fb_add(&fb), 0);
	scene.layers[KMS_PRIMARY] = kms_whole(&fb, 0, 0);
	kms_show(&rig, &scene);
	kms_expect(&rig, &scene);
	kms_fb_draw(&fb, 6);
	kms_expect(&rig, &scene);
	kms_off(&rig);
	kms_fb_fini(&fb);
	close(other);
}

static void test_closed_while_on(int fd)
{
	uint64_t before = movgem_bo_count(fd);
	struct kms_rig mine = rig;
	struct kms_scene scene;
	struct kms_fb fb;
	int file;

	/* The display is the first file's, unless that lets go of it. */
	igt_assert_eq(drmDropMaster(fd), 0);
	file = movgem_reopen(fd);
	drmSetMaster(file);
	kms_rig_init(&rig, file);
	kms_full_screen(&rig, &scene, &fb, kms_small_mode());
	kms_show(&rig, &scene);
	kms_expect(&rig, &scene);
	munmap(fb.map, fb.size);
	movgem_close(file);
	rig = mine;
	movgem_wait_for_bos(fd, before);
	igt_assert_eq(drmSetMaster(fd), 0);

	/* And it can be used again. */
	kms_full_screen(&rig, &scene, &fb, kms_small_mode());
	kms_show(&rig, &scene);
	kms_expect(&rig, &scene);
	kms_off(&rig);
	kms_fb_fini(&fb);
	movgem_wait_for_bos(fd, before);
}

static const struct movgem_subtest tests[] = {
	{ "resources", test_resources,
	  "Connectors, modes, EDID, planes and formats are as documented." },
	{ "render-node", test_render_node, "The render node has no display." },
	{ "modeset", test_modeset, "Each of some modes shows a picture, and off is off." },
	{ "bad-modes", test_bad_modes,
	  "Modes that are too large, too fast or interlaced are refused." },
	{ "bad-fbs", test_bad_fbs,
	  "Framebuffers that do not fit their buffer, and others, are refused." },
	{ "vblank", test_vblank, "Vblanks come at the mode's rate, none is left out." },
	{ "crc-frames", test_crc_frames,
	  "Each vblank has a CRC, and all of a static scene are the same." },
	{ "blend", test_blend,
	  "Four planes, over the edges of the screen, look as they have to." },
	{ "formats", test_formats, "Planes and writeback in all formats." },
	{ "rotation", test_rotation, "Planes that are turned and mirrored." },
	{ "gamma", test_gamma, "Gamma ramps by property and by the legacy call." },
	{ "cursor-legacy", test_cursor_legacy, "The cursor by the legacy calls." },
	{ "hotplug", test_hotplug, "The monitor goes and comes back." },
	{ "edid-override", test_edid_override,
	  "A user's EDID in debugfs takes the place of the monitor's own." },
	{ "import", test_import, "A buffer of another driver is shown." },
	{ "closed-while-on", test_closed_while_on,
	  "A process that ends with its picture on leaves nothing behind." },
};

int igt_main()
{
	int fd = -1;

	igt_fixture() {
		fd = movgem_open();
		kms_rig_init(&rig, fd);
	}

	movgem_subtests(tests, ARRAY_SIZE(tests), fd);
	kms_flip_subtests(fd);
	kms_move_subtests(fd);

	igt_fixture()
		movgem_close(fd);
}
