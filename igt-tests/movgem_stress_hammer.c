// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * The worker that writes one place all the time, from two threads, a child and
 * two GPU address spaces at once, while the pages move: movgem_stress.h. In
 * every page each writer has a line of counters of its own, so that each lost
 * write shows in the sum. Behind the lines lies a pattern that nobody writes.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <drm_fourcc.h>

#include "igt.h"
#include "movgem_stress.h"

#define PAGE		4096u
#define BOS_MAX		4u
#define BO_PAGES_MAX	32u
#define PAGES_MAX	(BOS_MAX * BO_PAGES_MAX)
#define WRITERS		3u	/* two threads and a child */
#define COUNTERS	16u
#define LINE		64u
#define GPU_LINES	0x100u
#define GPU_VIEWS	2u
#define PATTERN		0x200u
/* What a job adds is in three channels, which hold 255 each. */
#define COUNTS		255u
#define JOBS_MAX	(COUNTS * COUNTERS)
#define IN_FLIGHT	8u
#define STREAM_VA	0x10000000ull
#define PAGES_VA	0x20005000ull

/** struct model - what the counters of the CPU have to be */
struct model {
	volatile bool stop;
	uint32_t counters[WRITERS][PAGES_MAX][COUNTERS];
};

struct gpu {
	uint32_t vm, queue, timeline, stream_handle;
	uint64_t jobs;
	uint8_t *stream;	/* page 0: source; behind it the streams */
};

struct hammer {
	struct stress_worker *w;
	int fd;
	struct model *model;	/* shared with the child */
	unsigned int bos, bo_pages, pages;
	uint32_t handles[BOS_MAX];
	uint8_t *cpu;
	uint32_t pattern;
	struct gpu gpus[GPU_VIEWS];
	char label[32];
};

struct writer {
	struct hammer *h;
	unsigned int n;
	uint64_t rand;
};

/* ---- writers ---- */

static void count_up(struct hammer *h, unsigned int n, uint64_t *rand)
{
	unsigned int page = movgem_rand(rand) % h->pages, slot = movgem_rand(rand) % COUNTERS;
	volatile uint32_t *at = (void *)(h->cpu + page * PAGE + n * LINE + slot * 4);
	uint32_t *want = &h->model->counters[n][page][slot];

	if (*at != *want)
		stress_fail(h->w, "CPU writer %u finds counter %u of page %u at %u and not at %u (%u BOs of %u pages)",
			    n, slot, page, *at, *want, h->bos, h->bo_pages);
	*at = ++*want;
}

static void *write_thread(void *data)
{
	struct writer *writer = data;

	while (!writer->h->model->stop)
		count_up(writer->h, writer->n, &writer->rand);
	return NULL;
}

static void *move_thread(void *data)
{
	struct hammer *h = data;
	char what[64];

	snprintf(what, sizeof(what), "label:%s", h->label);
	while (!h->model->stop) {
		stress_move(h->w, what);
		usleep(1000);
	}
	return NULL;
}

/* ---- jobs ---- */

static uint32_t job_stream(struct gpu *gpu, unsigned int view, unsigned int pages)
{
	uint64_t column = gpu->jobs / COUNTS;
	struct drm_movgem_cmd_blit blit = {
		.hdr.opcode = DRM_MOVGEM_CMD_BLIT,
		.hdr.size = sizeof(blit),
		.hdr.flags = DRM_MOVGEM_BLIT_SRC_OVER,
		.src.addr = STREAM_VA,
		.src.pitch = 4,
		.src.format = DRM_FORMAT_ARGB8888,
		.src.width = 1,
		.src.height = pages,
		.src.w = 1,
		.src.h = pages,
		.dst.addr = PAGES_VA + GPU_LINES + view * LINE,
		.dst.pitch = PAGE,
		.dst.format = DRM_FORMAT_ARGB8888,
		.dst.width = COUNTERS,
		.dst.height = pages,
		.dst.x = column,
		.dst.w = 1,
		.dst.h = pages,
	};
	uint32_t at = PAGE + gpu->jobs % (2 * IN_FLIGHT) * sizeof(blit);

	memcpy(gpu->stream + at, &blit, sizeof(blit));
	return at;
}

