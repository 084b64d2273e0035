// SPDX-License-Identifier: GPL-2.0
/*
 * The benchmark's guest program: options, and what the measurements share.
 *
 * Copyright (C) 2026 movgem maintainers
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

struct bench_options opt = {
	.fill = 60,
	.group = 4,
	.mappers = 1,
	.vmas = 1,
	.vms = 1,
	.rounds = 1,
	.seconds = 5,
	.max = 256 << 20,
	.copies = 64,
};

static const char usage[] =
"usage: bench WHAT --buffers KIND [OPTION...]\n"
"  WHAT             move: cost of moving pages by compaction\n"
"                   alloc: making, touching and freeing a buffer, from --size\n"
"                   to --max\n"
"                   jobs: GPU throughput and latency under compaction\n"
"                   stream: CPU writes through the mapping under compaction\n"
"                   meta: memory besides the pages\n"
"  --buffers KIND   movgem, vgem, virtio_gpu or anonymous\n"
"  --size BYTES     of a buffer (default 65536)\n"
"  --fill PERCENT   buffers fill so much of MemTotal at first (default 60)\n"
"  --count N        or: so many buffers are made at first (meta: and stay)\n"
"  --group N        of so many buffers one stays (default 4)\n"
"  --stay PERCENT   or: of MemTotal in buffers that stay\n"
"  --mappers N      processes that map the buffers; 0: none does (default 1)\n"
"  --vmas N         mappings of a buffer in each process (default 1)\n"
"  --vms N          GPU VMs that a buffer is bound in; 0: none (default 1)\n"
"  --writers N      CPU threads that write all the time (default 0)\n"
"  --rounds N       how often all of it is done (default 1)\n"
"  --seconds N      how long a phase is measured (default 5)\n"
"  --alive N        alloc: so many buffers exist meanwhile (default 0)\n"
"  --max BYTES      alloc: the largest buffer (default 256 MiB)\n"
"  --copies N       jobs: copies of a page in one GPU job (default 64)\n"
"  --seed N         which buffers stay, and what they hold (default 1)\n";

static const struct {
	const char *name;
	void (*run)(void);
} commands[] = {
	{ "move", bench_move },
	{ "alloc", bench_alloc },
	{ "jobs", bench_jobs },
	{ "stream", bench_stream },
	{ "meta", bench_meta },
};

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static int compare_values(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

void sort_values(uint64_t *values, size_t count)
{
	qsort(values, count, sizeof(*values), compare_values);
}

void write_or_die(const char *path, const char *text)
{
	int err = write_text(path, text);

	if (err)
		die("%s: %s", path, strerror(-err));
}

/* Reads and writes a word of each page. */
void touch_pages(uint8_t *start, size_t size)
{
	size_t at;

	for (at = 0; at < size; at += WORK_PAGE_SIZE)
		*(volatile uint64_t *)(start + at) += 1;
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "buffers", required_argument, NULL, 'b' },
		{ "size", required_argument, NULL, 'z' },
		{ "fill", required_argument, NULL, 'f' },
		{ "count", required_argument, NULL, 'c' },
		{ "group", required_argument, NULL, 'g' },
		{ "stay", required_argument, NULL, 'S' },
		{ "mappers", required_argument, NULL, 'm' },
		{ "vmas", required_argument, NULL, 'a' },
		{ "vms", required_argument, NULL, 'v' },
		{ "writers", required_argument, NULL, 'w' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "seconds", required_argument, NULL, 't' },
		{ "alive", required_argument, NULL, 'l' },
		{ "max", required_argument, NULL, 'x' },
		{ "copies", required_argument, NULL, 'C' },
		{ "seed", required_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	uint64_t count = 0;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'b':
			work.store = find_store(optarg);
			if (!work.store)
				die("unknown kind of buffers: %s\n%s", optarg,
				    usage);
			break;
		case 'z':
			work.buf_size = strtoul(optarg, NULL, 0);
			break;
		case 'f':
			opt.fill = atoi(optarg);
			break;
		case 'c':
			count = strtoul(optarg, NULL, 0);
			break;
		case 'g':
			opt.group = atoi(optarg);
			break;
		case 'S':
			opt.stay = atoi(optarg);
			break;
		case 'm':
			opt.mappers = atoi(optarg);
			break;
		case 'a':
			opt.vmas = atoi(optarg);
			break;
		case 'v':
			opt.vms = atoi(optarg);
			break;
		case 'w':
			opt.writers = atoi(optarg);
			break;
		case 'r':
			opt.rounds = atoi(optarg);
			break;
		case 't':
			opt.seconds = atoi(optarg);
			break;
		case 'l':
			opt.alive = strtoul(optarg, NULL, 0);
			break;
		case 'x':
			opt.max = strtoul(optarg, NULL, 0);
			break;
		case 'C':
			opt.copies = strtoul(optarg, NULL, 0);
			break;
		case 's':
			work.seed = strtoull(optarg, NULL, 0);
			break;
		case 'h':
			fputs(usage, stdout);
			exit(0);
		default:
			die("see --help");
		}
	}
	opt.bytes = count * work.buf_size;
	if (optind >= argc || !work.store)
		die("WHAT and --buffers are needed\n%s", usage);
	if (!work.buf_size || work.buf_size % WORK_PAGE_SIZE || !opt.rounds ||
	    !opt.group || !opt.vmas || opt.fill > 95)
		die("--size, --rounds, --vmas or --fill is out of range");
}

int main(int argc, char **argv)
{
	size_t i;

	parse(argc, argv);
	/* What is here now shall not be read from the disk again later. */
	mlockall(MCL_CURRENT);
	write_text("/proc/self/oom_score_adj", "-1000");
	write_or_die("/sys/kernel/mm/transparent_hugepage/enabled", "never");
	write_or_die("/proc/sys/vm/max_map_count", "10000000");
	work.shared = opt.vms > 1;
	work.store->open();

	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (!strcmp(commands[i].name, argv[optind])) {
			commands[i].run();
			/* Not the exit handlers' time. */
			fflush(stdout);
			_exit(0);
		}
	}
	die("unknown: %s\n%s", argv[optind], usage);
}
