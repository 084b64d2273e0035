// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "igt.h"
#include "movgem_rig.h"

/**
 * TEST: movgem mmap
 * Description: CPU mappings of buffers, in every shape that mmap() and its
 *              sisters can give them, with the pages moved underneath where
 *              the device can do it.
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: uapi
 * Functionality: mmap
 * Feature: movgem
 * Test category: functionality test
 *
 * SUBTEST: basic
 * Description: What is written is there, also in a second mapping and a later one.
 *
 * SUBTEST: partial
 * Description: A mapping of some pages of a buffer shows those pages.
 *
 * SUBTEST: beyond-end
 * Description: A mapping that is not inside one buffer is refused.
 *
 * SUBTEST: read-only
 * Description: A read-only mapping cannot be written, and shows what others write.
 *
 * SUBTEST: private-refused
 * Description: There is no copy on write.
 *
 * SUBTEST: no-mmap
 * Description: A buffer without CPU access is not mapped by the dumb call's offset either.
 *
 * SUBTEST: foreign-file
 * Description: The offset of another file's buffer is of no use.
 *
 * SUBTEST: two-files
 * Description: Two files that share a buffer see each other's writes.
 *
 * SUBTEST: fork
 * Description: Children write through the mapping that they inherit.
 *
 * SUBTEST: fork-late
 * Description: A child sees its parent's writes to pages that it touches for the first time.
 *
 * SUBTEST: split-munmap
 * Description: Unmapping the middle leaves both ends right and the middle gone.
 *
 * SUBTEST: split-mprotect
 * Description: Protecting the middle protects the middle only.
 *
 * SUBTEST: mremap-move
 * Description: A mapping that is moved takes its pages along.
 *
 * SUBTEST: mremap-split-move
 * Description: A part of a mapping that is moved away still shows that part.
 *
 * SUBTEST: mremap-grow
 * Description: A mapping cannot grow past its buffer.
 *
 * SUBTEST: fault-around
 * Description: Pages that come along with a fault are the right ones and stay in the mapping.
 *
 * SUBTEST: dontneed
 * Description: Dropping the page table entries loses nothing.
 *
 * SUBTEST: zeroed-reuse
 * Description: Pages that come back from a freed buffer are zero again.
 *
 * SUBTEST: outlives-handle
 * Description: A mapping keeps its buffer after handle and file are closed.
 *
 * SUBTEST: parallel-faults
 * Description: Processes that fault the same pages at once lose no write.
 *
 * SUBTEST: system-calls
 * Description: The kernel reads and writes through a mapping, or refuses cleanly.
 *
 * SUBTEST: gpu-writes
 * Description: A mapping shows what the GPU writes, before and after the first touch.
 */

IGT_TEST_DESCRIPTION("CPU mappings of movgem buffers.");

#define PAGES	64
#define SIZE	(PAGES * MOVGEM_PAGE)

static bool can_move;

/* Moves the pages where that can be done here; the bytes must not notice. */
static void shake(int fd, uint64_t id)
{
	if (can_move && id)
		movgem_migrate_bo(fd, id);
}

static uint64_t shake_id(int fd, uint32_t handle)
{
	return can_move ? movgem_bo_id(fd, handle) : 0;
}

static uint32_t *page(void *map, unsigned int index)
{
	return (uint32_t *)((uint8_t *)map + index * MOVGEM_PAGE);
}

/* The first and last word of each page name buffer and page. */
static void stamp(void *map, unsigned int first, unsigned int count, uint32_t seed)
{
	unsigned int i;

	for (i = 0; i < count; i++) {
		page(map, i)[0] = movgem_mix(seed, first + i);
		page(map, i)[1023] = ~movgem_mix(seed, first + i);
	}
}

static void check_stamp(void *map, unsigned int first, unsigned int count, uint32_t seed)
{
	unsigned int i;

	for (i = 0; i < count; i++) {
		uint32_t want = movgem_mix(seed, first + i);
		volatile uint32_t *words = page(map, i);

		igt_assert_f(words[0] == want && words[1023] == ~want,
			     "page %u: %#x %#x, not %#x %#x\n", first + i, words[0],
			     words[1023], want, ~want);
	}
}

