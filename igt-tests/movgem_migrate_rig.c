// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <drm_fourcc.h>

#include "igt.h"
#include "igt_syncobj.h"
#include "movgem_drm.h"
#include "movgem_lib.h"
#include "movgem_migrate_model.h"
#include "movgem_migrate_trigger.h"

/* GPU addresses; all VMs use the same ones. */
#define SEED_VA			0x10000000ull
#define READBACK_VA		0x18000000ull
#define CMD_VA(view)		(0x20000000ull + (view) * 0x1000000ull)
#define RIG_VA(alias)		(0x100000000ull + (alias) * 0x100000000ull)

#define CMD_SLOT		256u
#define CMD_SLOTS		15u
#define CMD_DONE		(CMD_SLOT * CMD_SLOTS)
#define CMD_READBACK		(CMD_DONE + 64)
#define IN_FLIGHT		4u

#define JOBS_PER_CHUNK_MAX	(COUNTS_PER_PIXEL * RIG_SLOTS)
/* Nothing in a test takes that long; it is there so that nothing hangs. */
#define PATIENCE_SECONDS	60

static struct rig *active_rig;

static volatile uint32_t *counter_at(uint8_t *map, unsigned int writer,
				     unsigned int page, unsigned int slot)
{
	return (volatile uint32_t *)(map + (size_t)page * PAGE + RIG_CPU_LANES +
				     writer * RIG_LANE + slot * 4);
}

/* ---- counting jobs ---- */

/*
 * Job @n of a view: count all pages of a chunk up by one through the blitter,
 * copy one page's pixels into another page, and say so in memory.
 */
unsigned int rig_emit_job(struct rig *rig, unsigned int view, uint64_t n,
			  uint8_t *at)
{
	const struct rig_view *v = &rig->views[view];
	unsigned int chunk = n % rig_chunks(rig), pages = rig_chunk(rig);
	uint64_t column = n / rig_chunks(rig) / COUNTS_PER_PIXEL;
	struct drm_movgem_cmd_blit blit = {
		.hdr.opcode = DRM_MOVGEM_CMD_BLIT,
		.hdr.size = sizeof(blit),
		/* 1:1, where both filters say the same */
		.hdr.flags = DRM_MOVGEM_BLIT_SRC_OVER |
			     (n & 1 ? DRM_MOVGEM_BLIT_BILINEAR : 0),
		.src.addr = SEED_VA + chunk * pages * 4ull,
		.src.pitch = 4,
		.src.format = DRM_FORMAT_ARGB8888,
		.src.width = 1,
		.src.height = pages,
		.src.w = 1,
		.src.h = pages,
		.dst.addr = v->va + (uint64_t)chunk * pages * PAGE +
			    RIG_GPU_LANES + view * RIG_LANE,
		.dst.pitch = PAGE,
		.dst.format = DRM_FORMAT_ARGB8888,
		.dst.width = RIG_SLOTS,
		.dst.height = pages,
		.dst.x = column,
		.dst.w = 1,
		.dst.h = pages,
	};
	struct drm_movgem_cmd_copy copy = {
		.hdr.opcode = DRM_MOVGEM_CMD_COPY,
		.hdr.size = sizeof(copy),
		.src = v->va + (uint64_t)copy_source(rig, n) * PAGE +
		       RIG_GPU_LANES + view * RIG_LANE,
		.dst = v->va + (uint64_t)copy_target(rig, n) * PAGE +
		       RIG_COPY_LANES + view * RIG_LANE,
		.size = RIG_LANE,
	};
	struct drm_movgem_cmd_sem done = {
		.hdr.opcode = DRM_MOVGEM_CMD_SEM_WRITE,
		.hdr.size = sizeof(done),
		.addr = CMD_VA(view) + CMD_DONE,
		.value = n + 1,
	};
	unsigned int size = 0;

	memcpy(at, &blit, sizeof(blit));
	size += sizeof(blit);
	memcpy(at + size, &copy, sizeof(copy));
	size += sizeof(copy);
	memcpy(at + size, &done, sizeof(done));
	return size + sizeof(done);
}

