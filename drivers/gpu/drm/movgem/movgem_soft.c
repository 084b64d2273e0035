// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

/**
 * DOC: Soft engine
 *
 * A GPU in software, with the habits of a real one: a few cores that run beside
 * the CPU, a ring of jobs per queue, page tables in memory, and in each core a
 * TLB that keeps what it has seen until it is told to forget it.
 *
 * Each core is a work item. It takes the first ready queue, executes it for a
 * slice of time (SOFT_SLICE_NS), and puts it back at the list's end, so a job
 * that never ends shares its core with all others. Queues of low priority have
 * a list of their own, which is looked at only while no normal queue is ready:
 * they run on cores that would be idle, and a normal queue waits for them one
 * slice at most.
 *
 * A queue whose semaphore has not got its value is parked. It is made ready
 * when any job executes a semaphore write, which is the common case and costs
 * no delay. The CPU and the other commands can write the word too, without the
 * engine noticing, so parked queues also look at it once a jiffy.
 *
 * While the machine sleeps the engine rests: no core takes a queue, so jobs stay
 * where they are between two slices.
 *
 * Locks: &soft_engine.lock for lists and states, &soft_core.lock for the TLB
 * and for memory (see "Soft engine: memory"). Both are spinlocks, never taken
 * in interrupts, never one inside the other. Jobs are ended without any lock.
 * A queue is worked on by its owner only, see &enum soft_queue_state.
 */

#include <linux/cpumask.h>
#include <linux/dma-fence.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "movgem_device.h"
#include "movgem_engine.h"
#include "movgem_queue.h"
#include "movgem_soft.h"
#include "movgem_vm.h"

/* A command stream is little endian, and a semaphore one word. */
static_assert(!IS_ENABLED(CONFIG_CPU_BIG_ENDIAN));
static_assert(sizeof(long) == sizeof(u64));

/**
 * movgem_soft_should_yield - count work, and ask whether to give the core up
 * @ctx: the slice
 * @cost: bytes touched, or as much time
 *
 * Return: true if the slice is over or somebody wants to cancel a job.
 */
bool movgem_soft_should_yield(struct soft_ctx *ctx, u64 cost)
{
	if (READ_ONCE(ctx->sq->cancels))
		return true;

	ctx->credit -= cost;
	if (ctx->credit > 0)
		return false;

	ctx->credit = SOFT_SLICE_CREDIT;
	return ktime_get_ns() >= ctx->slice_end;
}

/* Has one core more look for queues. */
static void soft_kick(struct soft_engine *se)
{
	unsigned int i;

	lockdep_assert_held(&se->lock);

	if (se->resting)
		return;

	for (i = 0; i < se->num_cores; i++) {
		if (!se->cores[i].active) {
			se->cores[i].active = true;
			queue_work(se->wq, &se->cores[i].work);
			return;
		}
	}
}

/*
 * Puts an idle queue on the ready list unless it has no job or is held. Of a
 * dead queue the jobs are cancelled one after the other: none starts between.
 */
static void soft_queue_ready(struct soft_queue *sq)
{
	struct soft_engine *se = sq->engine;
	struct movgem_job *job;

	lockdep_assert_held(&se->lock);

	job = list_first_entry_or_null(&sq->jobs, struct movgem_job,
				       engine.link);
	if (sq->state != SOFT_QUEUE_IDLE || sq->cancels || !job ||
	    READ_ONCE(job->queue->dead))
		return;

	sq->state = SOFT_QUEUE_READY;
	list_add_tail(&sq->link, &se->ready[sq->low]);
	soft_kick(se);
}

/* Takes a queue off the list that it is on. */
static void soft_queue_unlist(struct soft_queue *sq)
{
	lockdep_assert_held(&sq->engine->lock);

	if (sq->state == SOFT_QUEUE_READY || sq->state == SOFT_QUEUE_PARKED) {
		list_del_init(&sq->link);
		sq->state = SOFT_QUEUE_IDLE;
	}
}

/* Makes all parked queues look at their semaphores again. */
static void soft_unpark(struct soft_engine *se)
{
	struct soft_queue *sq, *next;

	lockdep_assert_held(&se->lock);

	list_for_each_entry_safe(sq, next, &se->parked, link) {
		soft_queue_unlist(sq);
		soft_queue_ready(sq);
	}
}

