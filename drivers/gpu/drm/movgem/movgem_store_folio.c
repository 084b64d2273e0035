// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

#include <linux/fs.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/userfaultfd_k.h>

#include <drm/movgem_drm.h>

#include "movgem_bo.h"
#include "movgem_compat.h"
#include "movgem_folio.h"
#include "movgem_store.h"
#include "movgem_trace.h"

/**
 * DOC: Page store folio
 *
 * The pages of a BO are the page cache of its own file: charged to the memory
 * cgroup that made them, on the unevictable list, mapped as those of any file.
 * The kernel isolates them, finds and restores the CPU's page table entries and
 * looks after get_user_pages(); what is left to do is the GPU's part, in
 * migrate_folio, which the kernel calls with the page locked and unmapped.
 *
 * A folio has a reference of the page cache and one for its private data, the
 * slot. Private data that is never released also keeps reclaim, drop_caches and
 * the handling of memory errors from taking a page out of the cache; only
 * truncation does, when a BO is purged or freed. A page that somebody has got
 * by get_user_pages() then lives on, out of the BO, until it is put.
 *
 * The kernel tells nobody of isolation. It moves pages in batches: when the
 * first is to move all are locked, off the LRU and unmapped, and mostly close
 * together in memory. So the first looks for others of its batch around it and
 * has them blocked, and one invalidation of GPU TLBs serves them all. A page that
 * cannot move is let go at once. One that was locked for something else is taken
 * back by the job that meets it, by the next CPU fault or by the next move.
 *
 * The mapping of a pinned BO is inaccessible, which for compaction means not to
 * isolate its pages. Other movers isolate and unmap them, and get -EOPNOTSUPP.
 */

/* Pages to each side in memory in which the others of a batch are looked for. */
#define BATCH_REACH	64

/* Pages in a row that are not of the batch, after which there are no more. */
#define BATCH_GAP	16

/* Pages that a CPU fault maps at most. */
#define FAULT_AROUND	16

static const struct address_space_operations bo_aops;

/* Whether a folio is about to be moved, for all that can be seen of it. */
static bool in_kernel_hands(struct folio *folio)
{
	return folio_test_locked(folio) && !folio_test_lru(folio) &&
	       folio_test_private(folio) && !folio_mapped(folio);
}

/*
 * The slot of a folio that has a reference but not the lock of ours. It may have
 * left its BO by the time of the return, or be another's already. A BO and its
 * slots are freed by RCU, as inodes are, mapping included, after no page names
 * them any more; the device waits for that too, see movgem_device_rest().
 */
static struct movgem_slot *peek_slot(struct folio *folio)
{
	struct address_space *mapping = READ_ONCE(folio->mapping);

	/* Of other owners' folios it may be something else, by its lowest bits. */
	if (!mapping || !IS_ALIGNED((unsigned long)mapping, sizeof(long)) ||
	    READ_ONCE(mapping->a_ops) != &bo_aops)
		return NULL;
	return READ_ONCE(folio->private);
}

/* Returns whether the page is of the batch. */
static bool block_page(struct page *page)
{
	struct folio *folio = page_folio(page);
	struct movgem_slot *slot = NULL;

	if (!folio_test_locked(folio) || !folio_try_get(folio))
		return false;
	if (in_kernel_hands(folio) && !folio_maybe_dma_pinned(folio))
		slot = peek_slot(folio);
	if (slot)
		movgem_migrate_isolate(slot);
	folio_put(folio);
	return slot;
}

static void block_towards(struct page *page, int step, unsigned long room)
{
	unsigned int gap = 0;

	for (room = min(room, BATCH_REACH); room && gap < BATCH_GAP; room--) {
		page += step;
		gap = block_page(page) ? 0 : gap + 1;
	}
}

/*
 * Block what will probably move after @src, of which the kernel says nothing. It
 * moves the pages of a pageblock upwards or downwards, and some in one batch.
 */
