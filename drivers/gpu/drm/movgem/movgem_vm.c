// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

#include <linux/idr.h>
#include <linux/module.h>
#include <linux/slab.h>

#include <drm/drm_drv.h>
#include <drm/drm_file.h>

#include "movgem_bind.h"
#include "movgem_bo.h"
#include "movgem_compat.h"
#include "movgem_drv.h"
#include "movgem_store.h"
#include "movgem_vm.h"

/**
 * DOC: VMs
 *
 * A VM goes down in two stages, because its mappings hold references of it
 * (by &struct drm_gpuvm_bo): when the last user is gone everything is
 * unmapped, and when the last reference is gone the VM is taken apart. Both
 * happen on a workqueue, as the last user may be a job that the scheduler of
 * the VM itself frees.
 *
 * Its memory stays until the last fence of a bind job is gone, since the
 * fences of drm_sched point to their scheduler. It holds the module, which has
 * the text of the fences' operations.
 */

#define VMS_PER_FILE	1024

static DEFINE_IDA(movgem_asids);

static void vm_shell_free(struct kref *kref)
{
	struct movgem_vm *vm = container_of(kref, struct movgem_vm, shell);

	kfree_rcu(vm, rcu);
	module_put(THIS_MODULE);
}

/**
 * movgem_vm_shell_put - drop a reference on the memory of a VM
 * @vm: the VM
 *
 * Context: any, under rcu_read_lock(): the module may go a grace period later.
 */
void movgem_vm_shell_put(struct movgem_vm *vm)
{
	kref_put(&vm->shell, vm_shell_free);
}

static void vm_destroy_work(struct work_struct *work)
{
	struct movgem_vm *vm = container_of(work, struct movgem_vm,
					    destroy_work);
	LIST_HEAD(done);

	movgem_vma_unmap_all(vm, &done);
	movgem_vma_free_list(&done);
	drm_gpuvm_put(&vm->base);
}

static void vm_free_work(struct work_struct *work)
{
	struct movgem_vm *vm = container_of(work, struct movgem_vm, free_work);
	struct drm_device *drm = vm->base.drm;

	drm_sched_entity_destroy(&vm->entity);
	/* Its works queue each other; stop both before they are cancelled. */
	drm_sched_wqueue_stop(&vm->sched);
	drm_sched_fini(&vm->sched);
	/* Nothing is mapped and flushed: no engine walks the tables. */
	movgem_pt_fini(&vm->pt);
	ida_free(&movgem_asids, vm->asid);
	mutex_destroy(&vm->op_lock);
	mutex_destroy(&vm->pt_lock);
	mutex_destroy(&vm->push_lock);
	drm_dev_put(drm);

	/* The callers of a module's last shell_put() are readers. */
	rcu_read_lock();
	movgem_vm_shell_put(vm);
	rcu_read_unlock();
}

/**
 * movgem_vm_free - drm_gpuvm's last reference is gone
 * @gpuvm: the VM
 */
void movgem_vm_free(struct drm_gpuvm *gpuvm)
{
	struct movgem_vm *vm = to_movgem_vm(gpuvm);

	/* drm_gpuvm drops its reference of the device after this. */
	drm_dev_get(gpuvm->drm);
	queue_work(movgem_wq, &vm->free_work);
}

static void vm_release(struct kref *kref)
{
	struct movgem_vm *vm = container_of(kref, struct movgem_vm, users);

	queue_work(movgem_wq, &vm->destroy_work);
}

/**
 * movgem_vm_put - a user of a VM is gone
 * @vm: the VM, or NULL
 *
 * Context: any in which a work can be queued.
 */
void movgem_vm_put(struct movgem_vm *vm)
{
	if (vm)
		kref_put(&vm->users, vm_release);
}

/**
 * movgem_vm_lookup - VM by id
 * @mfile: the file
 * @id: the id
 *
 * Return: the VM with a user's reference, or NULL.
 */
struct movgem_vm *movgem_vm_lookup(struct movgem_file *mfile, u32 id)
{
	struct movgem_vm *vm;

	xa_lock(&mfile->vms);
	vm = xa_load(&mfile->vms, id);
	if (vm)
		movgem_vm_get(vm);
	xa_unlock(&mfile->vms);
	return vm;
}

/**
 * movgem_vm_create - create an empty VM
 * @mdev: the device
 *
 * Undo with movgem_vm_kill().
 *
 * Return: the VM or an ERR_PTR().
 */
struct movgem_vm *movgem_vm_create(struct movgem_device *mdev)
{
	struct drm_gem_object *root;
	struct movgem_vm *vm;
	int asid, ret;

	vm = kzalloc(sizeof(*vm), GFP_KERNEL_ACCOUNT);
	if (!vm)
		return ERR_PTR(-ENOMEM);

