// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/pseudo_fs.h>

#include "movgem_bo.h"
#include "movgem_store.h"

/**
 * DOC: CPU mappings
 *
 * Moving a page means finding all page table entries that point to it, in
 * every process. A BO gets a file of its own on a pseudo file system, and
 * with it an address_space of its own. mmap() on the DRM node or on a dma-buf
 * finds the BO and then gives the VMA that file. From there on the VMA, and
 * what fork(), mprotect(), munmap() and mremap() make of it, is in that
 * address_space's i_mmap tree under the page's index in the BO, until it is
 * gone: unmap_mapping_pages() on it reaches them all.
 */

#define MOVGEM_FS_MAGIC	0x6d6f7667	/* "movg" */

static struct vfsmount *movgem_mnt;
static int movgem_mnt_count;

/*
 * An insertion in the page cache that fails for want of memory leaves what it
 * had allocated of the tree. With no folio in it there is nothing else to free.
 */
static void movgem_evict_inode(struct inode *inode)
{
	truncate_inode_pages_final(&inode->i_data);
	xa_destroy(&inode->i_data.i_pages);
	clear_inode(inode);
}

static const struct super_operations movgem_super_ops = {
	.statfs = simple_statfs,
	.evict_inode = movgem_evict_inode,
};

static int movgem_init_fs_context(struct fs_context *fc)
{
	struct pseudo_fs_context *ctx = init_pseudo(fc, MOVGEM_FS_MAGIC);

	if (!ctx)
		return -ENOMEM;
	ctx->ops = &movgem_super_ops;
	return 0;
}

static struct file_system_type movgem_fs_type = {
	.name = "movgem",
	.owner = THIS_MODULE,
	.init_fs_context = movgem_init_fs_context,
	.kill_sb = kill_anon_super,
};

static const struct file_operations movgem_file_fops = {
	.owner = THIS_MODULE,
};

static int movgem_permission(struct mnt_idmap *idmap, struct inode *inode,
			     int mask)
{
	return -EPERM;
}

static const struct inode_operations movgem_inode_ops = {
	.permission = movgem_permission,
};

/*
 * /proc/pid/map_files leads to that of a BO. Nobody is to change it, and nobody
 * to open or watch it: a watch holds it, and whoever closes the last BO would
 * wait for that, as the file system cannot go before.
 */
static struct inode *movgem_new_inode(void)
{
	struct inode *inode = alloc_anon_inode(movgem_mnt->mnt_sb);

	if (IS_ERR(inode))
		return inode;
	inode->i_op = &movgem_inode_ops;
	inode->i_flags |= S_IMMUTABLE | S_NOCMTIME;
	return inode;
}

/**
 * movgem_mmap_pin - hold the pseudo file system, and so the module
 *
 * By each BO, and by each open file, since a process with one BO at a time
 * would have it mounted for each of them.
 *
 * Not done at the BO's first mapping: mounting does not go with mmap_lock.
 * Undone by movgem_mmap_unpin().
 *
 * Return: 0 or a negative errno.
 */
int movgem_mmap_pin(void)
{
	return simple_pin_fs(&movgem_fs_type, &movgem_mnt, &movgem_mnt_count);
}

/**
 * movgem_mmap_unpin - undo movgem_mmap_pin()
 */
void movgem_mmap_unpin(void)
{
	simple_release_fs(&movgem_mnt, &movgem_mnt_count);
}

/**
 * movgem_inode_alloc - an inode for pages that nobody maps
 *
 * Return: the inode, to be freed by movgem_inode_free(), or an ERR_PTR().
 */
struct inode *movgem_inode_alloc(void)
{
	struct inode *inode;
	int ret;

	ret = movgem_mmap_pin();
	if (ret)
		return ERR_PTR(ret);
	inode = movgem_new_inode();
	if (IS_ERR(inode))
		movgem_mmap_unpin();
	return inode;
}

/**
 * movgem_inode_free - undo movgem_inode_alloc()
 * @inode: the inode, without pages
 */
void movgem_inode_free(struct inode *inode)
{
	iput(inode);
	movgem_mmap_unpin();
}

/**
 * movgem_bo_ensure_inode - give a BO its inode
 * @bo: the BO, which has pinned the file system
 *
 * Return: 0 or -ENOMEM.
 */
int movgem_bo_ensure_inode(struct movgem_bo *bo)
{
	struct inode *inode;

	if (READ_ONCE(bo->inode))
		return 0;

	inode = movgem_new_inode();
	if (IS_ERR(inode))
		return PTR_ERR(inode);
	i_size_write(inode, bo->base.size);
	if (cmpxchg(&bo->inode, NULL, inode))
		iput(inode);
	return 0;
}

/* A file holds the module, not the BO: it may live a little longer. */
static struct file *make_file(struct movgem_bo *bo)
{
	struct file *file;

