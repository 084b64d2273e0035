// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "igt.h"
#include "igt_debugfs.h"
#include "igt_kmod.h"
#include "ioctl_wrappers.h"
#include "movgem_stress.h"

/**
 * TEST: movgem stress
 * Description: Everything at once, by processes that are killed now and then,
 *              for some time. In the environment: MOVGEM_STRESS_SECONDS, how
 *              long; MOVGEM_STRESS_SEED, the number that everything is drawn
 *              from, which is printed; MOVGEM_STRESS_WORKERS, the kinds of
 *              workers and how many of each, such as buffers:2,compact:1.
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: memory management tests
 * Functionality: page migration
 * Feature: movgem
 * Test category: stress test
 *
 * SUBTEST: basic
 * Description: A few seconds of buffers, jobs and moves.
 *
 * SUBTEST: everything
 * Description: With huge pages, memory going offline, memory pressure and SIGKILLs.
 */

IGT_TEST_DESCRIPTION("Everything at once.");

#define BASIC_SECONDS		8
#define SECONDS			20
#define PROGRESS_SECONDS	10
#define JOB_TIMEOUT		"/sys/module/movgem/parameters/job_timeout_ms"
#define HUGEPAGES		"/proc/sys/vm/nr_hugepages"

static const struct stress_kind kinds[] = {
	{ "buffers", 3, .killed = true, .in_basic = true, .run = stress_buffers },
	{ "hammer", 1, .killed = true, .in_basic = true, .run = stress_hammer },
	{ "migrate", 1, .killed = true, .in_basic = true, .run = stress_migrate },
	{ "compact", 1, .killed = true, .in_basic = true, .run = stress_compact },
	{ "reader", 1, .killed = true, .in_basic = true, .run = stress_reader },
	{ "thp", 1, .killed = true, .run = stress_thp },
	{ "hugetlb", 1, .killed = true, .run = stress_hugetlb },
	{ "offline", 1, .killed = true, .run = stress_offline },
	{ "soft-offline", 1, .killed = true, .run = stress_soft_offline },
	{ "pressure", 1, .killed = true, .victim = true, .run = stress_pressure },
};

/** struct control - the controller's view of the workers */
struct control {
	int fd;
	int second;				/* another device, or -1 */
	struct stress_shared *shared;
	const struct stress_kind *kind[STRESS_WORKERS_MAX];
	pid_t pids[STRESS_WORKERS_MAX];		/* 0: none */
	bool sent[STRESS_WORKERS_MAX];		/* a SIGKILL of ours is on its way */
	/* When it was last seen to get on, and by what sign. */
	uint64_t beat[STRESS_WORKERS_MAX], beat_ns[STRESS_WORKERS_MAX];
	uint64_t rand;
	uint64_t kills, oom_kills;
	uint64_t start_ns, moved_before;
	struct drm_movgem_mem_info before, second_before;
	char timeout_before[32], hugepages_before[32];
};

static struct control control = { .second = -1 };

static uint64_t from_env(const char *name, uint64_t value)
{
	const char *text = getenv(name);
	char *end;

	if (!text || !*text)
		return value;
	value = strtoull(text, &end, 0);
	igt_assert_f(!*end, "%s=%s is not a number\n", name, text);
	return value;
}

static uint64_t moved(struct control *c)
{
	struct drm_movgem_mem_info info;

	movgem_mem_info(c->fd, &info);
	return info.pages_moved - c->moved_before;
}

/* ---- workers ---- */

static struct stress_worker *self;

static void on_crash(int sig, siginfo_t *info, void *context)
{
	stress_fail(self, "%s at %p", strsignal(sig), info->si_addr);
}

static __attribute__((noreturn))
void become(struct control *c, unsigned int index)
{
	static const int reset[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGALRM };
	static const int crash[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT };
	struct sigaction action = { .sa_sigaction = on_crash, .sa_flags = SA_SIGINFO };
	static struct stress_worker worker;
	unsigned int i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	worker.shared = c->shared;
	worker.index = index;
	worker.slot = &c->shared->slots[index];
	worker.kind = c->kind[index];
	worker.slot->pid = getpid();
	worker.rand = c->shared->seed ^ (index + 1) * 0x9e3779b97f4a7c15ull ^
		      worker.slot->life * 0xd1342543de82ef95ull;
	worker.rand = worker.rand ?: 1;
	/* Neighbouring states begin alike. */
	for (i = 0; i < 8; i++)
		movgem_rand(&worker.rand);
	self = &worker;
	for (i = 0; i < ARRAY_SIZE(reset); i++)
		signal(reset[i], SIG_DFL);
	for (i = 0; i < ARRAY_SIZE(crash); i++)
		sigaction(crash[i], &action, NULL);
	stress_write_file("/proc/self/oom_score_adj", worker.kind->victim ? "1000" : "300");
	worker.kind->run(&worker);
	_exit(0);
}

