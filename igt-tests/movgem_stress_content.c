// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * BOs, what is in them, and what the CPU does with them: movgem_stress_buffers.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xf86drm.h>

#include "igt.h"
#include "movgem_stress_buffers.h"

/* ---- BOs ---- */

struct buffer *bo_slot(struct buffers *b)
{
	unsigned int i;

	for (i = 0; i < BOS; i++)
		if (!b->bos[i].used)
			return &b->bos[i];
	return NULL;
}

struct buffer *bo_pick(struct buffers *b, bool (*ok)(struct buffer *bo))
{
	unsigned int first = stress_below(b->w, BOS), i;

	for (i = 0; i < BOS; i++) {
		struct buffer *bo = &b->bos[(first + i) % BOS];

		if (bo->used && ok(bo))
			return bo;
	}
	return NULL;
}

bool bo_any(struct buffer *bo)
{
	return true;
}

static bool bo_mapped(struct buffer *bo)
{
	unsigned int i;

	for (i = 0; i < BO_MAPS; i++)
		if (bo->maps[i].addr)
			return true;
	return false;
}

bool bo_mappable(struct buffer *bo)
{
	return bo_mapped(bo) || (bo->handle && !(bo->flags & DRM_MOVGEM_BO_NO_MMAP));
}

int bo_init(struct buffers *b, struct buffer *bo, uint32_t handle, uint32_t pages)
{
	uint64_t i;

	memset(bo, 0, sizeof(*bo));
	bo->content = malloc(pages * PAGE_SECTORS * sizeof(*bo->content));
	if (!bo->content)
		return -ENOMEM;
	for (i = 0; i < pages * PAGE_SECTORS; i++)
		bo->content[i] = CONTENT_VALUE(0);
	bo->used = true;
	bo->handle = handle;
	bo->pages = pages;
	bo->exclusive = NO_VM;
	bo->name = ++b->names;
	b->pages += pages;
	return 0;
}

void bo_release(struct buffers *b, struct buffer *bo)
{
	if (bo->handle || bo->bound || bo_mapped(bo))
		return;
	/* Jobs that still use it are a matter of the driver alone. */
	b->pages -= bo->pages;
	free(bo->content);
	bo->content = NULL;
	bo->used = false;
}

int bo_close(struct buffers *b, struct buffer *bo)
{
	int ret = __movgem_gem_close(b->fd, bo->handle);

	if (!ret)
		bo->handle = 0;
	return ret;
}

void bo_idle(struct buffers *b, struct buffer *bo)
{
	unsigned int q;
	int ret;

	/* All jobs of its VMs, which is more. */
	if (bo->handle && stress_one_in(b->w, 8)) {
		ret = __movgem_bo_wait(b->fd, bo->handle,
				       movgem_deadline(STRESS_PATIENCE_S * 1000000000ll));
		if (ret)
			stress_fail(b->w, "BO_WAIT of BO %" PRIu64 ": %s", bo->name,
				    strerror(-ret));
		return;
	}
	for (q = 0; q < QUEUES; q++)
		queue_idle(b, q, bo->point[q]);
}

/* ---- content ---- */

content_t content_new(struct buffers *b)
{
	return (uint32_t)movgem_rand(&b->w->rand);
}

static __attribute__((noreturn))
void content_wrong(struct buffers *b, struct buffer *bo, const volatile uint32_t *words,
		   uint64_t sector, const char *how)
{
	content_t want = bo->content[sector];
	unsigned int i, wrong = 0, first = 0;
	uint32_t have[4], again;

	for (i = SECTOR_WORDS; i--; ) {
		if (words[i] == content_word(want, i))
			continue;
		wrong++;
		first = i;
	}
	for (i = 0; i < 4; i++)
		have[i] = words[(first + i) % SECTOR_WORDS];
	usleep(100000);
	again = words[first];
	stress_fail(b->w, "BO %" PRIu64 " (%u pages, handle %u, bound %u, flags %#x) page %" PRIu64
		    " offset %#x, %s: want 0x%08x, have 0x%08x, now 0x%08x; %u words of the sector are wrong, have: %08x %08x %08x %08x",
		    bo->name, bo->pages, bo->handle, bo->bound, bo->flags,
		    sector / PAGE_SECTORS,
		    (unsigned int)(sector % PAGE_SECTORS * SECTOR + first * 4), how,
		    content_word(want, first), have[0], again, wrong, have[0], have[1], have[2],
		    have[3]);
}