/**
 * movgem_soft_sem_written - a job has written a semaphore
 * @se: the engine
 */
void movgem_soft_sem_written(struct soft_engine *se)
{
	spin_lock(&se->lock);
	/* Who sees the number sees the semaphore: soft_exec_sem_wait(). */
	smp_store_release(&se->sem_seq, se->sem_seq + 1);
	soft_unpark(se);
	spin_unlock(&se->lock);
}

static void soft_poll_work(struct work_struct *work)
{
	struct soft_engine *se = container_of(to_delayed_work(work),
					      struct soft_engine, poll);

	spin_lock(&se->lock);
	soft_unpark(se);
	spin_unlock(&se->lock);
}

/* Takes the next queue to run, or lets the core go idle. */
static struct soft_queue *soft_core_next(struct soft_core *core)
{
	struct soft_engine *se = core->engine;
	struct soft_queue *sq = NULL;

	spin_lock(&se->lock);
	if (!se->resting)
		sq = list_first_entry_or_null(&se->ready[0], struct soft_queue,
					      link);
	if (!sq && !se->resting)
		sq = list_first_entry_or_null(&se->ready[1],
					      struct soft_queue, link);
	if (sq) {
		soft_queue_unlist(sq);
		sq->state = SOFT_QUEUE_OWNED;
	} else {
		core->active = false;
	}
	spin_unlock(&se->lock);

	return sq;
}

/*
 * Gives up the ownership of a queue. Without jobs the queue may be freed as
 * soon as the lock is dropped.
 */
static void soft_queue_release(struct soft_queue *sq, bool wait,
			       unsigned int sem_seq)
{
	struct soft_engine *se = sq->engine;

	lockdep_assert_held(&se->lock);

	sq->state = SOFT_QUEUE_IDLE;
	if (wait && !sq->cancels && sem_seq == se->sem_seq) {
		sq->state = SOFT_QUEUE_PARKED;
		list_add_tail(&sq->link, &se->parked);
		queue_delayed_work(se->wq, &se->poll, 1);
	} else {
		soft_queue_ready(sq);
	}

	wake_up_all(&se->released);
}

static struct movgem_job *soft_queue_first(struct soft_queue *sq)
{
	struct movgem_job *job;

	spin_lock(&sq->engine->lock);
	job = list_first_entry_or_null(&sq->jobs, struct movgem_job,
				       engine.link);
	spin_unlock(&sq->engine->lock);

	return job;
}

/* Takes a job off its queue; the caller owns the queue and ends the job. */
static void soft_queue_remove(struct soft_queue *sq, struct movgem_job *job)
{
	lockdep_assert_held(&sq->engine->lock);

	if (list_is_first(&job->engine.link, &sq->jobs))
		sq->cmd_valid = false;
	list_del_init(&job->engine.link);
}

/* Executes the jobs of a queue for a slice of time. */
static void soft_core_slice(struct soft_core *core, struct soft_queue *sq)
{
	struct soft_engine *se = core->engine;
	struct soft_ctx ctx = {
		.core = core,
		.sq = sq,
		.credit = SOFT_SLICE_CREDIT,
	};
	u64 start = ktime_get_ns();
	int ret = 0;
	u64 now;

	ctx.slice_end = start + SOFT_SLICE_NS;

	do {
		ctx.job = soft_queue_first(sq);
		if (!ctx.job)
			break;
		ctx.vm = ctx.job->queue->vm;

		movgem_soft_check_power(se);
		ret = movgem_soft_exec(&ctx);

		now = ktime_get_ns();
		movgem_job_busy(ctx.job, now - start);
		start = now;

		if (ret > 0)
			break;

		spin_lock(&se->lock);
		soft_queue_remove(sq, ctx.job);
		spin_unlock(&se->lock);

		/* The job, and with the last one the queue, may go now. */
		movgem_job_complete(ctx.job, ret, ret ? &ctx.fault : NULL);
		ret = 0;
	} while (now < ctx.slice_end && !READ_ONCE(sq->cancels));

	spin_lock(&se->lock);
	soft_queue_release(sq, ret == SOFT_WAIT, ctx.sem_seq);
	spin_unlock(&se->lock);
}

