// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 */

/**
 * TEST: movgem batch
 * Description: Pages that move together are quiesced together: the driver's own
 *              counters say how well that works under load, and debugfs "hold"
 *              stops pages in the middle of it, to see what others can do with
 *              them.
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: uapi
 * Functionality: page migration
 * Feature: movgem
 * Test category: functionality test
 *
 * SUBTEST: ratios
 * Description: 1 MiB BOs that two CPU writers write to while compaction runs:
 *              95 % of the attempts to move a page succeed, none that may not
 *              sleep does, and 16 pages take one TLB invalidation and two zaps
 *              at most
 *
 * SUBTEST: ratios-jobs
 * Description: The same while jobs write to the BOs as well, whose accesses wait
 *              for one batch at most
 *
 * SUBTEST: stall
 * Description: Jobs on pages that are moved all the time wait for one move at
 *              most before each access
 *
 * SUBTEST: run
 * Description: A run of pages, with a gap, takes one TLB invalidation and one
 *              zap
 *
 * SUBTEST: cpu-fault
 * Description: A CPU fault on a quiesced page waits, then takes this page back
 *              and no other; page_store=folio: it does not wait
 *
 * SUBTEST: fault-around
 * Description: The window of a CPU fault leaves quiesced pages out
 *
 * SUBTEST: killed
 * Description: A process that is killed while the kernel waits for a quiesced
 *              page on its behalf ends, though the page stays quiesced
 *
 * SUBTEST: isolated-fault
 * Description: CPU faults do not wait for pages that are only isolated
 *
 * SUBTEST: job
 * Description: A job that meets isolated or quiesced pages takes them back
 *
 * SUBTEST: neighbours
 * Description: The pages around held ones move, those do not;
 *              page_store=folio: all do
 *
 * SUBTEST: soft-offline
 * Description: The kernel is refused a page that is held, and gets it later;
 *              page_store=folio: gets it
 *
 * SUBTEST: pin
 * Description: A BO can be pinned while pages of it are quiesced
 *
 * SUBTEST: purge
 * Description: A BO with pages in the kernel's hands is not purged;
 *              page_store=folio: only locked pages are in its hands
 *
 * SUBTEST: close
 * Description: A BO whose handle and mapping go while pages of it are quiesced
 *              lives on until they are put back
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "igt.h"
#include "movgem_devices.h"
#include "movgem_lib.h"
#include "movgem_migrate_rig.h"
#include "movgem_migrate_trigger.h"

IGT_TEST_DESCRIPTION("Pages that move together are quiesced together");

#define PAGES	64u
#define SIZE	(PAGES * PAGE)

static struct rig rig;

static void begin(const struct rig_config *cfg)
{
	rig_reset();
	triggers_reset();
	rig_init(&rig, cfg);
}

/* ---- counters ---- */

struct counts {
	uint64_t moved, attempts, slept, flushes, zaps, batches, batch_pages;
	uint64_t faults, waits, cpu_retaken, gpu_retaken, refused;
};

static struct counts counts_now(int fd)
{
	return (struct counts) {
		.moved = movgem_stat(fd, "migrate_ok"),
		.attempts = movgem_stat(fd, "migrate_async") +
			    movgem_stat(fd, "migrate_sync"),
		.slept = movgem_stat(fd, "migrate_async_slept"),
		.flushes = movgem_stat(fd, "gpu_tlb_flush"),
		.zaps = movgem_stat(fd, "cpu_unmap"),
		.batches = movgem_stat(fd, "batches"),
		.batch_pages = movgem_stat(fd, "batch_pages"),
		.faults = movgem_stat(fd, "cpu_fault"),
		.waits = movgem_stat(fd, "cpu_fault_wait"),
		.cpu_retaken = movgem_stat(fd, "cpu_retake"),
		.gpu_retaken = movgem_stat(fd, "gpu_unblock"),
		.refused = movgem_stat(fd, "isolate_refused_state"),
	};
}

static struct counts counts_since(int fd, const struct counts *before)
{
	struct counts now = counts_now(fd);
	uint64_t *n = (uint64_t *)&now;
	const uint64_t *b = (const uint64_t *)before;
	unsigned int i;

	for (i = 0; i < sizeof(now) / sizeof(*n); i++)
		n[i] -= b[i];
	return now;
}

/* ---- under load ---- */

#define RATIO_MOVES	2048u

