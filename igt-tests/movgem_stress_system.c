// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * The workers of the stress that make the kernel move pages or take memory
 * away, and those that read what the driver says: movgem_stress.h.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include "igt.h"
#include "movgem_stress.h"

#define PAGE		4096ul
#define HUGE_PAGE	SZ_2M
#define BLOCKS		"/sys/devices/system/memory"
#define HUGEPAGES	"/proc/sys/vm/nr_hugepages"
#define BLOCKS_MAX	256

/* ---- moves that are asked for ---- */

void stress_migrate(struct stress_worker *w)
{
	static const char *const what[] = {
		"all", "label:stress-a", "label:stress-b", "label:stress-own",
	};

	while (!w->shared->stop) {
		unsigned int n = stress_below(w, ARRAY_SIZE(what));
		int ret;

		stress_begin(w, STRESS_MIGRATE, n, 0, 0);
		ret = stress_move(w, what[n]);
		/* No BO has the label just now. */
		stress_end(w, ret == -ENOENT && n ? -EAGAIN : ret);
		stress_sleep(w, 100000);
	}
}

void stress_compact(struct stress_worker *w)
{
	while (!w->shared->stop) {
		stress_begin(w, STRESS_COMPACT, 0, 0, 0);
		stress_end(w, stress_write_file("/proc/sys/vm/compact_memory", "1"));
		stress_sleep(w, 300000);
	}
}

/* ---- huge pages ---- */

/*
 * A word of each page, so that what is written there by mistake shows. How many
 * pages it got to before the stop.
 */
static unsigned long mark(struct stress_worker *w, uint8_t *at, unsigned long pages,
			  uint32_t seed)
{
	unsigned long i;

	for (i = 0; i < pages && !w->shared->stop; i++) {
		*(volatile uint32_t *)(at + i * PAGE + i % 512 * 8) = movgem_mix(seed, i);
		w->slot->beat += !(i % 4096);
	}
	return i;
}

static void check_marks(struct stress_worker *w, uint8_t *at, unsigned long pages,
			uint32_t seed, const char *what)
{
	unsigned long i;

	for (i = 0; i < pages; i++) {
		uint32_t have = *(volatile uint32_t *)(at + i * PAGE + i % 512 * 8);

		if (have != movgem_mix(seed, i))
			stress_fail(w, "somebody else's memory was written: page %lu of %lu of %s has 0x%08x and not 0x%08x",
				    i, pages, what, have, movgem_mix(seed, i));
	}
	w->slot->bytes_checked += pages * 4;
}

static unsigned long huge_kb(void)
{
	char text[8192], *at;

	if (stress_read_file("/proc/self/smaps_rollup", text, sizeof(text)) < 0)
		return 0;
	at = strstr(text, "AnonHugePages:");
	return at ? strtoul(at + strlen("AnonHugePages:"), NULL, 10) : 0;
}

