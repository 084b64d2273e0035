// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 */
#include <drm_fourcc.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "igt.h"
#include "igt_syncobj.h"
#include "movgem_devices.h"
#include "movgem_kms_rig.h"
#include "movgem_migrate_trigger.h"
#include "movgem_rig.h"

/**
 * TEST: movgem unbind
 * Description: A device is taken from the driver while it is in use, and
 *              processes die in the middle of using it. What they have stays
 *              valid until they let go of it, and then is gone.
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: uapi
 * Functionality: hotunplug
 * Feature: movgem
 * Test category: functionality test
 *
 * SUBTEST: idle
 * Description: After unbind every call fails with ENODEV; bound again it is a
 *              new device.
 *
 * SUBTEST: busy
 * Description: Jobs that run end with ENODEV, and so do those behind them.
 *
 * SUBTEST: mapped
 * Description: CPU mappings stay valid, also made by fork, and their pages move.
 *
 * SUBTEST: exported
 * Description: Another device goes on using a buffer whose own device is gone.
 *
 * SUBTEST: imported
 * Description: The buffer of another device is free to move when its importer is gone.
 *
 * SUBTEST: display
 * Description: A display that is on goes off, also with a flip under way.
 *
 * SUBTEST: imported-framebuffer
 * Description: A buffer on the screen of its importer is free to move when that is gone.
 *
 * SUBTEST: rmmod-refused
 * Description: The module stays while anything of it is in use.
 *
 * SUBTEST: race
 * Description: Devices go and come while others create, map and submit.
 *
 * SUBTEST: race-display
 * Description: Devices go and come while others switch their displays on.
 *
 * SUBTEST: sigkill
 * Description: Processes are killed in the middle of anything; nothing stays.
 *
 * SUBTEST: pci-%s
 * Description: As %arg[1], with a PCI function that is taken from the machine
 *              and found again.
 *
 * arg[1].values: idle, busy, mapped, exported, imported, display,
 *                imported-framebuffer, rmmod-refused, race, race-display
 */

IGT_TEST_DESCRIPTION("Devices that go away and processes that die.");

#define PAGES	16u
#define SIZE	(PAGES * MOVGEM_PAGE)

/* The device that goes and comes. */
static unsigned int dev;
static int users_before;

static int open_dev(void)
{
	int fd = movgem_device_open(dev);

	igt_assert_fd(fd);
	return fd;
}

static void unbind(void)
{
	igt_assert_eq(movgem_device_bind(dev, false), 0);
}

static void bind_again(void)
{
	igt_assert_eq(movgem_device_bind(dev, true), 0);
}

/*
 * The device is there and does its work; nothing is left of earlier ones, nor of
 * the jobs of a process that was killed, which let go of their VM a little later.
 */
static void check_dev(void)
{
	struct movgem_rig rig;
	int fd = open_dev();

	movgem_wait_for_bos(fd, 0);
	movgem_rig_init(&rig, fd);
	igt_assert_eq(movgem_rig_write(&rig, rig.va + 64, 0x1234), 0);
	igt_assert_eq_u32(rig.map[16], 0x1234);
	movgem_rig_fini(&rig);
	movgem_close(fd);
	movgem_wait_for_users(users_before);
}

static void test_idle(void)
{
	struct drm_movgem_bo_info info;
	uint32_t handle, vm, queue;
	int fd = open_dev(), late;
	uint64_t offset;

	handle = movgem_bo_create(fd, SIZE, 0);
	vm = movgem_vm_create(fd);
	queue = movgem_queue_create(fd, vm);
	unbind();
	igt_assert_eq(__movgem_bo_info(fd, handle, &info), -ENODEV);
	igt_assert_eq(__movgem_bo_create(fd, SIZE, 0, 0, &handle), -ENODEV);
	igt_assert_eq(__movgem_bo_mmap_offset(fd, handle, &offset), -ENODEV);
	igt_assert_eq(__movgem_vm_create(fd, 0, &vm), -ENODEV);
	igt_assert_eq(__movgem_vm_map(fd, vm, handle, 0, 1 << 20, SIZE, 0), -ENODEV);
	igt_assert_eq(__movgem_queue_create(fd, vm, 0, &queue), -ENODEV);
	igt_assert_eq(__movgem_submit(fd, queue, 1 << 20, 64, NULL, 0), -ENODEV);
	igt_assert_eq(movgem_device_open(dev), -1);
	bind_again();
	late = open_dev();
	igt_assert_eq_u64(movgem_bo_count(late), 0);
	/* The old one is still gone. */
	igt_assert_eq(__movgem_bo_info(fd, handle, &info), -ENODEV);
	movgem_close(late);
	movgem_close(fd);
	check_dev();
}

