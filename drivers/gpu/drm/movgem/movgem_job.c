// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

/**
 * DOC: Jobs
 *
 * A job has two fences. The hardware fence is signalled by the engine through
 * movgem_job_complete() and is seen by the scheduler only. The scheduler's
 * finished fence, which takes over the error of the hardware fence, is what
 * reservations and syncobjs have.
 *
 * A VM's reservations, held over arm and push, order the jobs of a queue.
 * &movgem_queue.run_lock is taken in the scheduler's works and around calls
 * into the engine that may sleep; &movgem_queue.lock is inner to it, is the
 * lock of the hardware fences, and so is held while the scheduler's callback
 * signals the finished fence.
 */

#include <linux/rcupdate.h>
#include <linux/slab.h>

#include <drm/drm_drv.h>
#include <drm/drm_exec.h>
#include <drm/drm_file.h>
#include <drm/drm_gpuvm.h>
#include <drm/drm_print.h>
#include <drm/gpu_scheduler.h>

#include "movgem_compat.h"
#include "movgem_device.h"
#include "movgem_engine.h"
#include "movgem_pm.h"
#include "movgem_queue.h"
#include "movgem_sync.h"
#include "movgem_vm.h"

/**
 * struct movgem_job_fence - hardware fence of a job
 */
struct movgem_job_fence {
	/** @base: the fence. */
	struct dma_fence base;

	/** @queue: memory of the queue; a reference on &movgem_queue.shell. */
	struct movgem_queue *queue;
};

static const char *movgem_job_fence_driver_name(struct dma_fence *fence)
{
	return "movgem";
}

static const char *movgem_job_fence_timeline_name(struct dma_fence *fence)
{
	return "movgem-queue";
}

static void movgem_job_fence_release(struct dma_fence *base)
{
	struct movgem_job_fence *fence =
		container_of(base, struct movgem_job_fence, base);
	struct movgem_queue *queue = fence->queue;

	rcu_read_lock();
	dma_fence_free(base);
	movgem_queue_shell_put(queue);
	rcu_read_unlock();
}

static const struct dma_fence_ops movgem_job_fence_ops = {
	.get_driver_name = movgem_job_fence_driver_name,
	.get_timeline_name = movgem_job_fence_timeline_name,
	.release = movgem_job_fence_release,
};

static inline struct movgem_job *to_movgem_job(struct drm_sched_job *base)
{
	return container_of(base, struct movgem_job, base);
}

static void movgem_job_release(struct kref *kref)
{
	struct movgem_job *job = container_of(kref, struct movgem_job, kref);

	dma_fence_put(job->done);
	movgem_queue_put(job->queue);
	kfree(job);
}

static void movgem_job_put(struct movgem_job *job)
{
	kref_put(&job->kref, movgem_job_release);
}

/* What ends the jobs of a dead queue. */
static int movgem_queue_error(struct movgem_queue *queue)
{
	return drm_dev_is_unplugged(&queue->mdev->drm) ? -ENODEV : -ECANCELED;
}

void movgem_job_complete(struct movgem_job *job, int error,
			 const struct drm_movgem_fault *fault)
{
	struct movgem_queue *queue = job->queue;
	struct movgem_device *mdev = queue->mdev;
	unsigned long flags;

	/*
	 * The scheduler's callback runs under the lock, and movgem_job_free()
	 * takes it: neither the job nor the queue can go before it is dropped.
	 */
	spin_lock_irqsave(&queue->lock, flags);

	if (WARN_ON_ONCE(test_bit(DMA_FENCE_FLAG_SIGNALED_BIT,
				  &job->done->flags)))
		goto out;

	/* A later job may have been started while an earlier was cancelled. */
	if (queue->dead && !error)
		error = movgem_queue_error(queue);

	switch (error) {
	case 0:
		movgem_stat_inc(mdev, jobs_done);
		break;
	case -ETIMEDOUT:
		movgem_stat_inc(mdev, jobs_timedout);
		break;
	case -ECANCELED:
	case -ENODEV:
		movgem_stat_inc(mdev, jobs_cancelled);
		break;
	default:
		movgem_stat_inc(mdev, jobs_faulted);
		break;
	}

	queue->completed++;
	if (fault && fault->type != DRM_MOVGEM_FAULT_NONE) {
		queue->faulted++;
		queue->fault = *fault;
		queue->fault.seqno = job->seqno;
	}

	if (error)
		dma_fence_set_error(job->done, error);
	dma_fence_signal_locked(job->done);

out:
	spin_unlock_irqrestore(&queue->lock, flags);
}