static void test_basic(int fd)
{
	uint32_t handle = movgem_bo_create(fd, SIZE, 0);
	uint64_t id = shake_id(fd, handle);
	void *map = movgem_bo_mmap(fd, handle, SIZE), *map2;

	movgem_fill_pattern(map, SIZE, 1);
	movgem_check_pattern(map, SIZE, 1);
	map2 = movgem_bo_mmap(fd, handle, SIZE);
	igt_assert(map2 != map);
	movgem_check_pattern(map2, SIZE, 1);
	movgem_fill_pattern(map2, SIZE, 2);
	shake(fd, id);
	movgem_check_pattern(map, SIZE, 2);
	munmap(map, SIZE);
	movgem_check_pattern(map2, SIZE, 2);
	munmap(map2, SIZE);
	shake(fd, id);

	map = movgem_bo_mmap(fd, handle, SIZE);
	movgem_check_pattern(map, SIZE, 2);
	munmap(map, SIZE);
	gem_close(fd, handle);
}

static void test_partial(int fd)
{
	uint32_t handle = movgem_bo_create(fd, SIZE, 0);
	uint64_t id = shake_id(fd, handle);
	void *map = movgem_bo_mmap(fd, handle, SIZE), *part;

	stamp(map, 0, PAGES, 3);
	/* The first pages only: GEM maps from the start of a buffer. */
	part = movgem_bo_mmap(fd, handle, 7 * MOVGEM_PAGE);
	check_stamp(part, 0, 7, 3);
	stamp(part, 0, 7, 4);
	shake(fd, id);
	check_stamp(part, 0, 7, 4);
	check_stamp(map, 0, 7, 4);
	check_stamp(page(map, 7), 7, PAGES - 7, 3);
	munmap(part, 7 * MOVGEM_PAGE);

	/* The last page by itself, by taking the rest away, before any touch. */
	part = movgem_bo_mmap(fd, handle, SIZE);
	munmap(part, SIZE - MOVGEM_PAGE);
	check_stamp(page(part, PAGES - 1), PAGES - 1, 1, 3);
	shake(fd, id);
	stamp(page(part, PAGES - 1), PAGES - 1, 1, 4);
	check_stamp(page(map, PAGES - 1), PAGES - 1, 1, 4);
	check_stamp(page(map, PAGES - 2), PAGES - 2, 1, 3);
	munmap(page(part, PAGES - 1), MOVGEM_PAGE);
	munmap(map, SIZE);
	gem_close(fd, handle);
}

static void expect_no_mmap(int fd, uint64_t size, uint64_t offset)
{
	void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);

	igt_assert_f(map == MAP_FAILED, "mapped %#llx bytes at offset %#llx\n",
		     (long long)size, (long long)offset);
	igt_assert_f(errno == EINVAL || errno == EACCES || errno == ENODEV, "errno %d\n", errno);
}

static void test_beyond_end(int fd)
{
	/* Neighbours, so that a mapping that runs over would hit something. */
	uint32_t first = movgem_bo_create(fd, SIZE, 0);
	uint32_t handle = movgem_bo_create(fd, SIZE, 0);
	uint32_t last = movgem_bo_create(fd, SIZE, 0);
	uint64_t offset, other;

	igt_assert_eq(__movgem_bo_mmap_offset(fd, first, &other), 0);
	igt_assert_eq(__movgem_bo_mmap_offset(fd, handle, &offset), 0);
	igt_assert_eq(__movgem_bo_mmap_offset(fd, last, &other), 0);

	expect_no_mmap(fd, SIZE + MOVGEM_PAGE, offset);
	expect_no_mmap(fd, 2 * SIZE, offset);
	expect_no_mmap(fd, SIZE, offset + MOVGEM_PAGE);
	expect_no_mmap(fd, MOVGEM_PAGE, offset + MOVGEM_PAGE);
	expect_no_mmap(fd, 2 * MOVGEM_PAGE, offset + SIZE - MOVGEM_PAGE);
	expect_no_mmap(fd, SIZE, offset - MOVGEM_PAGE);
	expect_no_mmap(fd, MOVGEM_PAGE, 0);
	expect_no_mmap(fd, MOVGEM_PAGE, 1ull << 46);

	gem_close(fd, first);
	gem_close(fd, handle);
	gem_close(fd, last);
	/* Nothing is behind an offset whose buffer is gone. */
	expect_no_mmap(fd, MOVGEM_PAGE, offset);
}

