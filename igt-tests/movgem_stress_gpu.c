// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * Jobs of the worker that knows every byte: movgem_stress_buffers.h.
 */
#include <errno.h>
#include <string.h>
#include <drm_fourcc.h>

#include "igt.h"
#include "movgem_stress_buffers.h"

/* ---- making a job ---- */

static struct job *job_begin(struct buffers *b, unsigned int n, unsigned int q)
{
	struct job *job = &b->jobs[n];
	uint64_t next = b->queues[q].point + 1;

	/* The stream that had this place has to be through. */
	if (next > JOB_SLOTS)
		queue_idle(b, q, next - JOB_SLOTS);
	job->q = q;
	job->commands = 0;
	job->at = 0;
	job->result = 0;
	memset(job->needs, 0, sizeof(job->needs));
	job->use_count = 0;
	job->undo_count = 0;
	return job;
}

static uint32_t job_offset(struct buffers *b, unsigned int q)
{
	return b->queues[q].point % JOB_SLOTS * JOB_BYTES;
}

static void *job_command(struct buffers *b, struct job *job, uint16_t opcode, uint16_t size,
			 uint32_t flags)
{
	struct drm_movgem_cmd_header *hdr =
		(void *)(b->queues[job->q].stream + job_offset(b, job->q) + job->at);

	memset(hdr, 0, size);
	hdr->opcode = opcode;
	hdr->size = size;
	hdr->flags = flags;
	job->at += size;
	return hdr;
}

/* Each value has a word of its own, until it is its turn again. */
static void job_semaphore(struct buffers *b, struct job *job, uint16_t opcode, uint64_t value)
{
	struct drm_movgem_cmd_sem *sem =
		job_command(b, job, opcode, sizeof(*sem),
			    opcode == DRM_MOVGEM_CMD_SEM_WAIT ? DRM_MOVGEM_SEM_GE : 0);

	sem->addr = scratch_va(b) + value % SEMAPHORES * 8;
	sem->value = value;
}

static void job_copy(struct buffers *b, struct job *job, uint64_t dst, uint64_t src,
		     uint64_t size)
{
	struct drm_movgem_cmd_copy *copy =
		job_command(b, job, DRM_MOVGEM_CMD_COPY, sizeof(*copy), 0);

	copy->dst = dst;
	copy->src = src;
	copy->size = size;
}

static void job_uses(struct job *job, struct buffer *bo)
{
	unsigned int q;

	if (job->use_count && job->uses[job->use_count - 1] == bo)
		return;
	for (q = 0; q < QUEUES; q++)
		if (q != job->q)
			job->needs[q] = max(job->needs[q], bo->point[q]);
	job->uses[job->use_count++] = bo;
}

static void uses_pages(struct buffers *b, struct job *job, uint32_t at, uint32_t count)
{
	for (; count--; at++)
		job_uses(job, b->vms[queue_vm(job->q)].window[at].bo);
}

static content_t *content_at(struct buffers *b, struct job *job, uint64_t sector,
			     struct undo *undo)
{
	struct view *view = &b->vms[queue_vm(job->q)].window[sector / PAGE_SECTORS];
	uint64_t at = view->page * PAGE_SECTORS + sector % PAGE_SECTORS;

	*undo = (struct undo) {
		.bo = view->bo,
		.sector = at,
		.old = view->bo->content[at],
	};
	return &view->bo->content[at];
}

/* In the model, a sector of the window gets this. */
static void content_put(struct buffers *b, struct job *job, uint64_t sector, content_t content)
{
	*content_at(b, job, sector, &job->undo[job->undo_count]) = content;
	job->undo_count++;
}

static content_t content_get(struct buffers *b, struct job *job, uint64_t sector)
{
	struct undo unused;

	return *content_at(b, job, sector, &unused);
}

/* Some pages of the window with something in them, one behind the other. */
static bool pick_span(struct buffers *b, unsigned int v, bool write, uint32_t *at,
		      uint32_t *count)
{
	struct view *window = b->vms[v].window;
	uint32_t most = stress_size(b->w, JOB_PAGES), i, n;

	*at = stress_below(b->w, WINDOW);
	for (i = 0; i < WINDOW; i++, *at = (*at + 1) % WINDOW) {
		for (n = 0; n < most && *at + n < WINDOW; n++)
			if (!window[*at + n].bo || (write && window[*at + n].readonly))
				break;
		*count = n;
		if (n)
			return true;
	}
	return false;
}

/*
 * Whether a copy from one place to the other says for certain what is there
 * then: not so where the windows show the same page twice.
 */