void content_check(struct buffers *b, struct buffer *bo, const uint8_t *at, uint64_t sector,
		   uint64_t count, const char *how)
{
	const volatile uint32_t *words = (const void *)at;
	unsigned int i;
	uint32_t wrong;

	b->w->slot->bytes_checked += count * SECTOR;
	for (; count--; sector++, words += SECTOR_WORDS) {
		content_t want = bo->content[sector];

		wrong = 0;
		for (i = 0; i < SECTOR_WORDS; i++)
			wrong |= words[i] ^ content_word(want, i);
		if (wrong)
			content_wrong(b, bo, words, sector, how);
	}
}

void content_write(struct buffers *b, struct buffer *bo, uint8_t *at, uint64_t sector,
		   uint64_t count)
{
	volatile uint32_t *words = (void *)at;
	unsigned int i;

	b->w->slot->bytes_written += count * SECTOR;
	for (; count--; sector++, words += SECTOR_WORDS) {
		content_t content = content_new(b);

		for (i = 0; i < SECTOR_WORDS; i++)
			words[i] = content_word(content, i);
		bo->content[sector] = content;
	}
}

/* ---- mappings ---- */

static struct cpu_map *map_slot(struct buffer *bo)
{
	unsigned int i;

	for (i = 0; i < BO_MAPS; i++)
		if (!bo->maps[i].addr)
			return &bo->maps[i];
	return NULL;
}

static struct cpu_map *map_pick(struct buffers *b, struct buffer *bo, bool write)
{
	unsigned int first = stress_below(b->w, BO_MAPS), i;

	for (i = 0; i < BO_MAPS; i++) {
		struct cpu_map *map = &bo->maps[(first + i) % BO_MAPS];

		if (map->addr && !(write && map->readonly))
			return map;
	}
	return NULL;
}

static int map_new(struct buffers *b, struct buffer *bo, struct cpu_map *map, uint32_t first,
		   uint32_t count, bool dmabuf)
{
	uint64_t offset;
	void *addr;
	int fd, ret;

	if (dmabuf) {
		if (drmPrimeHandleToFD(b->fd, bo->handle, DRM_CLOEXEC | DRM_RDWR, &fd))
			return -errno;
		bo->exported = true;
		addr = mmap(NULL, count * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			    first * PAGE);
		ret = addr == MAP_FAILED ? -errno : 0;
		close(fd);
	} else {
		ret = __movgem_bo_mmap_offset(b->fd, bo->handle, &offset);
		if (ret)
			return ret;
		/* The whole offset is the BO's; a part of it begins at its start. */
		first = 0;
		addr = mmap(NULL, count * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, b->fd,
			    offset);
		ret = addr == MAP_FAILED ? -errno : 0;
	}
	if (ret)
		return ret;
	*map = (struct cpu_map) { .addr = addr, .first = first, .count = count };
	return 0;
}

static void map_drop(struct buffers *b, struct cpu_map *map)
{
	if (munmap(map->addr, map->count * PAGE))
		stress_fail(b->w, "munmap: %s", strerror(errno));
	map->addr = NULL;
}

/* Any mapping of the BO, made if need be; NULL where that is refused. */
struct cpu_map *bo_map(struct buffers *b, struct buffer *bo, bool write)
{
	struct cpu_map *map = map_pick(b, bo, write);

	if (map)
		return map;
	if (!bo->handle || bo->flags & DRM_MOVGEM_BO_NO_MMAP)
		return NULL;
	map = map_slot(bo);
	if (!map) {
		map = &bo->maps[0];
		map_drop(b, map);
	}
	stress_begin(b->w, STRESS_MAP, bo->name, 0, bo->pages);
	return stress_end(b->w, map_new(b, bo, map, 0, bo->pages, false)) ? map : NULL;
}

