// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/sync_file.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "igt.h"
#include "igt_syncobj.h"
#include "igt_sysfs.h"
#include "movgem_lib.h"

/* ---- subtests ---- */

void movgem_subtests(const struct movgem_subtest *tests, unsigned int count, int fd)
{
	for (unsigned int i = 0; i < count; i++) {
		igt_describe(tests[i].what);
		igt_subtest(tests[i].name)
			tests[i].run(fd);
	}
}

/* ---- devices ---- */

static int open_nodes(const char *driver, bool render)
{
	char path[64], name[32];
	int i, fd;

	for (i = 0; i < 64; i++) {
		if (render)
			snprintf(path, sizeof(path), "/dev/dri/renderD%d", 128 + i);
		else
			snprintf(path, sizeof(path), "/dev/dri/card%d", i);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		/* IGT's own does not write the NUL. */
		memset(name, 0, sizeof(name));
		if (!__get_drm_device_name(fd, name, sizeof(name) - 1) &&
		    !strcmp(name, driver))
			return fd;
		close(fd);
	}
	return -1;
}

int movgem_open(void)
{
	static bool rested;
	int fd = open_nodes("movgem", false), i;

	igt_require_f(fd >= 0, "no card node of the movgem driver\n");
	/*
	 * A test that counts buffers does so from rest: those of a process that
	 * has just ended may still be on their way out. Not if somebody keeps some.
	 */
	for (i = 0; !rested && i < 200 && movgem_bo_count(fd); i++)
		usleep(10000);
	rested = true;
	movgem_power_keep_on(fd);
	return fd;
}

int movgem_open_render(void)
{
	int fd = open_nodes("movgem", true);

	igt_require_f(fd >= 0, "no render node of the movgem driver\n");
	return fd;
}

int movgem_open_other(const char *driver)
{
	return open_nodes(driver, false);
}

int movgem_reopen(int fd)
{
	char path[64];
	int fd2;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	fd2 = open(path, O_RDWR | O_CLOEXEC);
	igt_assert_fd(fd2);
	return fd2;
}

void movgem_close(int fd)
{
	igt_assert_eq(close(fd), 0);
}

int movgem_ioctl(int fd, unsigned long req, void *arg)
{
	int ret = igt_ioctl(fd, req, arg) ? -errno : 0;

	errno = 0;
	return ret;
}

int __movgem_query(int fd, uint32_t type, void *data, uint32_t *size)
{
	struct drm_movgem_dev_query args = {
		.type = type,
		.size = *size,
		.pointer = to_user_pointer(data),
	};
	int ret = movgem_ioctl(fd, DRM_IOCTL_MOVGEM_DEV_QUERY, &args);

	*size = args.size;
	return ret;
}

void movgem_gpu_info(int fd, struct drm_movgem_gpu_info *info)
{
	uint32_t size = sizeof(*info);

	memset(info, 0, sizeof(*info));
	igt_assert_eq(__movgem_query(fd, DRM_MOVGEM_DEV_QUERY_GPU_INFO, info, &size), 0);
}

void movgem_mem_info(int fd, struct drm_movgem_mem_info *info)
{
	uint32_t size = sizeof(*info);

	memset(info, 0, sizeof(*info));
	igt_assert_eq(__movgem_query(fd, DRM_MOVGEM_DEV_QUERY_MEM_INFO, info, &size), 0);
}

uint32_t movgem_page_store(int fd)
{
	struct drm_movgem_mem_info info;

	movgem_mem_info(fd, &info);
	return info.page_store;
}

int64_t movgem_deadline(int64_t ns)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ll + now.tv_nsec + ns;
}

/* ---- buffers ---- */

int __movgem_bo_create(int fd, uint64_t size, uint32_t flags,
		       uint32_t exclusive_vm, uint32_t *handle)
{
	struct drm_movgem_bo_create args = {
		.size = size,
		.flags = flags,
		.exclusive_vm_id = exclusive_vm,
	};
	int ret = movgem_ioctl(fd, DRM_IOCTL_MOVGEM_BO_CREATE, &args);

	if (!ret)
		*handle = args.handle;
	return ret;
}

uint32_t movgem_bo_create(int fd, uint64_t size, uint32_t flags)
{
	uint32_t handle = 0;

	igt_assert_eq(__movgem_bo_create(fd, size, flags, 0, &handle), 0);
	igt_assert_neq_u32(handle, 0);
	return handle;
}

