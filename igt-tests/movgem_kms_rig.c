// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 */
#include <drm_fourcc.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sync_file.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xf86drm.h>

#include "igt.h"
#include "movgem_blit_ref.h"
#include "movgem_kms_rig.h"

#define LONG_MS		((int)(MOVGEM_LONG_NS / 1000000))

uint32_t kms_prop(struct kms_rig *rig, uint32_t object, uint32_t type, const char *name,
		  uint64_t *value)
{
	drmModeObjectProperties *props = drmModeObjectGetProperties(rig->fd, object, type);
	uint32_t id = 0;

	igt_assert_f(props, "object %u has no properties\n", object);
	for (uint32_t i = 0; i < props->count_props && !id; i++) {
		drmModePropertyRes *prop = drmModeGetProperty(rig->fd, props->props[i]);

		igt_assert(prop);
		if (!strcmp(prop->name, name)) {
			id = prop->prop_id;
			if (value)
				*value = props->prop_values[i];
		}
		drmModeFreeProperty(prop);
	}
	drmModeFreeObjectProperties(props);
	return id;
}

uint64_t kms_prop_enum(struct kms_rig *rig, uint32_t id, const char *name)
{
	drmModePropertyRes *prop = drmModeGetProperty(rig->fd, id);
	uint64_t value = 0;
	bool found = false;

	igt_assert(prop);
	for (int i = 0; i < prop->count_enums && !found; i++) {
		found = !strcmp(prop->enums[i].name, name);
		value = prop->enums[i].value;
	}
	igt_assert_f(found, "%s has no %s\n", prop->name, name);
	drmModeFreeProperty(prop);
	return value;
}

static void find_planes(struct kms_rig *rig)
{
	/* Of each type the next one. */
	int kinds[] = {
		[DRM_PLANE_TYPE_OVERLAY] = KMS_OVERLAY,
		[DRM_PLANE_TYPE_PRIMARY] = KMS_PRIMARY,
		[DRM_PLANE_TYPE_CURSOR] = KMS_CURSOR,
	};
	drmModePlaneRes *planes = drmModeGetPlaneResources(rig->fd);
	unsigned int found = 0;

	igt_assert(planes);
	for (uint32_t i = 0; i < planes->count_planes; i++) {
		drmModePlane *plane = drmModeGetPlane(rig->fd, planes->planes[i]);
		bool ours = plane->possible_crtcs & 1u << rig->output;
		uint64_t type;

		drmModeFreePlane(plane);
		if (!ours)
			continue;
		igt_assert(kms_prop(rig, planes->planes[i], DRM_MODE_OBJECT_PLANE, "type", &type));
		igt_assert_lte_u64(type, DRM_PLANE_TYPE_CURSOR);
		igt_assert_lt_u32(found++, KMS_PLANES);
		rig->planes[kinds[type]++] = planes->planes[i];
	}
	drmModeFreePlaneResources(planes);
	for (int i = 0; i < KMS_PLANES; i++)
		igt_assert_f(rig->planes[i], "no plane %d\n", i);
}

/* A CRTC can write to one, and has any of the monitors. */
static bool is_our_writeback(struct kms_rig *rig, const drmModeConnector *connector)
{
	drmModeEncoder *encoder = drmModeGetEncoder(rig->fd, connector->encoders[0]);
	bool ours;

	igt_assert(encoder);
	ours = encoder->possible_crtcs & 1u << rig->output;
	drmModeFreeEncoder(encoder);
	return ours;
}

void kms_rig_init(struct kms_rig *rig, int fd)
{
	kms_rig_init_output(rig, fd, 0);
}

void kms_rig_init_output(struct kms_rig *rig, int fd, unsigned int output)
{
	drmModeRes *res = drmModeGetResources(fd);
	unsigned int monitors = 0;

	igt_require_f(res && res->count_crtcs > (int)output, "the device has no display %u\n",
		      output);
	*rig = (struct kms_rig) { .fd = fd, .output = output, .crtc = res->crtcs[output] };
	drmModeFreeResources(res);

	igt_assert_eq(drmSetClientCap(fd, DRM_CLIENT_CAP_UNIVERSAL_PLANES, 1), 0);
	igt_assert_eq(drmSetClientCap(fd, DRM_CLIENT_CAP_ATOMIC, 1), 0);
	igt_assert_eq(drmSetClientCap(fd, DRM_CLIENT_CAP_WRITEBACK_CONNECTORS, 1), 0);

	res = drmModeGetResources(fd);
	igt_assert(res);
	for (int i = 0; i < res->count_connectors; i++) {
		drmModeConnector *connector = drmModeGetConnectorCurrent(fd, res->connectors[i]);

		igt_assert(connector);
		if (connector->connector_type != DRM_MODE_CONNECTOR_WRITEBACK) {
			if (monitors++ == output)
				rig->connector = connector->connector_id;
		} else if (is_our_writeback(rig, connector)) {
			rig->writeback = connector->connector_id;
		}
		drmModeFreeConnector(connector);
	}
	drmModeFreeResources(res);
	igt_assert(rig->connector && rig->writeback);
	find_planes(rig);
}

