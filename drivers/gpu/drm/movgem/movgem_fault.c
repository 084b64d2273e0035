// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

#include <linux/bitmap.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>

#include "movgem_bo.h"
#include "movgem_store.h"

/**
 * DOC: CPU faults of pages mapped by PFN
 *
 * A page that the kernel knows as non-LRU movable cannot be in a page table as
 * a page: its mapping is VM_PFNMAP, which also keeps get_user_pages() away.
 * A fault maps the pages around the address too, in an aligned window.
 *
 * The entry is inserted without &movgem_bo.pages_lock, since that may allocate
 * a page table. The page is busy meanwhile and becomes neither QUIESCED nor
 * MOVING, so an entry for a page's old place never appears after the zap of a
 * move.
 */

#define FAULT_AROUND	16

/* What a fault will map: the pages of a window, those that are set busy. */
struct fault_window {
	struct vm_area_struct *vma;
	u32 start;
	u32 end;
	DECLARE_BITMAP(busy, FAULT_AROUND);
	unsigned long pfn[FAULT_AROUND];
};

/**
 * movgem_pfn_prepare_vma - set up a CPU mapping by PFN
 * @bo: the BO
 * @vma: the mapping
 *
 * Return: 0, or -EINVAL for a private writable mapping.
 */
int movgem_pfn_prepare_vma(struct movgem_bo *bo, struct vm_area_struct *vma)
{
	int ret = movgem_mmap_check_shared(bo, vma);

	if (ret)
		return ret;

	vm_flags_set(vma, VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP);
	return 0;
}

/* Returns 0, VM_FAULT_NOPAGE to try again later, or an error. */
static vm_fault_t window_begin(struct movgem_bo *bo, struct vm_fault *vmf,
			       struct fault_window *win)
{
	struct vm_area_struct *vma = vmf->vma;
	u32 index = vmf->pgoff;
	struct movgem_slot *slot;
	vm_fault_t ret = 0;

	spin_lock(&bo->pages_lock);
	if (!movgem_bo_has_pages(bo) || vmf->pgoff >= bo->count) {
		ret = VM_FAULT_SIGBUS;
		goto out;
	}
	slot = &bo->slot[index];
	if (slot->state == MOVGEM_PAGE_MOVING ||
	    slot->state == MOVGEM_PAGE_QUIESCED || slot->busy == U8_MAX) {
		ret = VM_FAULT_NOPAGE;
		goto out;
	}

	win->vma = vma;
	win->start = max_t(unsigned long, round_down(index, FAULT_AROUND),
			   vma->vm_pgoff);
	win->end = min3((unsigned long)round_down(index, FAULT_AROUND) +
			FAULT_AROUND, vma->vm_pgoff + vma_pages(vma),
			(unsigned long)bo->count);

	bo->faults++;
	bitmap_zero(win->busy, FAULT_AROUND);
	for (u32 i = win->start; i < win->end; i++) {
		slot = &bo->slot[i];
		/* A neighbour that is about to move would be unmapped again. */
		if (i != index && (slot->state != MOVGEM_PAGE_RESIDENT ||
				   slot->busy == U8_MAX))
			continue;
		slot->busy++;
		win->pfn[i - win->start] = movgem_slot_pfn(slot);
		__set_bit(i - win->start, win->busy);
	}
out:
	spin_unlock(&bo->pages_lock);
	return ret;
}

/* Map one page of the window, with the page table's lock held. */
static int window_set_pte(pte_t *pte, unsigned long addr, void *data)
{
	struct fault_window *win = data;
	struct vm_area_struct *vma = win->vma;
	u32 i = vma->vm_pgoff + ((addr - vma->vm_start) >> PAGE_SHIFT) -
		win->start;

	if (test_bit(i, win->busy) && pte_none(ptep_get(pte)))
		set_pte_at(vma->vm_mm, addr, pte,
			   pte_mkspecial(pfn_pte(win->pfn[i],
						 vma->vm_page_prot)));
	return 0;
}

/*
 * All at once: to insert one page after the other would walk the tables from
 * the top and lock the lowest one for each.
 */
static int window_map(struct fault_window *win)
{
	struct vm_area_struct *vma = win->vma;
	unsigned long start = vma->vm_start +
			      ((win->start - vma->vm_pgoff) << PAGE_SHIFT);

	return apply_to_page_range(vma->vm_mm, start,
				   (unsigned long)(win->end - win->start) <<
				   PAGE_SHIFT, window_set_pte, win);
}

static void window_end(struct movgem_bo *bo, struct fault_window *win)
{
	unsigned int i;

	spin_lock(&bo->pages_lock);
	bo->faults--;
	for_each_set_bit(i, win->busy, FAULT_AROUND)
		bo->slot[win->start + i].busy--;
	spin_unlock(&bo->pages_lock);
}

/*
 * Called with mmap_lock held. Returns VM_FAULT_NOPAGE; VM_FAULT_SIGBUS past the
 * end, for a purged BO and for a killed task; VM_FAULT_OOM.
 */
static vm_fault_t pfn_fault(struct vm_fault *vmf)
{
	struct movgem_bo *bo = to_movgem_bo(vmf->vma->vm_private_data);
	struct movgem_device *mdev = movgem_bo_device(bo);
	struct fault_window win;
	vm_fault_t ret;

	ret = window_begin(bo, vmf, &win);
	if (ret == VM_FAULT_NOPAGE) {
		movgem_stat_inc(mdev, cpu_fault_wait);
		movgem_migrate_wait(bo, vmf->pgoff);
		/*
		 * The kernel's access on behalf of a killed task would come
		 * again and again, without a wait, until the page has moved.
		 */
		return fatal_signal_pending(current) ? VM_FAULT_SIGBUS :
						       VM_FAULT_NOPAGE;
	}
	if (ret)
		return ret;

	movgem_stat_inc(mdev, cpu_fault);
	ret = window_map(&win) ? VM_FAULT_OOM : VM_FAULT_NOPAGE;
	window_end(bo, &win);
	return ret;
}

/* What a VMA has from GEM; a store can give it others. */
const struct vm_operations_struct movgem_vm_ops = {
	.open = movgem_vma_open,
	.close = movgem_vma_close,
	.fault = pfn_fault,
};