static void test_busy(void)
{
	int fd = open_dev(), files[3];
	struct movgem_gate gate;
	unsigned int i;
	uint32_t sync;

	movgem_gate_shut(&gate, fd);
	sync = movgem_stream_submit_sync(&gate.s, gate.queue);
	files[0] = movgem_syncobj_file(fd, gate.syncobj);
	files[1] = movgem_syncobj_file(fd, sync);
	unbind();
	bind_again();
	/* The fences are seen through another device. */
	files[2] = open_dev();
	for (i = 0; i < 2; i++) {
		uint32_t obj = syncobj_create(files[2], 0);
		int ret;

		syncobj_import_sync_file(files[2], obj, files[i]);
		ret = movgem_syncobj_result(files[2], obj);
		/* A slow machine may have reset the first. */
		igt_assert_f(ret == -ENODEV || (!i && ret == -ETIMEDOUT),
			     "job %u ended with %d\n", i, ret);
		syncobj_destroy(files[2], obj);
		close(files[i]);
	}
	movgem_close(files[2]);
	munmap((void *)gate.sem, MOVGEM_PAGE);
	munmap(gate.s.map, gate.s.size);
	movgem_close(fd);
	check_dev();
}

static void test_mapped(void)
{
	uint64_t pfns[PAGES];
	uint32_t handle, *map;
	int fd = open_dev();
	unsigned int i;
	bool moves = movgem_can_move(fd);
	uint64_t id;

	handle = movgem_bo_create(fd, SIZE, 0);
	id = movgem_bo_id(fd, handle);
	map = movgem_bo_mmap(fd, handle, SIZE);
	movgem_fill_pattern(map, SIZE, 1);
	igt_assert_eq(movgem_bo_pfns(fd, id, pfns, PAGES), PAGES);
	unbind();
	movgem_check_pattern(map, SIZE, 1);
	for (i = 0; moves && i < PAGES; i += 5)
		soft_offline(pfns[i]);
	compact_memory();
	movgem_check_pattern(map, SIZE, 1);
	igt_fork(child, 1)
		movgem_fill_pattern(map, SIZE, 2);
	igt_waitchildren();
	movgem_check_pattern(map, SIZE, 2);
	movgem_close(fd);
	compact_memory();
	movgem_check_pattern(map, SIZE, 2);
	munmap(map, SIZE);
	bind_again();
	check_dev();
}

static void test_display(void)
{
	struct kms_commit commit = {
		.flags = DRM_MODE_ATOMIC_NONBLOCK | DRM_MODE_PAGE_FLIP_EVENT,
		.fences = true,
	};
	struct movgem_gate gate;
	struct kms_scene scene;
	struct kms_rig kms;
	struct kms_fb fb;
	int fd = open_dev();

	kms_rig_init(&kms, fd);
	kms_full_screen(&kms, &scene, &fb, kms_small_mode());
	kms_show(&kms, &scene);
	kms_expect(&kms, &scene);

	/* The flip waits for a job of the same device. */
	movgem_gate_shut(&gate, fd);
	commit.in_fence = movgem_syncobj_file(fd, gate.syncobj);
	igt_assert_eq(__kms_show(&kms, &scene, &commit), 0);
	close(commit.in_fence);
	unbind();
	igt_assert_eq(kms_fence_result(commit.out_fence), 0);
	igt_assert(!drmModeGetResources(fd));
	igt_assert_eq(errno, ENODEV);
	movgem_check_pattern(fb.map, fb.size, 1);

	munmap((void *)gate.sem, MOVGEM_PAGE);
	munmap(gate.s.map, gate.s.size);
	munmap(fb.map, fb.size);
	movgem_close(fd);
	bind_again();
	check_dev();
}