/* Oldest job that the engine has, with a reference, or NULL. */
static struct movgem_job *movgem_queue_running(struct movgem_queue *queue)
{
	struct movgem_job *job, *found = NULL;

	spin_lock_irq(&queue->lock);
	list_for_each_entry(job, &queue->started, link) {
		if (test_bit(DMA_FENCE_FLAG_SIGNALED_BIT, &job->done->flags))
			continue;

		kref_get(&job->kref);
		found = job;
		break;
	}
	spin_unlock_irq(&queue->lock);

	return found;
}

/**
 * movgem_queue_mark_dead - give the engine no job of a queue any more
 * @queue: the queue
 *
 * Context: process context.
 */
void movgem_queue_mark_dead(struct movgem_queue *queue)
{
	mutex_lock(&queue->run_lock);
	spin_lock_irq(&queue->lock);
	WRITE_ONCE(queue->dead, true);
	spin_unlock_irq(&queue->lock);
	mutex_unlock(&queue->run_lock);
}

/* Oldest first, so that fences signal in order. */
static void movgem_queue_cancel_locked(struct movgem_queue *queue)
{
	struct movgem_job *job;

	lockdep_assert_held(&queue->run_lock);

	while ((job = movgem_queue_running(queue))) {
		queue->mdev->engine->cancel(job, movgem_queue_error(queue),
					    DRM_MOVGEM_FAULT_NONE);
		movgem_job_put(job);
	}
}

/**
 * movgem_queue_cancel - end the jobs that the engine has of a dead queue
 * @queue: the queue, which movgem_queue_mark_dead() was called for
 *
 * In return the engine has no job of @queue.
 *
 * Context: process context.
 */
void movgem_queue_cancel(struct movgem_queue *queue)
{
	bool cookie;

	/* Who holds the lock keeps jobs from being run. */
	cookie = dma_fence_begin_signalling();
	mutex_lock(&queue->run_lock);
	movgem_queue_cancel_locked(queue);
	mutex_unlock(&queue->run_lock);
	dma_fence_end_signalling(cookie);
}

static struct dma_fence *movgem_job_run(struct drm_sched_job *sched_job)
{
	struct movgem_job *job = to_movgem_job(sched_job);
	struct movgem_queue *queue = job->queue;
	bool cookie = dma_fence_begin_signalling();

	/*
	 * Of a dead queue, too, the hardware fence is returned, not an error:
	 * the scheduler's fence is to hold it, see movgem_queue.c.
	 */
	mutex_lock(&queue->run_lock);
	if (queue->dead) {
		/*
		 * Who sees this fence signalled takes the jobs before for ended.
		 * The engine may have them still: another queue of the file was
		 * cancelled first, and this job had waited for one of its.
		 */
		movgem_queue_cancel_locked(queue);
		movgem_job_complete(job, movgem_queue_error(queue), NULL);
	} else {
		spin_lock_irq(&queue->lock);
		list_add_tail(&job->link, &queue->started);
		spin_unlock_irq(&queue->lock);

		queue->mdev->engine->run(job);
	}
	mutex_unlock(&queue->run_lock);
	dma_fence_end_signalling(cookie);

	/* Neither is freed before the scheduler has seen this fence signal. */
	return dma_fence_get(job->done);
}

/* How often a job gets more time because others had the cores. */
#define MOVGEM_JOB_EXTENSIONS	10

/*
 * The scheduler's time-out tells how long the engine has had the job. Where it
 * had to wait for a core, as all of low priority may, it has not run for that
 * long: give it more time. Not for ever, since a fence has to signal. While the
 * machine sleeps it has all the time.
 */