static void test_read_only(int fd)
{
	uint32_t handle = movgem_bo_create(fd, SIZE, 0);
	void *map = movgem_bo_mmap(fd, handle, SIZE);
	void *ro = __movgem_bo_mmap(fd, handle, SIZE, PROT_READ, MAP_SHARED);

	igt_assert(ro != MAP_FAILED);
	check_stamp(map, 0, 0, 0);
	movgem_check_value(ro, SIZE, 0);
	stamp(map, 0, PAGES, 5);
	check_stamp(ro, 0, PAGES, 5);
	igt_assert_eq(movgem_touch(page(ro, 9), true), SIGSEGV);
	igt_assert_eq(movgem_touch(page(ro, 9), false), 0);
	check_stamp(map, 0, PAGES, 5);
	munmap(ro, SIZE);
	munmap(map, SIZE);
	gem_close(fd, handle);
}

static void test_private_refused(int fd)
{
	uint32_t handle = movgem_bo_create(fd, SIZE, 0);
	void *map;

	map = __movgem_bo_mmap(fd, handle, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	igt_assert(map == MAP_FAILED);
	igt_assert_eq(errno, EINVAL);

	/* Read-only and private: refused, or it can never become writable. */
	map = __movgem_bo_mmap(fd, handle, SIZE, PROT_READ, MAP_PRIVATE);
	if (map == MAP_FAILED) {
		igt_assert_eq(errno, EINVAL);
	} else {
		igt_assert_neq(mprotect(map, SIZE, PROT_READ | PROT_WRITE), 0);
		munmap(map, SIZE);
	}
	gem_close(fd, handle);
}

static void test_no_mmap(int fd)
{
	uint32_t handle = movgem_bo_create(fd, SIZE, DRM_MOVGEM_BO_NO_MMAP);
	struct drm_mode_map_dumb dumb = { .handle = handle };
	uint64_t offset;

	igt_assert_eq(__movgem_bo_mmap_offset(fd, handle, &offset), -EPERM);
	if (!movgem_ioctl(fd, DRM_IOCTL_MODE_MAP_DUMB, &dumb))
		expect_no_mmap(fd, SIZE, dumb.offset);
	gem_close(fd, handle);
}

static void test_foreign_file(int fd)
{
	uint32_t handle = movgem_bo_create(fd, SIZE, 0);
	int fd2 = movgem_reopen(fd);
	uint64_t offset;
	void *map;

	igt_assert_eq(__movgem_bo_mmap_offset(fd, handle, &offset), 0);
	map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd2, offset);
	igt_assert(map == MAP_FAILED);
	igt_assert_eq(errno, EACCES);
	movgem_close(fd2);
	gem_close(fd, handle);
}

static void test_two_files(int fd)
{
	uint32_t handle = movgem_bo_create(fd, SIZE, 0), handle2;
	int fd2 = movgem_reopen(fd), prime = prime_handle_to_fd(fd, handle);
	uint64_t id = shake_id(fd, handle);
	void *map = movgem_bo_mmap(fd, handle, SIZE), *map2;

	handle2 = prime_fd_to_handle(fd2, prime);
	close(prime);
	map2 = movgem_bo_mmap(fd2, handle2, SIZE);
	stamp(map, 0, PAGES, 6);
	check_stamp(map2, 0, PAGES, 6);
	shake(fd, id);
	stamp(map2, 0, PAGES, 7);
	check_stamp(map, 0, PAGES, 7);

	/* One file goes, the other stays, either way. */
	gem_close(fd, handle);
	munmap(map, SIZE);
	shake(fd, id);
	check_stamp(map2, 0, PAGES, 7);
	movgem_close(fd2);
	check_stamp(map2, 0, PAGES, 7);
	munmap(map2, SIZE);
}

