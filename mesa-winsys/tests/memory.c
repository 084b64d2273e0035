// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * movgem's own view: BOs by their dma-bufs, and what debugfs says of Mesa's.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xf86drm.h>

#include "test.h"

/* What a job waits for: a word of its BO, in another page than its commands. */
#define FENCE_WORD 512

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

int bo_create(struct bo *bo, uint64_t size)
{
	struct drm_movgem_bo_create args = { .size = size };
	int fd = open_render(), dmabuf;

	check(!drmIoctl(fd, DRM_IOCTL_MOVGEM_BO_CREATE, &args));
	check(!drmPrimeHandleToFD(fd, args.handle, DRM_CLOEXEC | DRM_RDWR,
				  &dmabuf));
	bo_open(bo, dmabuf);
	close(fd);
	return dmabuf;
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

	*wait = (struct drm_movgem_cmd_sem) {
		.hdr.opcode = DRM_MOVGEM_CMD_SEM_WAIT,
		.hdr.size = sizeof(*wait),
		.addr = op.va + FENCE_WORD * sizeof(uint64_t),
		.value = 1,
	};
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
	FILE *file = open_gems();
	unsigned int count = 0;
	struct gem gem;

	while (next_gem(file, &gem)) {
		if (!strcmp(gem.label, "mesa") && gem.size >= size &&
		    (!flag || strchr(gem.flags, flag))) {
			count++;
			*sum += gem.moved;
			*last = gem.id;
		}
	}
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