void stress_thp(struct stress_worker *w)
{
	while (!w->shared->stop) {
		unsigned long room = stress_meminfo_kb("MemAvailable:") / 2048 / 4, huge;
		unsigned long count = 1 + stress_below(w, min(room, 32ul));
		unsigned long marked;
		size_t size = (count + 1) * HUGE_PAGE;
		uint32_t seed = movgem_rand(&w->rand);
		uint8_t *map, *at;

		stress_begin(w, STRESS_THP, count, 0, 0);
		map = mmap(NULL, size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (map == MAP_FAILED) {
			stress_end(w, -errno);
			continue;
		}
		at = (void *)ALIGN((uintptr_t)map, HUGE_PAGE);
		madvise(at, count * HUGE_PAGE, MADV_HUGEPAGE);
		marked = mark(w, at, count * HUGE_PAGE / PAGE, seed);
		huge = huge_kb() / 2048;
		w->slot->huge_pages += huge;
		stress_end(w, huge ? 0 : -ENOMEM);
		stress_sleep(w, 200000);
		check_marks(w, at, marked, seed, "anonymous memory");
		munmap(map, size);
		stress_sleep(w, 100000);
	}
}

/* Takes a share of what is free, uses it, gives it back. */
void stress_hugetlb(struct stress_worker *w)
{
	char text[32];

	while (!w->shared->stop) {
		unsigned long room = stress_meminfo_kb("MemFree:") / 2048, had;
		unsigned long want = 1 + stress_below(w, room * 6 / 10), marked;
		uint32_t seed = movgem_rand(&w->rand);
		uint8_t *map;

		stress_begin(w, STRESS_HUGETLB, want, 0, 0);
		snprintf(text, sizeof(text), "%lu", want);
		if (!stress_end(w, stress_write_file(HUGEPAGES, text)))
			continue;
		had = stress_meminfo_kb("HugePages_Free:");
		w->slot->huge_pages += had;
		map = MAP_FAILED;
		if (had)
			map = mmap(NULL, had * HUGE_PAGE, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
		if (map != MAP_FAILED) {
			/* While a block goes offline its huge pages are not to be had. */
			if (!madvise(map, had * HUGE_PAGE, MADV_POPULATE_WRITE)) {
				marked = mark(w, map, had * HUGE_PAGE / PAGE, seed);
				stress_sleep(w, 100000);
				check_marks(w, map, marked, seed, "a huge page");
			}
			munmap(map, had * HUGE_PAGE);
		}
		stress_write_file(HUGEPAGES, "0");
		stress_sleep(w, 300000);
	}
}

/* ---- memory blocks ---- */

static bool block_is(unsigned long block, const char *state)
{
	char path[96], text[64];

	snprintf(path, sizeof(path), BLOCKS "/memory%lu/state", block);
	return stress_read_file(path, text, sizeof(text)) > 0 &&
	       !strncmp(text, state, strlen(state));
}

static int block_set(unsigned long block, const char *state)
{
	char path[96];

	snprintf(path, sizeof(path), BLOCKS "/memory%lu/state", block);
	return stress_write_file(path, state);
}

static bool block_is_movable(unsigned long block)
{
	char path[96], text[64];

	snprintf(path, sizeof(path), BLOCKS "/memory%lu/valid_zones", block);
	return stress_read_file(path, text, sizeof(text)) > 0 && !strncmp(text, "Movable", 7);
}

/* Those in ZONE_MOVABLE that are online, or all that are not. */
static unsigned int find_blocks(unsigned long *blocks, bool online)
{
	unsigned int count = 0;
	struct dirent *entry;
	DIR *dir = opendir(BLOCKS);

	while (dir && count < BLOCKS_MAX && (entry = readdir(dir))) {
		unsigned long block;

		if (sscanf(entry->d_name, "memory%lu", &block) != 1)
			continue;
		if (online ? block_is(block, "online") && block_is_movable(block) :
			     block_is(block, "offline"))
			blocks[count++] = block;
	}
	if (dir)
		closedir(dir);
	return count;
}

void stress_online_all(void)
{
	unsigned long blocks[BLOCKS_MAX];
	unsigned int count = find_blocks(blocks, false);

	while (count--)
		block_set(blocks[count], "online_movable");
}

static uint64_t block_bytes(void)
{
	char text[32];

	if (stress_read_file(BLOCKS "/block_size_bytes", text, sizeof(text)) <= 0)
		return 0;
	return strtoull(text, NULL, 16);
}

static void on_alarm(int sig)
{
}

/* Gives up after some seconds: what is in the way may stay there. */
static int block_offline(unsigned long block, unsigned int seconds)
{
	struct sigaction action = { .sa_handler = on_alarm };
	/* again and again, in case that the first comes before the write */
	struct itimerval timer = {
		.it_value.tv_sec = seconds,
		.it_interval.tv_usec = 100000,
	}, off = { };
	int ret;

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
	ret = block_set(block, "offline");
	setitimer(ITIMER_REAL, &off, NULL);
	return ret;
}

/* No page of a BO may be where there is no memory. */
static void check_block(struct stress_worker *w, unsigned long block)
{
	uint64_t first = block * block_bytes() / PAGE, count = block_bytes() / PAGE;
	char *text = stress_debugfs(w, "pages"), *line, *pos = NULL;

	if (!text)
		return;
	for (line = strtok_r(text, "\n", &pos); line; line = strtok_r(NULL, "\n", &pos)) {
		uint64_t bo, index, pfn;

		if (sscanf(line, "%" SCNu64 " %" SCNu64 " %" SCNx64, &bo, &index, &pfn) == 3 &&
		    pfn - first < count)
			stress_fail(w, "memory block %lu is offline, and page %" PRIu64
				    " of BO %" PRIu64 " in it", block, index, bo);
	}
	free(text);
}

void stress_offline(struct stress_worker *w)
{
	unsigned long blocks[BLOCKS_MAX], block;
	unsigned int count;

	stress_online_all();
	while (!w->shared->stop) {
		count = find_blocks(blocks, true);
		if (!count) {
			stress_sleep(w, 1000000);
			continue;
		}
		block = blocks[stress_below(w, count)];
		stress_begin(w, STRESS_OFFLINE, block, 0, 0);
		if (!stress_end(w, block_offline(block, 30))) {
			stress_sleep(w, 500000);
			continue;
		}
		if (stress_one_in(w, 2))
			check_block(w, block);
		stress_sleep(w, 500000);
		stress_begin(w, STRESS_ONLINE, block, 0, 0);
		stress_end(w, block_set(block, "online_movable"));
		stress_sleep(w, 500000);
	}
}

/* ---- single frames ---- */

/* In memory blocks that never go offline: one that lost a frame cannot come back. */
static uint64_t some_pfn(struct stress_worker *w)
{
	uint64_t bo, index, pfn = 0, per_block = block_bytes() / PAGE;
	char *text = stress_debugfs(w, "pages"), *line;
	size_t length = text ? strlen(text) : 0;
	unsigned int i;

	for (i = 0; i < 32 && length && per_block; i++) {
		line = strchr(text + stress_below(w, length), '\n');
		if (line && sscanf(line + 1, "%" SCNu64 " %" SCNu64 " %" SCNx64, &bo, &index,
				   &pfn) == 3 && !block_is_movable(pfn / per_block))
			break;
		pfn = 0;
	}
	free(text);
	return pfn;
}

void stress_soft_offline(struct stress_worker *w)
{
	char text[32];
	uint64_t pfn;
	int ret;

	while (!w->shared->stop && w->shared->frames_left > 0) {
		pfn = some_pfn(w);
		if (pfn) {
			snprintf(text, sizeof(text), "0x%" PRIx64, pfn * PAGE);
			stress_begin(w, STRESS_SOFT_OFFLINE, pfn, 0, 0);
			ret = stress_write_file(BLOCKS "/soft_offline_page", text);
			/*
			 * The BO may be gone meanwhile, and with it the frame,
			 * even the block that it was in.
			 */
			if (ret == -EIO || ret == -ENXIO || ret == -EOPNOTSUPP)
				ret = -EBUSY;
			if (stress_end(w, ret))
				__atomic_sub_fetch(&w->shared->frames_left, 1,
						   __ATOMIC_RELAXED);
		}
		stress_sleep(w, 300000);
	}
	while (!w->shared->stop)
		stress_sleep(w, 1000000);
}

/* ---- memory pressure ---- */

/* Uses nearly all that is left; the OOM killer takes this one first. */
void stress_pressure(struct stress_worker *w)
{
	stress_write_file("/proc/self/oom_score_adj", "1000");
	/* From now on without a line in the kernel's log each time. */
	stress_write_file("/proc/sys/vm/drop_caches", "4");
	while (!w->shared->stop) {
		unsigned long pages = stress_meminfo_kb("MemAvailable:") / 4, marked;
		uint32_t seed = movgem_rand(&w->rand);
		uint8_t *map;

		pages = pages * (30 + stress_below(w, 65)) / 100;
		stress_begin(w, STRESS_PRESSURE, pages, 0, 0);
		map = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (map == MAP_FAILED) {
			stress_end(w, -errno);
			continue;
		}
		madvise(map, pages * PAGE, MADV_NOHUGEPAGE);
		marked = mark(w, map, pages, seed);
		stress_end(w, 0);
		stress_sleep(w, 300000);
		check_marks(w, map, marked, seed, "anonymous memory");
		munmap(map, pages * PAGE);
		stress_begin(w, STRESS_DROP_SLAB, 0, 0, 0);
		stress_end(w, stress_write_file("/proc/sys/vm/drop_caches", "2"));
		stress_sleep(w, 3000000);
	}
}

/* ---- reading ---- */

static uint64_t stat_of(struct stress_worker *w, const char *text, const char *name)
{
	size_t length = strlen(name);
	const char *line;

	for (line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, name, length) && line[length] == ' ')
			return strtoull(line + length, NULL, 10);
	}
	stress_fail(w, "no %s in stats", name);
}