static void test_fork(int fd)
{
	uint32_t handle = movgem_bo_create(fd, SIZE, 0);
	uint64_t id = shake_id(fd, handle);
	void *map = movgem_bo_mmap(fd, handle, SIZE);
	unsigned int i, c;

	/* Half of the pages are in the page table when it is copied. */
	for (i = 0; i < PAGES; i += 2)
		page(map, i)[100] = i;
	igt_fork(child, 4) {
		for (i = 0; i < PAGES; i++)
			page(map, i)[child] = movgem_mix(child, i);
		for (i = 0; i < PAGES; i++)
			igt_assert_eq_u32(page(map, i)[child], movgem_mix(child, i));
	}
	if (can_move)
		for (i = 0; i < 5; i++)
			__movgem_migrate_bo(fd, id);
	igt_waitchildren();
	for (i = 0; i < PAGES; i++) {
		for (c = 0; c < 4; c++)
			igt_assert_eq_u32(page(map, i)[c], movgem_mix(c, i));
		igt_assert_eq_u32(page(map, i)[100], i % 2 ? 0 : i);
	}
	munmap(map, SIZE);
	gem_close(fd, handle);
}

static void test_fork_late(int fd)
{
	uint32_t handle = movgem_bo_create(fd, SIZE, 0);
	uint64_t id = shake_id(fd, handle);
	void *map = movgem_bo_mmap(fd, handle, SIZE);
	int go[2], done[2];
	char c = 0;

	igt_assert_eq(pipe(go), 0);
	igt_assert_eq(pipe(done), 0);
	igt_fork(child, 1) {
		/* Nothing of the mapping has been touched so far. */
		igt_assert_eq(read(go[0], &c, 1), 1);
		check_stamp(map, 0, PAGES, 8);
		stamp(map, 0, PAGES / 2, 9);
		igt_assert_eq(write(done[1], &c, 1), 1);
		igt_assert_eq(read(go[0], &c, 1), 1);
		check_stamp(map, 0, PAGES, 10);
	}
	stamp(map, 0, PAGES, 8);
	igt_assert_eq(write(go[1], &c, 1), 1);
	igt_assert_eq(read(done[0], &c, 1), 1);
	check_stamp(map, 0, PAGES / 2, 9);
	check_stamp(page(map, PAGES / 2), PAGES / 2, PAGES / 2, 8);
	stamp(map, 0, PAGES, 10);
	shake(fd, id);
	igt_assert_eq(write(go[1], &c, 1), 1);
	igt_waitchildren();
	close(go[0]);
	close(go[1]);
	close(done[0]);
	close(done[1]);
	munmap(map, SIZE);
	gem_close(fd, handle);
}

static void test_split_munmap(int fd)
{
	uint32_t handle = movgem_bo_create(fd, SIZE, 0);
	uint64_t id = shake_id(fd, handle);
	void *map = movgem_bo_mmap(fd, handle, SIZE);
	int touched;

	/* Once with the entries in place, once with none. */
	for (touched = 1; touched >= 0; touched--) {
		if (touched)
			stamp(map, 0, PAGES, 11);
		igt_assert_eq(munmap(page(map, 20), 13 * MOVGEM_PAGE), 0);
		igt_assert_eq(movgem_touch(page(map, 20), false), SIGSEGV);
		igt_assert_eq(movgem_touch(page(map, 32), false), SIGSEGV);
		shake(fd, id);
		check_stamp(map, 0, 20, 11);
		check_stamp(page(map, 33), 33, PAGES - 33, 11);
		shake(fd, id);
		stamp(page(map, 33), 33, PAGES - 33, 11);
		check_stamp(page(map, 33), 33, PAGES - 33, 11);
		munmap(map, SIZE);
		map = movgem_bo_mmap(fd, handle, SIZE);
	}
	check_stamp(map, 0, PAGES, 11);
	munmap(map, SIZE);
	gem_close(fd, handle);
}