static void counts_add(struct counts *sum, const struct counts *more)
{
	uint64_t *s = (uint64_t *)sum;
	const uint64_t *m = (const uint64_t *)more;
	unsigned int i;

	for (i = 0; i < sizeof(*sum) / sizeof(*s); i++)
		s[i] += m[i];
}

/* Compaction of one set of BOs until it moves nothing more. */
static void ratios_once(unsigned int views, struct counts *sum)
{
	const struct rig_config cfg = {
		.bos = 16, .bo_pages = 256, .make = 4,
		.keep = RIG_KEEP_LOWEST, .threads = 2, .views = views,
	};
	struct counts before, delta;
	uint64_t moved;

	begin(&cfg);
	rig_start(&rig);
	rig_wait_work(&rig, 64, views ? 1 : 0);
	before = counts_now(rig.fd);
	do {
		moved = rig_moved(&rig);
		compact_memory();
	} while (rig_moved(&rig) != moved);
	delta = counts_since(rig.fd, &before);
	counts_add(sum, &delta);
	rig_wait_work(&rig, 20000, views ? 4 : 0);
	rig_stop(&rig);
	rig_check(&rig);
	igt_assert_lte_u64(movgem_stat(rig.fd, "gpu_stall_batches_max"), 1);
	rig_fini(&rig);
}

static void test_ratios(unsigned int views)
{
	struct counts sum = { };
	unsigned int round;

	for (round = 0; round < 12 && sum.moved < RATIO_MOVES; round++)
		ratios_once(views, &sum);

	igt_info("%u rounds: %llu moves in %llu attempts, %llu of them slept that must not, %llu TLB invalidations, %llu zaps, %llu runs of %.1f pages; %llu faults, %llu waited, %llu took a page back, jobs %llu\n",
		 round, (unsigned long long)sum.moved,
		 (unsigned long long)sum.attempts,
		 (unsigned long long)sum.slept,
		 (unsigned long long)sum.flushes,
		 (unsigned long long)sum.zaps,
		 (unsigned long long)sum.batches,
		 sum.batches ? (double)sum.batch_pages / sum.batches : 0,
		 (unsigned long long)sum.faults, (unsigned long long)sum.waits,
		 (unsigned long long)sum.cpu_retaken,
		 (unsigned long long)sum.gpu_retaken);
	igt_assert_lte_u64(RATIO_MOVES, sum.moved);
	igt_assert_lte_u64(sum.attempts * 95, sum.moved * 100);
	igt_assert_eq_u64(sum.slept, 0);
	igt_assert_lte_u64(sum.flushes * 16, sum.moved);
	igt_assert_lte_u64(sum.zaps * 16, sum.moved * 2);
}

static void test_stall(void)
{
	const struct rig_config cfg = {
		.bo_pages = 4, .views = 3, .unmapped = true,
	};
	uint64_t stalls, longest;

	begin(&cfg);
	stalls = movgem_stat(rig.fd, "gpu_stall");
	rig_start(&rig);
	rig_wait_work(&rig, 0, 1);
	while (rig_moved(&rig) < movgem_rounds(2000))
		rig_migrate(&rig);
	rig_wait_work(&rig, 0, 100);
	rig_stop(&rig);
	stalls = movgem_stat(rig.fd, "gpu_stall") - stalls;
	longest = movgem_stat(rig.fd, "gpu_stall_batches_max");
	igt_info("%llu moves, %llu stalls, the longest for %llu moves\n",
		 (unsigned long long)rig_moved(&rig),
		 (unsigned long long)stalls, (unsigned long long)longest);
	rig_check(&rig);
	igt_assert_lt_u64(0, stalls);
	igt_assert_eq_u64(longest, 1);
	rig_fini(&rig);
}

/* ---- pages that are held ---- */

/*
 * With page_store=folio the kernel tells nobody of what it holds: a page that is
 * not locked is nobody's, and whoever comes by, the kernel too, may have it.
 */
static bool kernel_may_take;

/* A BO of known content, and pages of it that debugfs holds. */
struct held {
	int fd, file;
	uint32_t handle;
	uint64_t id;
	uint32_t *map;
};

static void held_init(struct held *h, int fd)
{
	h->fd = fd;
	h->file = -1;
	h->handle = movgem_bo_create(fd, SIZE, 0);
	h->id = movgem_bo_id(fd, h->handle);
	h->map = movgem_bo_mmap(fd, h->handle, SIZE);
	movgem_fill_pattern(h->map, SIZE, 7);
}