/* Submits @size bytes at @offset of the view's command BO; 0 or -errno. */
static int view_submit(struct rig_view *v, unsigned int offset,
		       unsigned int size, uint32_t wait_handle)
{
	struct drm_movgem_sync syncs[2] = {
		{
			.flags = DRM_MOVGEM_SYNC_SIGNAL |
				 DRM_MOVGEM_SYNC_TIMELINE,
			.handle = v->timeline,
			.point = v->submitted + 1,
		},
		{ .handle = wait_handle },
	};
	struct drm_movgem_submit submit = {
		.queue_id = v->queue,
		.stream_addr = CMD_VA(v->index) + offset,
		.stream_size = size,
		.sync_count = wait_handle ? 2 : 1,
		.syncs = to_user_pointer(syncs),
	};

	if (drmIoctl(v->rig->fd, DRM_IOCTL_MOVGEM_SUBMIT, &submit))
		return -errno;

	v->submitted++;
	return 0;
}

static int view_wait(struct rig_view *v, uint64_t point)
{
	struct drm_syncobj_timeline_wait wait = {
		.handles = to_user_pointer(&v->timeline),
		.points = to_user_pointer(&point),
		.timeout_nsec = movgem_deadline(PATIENCE_SECONDS * 1000000000ll),
		.count_handles = 1,
	};

	if (!point)
		return 0;
	if (drmIoctl(v->rig->fd, DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT, &wait))
		return -errno;

	return 0;
}

static int view_submit_job(struct rig_view *v, uint32_t wait_handle)
{
	unsigned int offset = v->jobs % CMD_SLOTS * CMD_SLOT, size;
	int ret;

	size = rig_emit_job(v->rig, v->index, v->jobs, v->cmd + offset);
	ret = view_submit(v, offset, size, wait_handle);
	if (!ret)
		v->jobs++;
	return ret;
}

static bool view_is_full(const struct rig_view *v)
{
	return v->jobs >= (uint64_t)JOBS_PER_CHUNK_MAX * rig_chunks(v->rig);
}

static void *view_feed(void *data)
{
	struct rig_view *v = data;
	struct rig_shared *shared = v->rig->shared;

	while (!shared->stop && !v->error && !view_is_full(v)) {
		v->error = view_submit_job(v, 0);
		if (!v->error && v->submitted > IN_FLIGHT)
			v->error = view_wait(v, v->submitted - IN_FLIGHT);
		shared->jobs[v->index] = v->jobs;
	}

	return NULL;
}

void rig_submit_jobs(struct rig *rig, unsigned int view, unsigned int jobs,
		     uint32_t wait_handle)
{
	struct rig_view *v = &rig->views[view];

	igt_assert(jobs <= CMD_SLOTS);
	while (jobs--)
		igt_assert_eq(view_submit_job(v, wait_handle), 0);
}

static void view_check_faults(struct rig_view *v)
{
	struct drm_movgem_queue_state state = { .queue_id = v->queue };

	do_ioctl(v->rig->fd, DRM_IOCTL_MOVGEM_QUEUE_STATE, &state);
	igt_assert_f(!state.faulted,
		     "view %u: %llu of %llu jobs faulted, type %u access %u at 0x%llx, stream offset %llu\n",
		     v->index, (unsigned long long)state.faulted,
		     (unsigned long long)state.submitted, state.fault.type,
		     state.fault.access,
		     (unsigned long long)state.fault.address,
		     (unsigned long long)state.fault.stream_offset);
}

void rig_wait_jobs(struct rig *rig, unsigned int view)
{
	struct rig_view *v = &rig->views[view];
	uint64_t done;

	igt_assert_f(!view_wait(v, v->submitted),
		     "view %u: job %llu did not end in %u seconds\n", view,
		     (unsigned long long)v->submitted, PATIENCE_SECONDS);
	view_check_faults(v);
	memcpy(&done, v->cmd + CMD_DONE, sizeof(done));
	igt_assert_eq_u64(done, v->jobs);
}