static void test_split_mprotect(int fd)
{
	uint32_t handle = movgem_bo_create(fd, SIZE, 0);
	uint64_t id = shake_id(fd, handle);
	void *map = movgem_bo_mmap(fd, handle, SIZE);

	stamp(map, 0, PAGES, 12);
	igt_assert_eq(mprotect(page(map, 10), 10 * MOVGEM_PAGE, PROT_READ), 0);
	igt_assert_eq(mprotect(page(map, 40), 10 * MOVGEM_PAGE, PROT_NONE), 0);
	igt_assert_eq(movgem_touch(page(map, 10), true), SIGSEGV);
	igt_assert_eq(movgem_touch(page(map, 19), true), SIGSEGV);
	igt_assert_eq(movgem_touch(page(map, 9), true), 0);
	igt_assert_eq(movgem_touch(page(map, 20), true), 0);
	igt_assert_eq(movgem_touch(page(map, 45), false), SIGSEGV);
	shake(fd, id);
	/* The page that comes back after a move is as protected as before. */
	igt_assert_eq(movgem_touch(page(map, 15), false), 0);
	igt_assert_eq(movgem_touch(page(map, 15), true), SIGSEGV);
	igt_assert_eq(movgem_touch(page(map, 45), false), SIGSEGV);
	check_stamp(map, 0, 40, 12);
	check_stamp(page(map, 50), 50, PAGES - 50, 12);

	igt_assert_eq(mprotect(map, SIZE, PROT_READ | PROT_WRITE), 0);
	check_stamp(map, 0, PAGES, 12);
	stamp(map, 0, PAGES, 13);
	check_stamp(map, 0, PAGES, 13);
	munmap(map, SIZE);
	gem_close(fd, handle);
}

static void *reserve(uint64_t size)
{
	void *area = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	igt_assert(area != MAP_FAILED);
	return area;
}

static void test_mremap_move(int fd)
{
	uint32_t handle = movgem_bo_create(fd, SIZE, 0);
	uint64_t id = shake_id(fd, handle);
	void *map = movgem_bo_mmap(fd, handle, SIZE), *old = map;
	void *area = reserve(SIZE);

	stamp(map, 0, PAGES / 2, 14);
	stamp(page(map, PAGES / 2), PAGES / 2, PAGES / 2, 14);
	map = mremap(old, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, area);
	igt_assert(map == area);
	igt_assert_eq(movgem_touch(old, false), SIGSEGV);
	check_stamp(map, 0, PAGES, 14);
	shake(fd, id);
	check_stamp(map, 0, PAGES, 14);
	stamp(map, 0, PAGES, 15);
	shake(fd, id);
	munmap(map, SIZE);
	map = movgem_bo_mmap(fd, handle, SIZE);
	check_stamp(map, 0, PAGES, 15);
	munmap(map, SIZE);
	gem_close(fd, handle);
}

static void test_mremap_split_move(int fd)
{
	uint32_t handle = movgem_bo_create(fd, SIZE, 0);
	uint64_t id = shake_id(fd, handle);
	void *map = movgem_bo_mmap(fd, handle, SIZE), *part;
	void *area = reserve(8 * MOVGEM_PAGE);

	stamp(map, 0, PAGES, 16);
	part = mremap(page(map, 24), 8 * MOVGEM_PAGE, 8 * MOVGEM_PAGE,
		      MREMAP_MAYMOVE | MREMAP_FIXED, area);
	igt_assert(part == area);
	shake(fd, id);
	/* Untouched since: these come in by faults of the moved part. */
	check_stamp(part, 24, 8, 16);
	check_stamp(map, 0, 24, 16);
	check_stamp(page(map, 32), 32, PAGES - 32, 16);
	igt_assert_eq(movgem_touch(page(map, 24), false), SIGSEGV);
	stamp(part, 24, 8, 17);
	shake(fd, id);
	check_stamp(part, 24, 8, 17);

	/* Shrinking in place. */
	igt_assert(mremap(part, 8 * MOVGEM_PAGE, 4 * MOVGEM_PAGE, 0) == part);
	shake(fd, id);
	check_stamp(part, 24, 4, 17);
	igt_assert_eq(movgem_touch(page(part, 4), false), SIGSEGV);
	munmap(part, 4 * MOVGEM_PAGE);
	munmap(map, SIZE);
	gem_close(fd, handle);
}