void kms_subtests(struct kms_rig *rig, const struct movgem_subtest *tests, unsigned int count)
{
	int fd = -1;

	igt_fixture() {
		fd = movgem_open();
		kms_rig_init(rig, fd);
	}

	movgem_subtests(tests, count, fd);

	igt_fixture()
		movgem_close(fd);
}

drmModeModeInfo kms_mode(struct kms_rig *rig, int width, int height)
{
	drmModeConnector *connector = drmModeGetConnector(rig->fd, rig->connector);
	drmModeModeInfo mode = { };

	igt_assert(connector);
	for (int i = 0; i < connector->count_modes && !mode.hdisplay; i++)
		if (connector->modes[i].hdisplay == width && connector->modes[i].vdisplay == height)
			mode = connector->modes[i];
	drmModeFreeConnector(connector);
	igt_assert_f(mode.hdisplay, "no mode %dx%d\n", width, height);
	return mode;
}

/* ---- framebuffers ---- */

int __kms_fb_add(struct kms_fb *fb)
{
	struct drm_mode_fb_cmd2 cmd = {
		.width = fb->width,
		.height = fb->height,
		.pixel_format = fb->format,
		.handles[0] = fb->handle,
		.pitches[0] = fb->pitch,
		.offsets[0] = fb->offset,
	};
	int ret;

	if (fb->format == DRM_FORMAT_NV12) {
		cmd.handles[1] = fb->chroma.handle;
		cmd.pitches[1] = fb->chroma.pitch;
		cmd.offsets[1] = fb->chroma.offset;
	}
	ret = movgem_ioctl(fb->fd, DRM_IOCTL_MODE_ADDFB2, &cmd);
	fb->id = cmd.fb_id;
	return ret;
}

int kms_try_fb(int fd, const struct drm_mode_fb_cmd2 *cmd)
{
	struct drm_mode_fb_cmd2 copy = *cmd;
	int ret = movgem_ioctl(fd, DRM_IOCTL_MODE_ADDFB2, &copy);

	if (!ret)
		drmModeRmFB(fd, copy.fb_id);
	return ret;
}

void kms_fb_init_nv12(struct kms_fb *fb, int fd, uint32_t width, uint32_t height,
		      const struct kms_nv12 *layout)
{
	const uint32_t least = ALIGN(width, 2), lines = (height + 1) / 2;
	uint64_t luma, chroma, end;

	*fb = (struct kms_fb) {
		.fd = fd,
		.width = width,
		.height = height,
		.format = DRM_FORMAT_NV12,
		.pitch = layout->pitch ?: width,
		.chroma.pitch = layout->chroma_pitch ?: least,
	};
	luma = layout->offset + (uint64_t)(height - 1) * fb->pitch + width;
	chroma = layout->chroma_offset + (uint64_t)(lines - 1) * fb->chroma.pitch + least;
	end = layout->split ? luma : max(luma, chroma);
	fb->size = ALIGN(end, MOVGEM_PAGE);
	fb->handle = movgem_bo_create(fd, fb->size, 0);
	fb->map = movgem_bo_mmap(fd, fb->handle, fb->size);
	fb->offset = layout->offset + fb->size - end;
	fb->chroma.handle = fb->handle;
	fb->chroma.map = fb->map;
	fb->chroma.offset = layout->chroma_offset + fb->size - end;
	if (layout->split) {
		fb->chroma.size = ALIGN(chroma, MOVGEM_PAGE);
		fb->chroma.handle = movgem_bo_create(fd, fb->chroma.size, 0);
		fb->chroma.map = movgem_bo_mmap(fd, fb->chroma.handle, fb->chroma.size);
		fb->chroma.offset = layout->chroma_offset + fb->chroma.size - chroma;
	}
	igt_assert_eq(__kms_fb_add(fb), 0);
}

