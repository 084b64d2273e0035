// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

/**
 * DOC: Queues
 *
 * QUEUE_DESTROY and the close of the file take the id away, mark the queue dead
 * and cancel what the engine has of it; this waits for the engine only. Jobs
 * that still wait for other people's fences stay in the scheduler, because a
 * fence must not signal before those that it waits for. When their turn comes
 * they end with -ECANCELED without being run. Each job holds the queue; with
 * the last reference, which may be dropped in the scheduler's own work, a work
 * item tears down the scheduler, the engine's state and the reference on the
 * VM, all of which may sleep.
 *
 * The memory lives on until the last fence of the queue is gone. The scheduler
 * leaves that to its drivers: struct drm_sched_fence has a pointer to the
 * scheduler, which is followed for the fence's name in SYNC_IOC_FILE_INFO,
 * debugfs and traces for as long as anybody has the fence. It also holds the
 * hardware fence until it is freed itself, and the hardware fence holds the
 * queue's memory (&movgem_queue.shell). The memory holds the module, whose text
 * has the fence ops: rmmod fails while a fence is alive.
 */

#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/drm_managed.h>
#include <drm/drm_print.h>

#include "movgem_compat.h"
#include "movgem_device.h"
#include "movgem_drv.h"
#include "movgem_engine.h"
#include "movgem_queue.h"
#include "movgem_vm.h"

/* Jobs of one queue that the engine is given at a time. */
#define MOVGEM_QUEUE_CREDITS	4

/* How long closing a file waits for its queues, so that rmmod follows it. */
#define MOVGEM_CLOSE_WAIT_MS	500

#define MOVGEM_JOB_TIMEOUT_MIN	10
#define MOVGEM_JOB_TIMEOUT_MAX	(3600 * 1000)

unsigned int movgem_job_timeout_ms = 5000;

static int movgem_job_timeout_set(const char *val,
				  const struct kernel_param *kp)
{
	return param_set_uint_minmax(val, kp, MOVGEM_JOB_TIMEOUT_MIN,
				     MOVGEM_JOB_TIMEOUT_MAX);
}

static const struct kernel_param_ops movgem_job_timeout_ops = {
	.set = movgem_job_timeout_set,
	.get = param_get_uint,
};

module_param_cb(job_timeout_ms, &movgem_job_timeout_ops,
		&movgem_job_timeout_ms, 0644);
__MODULE_PARM_TYPE(job_timeout_ms, "uint");
MODULE_PARM_DESC(job_timeout_ms,
		 "Milliseconds after which a job that runs is reset, 10 to 3600000, for queues created from then on (default 5000)");

/**
 * movgem_usage_create - account of a newly opened file
 *
 * Return: the account with one reference, or NULL.
 */
struct movgem_usage *movgem_usage_create(void)
{
	struct movgem_usage *usage;

	usage = kzalloc(sizeof(*usage), GFP_KERNEL);
	if (!usage)
		return NULL;

	kref_init(&usage->kref);
	init_waitqueue_head(&usage->idle);

	return usage;
}

static void movgem_usage_free(struct kref *kref)
{
	kfree(container_of(kref, struct movgem_usage, kref));
}

/**
 * movgem_usage_put - drop a reference
 * @usage: the account, or NULL
 */
void movgem_usage_put(struct movgem_usage *usage)
{
	if (usage)
		kref_put(&usage->kref, movgem_usage_free);
}

static void movgem_destroy_wq(struct drm_device *drm, void *wq)
{
	destroy_workqueue(wq);
}

/* An insertion that fails leaves nodes in the array. */
static void movgem_destroy_queues(struct drm_device *drm, void *priv)
{
	struct movgem_device *mdev = priv;

	xa_destroy(&mdev->queues);
}

/**
 * movgem_queue_init_device - set up what the queues of a device share
 * @mdev: the device, not registered yet
 *
 * One pair of workqueues instead of one for each queue, which would cost a
 * rescuer thread each. Destroyed with the device.
 *
 * Return: zero or -ENOMEM.
 */