uint32_t movgem_bo_create_exclusive(int fd, uint64_t size, uint32_t vm)
{
	uint32_t handle = 0;

	igt_assert_eq(__movgem_bo_create(fd, size, 0, vm, &handle), 0);
	igt_assert_neq_u32(handle, 0);
	return handle;
}

int __movgem_bo_mmap_offset(int fd, uint32_t handle, uint64_t *offset)
{
	struct drm_movgem_bo_mmap_offset args = { .handle = handle };
	int ret = movgem_ioctl(fd, DRM_IOCTL_MOVGEM_BO_MMAP_OFFSET, &args);

	if (!ret)
		*offset = args.offset;
	return ret;
}

void *__movgem_bo_mmap(int fd, uint32_t handle, uint64_t size, int prot, int flags)
{
	uint64_t offset = 0;

	igt_assert_eq(__movgem_bo_mmap_offset(fd, handle, &offset), 0);
	return mmap(NULL, size, prot, flags, fd, offset);
}

void *movgem_bo_mmap(int fd, uint32_t handle, uint64_t size)
{
	void *map = __movgem_bo_mmap(fd, handle, size, PROT_READ | PROT_WRITE, MAP_SHARED);

	igt_assert(map != MAP_FAILED);
	return map;
}

int __movgem_bo_info(int fd, uint32_t handle, struct drm_movgem_bo_info *info)
{
	memset(info, 0, sizeof(*info));
	info->handle = handle;
	return movgem_ioctl(fd, DRM_IOCTL_MOVGEM_BO_INFO, info);
}

void movgem_bo_info(int fd, uint32_t handle, struct drm_movgem_bo_info *info)
{
	igt_assert_eq(__movgem_bo_info(fd, handle, info), 0);
}

uint64_t movgem_bo_moved(int fd, uint32_t handle)
{
	struct drm_movgem_bo_info info;

	movgem_bo_info(fd, handle, &info);
	return info.moved;
}

int __movgem_bo_label(int fd, uint32_t handle, const char *label)
{
	struct drm_movgem_bo_label args = {
		.handle = handle,
		.label = to_user_pointer(label),
	};

	return movgem_ioctl(fd, DRM_IOCTL_MOVGEM_BO_LABEL, &args);
}

void movgem_bo_label(int fd, uint32_t handle, const char *label)
{
	igt_assert_eq(__movgem_bo_label(fd, handle, label), 0);
}

int __movgem_bo_wait(int fd, uint32_t handle, int64_t abs_ns)
{
	struct drm_movgem_bo_wait args = {
		.handle = handle,
		.timeout_ns = abs_ns,
	};

	return movgem_ioctl(fd, DRM_IOCTL_MOVGEM_BO_WAIT, &args);
}

void movgem_bo_wait(int fd, uint32_t handle)
{
	igt_assert_eq(__movgem_bo_wait(fd, handle, movgem_deadline(MOVGEM_LONG_NS)), 0);
}

int __movgem_bo_madvise(int fd, uint32_t handle, uint32_t madv, uint32_t *retained)
{
	struct drm_movgem_bo_madvise args = { .handle = handle, .madv = madv };
	int ret = movgem_ioctl(fd, DRM_IOCTL_MOVGEM_BO_MADVISE, &args);

	if (!ret)
		*retained = args.retained;
	return ret;
}

bool movgem_bo_madvise(int fd, uint32_t handle, uint32_t madv)
{
	uint32_t retained = 77;

	igt_assert_eq(__movgem_bo_madvise(fd, handle, madv, &retained), 0);
	igt_assert_lte_u32(retained, 1);
	return retained;
}

void movgem_drop_slab(void)
{
	static bool quiet;
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);

	igt_require_f(fd >= 0, "cannot write drop_caches, which needs root\n");
	/* 4: from now on without a line in the kernel's log each time. */
	if (!quiet)
		igt_assert_eq(write(fd, "4", 1), 1);
	quiet = true;
	igt_assert_eq(write(fd, "2", 1), 1);
	close(fd);
}

int __movgem_gem_close(int fd, uint32_t handle)
{
	struct drm_gem_close args = { .handle = handle };

	return movgem_ioctl(fd, DRM_IOCTL_GEM_CLOSE, &args);
}

uint64_t movgem_bo_count(int fd)
{
	struct drm_movgem_mem_info info;

	movgem_mem_info(fd, &info);
	return info.bos;
}

void movgem_wait_for_bos(int fd, uint64_t want)
{
	int i;

	for (i = 0; i < 6000 && movgem_bo_count(fd) > want; i++)
		usleep(10000);
	igt_assert_lte_u64(movgem_bo_count(fd), want);
}

/* ---- VMs ---- */