static void block_batch(struct folio *src)
{
	unsigned long pfn = folio_pfn(src);

	rcu_read_lock();
	block_towards(folio_page(src, 0), 1, pageblock_end_pfn(pfn) - 1 - pfn);
	block_towards(folio_page(src, 0), -1, pfn - pageblock_start_pfn(pfn));
	rcu_read_unlock();
}

/*
 * Called with the page locked: then the kernel is not about to move it, or has
 * just been refused it, of which it tells nobody.
 */
static void let_go(struct movgem_slot *slot)
{
	struct movgem_bo *bo = movgem_slot_bo(slot);
	bool away;

	spin_lock(&bo->pages_lock);
	away = slot->state != MOVGEM_PAGE_RESIDENT;
	spin_unlock(&bo->pages_lock);
	if (away)
		movgem_migrate_putback(slot);
}

/* The kernel moves a page. Called with both folios locked, @src unmapped. */
static int migrate_bo_folio(struct address_space *mapping, struct folio *dst,
			    struct folio *src, enum migrate_mode mode)
{
	struct movgem_move move = {
		.slot = folio_get_private(src),
		.mode = mode,
		.unmapped = true,
	};
	struct movgem_bo *bo = movgem_slot_bo(move.slot);
	struct movgem_device *mdev = movgem_bo_device(bo);
	int ret;

	/* It may be for long: do not have the kernel try again. */
	if (folio_maybe_dma_pinned(src)) {
		movgem_stat_inc(mdev, migrate_ebusy_pinned);
		let_go(move.slot);
		return -EBUSY;
	}

	/* What it was is good enough to tell the first of a batch. */
	if (!data_race(movgem_migrate_blocked(move.slot)) &&
	    READ_ONCE(bo->share.state) == MOVGEM_SHARE_FREE)
		block_batch(src);
	ret = movgem_migrate_begin(&move);
	if (ret) {
		let_go(move.slot);
		return ret;
	}

	/* Looks at the references, copies, and replaces in the page cache. */
	ret = filemap_migrate_folio(mapping, dst, src, mode);
	if (!ret)
		trace_movgem_copy(bo, move.slot, folio_page(dst, 0));
	else if (ret == -EAGAIN)
		movgem_stat_inc(mdev, migrate_eagain_refs);
	movgem_migrate_end(&move, folio_page(dst, 0), ret);
	return ret;
}

static const struct address_space_operations bo_aops = {
	.dirty_folio = noop_dirty_folio,
	.migrate_folio = migrate_bo_folio,
	.release_folio = movgem_folio_keep,
	.invalidate_folio = movgem_folio_invalidate,
};

static int bo_prepare(struct movgem_bo *bo)
{
	int ret = movgem_bo_ensure_inode(bo);

	if (!ret)
		movgem_folio_mapping_init(bo->inode->i_mapping, &bo_aops);
	return ret;
}

static int adopt_one(struct movgem_slot *slot)
{
	struct address_space *mapping = movgem_slot_bo(slot)->inode->i_mapping;
	struct folio *folio = page_folio(movgem_slot_page(slot));
	int ret;

	ret = movgem_folio_add(mapping, folio, slot->index);
	if (ret)
		return ret;
	folio_attach_private(folio, slot);
	folio_unlock(folio);
	return 0;
}

static u32 bo_adopt(struct movgem_bo *bo, u32 first, u32 count)
{
	struct folio_batch batch;
	u32 done;

	folio_batch_init(&batch);
	for (done = 0; done < count; done++) {
		struct movgem_slot *slot = &bo->slot[first + done];

		if (adopt_one(slot))
			break;
		/* The references of the allocation go in batches. */
		if (!folio_batch_space(&batch))
			folio_batch_release(&batch);
		folio_batch_add(&batch, page_folio(movgem_slot_page(slot)));
	}
	/* The last ones are to be on the LRU too, else they would not move. */
	if (first + done == bo->count)
		movgem_folio_drain(batch.folios[0]);
	folio_batch_release(&batch);
	return done;
}

static void bo_release(struct movgem_bo *bo, u32 count)
{
	truncate_inode_pages(bo->inode->i_mapping, 0);
}