/* Returns a file that holds the pages until it is closed. */
static int hold(struct held *h, unsigned int first, unsigned int count,
		const char *how)
{
	int file = igt_debugfs_open(h->fd, "hold", O_RDWR), len;
	char text[64];

	igt_assert_fd(file);
	len = snprintf(text, sizeof(text), "%llu %u %u %s",
		       (unsigned long long)h->id, first, count, how);
	igt_assert_eq(write(file, text, len), len);
	memset(text, 0, sizeof(text));
	igt_assert_lt(0, read(file, text, sizeof(text) - 1));
	igt_assert_eq(atoi(text), count);
	return file;
}

static void held_fini(struct held *h)
{
	if (h->file >= 0)
		close(h->file);
	movgem_check_pattern(h->map, SIZE, 7);
	igt_assert_eq_u64(movgem_migrate_bo(h->fd, h->id), PAGES);
	movgem_check_pattern(h->map, SIZE, 7);
	munmap(h->map, SIZE);
	gem_close(h->fd, h->handle);
}

/* How many pages of the BO are in a state. */
static unsigned int in_state(struct held *h, const char *state)
{
	char *text = movgem_debugfs_read(h->fd, "pages"), *line, *pos;
	unsigned long long id, index;
	unsigned int count = 0;
	char name[16];

	igt_assert(text);
	for (line = strtok_r(text, "\n", &pos); line;
	     line = strtok_r(NULL, "\n", &pos))
		count += sscanf(line, "%llu %llu %*s %15s", &id, &index,
				name) == 3 &&
			 id == h->id && !strcmp(name, state);
	free(text);
	return count;
}

static uint32_t word_of(unsigned int page)
{
	uint32_t *pattern = malloc(SIZE), word;

	igt_assert(pattern);
	movgem_fill_pattern(pattern, SIZE, 7);
	word = pattern[page * PAGE / 4];
	free(pattern);
	return word;
}

static void touch(struct held *h, unsigned int page)
{
	igt_assert_eq_u32(*(volatile uint32_t *)(h->map + page * PAGE / 4),
			  word_of(page));
}

static void test_run(int fd)
{
	struct counts before, delta;
	struct held h;
	int middle;

	held_init(&h, fd);
	/* somebody else has the middle; a run reaches across */
	middle = hold(&h, 20, 4, "isolate");
	before = counts_now(fd);
	h.file = igt_debugfs_open(fd, "hold", O_RDWR);
	igt_assert_fd(h.file);
	dprintf(h.file, "%llu 8 32 quiesce", (unsigned long long)h.id);
	delta = counts_since(fd, &before);
	igt_assert_eq_u64(delta.flushes, 1);
	igt_assert_eq_u64(delta.zaps, 1);
	igt_assert_eq_u64(delta.batches, 1);
	igt_assert_eq_u64(delta.batch_pages, 28);
	igt_assert_eq_u64(delta.refused, 4);
	igt_assert_eq(in_state(&h, "quiesced"), 28);
	igt_assert_eq(in_state(&h, "isolated"), 4);

	close(h.file);
	h.file = middle;
	igt_assert_eq(in_state(&h, "quiesced"), 0);
	igt_assert_eq(in_state(&h, "isolated"), 4);
	held_fini(&h);
}

static void test_cpu_fault(int fd)
{
	struct counts before, delta;
	struct held h;

	held_init(&h, fd);
	h.file = hold(&h, 8, 32, "quiesce");
	before = counts_now(fd);
	touch(&h, 17);
	delta = counts_since(fd, &before);
	if (kernel_may_take) {
		igt_assert_eq_u64(delta.waits, 0);
		igt_assert_lte(31, in_state(&h, "quiesced"));
	} else {
		igt_assert_eq_u64(delta.cpu_retaken, 1);
		igt_assert_lte_u64(1, delta.waits);
		igt_assert_eq(in_state(&h, "retaken"), 1);
		igt_assert_eq(in_state(&h, "quiesced"), 31);
	}
	/* a write too, and again without a wait */
	h.map[17 * PAGE / 4] = 1;
	before = counts_now(fd);
	h.map[17 * PAGE / 4] = word_of(17);
	igt_assert_eq_u64(counts_since(fd, &before).waits, 0);
	held_fini(&h);
}