int __movgem_vm_create(int fd, uint32_t flags, uint32_t *vm)
{
	struct drm_movgem_vm_create args = { .flags = flags };
	int ret = movgem_ioctl(fd, DRM_IOCTL_MOVGEM_VM_CREATE, &args);

	if (!ret)
		*vm = args.vm_id;
	return ret;
}

uint32_t movgem_vm_create(int fd)
{
	uint32_t vm = 0;

	igt_assert_eq(__movgem_vm_create(fd, 0, &vm), 0);
	igt_assert_neq_u32(vm, 0);
	return vm;
}

int __movgem_vm_destroy(int fd, uint32_t vm)
{
	struct drm_movgem_vm_destroy args = { .vm_id = vm };

	return movgem_ioctl(fd, DRM_IOCTL_MOVGEM_VM_DESTROY, &args);
}

void movgem_vm_destroy(int fd, uint32_t vm)
{
	igt_assert_eq(__movgem_vm_destroy(fd, vm), 0);
}

int __movgem_vm_bind(int fd, uint32_t vm, uint32_t flags,
		     const struct drm_movgem_bind_op *ops, uint32_t op_count,
		     const struct drm_movgem_sync *syncs, uint32_t sync_count)
{
	struct drm_movgem_vm_bind args = {
		.vm_id = vm,
		.flags = flags,
		.op_count = op_count,
		.sync_count = sync_count,
		.ops = to_user_pointer(ops),
		.syncs = to_user_pointer(syncs),
	};

	return movgem_ioctl(fd, DRM_IOCTL_MOVGEM_VM_BIND, &args);
}

void movgem_vm_bind(int fd, uint32_t vm, const struct drm_movgem_bind_op *ops,
		    uint32_t op_count)
{
	igt_assert_eq(__movgem_vm_bind(fd, vm, 0, ops, op_count, NULL, 0), 0);
}

int __movgem_vm_map(int fd, uint32_t vm, uint32_t handle, uint64_t bo_offset,
		    uint64_t va, uint64_t size, uint32_t flags)
{
	struct drm_movgem_bind_op op = movgem_op_map(handle, bo_offset, va, size, flags);

	return __movgem_vm_bind(fd, vm, 0, &op, 1, NULL, 0);
}

void movgem_vm_map(int fd, uint32_t vm, uint32_t handle, uint64_t bo_offset,
		   uint64_t va, uint64_t size, uint32_t flags)
{
	igt_assert_eq(__movgem_vm_map(fd, vm, handle, bo_offset, va, size, flags), 0);
}

int __movgem_vm_unmap(int fd, uint32_t vm, uint64_t va, uint64_t size)
{
	struct drm_movgem_bind_op op = movgem_op_unmap(va, size);

	return __movgem_vm_bind(fd, vm, 0, &op, 1, NULL, 0);
}

void movgem_vm_unmap(int fd, uint32_t vm, uint64_t va, uint64_t size)
{
	igt_assert_eq(__movgem_vm_unmap(fd, vm, va, size), 0);
}

uint64_t movgem_va_alloc(int fd, uint64_t size)
{
	static uint64_t next, end;
	uint64_t va;

	if (!next) {
		struct drm_movgem_gpu_info gpu;

		movgem_gpu_info(fd, &gpu);
		/* Away from the edge, and not aligned to a page table. */
		next = ALIGN(gpu.va_start, SZ_2M) + SZ_2M + 5 * MOVGEM_PAGE;
		end = gpu.va_end;
	}
	va = next;
	next += ALIGN(size, MOVGEM_PAGE) + 3 * MOVGEM_PAGE;
	igt_assert_lte_u64(next, end);
	return va;
}

/* ---- queues and jobs ---- */

int __movgem_queue_create(int fd, uint32_t vm, uint32_t priority, uint32_t *queue)
{
	struct drm_movgem_queue_create args = { .vm_id = vm, .priority = priority };
	int ret = movgem_ioctl(fd, DRM_IOCTL_MOVGEM_QUEUE_CREATE, &args);

	if (!ret)
		*queue = args.queue_id;
	return ret;
}

uint32_t movgem_queue_create(int fd, uint32_t vm)
{
	uint32_t queue = 0;

	igt_assert_eq(__movgem_queue_create(fd, vm, DRM_MOVGEM_QUEUE_PRIORITY_NORMAL,
					    &queue), 0);
	igt_assert_neq_u32(queue, 0);
	return queue;
}

int __movgem_queue_destroy(int fd, uint32_t queue)
{
	struct drm_movgem_queue_destroy args = { .queue_id = queue };

	return movgem_ioctl(fd, DRM_IOCTL_MOVGEM_QUEUE_DESTROY, &args);
}