static void job_wait(struct hammer *h, struct gpu *gpu, uint64_t job)
{
	int ret = 0;

	/* Who was told to stop before the first job has none to wait for. */
	if (job)
		ret = stress_timeline_wait(h->fd, gpu->timeline, job);
	if (ret)
		stress_fail(h->w, "job %" PRIu64 " of the hammer does not end: %s", job,
			    strerror(-ret));
}

static void job_submit(struct hammer *h, unsigned int view)
{
	struct gpu *gpu = &h->gpus[view];
	uint32_t at = job_stream(gpu, view, h->pages);
	struct drm_movgem_sync sync = movgem_sync_signal(gpu->timeline, gpu->jobs + 1);

	stress_must(h->w, __movgem_submit(h->fd, gpu->queue, STREAM_VA + at,
					  sizeof(struct drm_movgem_cmd_blit), &sync, 1));
	gpu->jobs++;
	h->w->slot->beat++;
	if (gpu->jobs > IN_FLIGHT)
		job_wait(h, gpu, gpu->jobs - IN_FLIGHT);
}

static void gpu_init(struct hammer *h, struct gpu *gpu)
{
	struct drm_movgem_bind_op ops[BOS_MAX];
	unsigned int i;
	void *map;

	memset(gpu, 0, sizeof(*gpu));
	stress_must(h->w, __movgem_vm_create(h->fd, 0, &gpu->vm));
	stress_must(h->w, __movgem_queue_create(h->fd, gpu->vm, 0, &gpu->queue));
	stress_must(h->w, stress_syncobj_create(h->fd, &gpu->timeline));
	stress_must(h->w, __movgem_bo_create(h->fd, 2 * PAGE, 0, 0, &gpu->stream_handle));
	stress_must(h->w, stress_map(h->fd, gpu->stream_handle, 2 * PAGE, &map));
	gpu->stream = map;
	for (i = 0; i < h->pages; i++)
		((uint32_t *)map)[i] = 0x00010101;
	stress_must(h->w, __movgem_vm_map(h->fd, gpu->vm, gpu->stream_handle, 0, STREAM_VA,
					  2 * PAGE, 0));
	for (i = 0; i < h->bos; i++)
		ops[i] = movgem_op_map(h->handles[i], 0,
				       PAGES_VA + i * h->bo_pages * PAGE,
				       h->bo_pages * PAGE, 0);
	stress_must(h->w, __movgem_vm_bind(h->fd, gpu->vm, 0, ops, h->bos, NULL, 0));
}

static void gpu_fini(struct hammer *h, struct gpu *gpu)
{
	struct drm_movgem_queue_state state;

	stress_must(h->w, __movgem_queue_state(h->fd, gpu->queue, &state));
	if (state.faulted)
		stress_fail(h->w, "%llu jobs of the hammer faulted, the newest with type %u at %#llx",
			    state.faulted, state.fault.type, state.fault.address);
	munmap(gpu->stream, 2 * PAGE);
	stress_must(h->w, __movgem_queue_destroy(h->fd, gpu->queue));
	stress_must(h->w, __movgem_vm_destroy(h->fd, gpu->vm));
	stress_must(h->w, stress_syncobj_destroy(h->fd, gpu->timeline));
	stress_must(h->w, __movgem_gem_close(h->fd, gpu->stream_handle));
}

/* ---- a round ---- */

static uint32_t gpu_count(uint64_t jobs, unsigned int column)
{
	uint64_t before = (uint64_t)column * COUNTS, count;

	count = jobs <= before ? 0 : min(jobs - before, (uint64_t)COUNTS);
	return count * 0x010101;
}

static uint32_t expected(struct hammer *h, unsigned int page, unsigned int offset)
{
	unsigned int line = offset / LINE, slot = offset % LINE / 4;

	if (line < WRITERS)
		return h->model->counters[line][page][slot];
	if (offset >= PATTERN)
		return movgem_mix(h->pattern + page, offset);
	if (offset >= GPU_LINES && offset < GPU_LINES + GPU_VIEWS * LINE)
		return gpu_count(h->gpus[(offset - GPU_LINES) / LINE].jobs, slot);
	return 0;
}

