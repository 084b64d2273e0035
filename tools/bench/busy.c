// SPDX-License-Identifier: GPL-2.0
/*
 * The benchmark's guest program: continuous compaction. A thread asks the kernel
 * for it again and again, without a pause.
 *
 * Compaction that has moved everything has nothing more to do. So users of the
 * buffers free one now and then and make it anew, as programs do: it lands in
 * the holes, and the next run moves pages again. They do so at rest as well, and
 * what that costs is in both figures.
 *
 * A thread that runs all the time takes its share of the processors, whatever it
 * does. What of the loss is due to that alone is seen in a phase in which the
 * thread only spins.
 *
 * Copyright (C) 2026 movgem maintainers
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

/* Buffers that are made anew in a second. */
#define RENEWALS	100

static atomic_int mode, current;
static atomic_ulong runs;
static pthread_t thread;

static void *busy_main(void *arg)
{
	sigset_t all;

	(void)arg;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	for (;;) {
		int what = atomic_load_explicit(&mode, memory_order_relaxed);

		atomic_store_explicit(&current, what, memory_order_relaxed);
		switch (what) {
		case BUSY_REST:
			usleep(1000);
			break;
		case BUSY_COMPACT:
			write_or_die("/proc/sys/vm/compact_memory", "1");
			atomic_fetch_add(&runs, 1);
			break;
		case BUSY_SPIN:
			break;
		case BUSY_END:
			return NULL;
		}
	}
}

/* Starts the thread, at rest. */
void busy_start(void)
{
	int err = pthread_create(&thread, NULL, busy_main, NULL);

	if (err)
		die("pthread_create: %s", strerror(err));
}

/* Lets it do something else; waits until it has ended what it did. */
void busy_set(enum busy_mode what)
{
	atomic_store(&mode, what);
	while (atomic_load(&current) != (int)what)
		usleep(1000);
}

/* Runs of compaction so far. */
unsigned long busy_runs(void)
{
	return atomic_load(&runs);
}

void busy_stop(void)
{
	busy_set(BUSY_END);
	pthread_join(thread, NULL);
}

/* Whether it is time to make a buffer anew, and which: its number, or -1. */
ssize_t busy_renew(void)
{
	static uint64_t rnd = 1;
	static double next;
	double t = now();

	if (t < next)
		return -1;
	/* What was missed in a long pause stays missed. */
	next = (t - next > 0.1 ? t : next) + 1.0 / RENEWALS;
	return next_random(&rnd) % work.count;
}