void movgem_queue_destroy(int fd, uint32_t queue)
{
	igt_assert_eq(__movgem_queue_destroy(fd, queue), 0);
}

int __movgem_queue_state(int fd, uint32_t queue, struct drm_movgem_queue_state *state)
{
	memset(state, 0, sizeof(*state));
	state->queue_id = queue;
	return movgem_ioctl(fd, DRM_IOCTL_MOVGEM_QUEUE_STATE, state);
}

void movgem_queue_state(int fd, uint32_t queue, struct drm_movgem_queue_state *state)
{
	igt_assert_eq(__movgem_queue_state(fd, queue, state), 0);
}

int __movgem_submit(int fd, uint32_t queue, uint64_t addr, uint32_t size,
		    const struct drm_movgem_sync *syncs, uint32_t sync_count)
{
	struct drm_movgem_submit args = {
		.queue_id = queue,
		.stream_addr = addr,
		.stream_size = size,
		.sync_count = sync_count,
		.syncs = to_user_pointer(syncs),
	};

	return movgem_ioctl(fd, DRM_IOCTL_MOVGEM_SUBMIT, &args);
}

int movgem_syncobj_file(int fd, uint32_t syncobj)
{
	return syncobj_handle_to_fd(fd, syncobj, DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE);
}

int movgem_syncobj_result(int fd, uint32_t syncobj)
{
	struct sync_file_info info = { };
	int file;

	igt_assert_f(syncobj_wait(fd, &syncobj, 1, movgem_deadline(MOVGEM_LONG_NS),
				  DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT, NULL),
		     "a fence never signalled\n");
	file = movgem_syncobj_file(fd, syncobj);
	do_ioctl(file, SYNC_IOC_FILE_INFO, &info);
	close(file);
	igt_assert_neq(info.status, 0);
	return info.status < 0 ? info.status : 0;
}

int movgem_timeline_result(int fd, uint32_t syncobj, uint64_t point)
{
	uint32_t binary = syncobj_create(fd, 0);
	int ret;

	igt_assert_f(syncobj_timeline_wait(fd, &syncobj, &point, 1,
					   movgem_deadline(MOVGEM_LONG_NS),
					   DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT, NULL),
		     "timeline point %" PRIu64 " never signalled\n", point);
	syncobj_timeline_to_binary(fd, binary, syncobj, point, 0);
	ret = movgem_syncobj_result(fd, binary);
	syncobj_destroy(fd, binary);
	return ret;
}

bool movgem_syncobj_busy(int fd, uint32_t syncobj)
{
	return syncobj_wait_err(fd, &syncobj, 1, 0, 0) == -ETIME;
}

/* ---- patterns and chance ---- */

void movgem_fill_pattern(void *map, uint64_t size, uint32_t seed)
{
	uint32_t *words = map;
	uint64_t i;

	for (i = 0; i < size / 4; i++)
		words[i] = movgem_mix(seed, i);
}

void movgem_check_pattern(const void *map, uint64_t size, uint32_t seed)
{
	const volatile uint32_t *words = map;
	uint64_t i;

	for (i = 0; i < size / 4; i++) {
		uint32_t got = words[i], want = movgem_mix(seed, i);

		igt_assert_f(got == want,
			     "byte %#" PRIx64 ": %#x is not %#x (pattern %#x)\n",
			     i * 4, got, want, seed);
	}
}

void movgem_check_value(const void *map, uint64_t size, uint32_t value)
{
	const volatile uint32_t *words = map;
	uint64_t i;

	for (i = 0; i < size / 4; i++) {
		uint32_t got = words[i];

		igt_assert_f(got == value, "byte %#" PRIx64 ": %#x is not %#x\n",
			     i * 4, got, value);
	}
}

static sigjmp_buf touch_env;

static void touch_handler(int sig)
{
	siglongjmp(touch_env, sig);
}

int movgem_touch(volatile void *addr, bool write)
{
	struct sigaction sa = { .sa_handler = touch_handler }, bus, segv;
	volatile uint8_t *byte = addr;
	int sig;

	sigaction(SIGBUS, &sa, &bus);
	sigaction(SIGSEGV, &sa, &segv);
	sig = sigsetjmp(touch_env, 1);
	if (!sig) {
		uint8_t value = *byte;

		if (write)
			*byte = value;
	}
	sigaction(SIGBUS, &bus, NULL);
	sigaction(SIGSEGV, &segv, NULL);
	return sig;
}
