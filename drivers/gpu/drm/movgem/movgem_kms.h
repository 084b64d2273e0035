/* SPDX-License-Identifier: GPL-2.0 */
/* Copyright (C) 2026 movgem maintainers */
#ifndef _MOVGEM_KMS_H_
#define _MOVGEM_KMS_H_

#include <linux/hrtimer.h>
#include <linux/iosys-map.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/workqueue.h>

#include <drm/drm_color_mgmt.h>
#include <drm/drm_connector.h>
#include <drm/drm_crtc.h>
#include <drm/drm_encoder.h>
#include <drm/drm_framebuffer.h>
#include <drm/drm_mm.h>
#include <drm/drm_plane.h>
#include <drm/drm_rect.h>
#include <drm/drm_writeback.h>

#include "movgem_compat.h"

struct movgem_colour;
struct movgem_bo;
struct movgem_device;
struct movgem_vm;
struct movgem_yuv;

#define MOVGEM_KMS_WIDTH_MAX	1920
#define MOVGEM_KMS_HEIGHT_MAX	1080
#define MOVGEM_KMS_CURSOR_MAX	256
#define MOVGEM_KMS_LUT_SIZE	256
#define MOVGEM_KMS_OUTPUTS_MAX	4

/* Pixel formats of primary and overlay planes; the blitter's are the first. */
#define MOVGEM_KMS_FORMATS	10

/* Those of the cursor. */
#define MOVGEM_KMS_BLIT_FORMATS	5

/* Those of writeback: the ones in RGB. */
#define MOVGEM_KMS_WRITEBACK_FORMATS	9

/**
 * enum movgem_layer_index - the planes, from the bottom up as they are at first
 */
enum movgem_layer_index {
	/** @MOVGEM_LAYER_PRIMARY: primary plane. */
	MOVGEM_LAYER_PRIMARY = 0,

	/** @MOVGEM_LAYER_OVERLAY: first overlay plane. */
	MOVGEM_LAYER_OVERLAY,

	/** @MOVGEM_LAYER_OVERLAY2: second overlay plane. */
	MOVGEM_LAYER_OVERLAY2,

	/** @MOVGEM_LAYER_CURSOR: cursor plane. */
	MOVGEM_LAYER_CURSOR,

	/** @MOVGEM_LAYERS: how many there are. */
	MOVGEM_LAYERS,
};

/* Planes that a format has at most. */
#define MOVGEM_FB_PLANES	2

/**
 * struct movgem_fb_bo - a BO that the display can reach
 */
struct movgem_fb_bo {
	/** @bo: the BO, which is kept from being purged, or NULL. */
	struct movgem_bo *bo;

	/** @node: where it is mapped in &movgem_fb.vm, if it is not imported. */
	struct drm_mm_node node;

	/** @map: an imported BO in the kernel's address space, else not set. */
	struct iosys_map map;

	/** @link: in &movgem_kms.fbs.imports while @map is set. */
	struct list_head link;
};

/**
 * struct movgem_fb - a framebuffer
 */
struct movgem_fb {
	/** @base: DRM's part; first, as drm_gem_fb_destroy() frees it. */
	struct drm_framebuffer base;

	/** @vm: the display's VM, which &movgem_kms.fbs counts it for, or NULL. */
	struct movgem_vm *vm;

	/** @bos: the BOs; of planes in the same one the first has it. */
	struct movgem_fb_bo bos[MOVGEM_FB_PLANES];

	/** @ready: fb_create() is done with @bos. */
	bool ready;
};

static_assert(offsetof(struct movgem_fb, base) == 0);

static inline struct movgem_fb *to_movgem_fb(struct drm_framebuffer *fb)
{
	return container_of(fb, struct movgem_fb, base);
}

/**
 * struct movgem_axis - how a layer is scaled, from left to right or downwards
 */
struct movgem_axis {
	/** @start: where it starts in the framebuffer, in 16.16 fixed point. */
	u32 start;

	/** @size: how much of that is shown, likewise, 1.0 at least. */
	u32 size;

	/** @length: columns or lines it has on the screen and beside it. */
	u32 length;

	/** @first: of these, the first one on the screen. */
	u32 first;
};

