// SPDX-License-Identifier: GPL-2.0
/*
 * The benchmark's guest program: GPU throughput and the latency of jobs, from
 * SUBMIT until the submitting thread has seen the end.
 *
 * Copyright (C) 2026 movgem maintainers
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

#define SAMPLES	(1UL << 20)
/* Jobs in flight: where throughput counts, and where latency does. */
#define MANY	8

static uint64_t *samples;
static atomic_size_t sample_count;

static void job_ended(double seconds)
{
	size_t n = atomic_load(&sample_count);

	if (n < SAMPLES) {
		samples[n] = seconds * 1e9;
		atomic_store(&sample_count, n + 1);
	}
}

static void renew(void)
{
	ssize_t i = busy_renew();
	struct work_buf *buf;
	int err;

	if (i < 0)
		return;
	buf = &work.bufs[i];
	gpu_drain();
	work.store->destroy(buf, buf_addr(buf));
	err = work.store->create(buf, buf_addr(buf));
	if (err)
		die("making a buffer anew: %s", strerror(-err));
	gpu_bind(movgem_vm(), buf, i, 1);
	work.store->map(buf, buf_addr(buf));
	content_renew(i);
}

static uint64_t percentile(size_t count, double share)
{
	size_t at = count * share;

	return count ? samples[at < count ? at : count - 1] : 0;
}

static void phase(const char *name, enum busy_mode mode, unsigned int depth)
{
	uint64_t moved, jobs, flushes, stalls;
	double begin, seconds;
	unsigned long runs;
	size_t count;

	gpu_jobs.depth = depth;
	busy_set(mode);
	/* Jobs that began before are over. */
	usleep(100000);
	moved = movgem_stat("migrate_ok");
	flushes = movgem_stat("gpu_tlb_flush");
	stalls = movgem_stat("gpu_stall");
	runs = busy_runs();
	atomic_store(&sample_count, 0);
	begin = now();
	jobs = gpu_completed();
	sleep(opt.seconds);
	seconds = now() - begin;
	jobs = gpu_completed() - jobs;
	count = atomic_load(&sample_count);
	moved = movgem_stat("migrate_ok") - moved;

	printf("= {\"phase\": \"%s\", \"depth\": %u, \"seconds\": %.3f, \"jobs\": %lu, ",
	       name, depth, seconds, jobs);
	printf("\"moved\": %lu, \"flushes\": %lu, \"stalls\": %lu, \"runs\": %lu, ",
	       moved, movgem_stat("gpu_tlb_flush") - flushes,
	       movgem_stat("gpu_stall") - stalls, busy_runs() - runs);
	/* The GPU's thread goes on; what it adds now is beyond @count. */
	sort_values(samples, count);
	printf("\"p50\": %lu, \"p99\": %lu, \"p999\": %lu, \"max\": %lu}\n",
	       percentile(count, 0.5), percentile(count, 0.99),
	       percentile(count, 0.999), percentile(count, 1));
	fflush(stdout);
}

void bench_jobs(void)
{
	uint64_t total = read_field("/proc/meminfo", "MemTotal") << 10, lost;
	unsigned int round;

	if (work.store != &store_movgem)
		die("only movgem's buffers are bound in GPU VMs");
	samples = malloc(SAMPLES * sizeof(*samples));
	if (!samples)
		die("no memory for samples");
	memset(samples, 0, SAMPLES * sizeof(*samples));

	layout_make(opt.bytes ?: total / 100 * opt.fill, 64, opt.group);
	gpu_jobs.copies = opt.copies;
	gpu_jobs.ended = job_ended;
	gpu_jobs.between = renew;
	gpu_start();
	busy_start();

	for (round = 0; round < opt.rounds; round++) {
		phase("rest", BUSY_REST, MANY);
		phase("compaction", BUSY_COMPACT, MANY);
		phase("spinning", BUSY_SPIN, MANY);
		phase("rest", BUSY_REST, 1);
		phase("compaction", BUSY_COMPACT, 1);
		phase("spinning", BUSY_SPIN, 1);
	}

	busy_stop();
	gpu_stop();
	lost = content_check();
	if (lost)
		die("%lu bytes were lost", lost);
}