static void test_exported(void)
{
	int fd = open_dev(), other = movgem_device_open(0), dmabuf;
	uint64_t va = movgem_va_alloc(other, SIZE);
	struct movgem_rig rig;
	uint32_t handle, import;
	uint32_t *map;
	unsigned int i;

	handle = movgem_bo_create(fd, SIZE, 0);
	map = movgem_bo_mmap(fd, handle, SIZE);
	movgem_fill_pattern(map, SIZE, 3);
	dmabuf = prime_handle_to_fd(fd, handle);
	import = prime_fd_to_handle(other, dmabuf);
	movgem_rig_init(&rig, other);
	movgem_vm_map(other, rig.vm, import, 0, va, SIZE, 0);
	movgem_rig_expect(&rig, va + 40, movgem_mix(3, 10));
	unbind();
	for (i = 0; i < 4; i++) {
		compact_memory();
		movgem_rig_expect(&rig, va + i * MOVGEM_PAGE + 40,
				  movgem_mix(3, i * 1024 + 10));
	}
	igt_assert_eq(movgem_rig_write(&rig, va, 0x4321), 0);
	igt_assert_eq_u32(map[0], 0x4321);
	movgem_close(fd);
	munmap(map, SIZE);
	close(dmabuf);
	movgem_rig_expect(&rig, va, 0x4321);
	movgem_rig_fini(&rig);
	gem_close(other, import);
	movgem_close(other);
	bind_again();
	check_dev();
}

static uint32_t bo_pins(int fd, uint32_t handle)
{
	struct drm_movgem_bo_info info;

	movgem_bo_info(fd, handle, &info);
	return info.pins;
}

static void test_imported(void)
{
	int other = movgem_device_open(0), fd = open_dev(), dmabuf;
	uint64_t va = movgem_va_alloc(other, SIZE), before = movgem_bo_count(other);
	uint32_t handle = movgem_bo_create(other, SIZE, 0), import, *map;
	bool moves = movgem_can_move(other);
	struct movgem_gate gate;
	struct movgem_rig rig;
	uint64_t id;

	id = movgem_bo_id(other, handle);
	map = movgem_bo_mmap(other, handle, SIZE);
	movgem_fill_pattern(map, SIZE, 4);
	dmabuf = prime_handle_to_fd(other, handle);
	import = prime_fd_to_handle(fd, dmabuf);
	movgem_rig_init(&rig, fd);
	movgem_vm_map(fd, rig.vm, import, 0, va, SIZE, 0);
	movgem_rig_expect(&rig, va + 40, movgem_mix(4, 10));
	/* With a job under way that could use it. */
	movgem_gate_shut_in(&gate, fd, rig.vm, rig.queue);
	unbind();
	if (moves)
		igt_assert_eq_u64(movgem_migrate_bo(other, id), PAGES);
	movgem_check_pattern(map, SIZE, 4);
	munmap((void *)gate.sem, MOVGEM_PAGE);
	munmap(gate.s.map, gate.s.size);
	munmap(rig.map, MOVGEM_PAGE);
	munmap(rig.s.map, rig.s.size);
	movgem_close(fd);
	if (moves)
		igt_assert_eq_u64(movgem_migrate_bo(other, id), PAGES);
	movgem_check_pattern(map, SIZE, 4);
	munmap(map, SIZE);
	close(dmabuf);
	gem_close(other, handle);
	movgem_wait_for_bos(other, before);
	movgem_close(other);
	bind_again();
	check_dev();
}

static void test_imported_framebuffer(void)
{
	int other = movgem_device_open(0), fd = open_dev(), dmabuf;
	bool moves = movgem_can_move(other);
	struct kms_scene scene = { .mode = kms_small_mode() };
	struct kms_fb fb, import;
	struct kms_rig kms;
	uint64_t before, id;

	before = movgem_bo_count(other);
	kms_rig_init(&kms, fd);
	kms_fb_init(&fb, other, KMS_WIDTH, KMS_HEIGHT, DRM_FORMAT_XRGB8888);
	kms_fb_draw(&fb, 1);
	id = movgem_bo_id(other, fb.handle);
	dmabuf = prime_handle_to_fd(other, fb.handle);
	import = fb;
	import.fd = fd;
	import.handle = prime_fd_to_handle(fd, dmabuf);
	close(dmabuf);
	igt_assert_eq(__kms_fb_add(&import), 0);
	scene.layers[KMS_PRIMARY] = kms_whole(&import, 0, 0);
	kms_show(&kms, &scene);
	kms_expect(&kms, &scene);
	igt_assert_eq_u32(bo_pins(other, fb.handle), 1);
	unbind();
	igt_assert_eq_u32(bo_pins(other, fb.handle), 0);
	if (moves)
		igt_assert_eq_u64(movgem_migrate_bo(other, id), fb.size / MOVGEM_PAGE);
	movgem_check_pattern(fb.map, fb.size, 1);
	movgem_close(fd);
	igt_assert_eq_u32(bo_pins(other, fb.handle), 0);
	kms_fb_fini(&fb);
	movgem_wait_for_bos(other, before);
	movgem_close(other);
	bind_again();
	check_dev();
}