static bool is_plain(struct view *window, uint32_t dst, uint32_t src, uint32_t count)
{
	uint32_t i, j;

	for (i = 0; i < count; i++) {
		for (j = 0; j < count; j++) {
			struct view *a = &window[dst + i], *c = &window[src + j];

			if (a->bo == c->bo && a->page == c->page)
				return false;
			c = &window[dst + j];
			if (i != j && a->bo == c->bo && a->page == c->page)
				return false;
		}
	}
	return true;
}

static void add_fill(struct buffers *b, struct job *job, uint32_t at, uint32_t count)
{
	uint64_t from = at * PAGE_SECTORS + stress_below(b->w, PAGE_SECTORS);
	uint64_t sectors = 1 + stress_below(b->w, (at + count) * PAGE_SECTORS - from);
	struct drm_movgem_cmd_fill *fill;
	uint64_t i;

	uses_pages(b, job, at, count);
	fill = job_command(b, job, DRM_MOVGEM_CMD_FILL, sizeof(*fill), 0);
	fill->value = movgem_rand(&b->w->rand);
	fill->dst = window_va(b, from);
	fill->size = sectors * SECTOR;
	for (i = 0; i < sectors; i++)
		content_put(b, job, from + i, CONTENT_VALUE(fill->value));
}

static void add_copy(struct buffers *b, struct job *job, uint32_t dst, uint32_t src,
		     uint32_t count)
{
	uint64_t to = stress_below(b->w, PAGE_SECTORS), from = stress_below(b->w, PAGE_SECTORS);
	uint64_t sectors = 1 + stress_below(b->w, count * PAGE_SECTORS - max(to, from)), i;

	to += dst * PAGE_SECTORS;
	from += src * PAGE_SECTORS;
	job_copy(b, job, window_va(b, to), window_va(b, from), sectors * SECTOR);
	for (i = 0; i < sectors; i++)
		content_put(b, job, to + i, content_get(b, job, from + i));
}

/* A line of the picture is a page, a column of it a sector. */
static void add_blit(struct buffers *b, struct job *job, uint32_t dst, uint32_t src,
		     uint32_t count)
{
	uint32_t to = stress_below(b->w, PAGE_SECTORS), from = stress_below(b->w, PAGE_SECTORS);
	uint32_t width = 1 + stress_below(b->w, PAGE_SECTORS - max(to, from)), x, y;
	struct drm_movgem_cmd_blit *blit;

	blit = job_command(b, job, DRM_MOVGEM_CMD_BLIT, sizeof(*blit),
			   stress_one_in(b->w, 2) ? DRM_MOVGEM_BLIT_BILINEAR : 0);
	blit->src = (struct drm_movgem_surface) {
		.addr = window_va(b, src * PAGE_SECTORS),
		.pitch = PAGE,
		.format = DRM_FORMAT_ARGB8888,
		.width = PAGE / 4,
		.height = count,
		.x = from * SECTOR_WORDS,
		.w = width * SECTOR_WORDS,
		.h = count,
	};
	blit->dst = blit->src;
	blit->dst.addr = window_va(b, dst * PAGE_SECTORS);
	blit->dst.x = to * SECTOR_WORDS;
	for (y = 0; y < count; y++)
		for (x = 0; x < width; x++)
			content_put(b, job, (dst + y) * PAGE_SECTORS + to + x,
				    content_get(b, job, (src + y) * PAGE_SECTORS + from + x));
}

/* One command, if there is something bound that it can be about. */
static void job_add(struct buffers *b, struct job *job)
{
	unsigned int v = queue_vm(job->q), which = stress_below(b->w, 4);
	uint32_t dst, dst_count, src, src_count;

	if (!pick_span(b, v, true, &dst, &dst_count))
		return;
	if (!which) {
		add_fill(b, job, dst, dst_count);
		job->commands++;
		return;
	}
	if (!pick_span(b, v, false, &src, &src_count))
		return;
	dst_count = min(dst_count, src_count);
	if (!is_plain(b->vms[v].window, dst, src, dst_count))
		return;
	uses_pages(b, job, dst, dst_count);
	uses_pages(b, job, src, dst_count);
	if (which == 1)
		add_blit(b, job, dst, src, dst_count);
	else
		add_copy(b, job, dst, src, dst_count);
	job->commands++;
}

static void job_fill(struct buffers *b, struct job *job)
{
	unsigned int i, tries = 1 + stress_below(b->w, JOB_COMMANDS);

	for (i = 0; i < tries; i++)
		job_add(b, job);
}

static void job_undo(struct job *job)
{
	while (job->undo_count--)
		job->undo[job->undo_count].bo->content[job->undo[job->undo_count].sector] =
			job->undo[job->undo_count].old;
}