static void check(struct hammer *h, const uint8_t *at, const char *how)
{
	const volatile uint32_t *words = (const void *)at;
	unsigned int page, offset;

	h->w->slot->bytes_checked += h->pages * PAGE;
	for (page = 0; page < h->pages; page++) {
		for (offset = 0; offset < PAGE; offset += 4) {
			uint32_t have = words[(page * PAGE + offset) / 4];
			uint32_t want = expected(h, page, offset);

			if (have != want)
				stress_fail(h->w, "hammer, %s: page %u offset %#x (%s) is 0x%08x and not 0x%08x; %u BOs of %u pages, jobs %" PRIu64 " and %" PRIu64,
					    how, page, offset,
					    offset < WRITERS * LINE ? "counted by the CPU" :
					    offset < GPU_LINES || offset >= PATTERN ?
					    "written by nobody" : "counted by the GPU",
					    have, want, h->bos, h->bo_pages, h->gpus[0].jobs,
					    h->gpus[1].jobs);
		}
	}
}

/* All of it once more, where a GPU has copied it to. */
static void check_gpu(struct hammer *h)
{
	struct gpu *gpu = &h->gpus[0];
	struct drm_movgem_sync sync = movgem_sync_signal(gpu->timeline, gpu->jobs + 1);
	struct drm_movgem_cmd_copy copy = {
		.hdr.opcode = DRM_MOVGEM_CMD_COPY,
		.hdr.size = sizeof(copy),
		.dst = PAGES_VA + 2ull * PAGES_MAX * PAGE,
		.src = PAGES_VA,
		.size = h->pages * PAGE,
	};
	uint32_t handle;
	void *map;

	stress_must(h->w, __movgem_bo_create(h->fd, copy.size, 0, 0, &handle));
	stress_must(h->w, stress_map(h->fd, handle, copy.size, &map));
	stress_must(h->w, __movgem_vm_map(h->fd, gpu->vm, handle, 0, copy.dst, copy.size, 0));
	memcpy(gpu->stream + PAGE, &copy, sizeof(copy));
	stress_must(h->w, __movgem_submit(h->fd, gpu->queue, STREAM_VA + PAGE, sizeof(copy),
					  &sync, 1));
	job_wait(h, gpu, gpu->jobs + 1);
	check(h, map, "seen by the GPU");
	munmap(map, copy.size);
	stress_must(h->w, __movgem_gem_close(h->fd, handle));
}

static void fill(struct hammer *h)
{
	volatile uint32_t *words = (void *)h->cpu;
	unsigned int page, offset;

	memset(h->model, 0, sizeof(*h->model));
	h->pattern = movgem_rand(&h->w->rand);
	for (page = 0; page < h->pages; page++)
		for (offset = PATTERN; offset < PAGE; offset += 4)
			words[(page * PAGE + offset) / 4] = expected(h, page, offset);
}

static void round_init(struct hammer *h)
{
	unsigned int i;
	uint64_t offset;
	void *at;

	h->bos = 1 + stress_below(h->w, BOS_MAX);
	h->bo_pages = stress_size(h->w, BO_PAGES_MAX);
	h->pages = h->bos * h->bo_pages;
	at = mmap(NULL, h->pages * PAGE, PROT_NONE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at == MAP_FAILED)
		stress_fail(h->w, "no address space: %s", strerror(errno));
	h->cpu = at;
	for (i = 0; i < h->bos; i++) {
		stress_must(h->w, __movgem_bo_create(h->fd, h->bo_pages * PAGE, 0, 0,
						     &h->handles[i]));
		__movgem_bo_label(h->fd, h->handles[i], h->label);
		stress_must(h->w, __movgem_bo_mmap_offset(h->fd, h->handles[i], &offset));
		at = h->cpu + i * h->bo_pages * PAGE;
		while (mmap(at, h->bo_pages * PAGE, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_FIXED, h->fd, offset) == MAP_FAILED)
			stress_wait_for_memory(h->w, "mmap", 0);
	}
	fill(h);
	for (i = 0; i < GPU_VIEWS; i++)
		gpu_init(h, &h->gpus[i]);
}