void bo_unmap(struct buffers *b, struct buffer *bo)
{
	unsigned int i;

	for (i = 0; i < BO_MAPS; i++)
		if (bo->maps[i].addr)
			map_drop(b, &bo->maps[i]);
}

bool content_check_all(struct buffers *b, struct buffer *bo)
{
	struct cpu_map *map = bo_map(b, bo, false);

	bo_idle(b, bo);
	if (!map)
		return gpu_check(b, bo);
	content_check(b, bo, map->addr, map->first * PAGE_SECTORS,
		      map->count * PAGE_SECTORS, "seen by the CPU");
	return true;
}

static uint8_t *map_at(struct cpu_map *map, uint64_t sector)
{
	return map->addr + (sector - map->first * PAGE_SECTORS) * SECTOR;
}

uint8_t *map_part(struct buffers *b, struct cpu_map *map, uint64_t *sector, uint64_t *count)
{
	uint64_t all = map->count * PAGE_SECTORS;
	uint64_t from = stress_below(b->w, all);

	*count = stress_size(b->w, min(all - from, 32ull * PAGE_SECTORS));
	*sector = map->first * PAGE_SECTORS + from;
	return map_at(map, *sector);
}

/* ---- operations ---- */

void op_create(struct buffers *b)
{
	struct buffer *bo = bo_slot(b);
	uint32_t pages = stress_size(b->w, BO_PAGES_MAX), handle, vm = 0, n = 0, flags = 0;
	enum stress_op op = STRESS_CREATE;
	int ret;

	if (!bo || b->pages + pages > b->w->shared->pages_max)
		return;
	if (stress_one_in(b->w, 6)) {
		op = STRESS_CREATE_NO_MMAP;
		flags = DRM_MOVGEM_BO_NO_MMAP;
	} else if (stress_one_in(b->w, 5)) {
		op = STRESS_CREATE_EXCLUSIVE;
		n = stress_below(b->w, VMS);
		vm = b->vms[n].id;
	}
	stress_begin(b->w, op, b->names + 1, pages, vm);
	ret = __movgem_bo_create(b->fd, pages * PAGE, flags, vm, &handle);
	if (!stress_end(b->w, ret))
		return;
	if (bo_init(b, bo, handle, pages)) {
		__movgem_gem_close(b->fd, handle);
		return;
	}
	bo->flags = flags;
	bo->is_exclusive = vm;
	bo->exclusive = vm ? n : NO_VM;
	__movgem_bo_label(b->fd, handle, stress_one_in(b->w, 2) ? "stress-a" : "stress-b");
	/* It has to be empty, and nobody else's. */
	if (stress_one_in(b->w, 4))
		content_check_all(b, bo);
}

void op_free(struct buffers *b)
{
	struct buffer *bo = bo_pick(b, bo_any);

	if (!bo)
		return;
	content_check_all(b, bo);
	if (!bo_unbind(b, bo) || !bo->used)
		return;
	stress_begin(b->w, STRESS_FREE, bo->name, bo->pages, bo->bound);
	bo_unmap(b, bo);
	if (stress_end(b->w, bo->handle ? bo_close(b, bo) : 0))
		bo_release(b, bo);
}

static bool can_close_early(struct buffer *bo)
{
	return bo->handle && (bo->bound || bo_mapped(bo));
}

/* Mappings of CPU and GPU outlive the handle. */
void op_close_early(struct buffers *b)
{
	struct buffer *bo = bo_pick(b, can_close_early);

	if (!bo)
		return;
	stress_begin(b->w, STRESS_CLOSE_EARLY, bo->name, bo->bound, 0);
	stress_end(b->w, bo_close(b, bo));
}

static bool can_map(struct buffer *bo)
{
	return bo->handle && !(bo->flags & DRM_MOVGEM_BO_NO_MMAP) && map_slot(bo);
}

