// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

#include <linux/fs.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/pagemap.h>

#include "movgem_bo.h"
#include "movgem_compat.h"
#include "movgem_folio.h"
#include "movgem_pt.h"
#include "movgem_store.h"

/**
 * DOC: Page tables in the page store folio
 *
 * The pages of the GPU page tables of a VM are the page cache of an inode, each
 * at the key of its table; no CPU maps them. They are charged to the memory
 * cgroup of the task that bound addresses there.
 *
 * A page gets into the cache when it is allocated, so that all that can fail
 * does so then. As long as its table is not complete it has no private data, and
 * a reference more than a page that moves.
 */

/* Called with the folio locked. Else its table is not complete. */
static bool is_adopted(struct folio *folio)
{
	return folio_test_private(folio);
}

/* The kernel moves a table. Called with both folios locked; does not sleep. */
static int migrate_table_folio(struct address_space *mapping,
			       struct folio *dst, struct folio *src,
			       enum migrate_mode mode)
{
	int ret;

	if (!is_adopted(src))
		return -EAGAIN;
	/* Looks at the references, and replaces in the page cache. */
	ret = folio_migrate_mapping(mapping, dst, src, 0);
	if (ret)
		return ret;
	movgem_pt_move(folio_get_private(src), folio_page(dst, 0));
	folio_attach_private(dst, folio_detach_private(src));
	folio_migrate_flags(dst, src);
	return 0;
}

static const struct address_space_operations table_aops = {
	.dirty_folio = noop_dirty_folio,
	.migrate_folio = migrate_table_folio,
	.release_folio = movgem_folio_keep,
	.invalidate_folio = movgem_folio_invalidate,
};

/* The root is the first table of a VM, and the last. */
static int make_inode(struct movgem_pt *pt)
{
	struct inode *inode = movgem_inode_alloc();

	if (IS_ERR(inode))
		return PTR_ERR(inode);
	movgem_folio_mapping_init(inode->i_mapping, &table_aops);
	pt->store_priv = inode;
	return 0;
}

static void drop_inode(struct movgem_pt *pt)
{
	movgem_inode_free(pt->store_priv);
	pt->store_priv = NULL;
}

static struct address_space *table_mapping(const struct movgem_pt_table *table)
{
	struct inode *inode = table->pt->store_priv;

	return inode->i_mapping;
}

static int alloc_page_of(struct movgem_pt_table *table)
{
	struct folio *folio;
	int ret;

	folio = folio_alloc(movgem_store_table_gfp() | __GFP_ZERO, 0);
	if (!folio)
		return -ENOMEM;
	ret = movgem_folio_add(table_mapping(table), folio, table->key);
	if (ret) {
		folio_put(folio);
		return ret;
	}
	folio_unlock(folio);
	table->page = folio_page(folio, 0);
	return 0;
}

/**
 * movgem_folio_table_alloc - &movgem_store_ops.table_alloc
 * @table: the table
 *
 * Return: 0 or -ENOMEM.
 */
int movgem_folio_table_alloc(struct movgem_pt_table *table)
{
	int ret = 0;

	if (!table->parent)
		ret = make_inode(table->pt);
	if (ret)
		return ret;
	ret = alloc_page_of(table);
	if (ret && !table->parent)
		drop_inode(table->pt);
	return ret;
}

/**
 * movgem_folio_table_adopt - &movgem_store_ops.table_adopt
 * @table: the table
 */
void movgem_folio_table_adopt(struct movgem_pt_table *table)
{
	struct folio *folio = page_folio(table->page);

	folio_lock(folio);
	folio_attach_private(folio, table);
	folio_unlock(folio);
	movgem_folio_drain(folio);
	/* The reference of the allocation; from here on it may move. */
	folio_put(folio);
}

/**
 * movgem_folio_table_release - &movgem_store_ops.table_release
 * @table: the table
 */
void movgem_folio_table_release(struct movgem_pt_table *table)
{
	struct address_space *mapping = table_mapping(table);
	loff_t start = (loff_t)table->key << PAGE_SHIFT;
	struct folio *folio;

	/* Waits for a move; then it is another folio. */
	folio = filemap_lock_folio(mapping, table->key);
	if (!WARN_ON(IS_ERR(folio))) {
		/* The reference of the allocation. */
		if (!is_adopted(folio))
			folio_put(folio);
		folio_unlock(folio);
		folio_put(folio);
	}
	truncate_inode_pages_range(mapping, start, start + PAGE_SIZE - 1);
	if (!table->parent)
		drop_inode(table->pt);
}

static int move_locked(struct folio *dst, struct folio *src, void *data)
{
	struct movgem_pt_table *table = data;

	/* Moved already, by the kernel. */
	if (src->mapping != table_mapping(table))
		return -EAGAIN;
	if (!is_adopted(src) || !movgem_folio_unused(src))
		return -EAGAIN;
	/* A memory error: to read it may be the end of the machine. */
	if (folio_test_hwpoison(src))
		return -EBUSY;
	movgem_pt_move(table, folio_page(dst, 0));
	movgem_folio_replace(dst, src);
	return 0;
}

/**
 * movgem_folio_table_move - &movgem_store_ops.table_move
 * @table: the table
 *
 * Return: 0, -ENOMEM, -EAGAIN, -EBUSY.
 */
int movgem_folio_table_move(struct movgem_pt_table *table)
{
	struct folio *src = filemap_get_folio(table_mapping(table), table->key);
	int ret;

	if (IS_ERR(src))
		return -EAGAIN;
	ret = movgem_folio_move(src, movgem_store_table_gfp(), move_locked, table);
	folio_put(src);
	return ret;
}