static int job_submit(struct buffers *b, struct job *job)
{
	struct drm_movgem_sync syncs[QUEUES + 3];
	struct queue *queue = &b->queues[job->q];
	struct vm *vm = &b->vms[queue_vm(job->q)];
	unsigned int n = 0, i;
	int ret;

	for (i = 0; i < QUEUES; i++)
		if (job->needs[i] > b->queues[i].done)
			syncs[n++] = movgem_sync_wait(b->queues[i].timeline, job->needs[i]);
	syncs[n++] = movgem_sync_wait(vm->timeline, vm->point);
	syncs[n++] = movgem_sync_signal(queue->timeline, queue->point + 1);
	if (job->result)
		syncs[n++] = movgem_sync_signal(job->result, 0);
	ret = __movgem_submit(b->fd, queue->id, stream_va(b, job->q) + job_offset(b, job->q),
			      job->at, syncs, n);
	if (ret)
		return ret;
	queue->point++;
	for (i = 0; i < job->use_count; i++)
		job->uses[i]->point[job->q] = queue->point;
	return 0;
}

/* ---- jobs ---- */

static unsigned int some_queue(struct buffers *b)
{
	return stress_below(b->w, QUEUES);
}

void op_job(struct buffers *b)
{
	unsigned int q = some_queue(b);
	struct job *job = job_begin(b, 0, q);

	job_fill(b, job);
	if (!job->commands)
		return;
	stress_begin(b->w, STRESS_JOB, q, b->queues[q].point + 1, job->commands);
	if (!stress_end(b->w, job_submit(b, job)))
		job_undo(job);
	else if (stress_one_in(b->w, 4))
		queue_idle(b, q, b->queues[q].point);
}

/* A job that waits for a word which a job of another queue writes. */
void op_job_pair(struct buffers *b)
{
	unsigned int q = some_queue(b), q2 = (q + 1 + stress_below(b->w, QUEUES - 1)) % QUEUES;
	struct job *waiter, *writer;
	uint64_t value = ++b->semaphore;

	writer = job_begin(b, 1, q2);
	waiter = job_begin(b, 0, q);
	job_fill(b, writer);
	job_semaphore(b, writer, DRM_MOVGEM_CMD_SEM_WRITE, value);
	/* All of it happens after all of the other job. */
	job_semaphore(b, waiter, DRM_MOVGEM_CMD_SEM_WAIT, value);
	job_fill(b, waiter);

	stress_begin(b->w, STRESS_JOB_PAIR, q, q2, waiter->commands);
	if (!stress_end(b->w, job_submit(b, waiter))) {
		job_undo(waiter);
		job_undo(writer);
		return;
	}
	stress_must(b->w, job_submit(b, writer));
	if (stress_one_in(b->w, 4))
		queue_idle(b, q, b->queues[q].point);
}

/* A span that shows one BO only, of pages in their order. */
static bool pick_bo_span(struct buffers *b, unsigned int v, struct buffer *bo, uint32_t *at,
			 uint32_t *count)
{
	struct view *window = b->vms[v].window;
	uint32_t i, n;

	*at = stress_below(b->w, WINDOW);
	for (i = 0; i < WINDOW; i++, *at = (*at + 1) % WINDOW) {
		for (n = 0; n < JOB_PAGES && *at + n < WINDOW; n++)
			if (window[*at + n].bo != bo ||
			    window[*at + n].page != window[*at].page + n)
				break;
		*count = n;
		if (n)
			return true;
	}
	return false;
}

static bool find_bo(struct buffers *b, struct buffer *bo, unsigned int *v, uint32_t *at,
		    uint32_t *count)
{
	unsigned int first = stress_below(b->w, VMS), i;

	for (i = 0; i < VMS; i++) {
		*v = (first + i) % VMS;
		if (pick_bo_span(b, *v, bo, at, count))
			return true;
	}
	return false;
}

static unsigned int queue_of(struct buffers *b, unsigned int v)
{
	return v + VMS * stress_below(b->w, QUEUES / VMS);
}

static void check_scratch(struct buffers *b, struct buffer *bo, uint32_t page, uint32_t count)
{
	content_check(b, bo, b->scratch + SCRATCH_SEEN, page * PAGE_SECTORS, count * PAGE_SECTORS,
		      "seen by the GPU");
}

bool gpu_check(struct buffers *b, struct buffer *bo)
{
	uint32_t at, count, page;
	struct job *job;
	unsigned int v, q;

	if (!bo->bound && (!can_bind(bo) || !bind_somewhere(b, bo, 0)))
		return false;
	if (!find_bo(b, bo, &v, &at, &count))
		return false;
	page = b->vms[v].window[at].page;
	q = queue_of(b, v);
	job = job_begin(b, 0, q);
	uses_pages(b, job, at, count);
	job_copy(b, job, scratch_va(b) + SCRATCH_SEEN, window_va(b, at * PAGE_SECTORS),
		 count * PAGE);
	stress_begin(b->w, STRESS_GPU_CHECK, bo->name, v << 16 | at, count);
	if (!stress_end(b->w, job_submit(b, job)))
		return false;
	queue_idle(b, q, b->queues[q].point);
	check_scratch(b, bo, page, count);
	return true;
}

