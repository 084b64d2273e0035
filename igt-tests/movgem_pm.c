// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 */
#include <drm_fourcc.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "igt.h"
#include "igt_sysfs.h"
#include "igt_syncobj.h"
#include "movgem_devices.h"
#include "movgem_kms_rig.h"
#include "movgem_migrate_trigger.h"
#include "movgem_rig.h"

/**
 * TEST: movgem pm
 * Description: The machine sleeps while the device is in use: all goes on after
 *              that where it was.
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: uapi
 * Functionality: suspend
 * Feature: movgem
 * Test category: functionality test
 *
 * SUBTEST: freezer
 * Description: Processes that use the device can be frozen.
 *
 * SUBTEST: idle
 * Description: Buffers stay as they are.
 *
 * SUBTEST: waiting-job
 * Description: A job that waits goes on waiting, and the time asleep is not its.
 *
 * SUBTEST: running-jobs
 * Description: Jobs that run, and others behind them, go on where they were.
 *
 * SUBTEST: display
 * Description: A display that is on shows the same after that.
 *
 * SUBTEST: flips
 * Description: The display is suspended in the middle of flips, again and again.
 *
 * SUBTEST: flip-waits
 * Description: A flip is suspended that waits for another device, which sleeps first.
 *
 * SUBTEST: held-pages
 * Description: Pages that the kernel has in its hands stay there meanwhile.
 *
 * SUBTEST: moves
 * Description: Pages move and jobs write to them, before and after and all the time.
 */

IGT_TEST_DESCRIPTION("A machine that sleeps while the device is in use.");

#define PAGES	256u
#define SIZE	(PAGES * MOVGEM_PAGE)

static int power = -1;

static void set(const char *file, const char *value)
{
	igt_assert_f(igt_sysfs_set(power, file, value), "cannot write %s to %s\n", value, file);
}

/* The kernel goes as far as @level, stays there for so many seconds, and comes back. */
static void sleep_to(const char *level, const char *seconds)
{
	set("pm_test", level);
	set("../module/suspend/parameters/pm_test_delay", seconds);
	/* s2idle; the drivers see no difference. */
	set("state", "freeze");
}

/* As far as the drivers are concerned. */
static void sleep_once(void)
{
	sleep_to("platform", "1");
}

static void begin(struct movgem_memory *m, int fd)
{
	movgem_memory_init(m, fd, SIZE);
	movgem_fill_pattern(m->map, SIZE, 1);
}

/* By the CPU, by the GPU, and after a move. */
static void memory_check(struct movgem_memory *m, uint32_t seed)
{
	movgem_check_pattern(m->map, SIZE, seed);
	for (unsigned int i = 0; i < PAGES; i += 37)
		movgem_rig_expect(&m->rig, m->va + i * MOVGEM_PAGE + 40,
				  movgem_mix(seed, i * MOVGEM_PAGE / 4 + 10));
	if (movgem_can_move(m->rig.fd))
		igt_assert_eq_u64(movgem_migrate_bo(m->rig.fd, m->id), PAGES);
	movgem_check_pattern(m->map, SIZE, seed);
}

static void test_freezer(int fd)
{
	struct movgem_memory m;

	begin(&m, fd);
	sleep_to("freezer", "1");
	memory_check(&m, 1);
	movgem_memory_fini(&m);
}

static void test_idle(int fd)
{
	struct movgem_memory m;

	begin(&m, fd);
	memory_check(&m, 1);
	sleep_once();
	memory_check(&m, 1);
	/* Off before as well. */
	if (movgem_power_auto(fd, 0)) {
		movgem_power_wait_off(fd);
		sleep_once();
		movgem_power_wait_off(fd);
		movgem_check_pattern(m.map, SIZE, 1);
		movgem_power_wait_off(fd);
		memory_check(&m, 1);
	}
	movgem_memory_fini(&m);
}

#define JOB_TIMEOUT	"../module/movgem/parameters/job_timeout_ms"

/* For queues that are made until it is set back to what is returned, to be freed. */
static char *set_job_timeout(const char *ms)
{
	char *before = igt_sysfs_get(power, JOB_TIMEOUT);

	igt_assert(before);
	set(JOB_TIMEOUT, ms);
	return before;
}

static void reset_job_timeout(char *before)
{
	set(JOB_TIMEOUT, before);
	free(before);
}

/*
 * A job may take eight seconds, waits for five and sleeps for ten. By then it
 * had a core for so long that it does not get more time for want of one.
 */