static void start(struct control *c, unsigned int index)
{
	struct stress_slot *slot = &c->shared->slots[index];

	slot->life++;
	slot->number = 0;
	slot->failing = false;
	slot->message[0] = 0;
	memset(slot->history, 0, sizeof(slot->history));
	c->sent[index] = false;
	c->beat[index] = slot->beat;
	c->beat_ns[index] = stress_now_ns();
	fflush(NULL);
	c->pids[index] = fork();
	igt_assert(c->pids[index] >= 0);
	if (!c->pids[index])
		become(c, index);
}

static void kill_all(struct control *c)
{
	unsigned int i;

	for (i = 0; i < c->shared->workers; i++)
		if (c->pids[i] > 0)
			kill(c->pids[i], SIGKILL);
	for (i = 0; i < c->shared->workers; i++) {
		if (c->pids[i] > 0)
			waitpid(c->pids[i], NULL, 0);
		c->pids[i] = 0;
	}
}

static void tidy(struct control *c)
{
	kill_all(c);
	stress_online_all();
	stress_write_file(HUGEPAGES, c->hugepages_before);
	stress_write_file(JOB_TIMEOUT, c->timeout_before);
}

static void exit_handler(int sig)
{
	if (control.shared)
		tidy(&control);
}

/* ---- what went wrong ---- */

static void print_history(struct control *c, unsigned int index)
{
	struct stress_slot *slot = &c->shared->slots[index];
	uint64_t n = slot->number > STRESS_HISTORY ? slot->number - STRESS_HISTORY + 1 : 1;

	for (; n <= slot->number; n++) {
		struct stress_event *event = &slot->history[n % STRESS_HISTORY];
		char end[16] = "unfinished";

		if (event->ret != INT32_MAX)
			snprintf(end, sizeof(end), "%d", event->ret);
		igt_warn("%8" PRIu64 " %-20s %#" PRIx64 " %#" PRIx64 " %#" PRIx64 ": %s\n",
			 event->number, stress_op_names[event->op], event->a, event->b,
			 event->c, end);
	}
}

static void print_file(const char *path)
{
	char text[1800];

	if (stress_read_file(path, text, sizeof(text)) > 0)
		igt_warn("%s:\n%s\n", path, text);
}

static __attribute__((noreturn))
void fail(struct control *c, unsigned int index, const char *what)
{
	struct stress_slot *slot = &c->shared->slots[index];
	char path[64];

	igt_warn("worker %u (%s, life %" PRIu64 ") of seed %#" PRIx64 " after %" PRIu64
		 " operations: %s\n", index, c->kind[index]->name, slot->life, c->shared->seed,
		 slot->number, slot->message[0] ? slot->message : what);
	igt_warn("its operations: number, what, three arguments, how it ended\n");
	print_history(c, index);
	if (c->pids[index] > 0) {
		snprintf(path, sizeof(path), "/proc/%d/stack", c->pids[index]);
		print_file(path);
		snprintf(path, sizeof(path), "/proc/%d/wchan", c->pids[index]);
		print_file(path);
	}
	tidy(c);
	igt_assert_f(false, "worker %u (%s), seed %#" PRIx64 ": %s\n", index,
		     c->kind[index]->name, c->shared->seed,
		     slot->message[0] ? slot->message : what);
	abort();
}

static void ended(struct control *c, unsigned int index, int status)
{
	bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
	char what[64];

	c->pids[index] = 0;
	if (killed && c->sent[index]) {
		c->kills++;
	} else if (killed) {
		c->oom_kills++;
	} else if (!status && c->shared->stop) {
		return;
	} else {
		snprintf(what, sizeof(what), "it ended with status %#x", status);
		fail(c, index, what);
	}
	if (!c->shared->stop)
		start(c, index);
}

static void reap(struct control *c)
{
	unsigned int i;
	int status;

	for (i = 0; i < c->shared->workers; i++)
		if (c->pids[i] > 0 && waitpid(c->pids[i], &status, WNOHANG) == c->pids[i])
			ended(c, i, status);
}