int movgem_queue_init_device(struct movgem_device *mdev)
{
	struct workqueue_struct *wq;
	int ret;

	/* Fences signal from here, and reclaim may wait for fences. */
	wq = alloc_workqueue("movgem-sched", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	if (!wq)
		return -ENOMEM;

	ret = drmm_add_action_or_reset(&mdev->drm, movgem_destroy_wq, wq);
	if (ret)
		return ret;
	mdev->sched_wq = wq;

	/* Of its own: a handler waits for works of the other. */
	wq = alloc_workqueue("movgem-timeout", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	if (!wq)
		return -ENOMEM;

	ret = drmm_add_action_or_reset(&mdev->drm, movgem_destroy_wq, wq);
	if (ret)
		return ret;
	mdev->timeout_wq = wq;

	/* Empty when the device goes: a queue holds the device. */
	xa_init(&mdev->queues);
	return drmm_add_action_or_reset(&mdev->drm, movgem_destroy_queues, mdev);
}

/* The context of the fences that others see, see struct drm_sched_entity. */
static unsigned long movgem_queue_context(struct movgem_queue *queue)
{
	return queue->entity.fence_context + 1;
}

/**
 * movgem_queue_has_fence - whether a fence is that of a job of the device
 * @mdev: the device
 * @fence: the fence
 *
 * Context: any. A job that has not ended has its queue, so the answer holds for
 * fences that have not signalled.
 *
 * Return: true if so.
 */
bool movgem_queue_has_fence(struct movgem_device *mdev,
			    struct dma_fence *fence)
{
	return xa_load(&mdev->queues, fence->context);
}

static void movgem_queue_shell_free(struct kref *kref)
{
	struct movgem_queue *queue = container_of(kref, struct movgem_queue,
						  shell);

	kfree_rcu(queue, rcu);

	/*
	 * The module can be removed from here on. Its text stays until a grace
	 * period has passed, and the callers are readers.
	 */
	module_put(THIS_MODULE);
}

/**
 * movgem_queue_shell_put - drop a reference on the memory of a queue
 * @queue: the queue
 *
 * Context: any, also with interrupts off; where the caller's own text could go
 * away with the module, under rcu_read_lock().
 */
void movgem_queue_shell_put(struct movgem_queue *queue)
{
	kref_put(&queue->shell, movgem_queue_shell_free);
}

static void movgem_queue_fini_work(struct work_struct *work)
{
	struct movgem_queue *queue = container_of(work, struct movgem_queue,
						  fini_work);
	struct movgem_device *mdev = queue->mdev;
	struct movgem_usage *usage = queue->usage;

	xa_erase(&mdev->queues, movgem_queue_context(queue));

	/* No job is left, so this finds nothing to kill or to wait for. */
	drm_sched_entity_destroy(&queue->entity);

	/*
	 * The work in which the last job was freed may still queue the other
	 * one after that one was cancelled. With a workqueue of its own
	 * drm_sched_fini() would get away with it; make it find both idle.
	 */
	drm_sched_wqueue_stop(&queue->sched);
	drm_sched_fini(&queue->sched);

	mdev->engine->queue_fini(queue);
	movgem_vm_put(queue->vm);
	mutex_destroy(&queue->run_lock);
	drm_dev_put(&mdev->drm);

	rcu_read_lock();
	if (atomic_dec_and_test(&usage->queues))
		wake_up_all(&usage->idle);
	movgem_usage_put(usage);
	movgem_queue_shell_put(queue);
	rcu_read_unlock();
}

static void movgem_queue_release(struct kref *kref)
{
	struct movgem_queue *queue = container_of(kref, struct movgem_queue,
						  kref);

	/*
	 * The module's workqueue, not one of the device: the last reference on
	 * the device, which destroys those, may be ours.
	 */
	queue_work(movgem_wq, &queue->fini_work);
}

/**
 * movgem_queue_put - drop a reference
 * @queue: the queue, or NULL
 *
 * Context: any.
 */
void movgem_queue_put(struct movgem_queue *queue)
{
	if (queue)
		kref_put(&queue->kref, movgem_queue_release);
}

/**
 * movgem_queue_lookup - find a queue by its id
 * @mfile: the file
 * @id: the id
 *
 * Return: the queue with a reference, or NULL.
 */
struct movgem_queue *movgem_queue_lookup(struct movgem_file *mfile, u32 id)
{
	struct movgem_queue *queue;

	xa_lock(&mfile->queues);
	queue = xa_load(&mfile->queues, id);
	if (queue)
		kref_get(&queue->kref);
	xa_unlock(&mfile->queues);

	return queue;
}

/* Consumes the reference on @vm also when it fails. */
static struct movgem_queue *movgem_queue_create(struct movgem_file *mfile,
						struct movgem_vm *vm,
						u32 priority)
{
	struct movgem_device *mdev = mfile->mdev;
	struct movgem_queue *queue;
	int ret;

	queue = kzalloc(sizeof(*queue), GFP_KERNEL_ACCOUNT);
	if (!queue) {
		ret = -ENOMEM;
		goto err_vm;
	}

	kref_init(&queue->kref);
	kref_init(&queue->shell);
	INIT_WORK(&queue->fini_work, movgem_queue_fini_work);
	mutex_init(&queue->run_lock);
	spin_lock_init(&queue->lock);
	INIT_LIST_HEAD(&queue->started);
	queue->mdev = mdev;
	queue->vm = vm;
	queue->usage = mfile->usage;
	queue->priority = priority;
	queue->fence_context = dma_fence_context_alloc(1);

	ret = mdev->engine->queue_init(queue);
	if (ret)
		goto err_free;

	ret = movgem_sched_init(&queue->sched, &movgem_job_sched_ops,
				mdev->sched_wq, mdev->timeout_wq,
				MOVGEM_QUEUE_CREDITS,
				msecs_to_jiffies(READ_ONCE(movgem_job_timeout_ms)),
				"movgem-queue", mdev->drm.dev);
	if (ret)
		goto err_engine;

	ret = movgem_sched_entity_init(&queue->entity, &queue->sched);
	if (ret)
		goto err_sched;

	ret = xa_err(xa_store(&mdev->queues, movgem_queue_context(queue), queue,
			      GFP_KERNEL));
	if (ret)
		goto err_entity;

	/* From here on movgem_queue_put() undoes it all. */
	kref_get(&queue->usage->kref);
	atomic_inc(&queue->usage->queues);
	drm_dev_get(&mdev->drm);
	__module_get(THIS_MODULE);

	return queue;

err_entity:
	drm_sched_entity_fini(&queue->entity);
err_sched:
	drm_sched_fini(&queue->sched);
err_engine:
	mdev->engine->queue_fini(queue);
err_free:
	mutex_destroy(&queue->run_lock);
	kfree(queue);
err_vm:
	movgem_vm_put(vm);
	return ERR_PTR(ret);
}

/**
 * movgem_queue_create_ioctl - DRM_IOCTL_MOVGEM_QUEUE_CREATE
 * @drm: DRM device
 * @data: &struct drm_movgem_queue_create
 * @file: DRM file
 *
 * Return: zero or a negative errno.
 */
int movgem_queue_create_ioctl(struct drm_device *drm, void *data,
			      struct drm_file *file)
{
	struct drm_movgem_queue_create *args = data;
	struct movgem_file *mfile = file->driver_priv;
	struct movgem_queue *queue;
	struct movgem_vm *vm;
	u32 id;
	int ret;

	if (args->flags)
		return movgem_invalid(drm, "queue_create.flags: unknown bits in %#x",
				      args->flags);

	if (args->priority > DRM_MOVGEM_QUEUE_PRIORITY_LOW)
		return movgem_invalid(drm, "queue_create.priority: %u is unknown",
				      args->priority);

	if (args->pad)
		return movgem_invalid(drm, "queue_create.pad: not zero");

	vm = movgem_vm_lookup(mfile, args->vm_id);
	if (!vm)
		return movgem_reject(drm, -ENOENT, "queue_create.vm_id: no VM %u",
				     args->vm_id);

	queue = movgem_queue_create(mfile, vm, args->priority);
	if (IS_ERR(queue))
		return PTR_ERR(queue);

	/* Once it has an id, another thread may destroy it. */
	ret = xa_alloc(&mfile->queues, &id, queue,
		       XA_LIMIT(1, MOVGEM_QUEUES_MAX), GFP_KERNEL_ACCOUNT);
	if (ret) {
		movgem_queue_put(queue);
		if (ret == -EBUSY)
			return movgem_reject(drm, -ENOSPC, "queue_create: over %u queues",
					     MOVGEM_QUEUES_MAX);
		return ret;
	}

	args->queue_id = id;

	return 0;
}

/* Ends a queue that is dead, and drops the reference that the id held. */
static void movgem_queue_kill(struct movgem_queue *queue)
{
	movgem_queue_cancel(queue);
	movgem_queue_put(queue);
}

/* A queue that is not being torn down, from a context on; with a reference. */
static struct movgem_queue *movgem_queue_next(struct movgem_device *mdev,
					      unsigned long *context)
{
	struct movgem_queue *queue;

	xa_lock(&mdev->queues);
	queue = xa_find(&mdev->queues, context, ULONG_MAX, XA_PRESENT);
	while (queue && !kref_get_unless_zero(&queue->kref))
		queue = xa_find_after(&mdev->queues, context, ULONG_MAX,
				      XA_PRESENT);
	xa_unlock(&mdev->queues);

	return queue;
}

/**
 * movgem_queue_unplug - end all jobs of a device that has been unplugged
 * @mdev: the device, which takes no jobs any more
 *
 * In return the engine has no job. Jobs that wait for fences of others end when
 * those have signalled, as those of a queue that is destroyed.
 */
void movgem_queue_unplug(struct movgem_device *mdev)
{
	struct movgem_queue *queue;
	unsigned long context;

	/* Else a cancelled job could set one free that waits in another queue. */
	for (context = 0; (queue = movgem_queue_next(mdev, &context)); context++) {
		movgem_queue_mark_dead(queue);
		movgem_queue_put(queue);
	}

	for (context = 0; (queue = movgem_queue_next(mdev, &context)); context++) {
		movgem_queue_cancel(queue);
		movgem_queue_put(queue);
	}
}

/**
 * movgem_queue_suspend - have all jobs of a device rest
 * @mdev: the device, whose users are frozen
 *
 * In return the engine accesses nothing. The jobs stay with it, and their time
 * stands still: also that of a job which the scheduler hands out meanwhile, as
 * a fence of somebody else's has signalled.
 */
void movgem_queue_suspend(struct movgem_device *mdev)
{
	struct movgem_queue *queue;
	unsigned long context;

	WRITE_ONCE(mdev->asleep, true);
	mdev->engine->suspend(mdev);
	for (context = 0; (queue = movgem_queue_next(mdev, &context)); context++) {
		queue->time_left = drm_sched_suspend_timeout(&queue->sched);
		movgem_queue_put(queue);
	}
}

/**
 * movgem_queue_resume - undo movgem_queue_suspend()
 * @mdev: the device
 */
void movgem_queue_resume(struct movgem_device *mdev)
{
	struct movgem_queue *queue;
	unsigned long context;

	for (context = 0; (queue = movgem_queue_next(mdev, &context)); context++) {
		drm_sched_resume_timeout(&queue->sched, queue->time_left);
		movgem_queue_put(queue);
	}
	WRITE_ONCE(mdev->asleep, false);
	mdev->engine->resume(mdev);
}

/**
 * movgem_queue_destroy_ioctl - DRM_IOCTL_MOVGEM_QUEUE_DESTROY
 * @drm: DRM device
 * @data: &struct drm_movgem_queue_destroy
 * @file: DRM file
 *
 * Return: zero or a negative errno.
 */
int movgem_queue_destroy_ioctl(struct drm_device *drm, void *data,
			       struct drm_file *file)
{
	struct drm_movgem_queue_destroy *args = data;
	struct movgem_file *mfile = file->driver_priv;
	struct movgem_queue *queue;

	if (args->pad)
		return movgem_invalid(drm, "queue_destroy.pad: not zero");

	queue = xa_erase(&mfile->queues, args->queue_id);
	if (!queue)
		return movgem_reject(drm, -ENOENT, "queue_destroy.queue_id: no queue %u",
				     args->queue_id);

	movgem_queue_mark_dead(queue);
	movgem_queue_kill(queue);

	return 0;
}

/**
 * movgem_queue_state_ioctl - DRM_IOCTL_MOVGEM_QUEUE_STATE
 * @drm: DRM device
 * @data: &struct drm_movgem_queue_state
 * @file: DRM file
 *
 * The numbers belong together. A job whose fence has signalled is in them.
 *
 * Return: zero or a negative errno.
 */
int movgem_queue_state_ioctl(struct drm_device *drm, void *data,
			     struct drm_file *file)
{
	struct drm_movgem_queue_state *args = data;
	struct movgem_file *mfile = file->driver_priv;
	struct movgem_queue *queue;

	if (args->flags)
		return movgem_invalid(drm, "queue_state.flags: unknown bits in %#x",
				      args->flags);

	queue = movgem_queue_lookup(mfile, args->queue_id);
	if (!queue)
		return movgem_reject(drm, -ENOENT, "queue_state.queue_id: no queue %u",
				     args->queue_id);

	spin_lock_irq(&queue->lock);
	args->submitted = queue->submitted;
	args->completed = queue->completed;
	args->faulted = queue->faulted;
	args->fault = queue->fault;
	spin_unlock_irq(&queue->lock);

	movgem_queue_put(queue);

	return 0;
}

/**
 * movgem_queue_close_all - destroy all queues of a file
 * @mfile: the file, which nobody uses any more
 *
 * Waits a moment for the teardown, so that whoever closes the last file and
 * then removes the module does not find it busy. A queue whose jobs wait for
 * fences of others goes later.
 */
void movgem_queue_close_all(struct movgem_file *mfile)
{
	struct movgem_usage *usage = mfile->usage;
	struct movgem_queue *queue;
	unsigned long id;

	/* Else a cancelled job could set one free that waits in another queue. */
	xa_for_each(&mfile->queues, id, queue)
		movgem_queue_mark_dead(queue);

	xa_for_each(&mfile->queues, id, queue) {
		xa_erase(&mfile->queues, id);
		movgem_queue_kill(queue);
	}

	/* Nodes of insertions that have failed are still there. */
	xa_destroy(&mfile->queues);

	wait_event_timeout(usage->idle, !atomic_read(&usage->queues),
			   msecs_to_jiffies(MOVGEM_CLOSE_WAIT_MS));
}