	kref_init(&vm->users);
	kref_init(&vm->shell);
	spin_lock_init(&vm->fence_lock);
	mutex_init(&vm->op_lock);
	mutex_init(&vm->pt_lock);
	mutex_init(&vm->push_lock);
	INIT_WORK(&vm->destroy_work, vm_destroy_work);
	INIT_WORK(&vm->free_work, vm_free_work);

	asid = ida_alloc_min(&movgem_asids, 1, GFP_KERNEL);
	if (asid < 0) {
		ret = asid;
		goto err_free;
	}
	vm->asid = asid;

	ret = movgem_pt_init(&vm->pt, mdev);
	if (ret)
		goto err_asid;
	ret = movgem_sched_init(&vm->sched, &movgem_bind_sched_ops,
				mdev->sched_wq, NULL, 1, MAX_SCHEDULE_TIMEOUT,
				"movgem-bind", mdev->drm.dev);
	if (ret)
		goto err_pt;
	ret = movgem_sched_entity_init(&vm->entity, &vm->sched);
	if (ret)
		goto err_sched;

	root = drm_gpuvm_resv_object_alloc(&mdev->drm);
	if (!root) {
		ret = -ENOMEM;
		goto err_entity;
	}
	/* From here on the VM is freed by its reference count. */
	__module_get(THIS_MODULE);
	drm_gpuvm_init(&vm->base, "movgem", MOVGEM_GPUVM_FLAGS, &mdev->drm,
		       root, 0, MOVGEM_VA_END, 0, MOVGEM_VA_START,
		       &movgem_gpuvm_ops);
	drm_gem_object_put(root);
	return vm;

err_entity:
	drm_sched_entity_fini(&vm->entity);
err_sched:
	drm_sched_fini(&vm->sched);
err_pt:
	movgem_pt_fini(&vm->pt);
err_asid:
	ida_free(&movgem_asids, vm->asid);
err_free:
	kfree(vm);
	return ERR_PTR(ret);
}

/**
 * movgem_vm_kill - the creator of a VM, or its id, is gone
 * @vm: the VM
 *
 * Binds that are queued are still applied: jobs may wait for them.
 */
void movgem_vm_kill(struct movgem_vm *vm)
{
	mutex_lock(&vm->push_lock);
	vm->dead = true;
	mutex_unlock(&vm->push_lock);
	movgem_vm_put(vm);
}

/**
 * movgem_vm_exit - the module goes, and no VM is left
 */
void movgem_vm_exit(void)
{
	/* An allocation that fails leaves nodes behind. */
	ida_destroy(&movgem_asids);
}

/* DRM_IOCTL_MOVGEM_VM_CREATE */
int movgem_vm_create_ioctl(struct drm_device *drm, void *data,
			   struct drm_file *file)
{
	struct movgem_file *mfile = file->driver_priv;
	struct drm_movgem_vm_create *args = data;
	struct movgem_vm *vm;
	u32 id;
	int ret;

	if (args->flags)
		return movgem_invalid(drm, "vm_create.flags: not zero");

	vm = movgem_vm_create(to_movgem_device(drm));
	if (IS_ERR(vm))
		return PTR_ERR(vm);

	ret = xa_alloc(&mfile->vms, &id, vm, XA_LIMIT(1, VMS_PER_FILE),
		       GFP_KERNEL_ACCOUNT);
	if (ret) {
		movgem_vm_kill(vm);
		return ret == -EBUSY ? movgem_reject(drm, -ENOSPC,
						     "vm_create: too many VMs")
				     : ret;
	}
	args->vm_id = id;
	return 0;
}

/* DRM_IOCTL_MOVGEM_VM_DESTROY */
int movgem_vm_destroy_ioctl(struct drm_device *drm, void *data,
			    struct drm_file *file)
{
	struct movgem_file *mfile = file->driver_priv;
	struct drm_movgem_vm_destroy *args = data;
	struct movgem_vm *vm;

	if (args->pad)
		return movgem_invalid(drm, "vm_destroy.pad: not zero");

	vm = xa_erase(&mfile->vms, args->vm_id);
	if (!vm)
		return movgem_reject(drm, -ENOENT, "vm_destroy.vm_id: no VM %u",
				     args->vm_id);
	movgem_vm_kill(vm);
	return 0;
}

/**
 * movgem_vm_close_all - destroy the VMs of a file that is being closed
 * @mfile: the file
 */
void movgem_vm_close_all(struct movgem_file *mfile)
{
	struct movgem_vm *vm;
	unsigned long id;

	xa_for_each(&mfile->vms, id, vm)
		movgem_vm_kill(vm);
	xa_destroy(&mfile->vms);
}