static void bo_set_pinned(struct movgem_bo *bo, bool pinned)
{
	struct address_space *mapping = bo->inode->i_mapping;

	if (pinned)
		set_bit(AS_INACCESSIBLE, &mapping->flags);
	else
		clear_bit(AS_INACCESSIBLE, &mapping->flags);
}

/*
 * Truncation waits for locked pages. The kernel holds those of a batch while it
 * allocates memory for the next, and so the caller, who is in reclaim, may be
 * who has them locked. Whoever locks one from now on is somebody else, and does
 * not wait for us, unless we are kswapd, which does not truncate: see purge().
 */
static bool bo_held(struct movgem_bo *bo)
{
	bool held = false;

	for (u32 i = 0; i < bo->count && !held; ) {
		u32 end = min(i + 64, bo->count);

		spin_lock(&bo->pages_lock);
		if (!bo->has_pages)
			held = true;
		for (; i < end && !held; i++)
			held = PageLocked(movgem_bo_page(bo, i));
		spin_unlock(&bo->pages_lock);
	}
	return held;
}

static u64 bo_count_gup(struct movgem_bo *bo)
{
	u64 count = 0;

	for (u32 i = 0; i < bo->count; ) {
		u32 end = min(i + 64, bo->count);

		spin_lock(&bo->pages_lock);
		for (; i < end && movgem_bo_has_pages(bo); i++)
			count += folio_maybe_dma_pinned(page_folio(movgem_bo_page(bo, i)));
		spin_unlock(&bo->pages_lock);
		if (i < end)
			return 0;
		cond_resched();
	}
	return count;
}

/*
 * The folio of a page, with a reference; until it is locked it can move. Not the
 * one in the slot: while the kernel replaces a folio in the page cache it has
 * its references frozen, and who takes one then has none.
 */
static struct folio *get_bo_folio(struct movgem_bo *bo, pgoff_t index)
{
	struct folio *folio;
	bool there;

	spin_lock(&bo->pages_lock);
	there = movgem_bo_has_pages(bo);
	spin_unlock(&bo->pages_lock);
	if (!there)
		return NULL;

	folio = filemap_get_folio(bo->inode->i_mapping, index);
	return IS_ERR(folio) ? NULL : folio;
}

/*
 * Map pages that are there around a write, as the kernel does for reads, within
 * an aligned window, the VMA and the page table.
 */
static vm_fault_t map_around(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	unsigned long offset = vmf->pgoff % FAULT_AROUND;
	unsigned long pte = pte_index(vmf->address);
	unsigned long before, after;

	if (uffd_disable_fault_around(vma))
		return 0;
	before = min3(offset, pte, vmf->pgoff - vma->vm_pgoff);
	after = min3(FAULT_AROUND - 1 - offset, PTRS_PER_PTE - 1 - pte,
		     vma->vm_pgoff + vma_pages(vma) - 1 - vmf->pgoff);
	return filemap_map_pages(vmf, vmf->pgoff - before, vmf->pgoff + after);
}

static vm_fault_t bo_fault(struct vm_fault *vmf)
{
	struct movgem_bo *bo = to_movgem_bo(vmf->vma->vm_private_data);
	struct movgem_device *mdev = movgem_bo_device(bo);
	struct folio *folio;

	movgem_stat_inc(mdev, cpu_fault);
	if ((vmf->flags & FAULT_FLAG_WRITE) &&
	    (map_around(vmf) & VM_FAULT_NOPAGE))
		return VM_FAULT_NOPAGE;

	folio = get_bo_folio(bo, vmf->pgoff);
	if (!folio)
		return VM_FAULT_SIGBUS;

	if (!folio_trylock(folio)) {
		movgem_stat_inc(mdev, cpu_fault_wait);
		if (vmf->flags & FAULT_FLAG_RETRY_NOWAIT) {
			folio_put(folio);
			return VM_FAULT_RETRY;
		}
		/* Or the kernel's access on its behalf would come again. */
		if (folio_lock_killable(folio)) {
			folio_put(folio);
			return VM_FAULT_SIGBUS;
		}
	}
	/* Moved, or gone with its BO: the access comes again. */
	if (folio->mapping != bo->inode->i_mapping) {
		folio_unlock(folio);
		folio_put(folio);
		return VM_FAULT_NOPAGE;
	}
	let_go(folio_get_private(folio));
	vmf->page = folio_page(folio, 0);
	return VM_FAULT_LOCKED;
}