void kms_fb_init(struct kms_fb *fb, int fd, uint32_t width, uint32_t height, uint32_t format)
{
	if (format == DRM_FORMAT_NV12) {
		kms_fb_init_nv12(fb, fd, width, height,
				 &(struct kms_nv12) { .chroma_offset = width * height });
		return;
	}
	*fb = (struct kms_fb) {
		.fd = fd,
		.width = width,
		.height = height,
		.format = format,
		.pitch = width * kms_format_bytes(format),
	};
	fb->size = ALIGN((uint64_t)fb->pitch * height, MOVGEM_PAGE);
	fb->handle = movgem_bo_create(fd, fb->size, 0);
	fb->map = movgem_bo_mmap(fd, fb->handle, fb->size);
	igt_assert_eq(__kms_fb_add(fb), 0);
}

void kms_fb_fini(struct kms_fb *fb)
{
	igt_assert_eq(drmModeRmFB(fb->fd, fb->id), 0);
	munmap(fb->map, fb->size);
	igt_assert_eq(__movgem_gem_close(fb->fd, fb->handle), 0);
	if (fb->chroma.size) {
		munmap(fb->chroma.map, fb->chroma.size);
		igt_assert_eq(__movgem_gem_close(fb->fd, fb->chroma.handle), 0);
	}
}

void kms_fb_draw(struct kms_fb *fb, uint32_t seed)
{
	movgem_fill_pattern(fb->map, fb->size, seed);
	if (fb->chroma.size)
		movgem_fill_pattern(fb->chroma.map, fb->chroma.size, seed + 1000);
}

/* ---- scenes ---- */

struct kms_layer kms_whole(const struct kms_fb *fb, int x, int y)
{
	return (struct kms_layer) { .fb = fb, .x = x, .y = y, .w = fb->width, .h = fb->height };
}

bool kms_layer_turned(const struct kms_layer *layer)
{
	return layer->rotation & (DRM_MODE_ROTATE_90 | DRM_MODE_ROTATE_270);
}

unsigned int kms_layer_w(const struct kms_layer *layer)
{
	return layer->screen_w ?: kms_layer_turned(layer) ? layer->h : layer->w;
}

unsigned int kms_layer_h(const struct kms_layer *layer)
{
	return layer->screen_h ?: kms_layer_turned(layer) ? layer->w : layer->h;
}

static void add(struct kms_rig *rig, drmModeAtomicReq *req, uint32_t object, uint32_t type,
		const char *name, uint64_t value)
{
	uint32_t prop = kms_prop(rig, object, type, name, NULL);

	igt_assert_f(prop, "object %u has no property %s\n", object, name);
	igt_assert(drmModeAtomicAddProperty(req, object, prop, value) > 0);
}

static void add_enum(struct kms_rig *rig, drmModeAtomicReq *req, uint32_t plane,
		     const char *name, const char *value)
{
	uint32_t prop = kms_prop(rig, plane, DRM_MODE_OBJECT_PLANE, name, NULL);

	igt_assert_f(prop, "plane %u has no property %s\n", plane, name);
	igt_assert(drmModeAtomicAddProperty(req, plane, prop,
					    kms_prop_enum(rig, prop, value)) > 0);
}