static void soft_core_work(struct work_struct *work)
{
	struct soft_core *core = container_of(work, struct soft_core, work);
	bool cookie = dma_fence_begin_signalling();
	struct soft_queue *sq;

	while ((sq = soft_core_next(core))) {
		soft_core_slice(core, sq);
		cond_resched_tasks_rcu_qs();
	}

	dma_fence_end_signalling(cookie);
}

static void soft_run(struct movgem_job *job)
{
	struct soft_queue *sq = job->queue->engine_priv;

	job->engine.offset = 0;
	job->engine.done_bytes = 0;

	spin_lock(&sq->engine->lock);
	list_add_tail(&job->engine.link, &sq->jobs);
	soft_queue_ready(sq);
	spin_unlock(&sq->engine->lock);
}

/* Waits until nobody owns the queue. Drops and takes the engine's lock. */
static void soft_queue_wait(struct soft_queue *sq)
{
	struct soft_engine *se = sq->engine;

	lockdep_assert_held(&se->lock);

	wait_event_cmd(se->released, sq->state != SOFT_QUEUE_OWNED,
		       spin_unlock(&se->lock), spin_lock(&se->lock));
}

/*
 * A job that has ended, or was never run, is on no list. In the first case it
 * is left to find out that its owner is through with movgem_job_complete():
 * so the queue is waited for in any case.
 */
static bool soft_job_listed(const struct movgem_job *job)
{
	return job->engine.link.next && !list_empty(&job->engine.link);
}

static void soft_cancel(struct movgem_job *job, int error, u32 fault)
{
	struct soft_queue *sq = job->queue->engine_priv;
	struct soft_engine *se = sq->engine;
	struct drm_movgem_fault record = {
		.type = fault,
		.seqno = job->seqno,
	};
	bool listed;

	/* Have the core let the queue go, keep it off the lists, take it. */
	spin_lock(&se->lock);
	sq->cancels++;
	soft_queue_unlist(sq);
	soft_queue_wait(sq);
	sq->state = SOFT_QUEUE_OWNED;
	listed = soft_job_listed(job);
	if (listed) {
		record.stream_offset = job->engine.offset;
		soft_queue_remove(sq, job);
	}
	spin_unlock(&se->lock);

	if (listed)
		movgem_job_complete(job, error, fault ? &record : NULL);

	spin_lock(&se->lock);
	sq->cancels--;
	soft_queue_release(sq, false, 0);
	spin_unlock(&se->lock);
}

static int soft_queue_init(struct movgem_queue *queue)
{
	struct soft_queue *sq;

	sq = kzalloc(sizeof(*sq), GFP_KERNEL);
	if (!sq)
		return -ENOMEM;

	sq->engine = queue->mdev->engine_priv;
	sq->low = queue->priority != DRM_MOVGEM_QUEUE_PRIORITY_NORMAL;
	INIT_LIST_HEAD(&sq->link);
	INIT_LIST_HEAD(&sq->jobs);

	queue->engine_priv = sq;
	return 0;
}

/*
 * The job that was the last may have ended just now: whoever ended it still
 * owns the queue. So this cannot be called from movgem_job_complete().
 */
static void soft_queue_fini(struct movgem_queue *queue)
{
	struct soft_queue *sq = queue->engine_priv;
	struct soft_engine *se = sq->engine;

	spin_lock(&se->lock);
	soft_queue_wait(sq);
	WARN_ON(sq->cancels || !list_empty(&sq->jobs));
	soft_queue_unlist(sq);
	spin_unlock(&se->lock);

	queue->engine_priv = NULL;
	kfree(sq);
}

/* A core that has a queue is through with it after a slice. */
static void soft_suspend(struct movgem_device *mdev)
{
	struct soft_engine *se = mdev->engine_priv;
	unsigned int i;

	spin_lock(&se->lock);
	se->resting = true;
	spin_unlock(&se->lock);

	for (i = 0; i < se->num_cores; i++)
		flush_work(&se->cores[i].work);
}

static void soft_resume(struct movgem_device *mdev)
{
	struct soft_engine *se = mdev->engine_priv;
	unsigned int i;

	spin_lock(&se->lock);
	se->resting = false;
	for (i = 0; i < se->num_cores; i++)
		soft_kick(se);
	spin_unlock(&se->lock);
}

static void soft_flush(struct movgem_device *mdev)
{
	struct soft_engine *se = mdev->engine_priv;
	unsigned int i;

	for (i = 0; i < se->num_cores; i++)
		movgem_soft_tlb_flush(&se->cores[i]);
	movgem_soft_tlb_flush(&se->display);
}