/* Columns that are read at a time where they become lines. */
#define MOVGEM_BAND_COLUMNS	16

/* A filter needs two for a column of the screen. */
#define MOVGEM_BAND_LINES	(2 * MOVGEM_KMS_WIDTH_MAX)

/**
 * struct movgem_band - some columns of a framebuffer that is shown turned
 *
 * The composition's own.
 */
struct movgem_band {
	/** @first: the first one, a multiple of MOVGEM_BAND_COLUMNS, or U32_MAX. */
	u32 first;

	/** @count: lines of the framebuffer that are needed. */
	u32 count;

	/** @lines: which, going down. */
	u16 lines[MOVGEM_BAND_LINES];

	/**
	 * @slots: of each column on the screen, before it is mirrored, the index in
	 * @lines of the line that it starts with.
	 */
	u16 slots[MOVGEM_KMS_WIDTH_MAX];

	/** @pixels: of each of @lines, with the first column of the next band. */
	u32 pixels[MOVGEM_BAND_LINES][MOVGEM_BAND_COLUMNS + 1];
};

/**
 * struct movgem_layer - what a plane shows
 */
struct movgem_layer {
	/** @fb: the framebuffer, or NULL if nothing is shown. */
	struct movgem_fb *fb;

	/** @yuv: how its pixels become RGB, or NULL if they are. */
	const struct movgem_yuv *yuv;

	/** @dst: where on the screen, clipped to it. */
	struct drm_rect dst;

	/** @zpos: the higher one of two is above the other. */
	u32 zpos;

	/** @scaled: or turned, as @h and @v say; else by @x and @y. */
	bool scaled;

	/** @nearest: nearest neighbour; else bilinear. */
	bool nearest;

	/** @x: first column of the framebuffer that is shown. */
	u32 x;

	/** @y: first line. */
	u32 y;

	/**
	 * @band: columns of the framebuffer are lines of the screen, @h goes down
	 * in the framebuffer and @v to the right: memory for that. Else NULL.
	 */
	struct movgem_band *band;

	/** @h: from left to right on the screen, before @flip_x. */
	struct movgem_axis h;

	/** @v: from the top down, before @flip_y. */
	struct movgem_axis v;

	/** @flip_x: from right to left on the screen. */
	bool flip_x;

	/** @flip_y: from the bottom up. */
	bool flip_y;

	/** @alpha: of the whole plane, up to DRM_BLEND_ALPHA_OPAQUE. */
	u16 alpha;

	/** @blend: DRM_MODE_BLEND_*. */
	u16 blend;
};

/**
 * struct movgem_frame - all that a CRTC shows from one vblank on
 *
 * Made by a commit, and not changed any more, but for the cursor as long as no
 * vblank has latched it.
 */
struct movgem_frame {
	/** @link: in &movgem_crtc.retired. */
	struct list_head link;

	/**
	 * @layers: the planes, from the bottom up, with references of their
	 * framebuffers.
	 */
	struct movgem_layer layers[MOVGEM_LAYERS];

	/**
	 * @pending_since: when it was committed, or the one whose event it has
	 * taken over. No vblank of an earlier time latches it.
	 */
	ktime_t pending_since;

	/** @since: first vblank that it is on the screen from. */
	u64 since;

	/** @async: does not wait for a vblank. */
	bool async;

	/** @width: pixels in a line. */
	u32 width;

	/** @height: lines. */
	u32 height;

	/** @colour: with a reference, or NULL where colours stay as they are. */
	struct movgem_colour *colour;

	/**
	 * @writeback: where a copy of the frame goes, once, or NULL; the
	 * writeback job has the reference.
	 */
	struct movgem_fb *writeback;

	/** @lost: writeback jobs before that of @writeback that are not done. */
	u32 lost;

	/**
	 * @event: to be sent when the frame is on the screen, or NULL; a vblank
	 * reference comes with it.
	 */
	struct drm_pending_vblank_event *event;
};

/**
 * struct movgem_crtc_state - state of a CRTC
 */
struct movgem_crtc_state {
	/** @base: DRM's part. */
	struct drm_crtc_state base;

	/** @frame: memory for the frame that the commit makes, or NULL. */
	struct movgem_frame *frame;