static void add_plane(struct kms_rig *rig, drmModeAtomicReq *req, uint32_t plane,
		      const struct kms_layer *layer)
{
	const uint32_t type = DRM_MODE_OBJECT_PLANE;

	add(rig, req, plane, type, "FB_ID", layer->fb ? layer->fb->id : 0);
	add(rig, req, plane, type, "CRTC_ID", layer->fb ? rig->crtc : 0);
	/* Else the legacy calls had what an earlier scene has left. */
	add(rig, req, plane, type, "rotation", layer->rotation ?: DRM_MODE_ROTATE_0);
	add(rig, req, plane, type, "alpha", 65535 - layer->fade);
	add_enum(rig, req, plane, "pixel blend mode", layer->blend ?: "Pre-multiplied");
	add_enum(rig, req, plane, "SCALING_FILTER",
		 layer->nearest ? "Nearest Neighbor" : "Default");
	if (kms_prop(rig, plane, type, "COLOR_ENCODING", NULL)) {
		add_enum(rig, req, plane, "COLOR_ENCODING",
			 layer->bt709 ? "ITU-R BT.709 YCbCr" : "ITU-R BT.601 YCbCr");
		add_enum(rig, req, plane, "COLOR_RANGE",
			 layer->full_range ? "YCbCr full range" : "YCbCr limited range");
	}
	if (!layer->fb)
		return;
	add(rig, req, plane, type, "CRTC_X", layer->x);
	add(rig, req, plane, type, "CRTC_Y", layer->y);
	add(rig, req, plane, type, "CRTC_W", kms_layer_w(layer));
	add(rig, req, plane, type, "CRTC_H", kms_layer_h(layer));
	add(rig, req, plane, type, "SRC_X", (uint64_t)layer->src_x << 16 | layer->fraction.x);
	add(rig, req, plane, type, "SRC_Y", (uint64_t)layer->src_y << 16 | layer->fraction.y);
	add(rig, req, plane, type, "SRC_W", (uint64_t)layer->w << 16 | layer->fraction.w);
	add(rig, req, plane, type, "SRC_H", (uint64_t)layer->h << 16 | layer->fraction.h);
}

static uint32_t create_blob(struct kms_rig *rig, const void *data, size_t size)
{
	uint32_t blob = 0;

	if (data)
		igt_assert_eq(drmModeCreatePropertyBlob(rig->fd, data, size, &blob), 0);
	return blob;
}

static void destroy_blob(struct kms_rig *rig, uint32_t blob)
{
	if (blob)
		igt_assert_eq(drmModeDestroyPropertyBlob(rig->fd, blob), 0);
}

/* What a scene has of blobs. */
struct blobs {
	uint32_t mode, degamma, ctm, gamma;
};

static struct blobs create_blobs(struct kms_rig *rig, const struct kms_scene *scene)
{
	return (struct blobs) {
		.mode = create_blob(rig, &scene->mode, sizeof(scene->mode)),
		.degamma = create_blob(rig, scene->degamma, 256 * sizeof(*scene->degamma)),
		.ctm = create_blob(rig, scene->ctm, sizeof(*scene->ctm)),
		.gamma = create_blob(rig, scene->lut, 256 * sizeof(*scene->lut)),
	};
}

static void destroy_blobs(struct kms_rig *rig, const struct blobs *blobs)
{
	destroy_blob(rig, blobs->mode);
	destroy_blob(rig, blobs->degamma);
	destroy_blob(rig, blobs->ctm);
	destroy_blob(rig, blobs->gamma);
}

/* Both connectors are on the CRTC whenever it is on: a copy is no modeset then. */
static void add_scene(struct kms_rig *rig, drmModeAtomicReq *req, const struct kms_scene *scene,
		      const struct blobs *blobs)
{
	add(rig, req, rig->connector, DRM_MODE_OBJECT_CONNECTOR, "CRTC_ID", rig->crtc);
	add(rig, req, rig->writeback, DRM_MODE_OBJECT_CONNECTOR, "CRTC_ID", rig->crtc);
	add(rig, req, rig->crtc, DRM_MODE_OBJECT_CRTC, "MODE_ID", blobs->mode);
	add(rig, req, rig->crtc, DRM_MODE_OBJECT_CRTC, "ACTIVE", 1);
	add(rig, req, rig->crtc, DRM_MODE_OBJECT_CRTC, "DEGAMMA_LUT", blobs->degamma);
	add(rig, req, rig->crtc, DRM_MODE_OBJECT_CRTC, "CTM", blobs->ctm);
	add(rig, req, rig->crtc, DRM_MODE_OBJECT_CRTC, "GAMMA_LUT", blobs->gamma);
	for (int i = 0; i < KMS_PLANES; i++)
		add_plane(rig, req, rig->planes[i], &scene->layers[i]);
	for (int i = 0; i < KMS_CURSOR; i++)
		add(rig, req, rig->planes[i], DRM_MODE_OBJECT_PLANE, "zpos",
		    scene->zpos ? scene->zpos[i] : i);
}

