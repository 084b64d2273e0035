/* SPDX-License-Identifier: GPL-2.0 */
/* Copyright (C) 2026 movgem maintainers */
#ifndef _MOVGEM_BO_H_
#define _MOVGEM_BO_H_

#include <linux/migrate_mode.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include <drm/drm_gem.h>
#include <drm/movgem_drm.h>

#include "movgem_compat.h"
#include "movgem_device.h"

struct dma_buf;
struct drm_file;
struct inode;
struct movgem_bo;
struct movgem_vm;
struct sg_table;

/**
 * enum movgem_page_state - where a page is on its way
 *
 * Changes under &movgem_bo.pages_lock. See DOC: The life of a page in
 * movgem_migrate.c.
 */
enum movgem_page_state {
	/** @MOVGEM_PAGE_RESIDENT: at rest; CPU and GPU use it. */
	MOVGEM_PAGE_RESIDENT = 0,

	/** @MOVGEM_PAGE_ISOLATED: the kernel holds it; blocked on the GPU. */
	MOVGEM_PAGE_ISOLATED,

	/** @MOVGEM_PAGE_RETAKEN: the kernel holds it; a job took it back. */
	MOVGEM_PAGE_RETAKEN,

	/** @MOVGEM_PAGE_MOVING: being copied; blocked for everybody. */
	MOVGEM_PAGE_MOVING,

	/**
	 * @MOVGEM_PAGE_QUIESCED: the kernel holds it; blocked for everybody
	 * until its batch has moved, or somebody loses patience.
	 */
	MOVGEM_PAGE_QUIESCED,
};

/**
 * enum movgem_share_state - whether other devices allow a BO's pages to move
 *
 * Changes under &movgem_bo.pages_lock; to and from MAPPED under the dma_resv
 * too. See DOC: Exported BOs in movgem_prime.c.
 */
enum movgem_share_state {
	/** @MOVGEM_SHARE_FREE: no dynamic importer uses addresses of pages. */
	MOVGEM_SHARE_FREE = 0,

	/** @MOVGEM_SHARE_MAPPED: some do, and no page becomes MOVING. */
	MOVGEM_SHARE_MAPPED,

	/** @MOVGEM_SHARE_NOTIFIED: only until the fences there are signal. */
	MOVGEM_SHARE_NOTIFIED,
};

/**
 * struct movgem_slot - one page of a BO
 *
 * Protected by &movgem_bo.pages_lock; @index never changes. Where the page is
 * movable, its page_private() points here, which whoever has it locked can rely
 * on instead.
 *
 * There is one for each page of all BOs, so it is packed: in 12 bytes.
 */
struct movgem_slot {
	/** @pfn_low: the page, bits 0 to 31 of its PFN. */
	u32 pfn_low;

	/** @index: which page of the BO. */
	u32 index;

	/** @pfn_high: bits 32 to 39. Physical addresses have no more than 52. */
	u8 pfn_high;

	/** @epoch: &movgem_device.flush.epoch when it was blocked. */
	u8 epoch;

	/** @busy: CPU faults that are just mapping it. */
	u8 busy;

	/** @state: one of &enum movgem_page_state. */
	u8 state;
};

/**
 * struct movgem_bo - a buffer object
 */
struct movgem_bo {
	/** @base: GEM object. */
	struct drm_gem_object base;

	/** @id: number of the BO, for debugfs and trace points. */
	u64 id;

	/** @flags: DRM_MOVGEM_BO_*. */
	u32 flags;

	/**
	 * @exclusive_root: object whose dma_resv the BO shares with its only
	 * VM, or NULL; a reference.
	 */
	struct drm_gem_object *exclusive_root;

	/**
	 * @file: pseudo file whose mapping all CPU mappings of the BO are in
	 * for life, whichever file they were made through. NULL before the
	 * first of them, then set once.
	 */
	struct file *file;

	/**
	 * @inode: inode of @file and with it the mapping; NULL before a CPU
	 * mapping or the page store needs one.
	 */
	struct inode *inode;

	/** @pages_lock: leaf lock of the pages, see movgem_migrate.c. */
	spinlock_t pages_lock;

	/** @pins: users that forbid moving. */
	u32 pins;

	/** @exports: dma-bufs of the BO, handle or not; not purged. */
	u32 exports;

	/** @fbs: framebuffers of the BO; not purged. */
	u32 fbs;

	/** @moving: pages in MOVGEM_PAGE_MOVING. */
	u32 moving;

	/** @away: pages not in MOVGEM_PAGE_RESIDENT. */
	u32 away;

	/** @waiting: CPU faults that wait for pages. */
	u32 waiting;

	/** @quiescing: movers that are quiescing a run of pages. */
	u32 quiescing;

	/** @faults: CPU faults that are just mapping pages. */
	u32 faults;