void op_map(struct buffers *b)
{
	struct buffer *bo = bo_pick(b, can_map);
	uint32_t first, count;
	bool dmabuf;

	if (!bo)
		return;
	dmabuf = !bo->is_exclusive && stress_one_in(b->w, 3);
	first = dmabuf ? stress_below(b->w, bo->pages) : 0;
	count = stress_one_in(b->w, 2) ? bo->pages - first :
		1 + stress_below(b->w, bo->pages - first);
	stress_begin(b->w, dmabuf ? STRESS_MAP_DMABUF : STRESS_MAP, bo->name, first, count);
	stress_end(b->w, map_new(b, bo, map_slot(bo), first, count, dmabuf));
}

void op_unmap(struct buffers *b)
{
	struct buffer *bo = bo_pick(b, bo_mapped);

	if (!bo)
		return;
	stress_begin(b->w, STRESS_UNMAP, bo->name, 0, 0);
	map_drop(b, map_pick(b, bo, false));
	stress_end(b->w, 0);
	bo_release(b, bo);
}

/* A hole, which splits the mapping; or its head or tail. */
void op_unmap_part(struct buffers *b)
{
	struct buffer *bo = bo_pick(b, bo_mapped);
	struct cpu_map *map, *rest, old;
	uint32_t from, count;

	if (!bo)
		return;
	map = map_pick(b, bo, false);
	rest = map_slot(bo);
	old = *map;
	if (old.count < 2)
		return;
	from = stress_below(b->w, old.count);
	count = rest && from ? 1 + stress_below(b->w, old.count - from) : old.count - from;
	if (!from)
		count = 1 + stress_below(b->w, old.count - 1);
	stress_begin(b->w, STRESS_UNMAP_PART, bo->name, old.first + from, count);
	if (!stress_end(b->w, munmap(old.addr + from * PAGE, count * PAGE) ? -errno : 0))
		return;
	map->count = from;
	if (!from) {
		rest = map;
		map->addr = NULL;
	}
	if (from + count < old.count)
		*rest = (struct cpu_map) {
			.addr = old.addr + (from + count) * PAGE,
			.first = old.first + from + count,
			.count = old.count - from - count,
			.readonly = old.readonly,
		};
}