static bool movgem_job_starved(struct movgem_job *job)
{
	struct movgem_queue *queue = job->queue;

	if (READ_ONCE(queue->mdev->asleep))
		return true;
	if (!queue->mdev->engine->slices ||
	    READ_ONCE(job->core_time) >= queue->sched.timeout / 2)
		return false;

	return job->extensions++ < MOVGEM_JOB_EXTENSIONS;
}

static enum drm_gpu_sched_stat
movgem_job_timedout(struct drm_sched_job *sched_job)
{
	struct movgem_job *job = to_movgem_job(sched_job);
	struct movgem_queue *queue = job->queue;
	bool cookie;

	/* Starting the scheduler may free all jobs before it returns. */
	kref_get(&queue->kref);

	/* Waits for fences itself: of jobs that have ended. */
	drm_sched_stop(&queue->sched, sched_job);

	cookie = dma_fence_begin_signalling();
	mutex_lock(&queue->run_lock);
	if (!dma_fence_is_signaled(job->done) && !movgem_job_starved(job)) {
		drm_dbg(&queue->mdev->drm, "job %llu of a queue timed out\n",
			job->seqno);
		queue->mdev->engine->cancel(job, -ETIMEDOUT,
					    DRM_MOVGEM_FAULT_TIMEOUT);
	}
	mutex_unlock(&queue->run_lock);
	dma_fence_end_signalling(cookie);

	/*
	 * drm_sched_stop() took the hardware fences of all jobs that had not
	 * ended, as if the whole hardware had been reset, and would end those
	 * without one. The later jobs are still with the engine. The
	 * scheduler's works are stopped, so nobody else adds or removes jobs.
	 */
	list_for_each_entry(job, &queue->started, link) {
		if (!job->base.s_fence->parent)
			job->base.s_fence->parent = dma_fence_get(job->done);
	}

	movgem_sched_start(&queue->sched);
	movgem_queue_put(queue);

	return MOVGEM_SCHED_STAT_RESET;
}

static void movgem_job_free(struct drm_sched_job *sched_job)
{
	struct movgem_job *job = to_movgem_job(sched_job);
	struct movgem_queue *queue = job->queue;

	/* Also waits for the movgem_job_complete() that ended the job. */
	spin_lock_irq(&queue->lock);
	list_del_init(&job->link);
	spin_unlock_irq(&queue->lock);

	drm_sched_job_cleanup(sched_job);
	movgem_pm_put(queue->mdev);
	movgem_job_put(job);
}

const struct drm_sched_backend_ops movgem_job_sched_ops = {
	.run_job = movgem_job_run,
	.timedout_job = movgem_job_timedout,
	.free_job = movgem_job_free,
};

static int movgem_submit_check(struct drm_device *drm,
			       const struct drm_movgem_submit *args)
{
	if (args->flags)
		return movgem_invalid(drm, "submit.flags: unknown bits in %#x",
				      args->flags);

	if (args->pad)
		return movgem_invalid(drm, "submit.pad: not zero");

	if (!IS_ALIGNED(args->stream_addr, 8))
		return movgem_invalid(drm, "submit.stream_addr: %#llx is misaligned",
				      args->stream_addr);

	if (!args->stream_size || !IS_ALIGNED(args->stream_size, 8) ||
	    args->stream_size > MOVGEM_MAX_STREAM_SIZE)
		return movgem_invalid(drm, "submit.stream_size: %u is zero, misaligned or over %u",
				      args->stream_size,
				      MOVGEM_MAX_STREAM_SIZE);

	if (args->stream_addr < MOVGEM_VA_START ||
	    args->stream_addr > MOVGEM_VA_END - args->stream_size)
		return movgem_invalid(drm, "submit.stream_addr: %#llx + %#x is outside the VM",
				      args->stream_addr, args->stream_size);

	return 0;
}

/*
 * The point of no return: the job is armed, seen and pushed. The VM's
 * reservation, which every submission to the queue holds here, makes the
 * order the same for all of it.
 */
static void movgem_submit_push(struct movgem_job *job,
			       struct movgem_job_fence *fence,
			       struct drm_gpuvm_exec *exec,
			       struct movgem_syncs *syncs)
{
	struct movgem_queue *queue = job->queue;
	struct dma_fence *finished;

