/* SPDX-License-Identifier: GPL-2.0 */
/* Copyright (C) 2026 movgem maintainers */
#ifndef _MOVGEM_STORE_H_
#define _MOVGEM_STORE_H_

#include <linux/gfp_types.h>
#include <linux/migrate_mode.h>
#include <linux/mm_types.h>

struct movgem_bo;
struct movgem_device;
struct movgem_pt_table;
struct movgem_slot;

/**
 * struct movgem_store_ops - where BO pages come from and whether they move
 */
struct movgem_store_ops {
	/** @name: value of the module parameter. */
	const char *name;

	/** @uapi: one of &enum drm_movgem_page_store. */
	u32 uapi;

	/** @movable: the kernel can move these pages. */
	bool movable;

	/**
	 * @prepare: called before the BO gets pages, may be NULL. Undone by
	 * the BO's end. Return: 0, -ENOMEM.
	 */
	int (*prepare)(struct movgem_bo *bo);

	/**
	 * @adopt: the @count slots from @first on have new pages with a
	 * reference each, which goes to the store. Called for all of a BO's
	 * slots in their order; until the last are adopted none of its pages
	 * moves. The kernel may ask for them before this returns. May sleep.
	 * Return: how many pages it took; the others are still the caller's.
	 */
	u32 (*adopt)(struct movgem_bo *bo, u32 first, u32 count);

	/**
	 * @release: give the first @count pages, all that were adopted, back;
	 * in return no callback of the kernel uses the BO any more. May sleep.
	 */
	void (*release)(struct movgem_bo *bo, u32 count);

	/**
	 * @set_pinned: the BO is pinned now, or not any more, may be NULL.
	 * Called with pages_lock held.
	 */
	void (*set_pinned)(struct movgem_bo *bo, bool pinned);

	/**
	 * @held: whether a page may be in the kernel's hands: @release would
	 * wait, in reclaim perhaps for the task that calls this. NULL if only
	 * pages that are not RESIDENT are such.
	 */
	bool (*held)(struct movgem_bo *bo);

	/**
	 * @count_gup: number of pages that are pinned by get_user_pages(), of
	 * which the BO knows nothing. NULL if there can be none.
	 */
	u64 (*count_gup)(struct movgem_bo *bo);

	/** @prepare_vma: set up a new CPU mapping. */
	int (*prepare_vma)(struct movgem_bo *bo, struct vm_area_struct *vma);

	/**
	 * @move: move one page to a new one that is allocated with @gfp, even
	 * if the BO is pinned. NULL if nothing moves. May sleep. Return: 0,
	 * -ENOMEM, -EBUSY, -EAGAIN.
	 */
	int (*move)(struct movgem_bo *bo, u32 index, gfp_t gfp, bool pinned);

	/**
	 * @table_alloc: set the page of a GPU page table, zeroed. NULL, as the
	 * next ones: pages that do not move. May sleep. Return: 0 or -ENOMEM.
	 */
	int (*table_alloc)(struct movgem_pt_table *table);

	/**
	 * @table_adopt: @table is complete; the kernel may move its page, by
	 * movgem_pt_move(), before this returns. May sleep.
	 */
	void (*table_adopt)(struct movgem_pt_table *table);

	/**
	 * @table_release: give @table's page back, adopted or not; in return no
	 * callback of the kernel uses @table any more. May sleep.
	 */
	void (*table_release)(struct movgem_pt_table *table);

	/**
	 * @table_move: move the page of @table to a new one. May sleep. Return:
	 * 0, -ENOMEM, -EAGAIN.
	 */
	int (*table_move)(struct movgem_pt_table *table);
};

extern const struct movgem_store_ops movgem_store_folio;
extern const struct movgem_store_ops movgem_store_pinned;
extern const struct movgem_store_ops movgem_store_movable;

const struct movgem_store_ops *movgem_store_find(const char *name);
const char *movgem_store_names(char *buf, size_t size);

gfp_t movgem_store_gfp(void);
gfp_t movgem_store_table_gfp(void);
int movgem_store_alloc(struct movgem_bo *bo);
void movgem_store_free(struct movgem_bo *bo);

/* Shared by the stores whose pages are mapped by PFN: movgem_fault.c */
int movgem_pfn_prepare_vma(struct movgem_bo *bo, struct vm_area_struct *vma);

/**
 * struct movgem_move - one attempt to move a page
 */
struct movgem_move {
	/** @slot: the page. */
	struct movgem_slot *slot;

	/** @mode: whether the caller may sleep. */
	enum migrate_mode mode;

	/** @isolated: the kernel holds the page, and will put it back. */
	bool isolated;

	/** @pinned: move even if the BO is pinned. */
	bool pinned;

	/** @unmapped: the page is in no CPU mapping, the caller sees to it. */
	bool unmapped;
};

/* The steps of a move: movgem_migrate.c */
bool movgem_migrate_isolate(struct movgem_slot *slot);
int movgem_migrate_begin(const struct movgem_move *move);
void movgem_migrate_end(const struct movgem_move *move, struct page *dst,
			int ret);
void movgem_migrate_putback(struct movgem_slot *slot);
void movgem_migrate_drain(struct movgem_bo *bo);
void movgem_migrate_wait(struct movgem_bo *bo, u32 index);
bool movgem_migrate_retake(struct movgem_bo *bo, u32 index, bool quiesced);
void movgem_migrate_flush(struct movgem_device *mdev);
void movgem_migrate_power(struct movgem_device *mdev, bool on);

#endif
