/* SPDX-License-Identifier: MIT */
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * The display of a device: framebuffers, scenes of up to one layer a plane, how
 * they have to look, and how the driver shows them.
 */
#ifndef MOVGEM_KMS_RIG_H
#define MOVGEM_KMS_RIG_H

#include <stdbool.h>
#include <stdint.h>
#include <xf86drmMode.h>

#include "movgem_blit_ref.h"
#include "movgem_lib.h"

enum {
	KMS_PRIMARY,
	KMS_OVERLAY,
	KMS_OVERLAY2,
	KMS_CURSOR,
	KMS_PLANES,
};

struct kms_rig {
	int fd;
	unsigned int output;
	uint32_t crtc;
	uint32_t connector;
	uint32_t writeback;
	uint32_t planes[KMS_PLANES];
};

/* Finds what there is of the first output; skips where the device has no display. */
void kms_rig_init(struct kms_rig *rig, int fd);
/* The same of an output by number; skips where there are not as many. */
void kms_rig_init_output(struct kms_rig *rig, int fd, unsigned int output);
/* The subtests of a program that has no others, with a rig of their own. */
void kms_subtests(struct kms_rig *rig, const struct movgem_subtest *tests, unsigned int count);
/* Switches the display off. */
void kms_off(struct kms_rig *rig);
/* Id of a property, 0 if the object has none of that name, and its value. */
uint32_t kms_prop(struct kms_rig *rig, uint32_t object, uint32_t type, const char *name,
		  uint64_t *value);
/* What an enum property takes for a name; fails the test where it has no such. */
uint64_t kms_prop_enum(struct kms_rig *rig, uint32_t prop, const char *name);
/* A mode of the connector, by size; fails the test where it is not in the list. */
drmModeModeInfo kms_mode(struct kms_rig *rig, int width, int height);

/* ---- framebuffers ---- */

struct kms_fb {
	int fd;
	uint32_t id;
	uint32_t handle;
	uint32_t width;
	uint32_t height;
	uint32_t format;
	uint32_t pitch;
	uint32_t offset;
	uint64_t size;
	uint8_t *map;
	/* NV12: where U and V are; the map is the same unless the BO is another. */
	struct {
		uint32_t handle;
		uint32_t pitch;
		uint32_t offset;
		uint64_t size;
		uint8_t *map;
	} chroma;
};

/* How NV12 lies in memory; a pitch of 0 is the least. */
struct kms_nv12 {
	uint32_t pitch, offset;
	uint32_t chroma_pitch, chroma_offset;
	/* In two BOs. */
	bool split;
};

/* Bytes of a pixel, of any format with one plane that the display has. */
unsigned int kms_format_bytes(uint32_t format);
/* A pixel of such a format, as writeback has it; not of NV12. */
void kms_pack(uint32_t format, struct ref_pixel pixel, uint8_t *at);
/* Of a BO of its own, mapped. */
void kms_fb_init(struct kms_fb *fb, int fd, uint32_t width, uint32_t height, uint32_t format);
/* The same of NV12; the last byte that it has is the last one of each BO. */
void kms_fb_init_nv12(struct kms_fb *fb, int fd, uint32_t width, uint32_t height,
		      const struct kms_nv12 *layout);
void kms_fb_fini(struct kms_fb *fb);
/* A framebuffer of a BO that is there; 0 or -errno. */
int __kms_fb_add(struct kms_fb *fb);
/* Whether there could be such a framebuffer, which does not stay; 0 or -errno. */
int kms_try_fb(int fd, const struct drm_mode_fb_cmd2 *cmd);
/* Fills it with pixels that a number says. */
void kms_fb_draw(struct kms_fb *fb, uint32_t seed);

/* ---- scenes ---- */

/* What a plane shows; nothing without a framebuffer. */
struct kms_layer {
	const struct kms_fb *fb;
	/* On the screen, the left upper corner. */
	int x, y;
	/* Part of the framebuffer. */
	unsigned int src_x, src_y, w, h;
	/* What comes to these, of 65536. */
	struct {
		uint16_t x, y, w, h;
	} fraction;
	/* Size on the screen; 0 is that of the part, turned. */
	unsigned int screen_w, screen_h;
	/* Scaled by the nearest neighbour, else by the default. */
	bool nearest;
	/* DRM_MODE_ROTATE_*, DRM_MODE_REFLECT_*; 0 is as it is. */
	unsigned int rotation;
	/* What the plane's alpha lacks to 65535. */
	uint16_t fade;
	/* Name of the blend mode; NULL is "Pre-multiplied". */
	const char *blend;
	/* How YUV is RGB: BT.601, unless BT.709; of limited range, unless full. */
	bool bt709, full_range;
};

struct kms_scene {
	drmModeModeInfo mode;
	struct kms_layer layers[KMS_PLANES];
	/* Of the planes but the cursor, by number; NULL is as they are at first. */
	const uint8_t *zpos;
	/* 256 entries, or NULL. */
	const struct drm_color_lut *degamma;
	const struct drm_color_ctm *ctm;
	const struct drm_color_lut *lut;
};