static void check_progress(struct control *c)
{
	uint64_t now = stress_now_ns();
	unsigned int i;

	for (i = 0; i < c->shared->workers; i++) {
		uint64_t beat = c->shared->slots[i].beat;

		if (!c->pids[i] || beat != c->beat[i]) {
			c->beat[i] = beat;
			c->beat_ns[i] = now;
		} else if (now - c->beat_ns[i] > 2 * STRESS_PATIENCE_S * 1000000000ull) {
			fail(c, i, "it is stuck");
		}
	}
}

/* ---- what there was ---- */

static uint64_t sum_ok(struct control *c, enum stress_op op)
{
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < c->shared->workers; i++)
		sum += c->shared->slots[i].ok[op];
	return sum;
}

static uint64_t sum_refused(struct control *c, enum stress_op op)
{
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < c->shared->workers; i++)
		sum += c->shared->slots[i].refused[op];
	return sum;
}

#define SUM(c_, field_) ({						\
	uint64_t sum_ = 0;						\
	unsigned int i_;						\
									\
	for (i_ = 0; i_ < (c_)->shared->workers; i_++)			\
		sum_ += (c_)->shared->slots[i_].field_;			\
	sum_;								\
})

static unsigned int seconds(struct control *c)
{
	return (stress_now_ns() - c->start_ns) / 1000000000;
}

static void print_progress(struct control *c)
{
	uint64_t jobs = sum_ok(c, STRESS_JOB) + 2 * sum_ok(c, STRESS_JOB_PAIR) +
			sum_ok(c, STRESS_JOB_GATE) + sum_ok(c, STRESS_GPU_CHECK);

	igt_info("[%5u s] %" PRIu64 " pages moved, %" PRIu64 " MiB checked, %" PRIu64
		 " jobs, %" PRIu64 " GPU counts, %" PRIu64 " huge pages, %" PRIu64
		 " blocks offline, %" PRIu64 " frames offline, %" PRIu64 " kills, %" PRIu64
		 " OOM\n",
		 seconds(c), moved(c), SUM(c, bytes_checked) >> 20, jobs, SUM(c, gpu_counts),
		 SUM(c, huge_pages), sum_ok(c, STRESS_OFFLINE), sum_ok(c, STRESS_SOFT_OFFLINE),
		 c->kills, c->oom_kills);
}

static void print_summary(struct control *c)
{
	char line[128] = "";
	unsigned int op, column = 0;
	char *text, *stat, *pos;

	igt_info("operations that went well, and those that were refused:\n");
	for (op = 0; op < STRESS_OP_COUNT; op++) {
		uint64_t ok = sum_ok(c, op), refused = sum_refused(c, op);
		size_t at = strlen(line);

		if (!ok && !refused)
			continue;
		snprintf(line + at, sizeof(line) - at, "  %-20s %8" PRIu64 " %6" PRIu64,
			 stress_op_names[op], ok, refused);
		if (++column % 3)
			continue;
		igt_info("%s\n", line);
		line[0] = 0;
	}
	if (line[0])
		igt_info("%s\n", line);
	text = movgem_debugfs_read(c->fd, "stats");
	for (stat = text ? strtok_r(text, "\n", &pos) : NULL; stat;
	     stat = strtok_r(NULL, "\n", &pos))
		if (!strstr(stat, " 0") || strstr(stat, " 0")[2])
			igt_info("  %s\n", stat);
	free(text);
	igt_info("%u seconds, seed %#" PRIx64 ": %" PRIu64 " pages moved, %" PRIu64
		 " MiB written and %" PRIu64 " MiB checked, %" PRIu64 " counts by the CPU and %"
		 PRIu64 " by the GPU, %" PRIu64 " BOs purged, %" PRIu64 " huge pages, %" PRIu64
		 " kills, %" PRIu64 " of the OOM killer\n",
		 seconds(c), c->shared->seed, moved(c), SUM(c, bytes_written) >> 20,
		 SUM(c, bytes_checked) >> 20, SUM(c, cpu_counts), SUM(c, gpu_counts),
		 SUM(c, purged), SUM(c, huge_pages), c->kills, c->oom_kills);
}