static void test_waiting_job(int fd)
{
	char *timeout = set_job_timeout("8000");
	struct movgem_memory m;

	begin(&m, fd);
	reset_job_timeout(timeout);
	movgem_gate_loop(i) {
		struct movgem_gate gate;
		uint32_t behind;
		bool busy;

		movgem_gate_shut_in(&gate, fd, m.rig.vm, m.rig.queue);
		movgem_cmd_fill(&m.rig.s, m.va, SIZE, 5 + i);
		behind = movgem_stream_submit_sync(&m.rig.s, m.rig.queue);
		sleep(5);
		sleep_to("platform", "10");
		busy = movgem_syncobj_busy(fd, behind);
		if (movgem_gate_open(&gate)) {
			igt_assert(busy);
			igt_assert_eq(movgem_syncobj_result(fd, behind), 0);
			movgem_check_value(m.map, SIZE, 5 + i);
			syncobj_destroy(fd, behind);
			break;
		}
		syncobj_destroy(fd, behind);
	}
	movgem_memory_fini(&m);
}

#define QUEUES	3
#define FILLS	32

static void test_running_jobs(int fd)
{
	struct movgem_stream s[QUEUES];
	uint32_t queue[QUEUES], sync[QUEUES];
	struct movgem_memory m[QUEUES];

	for (int q = 0; q < QUEUES; q++) {
		begin(&m[q], fd);
		queue[q] = movgem_queue_create(fd, m[q].rig.vm);
		movgem_stream_init(&s[q], fd, m[q].rig.vm, MOVGEM_PAGE);
	}
	for (int round = 0; round < 3; round++) {
		/* More than the time that it takes to suspend; the last word is the last's. */
		for (int q = 0; q < QUEUES; q++) {
			for (int i = 0; i < FILLS; i++)
				movgem_cmd_fill(&s[q], m[q].va, SIZE, round * 1000 + i);
			for (int i = 0; i < 20; i++)
				movgem_stream_submit(&s[q], queue[q], NULL, 0);
			sync[q] = movgem_stream_submit_sync(&s[q], queue[q]);
		}
		sleep_once();
		for (int q = 0; q < QUEUES; q++) {
			igt_assert_eq(movgem_syncobj_result(fd, sync[q]), 0);
			syncobj_destroy(fd, sync[q]);
			movgem_check_value(m[q].map, SIZE, round * 1000 + FILLS - 1);
			movgem_stream_reset(&s[q]);
		}
	}
	for (int q = 0; q < QUEUES; q++) {
		movgem_stream_fini(&s[q]);
		movgem_queue_destroy(fd, queue[q]);
		movgem_memory_fini(&m[q]);
	}
}

static void test_display(int fd)
{
	struct kms_scene scene = { };
	struct kms_rig kms;
	struct kms_fb fb;

	kms_rig_init(&kms, fd);
	kms_full_screen(&kms, &scene, &fb, kms_small_mode());
	kms_show(&kms, &scene);
	kms_expect(&kms, &scene);
	for (int i = 0; i < 2; i++) {
		sleep_once();
		kms_expect(&kms, &scene);
	}
	kms_off(&kms);
	sleep_once();
	kms_show(&kms, &scene);
	kms_expect(&kms, &scene);
	kms_off(&kms);
	kms_fb_fini(&fb);
}

static void test_flips(int fd)
{
	struct kms_scene scene[2] = { };
	struct kms_rig kms;
	struct kms_fb fb[2];

	kms_rig_init(&kms, fd);
	for (int i = 0; i < 2; i++) {
		kms_full_screen(&kms, &scene[i], &fb[i], kms_small_mode());
		kms_fb_draw(&fb[i], 10 + i);
	}
	igt_fork(child, 1) {
		for (int i = 0; i < 400; i++)
			kms_show(&kms, &scene[i % 2]);
	}
	for (int i = 0; i < 2; i++)
		sleep_once();
	igt_waitchildren();
	kms_expect(&kms, &scene[1]);
	kms_off(&kms);
	for (int i = 0; i < 2; i++)
		kms_fb_fini(&fb[i]);
}

/*
 * The device that is made later sleeps earlier. If its jobs rested by then the
 * flip would wait for ever; but this one has time to time out.
 */