static void test_rmmod_refused(void)
{
	int fd = open_dev();
	uint32_t handle = movgem_bo_create(fd, SIZE, 0);
	uint32_t *map = movgem_bo_mmap(fd, handle, SIZE);

	unbind();
	igt_assert_eq(syscall(SYS_delete_module, "movgem", O_NONBLOCK), -1);
	igt_assert(errno == EWOULDBLOCK || errno == EBUSY);
	movgem_close(fd);
	/* A mapping is enough. */
	igt_assert_eq(syscall(SYS_delete_module, "movgem", O_NONBLOCK), -1);
	movgem_check_value(map, SIZE, 0);
	munmap(map, SIZE);
	bind_again();
	check_dev();
}

/* Uses the device, whichever it is by now; only ENODEV may come of it. */
static void use_once(uint64_t *seed, bool strict)
{
	uint32_t handle, vm, queue;
	int fd = movgem_device_open(dev), ret, dmabuf;
	uint64_t offset, size = (1 + movgem_rand(seed) % PAGES) * MOVGEM_PAGE;
	struct drm_prime_handle prime = { .flags = DRM_CLOEXEC | DRM_RDWR };
	volatile uint32_t *map = MAP_FAILED;

	if (fd < 0)
		return;
	ret = __movgem_bo_create(fd, size, 0, 0, &handle);
	if (!ret)
		ret = __movgem_bo_mmap_offset(fd, handle, &offset);
	if (!ret) {
		map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
		ret = map == MAP_FAILED ? -errno : 0;
	}
	if (!ret) {
		map[0] = 1;
		map[size / 4 - 1] = 2;
		prime.handle = handle;
		ret = movgem_ioctl(fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime);
	}
	if (!ret) {
		dmabuf = prime.fd;
		/* The other device imports it. */
		if (movgem_rand(seed) & 1) {
			int other = movgem_device_open(0);

			if (other >= 0) {
				prime.fd = dmabuf;
				movgem_ioctl(other, DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime);
				close(other);
			}
		}
		close(dmabuf);
		ret = __movgem_vm_create(fd, 0, &vm);
	}
	if (!ret)
		ret = __movgem_vm_map(fd, vm, handle, 0, 1 << 20, size, 0);
	if (!ret)
		ret = __movgem_queue_create(fd, vm, 0, &queue);
	if (!ret)
		/* An empty page is no command: the job ends with a fault. */
		ret = __movgem_submit(fd, queue, 1 << 20, 64, NULL, 0);
	if (map != MAP_FAILED) {
		if (strict)
			igt_assert_eq_u32(map[size / 4 - 1], 2);
		munmap((void *)map, size);
	}
	close(fd);
	if (strict)
		igt_assert_f(!ret || ret == -ENODEV, "a call ended with %d\n", ret);
}

static void test_race(void)
{
	int i;

	igt_fork(child, 2) {
		uint64_t seed = child + 1;

		for (i = 0; i < movgem_rounds(300); i++)
			use_once(&seed, true);
	}
	for (i = 0; i < movgem_rounds(20); i++) {
		unbind();
		usleep(20000);
		bind_again();
		usleep(100000);
		compact_memory();
	}
	igt_waitchildren();
	check_dev();
}

static bool has_gone(int fd)
{
	drmModeRes *res = drmModeGetResources(fd);

	drmModeFreeResources(res);
	return !res && errno == ENODEV;
}