/* An operation that is refused each time has not been tested. */
static void check_counts(struct control *c)
{
	unsigned int op;

	for (op = 0; op < STRESS_OP_COUNT; op++) {
		/* Where pages cannot move, these have no reason to succeed. */
		if (!c->shared->can_move && (op == STRESS_MIGRATE || op == STRESS_OFFLINE ||
					     op == STRESS_SOFT_OFFLINE))
			continue;
		igt_assert_f(sum_ok(c, op) || sum_refused(c, op) < 10,
			     "%s was refused %" PRIu64 " times and never went well\n",
			     stress_op_names[op], sum_refused(c, op));
	}
	igt_assert_f(moved(c) || !c->shared->can_move, "no page has moved\n");
}

/* ---- a run ---- */

/* Adds what MOVGEM_STRESS_WORKERS says, or what is usual. */
static void choose_workers(struct control *c, bool basic)
{
	const char *text = getenv("MOVGEM_STRESS_WORKERS");
	unsigned int k, n, known = 0, named = 0;
	const char *at;

	for (k = 0; k < ARRAY_SIZE(kinds); k++) {
		unsigned int count = kinds[k].in_basic || !basic ? kinds[k].count : 0;
		size_t length = strlen(kinds[k].name);

		if (text && *text) {
			count = 0;
			for (at = text; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
				if (strncmp(at, kinds[k].name, length) ||
				    (at[length] && !strchr(":,", at[length])))
					continue;
				count = at[length] == ':' ? strtoul(at + length + 1, NULL, 10) : 1;
				known++;
			}
		}
		for (n = 0; n < count; n++) {
			igt_assert_lt(c->shared->workers, STRESS_WORKERS_MAX);
			c->kind[c->shared->workers++] = &kinds[k];
		}
	}
	for (at = text && *text ? text : NULL; at;
	     at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
		named++;
	igt_assert_f(known == named && c->shared->workers,
		     "MOVGEM_STRESS_WORKERS=%s names a kind that there is not\n", text);
}

/* Whether vgem maps what it imports, and so pins it. */
static bool vgem_pins(int fd)
{
	int vgem = stress_open_other("vgem"), dmabuf;
	struct drm_movgem_bo_info info;
	uint32_t handle, theirs;

	if (vgem < 0)
		return false;
	handle = movgem_bo_create(fd, MOVGEM_PAGE, 0);
	dmabuf = prime_handle_to_fd(fd, handle);
	theirs = prime_fd_to_handle(vgem, dmabuf);
	movgem_bo_info(fd, handle, &info);
	gem_close(vgem, theirs);
	close(dmabuf);
	gem_close(fd, handle);
	close(vgem);
	return info.pins;
}

static void prepare(struct control *c, bool basic)
{
	unsigned long total_kb = stress_meminfo_kb("MemTotal:");
	unsigned int i, buffers = 0;

	c->shared = mmap(NULL, sizeof(*c->shared), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	igt_assert(c->shared != MAP_FAILED);
	c->shared->seed = from_env("MOVGEM_STRESS_SEED", 0x6d6f7667656d21ull);
	c->rand = c->shared->seed ^ 0x2545f4914f6cdd1dull;
	c->rand = c->rand ?: 1;
	igt_assert(igt_debugfs_path(c->fd, c->shared->debugfs, sizeof(c->shared->debugfs)));
	c->shared->can_move = movgem_can_move(c->fd);
	c->shared->vgem_pins = vgem_pins(c->fd);
	c->shared->frames_left = min(total_kb / 4 / 256, 1024ul);
	/* A datagram each, which is there or not. */
	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, c->shared->post))
		c->shared->post[0] = c->shared->post[1] = -1;
	choose_workers(c, basic);
	for (i = 0; i < c->shared->workers; i++)
		buffers += c->kind[i]->run == stress_buffers;
	c->shared->pages_max = min(total_kb / 4 / 4 / max(buffers, 1u), 16384ul);

	stress_read_file(HUGEPAGES, c->hugepages_before, sizeof(c->hugepages_before));
	stress_read_file(JOB_TIMEOUT, c->timeout_before, sizeof(c->timeout_before));
	/* A job that takes so long does not only run on a slow machine. */
	igt_assert_eq(stress_write_file(JOB_TIMEOUT, "200000"), 0);
	stress_write_file("/proc/self/oom_score_adj", "-1000");
	movgem_mem_info(c->fd, &c->before);
	if (c->second >= 0)
		movgem_mem_info(c->second, &c->second_before);
	c->moved_before = c->before.pages_moved;
	c->shared->has_folios = c->before.page_store == DRM_MOVGEM_PAGE_STORE_FOLIO;
}

