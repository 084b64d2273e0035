// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

#include <linux/debugfs.h>
#include <linux/mm.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/string_helpers.h>

#include <drm/drm_debugfs.h>
#include <drm/drm_file.h>

#include "movgem_bo.h"
#include "movgem_drv.h"
#include "movgem_pt.h"
#include "movgem_store.h"
#include "movgem_vm.h"

/**
 * DOC: debugfs
 *
 * Files under /sys/kernel/debug/dri/<minor>/:
 *
 * gems: a table of the device's BOs.
 *
 * pages: a line for each page: BO id, index, PFN, state; "gup" follows if it
 * is pinned through a CPU mapping.
 *
 * stats: the counters of &struct movgem_stats, a name and a value a line.
 *
 * pt: a line for each page of a GPU page table: number of the VM, level (0 is
 * the lowest), first address that it translates, PFN.
 *
 * migrate: write "all", the id of a BO, "label:TEXT", or "pt" for GPU page tables
 * alone, to have the pages moved now; -ENOENT if there is no such BO, -EBUSY if
 * no page moved. Read: how many pages the last write tried and moved.
 *
 * hold: write to isolate or quiesce pages until the file is closed.
 */

static const char * const state_names[] = {
	[MOVGEM_PAGE_RESIDENT] = "resident",
	[MOVGEM_PAGE_ISOLATED] = "isolated",
	[MOVGEM_PAGE_RETAKEN] = "retaken",
	[MOVGEM_PAGE_MOVING] = "moving",
	[MOVGEM_PAGE_QUIESCED] = "quiesced",
};

#define STAT(name__) { #name__, offsetof(struct movgem_stats, name__) }

static const struct {
	const char *name;
	size_t offset;
} stats_table[] = {
	STAT(bos_live),
	STAT(pages_live),
	STAT(pages_pinned),
	STAT(pages_purged),
	STAT(isolate_ok),
	STAT(isolate_refused_pinned),
	STAT(isolate_refused_state),
	STAT(isolate_refused_wanted),
	STAT(migrate_async),
	STAT(migrate_sync),
	STAT(migrate_async_slept),
	STAT(migrate_ok),
	STAT(migrate_eagain_busy),
	STAT(migrate_eagain_refs),
	STAT(migrate_eagain_lock),
	STAT(migrate_eagain_shared),
	STAT(migrate_ebusy_pinned),
	STAT(migrate_nomem),
	STAT(pt_pages_live),
	STAT(pt_moved),
	STAT(putback),
	STAT(batches),
	STAT(batch_pages),
	STAT(share_notify),
	STAT(import_notify),
	STAT(import_map),
	STAT(gpu_tlb_flush),
	STAT(gpu_tlb_flush_off),
	STAT(gpu_stall),
	STAT(gpu_stall_batches_max),
	STAT(gpu_unblock),
	STAT(cpu_unmap),
	STAT(cpu_fault),
	STAT(cpu_fault_wait),
	STAT(cpu_retake),
	STAT(jobs_done),
	STAT(jobs_faulted),
	STAT(jobs_timedout),
	STAT(jobs_cancelled),
	STAT(frames),
	STAT(frames_faulted),
};