static void round_fini(struct hammer *h)
{
	unsigned int i;

	for (i = 0; i < GPU_VIEWS; i++)
		gpu_fini(h, &h->gpus[i]);
	for (i = 0; i < h->bos; i++)
		stress_must(h->w, __movgem_gem_close(h->fd, h->handles[i]));
	munmap(h->cpu, h->pages * PAGE);
}

static pid_t start_child(struct hammer *h, uint64_t rand)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Should the parent be gone already, nobody else would say stop. */
	while (!h->model->stop && getppid() == h->w->slot->pid)
		count_up(h, WRITERS - 1, &rand);
	_exit(0);
}

static void join(struct hammer *h, pthread_t thread)
{
	if (pthread_join(thread, NULL))
		stress_fail(h->w, "a thread cannot be joined");
}

/* The child's count is lost if the OOM killer takes it; then 0 is returned. */
static bool child_ended_well(struct hammer *h, pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		return false;
	if (status)
		_exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
	return true;
}

static void sum_up(struct hammer *h)
{
	unsigned int n, page, slot;

	for (n = 0; n < WRITERS; n++)
		for (page = 0; page < h->pages; page++)
			for (slot = 0; slot < COUNTERS; slot++)
				h->w->slot->cpu_counts += h->model->counters[n][page][slot];
	for (n = 0; n < GPU_VIEWS; n++)
		h->w->slot->gpu_counts += h->gpus[n].jobs * h->pages;
}

static void one_round(struct hammer *h)
{
	struct writer writers[WRITERS - 1];
	pthread_t threads[WRITERS - 1], mover;
	unsigned int jobs = 10 + stress_size(h->w, 400), i, n;
	bool moving = h->w->shared->can_move && stress_one_in(h->w, 2), well;
	pid_t child;

	round_init(h);
	stress_begin(h->w, STRESS_HAMMER, h->bos, h->bo_pages, jobs);
	child = start_child(h, movgem_rand(&h->w->rand));
	if (child < 0) {
		stress_end(h->w, -errno);
		round_fini(h);
		return;
	}
	for (i = 0; i < WRITERS - 1; i++) {
		writers[i] = (struct writer) { h, i, movgem_rand(&h->w->rand) };
		stress_must(h->w, -pthread_create(&threads[i], NULL, write_thread, &writers[i]));
	}
	if (moving)
		stress_must(h->w, -pthread_create(&mover, NULL, move_thread, h));
	for (n = 0; n < min(jobs, JOBS_MAX) && !h->w->shared->stop; n++)
		for (i = 0; i < GPU_VIEWS; i++)
			job_submit(h, i);
	for (i = 0; i < GPU_VIEWS; i++)
		job_wait(h, &h->gpus[i], h->gpus[i].jobs);
	h->model->stop = true;
	for (i = 0; i < WRITERS - 1; i++)
		join(h, threads[i]);
	if (moving)
		join(h, mover);
	well = child_ended_well(h, child);
	if (well) {
		check(h, h->cpu, "seen by the CPU");
		check_gpu(h);
		sum_up(h);
	}
	stress_end(h->w, well ? 0 : -ENOMEM);
	round_fini(h);
}

void stress_hammer(struct stress_worker *w)
{
	struct hammer *h = calloc(1, sizeof(*h));

	if (!h)
		stress_fail(w, "no memory to begin with");
	h->w = w;
	h->fd = stress_open(0);
	if (h->fd < 0)
		stress_fail(w, "cannot open the device: %s", strerror(errno));
	snprintf(h->label, sizeof(h->label), "stress-hammer-%u", w->index);
	h->model = mmap(NULL, sizeof(*h->model), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (h->model == MAP_FAILED)
		stress_fail(w, "no memory to begin with");
	/* The writers never rest: let the others have the processors first. */
	if (nice(10) < 0)
		errno = 0;
	while (!w->shared->stop)
		one_round(h);
	munmap(h->model, sizeof(*h->model));
	close(h->fd);
	free(h);
}