int __kms_show(struct kms_rig *rig, const struct kms_scene *scene, struct kms_commit *commit)
{
	struct blobs blobs = create_blobs(rig, scene);
	drmModeAtomicReq *req = drmModeAtomicAlloc();
	int32_t out_fence = -1, writeback_fence = -1;
	int ret;

	igt_assert(req);
	add_scene(rig, req, scene, &blobs);
	if (commit->writeback) {
		add(rig, req, rig->writeback, DRM_MODE_OBJECT_CONNECTOR, "WRITEBACK_FB_ID",
		    commit->writeback->id);
		add(rig, req, rig->writeback, DRM_MODE_OBJECT_CONNECTOR,
		    "WRITEBACK_OUT_FENCE_PTR", (uintptr_t)&writeback_fence);
	}
	if (commit->fences) {
		add(rig, req, rig->planes[KMS_PRIMARY], DRM_MODE_OBJECT_PLANE, "IN_FENCE_FD",
		    commit->in_fence);
		add(rig, req, rig->crtc, DRM_MODE_OBJECT_CRTC, "OUT_FENCE_PTR",
		    (uintptr_t)&out_fence);
	}
	ret = drmModeAtomicCommit(rig->fd, req, commit->flags, (void *)(uintptr_t)commit->user_data);
	drmModeAtomicFree(req);
	destroy_blobs(rig, &blobs);
	commit->writeback_fence = writeback_fence;
	commit->out_fence = out_fence;
	return ret;
}

int kms_try(struct kms_rig *rig, const struct kms_scene *scene, const struct kms_fb *writeback)
{
	struct kms_commit commit = {
		.flags = DRM_MODE_ATOMIC_ALLOW_MODESET | DRM_MODE_ATOMIC_TEST_ONLY,
		.writeback = writeback,
	};

	return __kms_show(rig, scene, &commit);
}

int __kms_flip(struct kms_rig *rig, const struct kms_fb *fb, const struct kms_commit *commit)
{
	const uint32_t plane = rig->planes[KMS_PRIMARY];
	drmModeAtomicReq *req = drmModeAtomicAlloc();
	int ret;

	igt_assert(req);
	add(rig, req, plane, DRM_MODE_OBJECT_PLANE, "FB_ID", fb->id);
	if (commit->fences)
		add(rig, req, plane, DRM_MODE_OBJECT_PLANE, "IN_FENCE_FD", commit->in_fence);
	ret = drmModeAtomicCommit(rig->fd, req, commit->flags,
				  (void *)(uintptr_t)commit->user_data);
	drmModeAtomicFree(req);
	return ret;
}

void kms_show_at_once(struct kms_rig *rigs, const struct kms_scene *scenes, unsigned int count)
{
	drmModeAtomicReq *req = drmModeAtomicAlloc();
	struct blobs blobs[4];

	igt_assert(req);
	igt_assert_lte_u32(count, ARRAY_SIZE(blobs));
	for (unsigned int i = 0; i < count; i++) {
		blobs[i] = create_blobs(&rigs[i], &scenes[i]);
		add_scene(&rigs[i], req, &scenes[i], &blobs[i]);
	}
	igt_assert_eq(drmModeAtomicCommit(rigs->fd, req, DRM_MODE_ATOMIC_ALLOW_MODESET, NULL), 0);
	drmModeAtomicFree(req);
	for (unsigned int i = 0; i < count; i++)
		destroy_blobs(&rigs[i], &blobs[i]);
}

void kms_show(struct kms_rig *rig, const struct kms_scene *scene)
{
	struct kms_commit commit = { .flags = DRM_MODE_ATOMIC_ALLOW_MODESET };

	igt_assert_eq(__kms_show(rig, scene, &commit), 0);
}

int kms_fence_result(int fence)
{
	struct sync_file_info info = { };
	struct pollfd pfd = { .fd = fence, .events = POLLIN };

	igt_assert_lte(0, fence);
	igt_assert_f(poll(&pfd, 1, LONG_MS) == 1, "a fence does not signal\n");
	igt_assert_eq(ioctl(fence, SYNC_IOC_FILE_INFO, &info), 0);
	close(fence);
	return info.status == 1 ? 0 : info.status;
}

uint8_t *kms_show_and_write(struct kms_rig *rig, const struct kms_scene *scene,
			    const struct kms_fb *to)
{
	uint8_t *pixels = malloc(to->size);
	struct kms_commit commit = {
		.flags = DRM_MODE_ATOMIC_ALLOW_MODESET,
		.writeback = to,
	};

	igt_assert(pixels);
	igt_assert_eq(__kms_show(rig, scene, &commit), 0);
	igt_assert_eq(kms_fence_result(commit.writeback_fence), 0);
	/* At once, and the last of it first: that may not be there yet. */
	for (uint64_t at = to->size; at; at -= MOVGEM_PAGE)
		memcpy(pixels + at - MOVGEM_PAGE, to->map + at - MOVGEM_PAGE, MOVGEM_PAGE);
	return pixels;
}