static int stats_show(struct seq_file *m, void *unused)
{
	struct movgem_device *mdev = m->private;

	BUILD_BUG_ON(sizeof(mdev->stats) !=
		     ARRAY_SIZE(stats_table) * sizeof(atomic64_t));

	for (int i = 0; i < ARRAY_SIZE(stats_table); i++) {
		atomic64_t *stat = (void *)&mdev->stats + stats_table[i].offset;

		seq_printf(m, "%s %llu\n", stats_table[i].name,
			   (u64)atomic64_read(stat));
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stats);

static void show_flags(struct seq_file *m, struct movgem_bo *bo, u32 madv)
{
	/* One letter each, or "-". */
	char flags[8];
	char *p = flags;

	if (bo->flags & DRM_MOVGEM_BO_NO_MMAP)
		*p++ = 'n';
	if (bo->exclusive_root)
		*p++ = 'x';
	if (bo->base.import_attach)
		*p++ = 'i';
	if (READ_ONCE(bo->exports))
		*p++ = 'e';
	if (READ_ONCE(bo->fbs))
		*p++ = 'f';
	if (madv == DRM_MOVGEM_MADV_DONTNEED)
		*p++ = 'd';
	if (madv == DRM_MOVGEM_MADV_PURGED)
		*p++ = 'p';
	if (p == flags)
		*p++ = '-';
	*p = 0;
	seq_printf(m, "%-5s", flags);
}

static int gems_show(struct seq_file *m, void *unused)
{
	struct movgem_device *mdev = m->private;
	struct movgem_bo *bo;

	seq_puts(m, "id       size         pages    pins cpu_maps gpu_maps moved      flags label\n");
	for (bo = movgem_bo_first(mdev); bo; bo = movgem_bo_next(mdev, bo)) {
		char label[DRM_MOVGEM_BO_LABEL_MAX];
		u32 pages, pins, gpu_maps, madv;
		u64 moved;

		spin_lock(&bo->pages_lock);
		pages = movgem_bo_has_pages(bo) ? bo->count : 0;
		pins = bo->pins;
		gpu_maps = bo->gpu_maps;
		madv = bo->madv;
		moved = bo->moved;
		memcpy(label, bo->label, sizeof(label));
		spin_unlock(&bo->pages_lock);

		seq_printf(m, "%-8llu %-12zu %-8u %-4u %-8u %-8u %-10llu ",
			   bo->id, bo->base.size, pages, pins,
			   atomic_read(&bo->cpu_maps), gpu_maps, moved);
		show_flags(m, bo, madv);
		seq_putc(m, ' ');
		seq_escape_str(m, label, ESCAPE_ANY_NP, NULL);
		seq_putc(m, '\n');
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(gems);

/* The file is read page by page: position is BO id and index. */
struct pages_iter {
	struct movgem_device *mdev;
	struct movgem_bo *bo;
	u32 index;
	loff_t pos;
};

static void *pages_next_bo(struct pages_iter *iter, struct movgem_bo *bo)
{
	iter->bo = bo;
	iter->index = 0;
	return bo ? iter : NULL;
}

static void *pages_start(struct seq_file *m, loff_t *pos)
{
	struct pages_iter *iter = m->private;

	if (*pos && iter->pos == *pos)
		return iter->bo ? iter : NULL;

	/* From the beginning; anything else would be a seek. */
	movgem_bo_put(iter->bo);
	iter->pos = 0;
	if (*pos) {
		iter->bo = NULL;
		return NULL;
	}
	return pages_next_bo(iter, movgem_bo_first(iter->mdev));
}

static void *pages_next(struct seq_file *m, void *v, loff_t *pos)
{
	struct pages_iter *iter = v;

	iter->pos = ++*pos;
	if (++iter->index < iter->bo->count && READ_ONCE(iter->bo->has_pages))
		return iter;
	return pages_next_bo(iter, movgem_bo_next(iter->mdev, iter->bo));
}

static void pages_stop(struct seq_file *m, void *v)
{
}

static int pages_show(struct seq_file *m, void *v)
{
	struct pages_iter *iter = v;
	struct movgem_bo *bo = iter->bo;
	unsigned long pfn = 0;
	bool gup = false;
	u8 state = 0;

	spin_lock(&bo->pages_lock);
	if (movgem_bo_has_pages(bo)) {
		pfn = movgem_slot_pfn(&bo->slot[iter->index]);
		state = bo->slot[iter->index].state;
		gup = folio_maybe_dma_pinned(pfn_folio(pfn));
	}
	spin_unlock(&bo->pages_lock);

	if (pfn)
		seq_printf(m, "%llu %u 0x%lx %s%s\n", bo->id, iter->index, pfn,
			   state_names[state], gup ? " gup" : "");
	return 0;
}

static const struct seq_operations pages_sops = {
	.start = pages_start,
	.next = pages_next,
	.stop = pages_stop,
	.show = pages_show,
};

static int pages_open(struct inode *inode, struct file *file)
{
	struct pages_iter *iter;

	iter = __seq_open_private(file, &pages_sops, sizeof(*iter));
	if (!iter)
		return -ENOMEM;
	iter->mdev = inode->i_private;
	return 0;
}

static int pages_release(struct inode *inode, struct file *file)
{
	struct pages_iter *iter = ((struct seq_file *)file->private_data)->private;

	movgem_bo_put(iter->bo);
	return seq_release_private(inode, file);
}

static const struct file_operations pages_fops = {
	.owner = THIS_MODULE,
	.open = pages_open,
	.read = seq_read,
	.llseek = seq_lseek,
	.release = pages_release,
};

static int pt_show(struct seq_file *m, void *unused)
{
	struct movgem_device *mdev = m->private;
	struct movgem_pt_table *table;
	struct movgem_pt *pt;
	unsigned long key;

	mutex_lock(&mdev->pts.lock);
	list_for_each_entry(pt, &mdev->pts.list, link) {
		u32 asid = container_of(pt, struct movgem_vm, pt)->asid;

		xa_for_each(&pt->tables, key, table) {
			unsigned long pfn;

			read_lock(&pt->lock);
			pfn = page_to_pfn(table->page);
			read_unlock(&pt->lock);
			seq_printf(m, "%u %u 0x%llx 0x%lx\n", asid,
				   table->level, movgem_pt_table_va(table),
				   pfn);
		}
	}
	mutex_unlock(&mdev->pts.lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(pt);

static void move_bo(struct movgem_device *mdev, struct movgem_bo *bo)
{
	if (!mdev->store->move || bo->base.import_attach)
		return;

	for (u32 i = 0; i < movgem_bo_count(bo); i++) {
		int ret = -EAGAIN;

		for (int try = 0; try < 10 && ret == -EAGAIN; try++)
			ret = mdev->store->move(bo, i, movgem_store_gfp(),
						false);
		mdev->last_move.tried++;
		if (!ret)
			mdev->last_move.moved++;
		if (fatal_signal_pending(current))
			return;
		cond_resched();
	}
}

static bool bo_has_label(struct movgem_bo *bo, const char *label)
{
	bool same;

	spin_lock(&bo->pages_lock);
	same = !strcmp(bo->label, label);
	spin_unlock(&bo->pages_lock);
	return same;
}

/* The pages of all GPU page tables. */
static void move_tables(struct movgem_device *mdev)
{
	struct movgem_pt_table *table;
	struct movgem_pt *pt;
	unsigned long key;

	if (!mdev->store->table_move)
		return;

	mutex_lock(&mdev->pts.lock);
	list_for_each_entry(pt, &mdev->pts.list, link) {
		xa_for_each(&pt->tables, key, table) {
			int ret = -EAGAIN;

			for (int try = 0; try < 10 && ret == -EAGAIN; try++)
				ret = mdev->store->table_move(table);
			mdev->last_move.tried++;
			if (!ret)
				mdev->last_move.moved++;
			cond_resched();
		}
	}
	mutex_unlock(&mdev->pts.lock);
}

static int migrate_run(struct movgem_device *mdev, const char *what)
{
	const char *label = NULL;
	struct movgem_bo *bo;
	bool found = false;
	u64 id = 0;

	if (strstarts(what, "label:"))
		label = what + strlen("label:");
	else if (strcmp(what, "all") && strcmp(what, "pt") &&
		 (kstrtou64(what, 0, &id) || !id))
		return -EINVAL;

	mdev->last_move.tried = 0;
	mdev->last_move.moved = 0;
	if (!id && !label)
		move_tables(mdev);
	if (!strcmp(what, "pt"))
		return mdev->last_move.moved || !mdev->last_move.tried ?
		       0 : -EBUSY;
	for (bo = movgem_bo_first(mdev); bo; bo = movgem_bo_next(mdev, bo)) {
		if ((id && bo->id != id) || (label && !bo_has_label(bo, label)))
			continue;
		found = true;
		move_bo(mdev, bo);
	}
	if (!found && (id || label))
		return -ENOENT;
	return mdev->last_move.moved || !mdev->last_move.tried ? 0 : -EBUSY;
}

static ssize_t migrate_write(struct file *file, const char __user *ubuf,
			     size_t len, loff_t *pos)
{
	struct movgem_device *mdev = ((struct seq_file *)file->private_data)->private;
	char *what;
	int ret;

	if (len > 128)
		return -EINVAL;
	what = memdup_user_nul(ubuf, len);
	if (IS_ERR(what))
		return PTR_ERR(what);

	ret = migrate_run(mdev, strim(what));
	kfree(what);
	return ret ?: len;
}

static int migrate_show(struct seq_file *m, void *unused)
{
	struct movgem_device *mdev = m->private;

	seq_printf(m, "tried %llu moved %llu failed %llu\n",
		   mdev->last_move.tried, mdev->last_move.moved,
		   mdev->last_move.tried - mdev->last_move.moved);
	return 0;
}

static int migrate_open(struct inode *inode, struct file *file)
{
	return single_open(file, migrate_show, inode->i_private);
}

static const struct file_operations migrate_fops = {
	.owner = THIS_MODULE,
	.open = migrate_open,
	.read = seq_read,
	.write = migrate_write,
	.llseek = seq_lseek,
	.release = single_release,
};

/**
 * movgem_debugfs_init - make the files
 * @minor: the primary minor
 */
void movgem_debugfs_init(struct drm_minor *minor)
{
	struct movgem_device *mdev = to_movgem_device(minor->dev);
	struct dentry *root = minor->debugfs_root;

	debugfs_create_file("gems", 0444, root, mdev, &gems_fops);
	debugfs_create_file("pages", 0400, root, mdev, &pages_fops);
	debugfs_create_file("pt", 0400, root, mdev, &pt_fops);
	debugfs_create_file("stats", 0444, root, mdev, &stats_fops);
	debugfs_create_file("migrate", 0600, root, mdev, &migrate_fops);
	debugfs_create_file("hold", 0600, root, mdev, &movgem_hold_fops);
}