void rig_run_jobs(struct rig *rig, unsigned int view, unsigned int jobs)
{
	unsigned int some;

	while (jobs) {
		some = jobs < CMD_SLOTS ? jobs : CMD_SLOTS;
		rig_submit_jobs(rig, view, some, 0);
		rig_wait_jobs(rig, view);
		jobs -= some;
	}
}

/* ---- CPU writers ---- */

/* One more for a counter; false when it was not what it had to be. */
static bool count_up(struct rig *rig, unsigned int writer, unsigned int page,
		     unsigned int slot)
{
	volatile uint32_t *counter = counter_at(rig->cpu, writer, page, slot);
	uint32_t *model = model_at(rig, writer, page, slot);
	struct rig_shared *shared = rig->shared;
	uint32_t value = *counter;

	if (value != *model) {
		if (!shared->wrong) {
			shared->wrong_page = page;
			shared->wrong_slot = writer * RIG_SLOTS + slot;
			shared->wrong_want = *model;
			shared->wrong_have = value;
		}
		shared->wrong++;
		return false;
	}

	*counter = value + 1;
	*model = value + 1;
	return true;
}

/* A burst on one page, then another page: @count writes. */
void rig_writer(struct rig *rig, unsigned int writer, uint64_t count)
{
	uint32_t lcg = 12345 + 777 * writer;
	uint64_t n = 0;

	while (n < count && !rig->shared->stop) {
		unsigned int page, i;

		lcg = lcg * 1664525 + 1013904223;
		page = (lcg >> 8) % rig->pages;
		for (i = 0; i < 64; i++)
			if (!count_up(rig, writer, page, i % RIG_SLOTS))
				return;
		n += 64;
		rig->shared->writes[writer] += 64;
		/* leave the processors to the kernel for a while */
		if (rig->pages > RIG_CHUNK && n % 2048 == 0)
			usleep(200);
	}
}

struct writer_arg {
	struct rig *rig;
	unsigned int writer;
};

static struct writer_arg writer_args[RIG_WRITERS];

static void *writer_thread(void *data)
{
	struct writer_arg *arg = data;

	rig_writer(arg->rig, arg->writer, UINT64_MAX);
	return NULL;
}

void rig_write_all(struct rig *rig)
{
	unsigned int page;

	for (page = 0; page < rig->pages; page++)
		count_up(rig, RIG_WRITERS - 1, page, page % RIG_SLOTS);
}

/* ---- start and stop ---- */

void rig_start(struct rig *rig)
{
	unsigned int i;

	rig->shared->stop = false;
	rig->children_running = rig->cfg.children;
	igt_fork(child, rig->cfg.children)
		rig_writer(rig, rig->cfg.threads + child, UINT64_MAX);

	for (i = 0; i < rig->cfg.threads; i++) {
		writer_args[i].rig = rig;
		writer_args[i].writer = i;
		igt_assert_eq(pthread_create(&rig->threads[i], NULL,
					     writer_thread, &writer_args[i]),
			      0);
		rig->threads_running++;
	}

	for (i = 0; i < rig->cfg.views; i++) {
		igt_assert_eq(pthread_create(&rig->views[i].feeder, NULL,
					     view_feed, &rig->views[i]), 0);
		rig->views[i].feeding = true;
	}
}

static void join_threads(struct rig *rig)
{
	unsigned int i;

	rig->shared->stop = true;
	while (rig->threads_running)
		pthread_join(rig->threads[--rig->threads_running], NULL);
	for (i = 0; i < rig->cfg.views; i++) {
		if (rig->views[i].feeding)
			pthread_join(rig->views[i].feeder, NULL);
		rig->views[i].feeding = false;
	}
}

void rig_stop(struct rig *rig)
{
	struct rig_shared *shared = rig->shared;
	unsigned int i;

	join_threads(rig);
	if (rig->children_running)
		igt_waitchildren();
	rig->children_running = 0;

	for (i = 0; i < rig->cfg.views; i++) {
		igt_assert_f(!rig->views[i].error, "view %u: %s\n", i,
			     strerror(-rig->views[i].error));
		rig_wait_jobs(rig, i);
	}

	igt_assert_f(!shared->wrong,
		     "a CPU writer lost writes: page %u counter %u must be %u and is %u\n",
		     shared->wrong_page, shared->wrong_slot,
		     shared->wrong_want, shared->wrong_have);
}

