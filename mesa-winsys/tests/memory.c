// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * movgem's own view: device nodes, BOs by their dma-bufs, debugfs, and a
 * process that has pages moved.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xf86drm.h>

#include "test.h"

#define DEBUGFS "/sys/kernel/debug/dri/movgem"

/* What a job waits for: a word of its BO, in another page than its commands. */
#define FENCE_WORD 512

static pid_t mover;
static unsigned long *rounds;

static int open_node(const char *dir_format, int first)
{
	char path[64];

	for (int i = first; i < first + 16; i++) {
		drmVersionPtr version;
		int fd;

		snprintf(path, sizeof(path), "/dev/dri/%s%d", dir_format, i);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		version = drmGetVersion(fd);
		if (version && !strcmp(version->name, "movgem")) {
			drmFreeVersion(version);
			return fd;
		}
		drmFreeVersion(version);
		close(fd);
	}
	fail("no movgem device among /dev/dri/%s*", dir_format);
}

int open_card(void)
{
	return open_node("card", 0);
}

int open_render(void)
{
	return open_node("renderD", 128);
}

static void bo_info(const struct bo *bo, struct drm_movgem_bo_info *info)
{
	memset(info, 0, sizeof(*info));
	info->handle = bo->handle;
	if (drmIoctl(bo->fd, DRM_IOCTL_MOVGEM_BO_INFO, info))
		fail("BO_INFO: %s", strerror(errno));
}

void bo_open(struct bo *bo, int dmabuf)
{
	struct drm_movgem_bo_mmap_offset args = {};
	struct drm_movgem_bo_info info;

	bo->fd = open_render();
	if (drmPrimeFDToHandle(bo->fd, dmabuf, &bo->handle))
		fail("PRIME_FD_TO_HANDLE: %s", strerror(errno));
	bo_info(bo, &info);
	if (info.imported)
		fail("the dma-buf is another driver's");
	if (info.pages * sysconf(_SC_PAGESIZE) != info.size)
		fail("%llu pages for %llu bytes", info.pages, info.size);
	if (info.pins)
		fail("the BO is pinned");
	bo->size = info.size;

	args.handle = bo->handle;
	if (drmIoctl(bo->fd, DRM_IOCTL_MOVGEM_BO_MMAP_OFFSET, &args))
		fail("BO_MMAP_OFFSET: %s", strerror(errno));
	bo->map = mmap(NULL, bo->size, PROT_READ | PROT_WRITE, MAP_SHARED,
		       bo->fd, args.offset);
	if (bo->map == MAP_FAILED)
		fail("mmap: %s", strerror(errno));
}

void bo_close(struct bo *bo)
{
	munmap(bo->map, bo->size);
	close(bo->fd);
}

uint64_t bo_moved(const struct bo *bo)
{
	struct drm_movgem_bo_info info;

	bo_info(bo, &info);
	return info.moved;
}

int pending_fence(struct bo *bo)
{
	struct drm_movgem_gpu_info gpu = {};
	struct drm_movgem_dev_query query = {
		.type = DRM_MOVGEM_DEV_QUERY_GPU_INFO,
		.size = sizeof(gpu), .pointer = (uintptr_t)&gpu,
	};
	struct drm_movgem_bind_op op = {
		.op = DRM_MOVGEM_BIND_OP_MAP, .handle = bo->handle,
		.size = bo->size,
	};
	struct drm_movgem_sync sync = { .flags = DRM_MOVGEM_SYNC_SIGNAL };
	struct drm_movgem_cmd_sem *wait = bo->map;
	struct drm_movgem_vm_create vm = {};
	struct drm_movgem_vm_bind bind = {
		.op_count = 1, .ops = (uintptr_t)&op,
	};
	struct drm_movgem_queue_create queue = {};
	struct drm_movgem_submit submit = {
		.stream_size = sizeof(*wait),
		.sync_count = 1, .syncs = (uintptr_t)&sync,
	};
	int sync_file;

	check(!drmIoctl(bo->fd, DRM_IOCTL_MOVGEM_DEV_QUERY, &query));
	check(!drmIoctl(bo->fd, DRM_IOCTL_MOVGEM_VM_CREATE, &vm));
	op.va = (gpu.va_start + 0xfffff) & ~0xfffffull;
	bind.vm_id = vm.vm_id;
	check(!drmIoctl(bo->fd, DRM_IOCTL_MOVGEM_VM_BIND, &bind));
	queue.vm_id = vm.vm_id;
	check(!drmIoctl(bo->fd, DRM_IOCTL_MOVGEM_QUEUE_CREATE, &queue));

	wait->hdr.opcode = DRM_MOVGEM_CMD_SEM_WAIT;
	wait->hdr.size = sizeof(*wait);
	wait->addr = op.va + FENCE_WORD * sizeof(uint64_t);
	wait->value = 1;
	check(!drmSyncobjCreate(bo->fd, 0, &sync.handle));
	submit.queue_id = queue.queue_id;
	submit.stream_addr = op.va;
	check(!drmIoctl(bo->fd, DRM_IOCTL_MOVGEM_SUBMIT, &submit));
	check(!drmSyncobjExportSyncFile(bo->fd, sync.handle, &sync_file));
	return sync_file;
}

