/* SPDX-License-Identifier: GPL-2.0 */
/* Copyright (C) 2026 movgem maintainers */
#ifndef _MOVGEM_QUEUE_H_
#define _MOVGEM_QUEUE_H_

#include <linux/dma-fence.h>
#include <linux/jiffies.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/sizes.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include <drm/gpu_scheduler.h>
#include <drm/movgem_drm.h>

struct drm_device;
struct drm_file;
struct movgem_device;
struct movgem_file;
struct movgem_vm;

/* Longest command stream of one job. */
#define MOVGEM_MAX_STREAM_SIZE	SZ_1M

/* Most queues that one file has ids for. */
#define MOVGEM_QUEUES_MAX	256

/**
 * struct movgem_usage - GPU time of one file, for fdinfo
 */
struct movgem_usage {
	/** @kref: references of the file and of its queues. */
	struct kref kref;

	/** @busy_ns: time that the file's jobs spent on a core. */
	atomic64_t busy_ns;

	/** @queues: queues that are not torn down yet. */
	atomic_t queues;

	/** @idle: woken when @queues becomes zero. */
	wait_queue_head_t idle;
};

/**
 * struct movgem_queue - executes the jobs of one user in order
 *
 * Two counts rule its life. @kref is held by the file's id and by each job;
 * with the last of them the queue is torn down. @shell keeps the memory and
 * the module: it is held until the teardown has ended and by each hardware
 * fence, because a fence's lock is @lock, and because the scheduler's fences,
 * which hold the hardware fence, look at @sched when somebody asks their name.
 */
struct movgem_queue {
	/** @kref: reference count of the queue that works. */
	struct kref kref;

	/** @shell: reference count of the memory. */
	struct kref shell;

	/** @rcu: frees the memory. */
	struct rcu_head rcu;

	/** @fini_work: tears the queue down. */
	struct work_struct fini_work;

	/** @mdev: the device. */
	struct movgem_device *mdev;

	/** @vm: VM that the jobs run in; a reference. */
	struct movgem_vm *vm;

	/** @usage: the file's usage; a reference. */
	struct movgem_usage *usage;

	/** @priority: DRM_MOVGEM_QUEUE_PRIORITY_*. */
	u32 priority;

	/** @sched: one scheduler per queue, so that a reset hits only it. */
	struct drm_gpu_scheduler sched;

	/** @entity: the only entity of @sched. */
	struct drm_sched_entity entity;

	/** @engine_priv: the engine's state of the queue. */
	void *engine_priv;

	/** @fence_context: context of the jobs' hardware fences. */
	u64 fence_context;

	/** @time_left: for the job that runs, while the machine sleeps. */
	unsigned long time_left;

	/**
	 * @run_lock: held while the engine is given a job and while it is made
	 * to cancel one. Fence signalling path: no allocation under it.
	 */
	struct mutex run_lock;

	/** @lock: protects what follows and the hardware fences. */
	spinlock_t lock;

	/** @started: &movgem_job.link of the jobs that the engine was given. */
	struct list_head started;

	/** @submitted: number of jobs submitted. */
	u64 submitted;

	/** @completed: number of jobs ended. */
	u64 completed;

	/** @faulted: number of jobs ended by a fault. */
	u64 faulted;

	/** @fault: record of the newest fault. */
	struct drm_movgem_fault fault;

	/**
	 * @dead: the queue was destroyed; what is left is cancelled. Set once,
	 * under @run_lock and @lock. An engine that sees it starts no job of
	 * the queue any more: each is about to be cancelled.
	 */
	bool dead;
};

/**
 * struct movgem_job - one command stream
 *
 * Freed by the scheduler after its fence has signalled; the engine does not
 * touch it after movgem_job_complete().
 */
struct movgem_job {
	/** @base: scheduler's part. */
	struct drm_sched_job base;

	/** @kref: reference count of the memory. */
	struct kref kref;