	/** @colour: what the properties of @base come to, or NULL. */
	struct movgem_colour *colour;
};

/**
 * struct movgem_crtc - a CRTC
 */
struct movgem_crtc {
	/** @base: DRM's part. */
	struct drm_crtc base;

	/** @mdev: the device. */
	struct movgem_device *mdev;

	/**
	 * @staged: what the planes show, as commits leave it; in commits, which
	 * DRM puts in order, and of the cursor under @lock, as its legacy calls
	 * do not wait for commits. Without references: the planes' states have
	 * them.
	 */
	struct movgem_layer staged[MOVGEM_LAYERS];

	/** @staged_writeback: as @staged, for a writeback. */
	struct movgem_fb *staged_writeback;

	/** @timer: the vblank, for as long as the CRTC is on. */
	struct hrtimer timer;

	/** @period: from one vblank to the next. */
	ktime_t period;

	/** @late_us: how late vblanks are told, in us; written by debugfs. */
	u32 late_us;

	/** @late: how much later than due @timer expires; less than @period. */
	ktime_t late;

	/** @lock: protects the members below; taken in hard interrupts. */
	spinlock_t lock;

	/** @vblanks: counts vblanks while the CRTC is on, wraps. */
	u32 vblanks;

	/** @vblank_time: time of the last one. */
	ktime_t vblank_time;

	/** @pending: goes on the screen with a vblank to come, or NULL. */
	struct movgem_frame *pending;

	/** @active: is on the screen, or NULL. */
	struct movgem_frame *active;

	/**
	 * @composed: what @compose_work works on, or NULL: @active, or what was
	 * it before.
	 */
	struct movgem_frame *composed;

	/** @tear: @compose_work is to go on with @pending. */
	bool tear;

	/** @crc: somebody reads CRCs. */
	bool crc;

	/** @crc_next: number of the first frame that has no CRC yet, or 0. */
	u64 crc_next;

	/** @compose_seq: vblank that @compose_work was queued at. */
	u64 compose_seq;

	/** @compose_crc: @crc at that time. */
	bool compose_crc;

	/** @seq: last vblank. */
	u64 seq;

	/** @retired: frames to be freed, by &movgem_frame.link. */
	struct list_head retired;

	/** @wq: ordered; runs @compose_work and nothing else. */
	struct workqueue_struct *wq;

	/** @compose_work: composes @composed. */
	struct work_struct compose_work;

	/** @retire_work: frees @retired, on movgem_wq. */
	struct work_struct retire_work;

	/** @crc_last: CRC of the last frame composed; @compose_work's own. */
	u32 crc_last;

	/** @raw: part of a line as it is in memory; @compose_work's own. */
	void *raw;

	/** @row: part of a line of one layer as ARGB8888; the same. */
	u32 *row;

	/** @lines: parts of two lines of a framebuffer, likewise; the same. */
	u32 *lines[2];

	/**
	 * @cols: of each layer that is scaled or turned where its columns lie in
	 * the framebuffer, in 24.8 fixed point; the same.
	 */
	u32 *cols[MOVGEM_LAYERS];

	/** @out: the line that is composed, as ARGB8888; the same. */
	u32 *out;
};

static inline struct movgem_crtc *to_movgem_crtc(struct drm_crtc *crtc)
{
	return container_of(crtc, struct movgem_crtc, base);
}

/**
 * struct movgem_output - a CRTC and where its picture goes at first
 */
struct movgem_output {
	/** @crtc: the CRTC. */
	struct movgem_crtc crtc;

	/** @encoder: between @connector and any CRTC. */
	struct drm_encoder encoder;

	/** @connector: where the virtual monitor is. */
	struct drm_connector connector;

	/** @connected: there is a monitor; written by debugfs. */
	bool connected;

	/** @writeback: writeback connector with its encoder. */
	struct drm_writeback_connector writeback;
};

static inline struct movgem_output *to_movgem_output(struct movgem_crtc *crtc)
{
	return container_of(crtc, struct movgem_output, crtc);
}

/**
 * struct movgem_kms - the display of a device
 */
struct movgem_kms {
	/** @mdev: the device. */
	struct movgem_device *mdev;

