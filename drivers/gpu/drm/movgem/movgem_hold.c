// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

#include <linux/bitmap.h>
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/pagemap.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "movgem_bo.h"
#include "movgem_drv.h"
#include "movgem_store.h"

/**
 * DOC: Holding pages
 *
 * The file "hold" in debugfs does to pages what the kernel does before it moves
 * them, and then leaves them so until the file is closed, which puts them back.
 * What others do with pages in the kernel's hands can so be seen at leisure.
 *
 * Write "BO FIRST COUNT isolate" or "BO FIRST COUNT quiesce", once for each
 * open file: the pages become ISOLATED, or QUIESCED by one run. Read: how many
 * there are. Pages that are just on the move are left out.
 */

#define HOLD_MAX	512

/* Pages that an open file holds. */
struct hold {
	struct movgem_device *mdev;
	/* Protects what follows. */
	struct mutex lock;
	struct movgem_bo *bo;
	u32 first;
	DECLARE_BITMAP(held, HOLD_MAX);
};

static struct movgem_bo *find_bo(struct movgem_device *mdev, u64 id)
{
	struct movgem_bo *bo, *found = NULL;

	spin_lock(&mdev->bos.lock);
	list_for_each_entry(bo, &mdev->bos.list, device_link) {
		if (bo->id == id && kref_get_unless_zero(&bo->base.refcount)) {
			found = bo;
			break;
		}
	}
	spin_unlock(&mdev->bos.lock);
	return found;
}

/* Called with the page locked: whether it has not been moved meanwhile. */
static bool is_of(struct page *page, struct movgem_slot *slot)
{
	return page_private(page) == (unsigned long)slot;
}

/* Isolates a page. It is locked, with a reference, if that goes at once. */
static struct page *isolate_locked(struct movgem_bo *bo,
				   struct movgem_slot *slot)
{
	struct page *page = NULL;

	spin_lock(&bo->pages_lock);
	/* The kernel freezes the references of a page that it moves. */
	if (bo->has_pages && slot->state != MOVGEM_PAGE_MOVING) {
		page = movgem_slot_page(slot);
		get_page(page);
	}
	spin_unlock(&bo->pages_lock);
	if (!page)
		return NULL;

	if (trylock_page(page)) {
		if (is_of(page, slot) && movgem_migrate_isolate(slot))
			return page;
		unlock_page(page);
	}
	put_page(page);
	return NULL;
}

/* As a batch: all pages are isolated and locked when the first is quiesced. */
static void hold_pages(struct hold *hold, u32 count, struct page **pages,
		       bool quiesce)
{
	struct movgem_move move = { .mode = MIGRATE_SYNC, .isolated = true };
	struct movgem_slot *slot = &hold->bo->slot[hold->first];
	u32 i;

	for (i = 0; i < count; i++) {
		pages[i] = isolate_locked(hold->bo, &slot[i]);
		if (!pages[i])
			continue;
		__set_bit(i, hold->held);
		if (!move.slot)
			move.slot = &slot[i];
	}
	if (quiesce && move.slot && !movgem_migrate_begin(&move))
		movgem_migrate_end(&move, NULL, -ECANCELED);

	for_each_set_bit(i, hold->held, HOLD_MAX) {
		unlock_page(pages[i]);
		put_page(pages[i]);
	}
}

/*
 * A pin may be moving the page out of ZONE_MOVABLE, or have done so. Where the
 * kernel knows nothing of held pages, it may be that. The page is RESIDENT then.
 */
static void put_back(struct movgem_bo *bo, struct movgem_slot *slot)
{
	struct page *page = NULL;

	spin_lock(&bo->pages_lock);
	if (slot->state != MOVGEM_PAGE_RESIDENT &&
	    slot->state != MOVGEM_PAGE_MOVING && bo->has_pages) {
		page = movgem_slot_page(slot);
		get_page(page);
	}
	spin_unlock(&bo->pages_lock);
	if (!page)
		return;

	lock_page(page);
	if (is_of(page, slot) && slot->state != MOVGEM_PAGE_RESIDENT)
		movgem_migrate_putback(slot);
	unlock_page(page);
	put_page(page);
}

static int hold_run(struct hold *hold, const char *what)
{
	struct page **pages;
	char mode[16];
	u32 count;
	u64 id;

	if (hold->bo)
		return -EBUSY;
	if (sscanf(what, "%llu %u %u %15s", &id, &hold->first, &count,
		   mode) != 4 || !count || count > HOLD_MAX ||
	    (strcmp(mode, "isolate") && strcmp(mode, "quiesce")))
		return -EINVAL;
	if (!hold->mdev->store->movable)
		return -EOPNOTSUPP;

	hold->bo = find_bo(hold->mdev, id);
	if (!hold->bo)
		return -ENOENT;
	if (hold->first >= hold->bo->count ||
	    count > hold->bo->count - hold->first) {
		movgem_bo_put(hold->bo);
		hold->bo = NULL;
		return -EINVAL;
	}

	pages = kvcalloc(count, sizeof(*pages), GFP_KERNEL);
	if (!pages) {
		movgem_bo_put(hold->bo);
		hold->bo = NULL;
		return -ENOMEM;
	}
	hold_pages(hold, count, pages, !strcmp(mode, "quiesce"));
	kvfree(pages);
	return 0;
}

static int hold_open(struct inode *inode, struct file *file)
{
	struct hold *hold = kzalloc(sizeof(*hold), GFP_KERNEL);

	if (!hold)
		return -ENOMEM;
	hold->mdev = inode->i_private;
	mutex_init(&hold->lock);
	file->private_data = hold;
	return nonseekable_open(inode, file);
}

static ssize_t hold_read(struct file *file, char __user *ubuf, size_t len,
			 loff_t *pos)
{
	struct hold *hold = file->private_data;
	char text[24];
	int n;

	mutex_lock(&hold->lock);
	n = scnprintf(text, sizeof(text), "%u\n",
		      bitmap_weight(hold->held, HOLD_MAX));
	mutex_unlock(&hold->lock);
	return simple_read_from_buffer(ubuf, len, pos, text, n);
}

static ssize_t hold_write(struct file *file, const char __user *ubuf,
			  size_t len, loff_t *pos)
{
	struct hold *hold = file->private_data;
	char *what;
	int ret;

	if (len > 128)
		return -EINVAL;
	what = memdup_user_nul(ubuf, len);
	if (IS_ERR(what))
		return PTR_ERR(what);

	mutex_lock(&hold->lock);
	ret = hold_run(hold, what);
	mutex_unlock(&hold->lock);
	kfree(what);
	return ret ?: len;
}

static int hold_release(struct inode *inode, struct file *file)
{
	struct hold *hold = file->private_data;
	u32 i;

	for_each_set_bit(i, hold->held, HOLD_MAX)
		put_back(hold->bo, &hold->bo->slot[hold->first + i]);
	movgem_bo_put(hold->bo);
	mutex_destroy(&hold->lock);
	kfree(hold);
	return 0;
}

const struct file_operations movgem_hold_fops = {
	.owner = THIS_MODULE,
	.open = hold_open,
	.read = hold_read,
	.write = hold_write,
	.release = hold_release,
};
