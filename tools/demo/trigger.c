// SPDX-License-Identifier: GPL-2.0
/*
 * The main job's guest program: what the kernel is asked for.
 *
 * Copyright (C) 2026 movgem maintainers
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "trigger.h"
#include "workload.h"

#define NR_HUGEPAGES	"/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"

/* So many runs in a row without one page more end it. */
#define IDLE_ROUNDS	2
#define MAX_ROUNDS	20

/* A try at a memory block that moves fewer pages got nowhere. */
#define SOME_PAGES	256
#define MAX_TRIES	50

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

/* Offlining tries for ever, but any signal ends it after one more round. */
static void on_alarm(int sig)
{
	(void)sig;
}

static void set_timer(unsigned int seconds)
{
	/* Again and again: the first one may come before write() is called. */
	struct itimerval timer = {
		.it_value.tv_sec = seconds,
		.it_interval.tv_usec = seconds ? 200000 : 0,
	};

	setitimer(ITIMER_REAL, &timer, NULL);
}

static uint64_t pages_moved(void)
{
	if (work.store->moved)
		return work.store->moved();
	return read_field("/proc/vmstat", "pgmigrate_success");
}

/*
 * Tries for @limit seconds, and again for as long as that gets somewhere: it
 * shall not matter how fast the machine is.
 */
static void offline(struct work_block *block, unsigned int limit)
{
	uint64_t before, moved;
	double start = now();
	char path[128];

	snprintf(path, sizeof(path),
		 "/sys/devices/system/memory/memory%u/state", block->id);
	do {
		before = pages_moved();
		set_timer(limit);
		block->error = -write_text(path, "offline");
		set_timer(0);
		block->tries++;
		moved = pages_moved() - before;
	} while (block->error == EINTR && moved >= SOME_PAGES &&
		 block->tries < MAX_TRIES);

	block->tried = true;
	block->offlined = !block->error;
	block->seconds = now() - start;
}

/*
 * Every memory block of ZONE_MOVABLE, from the highest address down, as when a
 * machine gives memory back. One on which the kernel makes no progress is left
 * alone.
 */
void trigger_offline(struct trigger_result *res, unsigned int limit)
{
	struct sigaction action = { .sa_handler = on_alarm };
	double start = now();
	size_t i;

	sigaction(SIGALRM, &action, NULL);
	for (i = block_count; i-- > 0;) {
		struct work_block *block = &blocks[i];

		if (!block->movable)
			continue;
		offline(block, limit);
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
}
