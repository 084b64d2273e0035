// SPDX-License-Identifier: GPL-2.0
/*
 * The workload: a map of physical memory, one byte a page, from
 * /proc/kpageflags and from what the buffers' owner says of their frames.
 *
 * Copyright (C) 2026 movgem maintainers
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/kernel-page-flags.h>

#include "workload.h"

#define KPF_RESERVED	32	/* not in the kernel's uapi header */

#define BLOCKS_DIR	"/sys/devices/system/memory"
#define HUGE_PAGES	(WORK_HUGE_SIZE / WORK_PAGE_SIZE)

/* The bytes of a map; tools/demo/plot.py knows them too. */
enum {
	MAP_ABSENT,
	MAP_FREE,
	MAP_FREE_HUGE,
	MAP_HUGETLB,
	MAP_BUFFER,
	MAP_ANON,
	MAP_CACHE,
	MAP_KERNEL,
	MAP_RESERVED,
};

struct work_block *blocks;
size_t block_count;

static size_t block_pages;
/* One byte a frame, in the order of blocks: now, and in the map before. */
static uint8_t *map, *map_before;

static int compare_blocks(const void *a, const void *b)
{
	const struct work_block *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static bool block_is_movable(unsigned int id)
{
	char path[128], text[64] = "";
	FILE *file;

	snprintf(path, sizeof(path), BLOCKS_DIR "/memory%u/valid_zones", id);
	file = fopen(path, "r");
	if (!file || !fgets(text, sizeof(text), file))
		die("%s: %s", path, strerror(errno));
	fclose(file);
	return !strcmp(text, "Movable\n");
}

/* Finds the memory blocks. */
void memmap_init(void)
{
	struct dirent *entry;
	DIR *dir = opendir(BLOCKS_DIR);
	FILE *file;

	if (!dir)
		die(BLOCKS_DIR ": %s", strerror(errno));
	file = fopen(BLOCKS_DIR "/block_size_bytes", "r");
	if (!file || fscanf(file, "%zx", &block_pages) != 1)
		die(BLOCKS_DIR "/block_size_bytes: cannot read");
	fclose(file);
	block_pages /= WORK_PAGE_SIZE;

	while ((entry = readdir(dir))) {
		unsigned int id;

		if (sscanf(entry->d_name, "memory%u", &id) != 1)
			continue;
		blocks = realloc(blocks, (block_count + 1) * sizeof(*blocks));
		if (!blocks)
			die("no memory");
		blocks[block_count++] = (struct work_block){
			.id = id,
			.movable = block_is_movable(id),
		};
	}
	closedir(dir);
	qsort(blocks, block_count, sizeof(*blocks), compare_blocks);

	map = calloc(block_count, block_pages);
	map_before = calloc(block_count, block_pages);
	if (!map || !map_before)
		die("no memory for a map of %zu pages",
		    block_count * block_pages);
}

static uint8_t classify(uint64_t flags, bool shmem_is_buffer)
{
	static const uint64_t cache = 1ULL << KPF_LRU | 1ULL << KPF_MMAP;
	static const uint64_t shmem = 1ULL << KPF_UNEVICTABLE |
				      1ULL << KPF_SWAPBACKED;

	if (flags & 1ULL << KPF_NOPAGE)
		return MAP_ABSENT;
	if (flags & 1ULL << KPF_HUGE)
		return MAP_HUGETLB;
	if (flags & 1ULL << KPF_BUDDY)
		return MAP_FREE;
	if (flags & 1ULL << KPF_RESERVED)
		return MAP_RESERVED;
	if (flags & 1ULL << KPF_ANON)
		return MAP_ANON;
	if (shmem_is_buffer && (flags & shmem) == shmem)
		return MAP_BUFFER;
	if (!(flags & 1ULL << KPF_SLAB) && flags & cache)
		return MAP_CACHE;
	return MAP_KERNEL;
}

static void report_frame(uint64_t pfn)
{
	size_t i;

	for (i = 0; i < block_count; i++) {
		if (pfn / block_pages == blocks[i].id)
			map[i * block_pages + pfn % block_pages] = MAP_BUFFER;
	}
}

static void read_flags(void)
{
	uint64_t *flags = malloc(block_pages * sizeof(*flags));
	int fd = open("/proc/kpageflags", O_RDONLY);
	size_t i, page;

	if (fd < 0 || !flags)
		die("/proc/kpageflags: %s", strerror(errno));
	for (i = 0; i < block_count; i++) {
		size_t want = block_pages * sizeof(*flags);
		off_t start = (off_t)blocks[i].id * want;
		ssize_t have = pread(fd, flags, want, start);

		/* Past the last frame that the kernel knows. */
		if (have < 0)
			have = 0;
		for (page = 0; page < block_pages; page++) {
			bool there = page < have / sizeof(*flags);

			map[i * block_pages + page] =
				there ? classify(flags[page],
						 !work.store->frames) :
					MAP_ABSENT;
		}
	}
	close(fd);
	free(flags);
}

static bool all_are(const uint8_t *pages, uint8_t what)
{
	size_t i;

	for (i = 0; i < HUGE_PAGES; i++) {
		if (pages[i] != what)
			return false;
	}
	return true;
}

/*
 * Free pages that wait in a processor's own list cannot be told from the
 * kernel's. Each read of this file makes the lists shorter by an eighth.
 */
static void drain_lists(void)
{
	char text[16];
	int i;

	for (i = 0; i < 40; i++) {
		int fd = open("/proc/sys/vm/stat_refresh", O_RDONLY);

		if (fd < 0 || read(fd, text, sizeof(text)) < 0)
			die("/proc/sys/vm/stat_refresh: %s", strerror(errno));
		close(fd);
	}
}

/* Writes the map to @path and sums it up. */
void memmap_dump(const char *path, struct memmap_summary *sum)
{
	uint8_t *swap = map_before;
	size_t i, page;
	FILE *file;

	map_before = map;
	map = swap;
	memset(sum, 0, sizeof(*sum));

	drain_lists();
	read_flags();
	if (work.store->frames)
		work.store->frames(report_frame);

	for (i = 0; i < block_count * block_pages; i += HUGE_PAGES) {
		if (all_are(map + i, MAP_FREE)) {
			memset(map + i, MAP_FREE_HUGE, HUGE_PAGES);
			sum->free_huge++;
		} else if (all_are(map + i, MAP_HUGETLB)) {
			sum->huge++;
		}
	}
	for (i = 0; i < block_count; i++) {
		struct work_block *block = &blocks[i];

		block->buffer_pages_before = block->buffer_pages;
		block->buffer_pages = 0;
		for (page = 0; page < block_pages; page++) {
			bool is = map[i * block_pages + page] == MAP_BUFFER;
			bool was = map_before[i * block_pages + page] ==
				   MAP_BUFFER;

			block->buffer_pages += is;
			sum->left_frames += was && !is;
		}
		sum->buffer_pages += block->buffer_pages;
		if (block->movable)
			sum->movable_pages += block->buffer_pages;
	}

	file = fopen(path, "w");
	if (!file ||
	    fwrite(map, block_pages, block_count, file) != block_count ||
	    fclose(file))
		die("%s: %s", path, strerror(errno));
}