static void kill_one(struct control *c)
{
	unsigned int i = movgem_rand(&c->rand) % c->shared->workers;

	if (!c->kind[i]->killed || c->pids[i] <= 0 || c->sent[i])
		return;
	c->sent[i] = true;
	kill(c->pids[i], SIGKILL);
}

static void wait_for_workers(struct control *c)
{
	unsigned int i, left;

	do {
		reap(c);
		check_progress(c);
		for (i = 0, left = 0; i < c->shared->workers; i++)
			left += c->pids[i] > 0;
		usleep(20000);
	} while (left);
}

static void check_freed(int fd, const struct drm_movgem_mem_info *before)
{
	struct drm_movgem_mem_info after;

	movgem_wait_for_bos(fd, before->bos);
	movgem_mem_info(fd, &after);
	igt_assert_eq_u64(after.bos, before->bos);
	igt_assert_eq_u64(after.pages, before->pages);
	igt_assert_eq_u64(after.pages_pinned, before->pages_pinned);
}

/* All that the workers had is freed, and nothing of it was lost on the way. */
static void check_end(struct control *c)
{
	unsigned int i;

	/* One more worker takes what is in the post, and looks at it. */
	for (i = 0; i < c->shared->workers; i++) {
		if (c->kind[i]->run != stress_buffers)
			continue;
		start(c, i);
		wait_for_workers(c);
		break;
	}
	check_freed(c->fd, &c->before);
	if (c->second >= 0)
		check_freed(c->second, &c->second_before);
}

static void run(struct control *c, unsigned int duration, bool basic)
{
	uint64_t kill_beat = 0, progress_ns, end_ns;
	unsigned int i;

	prepare(c, basic);
	igt_info("MOVGEM_STRESS_SEED=%#" PRIx64 ", %u seconds, %u workers, %" PRIu64
		 " MiB of BOs each, %s, pages %s\n", c->shared->seed, duration,
		 c->shared->workers, c->shared->pages_max >> 8,
		 c->second < 0 ? "one device" : "two devices",
		 c->shared->can_move ? "move" : "cannot move");
	c->start_ns = stress_now_ns();
	for (i = 0; i < c->shared->workers; i++)
		start(c, i);
	end_ns = c->start_ns + duration * 1000000000ull;
	progress_ns = c->start_ns + PROGRESS_SECONDS * 1000000000ull;
	while (stress_now_ns() < end_ns) {
		reap(c);
		check_progress(c);
		/* By what they have done, so that it is not much more on a slow machine. */
		if (!basic && SUM(c, beat) >= kill_beat) {
			kill_one(c);
			kill_beat = SUM(c, beat) + 20 + movgem_rand(&c->rand) % 300;
		}
		if (stress_now_ns() >= progress_ns) {
			print_progress(c);
			progress_ns += PROGRESS_SECONDS * 1000000000ull;
		}
		usleep(20000);
	}
	c->shared->stop = true;
	wait_for_workers(c);
	check_end(c);
	print_summary(c);
	tidy(c);
	check_counts(c);
	close(c->shared->post[0]);
	close(c->shared->post[1]);
	munmap(c->shared, sizeof(*c->shared));
	c->shared = NULL;
}

/* Whatever a failed run has left. */
static void reset(struct control *c, int fd)
{
	if (c->shared)
		tidy(c);
	if (c->second >= 0)
		close(c->second);
	memset(c, 0, sizeof(*c));
	c->fd = fd;
	c->second = stress_open(1);
}

int igt_main()
{
	int fd = -1;

	igt_fixture() {
		fd = movgem_open();
		movgem_require_debugfs(fd);
		/* It is off and on all the time, where it can be. */
		movgem_power_auto(fd, 0);
		/* Buffers go to it and come from it, where there is one. */
		igt_kmod_load("vgem", NULL);
		igt_install_exit_handler(exit_handler);
	}

	igt_describe("A few seconds of buffers, jobs and moves.");
	igt_subtest("basic") {
		reset(&control, fd);
		run(&control, BASIC_SECONDS, true);
	}

	igt_describe("With huge pages, memory going offline, memory pressure and SIGKILLs.");
	igt_subtest("everything") {
		reset(&control, fd);
		run(&control, from_env("MOVGEM_STRESS_SECONDS", SECONDS), false);
	}

	igt_fixture()
		movgem_close(fd);
}