static void test_flip_waits(int fd)
{
	struct kms_commit commit = {
		.flags = DRM_MODE_ATOMIC_NONBLOCK | DRM_MODE_PAGE_FLIP_EVENT,
		.fences = true,
		.user_data = 7,
	};
	struct kms_scene scene[2] = { };
	struct movgem_gate gate;
	struct kms_rig kms;
	struct kms_fb fb[2];
	char *timeout;
	int other;

	movgem_devices_require(2);
	other = movgem_device_open(1);
	igt_assert_fd(other);
	kms_rig_init(&kms, fd);
	for (int i = 0; i < 2; i++) {
		kms_full_screen(&kms, &scene[i], &fb[i], kms_small_mode());
		kms_fb_draw(&fb[i], 10 + i);
	}
	kms_show(&kms, &scene[0]);

	timeout = set_job_timeout("2000");
	movgem_gate_shut(&gate, other);
	reset_job_timeout(timeout);
	commit.in_fence = movgem_syncobj_file(other, gate.syncobj);
	igt_assert_eq(__kms_show(&kms, &scene[1], &commit), 0);
	close(commit.in_fence);
	sleep_once();
	kms_event(&kms, 7);
	igt_assert_eq(kms_fence_result(commit.out_fence), 0);
	kms_expect(&kms, &scene[1]);

	kms_off(&kms);
	for (int i = 0; i < 2; i++)
		kms_fb_fini(&fb[i]);
	movgem_gate_fini(&gate);
	close(other);
	movgem_devices_restore();
}

static void test_held_pages(int fd)
{
	static const char * const how[] = { "isolate", "quiesce" };
	struct movgem_memory m;

	igt_require(movgem_can_move(fd));
	begin(&m, fd);
	memory_check(&m, 1);
	for (int i = 0; i < ARRAY_SIZE(how); i++) {
		int dir = igt_debugfs_dir(fd), hold;
		char line[64];

		hold = openat(dir, "hold", O_RDWR | O_CLOEXEC);
		igt_assert_fd(hold);
		close(dir);
		snprintf(line, sizeof(line), "%llu 16 64 %s", (unsigned long long)m.id, how[i]);
		igt_assert_eq(write(hold, line, strlen(line)), strlen(line));
		sleep_once();
		/* The GPU takes them back, or waits for the end of it. */
		movgem_rig_expect(&m.rig, m.va + 20 * MOVGEM_PAGE + 40,
				  movgem_mix(1, 20 * MOVGEM_PAGE / 4 + 10));
		movgem_check_pattern(m.map, SIZE, 1);
		close(hold);
		memory_check(&m, 1);
	}
	movgem_memory_fini(&m);
}

static void test_moves(int fd)
{
	bool moves = movgem_can_move(fd);
	volatile bool *stop = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct movgem_memory m;

	begin(&m, fd);
	igt_fork(child, 3) {
		for (unsigned int i = 1; !*stop; i++) {
			if (child == 0 && moves)
				__movgem_migrate_bo(fd, m.id);
			else if (child == 0)
				usleep(1000);
			else if (child == 1)
				movgem_rig_write(&m.rig, m.va + (i % PAGES) * MOVGEM_PAGE + 40,
						 movgem_mix(1, (i % PAGES) * MOVGEM_PAGE / 4 + 10));
			else
				m.map[i % (PAGES * 1024)] = movgem_mix(1, i % (PAGES * 1024));
		}
	}
	for (int i = 0; i < 3; i++)
		sleep_once();
	*stop = true;
	igt_waitchildren();
	memory_check(&m, 1);
	movgem_memory_fini(&m);
	munmap((void *)stop, 4096);
}

int igt_main()
{
	static const struct movgem_subtest tests[] = {
		{ "freezer", test_freezer, "Processes that use the device can be frozen." },
		{ "idle", test_idle, "Buffers stay as they are." },
		{ "waiting-job", test_waiting_job, "The time asleep is not a job's." },
		{ "running-jobs", test_running_jobs, "Jobs go on where they were." },
		{ "display", test_display, "A display shows the same after that." },
		{ "flips", test_flips, "The display is suspended in the middle of flips." },
		{ "flip-waits", test_flip_waits,
		  "A flip is suspended that waits for another device." },
		{ "held-pages", test_held_pages,
		  "Pages that the kernel has in its hands stay there meanwhile." },
		{ "moves", test_moves, "Pages move and jobs write to them all the time." },
	};
	int fd = -1;

	igt_fixture() {
		char *levels;

		power = open("/sys/power", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		levels = power < 0 ? NULL : igt_sysfs_get(power, "pm_test");
		igt_require_f(levels && strstr(levels, "platform"),
			      "no /sys/power/pm_test (CONFIG_SUSPEND, CONFIG_PM_DEBUG)\n");
		free(levels);
		fd = movgem_open();
		movgem_require_debugfs(fd);
	}

	movgem_subtests(tests, ARRAY_SIZE(tests), fd);

	igt_fixture() {
		igt_sysfs_set(power, "pm_test", "none");
		igt_sysfs_set(power, "../module/suspend/parameters/pm_test_delay", "5");
		movgem_close(fd);
	}
}
