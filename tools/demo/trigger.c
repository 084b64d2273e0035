// SPDX-License-Identifier: GPL-2.0
/*
 * The main job's guest program: what the kernel is asked for.
 *
 * Copyright (C) 2026 movgem maintainers
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "demo.h"

#define NR_HUGEPAGES	"/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"

/* So many runs in a row without one page more end it. */
#define IDLE_ROUNDS	2
#define MAX_ROUNDS	20

static void write_or_die(const char *path, const char *text)
{
	int err = write_text(path, text);

	if (err)
		die("%s: %s", path, strerror(-err));
}

/* The same start for every kind of buffer. */
void trigger_prepare(void)
{
	write_or_die("/sys/kernel/mm/transparent_hugepage/enabled", "never");
	write_or_die("/proc/sys/vm/max_map_count", "1000000");
}

/* All the 2 MiB pages that the kernel can make; they are kept. */
void trigger_huge_pages(struct trigger_result *res)
{
	unsigned int idle = 0;
	double start = now();

	sync();
	write_or_die("/proc/sys/vm/drop_caches", "3");
	while (idle < IDLE_ROUNDS && res->rounds < MAX_ROUNDS) {
		uint64_t have;

		write_or_die("/proc/sys/vm/compact_memory", "1");
		write_or_die(NR_HUGEPAGES, "10000000");
		have = read_number(NR_HUGEPAGES);
		res->rounds++;
		say("round %u: %lu huge pages, %.1f s", res->rounds, have,
		    now() - start);
		idle = have > res->huge_pages ? 0 : idle + 1;
		res->huge_pages = have;
	}
	res->seconds = now() - start;
}

void trigger_release(void)
{
	write_or_die(NR_HUGEPAGES, "0");
}

/*
 * Offlining tries for ever, but any signal ends it: this thread sends one when
 * the kernel has moved no page for a while.
 */
static struct {
	pthread_t target;
	unsigned int limit;
	atomic_bool on;
	atomic_bool exit;
} watch;

static uint64_t pages_migrated(void)
{
	return read_field("/proc/vmstat", "pgmigrate_success");
}

static void *watch_main(void *arg)
{
	uint64_t before = 0;
	double since = now();

	(void)arg;
	while (!atomic_load(&watch.exit)) {
		uint64_t migrated = pages_migrated();

		if (!atomic_load(&watch.on) || migrated != before)
			since = now();
		else if (now() - since > watch.limit)
			pthread_kill(watch.target, SIGALRM);
		before = migrated;
		usleep(200000);
	}
	return NULL;
}

static void on_alarm(int sig)
{
	(void)sig;
}

static void offline(struct demo_block *block)
{
	double start = now();
	sigset_t alarm;
	char path[128];

	snprintf(path, sizeof(path),
		 "/sys/devices/system/memory/memory%u/state", block->id);
	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);

	/* The watch goes on with its signals until one of them hits write(). */
	atomic_store(&watch.on, true);
	pthread_sigmask(SIG_UNBLOCK, &alarm, NULL);
	block->error = -write_text(path, "offline");
	pthread_sigmask(SIG_BLOCK, &alarm, NULL);
	atomic_store(&watch.on, false);

	block->tried = true;
	block->offlined = !block->error;
	block->seconds = now() - start;
}

/*
 * Every memory block of ZONE_MOVABLE, from the highest address down, as when a
 * machine gives memory back. A block on which the kernel makes no progress for
 * @limit seconds is left alone.
 */
void trigger_offline(struct trigger_result *res, unsigned int limit)
{
	struct sigaction action = { .sa_handler = on_alarm };
	double start = now();
	sigset_t alarm;
	pthread_t watcher;
	size_t i;
	int err;

	/* The watcher inherits a mask without the signal. */
	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &alarm, NULL);
	sigaction(SIGALRM, &action, NULL);
	watch.target = pthread_self();
	watch.limit = limit;
	err = pthread_create(&watcher, NULL, watch_main, NULL);
	if (err)
		die("pthread_create: %s", strerror(err));

	for (i = block_count; i-- > 0;) {
		struct demo_block *block = &blocks[i];

		if (!block->movable)
			continue;
		offline(block);
		res->tried++;
		res->offlined += block->offlined;
		say("memory block %u, %zu pages of buffers in it: %s, %.1f s",
		    block->id, block->buffer_pages,
		    block->offlined ? "offline" :
		    block->error == EINTR ? "given up, nothing moves any more" :
		    strerror(block->error),
		    block->seconds);
	}
	res->seconds = now() - start;

	atomic_store(&watch.exit, true);
	pthread_join(watcher, NULL);
}