void release_fence(struct bo *bo)
{
	((volatile uint64_t *)bo->map)[FENCE_WORD] = 1;
}

/* Adds what their pages have moved to sum; last is the last one's id. */
static unsigned int read_gems(char flag, uint64_t size, unsigned long *sum,
			      unsigned long *last)
{
	FILE *file = fopen(DEBUGFS "/gems", "r");
	unsigned int count = 0;
	char line[256];

	if (!file)
		fail("%s: %s", DEBUGFS "/gems", strerror(errno));
	while (fgets(line, sizeof(line), file)) {
		char flags[9], label[65];
		unsigned long long bytes;
		unsigned long id, moved;

		if (sscanf(line, "%lu %llu %*u %*u %*u %*u %lu %8s %64s",
			   &id, &bytes, &moved, flags, label) == 5 &&
		    !strcmp(label, "mesa") && bytes >= size &&
		    (!flag || strchr(flags, flag))) {
			count++;
			*sum += moved;
			*last = id;
		}
	}
	fclose(file);
	return count;
}

unsigned int mesa_bos(char flag, uint64_t size)
{
	unsigned long moved = 0, id;

	return read_gems(flag, size, &moved, &id);
}

unsigned long mesa_moved(uint64_t size)
{
	unsigned long moved = 0, id;

	read_gems(0, size, &moved, &id);
	return moved;
}

unsigned long mesa_bo_id(uint64_t size)
{
	unsigned long moved = 0, id;

	check(read_gems(0, size, &moved, &id) == 1);
	return id;
}

void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		fail("%s: %s", path, strerror(errno));
	close(fd);
}

static void move_all(void)
{
	int migrate = open(DEBUGFS "/migrate", O_WRONLY);
	int compact = open("/proc/sys/vm/compact_memory", O_WRONLY);

	if (migrate < 0 || compact < 0) {
		fprintf(stderr, "nothing to move pages with: %s\n",
			strerror(errno));
		_exit(1);
	}
	for (;;) {
		/* There need not be a BO just now, or one that can move. */
		if (write(migrate, "label:mesa", 10) < 0 &&
		    errno != ENOENT && errno != EBUSY)
			_exit(1);
		if (*rounds % 32 == 31 && write(compact, "1", 1) < 0)
			_exit(1);
		++*rounds;
		usleep(1000);
	}
}

void mover_start(void)
{
	if (!rounds)
		rounds = mmap(NULL, sizeof(*rounds), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	mover = fork();
	if (mover < 0)
		fail("fork: %s", strerror(errno));
	if (!mover) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		move_all();
	}
}

void mover_stop(void)
{
	int status;

	if (waitpid(mover, &status, WNOHANG))
		fail("the process that moves pages has ended");
	kill(mover, SIGKILL);
	waitpid(mover, &status, 0);
}

unsigned long mover_rounds(void)
{
	return *(volatile unsigned long *)rounds;
}