void kms_off(struct kms_rig *rig)
{
	drmModeAtomicReq *req = drmModeAtomicAlloc();
	struct kms_layer none = { };

	igt_assert(req);
	add(rig, req, rig->connector, DRM_MODE_OBJECT_CONNECTOR, "CRTC_ID", 0);
	add(rig, req, rig->writeback, DRM_MODE_OBJECT_CONNECTOR, "CRTC_ID", 0);
	add(rig, req, rig->crtc, DRM_MODE_OBJECT_CRTC, "MODE_ID", 0);
	add(rig, req, rig->crtc, DRM_MODE_OBJECT_CRTC, "ACTIVE", 0);
	for (int i = 0; i < KMS_PLANES; i++)
		add_plane(rig, req, rig->planes[i], &none);
	igt_assert_eq(drmModeAtomicCommit(rig->fd, req, DRM_MODE_ATOMIC_ALLOW_MODESET, NULL), 0);
	drmModeAtomicFree(req);
}

bool kms_event_pending(struct kms_rig *rig)
{
	struct pollfd pfd = { .fd = rig->fd, .events = POLLIN };

	return poll(&pfd, 1, 0) == 1;
}

unsigned int kms_event_time(struct kms_rig *rig, uint64_t user_data, int64_t *us)
{
	struct pollfd pfd = { .fd = rig->fd, .events = POLLIN };
	struct drm_event_vblank event;

	igt_assert_f(poll(&pfd, 1, LONG_MS) == 1, "no event comes\n");
	igt_assert_eq(read(rig->fd, &event, sizeof(event)), sizeof(event));
	igt_assert_eq_u32(event.base.type, DRM_EVENT_FLIP_COMPLETE);
	igt_assert_eq_u64(event.user_data, user_data);
	igt_assert_eq_u32(event.crtc_id, rig->crtc);
	*us = event.tv_sec * 1000000ll + event.tv_usec;
	return event.sequence;
}

unsigned int kms_event(struct kms_rig *rig, uint64_t user_data)
{
	int64_t us;

	return kms_event_time(rig, user_data, &us);
}

/* ---- what is shown ---- */

int kms_crc_open(struct kms_rig *rig)
{
	char name[32];
	int file;

	movgem_require_debugfs(rig->fd);
	snprintf(name, sizeof(name), "crtc-%u/crc/control", rig->output);
	file = igt_debugfs_open(rig->fd, name, O_WRONLY);
	igt_require_f(file >= 0, "no CRCs in debugfs\n");
	igt_assert_eq(write(file, "auto", 4), 4);
	close(file);
	snprintf(name, sizeof(name), "crtc-%u/crc/data", rig->output);
	file = igt_debugfs_open(rig->fd, name, O_RDONLY);
	igt_assert_f(file >= 0, "crc/data: %s\n", strerror(errno));
	return file;
}

uint32_t kms_crc_read(int file, uint32_t *frame)
{
	uint32_t number, crc;
	char line[64] = "";
	ssize_t len;

	len = read(file, line, sizeof(line) - 1);
	igt_assert_f(len > 0, "crc/data: %s\n", strerror(errno));
	igt_assert_f(sscanf(line, "%x %x", &number, &crc) == 2, "crc/data says '%s'\n", line);
	if (frame)
		*frame = number;
	return crc;
}

uint32_t kms_crc(struct kms_rig *rig)
{
	int file = kms_crc_open(rig);
	uint32_t crc = kms_crc_read(file, NULL);

	close(file);
	return crc;
}

void kms_expect(struct kms_rig *rig, const struct kms_scene *scene)
{
	igt_assert_eq_u32(kms_crc(rig), kms_reference_crc(scene));
}

void kms_show_other(struct kms_rig *rig, const struct kms_scene *scene, uint32_t *crc)
{
	uint32_t want = kms_reference_crc(scene);

	igt_assert(want != *crc);
	*crc = want;
	kms_show(rig, scene);
	igt_assert_eq_u32(kms_crc(rig), want);
}

/* ---- scenes that tests share ---- */