	/** @madv: DRM_MOVGEM_MADV_*. */
	u32 madv;

	/** @has_pages: @slot has pages; not so if imported or purged. */
	bool has_pages;

	/**
	 * @vmas: GPU mappings by the pages that they map, an interval tree of
	 * &movgem_vma.bo_node. Changes under movgem_gpuva_lock() and
	 * @pages_lock.
	 */
	struct rb_root_cached vmas;

	/** @gpu_maps: number of @vmas. */
	u32 gpu_maps;

	/** @gpu_maps_queued: maps in bind jobs that have not been freed. */
	u32 gpu_maps_queued;

	/** @gpu_map_pages: pages in all @vmas. */
	u64 gpu_map_pages;

	/** @moved: page moves so far; by @pages_lock. */
	u64 moved;

	/** @label: name given by user space; by @pages_lock. */
	char label[DRM_MOVGEM_BO_LABEL_MAX];

	/** @cpu_maps: VMAs that map the BO. */
	atomic_t cpu_maps;

	/** @own_gpuva_lock: where GEM has none, see movgem_gpuva_lock(). */
	struct mutex own_gpuva_lock;

	/** @vmap: kernel mapping, protected by the dma_resv. */
	struct {
		/** @vmap.vaddr: address. */
		void *vaddr;

		/** @vmap.count: users. */
		u32 count;
	} vmap;

	/** @share: what dynamic importers do with the BO: movgem_prime.c. */
	struct {
		/** @share.dmabuf: the BO's dma-buf while there are @share.maps. */
		struct dma_buf *dmabuf;

		/** @share.maps: their mappings; by the dma_resv. */
		u32 maps;

		/** @share.seq: counts the mappings that were made. */
		u32 seq;

		/** @share.patience: how long moves wait for it, in jiffies. */
		unsigned long patience;

		/** @share.state: one of &enum movgem_share_state. */
		u8 state;
	} share;

	/** @import: mapping of an imported BO; by the dma_resv. */
	struct {
		/**
		 * @import.addrs: DMA address of each page, or NULL; changes
		 * under @pages_lock too.
		 */
		dma_addr_t *addrs;

		/** @import.sgt: the exporter's mapping, or NULL. */
		struct sg_table *sgt;

		/** @import.stale: the exporter wants to move the buffer. */
		bool stale;
	} import;

	/**
	 * @reclaim_work: what reclaim must not wait for: the pages of a BO that
	 * is purged, or all of one whose last user is in reclaim.
	 */
	struct work_struct reclaim_work;

	/**
	 * @rcu: the memory, @slot too, stays for who came by a page and has no
	 * reference: movgem_store_folio.c.
	 */
	struct rcu_head rcu;

	/** @device_link: in &movgem_device.bos. */
	struct list_head device_link;

	/** @count: number of @slot, zero if imported. */
	u32 count;

	/** @slot: the pages. */
	struct movgem_slot slot[] __counted_by(count);
};

static inline struct movgem_bo *to_movgem_bo(struct drm_gem_object *obj)
{
	return container_of(obj, struct movgem_bo, base);
}

static inline struct movgem_device *movgem_bo_device(struct movgem_bo *bo)
{
	return to_movgem_device(bo->base.dev);
}

/**
 * movgem_gpuva_lock - lock of a BO's lists of GPU mappings
 * @bo: the BO
 *
 * Return: the mutex, which is taken in the fence signalling path.
 */
static inline struct mutex *movgem_gpuva_lock(struct movgem_bo *bo)
{
	return movgem_gpuva_lock_get(&bo->base, &bo->own_gpuva_lock);
}

/**
 * movgem_slot_bo - the BO that a slot belongs to
 * @slot: the slot
 *
 * Return: the BO.
 */
static inline struct movgem_bo *movgem_slot_bo(struct movgem_slot *slot)
{
	return container_of(slot - slot->index, struct movgem_bo, slot[0]);
}

static inline unsigned long movgem_slot_pfn(const struct movgem_slot *slot)
{
	return (u64)slot->pfn_high << 32 | slot->pfn_low;
}

static inline struct page *movgem_slot_page(const struct movgem_slot *slot)
{
	return pfn_to_page(movgem_slot_pfn(slot));
}

static inline void movgem_slot_set_page(struct movgem_slot *slot,
					struct page *page)
{
	u64 pfn = page_to_pfn(page);

	slot->pfn_low = pfn;
	slot->pfn_high = pfn >> 32;
}

/**
 * movgem_bo_page - a page of a BO that has pages
 * @bo: the BO, with pages_lock held, or none of its pages on the move
 * @index: which
 *
 * Return: the page.
 */
static inline struct page *movgem_bo_page(const struct movgem_bo *bo, u32 index)
{
	return movgem_slot_page(&bo->slot[index]);
}