static void test_fault_around(int fd)
{
	struct counts before, delta;
	struct held h;

	igt_require_f(!kernel_may_take, "page_store=folio: the kernel maps pages around a fault\n");
	held_init(&h, fd);
	/* 8 to 15 of the window 0 to 15 */
	h.file = hold(&h, 8, 8, "quiesce");
	munmap(h.map, SIZE);
	h.map = movgem_bo_mmap(fd, h.handle, SIZE);
	before = counts_now(fd);
	touch(&h, 3);
	delta = counts_since(fd, &before);
	igt_assert_eq_u64(delta.faults, 1);
	igt_assert_eq_u64(delta.waits, 0);
	igt_assert_eq(in_state(&h, "quiesced"), 8);
	touch(&h, 7);
	igt_assert_eq_u64(counts_since(fd, &before).faults, 1);
	/* not mapped by the window: this one has to fault, and to wait */
	touch(&h, 8);
	delta = counts_since(fd, &before);
	igt_assert_lte_u64(1, delta.waits);
	igt_assert_eq_u64(delta.cpu_retaken, 1);
	held_fini(&h);
}

/* Has the kernel read a page that is held, and is killed some time after that. */
static void __attribute__((noreturn)) be_killed(const void *page, long nsec)
{
	struct sigevent event = {
		.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL,
	};
	const struct itimerspec when = { .it_value.tv_nsec = nsec };
	int ends[2];
	timer_t timer;

	if (pipe(ends) || timer_create(CLOCK_MONOTONIC, &event, &timer) ||
	    timer_settime(timer, 0, &when, NULL))
		_exit(1);
	while (write(ends[1], page, PAGE) > 0)
		;
	_exit(2);
}

/* Whether a process has ended, for which there is time enough. */
static bool has_ended(pid_t pid)
{
	unsigned int ms;
	int status;

	for (ms = 0; ms < 60000; ms++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return true;
		usleep(1000);
	}
	return false;
}

static void test_killed(int fd)
{
	unsigned int killed = 0, tries;
	uint64_t seed = 12;
	struct held h;

	igt_require_f(!kernel_may_take, "page_store=folio: faults do not wait for held pages\n");
	held_init(&h, fd);
	/* Too early a signal finds no wait, and too late one a page taken back. */
	for (tries = 0; killed < 5; tries++) {
		const long nsec = 1 + movgem_rand(&seed) % 25000000;
		struct counts before, delta;
		bool ended;
		pid_t pid;

		igt_assert_f(tries < 1000, "%u of %u were killed while they waited\n",
			     killed, tries);
		h.file = hold(&h, 17, 1, "quiesce");
		before = counts_now(fd);
		pid = fork();
		igt_assert_lte(0, pid);
		if (!pid)
			be_killed(h.map + 17 * PAGE / 4, nsec);
		ended = has_ended(pid);
		delta = counts_since(fd, &before);
		close(h.file);
		h.file = -1;
		if (!ended) {
			kill(pid, SIGKILL);
			waitpid(pid, NULL, 0);
		}
		igt_assert_f(ended, "it lived on\n");
		killed += delta.waits && !delta.cpu_retaken;
	}
	igt_info("%u of %u were killed while they waited\n", killed, tries);
	held_fini(&h);
}

static void test_isolated_fault(int fd)
{
	struct counts before;
	struct held h;
	unsigned int i;

	held_init(&h, fd);
	h.file = hold(&h, 0, PAGES, "isolate");
	munmap(h.map, SIZE);
	h.map = movgem_bo_mmap(fd, h.handle, SIZE);
	before = counts_now(fd);
	for (i = 0; i < PAGES; i++)
		touch(&h, i);
	igt_assert_eq_u64(counts_since(fd, &before).waits, 0);
	igt_assert_eq(in_state(&h, "isolated"), PAGES);
	held_fini(&h);
}