static vm_fault_t bo_map_pages(struct vm_fault *vmf, pgoff_t start, pgoff_t end)
{
	struct movgem_bo *bo = to_movgem_bo(vmf->vma->vm_private_data);
	vm_fault_t ret = filemap_map_pages(vmf, start, end);

	if (ret & VM_FAULT_NOPAGE)
		movgem_stat_inc(movgem_bo_device(bo), cpu_fault);
	return ret;
}

static const struct vm_operations_struct bo_vm_ops = {
	.open = movgem_vma_open,
	.close = movgem_vma_close,
	.fault = bo_fault,
	.map_pages = bo_map_pages,
};

/*
 * A private writable mapping would be a copy that the GPU never sees. It is
 * refused as with the other stores.
 */
static int bo_prepare_vma(struct movgem_bo *bo, struct vm_area_struct *vma)
{
	int ret = movgem_mmap_check_shared(bo, vma);

	if (ret)
		return ret;
	/* GEM wants it; a BO does not grow. */
	vm_flags_set(vma, VM_DONTEXPAND);
	vma->vm_ops = &bo_vm_ops;
	return 0;
}

/* Step 4 of a move of our own. */
static int copy(struct folio *dst, struct folio *src)
{
	int ret;

	if (!movgem_folio_unused(src))
		return -EAGAIN;
	ret = folio_mc_copy(dst, src);
	if (!ret)
		movgem_folio_replace(dst, src);
	return ret;
}

static int move_locked(struct folio *dst, struct folio *src, void *data)
{
	struct movgem_move *move = data;
	struct movgem_bo *bo = movgem_slot_bo(move->slot);
	int ret;

	if (src->mapping != bo->inode->i_mapping)
		return -EAGAIN;
	let_go(move->slot);
	if (folio_maybe_dma_pinned(src)) {
		movgem_stat_inc(movgem_bo_device(bo), migrate_ebusy_pinned);
		return -EBUSY;
	}
	/* A memory error: elsewhere its content would pass for good. */
	if (folio_test_hwpoison(src))
		return -EBUSY;

	ret = movgem_migrate_begin(move);
	if (ret)
		return ret;
	ret = copy(dst, src);
	if (!ret)
		trace_movgem_copy(bo, move->slot, folio_page(dst, 0));
	else if (ret == -EAGAIN)
		movgem_stat_inc(movgem_bo_device(bo), migrate_eagain_refs);
	movgem_migrate_end(move, folio_page(dst, 0), ret);
	return ret;
}

static int bo_move(struct movgem_bo *bo, u32 index, gfp_t gfp, bool pinned)
{
	struct movgem_move move = {
		.slot = &bo->slot[index],
		.mode = MIGRATE_SYNC,
		.pinned = pinned,
	};
	struct folio *src = get_bo_folio(bo, index);
	int ret;

	if (!src)
		return -EAGAIN;
	ret = movgem_folio_move(src, gfp, move_locked, &move);
	folio_put(src);
	if (ret == -ENOMEM)
		movgem_stat_inc(movgem_bo_device(bo), migrate_nomem);
	return ret;
}

const struct movgem_store_ops movgem_store_folio = {
	.name = "folio",
	.uapi = DRM_MOVGEM_PAGE_STORE_FOLIO,
	.movable = true,
	.prepare = bo_prepare,
	.adopt = bo_adopt,
	.release = bo_release,
	.set_pinned = bo_set_pinned,
	.held = bo_held,
	.count_gup = bo_count_gup,
	.prepare_vma = bo_prepare_vma,
	.move = bo_move,
	.table_alloc = movgem_folio_table_alloc,
	.table_adopt = movgem_folio_table_adopt,
	.table_release = movgem_folio_table_release,
	.table_move = movgem_folio_table_move,
};
