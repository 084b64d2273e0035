// SPDX-License-Identifier: GPL-2.0
/*
 * Holds memory in buffers of one kind, with CPU threads and GPU jobs writing to
 * them all the time, while somebody else has the kernel take memory away. It is
 * told by lines on stdin what to do, and answers each with a line on stdout that
 * begins with "@" and goes on in JSON:
 *
 *	status	what has been done so far
 *	map	where the buffers lie now
 *	stop	end the writers and the jobs, check every byte, and exit
 *
 * The first such line comes unasked, when the buffers are there. The end of
 * stdin means stop as well.
 *
 * Copyright (C) 2026 movgem maintainers
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xf86drm.h>
#include <movgem_drm.h>

#include "workload.h"

static struct {
	unsigned int mib;
	unsigned int reserve;
	unsigned int group;
	unsigned int ask;
	unsigned int writers;
	bool no_gpu;
	bool victim;
} opt = {
	.mib = 64,
	.reserve = 64,
	.group = 1,
	.writers = 2,
};

static const char usage[] =
"usage: hold --buffers KIND [OPTION...]\n"
"  --buffers KIND  movgem, vgem or anonymous\n"
"  --mib N         make so many MiB of buffers (default 64), as far as they can\n"
"                  be had,\n"
"  --reserve MIB   and as this stays free outside ZONE_MOVABLE (default 64)\n"
"  --group N       keep one of every N buffers (default 1: all of them)\n"
"  --ask MIB       movgem: then ask for one buffer of that size, and say what\n"
"                  that ended with; it is freed again\n"
"  --writers N     CPU threads that write all the time (default 2)\n"
"  --no-gpu        no GPU jobs\n"
"  --victim        the OOM killer may take this process\n"
"  --seed N        which buffers stay, and what they hold (default 1)\n"
"Commands on stdin: status, map, stop.\n";

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "buffers", required_argument, NULL, 'b' },
		{ "mib", required_argument, NULL, 'm' },
		{ "reserve", required_argument, NULL, 'R' },
		{ "group", required_argument, NULL, 'g' },
		{ "ask", required_argument, NULL, 'a' },
		{ "writers", required_argument, NULL, 'w' },
		{ "no-gpu", no_argument, NULL, 'n' },
		{ "victim", no_argument, NULL, 'v' },
		{ "seed", required_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	work.seed = 1;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'b':
			work.store = find_store(optarg);
			if (!work.store)
				die("unknown kind of buffers: %s", optarg);
			break;
		case 'm':
			opt.mib = atoi(optarg);
			break;
		case 'R':
			opt.reserve = atoi(optarg);
			break;
		case 'g':
			opt.group = atoi(optarg);
			break;
		case 'a':
			opt.ask = atoi(optarg);
			break;
		case 'w':
			opt.writers = atoi(optarg);
			break;
		case 'n':
			opt.no_gpu = true;
			break;
		case 'v':
			opt.victim = true;
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
	if (optind < argc || !work.store)
		die("--buffers is needed\n%s", usage);
	if (!opt.mib || !opt.group || !opt.writers)
		die("--mib, --group or --writers is out of range");
	if (opt.ask && work.store != &store_movgem)
		die("--ask is for movgem's buffers");
}

/* In MiB, how much memory has been allocated since the machine was switched on. */
static uint64_t allocated(void)
{
	FILE *file = fopen("/proc/vmstat", "r");
	unsigned long pages, sum = 0;
	char line[128];

	if (!file)
		die("/proc/vmstat: %s", strerror(errno));
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "pgalloc_%*s %lu", &pages) == 1)
			sum += pages;
	fclose(file);
	return sum >> 8;
}

/*
 * One more buffer, of @mib, which is freed at once. Returns 0 or a negative errno,
 * and how many MiB all allocations meanwhile had in @taken.
 */
static int ask_for(unsigned int mib, uint64_t *taken)
{
	struct drm_movgem_bo_create create = { .size = (uint64_t)mib << 20 };
	struct drm_gem_close done = { 0 };
	uint64_t before = allocated();
	int err = 0;

	if (drmIoctl(movgem_fd(), DRM_IOCTL_MOVGEM_BO_CREATE, &create))
		err = -errno;
	*taken = allocated() - before;
	if (err)
		return err;
	done.handle = create.handle;
	if (drmIoctl(movgem_fd(), DRM_IOCTL_GEM_CLOSE, &done))
		die("GEM_CLOSE: %s", strerror(errno));
	return 0;
}

/* In MiB, how much of this process the kernel counts as resident. */
static uint64_t resident(void)
{
	return read_field("/proc/self/status", "VmRSS") >> 10;
}

static void answer_status(void)
{
	struct sample sample;

	take_sample(&sample);
	printf("@{\"seconds\": %.3f, \"cpu_writes\": %lu, ", sample.time,
	       sample.writes);
	if (sample.has_gpu)
		printf("\"gpu_jobs\": %lu, ", sample.jobs);
	else
		printf("\"gpu_jobs\": null, ");
	/* Of all holders together, where there are several. */
	if (work.store->moved)
		printf("\"moved\": %lu, ", work.store->moved());
	else
		printf("\"moved\": null, ");
	printf("\"rss_mib\": %lu}\n", resident());
}

static void answer_map(void)
{
	struct memmap_summary sum;

	memmap_dump("/dev/null", &sum);
	printf("@{\"buffer_pages\": %zu, \"movable_zone_pages\": %zu, ",
	       sum.buffer_pages, sum.movable_pages);
	printf("\"left_frames\": %zu, \"free_2mib\": %zu}\n", sum.left_frames,
	       sum.free_huge);
}

static void stop(void)
{
	struct sample sample;
	uint64_t lost;

	if (gpu_is_running())
		gpu_stop();
	content_stop_writers();
	take_sample(&sample);
	lost = content_check();
	printf("@{\"bytes_lost\": %lu, \"bytes_checked\": %zu, ", lost,
	       page_count() * WORK_PAGE_SIZE);
	printf("\"cpu_writes\": %lu, \"gpu_jobs\": %lu}\n", sample.writes,
	       sample.jobs);
}

int main(int argc, char **argv)
{
	uint64_t taken = 0;
	int asked = 0;
	char line[64];

	setvbuf(stdout, NULL, _IOLBF, 0);
	parse(argc, argv);
	/* What is here now shall not be read from the disk again later. */
	mlockall(MCL_CURRENT);
	if (!opt.victim)
		write_text("/proc/self/oom_score_adj", "-1000");

	memmap_init();
	work.store->open();
	layout_make((uint64_t)opt.mib << 20, opt.reserve, opt.group);
	if (opt.ask)
		asked = ask_for(opt.ask, &taken);
	if (work.store == &store_movgem && !opt.no_gpu)
		gpu_start();
	content_start_writers(opt.writers);
	printf("@{\"made_mib\": %lu, \"kept_mib\": %lu, \"error\": \"%s\", \"asked\": \"%s\", "
	       "\"taken_mib\": %lu}\n",
	       work.slots * WORK_BUF_SIZE >> 20,
	       work.count * WORK_BUF_SIZE >> 20,
	       work.error ? strerror(work.error) : "",
	       asked ? strerror(-asked) : "", taken);

	while (fgets(line, sizeof(line), stdin)) {
		if (!strcmp(line, "status\n"))
			answer_status();
		else if (!strcmp(line, "map\n"))
			answer_map();
		else if (!strcmp(line, "stop\n"))
			break;
		else
			die("unknown command: %s", line);
	}
	stop();
	fflush(stdout);
	/* Not the exit handlers' time: tens of thousands of mappings. */
	_exit(0);
}