void rig_wait_work(struct rig *rig, uint64_t writes, uint64_t jobs)
{
	struct timespec start = { };
	unsigned int i;
	bool done;

	igt_nsec_elapsed(&start);
	do {
		done = true;
		for (i = 0; i < rig->cfg.threads + rig->cfg.children; i++)
			done &= rig->shared->writes[i] >= writes;
		for (i = 0; i < rig->cfg.views; i++)
			done &= rig->shared->jobs[i] >= jobs ||
				rig->views[i].error;
		if (rig->shared->wrong)
			break;
		if (!done)
			usleep(1000);
		igt_assert_f(igt_seconds_elapsed(&start) < PATIENCE_SECONDS,
			     "writers and jobs got stuck: writes %llu %llu %llu, jobs %llu %llu %llu\n",
			     (unsigned long long)rig->shared->writes[0],
			     (unsigned long long)rig->shared->writes[1],
			     (unsigned long long)rig->shared->writes[2],
			     (unsigned long long)rig->shared->jobs[0],
			     (unsigned long long)rig->shared->jobs[1],
			     (unsigned long long)rig->shared->jobs[2]);
	} while (!done);
}

void rig_read_back(struct rig *rig, struct rig_view *v, unsigned int chunk)
{
	struct drm_movgem_cmd_copy copy = {
		.hdr.opcode = DRM_MOVGEM_CMD_COPY,
		.hdr.size = sizeof(copy),
		.src = v->va + (uint64_t)chunk * rig_chunk(rig) * PAGE,
		.dst = READBACK_VA,
		.size = (uint64_t)rig_chunk(rig) * PAGE,
	};

	memset(rig->readback, 0xee, rig_chunk(rig) * PAGE);
	memcpy(v->cmd + CMD_READBACK, &copy, sizeof(copy));
	igt_assert_eq(view_submit(v, CMD_READBACK, sizeof(copy), 0), 0);
	rig_wait_jobs(rig, v->index);
}

uint64_t rig_moved(struct rig *rig)
{
	uint64_t moved = 0;
	struct drm_movgem_bo_info info;
	unsigned int i;

	for (i = 0; i < rig->cfg.bos; i++) {
		movgem_bo_info(rig->fd, rig->handles[i], &info);
		moved += info.moved;
	}
	return moved - rig->moved_before;
}

/* ---- set-up ---- */