void op_remap(struct buffers *b)
{
	struct buffer *bo = bo_pick(b, bo_mapped);
	struct cpu_map *map;
	void *to, *addr;
	size_t size;

	if (!bo)
		return;
	map = map_pick(b, bo, false);
	size = map->count * PAGE;
	stress_begin(b->w, STRESS_REMAP, bo->name, map->first, map->count);
	to = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (to == MAP_FAILED) {
		stress_end(b->w, -errno);
		return;
	}
	addr = mremap(map->addr, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	if (!stress_end(b->w, addr == MAP_FAILED ? -errno : 0)) {
		munmap(to, size);
		return;
	}
	map->addr = addr;
}

void op_protect(struct buffers *b)
{
	struct buffer *bo = bo_pick(b, bo_mapped);
	struct cpu_map *map;
	int ret;

	if (!bo)
		return;
	map = map_pick(b, bo, false);
	stress_begin(b->w, STRESS_PROTECT, bo->name, map->first, map->count);
	ret = mprotect(map->addr, map->count * PAGE,
		       map->readonly ? PROT_READ | PROT_WRITE : PROT_READ) ? -errno : 0;
	if (stress_end(b->w, ret))
		map->readonly = !map->readonly;
}

void op_cpu_write(struct buffers *b)
{
	struct buffer *bo = bo_pick(b, bo_mappable);
	struct cpu_map *map = bo ? bo_map(b, bo, true) : NULL;
	uint64_t sector, count;
	uint8_t *at;

	if (!map)
		return;
	at = map_part(b, map, &sector, &count);
	stress_begin(b->w, STRESS_CPU_WRITE, bo->name, sector, count);
	bo_idle(b, bo);
	content_write(b, bo, at, sector, count);
	stress_end(b->w, 0);
}

void op_cpu_check(struct buffers *b)
{
	struct buffer *bo = bo_pick(b, bo_mappable);
	struct cpu_map *map = bo ? bo_map(b, bo, false) : NULL;
	uint64_t sector, count;
	uint8_t *at;

	if (!map)
		return;
	at = map_part(b, map, &sector, &count);
	stress_begin(b->w, STRESS_CPU_CHECK, bo->name, sector, count);
	bo_idle(b, bo);
	content_check(b, bo, at, sector, count, "seen by the CPU");
	stress_end(b->w, 0);
}

/* Parent and child write different parts at the same time. */
void op_fork(struct buffers *b)
{
	struct buffer *bo = bo_pick(b, bo_mappable);
	struct cpu_map *map = bo ? bo_map(b, bo, true) : NULL;
	uint64_t first, half, rand;
	int status, i;
	pid_t pid;

	if (!map || map->count < 2)
		return;
	first = map->first * PAGE_SECTORS;
	half = min(map->count / 2 * PAGE_SECTORS, 16u * PAGE_SECTORS);
	stress_begin(b->w, STRESS_FORK, bo->name, first, half);
	bo_idle(b, bo);
	rand = movgem_rand(&b->w->rand);
	pid = fork();
	if (pid < 0) {
		stress_end(b->w, -errno);
		return;
	}
	if (!pid) {
		/* Its model is a copy: the parent makes the same one for itself. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		b->w->rand = rand;
		for (i = 0; i < 3; i++) {
			content_check(b, bo, map_at(map, first), first, half,
				      "seen by a child");
			content_write(b, bo, map_at(map, first), first, half);
		}
		_exit(0);
	}
	content_write(b, bo, map_at(map, first + half), first + half, half);
	content_check(b, bo, map_at(map, first + half), first + half, half,
		      "seen by a parent");
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	/* The OOM killer may take it; then nobody knows what it has written. */
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
		content_write(b, bo, map_at(map, first), first, half);
		stress_end(b->w, -ENOMEM);
		return;
	}
	if (status)
		_exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
	for (i = 0; i < 3 * half; i++) {
		content_t content = (uint32_t)movgem_rand(&rand);

		bo->content[first + i % half] = content;
	}
	content_check(b, bo, map_at(map, first), first, half, "written by a child");
	stress_end(b->w, 0);
}

static bool can_be_unneeded(struct buffer *bo)
{
	return bo->handle && !bo->exported;
}

/*
 * Gives a BO up for a while. Its content is still there afterwards, or the BO
 * is empty for good.
 */
void op_madvise(struct buffers *b)
{
	struct buffer *bo = bo_pick(b, can_be_unneeded);
	uint32_t retained = 0, handle;
	int ret;

	if (!bo)
		return;
	stress_begin(b->w, STRESS_DONTNEED, bo->name, bo->pages, bo->bound);
	if (!stress_end(b->w, __movgem_bo_madvise(b->fd, bo->handle, DRM_MOVGEM_MADV_DONTNEED,
						  &retained)))
		return;
	if (stress_one_in(b->w, 3)) {
		stress_begin(b->w, STRESS_DROP_SLAB, 0, 0, 0);
		stress_end(b->w, stress_write_file("/proc/sys/vm/drop_caches", "2"));
	} else {
		stress_sleep(b->w, 20000);
	}
	stress_begin(b->w, STRESS_WILLNEED, bo->name, bo->pages, bo->bound);
	ret = __movgem_bo_madvise(b->fd, bo->handle, DRM_MOVGEM_MADV_WILLNEED, &retained);
	if (!stress_end(b->w, ret))
		stress_fail(b->w, "WILLNEED is refused: %s", strerror(-ret));
	if (retained) {
		content_check_all(b, bo);
		return;
	}
	/*
	 * Purged: it must not be used any more. Out of the windows before a job
	 * finds it, which would be a fault.
	 */
	b->w->slot->purged++;
	while (!bo_unbind(b, bo))
		usleep(10000);
	bo_unmap(b, bo);
	handle = bo->handle;
	bo->handle = 0;
	bo_release(b, bo);
	if (__movgem_gem_close(b->fd, handle))
		stress_fail(b->w, "a purged BO cannot be closed");
}