/* A layer that shows all of a framebuffer. */
struct kms_layer kms_whole(const struct kms_fb *fb, int x, int y);
/* Whether columns of the framebuffer are lines on the screen. */
bool kms_layer_turned(const struct kms_layer *layer);
/* The size on the screen. */
unsigned int kms_layer_w(const struct kms_layer *layer);
unsigned int kms_layer_h(const struct kms_layer *layer);

struct kms_commit {
	/* DRM_MODE_ATOMIC_*, DRM_MODE_PAGE_FLIP_EVENT. */
	uint32_t flags;
	uint64_t user_data;
	/* Where a copy goes, or NULL; with it the fence comes back. */
	const struct kms_fb *writeback;
	int writeback_fence;
	/* For the primary plane, if @fences. */
	bool fences;
	int in_fence;
	int out_fence;
};

/* Shows a scene; 0 or -errno. */
int __kms_show(struct kms_rig *rig, const struct kms_scene *scene, struct kms_commit *commit);
/* Whether it could be shown, and copied unless NULL; 0 or -errno. */
int kms_try(struct kms_rig *rig, const struct kms_scene *scene, const struct kms_fb *writeback);
/* Flips the primary plane, which is all that an asynchronous commit may do; 0 or -errno. */
int __kms_flip(struct kms_rig *rig, const struct kms_fb *fb, const struct kms_commit *commit);
/* Shows it, and comes back when it is on the screen. */
void kms_show(struct kms_rig *rig, const struct kms_scene *scene);
/* A scene on each of some outputs of one device, in one commit. */
void kms_show_at_once(struct kms_rig *rigs, const struct kms_scene *scenes, unsigned int count);
/* The same as kms_show(), with a copy: the pixels there when its fence signals, to be freed. */
uint8_t *kms_show_and_write(struct kms_rig *rig, const struct kms_scene *scene,
			    const struct kms_fb *to);
/* Waits for a fence's file and closes it; the error on the fence, or 0. */
int kms_fence_result(int fence);
/* Waits for the event of a flip; returns the vblank's number. */
unsigned int kms_event(struct kms_rig *rig, uint64_t user_data);
/* The same, and what time it was. */
unsigned int kms_event_time(struct kms_rig *rig, uint64_t user_data, int64_t *us);
/* Whether one has come. */
bool kms_event_pending(struct kms_rig *rig);

/* ---- what it looks like ---- */

/* XRGB8888 with X of 255, as the scene has to look; to be freed. */
uint32_t *kms_reference(const struct kms_scene *scene);
/* The CRC that it has to have. */
uint32_t kms_reference_crc(const struct kms_scene *scene);
/* Starts to read CRCs, skips without debugfs. */
int kms_crc_open(struct kms_rig *rig);
/* The next one, and its frame if wanted. */
uint32_t kms_crc_read(int file, uint32_t *frame);
/* The CRC of what is on the screen now. */
uint32_t kms_crc(struct kms_rig *rig);
/* Has to be this. */
void kms_expect(struct kms_rig *rig, const struct kms_scene *scene);
/* Shows a scene that is to look other than the last one, which @crc is of, and does. */
void kms_show_other(struct kms_rig *rig, const struct kms_scene *scene, uint32_t *crc);

/* ---- scenes that tests share ---- */

#define KMS_WIDTH	320
#define KMS_HEIGHT	240

/*
 * A mode of KMS_WIDTH x KMS_HEIGHT at 60 Hz, which the monitor does not list: each pixel takes
 * time in a guest.
 */
drmModeModeInfo kms_small_mode(void);
/* The slowest that there is: ten frames a second. */
drmModeModeInfo kms_slow_mode(struct kms_rig *rig);
/* A picture over all of the screen. */
void kms_full_screen(struct kms_rig *rig, struct kms_scene *scene, struct kms_fb *fb,
		     drmModeModeInfo mode);

/* A picture with overlays that overlap, and all but it reach over the screen's edges. */
struct kms_blend {
	struct kms_scene scene;
	struct kms_fb fbs[KMS_PLANES];
};

void kms_blend_init(struct kms_rig *rig, struct kms_blend *b, uint32_t primary,
		    uint32_t overlay);
void kms_blend_fini(struct kms_blend *b);

/* Two pictures of a mode; the first is shown. */
struct kms_pair {
	struct kms_scene scenes[2];
	struct kms_fb fbs[2];
};

void kms_pair_init(struct kms_rig *rig, struct kms_pair *pair, drmModeModeInfo mode);
void kms_pair_fini(struct kms_rig *rig, struct kms_pair *pair);
/* Shows a scene and has it copied, and looks at each pixel of the copy. */
void kms_check_copy(struct kms_rig *rig, const struct kms_scene *scene, struct kms_fb *fb);

#endif /* MOVGEM_KMS_RIG_H */