	/** @fbs: framebuffers in the GPU's address space. */
	struct {
		/** @fbs.lock: protects the rest, outer to dma_resv. */
		struct mutex lock;

		/** @fbs.vm: the VM, while there are any. */
		struct movgem_vm *vm;

		/** @fbs.count: how many are mapped. */
		u32 count;

		/** @fbs.mm: addresses in @fbs.vm. */
		struct drm_mm mm;

		/** @fbs.imports: BOs that are imported, by &movgem_fb_bo.link. */
		struct list_head imports;
	} fbs;

	/** @num_outputs: how many @outputs there are. */
	unsigned int num_outputs;

	/** @outputs: the outputs, by the index of their CRTCs. */
	struct movgem_output outputs[] __counted_by(num_outputs);
};

/* movgem_kms.c */
int movgem_kms_init(struct movgem_device *mdev);
void movgem_kms_unplug(struct movgem_device *mdev);
int movgem_kms_suspend(struct movgem_device *mdev);
int movgem_kms_resume(struct movgem_device *mdev);
int movgem_kms_commit(struct drm_device *drm,
		      struct movgem_atomic_commit *state, bool nonblock);

/* movgem_fb.c */
extern const struct drm_mode_config_funcs movgem_mode_config_funcs;
int movgem_fb_init(struct movgem_kms *kms);
void movgem_fb_unplug(struct movgem_kms *kms);
int movgem_fb_read(struct movgem_fb *fb, unsigned int plane, u32 x, u32 y,
		   void *buf, u32 len);
int movgem_fb_write(struct movgem_fb *fb, u32 y, const void *buf, u32 len);

/* movgem_plane.c */
struct drm_plane *movgem_plane_create(struct movgem_kms *kms,
				      struct movgem_crtc *crtc,
				      enum movgem_layer_index index);

/* movgem_crtc.c */
int movgem_crtc_init(struct movgem_kms *kms, struct movgem_crtc *crtc,
		     struct drm_plane *primary, struct drm_plane *cursor);
void movgem_crtc_set_cursor(struct movgem_crtc *crtc,
			    const struct movgem_layer *cursor,
			    struct drm_crtc_state *new);
struct movgem_frame *movgem_crtc_tear(struct movgem_crtc *crtc);
void movgem_crtc_composed(struct movgem_crtc *crtc);
void movgem_crtc_drain(struct movgem_crtc *crtc);

/* movgem_colour.c */
struct movgem_colour *movgem_colour_get(struct movgem_colour *colour);
void movgem_colour_put(struct movgem_colour *colour);
int movgem_colour_update(struct movgem_colour **colour,
			 const struct drm_crtc_state *state);
void movgem_colour_apply(const struct movgem_colour *colour, u32 *line, u32 n);

/* movgem_compose.c */
int movgem_compose_init(struct movgem_crtc *crtc);
void movgem_compose_work(struct work_struct *work);

/* movgem_layer.c */
void movgem_layer_begin(const struct movgem_layer *layer, u32 *cols);
int movgem_layer_add(struct movgem_crtc *crtc, const struct movgem_layer *layer,
		     const u32 *cols, u32 y);

/* movgem_scanout.c */
const struct movgem_yuv *movgem_scanout_yuv(enum drm_color_encoding encoding,
					    enum drm_color_range range);
u32 movgem_scanout_from_yuv(const struct movgem_yuv *yuv, u8 y, u8 u, u8 v);
u32 movgem_scanout_from_deep(u32 fourcc, u32 pixel);
u32 movgem_scanout_to_deep(u32 fourcc, u32 pixel);
int movgem_scanout_read(const struct movgem_layer *layer, void *raw, u32 x,
			u32 y, u32 *row, u32 n);
int movgem_scanout_write(struct movgem_fb *fb, void *raw, u32 y, const u32 *row,
			 u32 n);

/* movgem_connector.c */
int movgem_connector_init(struct movgem_kms *kms, struct movgem_output *output);

/* movgem_writeback.c */
int movgem_writeback_init(struct movgem_kms *kms, struct movgem_output *output);
void movgem_writeback_cancel(struct movgem_output *output, u32 count);

/* Pixel formats of planes. */
extern const u32 movgem_kms_formats[MOVGEM_KMS_FORMATS];

#endif