	spin_lock_irq(&queue->lock);
	job->seqno = ++queue->submitted;
	spin_unlock_irq(&queue->lock);

	kref_get(&queue->shell);
	fence->queue = queue;
	dma_fence_init(&fence->base, &movgem_job_fence_ops, &queue->lock,
		       queue->fence_context, job->seqno);
	job->done = &fence->base;

	drm_sched_job_arm(&job->base);
	finished = &job->base.s_fence->finished;

	drm_gpuvm_exec_resv_add_fence(exec, finished, DMA_RESV_USAGE_BOOKKEEP,
				      DMA_RESV_USAGE_BOOKKEEP);
	movgem_syncs_push(syncs, finished);
	drm_sched_entity_push_job(&job->base);
}

static int movgem_submit(struct drm_device *drm,
			 const struct drm_movgem_submit *args,
			 struct drm_file *file)
{
	struct movgem_file *mfile = file->driver_priv;
	struct drm_gpuvm_exec exec = {
		.flags = DRM_EXEC_INTERRUPTIBLE_WAIT |
			 DRM_EXEC_IGNORE_DUPLICATES,
		.num_fences = 1,
	};
	struct movgem_job_fence *fence;
	struct movgem_queue *queue;
	struct movgem_syncs syncs;
	struct movgem_job *job;
	int ret;

	ret = movgem_submit_check(drm, args);
	if (ret)
		return ret;

	queue = movgem_queue_lookup(mfile, args->queue_id);
	if (!queue)
		return movgem_reject(drm, -ENOENT, "submit.queue_id: no queue %u",
				     args->queue_id);

	ret = movgem_syncs_parse(file, "submit", args->syncs, args->sync_count,
				 &syncs);
	if (ret)
		goto err_queue;

	fence = kzalloc(sizeof(*fence), GFP_KERNEL_ACCOUNT);
	job = kzalloc(sizeof(*job), GFP_KERNEL_ACCOUNT);
	if (!fence || !job) {
		ret = -ENOMEM;
		goto err_free;
	}

	ret = movgem_sched_job_init(&job->base, &queue->entity, mfile,
				    file->client_id);
	if (ret)
		goto err_free;

	kref_init(&job->kref);
	INIT_LIST_HEAD(&job->link);
	INIT_LIST_HEAD(&job->engine.link);
	job->queue = queue;
	job->stream_addr = args->stream_addr;
	job->stream_size = args->stream_size;

	ret = movgem_syncs_add_deps(&syncs, &job->base);
	if (ret)
		goto err_job;

	/* The GPU stays on until movgem_job_free(). */
	ret = movgem_pm_get(queue->mdev);
	if (ret)
		goto err_job;

	exec.vm = &queue->vm->base;
	ret = drm_gpuvm_exec_lock(&exec);
	if (ret)
		goto err_pm;

	/* Imports that their exporters have moved. */
	ret = drm_gpuvm_exec_validate(&exec);
	if (ret)
		goto err_exec;

	/* The reference on the queue goes to the job, which may end at once. */
	movgem_submit_push(job, fence, &exec, &syncs);

	drm_gpuvm_exec_unlock(&exec);
	movgem_syncs_fini(&syncs);

	return 0;

err_exec:
	drm_gpuvm_exec_unlock(&exec);
err_pm:
	movgem_pm_put(queue->mdev);
err_job:
	drm_sched_job_cleanup(&job->base);
err_free:
	kfree(job);
	kfree(fence);
	movgem_syncs_fini(&syncs);
err_queue:
	movgem_queue_put(queue);
	return ret;
}

/**
 * movgem_submit_ioctl - DRM_IOCTL_MOVGEM_SUBMIT
 * @drm: DRM device
 * @data: &struct drm_movgem_submit
 * @file: DRM file
 *
 * Return: zero or a negative errno.
 */
int movgem_submit_ioctl(struct drm_device *drm, void *data,
			struct drm_file *file)
{
	int ret, idx;

	/* Whoever unplugs the device ends what has been submitted by then. */
	if (!drm_dev_enter(drm, &idx))
		return -ENODEV;
	ret = movgem_submit(drm, data, file);
	drm_dev_exit(idx);

	return ret;
}