drmModeModeInfo kms_small_mode(void)
{
	return (drmModeModeInfo) {
		.clock = 6288,
		.hdisplay = KMS_WIDTH,
		.hsync_start = KMS_WIDTH + 16,
		.hsync_end = KMS_WIDTH + 48,
		.htotal = KMS_WIDTH + 80,
		.vdisplay = KMS_HEIGHT,
		.vsync_start = KMS_HEIGHT + 5,
		.vsync_end = KMS_HEIGHT + 8,
		.vtotal = KMS_HEIGHT + 22,
		.vrefresh = 60,
		.name = "small",
	};
}

drmModeModeInfo kms_slow_mode(struct kms_rig *rig)
{
	drmModeModeInfo mode = kms_mode(rig, 1280, 800);

	mode.clock = mode.htotal * mode.vtotal / 100;
	mode.vrefresh = 10;
	return mode;
}

void kms_full_screen(struct kms_rig *rig, struct kms_scene *scene, struct kms_fb *fb,
		     drmModeModeInfo mode)
{
	kms_fb_init(fb, rig->fd, mode.hdisplay, mode.vdisplay, DRM_FORMAT_XRGB8888);
	kms_fb_draw(fb, 1);
	*scene = (struct kms_scene) { .mode = mode };
	scene->layers[KMS_PRIMARY] = kms_whole(fb, 0, 0);
}

void kms_pair_init(struct kms_rig *rig, struct kms_pair *pair, drmModeModeInfo mode)
{
	for (int i = 0; i < 2; i++) {
		kms_full_screen(rig, &pair->scenes[i], &pair->fbs[i], mode);
		kms_fb_draw(&pair->fbs[i], i);
	}
	kms_show(rig, &pair->scenes[0]);
}

void kms_pair_fini(struct kms_rig *rig, struct kms_pair *pair)
{
	kms_off(rig);
	for (int i = 0; i < 2; i++)
		kms_fb_fini(&pair->fbs[i]);
}

void kms_blend_init(struct kms_rig *rig, struct kms_blend *b, uint32_t primary,
		    uint32_t overlay)
{
	const uint32_t format[] = { primary, overlay, DRM_FORMAT_ABGR8888, DRM_FORMAT_ARGB8888 };
	static const struct { int w, h; } size[] = {
		{ KMS_WIDTH, KMS_HEIGHT }, { 200, 150 }, { 150, 100 }, { 64, 64 },
	};

	b->scene = (struct kms_scene) { .mode = kms_small_mode() };
	for (int i = 0; i < KMS_PLANES; i++) {
		kms_fb_init(&b->fbs[i], rig->fd, size[i].w, size[i].h, format[i]);
		kms_fb_draw(&b->fbs[i], i);
		b->scene.layers[i] = kms_whole(&b->fbs[i], 0, 0);
	}
	b->scene.layers[KMS_OVERLAY] = (struct kms_layer) {
		.fb = &b->fbs[KMS_OVERLAY],
		.x = 37,
		.y = -20,
		.src_x = 3,
		.src_y = 5,
		.w = 191,
		.h = 140,
	};
	b->scene.layers[KMS_OVERLAY2].x = -13;
	b->scene.layers[KMS_OVERLAY2].y = 80;
	b->scene.layers[KMS_CURSOR].x = KMS_WIDTH - 40;
	b->scene.layers[KMS_CURSOR].y = KMS_HEIGHT - 30;
}

void kms_blend_fini(struct kms_blend *b)
{
	for (int i = 0; i < KMS_PLANES; i++)
		kms_fb_fini(&b->fbs[i]);
}

void kms_check_copy(struct kms_rig *rig, const struct kms_scene *scene, struct kms_fb *fb)
{
	unsigned int cpp = kms_format_bytes(fb->format);
	uint32_t *want = kms_reference(scene);
	uint8_t *pixels;

	memset(fb->map, 0, fb->size);
	pixels = kms_show_and_write(rig, scene, fb);

	for (unsigned int y = 0; y < fb->height; y++) {
		for (unsigned int x = 0; x < fb->width; x++) {
			const uint8_t *pixel = (uint8_t *)&want[y * fb->width + x];
			uint8_t packed[4];

			kms_pack(fb->format, ref_unpack(DRM_FORMAT_XRGB8888, pixel), packed);
			igt_assert_f(!memcmp(packed, pixels + y * fb->pitch + x * cpp, cpp),
				     "%.4s: pixel %u,%u of the copy is wrong\n",
				     (const char *)&fb->format, x, y);
		}
	}
	free(pixels);
	free(want);
}