static void test_mremap_grow(int fd)
{
	uint32_t handle = movgem_bo_create(fd, SIZE, 0);
	void *map = movgem_bo_mmap(fd, handle, SIZE);

	igt_assert(mremap(map, SIZE, 2 * SIZE, MREMAP_MAYMOVE) == MAP_FAILED);
	stamp(map, 0, PAGES, 18);
	check_stamp(map, 0, PAGES, 18);
	munmap(map, SIZE);
	gem_close(fd, handle);
}

static void test_fault_around(int fd)
{
	struct movgem_rig rig;
	uint32_t handle = movgem_bo_create(fd, SIZE, 0);
	uint64_t va = movgem_va_alloc(fd, SIZE);
	uint8_t *area, *map;
	int i, n;

	/* The GPU writes the pages, so no CPU mapping has ever seen them. */
	movgem_rig_init(&rig, fd);
	movgem_vm_map(fd, rig.vm, handle, 0, va, SIZE, 0);
	for (i = 0; i < PAGES; i++)
		movgem_cmd_fill(&rig.s, va + i * MOVGEM_PAGE, MOVGEM_PAGE, movgem_mix(19, i));
	movgem_stream_run(&rig.s, rig.queue);

	/* Pages 5 to 20 of the buffer, between anonymous pages. */
	for (n = 0; n < 16; n++) {
		area = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		igt_assert(area != MAP_FAILED);
		stamp(area, 0, PAGES, 20);
		map = movgem_bo_mmap(fd, handle, SIZE);
		igt_assert(mremap(page(map, 5), 16 * MOVGEM_PAGE, 16 * MOVGEM_PAGE,
				  MREMAP_MAYMOVE | MREMAP_FIXED,
				  page(area, 30)) == page(area, 30));
		munmap(map, SIZE);
		/* The first fault is in another page each time. */
		movgem_check_value(page(area, 30 + n), MOVGEM_PAGE, movgem_mix(19, 5 + n));
		for (i = 0; i < 16; i++)
			movgem_check_value(page(area, 30 + i), MOVGEM_PAGE,
					   movgem_mix(19, 5 + i));
		check_stamp(area, 0, 30, 20);
		check_stamp(page(area, 46), 46, PAGES - 46, 20);
		munmap(area, SIZE);
	}

	/* The whole of it, from the end. */
	area = movgem_bo_mmap(fd, handle, SIZE);
	for (i = PAGES - 1; i >= 0; i--)
		movgem_check_value(page(area, i), MOVGEM_PAGE, movgem_mix(19, i));
	munmap(area, SIZE);
	movgem_rig_fini(&rig);
	gem_close(fd, handle);
}

static void test_dontneed(int fd)
{
	uint32_t handle = movgem_bo_create(fd, SIZE, 0);
	uint64_t id = shake_id(fd, handle);
	void *map = movgem_bo_mmap(fd, handle, SIZE);

	movgem_fill_pattern(map, SIZE, 21);
	/* Refused for this kind of mapping, or harmless. */
	if (madvise(map, SIZE, MADV_DONTNEED))
		igt_debug("MADV_DONTNEED: %s\n", strerror(errno));
	movgem_check_pattern(map, SIZE, 21);
	shake(fd, id);
	madvise(page(map, 3), 5 * MOVGEM_PAGE, MADV_DONTNEED);
	movgem_check_pattern(map, SIZE, 21);
	munmap(map, SIZE);
	gem_close(fd, handle);
}

static void test_zeroed_reuse(int fd)
{
	enum { count = 64, size = SZ_64K };
	uint32_t handles[count];
	int round, i;

	for (round = 0; round < 3; round++) {
		for (i = 0; i < count; i++) {
			void *map;

			handles[i] = movgem_bo_create(fd, size, 0);
			map = movgem_bo_mmap(fd, handles[i], size);
			movgem_check_value(map, size, 0);
			memset(map, 0xd5, size);
			munmap(map, size);
		}
		for (i = 0; i < count; i++)
			gem_close(fd, handles[i]);
	}
}