/* Counters never fall. */
static void read_stats(struct stress_worker *w, uint64_t *before)
{
	static const char *const names[] = {
		"isolate_ok", "migrate_ok", "putback", "gpu_tlb_flush", "cpu_fault", "jobs_done",
	};
	char *text = stress_debugfs(w, "stats");
	unsigned int i;

	for (i = 0; text && i < ARRAY_SIZE(names); i++) {
		uint64_t value = stat_of(w, text, names[i]);

		if (value < before[i])
			stress_fail(w, "%s has fallen from %" PRIu64 " to %" PRIu64, names[i],
				    before[i], value);
		before[i] = value;
	}
	stress_end(w, text ? 0 : -ENOMEM);
	free(text);
}

static void read_debugfs(struct stress_worker *w, const char *name)
{
	char *text = stress_debugfs(w, name);

	stress_end(w, text ? 0 : -ENOMEM);
	free(text);
}

/* Of all files of some worker, which may be killed meanwhile. */
static void read_fdinfo(struct stress_worker *w, unsigned int slot)
{
	char path[64], text[8192], file[384];
	pid_t pid = w->shared->slots[slot].pid;
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo", pid);
	dir = pid > 0 ? opendir(path) : NULL;
	while (dir && (entry = readdir(dir))) {
		if (!isdigit(entry->d_name[0]))
			continue;
		snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
		if (stress_read_file(file, text, sizeof(text)) > 0)
			found |= strstr(text, "drm-total-") != NULL;
	}
	if (dir)
		closedir(dir);
	stress_end(w, found ? 0 : -EAGAIN);
}

void stress_reader(struct stress_worker *w)
{
	uint64_t before[8] = { };

	while (!w->shared->stop) {
		unsigned int slot = stress_below(w, w->shared->workers);

		switch (stress_below(w, 8)) {
		case 0:
			stress_begin(w, STRESS_READ_PAGES, 0, 0, 0);
			read_debugfs(w, "pages");
			break;
		case 1:
		case 2:
			stress_begin(w, STRESS_READ_GEMS, 0, 0, 0);
			read_debugfs(w, "gems");
			break;
		case 3:
		case 4:
			stress_begin(w, STRESS_READ_FDINFO, slot, 0, 0);
			read_fdinfo(w, slot);
			break;
		default:
			stress_begin(w, STRESS_READ_STATS, 0, 0, 0);
			read_stats(w, before);
			break;
		}
		stress_sleep(w, 200000);
	}
}
