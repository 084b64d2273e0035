/* SPDX-License-Identifier: GPL-2.0 */
/* Copyright (C) 2026 movgem maintainers */
#ifndef _MOVGEM_VM_H_
#define _MOVGEM_VM_H_

#include <linux/kref.h>
#include <linux/mutex.h>
#include <linux/workqueue.h>

#include <drm/drm_gpuvm.h>
#include <drm/gpu_scheduler.h>

#include "movgem_pt.h"

struct drm_file;
struct movgem_bo;
struct movgem_device;
struct movgem_file;

/**
 * struct movgem_vma - one mapping of a BO in a VM
 */
struct movgem_vma {
	/** @base: VA allocator's part. */
	struct drm_gpuva base;

	/** @bo_node: in &movgem_bo.vmas while the page tables have it. */
	struct rb_node bo_node;

	/** @bo_subtree_last: last page of the BO below @bo_node. */
	u64 bo_subtree_last;

	/** @done_link: in the bind job that took it out of the VM. */
	struct list_head done_link;

	/** @hole: range that is being unmapped; by &movgem_bo.pages_lock. */
	struct {
		/** @hole.start: first address. */
		u64 start;

		/** @hole.end: first address behind. */
		u64 end;
	} hole;

	/** @cursor: where in the page tables; by &movgem_bo.pages_lock. */
	struct movgem_pt_cursor cursor;

	/** @readonly: GPU writes fault. */
	bool readonly;
};

/**
 * struct movgem_vm - a GPU address space
 *
 * Who uses the VM (the file's id, queues, jobs) counts in @users. The last one
 * has everything unmapped, after which the mappings' references of @base go
 * and the VM is freed.
 */
struct movgem_vm {
	/** @base: VA allocator and the shared dma_resv. */
	struct drm_gpuvm base;

	/** @users: reference count of users. */
	struct kref users;

	/** @shell: reference count of the memory, see movgem_vm.c. */
	struct kref shell;

	/** @rcu: frees the memory. */
	struct rcu_head rcu;

	/** @fence_lock: lock of the bind jobs' own fences. */
	spinlock_t fence_lock;

	/** @asid: tag of the VM's TLB entries, unique while it lives. */
	u32 asid;

	/** @pt: page tables. */
	struct movgem_pt pt;

	/**
	 * @op_lock: held while @base's tree changes or is read. Taken in the
	 * fence signalling path: no allocation under it.
	 */
	struct mutex op_lock;

	/** @pt_lock: serialises movgem_pt_reserve(). */
	struct mutex pt_lock;

	/** @push_lock: bind jobs are armed and pushed in the same order. */
	struct mutex push_lock;

	/** @dead: no bind job may be pushed; by @push_lock. */
	bool dead;

	/** @sched: runs bind jobs, one at a time. */
	struct drm_gpu_scheduler sched;

	/** @entity: the only entity of @sched. */
	struct drm_sched_entity entity;

	/** @destroy_work: takes the VM down after its last user. */
	struct work_struct destroy_work;

	/** @free_work: frees the VM after its last reference. */
	struct work_struct free_work;
};

static inline struct movgem_vm *to_movgem_vm(struct drm_gpuvm *gpuvm)
{
	return container_of(gpuvm, struct movgem_vm, base);
}

static inline struct movgem_vma *to_movgem_vma(struct drm_gpuva *va)
{
	return container_of(va, struct movgem_vma, base);
}

static inline struct movgem_vm *movgem_vm_get(struct movgem_vm *vm)
{
	kref_get(&vm->users);
	return vm;
}

struct movgem_vm *movgem_vm_create(struct movgem_device *mdev);
void movgem_vm_kill(struct movgem_vm *vm);
void movgem_vm_put(struct movgem_vm *vm);
void movgem_vm_shell_put(struct movgem_vm *vm);

/* Take a reference on a file's VM, or NULL. */
struct movgem_vm *movgem_vm_lookup(struct movgem_file *mfile, u32 id);

/* The page hooks of an engine with page tables, see movgem_engine.h. */
void movgem_vm_page_block(struct movgem_bo *bo, u32 index);
void movgem_vm_page_set(struct movgem_bo *bo, u32 index);
void movgem_vm_bo_update(struct movgem_bo *bo);

/* movgem_vma.c: mappings and page table entries */
struct movgem_bind_job;
int movgem_vma_apply(struct movgem_vm *vm, struct movgem_bind_job *job);
void movgem_vma_unmap_all(struct movgem_vm *vm, struct list_head *done);
void movgem_vma_free_list(struct list_head *list);
void movgem_vm_bo_put(struct drm_gpuvm_bo *vm_bo);
extern const struct drm_gpuvm_ops movgem_gpuvm_ops;
void movgem_vm_free(struct drm_gpuvm *gpuvm);

int movgem_vm_create_ioctl(struct drm_device *drm, void *data,
			   struct drm_file *file);
int movgem_vm_destroy_ioctl(struct drm_device *drm, void *data,
			    struct drm_file *file);
int movgem_vm_bind_ioctl(struct drm_device *drm, void *data,
			 struct drm_file *file);
void movgem_vm_close_all(struct movgem_file *mfile);
void movgem_vm_exit(void);

#endif