	/** @link: in &movgem_queue.started. */
	struct list_head link;

	/** @queue: the queue; a reference. */
	struct movgem_queue *queue;

	/**
	 * @done: hardware fence, signalled by movgem_job_complete(); a
	 * reference.
	 */
	struct dma_fence *done;

	/** @seqno: which job of the queue, from 1. */
	u64 seqno;

	/** @stream_addr: GPU address of the stream. */
	u64 stream_addr;

	/** @stream_size: size of the stream in bytes. */
	u32 stream_size;

	/** @core_seen: when a core last looked at the job, in jiffies, or 0. */
	unsigned long core_seen;

	/** @core_time: jiffies in which cores kept looking at the job. */
	unsigned long core_time;

	/** @extensions: how often the job got more time for want of a core. */
	unsigned int extensions;

	/** @engine: the engine's state of the job. */
	struct {
		/** @engine.link: in the engine's list of the queue. */
		struct list_head link;

		/** @engine.offset: next command, in bytes from the start. */
		u32 offset;

		/** @engine.done_bytes: progress inside that command. */
		u64 done_bytes;
	} engine;
};

/**
 * movgem_job_complete - the engine's report that a job has ended
 * @job: the job, not to be touched any more
 * @error: 0 or the negative errno for its fence
 * @fault: record of the fault, or NULL
 *
 * Context: any in which a spinlock can be taken.
 */
void movgem_job_complete(struct movgem_job *job, int error,
			 const struct drm_movgem_fault *fault);

/* Longest time between two looks at a job that counts as time with a core. */
#define MOVGEM_JOB_GAP		max(HZ / 20, 2)

/**
 * movgem_job_busy - account time that a job spent on a core
 * @job: the job
 * @ns: nanoseconds
 *
 * Context: one caller at a time, before movgem_job_complete().
 */
static inline void movgem_job_busy(struct movgem_job *job, u64 ns)
{
	unsigned long now = jiffies;

	if (job->core_seen)
		WRITE_ONCE(job->core_time, job->core_time +
			   min(now - job->core_seen,
			       (unsigned long)MOVGEM_JOB_GAP));
	job->core_seen = now;

	atomic64_add(ns, &job->queue->usage->busy_ns);
}

struct movgem_usage *movgem_usage_create(void);
void movgem_usage_put(struct movgem_usage *usage);

int movgem_queue_create_ioctl(struct drm_device *drm, void *data,
			      struct drm_file *file);
int movgem_queue_destroy_ioctl(struct drm_device *drm, void *data,
			       struct drm_file *file);
int movgem_queue_state_ioctl(struct drm_device *drm, void *data,
			     struct drm_file *file);
int movgem_submit_ioctl(struct drm_device *drm, void *data,
			struct drm_file *file);

/* Called at file close: destroy all of the file's queues. */
void movgem_queue_close_all(struct movgem_file *mfile);

/* Take a reference on a file's queue, or NULL. */
struct movgem_queue *movgem_queue_lookup(struct movgem_file *mfile, u32 id);
void movgem_queue_put(struct movgem_queue *queue);

/* Called by movgem_queue.c: the scheduler's and the fences' side, movgem_job.c. */
extern const struct drm_sched_backend_ops movgem_job_sched_ops;
void movgem_queue_mark_dead(struct movgem_queue *queue);
void movgem_queue_cancel(struct movgem_queue *queue);
void movgem_queue_shell_put(struct movgem_queue *queue);

/* What all queues share; called once per device, before any queue. */
int movgem_queue_init_device(struct movgem_device *mdev);

bool movgem_queue_has_fence(struct movgem_device *mdev,
			    struct dma_fence *fence);
void movgem_queue_unplug(struct movgem_device *mdev);
void movgem_queue_suspend(struct movgem_device *mdev);
void movgem_queue_resume(struct movgem_device *mdev);

extern unsigned int movgem_job_timeout_ms;

#endif