	/* The file's own references, which fput() drops. */
	__module_get(THIS_MODULE);
	ihold(bo->inode);

	file = alloc_file_pseudo(bo->inode, movgem_mnt, "movgem-bo", O_RDWR,
				 &movgem_file_fops);
	if (IS_ERR(file)) {
		iput(bo->inode);
		module_put(THIS_MODULE);
	}
	return file;
}

/* Give the BO its file at its first mapping: many are never mapped. */
static int ensure_file(struct movgem_bo *bo)
{
	struct file *file;
	int ret;

	if (READ_ONCE(bo->file))
		return 0;

	ret = movgem_bo_ensure_inode(bo);
	if (ret)
		return ret;
	file = make_file(bo);
	if (IS_ERR(file))
		return PTR_ERR(file);
	if (cmpxchg(&bo->file, NULL, file))
		fput(file);
	return 0;
}

/* The mapping of a BO, or NULL where no CPU mapping can exist. */
static struct address_space *mapped_mapping(struct movgem_bo *bo)
{
	struct file *file = READ_ONCE(bo->file);

	return file && mapping_mapped(file->f_mapping) ? file->f_mapping : NULL;
}

/**
 * movgem_mmap_contended - whether zapping would have to wait
 * @bo: the BO
 *
 * A fork() or munmap() that changes the mappings of the BO just now holds a
 * lock that movgem_mmap_zap() would sleep for.
 *
 * Return: true if so.
 */
bool movgem_mmap_contended(struct movgem_bo *bo)
{
	struct address_space *mapping = mapped_mapping(bo);

	if (!mapping)
		return false;
	if (!i_mmap_trylock_read(mapping))
		return true;
	i_mmap_unlock_read(mapping);
	return false;
}

/**
 * movgem_mmap_zap - take pages out of all CPU mappings
 * @bo: the BO
 * @index: first page
 * @count: number of pages, 0 for all that follow
 *
 * A mapping that is made meanwhile has no entries yet; what keeps it from
 * getting some is the state of the pages.
 *
 * Context: may sleep for a short time.
 *
 * Return: false if there was no mapping.
 */
bool movgem_mmap_zap(struct movgem_bo *bo, u32 index, u32 count)
{
	struct address_space *mapping = mapped_mapping(bo);

	if (!mapping)
		return false;
	unmap_mapping_pages(mapping, index, count, false);
	movgem_stat_inc(movgem_bo_device(bo), cpu_unmap);
	return true;
}

/**
 * movgem_mmap_check_shared - refuse a private writable mapping
 * @bo: the BO
 * @vma: the mapping
 *
 * What is written to one would be a copy that nobody else sees.
 *
 * Return: 0 or -EINVAL.
 */
int movgem_mmap_check_shared(struct movgem_bo *bo, struct vm_area_struct *vma)
{
	if (!(vma->vm_flags & VM_SHARED) && (vma->vm_flags & VM_MAYWRITE))
		return movgem_invalid(bo->base.dev, "mmap: not MAP_SHARED");
	return 0;
}

/**
 * movgem_bo_mmap - map a BO
 * @obj: the BO
 * @vma: the mapping; its vm_pgoff has the BO's fake offset
 *
 * Return: 0 or a negative errno.
 */
int movgem_bo_mmap(struct drm_gem_object *obj, struct vm_area_struct *vma)
{
	struct movgem_bo *bo = to_movgem_bo(obj);
	unsigned long pgoff = vma->vm_pgoff - drm_vma_node_start(&obj->vma_node);
	int ret;

	if (bo->flags & DRM_MOVGEM_BO_NO_MMAP)
		return movgem_invalid(obj->dev, "mmap: BO has NO_MMAP");
	if (obj->import_attach)
		return movgem_invalid(obj->dev, "mmap: imported BO");
	if (pgoff + vma_pages(vma) < pgoff ||
	    pgoff + vma_pages(vma) > movgem_bo_count(bo))
		return movgem_invalid(obj->dev, "mmap: beyond the BO's end");

	ret = ensure_file(bo);
	if (ret)
		return ret;
	ret = movgem_bo_device(bo)->store->prepare_vma(bo, vma);
	if (ret)
		return ret;

	vma_set_file(vma, bo->file);
	vma->vm_pgoff = pgoff;
	atomic_inc(&bo->cpu_maps);
	return 0;
}

/**
 * movgem_vma_open - open operation of CPU mappings
 * @vma: the mapping
 */
void movgem_vma_open(struct vm_area_struct *vma)
{
	atomic_inc(&to_movgem_bo(vma->vm_private_data)->cpu_maps);
	drm_gem_vm_open(vma);
}

/**
 * movgem_vma_close - close operation of CPU mappings
 * @vma: the mapping
 */
void movgem_vma_close(struct vm_area_struct *vma)
{
	atomic_dec(&to_movgem_bo(vma->vm_private_data)->cpu_maps);
	drm_gem_vm_close(vma);
}