/* Switches the display on and leaves it so; false if the device goes meanwhile. */
static bool show_once(void)
{
	struct kms_fb fb = { .width = 640, .height = 480, .format = DRM_FORMAT_XRGB8888 };
	struct drm_mode_create_dumb dumb = { .width = 640, .height = 480, .bpp = 32 };
	drmModeConnector *connector = NULL;
	int ret = -ENODEV;
	drmModeRes *res;

	fb.fd = movgem_device_open(dev);
	if (fb.fd < 0)
		return false;
	res = drmModeGetResources(fb.fd);
	if (res && res->count_connectors)
		connector = drmModeGetConnector(fb.fd, res->connectors[0]);
	if (connector && connector->count_modes) {
		ret = movgem_ioctl(fb.fd, DRM_IOCTL_MODE_CREATE_DUMB, &dumb);
		fb.handle = dumb.handle;
		fb.pitch = dumb.pitch;
		if (!ret)
			ret = __kms_fb_add(&fb);
		for (int i = 0; !ret && i < connector->count_modes; i++)
			if (connector->modes[i].hdisplay == 640)
				ret = drmModeSetCrtc(fb.fd, res->crtcs[0], fb.id, 0, 0,
						     &connector->connector_id, 1,
						     &connector->modes[i]);
	}
	/* What DRM says of a connector that goes with the device, in the middle of a call. */
	if (ret == -EINVAL && has_gone(fb.fd))
		ret = -ENODEV;
	igt_assert_f(!ret || ret == -ENODEV, "a call ended with %d\n", ret);
	drmModeFreeConnector(connector);
	drmModeFreeResources(res);
	close(fb.fd);
	return !ret;
}

static void test_race_display(void)
{
	igt_fork(child, 1) {
		for (int shown = 0; shown < 50; )
			shown += show_once();
	}
	for (int i = 0; i < 20; i++) {
		unbind();
		usleep(20000);
		bind_again();
		usleep(100000);
	}
	igt_waitchildren();
	check_dev();
}

static void test_sigkill(void)
{
	int other = movgem_device_open(0), i, status;
	uint64_t before = movgem_bo_count(other), seed = 7;
	bool moves = movgem_can_move(other);

	for (i = 0; i < 40; i++) {
		pid_t pid = fork();

		igt_assert_lte(0, pid);
		if (!pid) {
			uint64_t own = i + 1;

			for (;;)
				use_once(&own, false);
		}
		usleep(1000 + movgem_rand(&seed) % 60000);
		if (moves && i % 4 == 0)
			__movgem_migrate(other, "all");
		kill(pid, SIGKILL);
		igt_assert_eq(waitpid(pid, &status, 0), pid);
		igt_assert(WIFSIGNALED(status));
	}
	movgem_wait_for_bos(other, before);
	movgem_close(other);
	check_dev();
}

static const struct test {
	const char *name;
	void (*run)(void);
	const char *what;
	bool once;
} tests[] = {
	{ "idle", test_idle,
	  "After unbind every call fails with ENODEV; bound again it is a new device." },
	{ "busy", test_busy, "Jobs that run end with ENODEV." },
	{ "mapped", test_mapped, "CPU mappings stay valid, and their pages move." },
	{ "exported", test_exported,
	  "Another device goes on using a buffer whose own device is gone." },
	{ "imported", test_imported,
	  "The buffer of another device is free to move when its importer is gone." },
	{ "display", test_display,
	  "A display that is on goes off, also with a flip under way." },
	{ "imported-framebuffer", test_imported_framebuffer,
	  "A buffer on the screen of its importer is free to move when that is gone." },
	{ "rmmod-refused", test_rmmod_refused,
	  "The module stays while anything of it is in use." },
	{ "race", test_race,
	  "Devices go and come while others create, map and submit." },
	{ "race-display", test_race_display,
	  "Devices go and come while others switch their displays on." },
	/* Nothing goes or comes, so on one bus only. */
	{ "sigkill", test_sigkill,
	  "Processes are killed in the middle of anything; nothing stays.",
	  .once = true },
};

static void prepare(void)
{
	int fd = movgem_device_open(dev);

	igt_assert_fd(fd);
	movgem_require_debugfs(fd);
	movgem_close(fd);
	users_before = movgem_module_users();
}

int igt_main()
{
	const struct test *test;

	igt_subtest_group() {
		igt_fixture() {
			movgem_devices_require(2);
			dev = 1;
			prepare();
		}

		for (test = tests; test < tests + ARRAY_SIZE(tests); test++) {
			igt_describe(test->what);
			igt_subtest(test->name)
				test->run();
		}
	}

	igt_subtest_group() {
		igt_fixture() {
			movgem_devices_require(1);
			movgem_devices_require_pci();
			dev = MOVGEM_DEVICE_PCI;
			prepare();
		}

		for (test = tests; test < tests + ARRAY_SIZE(tests); test++) {
			if (test->once)
				continue;
			igt_describe_f("%s On PCI.", test->what);
			igt_subtest_f("pci-%s", test->name)
				test->run();
		}
	}

	igt_fixture()
		movgem_devices_restore();
}