static void test_outlives_handle(int fd)
{
	struct drm_movgem_mem_info before, now;
	uint32_t handle;
	uint64_t id;
	void *map;
	int fd2;

	movgem_mem_info(fd, &before);
	fd2 = movgem_reopen(fd);
	handle = movgem_bo_create(fd2, SIZE, 0);
	id = shake_id(fd2, handle);
	map = movgem_bo_mmap(fd2, handle, SIZE);
	stamp(map, 0, PAGES / 2, 22);
	gem_close(fd2, handle);
	shake(fd, id);
	stamp(page(map, PAGES / 2), PAGES / 2, PAGES / 2, 22);
	movgem_close(fd2);
	shake(fd, id);
	check_stamp(map, 0, PAGES, 22);
	stamp(map, 0, PAGES, 23);
	/* Somebody else's buffers do not land in these pages. */
	handle = movgem_bo_create(fd, SIZE, 0);
	check_stamp(map, 0, PAGES, 23);
	gem_close(fd, handle);
	munmap(map, SIZE);

	movgem_wait_for_bos(fd, before.bos);
	movgem_mem_info(fd, &now);
	igt_assert_eq_u64(now.pages, before.pages);
}

static void test_parallel_faults(int fd)
{
	uint32_t handle = movgem_bo_create(fd, SIZE, 0);
	uint64_t id = shake_id(fd, handle);
	void *map;
	unsigned int i, c;

	igt_fork(child, 4) {
		/* Each has a mapping of its own, and its own order of pages. */
		static const int steps[] = { 1, 5, 27, 63 };
		uint32_t round;

		map = movgem_bo_mmap(fd, handle, SIZE);
		for (round = 1; round <= 20; round++) {
			for (i = 0; i < PAGES; i++) {
				volatile uint32_t *word =
					&page(map, (i * steps[child]) % PAGES)[child * 16];

				igt_assert_eq_u32(*word, round - 1);
				*word = round;
			}
			munmap(map, SIZE);
			map = movgem_bo_mmap(fd, handle, SIZE);
		}
	}
	if (can_move)
		for (i = 0; i < 20; i++)
			__movgem_migrate_bo(fd, id);
	igt_waitchildren();
	map = movgem_bo_mmap(fd, handle, SIZE);
	for (i = 0; i < PAGES; i++)
		for (c = 0; c < 4; c++)
			igt_assert_eq_u32(page(map, i)[c * 16], 20);
	munmap(map, SIZE);
	gem_close(fd, handle);
}

static void test_system_calls(int fd)
{
	uint32_t handle = movgem_bo_create(fd, SIZE, 0);
	uint64_t id = shake_id(fd, handle);
	void *map = movgem_bo_mmap(fd, handle, SIZE);
	uint8_t *copy = malloc(SIZE);
	struct iovec local = { copy, SIZE }, remote = { map, SIZE };
	ssize_t len;
	int p[2], i;

	igt_assert(copy);
	movgem_fill_pattern(map, SIZE, 24);

	/* Copies from and to user memory take faults, and work. */
	igt_assert_eq(pipe(p), 0);
	for (i = 0; i < PAGES; i++) {
		shake(fd, i % 16 ? 0 : id);
		igt_assert_eq(write(p[1], page(map, i), MOVGEM_PAGE), MOVGEM_PAGE);
		igt_assert_eq(read(p[0], copy + i * MOVGEM_PAGE, MOVGEM_PAGE), MOVGEM_PAGE);
	}
	movgem_check_pattern(copy, SIZE, 24);
	movgem_fill_pattern(copy, SIZE, 25);
	for (i = 0; i < PAGES; i++) {
		igt_assert_eq(write(p[1], copy + i * MOVGEM_PAGE, MOVGEM_PAGE), MOVGEM_PAGE);
		igt_assert_eq(read(p[0], page(map, i), MOVGEM_PAGE), MOVGEM_PAGE);
	}
	movgem_check_pattern(map, SIZE, 25);

	/* Calls that take the pages themselves are refused, or right. */
	len = process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
	if (len < 0)
		igt_assert(errno == EFAULT || errno == ENOSYS);
	else
		movgem_check_pattern(copy, len, 25);
	len = vmsplice(p[1], &remote, 1, SPLICE_F_NONBLOCK);
	if (len < 0)
		igt_assert_eq(errno, EFAULT);
	else
		shake(fd, id);
	close(p[0]);
	close(p[1]);
	movgem_check_pattern(map, SIZE, 25);
	free(copy);
	munmap(map, SIZE);
	gem_close(fd, handle);
}

