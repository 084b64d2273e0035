// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * System calls that get hold of the pages of a BO that is mapped, for a moment
 * or for long, where the page store has pages that they can have. Meanwhile
 * everybody tries to move those: movgem_stress_buffers.h.
 */
#include <errno.h>
#include <linux/io_uring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "igt.h"
#include "movgem_stress_buffers.h"

#define PART_MAX	(32 * PAGE_SECTORS)

static long error(long ret)
{
	return ret < 0 ? -errno : ret;
}

/* Through the address space, as a debugger reads. */
void op_read_vm(struct buffers *b)
{
	struct buffer *bo = bo_pick(b, bo_mappable);
	struct cpu_map *map = bo ? bo_map(b, bo, false) : NULL;
	static uint8_t copy[PART_MAX * SECTOR];
	struct iovec to, from;
	uint64_t sector, count;
	long ret;

	if (!map || !b->w->shared->has_folios)
		return;
	from.iov_base = map_part(b, map, &sector, &count);
	from.iov_len = count * SECTOR;
	to = (struct iovec) { .iov_base = copy, .iov_len = from.iov_len };
	stress_begin(b->w, STRESS_READ_VM, bo->name, sector, count);
	bo_idle(b, bo);
	ret = error(process_vm_readv(getpid(), &to, 1, &from, 1, 0));
	if (stress_end(b->w, ret == (long)from.iov_len ? 0 : ret < 0 ? ret : -EFAULT))
		content_check(b, bo, copy, sector, count, "read by process_vm_readv()");
}

/* To the disk and back by DMA, whole pages. */
void op_direct_io(struct buffers *b)
{
	struct buffer *bo = bo_pick(b, bo_mappable);
	struct cpu_map *map = bo ? bo_map(b, bo, true) : NULL;
	uint32_t first, count;
	uint64_t sector;
	uint8_t *at;
	long ret;

	if (!map || b->file < 0)
		return;
	first = stress_below(b->w, map->count);
	count = 1 + stress_below(b->w, min(map->count - first, 16u));
	at = map->addr + first * PAGE;
	sector = (map->first + first) * PAGE_SECTORS;
	stress_begin(b->w, STRESS_DIRECT_IO, bo->name, map->first + first, count);
	bo_idle(b, bo);
	ret = error(pwrite(b->file, at, count * PAGE, 0));
	if (ret == (long)count * PAGE) {
		/* So that what comes back is what went. */
		memset(at, 0x5a, count * PAGE);
		do {
			ret = error(pread(b->file, at, count * PAGE, 0));
			if (ret < 0 && !stress_refused(ret))
				break;
		} while (ret < 0);
	}
	if (stress_end(b->w, ret == (long)count * PAGE ? 0 : ret < 0 ? ret : -EIO))
		content_check(b, bo, at, sector, count * PAGE_SECTORS, "read from the disk");
}

/* A pin for long, which io_uring's fixed buffers are. */
void op_register(struct buffers *b)
{
	struct buffer *bo = bo_pick(b, bo_mappable);
	struct cpu_map *map = bo ? bo_map(b, bo, true) : NULL;
	struct io_uring_params params = { };
	uint64_t sector, count;
	struct iovec part;
	int ring;
	long ret;

	if (!map || !b->w->shared->has_folios)
		return;
	part.iov_base = map_part(b, map, &sector, &count);
	part.iov_len = count * SECTOR;
	stress_begin(b->w, STRESS_REGISTER, bo->name, sector, count);
	ring = error(syscall(SYS_io_uring_setup, 1, &params));
	if (ring < 0) {
		stress_end(b->w, ring);
		return;
	}
	ret = error(syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &part, 1));
	if (stress_end(b->w, ret)) {
		bo_idle(b, bo);
		content_write(b, bo, part.iov_base, sector, count);
		stress_sleep(b->w, 20000);
		content_check(b, bo, part.iov_base, sector, count, "seen while pinned");
		if (bo->bound)
			gpu_check(b, bo);
		syscall(SYS_io_uring_register, ring, IORING_UNREGISTER_BUFFERS, NULL, 0);
	}
	close(ring);
}