/**
 * movgem_bo_has_pages - whether a BO's own pages may be used
 * @bo: the BO, with pages_lock held
 *
 * Return: false for a BO that is imported or purged.
 */
static inline bool movgem_bo_has_pages(struct movgem_bo *bo)
{
	return bo->has_pages && bo->madv != DRM_MOVGEM_MADV_PURGED;
}

/**
 * movgem_bo_kept - whether somebody needs a BO's pages, whatever its owner says
 * @bo: the BO, with pages_lock held
 *
 * Return: true if so.
 */
static inline bool movgem_bo_kept(const struct movgem_bo *bo)
{
	return bo->pins || bo->exports || bo->fbs;
}

/**
 * movgem_migrate_blocked - whether the GPU has to wait for a page
 * @slot: the page, its BO's pages_lock held; else this is what was
 *
 * Return: true if so.
 */
static inline bool movgem_migrate_blocked(const struct movgem_slot *slot)
{
	return slot->state != MOVGEM_PAGE_RESIDENT &&
	       slot->state != MOVGEM_PAGE_RETAKEN;
}

static inline u32 movgem_bo_count(struct movgem_bo *bo)
{
	return bo->base.size >> PAGE_SHIFT;
}

struct movgem_bo *movgem_bo_alloc(struct movgem_device *mdev, u64 size,
				  u32 count);
struct movgem_bo *movgem_bo_create(struct movgem_device *mdev, u64 size,
				   u32 flags, struct drm_gem_object *root);
struct movgem_bo *movgem_bo_lookup(struct drm_file *file, u32 handle);
int movgem_bo_keep(struct movgem_bo *bo, u32 *users);
void movgem_bo_unkeep(struct movgem_bo *bo, u32 *users);
struct movgem_bo *movgem_bo_first(struct movgem_device *mdev);
struct movgem_bo *movgem_bo_next(struct movgem_device *mdev,
				 struct movgem_bo *bo);

static inline void movgem_bo_put(struct movgem_bo *bo)
{
	if (bo)
		drm_gem_object_put(&bo->base);
}

int movgem_bo_create_ioctl(struct drm_device *drm, void *data,
			   struct drm_file *file);
int movgem_bo_mmap_offset_ioctl(struct drm_device *drm, void *data,
				struct drm_file *file);
int movgem_bo_info_ioctl(struct drm_device *drm, void *data,
			 struct drm_file *file);
int movgem_bo_label_ioctl(struct drm_device *drm, void *data,
			  struct drm_file *file);
int movgem_bo_wait_ioctl(struct drm_device *drm, void *data,
			 struct drm_file *file);
int movgem_bo_madvise_ioctl(struct drm_device *drm, void *data,
			    struct drm_file *file);
int movgem_dumb_create(struct drm_file *file, struct drm_device *drm,
		       struct drm_mode_create_dumb *args);

/* movgem_pin.c */
int movgem_bo_pin(struct movgem_bo *bo);
void movgem_bo_unpin(struct movgem_bo *bo);
struct page **movgem_bo_page_array(struct movgem_bo *bo);
int movgem_bo_vmap(struct drm_gem_object *obj, struct iosys_map *map);
void movgem_bo_vunmap(struct drm_gem_object *obj, struct iosys_map *map);

/* movgem_mmap.c */
int movgem_mmap_pin(void);
struct inode *movgem_inode_alloc(void);
void movgem_inode_free(struct inode *inode);
int movgem_bo_ensure_inode(struct movgem_bo *bo);
int movgem_mmap_check_shared(struct movgem_bo *bo, struct vm_area_struct *vma);
void movgem_vma_open(struct vm_area_struct *vma);
void movgem_vma_close(struct vm_area_struct *vma);
void movgem_mmap_unpin(void);
bool movgem_mmap_contended(struct movgem_bo *bo);
bool movgem_mmap_zap(struct movgem_bo *bo, u32 index, u32 count);
int movgem_bo_mmap(struct drm_gem_object *obj, struct vm_area_struct *vma);

/* movgem_fault.c */
extern const struct vm_operations_struct movgem_vm_ops;

/* movgem_prime.c */
struct dma_buf *movgem_prime_export(struct drm_gem_object *obj, int flags);
struct drm_gem_object *movgem_prime_import(struct drm_device *drm,
					   struct dma_buf *dmabuf);
int movgem_share_evict(struct movgem_bo *bo, enum migrate_mode mode,
		       bool locked);
int movgem_import_validate(struct movgem_bo *bo);
int movgem_import_add_vm(struct movgem_bo *bo, struct movgem_vm *vm);
void movgem_import_fini(struct movgem_bo *bo);
void movgem_import_unplug(struct movgem_bo *bo);

/* movgem_shrinker.c */
int movgem_shrinker_init(struct movgem_device *mdev);
void movgem_lru_remove(struct movgem_bo *bo);

#endif