static void test_gpu_writes(int fd)
{
	struct movgem_rig rig;
	uint32_t handle = movgem_bo_create(fd, SIZE, 0);
	uint64_t id = shake_id(fd, handle), va = movgem_va_alloc(fd, SIZE);
	void *map = movgem_bo_mmap(fd, handle, SIZE);
	uint32_t round;

	movgem_rig_init(&rig, fd);
	movgem_vm_map(fd, rig.vm, handle, 0, va, SIZE, 0);
	for (round = 1; round <= 8; round++) {
		movgem_cmd_fill(&rig.s, va, SIZE, round);
		movgem_stream_run(&rig.s, rig.queue);
		movgem_check_value(map, SIZE, round);
		shake(fd, id);
		page(map, round)[5] = ~round;
		movgem_rig_expect(&rig, va + round * MOVGEM_PAGE + 20, ~round);
		movgem_stream_reset(&rig.s);
	}
	movgem_rig_fini(&rig);
	munmap(map, SIZE);
	gem_close(fd, handle);
}

int igt_main()
{
	static const struct movgem_subtest tests[] = {
		{ "basic", test_basic,
		  "What is written is there, also in a second mapping and a later one." },
		{ "partial", test_partial,
		  "A mapping of some pages of a buffer shows those pages." },
		{ "beyond-end", test_beyond_end,
		  "A mapping that is not inside one buffer is refused." },
		{ "read-only", test_read_only,
		  "A read-only mapping cannot be written, and shows what others write." },
		{ "private-refused", test_private_refused, "There is no copy on write." },
		{ "no-mmap", test_no_mmap,
		  "A buffer without CPU access is not mapped by the dumb call's offset either." },
		{ "foreign-file", test_foreign_file,
		  "The offset of another file's buffer is of no use." },
		{ "two-files", test_two_files,
		  "Two files that share a buffer see each other's writes." },
		{ "fork", test_fork, "Children write through the mapping that they inherit." },
		{ "fork-late", test_fork_late,
		  "A child sees its parent's writes to pages that it touches for the first time." },
		{ "split-munmap", test_split_munmap,
		  "Unmapping the middle leaves both ends right and the middle gone." },
		{ "split-mprotect", test_split_mprotect,
		  "Protecting the middle protects the middle only." },
		{ "mremap-move", test_mremap_move,
		  "A mapping that is moved takes its pages along." },
		{ "mremap-split-move", test_mremap_split_move,
		  "A part of a mapping that is moved away still shows that part." },
		{ "mremap-grow", test_mremap_grow, "A mapping cannot grow past its buffer." },
		{ "fault-around", test_fault_around,
		  "Pages that come along with a fault are the right ones and stay in the mapping." },
		{ "dontneed", test_dontneed,
		  "Dropping the page table entries loses nothing." },
		{ "zeroed-reuse", test_zeroed_reuse,
		  "Pages that come back from a freed buffer are zero again." },
		{ "outlives-handle", test_outlives_handle,
		  "A mapping keeps its buffer after handle and file are closed." },
		{ "parallel-faults", test_parallel_faults,
		  "Processes that fault the same pages at once lose no write." },
		{ "system-calls", test_system_calls,
		  "The kernel reads and writes through a mapping, or refuses cleanly." },
		{ "gpu-writes", test_gpu_writes,
		  "A mapping shows what the GPU writes, before and after the first touch." },
	};
	int fd = -1;

	igt_fixture() {
		fd = movgem_open();
		can_move = movgem_can_move(fd);
		igt_info("pages are %smoved during the tests\n", can_move ? "" : "not ");
	}

	movgem_subtests(tests, ARRAY_SIZE(tests), fd);

	igt_fixture()
		movgem_close(fd);
}