static void test_job(int fd)
{
	static const char * const how[] = { "isolate", "quiesce" };
	struct counts before, delta;
	struct movgem_stream s;
	uint32_t vm, queue, to;
	uint64_t va, to_va;
	struct held h;
	uint8_t *out;
	int i, j;

	vm = movgem_vm_create(fd);
	queue = movgem_queue_create(fd, vm);
	held_init(&h, fd);
	va = movgem_va_alloc(fd, SIZE);
	movgem_vm_map(fd, vm, h.handle, 0, va, SIZE, 0);
	to = movgem_bo_create(fd, SIZE, 0);
	to_va = movgem_va_alloc(fd, SIZE);
	movgem_vm_map(fd, vm, to, 0, to_va, SIZE, 0);
	out = movgem_bo_mmap(fd, to, SIZE);
	movgem_stream_init(&s, fd, vm, PAGE);

	for (i = 0; i < 2; i++) {
		h.file = hold(&h, 8, 4, how[i]);
		memset(out, 0, SIZE);
		before = counts_now(fd);
		movgem_stream_reset(&s);
		movgem_cmd_copy(&s, to_va, va, SIZE);
		igt_assert_eq(__movgem_stream_run(&s, queue), 0);
		delta = counts_since(fd, &before);
		movgem_check_pattern(out, SIZE, 7);
		igt_assert_eq_u64(delta.gpu_retaken, 4);
		igt_assert_eq(in_state(&h, "retaken"), 4);
		igt_assert_eq(in_state(&h, i ? "quiesced" : "isolated"), 0);
		for (j = 8; j < 12; j++)
			touch(&h, j);
		close(h.file);
		h.file = -1;
		igt_assert_eq(in_state(&h, "resident"), PAGES);
	}
	movgem_stream_fini(&s);
	munmap(out, SIZE);
	gem_close(fd, to);
	movgem_queue_destroy(fd, queue);
	movgem_vm_destroy(fd, vm);
	held_fini(&h);
}

static void test_neighbours(int fd)
{
	uint64_t before[PAGES], after[PAGES];
	struct held h;
	unsigned int i;

	held_init(&h, fd);
	h.file = hold(&h, 24, 8, "quiesce");
	igt_assert_eq(movgem_bo_pfns(fd, h.id, before, PAGES), PAGES);
	igt_assert_eq_u64(movgem_migrate_bo(fd, h.id),
			  kernel_may_take ? PAGES : PAGES - 8);
	igt_assert_eq(movgem_bo_pfns(fd, h.id, after, PAGES), PAGES);
	for (i = 0; i < PAGES; i++)
		igt_assert_eq(before[i] == after[i],
			      !kernel_may_take && i >= 24 && i < 32);
	igt_assert_eq(in_state(&h, "quiesced"), kernel_may_take ? 0 : 8);
	held_fini(&h);
}

static void test_soft_offline(int fd)
{
	uint64_t before[PAGES], after[PAGES];
	struct held h;

	/* The frame is lost for good: not one of a block that is to come back. */
	movable_blocks_offline();
	held_init(&h, fd);
	h.file = hold(&h, 0, 4, "quiesce");
	igt_assert_eq(movgem_bo_pfns(fd, h.id, before, PAGES), PAGES);
	igt_assert_eq(soft_offline(before[1]), kernel_may_take);
	igt_assert_eq(in_state(&h, "quiesced"), kernel_may_take ? 3 : 4);
	close(h.file);
	h.file = -1;
	igt_assert(kernel_may_take || soft_offline(before[1]));
	igt_assert_eq(movgem_bo_pfns(fd, h.id, after, PAGES), PAGES);
	igt_assert(after[1] != before[1]);
	held_fini(&h);
	triggers_reset();
}

static void test_pin(int fd)
{
	int importer = movgem_importer_open(), dmabuf;
	uint64_t before[PAGES], after[PAGES];
	struct held h;

	held_init(&h, fd);
	h.file = hold(&h, 0, 16, "quiesce");
	dmabuf = prime_handle_to_fd(fd, h.handle);
	movgem_importer(importer, "attach %d static", dmabuf);
	movgem_importer(importer, "map");
	igt_assert_eq(movgem_bo_pfns(fd, h.id, before, PAGES), PAGES);
	close(h.file);
	h.file = -1;
	igt_assert_eq(in_state(&h, "resident"), PAGES);
	igt_assert_eq(__movgem_migrate_bo(fd, h.id), -EBUSY);
	movgem_check_pattern(h.map, SIZE, 7);
	igt_assert_eq(movgem_bo_pfns(fd, h.id, after, PAGES), PAGES);
	igt_assert(!memcmp(before, after, sizeof(before)));
	close(importer);
	close(dmabuf);
	held_fini(&h);
}