void rig_map(struct rig *rig)
{
	size_t bo_size = (size_t)rig->cfg.bo_pages * PAGE;
	uint64_t offset;
	unsigned int i;
	void *ptr;

	rig->cpu = mmap(NULL, (size_t)rig->pages * PAGE, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	igt_assert(rig->cpu != MAP_FAILED);
	for (i = 0; i < rig->cfg.bos; i++) {
		igt_assert_eq(__movgem_bo_mmap_offset(rig->fd, rig->handles[i],
						      &offset), 0);
		ptr = mmap(rig->cpu + i * bo_size, bo_size,
			   PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			   rig->fd, offset);
		igt_assert(ptr != MAP_FAILED);
	}
}

void rig_unmap(struct rig *rig)
{
	if (rig->cpu)
		munmap(rig->cpu, (size_t)rig->pages * PAGE);
	rig->cpu = NULL;
}

static const uint64_t *sort_key;

static int compare_key(const void *a, const void *b)
{
	uint64_t x = sort_key[*(const uint32_t *)a];
	uint64_t y = sort_key[*(const uint32_t *)b];

	return x < y ? -1 : x > y;
}

/* Makes more BOs than are needed and keeps some by their place in memory. */
static void choose_bos(struct rig *rig)
{
	unsigned int made = rig->cfg.bos * rig->cfg.make, i, kept = 0, p;
	uint32_t *all = calloc(made, sizeof(*all));
	uint32_t *order = calloc(made, sizeof(*order));
	uint64_t *key = calloc(made, sizeof(*key)), *pfns;
	struct rig tmp = *rig;
	bool keep;

	igt_assert(all && order && key);
	for (i = 0; i < made; i++) {
		all[i] = movgem_bo_create(rig->fd,
					  (uint64_t)rig->cfg.bo_pages * PAGE,
					  0);
		order[i] = i;
	}

	tmp.handles = all;
	tmp.cfg.bos = made;
	tmp.pages = made * rig->cfg.bo_pages;
	tmp.ids = calloc(made, sizeof(*tmp.ids));
	igt_assert(tmp.ids);
	rig_identify(&tmp);
	pfns = rig_pfns(&tmp);
	for (i = 0; i < made; i++)
		for (p = 0; p < rig->cfg.bo_pages; p++)
			key[i] += pfns[i * rig->cfg.bo_pages + p];
	free(pfns);

	small_page_lists();
	sort_key = key;
	qsort(order, made, sizeof(*order), compare_key);
	for (i = 0; i < made; i++) {
		if (rig->cfg.keep == RIG_KEEP_LOWEST)
			keep = i < rig->cfg.bos;
		else
			keep = i % rig->cfg.make == 0;
		/* left alone: compaction fills blocks that are in use */
		if (!keep && rig->cfg.keep == RIG_KEEP_LOWEST && i / 8 % 4 == 0)
			continue;
		if (keep) {
			rig->ids[kept] = tmp.ids[order[i]];
			rig->handles[kept++] = all[order[i]];
		} else {
			gem_close(rig->fd, all[order[i]]);
		}
	}
	igt_assert_eq(kept, rig->cfg.bos);

	free(tmp.ids);
	free(all);
	free(order);
	free(key);
}

static void bind_rig(struct rig *rig, uint32_t vm, uint64_t va)
{
	uint64_t bo_size = (uint64_t)rig->cfg.bo_pages * PAGE;
	struct drm_movgem_bind_op *ops = calloc(rig->cfg.bos, sizeof(*ops));
	unsigned int i, some;

	igt_assert(ops);
	for (i = 0; i < rig->cfg.bos; i++) {
		ops[i].op = DRM_MOVGEM_BIND_OP_MAP;
		ops[i].handle = rig->handles[i];
		ops[i].va = va + i * bo_size;
		ops[i].size = bo_size;
	}
	for (i = 0; i < rig->cfg.bos; i += some) {
		some = rig->cfg.bos - i;
		if (some > DRM_MOVGEM_BIND_OPS_MAX)
			some = DRM_MOVGEM_BIND_OPS_MAX;
		movgem_vm_bind(rig->fd, vm, ops + i, some);
	}
	free(ops);
}

static void view_init(struct rig *rig, unsigned int index)
{
	struct rig_view *v = &rig->views[index];

	v->rig = rig;
	v->index = index;
	/* views 0 and 1 share a VM; 2 has the address of 0 in another */
	v->va = RIG_VA(index == 1);
	if (index == 1) {
		v->vm = rig->views[0].vm;
	} else {
		v->vm = movgem_vm_create(rig->fd);
		movgem_vm_map(rig->fd, v->vm, rig->seed_handle, 0, SEED_VA,
			      ALIGN(rig->pages * 4ull, PAGE), 0);
		movgem_vm_map(rig->fd, v->vm, rig->readback_handle, 0,
			      READBACK_VA, (uint64_t)rig_chunk(rig) * PAGE, 0);
	}
	bind_rig(rig, v->vm, v->va);

	v->queue = movgem_queue_create(rig->fd, v->vm);
	v->timeline = syncobj_create(rig->fd, 0);
	v->cmd_handle = movgem_bo_create(rig->fd, PAGE, 0);
	v->cmd = movgem_bo_mmap(rig->fd, v->cmd_handle, PAGE);
	movgem_vm_map(rig->fd, v->vm, v->cmd_handle, 0, CMD_VA(index), PAGE,
		      0);
}

static void fill_pattern(struct rig *rig)
{
	unsigned int page, i;
	uint32_t word;

	for (page = 0; page < rig->pages; page++) {
		for (i = RIG_PATTERN; i < PAGE; i += 4) {
			word = rig_pattern(page, i);
			memcpy(rig->cpu + (size_t)page * PAGE + i, &word, 4);
		}
	}
}

static void make_seed(struct rig *rig)
{
	size_t size = ALIGN(rig->pages * 4ul, PAGE);
	unsigned int page;
	uint32_t *seed;

	rig->seed_handle = movgem_bo_create(rig->fd, size, 0);
	seed = movgem_bo_mmap(rig->fd, rig->seed_handle, size);
	for (page = 0; page < rig->pages; page++)
		seed[page] = seed_pixel(page);
	munmap(seed, size);
}

void rig_init(struct rig *rig, const struct rig_config *cfg)
{
	static unsigned int serial;
	unsigned int i;

	rig_reset();
	memset(rig, 0, sizeof(*rig));
	rig->cfg = *cfg;
	if (!rig->cfg.bos)
		rig->cfg.bos = 1;
	if (!rig->cfg.bo_pages)
		rig->cfg.bo_pages = 16;
	if (!rig->cfg.make)
		rig->cfg.make = 1;
	rig->pages = rig->cfg.bos * rig->cfg.bo_pages;
	igt_assert(rig->pages <= RIG_CHUNK || rig->pages % RIG_CHUNK == 0);
	igt_assert(rig->cfg.threads + rig->cfg.children < RIG_WRITERS);

	rig->shared_size = sizeof(*rig->shared) +
			   (size_t)RIG_WRITERS * rig->pages * RIG_SLOTS * 4;
	rig->shared = mmap(NULL, rig->shared_size, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	igt_assert(rig->shared != MAP_FAILED);

	snprintf(rig->label, sizeof(rig->label), "rig-%d-%u", getpid(),
		 ++serial);
	rig->fd = movgem_open();
	active_rig = rig;
	if (rig->cfg.one_zone)
		movable_blocks_offline();

	rig->handles = calloc(rig->cfg.bos, sizeof(*rig->handles));
	igt_assert(rig->handles);
	rig->ids = calloc(rig->cfg.bos, sizeof(*rig->ids));
	igt_assert(rig->ids);
	if (rig->cfg.keep == RIG_KEEP_ALL) {
		for (i = 0; i < rig->cfg.bos; i++)
			rig->handles[i] =
				movgem_bo_create(rig->fd,
						 rig->cfg.bo_pages * PAGE, 0);
		rig_identify(rig);
	} else {
		choose_bos(rig);
	}
	for (i = 0; i < rig->cfg.bos; i++)
		movgem_bo_label(rig->fd, rig->handles[i], rig->label);

	rig_map(rig);
	fill_pattern(rig);
	if (rig->cfg.unmapped)
		rig_unmap(rig);

	if (rig->cfg.views) {
		make_seed(rig);
		rig->readback_handle =
			movgem_bo_create(rig->fd, rig_chunk(rig) * PAGE, 0);
		rig->readback = movgem_bo_mmap(rig->fd, rig->readback_handle,
					       rig_chunk(rig) * PAGE);
		for (i = 0; i < rig->cfg.views; i++)
			view_init(rig, i);
	}

	rig->moved_before = rig_moved(rig);
}

/* Closing the file does the rest. */
static void rig_free(struct rig *rig)
{
	unsigned int i;

	rig_unmap(rig);
	for (i = 0; i < rig->cfg.views; i++)
		if (rig->views[i].cmd)
			munmap(rig->views[i].cmd, PAGE);
	if (rig->readback)
		munmap(rig->readback, rig_chunk(rig) * PAGE);
	if (rig->fd >= 0)
		close(rig->fd);
	munmap(rig->shared, rig->shared_size);
	free(rig->handles);
	free(rig->ids);
	memset(rig, 0, sizeof(*rig));
	rig->fd = -1;
	active_rig = NULL;
}

void rig_fini(struct rig *rig)
{
	join_threads(rig);
	rig_free(rig);
}

void rig_reset(void)
{
	if (active_rig)
		rig_fini(active_rig);
}