static bool bo_bound(struct buffer *bo)
{
	return bo->bound;
}

void op_gpu_check(struct buffers *b)
{
	struct buffer *bo = bo_pick(b, bo_bound);

	if (bo)
		gpu_check(b, bo);
}

/* The CPU writes what a job reads when the CPU lets it. */
void op_job_gate(struct buffers *b)
{
	struct buffer *bo = bo_pick(b, bo_bound);
	struct cpu_map *map = bo ? bo_map(b, bo, true) : NULL;
	volatile uint64_t *semaphores = (void *)b->scratch;
	uint32_t at, count, page;
	uint64_t value = ++b->semaphore;
	struct job *job;
	unsigned int v, q;

	if (!map || !find_bo(b, bo, &v, &at, &count))
		return;
	page = b->vms[v].window[at].page;
	if (page < map->first || page >= map->first + map->count)
		return;
	count = min(count, map->first + map->count - page);
	bo_idle(b, bo);
	q = queue_of(b, v);
	job = job_begin(b, 0, q);
	uses_pages(b, job, at, count);
	job_semaphore(b, job, DRM_MOVGEM_CMD_SEM_WAIT, value);
	job_copy(b, job, scratch_va(b) + SCRATCH_SEEN, window_va(b, at * PAGE_SECTORS),
		 count * PAGE);
	stress_begin(b->w, STRESS_JOB_GATE, bo->name, v << 16 | at, count);
	if (!stress_end(b->w, job_submit(b, job)))
		return;
	if (stress_one_in(b->w, 2))
		stress_sleep(b->w, 5000);
	content_write(b, bo, map->addr + (page - map->first) * PAGE, page * PAGE_SECTORS,
		      count * PAGE_SECTORS);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	semaphores[value % SEMAPHORES] = value;
	queue_idle(b, q, b->queues[q].point);
	check_scratch(b, bo, page, count);
}

/* What is not bound is a fault, and so is writing what is read-only. */
void op_job_fault(struct buffers *b)
{
	unsigned int q = some_queue(b), v = queue_vm(q);
	bool write = stress_one_in(b->w, 2);
	struct view *window = b->vms[v].window;
	uint64_t source = scratch_va(b) + SCRATCH_UNSEEN, va;
	uint32_t at = stress_below(b->w, WINDOW), i;
	struct job *job;
	int ret;

	for (i = 0; i < WINDOW; i++, at = (at + 1) % WINDOW)
		if (write ? window[at].bo && window[at].readonly : !window[at].bo)
			break;
	if (i == WINDOW)
		return;
	va = window_va(b, at * PAGE_SECTORS + stress_below(b->w, PAGE_SECTORS));
	job = job_begin(b, 0, q);
	if (write) {
		job_uses(job, window[at].bo);
		job_copy(b, job, va, source, SECTOR);
	} else {
		job_copy(b, job, source, va, SECTOR);
	}
	stress_must(b->w, stress_syncobj_create(b->fd, &job->result));
	stress_begin(b->w, STRESS_JOB_FAULT, v << 16 | at, write, 0);
	if (!stress_end(b->w, job_submit(b, job))) {
		stress_must(b->w, stress_syncobj_destroy(b->fd, job->result));
		return;
	}
	b->queues[q].faults++;
	/* Also looks whether there was the fault. */
	queue_idle(b, q, b->queues[q].point);
	ret = stress_syncobj_error(b->fd, job->result);
	stress_must(b->w, stress_syncobj_destroy(b->fd, job->result));
	if (ret != -EFAULT && !stress_refused(ret))
		stress_fail(b->w, "GPU %s at page %u of the window, where there is %s, ends with %d",
			    write ? "write" : "read", at,
			    write ? "a read-only page" : "nothing", ret);
}

/* Away with a VM, while a job that only reads runs in it. */
void op_new_vm(struct buffers *b)
{
	unsigned int v = stress_below(b->w, VMS), q;
	uint32_t at, count;
	struct job *job;

	for (q = v; q < QUEUES; q += VMS)
		queue_idle(b, q, b->queues[q].point);
	stress_begin(b->w, STRESS_NEW_VM, v, 0, 0);
	if (pick_span(b, v, false, &at, &count)) {
		job = job_begin(b, 0, v);
		job_copy(b, job, scratch_va(b) + SCRATCH_UNSEEN,
			 window_va(b, at * PAGE_SECTORS), count * PAGE);
		job_submit(b, job);
	}
	vm_fini(b, v);
	vm_init(b, v);
	stress_end(b->w, 0);
}