static bool purged(int fd, uint32_t handle)
{
	struct drm_movgem_bo_info info;

	movgem_bo_info(fd, handle, &info);
	return info.madvise == DRM_MOVGEM_MADV_PURGED;
}

static void test_purge(int fd)
{
	struct held h;
	unsigned int i;

	held_init(&h, fd);
	h.file = hold(&h, 0, 1, "quiesce");
	igt_assert(movgem_bo_madvise(fd, h.handle, DRM_MOVGEM_MADV_DONTNEED));
	for (i = 0; i < 4; i++)
		movgem_drop_slab();
	if (!kernel_may_take) {
		igt_assert(!purged(fd, h.handle));
		movgem_check_pattern(h.map, SIZE, 7);
		close(h.file);
		h.file = -1;
	}
	for (i = 0; i < 100 && !purged(fd, h.handle); i++)
		movgem_drop_slab();
	igt_assert(purged(fd, h.handle));
	if (h.file >= 0)
		close(h.file);
	munmap(h.map, SIZE);
	gem_close(fd, h.handle);
}

static void test_close(int fd)
{
	uint64_t bos, pages;
	struct held h;
	unsigned int i;

	bos = movgem_stat(fd, "bos_live");
	pages = movgem_stat(fd, "pages_live");
	held_init(&h, fd);
	h.file = hold(&h, 0, PAGES, "quiesce");
	munmap(h.map, SIZE);
	gem_close(fd, h.handle);
	igt_assert_eq_u64(movgem_stat(fd, "pages_live"), pages + PAGES);
	compact_memory();
	close(h.file);
	for (i = 0; i < 1000 && movgem_stat(fd, "bos_live") != bos; i++)
		usleep(1000);
	igt_assert_eq_u64(movgem_stat(fd, "bos_live"), bos);
	igt_assert_eq_u64(movgem_stat(fd, "pages_live"), pages);
}

static const struct movgem_subtest held_cases[] = {
	{
		"run", test_run,
		"A run of pages, with a gap, takes one TLB invalidation and one zap",
	}, {
		"cpu-fault", test_cpu_fault,
		"A CPU fault on a quiesced page waits, then takes this page back and no other; page_store=folio: it does not wait",
	}, {
		"fault-around", test_fault_around,
		"The window of a CPU fault leaves quiesced pages out",
	}, {
		"killed", test_killed,
		"A process that is killed while the kernel waits for a quiesced page on its behalf ends, though the page stays quiesced",
	}, {
		"isolated-fault", test_isolated_fault,
		"CPU faults do not wait for pages that are only isolated",
	}, {
		"job", test_job,
		"A job that meets isolated or quiesced pages takes them back",
	}, {
		"neighbours", test_neighbours,
		"The pages around held ones move, those do not; page_store=folio: all do",
	}, {
		"soft-offline", test_soft_offline,
		"The kernel is refused a page that is held, and gets it later; page_store=folio: gets it",
	}, {
		"pin", test_pin,
		"A BO can be pinned while pages of it are quiesced",
	}, {
		"purge", test_purge,
		"A BO with pages in the kernel's hands is not purged; page_store=folio: only locked pages are in its hands",
	}, {
		"close", test_close,
		"A BO whose handle and mapping go while pages of it are quiesced lives on until they are put back",
	},
};

int igt_main()
{
	int fd = -1;

	igt_fixture() {
		fd = movgem_open();
		movgem_require_debugfs(fd);
		igt_require_f(movgem_can_move(fd), "page_store is pinned: nothing moves\n");
		kernel_may_take = movgem_page_store(fd) == DRM_MOVGEM_PAGE_STORE_FOLIO;
	}

	igt_describe("1 MiB BOs that two CPU writers write to while compaction runs: 95 % of the attempts to move a page succeed, none that may not sleep does, and 16 pages take one TLB invalidation and two zaps at most");
	igt_subtest("ratios")
		test_ratios(0);

	igt_describe("The same while jobs write to the BOs as well, whose accesses wait for one batch at most");
	igt_subtest("ratios-jobs")
		test_ratios(1);

	igt_describe("Jobs on pages that are moved all the time wait for one move at most before each access");
	igt_subtest("stall")
		test_stall();

	movgem_subtests(held_cases, ARRAY_SIZE(held_cases), fd);

	igt_fixture() {
		rig_reset();
		triggers_reset();
		movgem_close(fd);
	}
}