static void soft_query(struct movgem_device *mdev,
		       struct drm_movgem_gpu_info *info)
{
	struct soft_engine *se = mdev->engine_priv;

	info->engine = DRM_MOVGEM_ENGINE_SOFT;
	info->cores = se->num_cores;
	info->tlb_entries = SOFT_TLB_ENTRIES;
	info->max_stream_size = MOVGEM_MAX_STREAM_SIZE;
	info->timestamp_frequency = NSEC_PER_SEC;
}

static void soft_core_fini(struct soft_core *core)
{
	kvfree(core->cols);
	kvfree(core->out);
	kvfree(core->rows[1]);
	kvfree(core->rows[0]);
	kvfree(core->raw);
}

/* All memory that commands need is had here: they may not allocate. */
static int soft_core_init(struct soft_core *core, struct soft_engine *se)
{
	size_t line = DRM_MOVGEM_SURFACE_MAX * sizeof(u32);

	core->engine = se;
	INIT_WORK(&core->work, soft_core_work);
	spin_lock_init(&core->lock);

	core->raw = kvmalloc(max_t(size_t, line, PAGE_SIZE), GFP_KERNEL);
	core->rows[0] = kvmalloc(line, GFP_KERNEL);
	core->rows[1] = kvmalloc(line, GFP_KERNEL);
	core->out = kvmalloc(line, GFP_KERNEL);
	core->cols = kvmalloc(line, GFP_KERNEL);
	if (!core->raw || !core->rows[0] || !core->rows[1] || !core->out ||
	    !core->cols)
		return -ENOMEM;

	return 0;
}

static void soft_free(struct soft_engine *se)
{
	unsigned int i;

	/* Waits for cores that are about to find no queue. */
	if (se->wq)
		destroy_workqueue(se->wq);
	for (i = 0; i < se->num_cores; i++)
		soft_core_fini(&se->cores[i]);
	kfree(se);
}

static int soft_init(struct movgem_device *mdev)
{
	unsigned int cores = min_t(unsigned int, num_online_cpus(),
				   SOFT_MAX_CORES);
	struct soft_engine *se;
	unsigned int i;
	int ret;

	se = kzalloc(struct_size(se, cores, cores), GFP_KERNEL);
	if (!se)
		return -ENOMEM;

	se->num_cores = cores;
	se->mdev = mdev;
	spin_lock_init(&se->lock);
	se->display.engine = se;
	spin_lock_init(&se->display.lock);
	INIT_LIST_HEAD(&se->ready[0]);
	INIT_LIST_HEAD(&se->ready[1]);
	INIT_LIST_HEAD(&se->parked);
	INIT_DELAYED_WORK(&se->poll, soft_poll_work);
	init_waitqueue_head(&se->released);

	/* One more than cores, for the poll. */
	se->wq = alloc_workqueue("movgem-soft", WQ_UNBOUND | WQ_MEM_RECLAIM,
				 cores + 1);
	if (!se->wq) {
		soft_free(se);
		return -ENOMEM;
	}

	for (i = 0; i < cores; i++) {
		ret = soft_core_init(&se->cores[i], se);
		if (ret) {
			soft_free(se);
			return ret;
		}
	}

	mdev->engine_priv = se;
	return 0;
}

static void soft_fini(struct movgem_device *mdev)
{
	struct soft_engine *se = mdev->engine_priv;

	/* No queue is left: the poll finds nothing, and the cores stop. */
	cancel_delayed_work_sync(&se->poll);
	mdev->engine_priv = NULL;
	soft_free(se);
}

const struct movgem_engine_ops movgem_soft_engine = {
	.name = "soft",
	.slices = true,
	.init = soft_init,
	.fini = soft_fini,
	.query = soft_query,
	.page_block = movgem_vm_page_block,
	.page_set = movgem_vm_page_set,
	.bo_update = movgem_vm_bo_update,
	.flush = soft_flush,
	.display_read = movgem_soft_display_read,
	.display_write = movgem_soft_display_write,
	.suspend = soft_suspend,
	.resume = soft_resume,
	.queue_init = soft_queue_init,
	.queue_fini = soft_queue_fini,
	.run = soft_run,
	.cancel = soft_cancel,
};
