// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/io_uring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "igt.h"
#include "movgem_migrate_trigger.h"
#include "movgem_rig.h"

/**
 * TEST: movgem gup
 * Description: The kernel's get_user_pages() works on mapped buffers.
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: Memory management tests
 * Functionality: page migration
 * Feature: movgem
 * Test category: functionality test
 *
 * SUBTEST: direct-read
 * Description: O_DIRECT reads into a buffer while its pages move.
 *
 * SUBTEST: direct-write
 * Description: O_DIRECT writes from a buffer that the GPU has filled.
 *
 * SUBTEST: pin
 * Description: A registered io_uring buffer is seen as pinned, does not move, and
 *   moves again once it is unregistered.
 *
 * SUBTEST: fixed-read
 * Description: io_uring reads into a registered buffer, and the GPU sees it.
 *
 * SUBTEST: leave-movable
 * Description: Pages that io_uring registers leave movable memory, whose block
 *   then goes offline.
 *
 * SUBTEST: free-pinned
 * Description: Pages that are pinned when their buffer is freed stay what they
 *   are until they are unpinned.
 *
 * SUBTEST: purge-pinned
 * Description: The same with a buffer that is purged.
 *
 * SUBTEST: vmsplice
 * Description: A pipe takes the pages of a buffer.
 *
 * SUBTEST: process-vm
 * Description: Another process reads and writes a mapped buffer.
 *
 * SUBTEST: ptrace
 * Description: A debugger reads and writes a mapped buffer.
 */

IGT_TEST_DESCRIPTION("get_user_pages() on mapped buffers.");

#define SIZE		(256 * MOVGEM_PAGE)

struct buffer {
	int fd;
	uint32_t handle;
	uint64_t id;
	uint8_t *map;
};

static void buffer_init(struct buffer *b, int fd)
{
	b->fd = fd;
	b->handle = movgem_bo_create(fd, SIZE, 0);
	b->id = movgem_bo_id(fd, b->handle);
	b->map = movgem_bo_mmap(fd, b->handle, SIZE);
}

static void buffer_fini(struct buffer *b)
{
	munmap(b->map, SIZE);
	gem_close(b->fd, b->handle);
}

static uint64_t gup_pages(struct buffer *b)
{
	struct drm_movgem_bo_info info;

	movgem_bo_info(b->fd, b->handle, &info);
	return info.gup;
}

/* ---- a file for direct I/O ---- */

/* With the pattern of @seed, and no name any more. Skips where there is none. */
static int direct_file(uint32_t seed)
{
	char path[] = "/var/tmp/movgem-gup-XXXXXX";
	uint8_t *data;
	int plain, fd;

	plain = mkstemp(path);
	igt_assert_fd(plain);
	igt_assert_eq(posix_memalign((void **)&data, MOVGEM_PAGE, SIZE), 0);
	movgem_fill_pattern(data, SIZE, seed);
	igt_assert_eq(pwrite(plain, data, SIZE, 0), SIZE);
	igt_assert_eq(fsync(plain), 0);
	free(data);
	fd = open(path, O_RDWR | O_DIRECT);
	unlink(path);
	close(plain);
	igt_require_f(fd >= 0, "%s: no O_DIRECT: %s\n", path, strerror(errno));
	return fd;
}

/* ---- io_uring, as much of it as is needed ---- */

struct uring {
	int fd;
	struct io_uring_params p;
	uint8_t *sq;
	uint8_t *cq;
	struct io_uring_sqe *sqes;
	size_t sq_size;
	size_t cq_size;
};

static void uring_init(struct uring *u)
{
	memset(u, 0, sizeof(*u));
	u->fd = syscall(__NR_io_uring_setup, 4, &u->p);
	igt_require_f(u->fd >= 0, "no io_uring: %s\n", strerror(errno));
	u->sq_size = u->p.sq_off.array + u->p.sq_entries * sizeof(uint32_t);
	u->cq_size = u->p.cq_off.cqes + u->p.cq_entries * sizeof(struct io_uring_cqe);
	u->sq = mmap(NULL, u->sq_size, PROT_READ | PROT_WRITE, MAP_SHARED, u->fd,
		     IORING_OFF_SQ_RING);
	u->cq = mmap(NULL, u->cq_size, PROT_READ | PROT_WRITE, MAP_SHARED, u->fd,
		     IORING_OFF_CQ_RING);
	u->sqes = mmap(NULL, u->p.sq_entries * sizeof(*u->sqes), PROT_READ | PROT_WRITE,
		       MAP_SHARED, u->fd, IORING_OFF_SQES);
	igt_assert(u->sq != MAP_FAILED && u->cq != MAP_FAILED && u->sqes != MAP_FAILED);
}

/* Ends the registration of buffers too. */
static void uring_fini(struct uring *u)
{
	munmap(u->sq, u->sq_size);
	munmap(u->cq, u->cq_size);
	munmap(u->sqes, u->p.sq_entries * sizeof(*u->sqes));
	close(u->fd);
}

static int uring_register(struct uring *u, void *addr, size_t size)
{
	struct iovec iov = { .iov_base = addr, .iov_len = size };

	return syscall(__NR_io_uring_register, u->fd, IORING_REGISTER_BUFFERS, &iov, 1) ?
	       -errno : 0;
}

static void uring_unregister(struct uring *u)
{
	igt_assert_eq(syscall(__NR_io_uring_register, u->fd, IORING_UNREGISTER_BUFFERS,
			      NULL, 0), 0);
}

/* One transfer of the whole registered buffer at @addr; its result. */
static int uring_fixed(struct uring *u, uint8_t op, int file, void *addr)
{
	volatile uint32_t *sq_tail = (uint32_t *)(u->sq + u->p.sq_off.tail);
	volatile uint32_t *cq_head = (uint32_t *)(u->cq + u->p.cq_off.head);
	volatile uint32_t *cq_tail = (uint32_t *)(u->cq + u->p.cq_off.tail);
	uint32_t *array = (uint32_t *)(u->sq + u->p.sq_off.array);
	uint32_t at = *sq_tail & (u->p.sq_entries - 1);
	struct io_uring_cqe *cqes = (void *)(u->cq + u->p.cq_off.cqes);
	int ret;

	u->sqes[at] = (struct io_uring_sqe) {
		.opcode = op,
		.fd = file,
		.addr = (uintptr_t)addr,
		.len = SIZE,
	};
	array[at] = at;
	__sync_synchronize();
	(*sq_tail)++;
	__sync_synchronize();
	igt_assert_eq(syscall(__NR_io_uring_enter, u->fd, 1, 1, IORING_ENTER_GETEVENTS,
			      NULL, 0), 1);
	__sync_synchronize();
	igt_assert(*cq_head != *cq_tail);
	ret = cqes[*cq_head & (u->p.cq_entries - 1)].res;
	(*cq_head)++;
	return ret;
}

static void uring_check(struct uring *u, void *addr, uint32_t seed)
{
	int file = direct_file(0);
	uint8_t *data;

	igt_assert_eq(uring_fixed(u, IORING_OP_WRITE_FIXED, file, addr), SIZE);
	igt_assert_eq(posix_memalign((void **)&data, MOVGEM_PAGE, SIZE), 0);
	igt_assert_eq(pread(file, data, SIZE, 0), SIZE);
	movgem_check_pattern(data, SIZE, seed);
	free(data);
	close(file);
}

/* ---- subtests ---- */

struct mover {
	struct buffer *b;
	volatile bool stop;
};

static void *move_all(void *arg)
{
	struct mover *m = arg;

	while (!m->stop)
		__movgem_migrate_bo(m->b->fd, m->b->id);
	return NULL;
}

static void test_direct_read(int fd)
{
	int file = direct_file(0x1d0);
	struct mover m = { };
	struct buffer b;
	pthread_t mover;

	buffer_init(&b, fd);
	m.b = &b;
	igt_assert_eq(pthread_create(&mover, NULL, move_all, &m), 0);
	/* As often as it takes for every page to move twice on average. */
	for (int i = 0; i < 10 || movgem_bo_moved(fd, b.handle) < 2 * SIZE / MOVGEM_PAGE; i++) {
		memset(b.map, i, SIZE);
		igt_assert_eq(pread(file, b.map, SIZE, 0), SIZE);
		movgem_check_pattern(b.map, SIZE, 0x1d0);
	}
	m.stop = true;
	pthread_join(mover, NULL);
	movgem_check_pattern(b.map, SIZE, 0x1d0);
	igt_assert_eq_u64(gup_pages(&b), 0);
	igt_assert_eq_u64(movgem_migrate_bo(fd, b.id), SIZE / MOVGEM_PAGE);
	movgem_check_pattern(b.map, SIZE, 0x1d0);
	buffer_fini(&b);
	close(file);
}

static void test_direct_write(int fd)
{
	int file = direct_file(0);
	struct movgem_rig rig;
	struct buffer b;
	uint8_t *data;
	uint64_t va;

	movgem_rig_init(&rig, fd);
	buffer_init(&b, fd);
	va = movgem_va_alloc(fd, SIZE);
	movgem_vm_map(fd, rig.vm, b.handle, 0, va, SIZE, 0);
	movgem_cmd_fill(&rig.s, va, SIZE, 0xfeed1234);
	movgem_stream_run(&rig.s, rig.queue);
	movgem_migrate_bo(fd, b.id);
	igt_assert_eq(pwrite(file, b.map, SIZE, 0), SIZE);
	igt_assert_eq(posix_memalign((void **)&data, MOVGEM_PAGE, SIZE), 0);
	igt_assert_eq(pread(file, data, SIZE, 0), SIZE);
	movgem_check_value(data, SIZE, 0xfeed1234);
	free(data);
	movgem_vm_unmap(fd, rig.vm, va, SIZE);
	buffer_fini(&b);
	movgem_rig_fini(&rig);
	close(file);
}

static void test_pin(int fd)
{
	const unsigned int count = SIZE / MOVGEM_PAGE;
	uint64_t before[count], after[count];
	struct uring u;
	struct buffer b;

	movgem_require_debugfs(fd);
	uring_init(&u);
	buffer_init(&b, fd);
	movgem_fill_pattern(b.map, SIZE, 1);
	igt_assert_eq(uring_register(&u, b.map, SIZE), 0);
	igt_assert_eq_u64(gup_pages(&b), count);

	movgem_bo_pfns(fd, b.id, before, count);
	igt_assert_eq_u64(movgem_migrate_bo(fd, b.id), 0);
	compact_memory();
	movgem_bo_pfns(fd, b.id, after, count);
	igt_assert_eq(memcmp(before, after, sizeof(before)), 0);
	movgem_check_pattern(b.map, SIZE, 1);

	uring_unregister(&u);
	/* The pins may go a little after the call. */
	for (int i = 0; i < 1000 && gup_pages(&b); i++)
		usleep(10000);
	igt_assert_eq_u64(gup_pages(&b), 0);
	igt_assert_eq_u64(movgem_migrate_bo(fd, b.id), count);
	movgem_bo_pfns(fd, b.id, after, count);
	igt_assert_eq(pfns_changed(before, after, count), count);
	movgem_check_pattern(b.map, SIZE, 1);
	buffer_fini(&b);
	uring_fini(&u);
}

static void test_fixed_read(int fd)
{
	int file = direct_file(0xf1);
	struct movgem_rig rig;
	struct uring u;
	struct buffer b;
	uint64_t va;

	movgem_rig_init(&rig, fd);
	uring_init(&u);
	buffer_init(&b, fd);
	va = movgem_va_alloc(fd, SIZE);
	movgem_vm_map(fd, rig.vm, b.handle, 0, va, SIZE, 0);
	movgem_migrate_bo(fd, b.id);
	igt_assert_eq(uring_register(&u, b.map, SIZE), 0);
	igt_assert_eq(uring_fixed(&u, IORING_OP_READ_FIXED, file, b.map), SIZE);
	movgem_check_pattern(b.map, SIZE, 0xf1);
	for (unsigned int page = 0; page < SIZE / MOVGEM_PAGE; page += 17)
		movgem_rig_expect(&rig, va + page * MOVGEM_PAGE,
				  movgem_mix(0xf1, page * MOVGEM_PAGE / 4));
	uring_fini(&u);
	movgem_vm_unmap(fd, rig.vm, va, SIZE);
	buffer_fini(&b);
	movgem_rig_fini(&rig);
	close(file);
}

#define FILL_SIZE	(16u << 20)
#define FILL_MAX	64

/* A page frame of a buffer, of a memory block that can go offline and come back. */
static uint64_t find_block(int fd, struct buffer *b)
{
	const unsigned int count = SIZE / MOVGEM_PAGE;
	uint64_t pfns[count];

	igt_assert_eq(movgem_bo_pfns(fd, b->id, pfns, count), count);
	for (unsigned int i = 0; i < count; i++)
		if (block_is_movable(pfns[i]) &&
		    (!i || pfns[i] != pfns[i - 1] + 1) && block_is_sound(pfns[i]))
			return pfns[i];
	return 0;
}

static void test_leave_movable(int fd)
{
	const unsigned int count = SIZE / MOVGEM_PAGE;
	uint32_t fill[FILL_MAX], fills = 0;
	uint64_t pfns[count];
	uint64_t block;
	struct uring u;
	struct buffer b;
	int ret = -EAGAIN;

	movgem_require_debugfs(fd);
	uring_init(&u);
	buffer_init(&b, fd);
	/* Until there is a buffer in a block of which no test has spoiled a page. */
	while (!(block = find_block(fd, &b)) && fills < FILL_MAX &&
	       meminfo_kb("MemFree:") > 256 * 1024) {
		buffer_fini(&b);
		fill[fills++] = movgem_bo_create(fd, FILL_SIZE, 0);
		buffer_init(&b, fd);
	}
	while (fills)
		gem_close(fd, fill[--fills]);
	if (!block) {
		buffer_fini(&b);
		uring_fini(&u);
		igt_skip("no page in sound movable memory: is there a DIMM?\n");
	}
	movgem_fill_pattern(b.map, SIZE, 2);

	igt_assert_eq(uring_register(&u, b.map, SIZE), 0);
	movgem_bo_pfns(fd, b.id, pfns, count);
	for (unsigned int i = 0; i < count; i++)
		igt_assert_f(!block_is_movable(pfns[i]), "page %u is pinned in movable memory\n",
			     i);
	movgem_check_pattern(b.map, SIZE, 2);
	/* A page of somebody else's may be in use for a moment. */
	for (unsigned int i = 0; i < 3 && ret; i++)
		ret = block_offline(block, 120);
	igt_assert_eq(ret, 0);
	block_online(block);
	uring_check(&u, b.map, 2);
	uring_fini(&u);
	buffer_fini(&b);
}

/* Many BOs of a value that is not the pattern: they would show in the buffer. */
static void reuse_memory(int fd)
{
	uint32_t handles[64];

	for (int i = 0; i < 64; i++) {
		uint8_t *map;

		handles[i] = movgem_bo_create(fd, SIZE, 0);
		map = movgem_bo_mmap(fd, handles[i], SIZE);
		memset(map, 0xaa, SIZE);
		munmap(map, SIZE);
	}
	for (int i = 0; i < 64; i++)
		gem_close(fd, handles[i]);
}

static void test_free_pinned(int fd)
{
	uint64_t bos = movgem_bo_count(fd);
	struct uring u;
	struct buffer b;

	uring_init(&u);
	buffer_init(&b, fd);
	movgem_fill_pattern(b.map, SIZE, 3);
	igt_assert_eq(uring_register(&u, b.map, SIZE), 0);
	buffer_fini(&b);
	igt_assert_eq_u64(movgem_bo_count(fd), bos);
	reuse_memory(fd);
	compact_memory();
	uring_check(&u, b.map, 3);
	uring_fini(&u);
}

static void test_purge_pinned(int fd)
{
	struct drm_movgem_bo_info info;
	struct uring u;
	struct buffer b;

	uring_init(&u);
	buffer_init(&b, fd);
	movgem_fill_pattern(b.map, SIZE, 4);
	igt_assert_eq(uring_register(&u, b.map, SIZE), 0);
	movgem_bo_madvise(fd, b.handle, DRM_MOVGEM_MADV_DONTNEED);
	for (int i = 0; i < 20; i++) {
		movgem_drop_slab();
		movgem_bo_info(fd, b.handle, &info);
		if (!info.pages)
			break;
	}
	igt_assert_eq_u64(info.pages, 0);
	igt_assert_eq_u64(info.gup, 0);
	igt_assert_eq(movgem_touch(b.map, true), SIGBUS);
	reuse_memory(fd);
	uring_check(&u, b.map, 4);
	uring_fini(&u);
	buffer_fini(&b);
}

static void test_vmsplice(int fd)
{
	const size_t pages = 8, part = pages * MOVGEM_PAGE;
	uint64_t before[SIZE / MOVGEM_PAGE], after[SIZE / MOVGEM_PAGE];
	struct buffer b;
	uint8_t *data;
	int pipes[2];

	buffer_init(&b, fd);
	movgem_fill_pattern(b.map, SIZE, 5);
	data = malloc(SIZE);
	igt_assert(data && !pipe(pipes));
	for (size_t at = 0; at < SIZE; at += part) {
		struct iovec iov = { .iov_base = b.map + at, .iov_len = part };

		igt_assert_eq(vmsplice(pipes[1], &iov, 1, 0), part);
		/* The pipe's references keep the pages where they are. */
		movgem_bo_pfns(fd, b.id, before, ARRAY_SIZE(before));
		igt_assert_lt_u64(0, movgem_migrate_bo(fd, b.id));
		movgem_bo_pfns(fd, b.id, after, ARRAY_SIZE(after));
		igt_assert_eq(memcmp(before + at / MOVGEM_PAGE, after + at / MOVGEM_PAGE,
				     pages * sizeof(*before)), 0);
		igt_assert_eq(read(pipes[0], data + at, part), part);
	}
	movgem_check_pattern(data, SIZE, 5);
	igt_assert_eq_u64(movgem_migrate_bo(fd, b.id), SIZE / MOVGEM_PAGE);
	movgem_check_pattern(b.map, SIZE, 5);
	close(pipes[0]);
	close(pipes[1]);
	free(data);
	buffer_fini(&b);
}

static void test_process_vm(int fd)
{
	uint8_t *data = malloc(SIZE);
	struct buffer b;
	pid_t pid;

	igt_assert(data);
	buffer_init(&b, fd);
	pid = fork();
	igt_assert_lte(0, pid);
	if (!pid)
		for (;;)
			pause();
	for (uint32_t i = 0; i < 10; i++) {
		struct iovec here = { .iov_base = data, .iov_len = SIZE };
		struct iovec there = { .iov_base = b.map, .iov_len = SIZE };

		movgem_fill_pattern(data, SIZE, i);
		igt_assert_eq(process_vm_writev(pid, &here, 1, &there, 1, 0), SIZE);
		__movgem_migrate_bo(fd, b.id);
		movgem_check_pattern(b.map, SIZE, i);
		memset(data, 0, SIZE);
		igt_assert_eq(process_vm_readv(pid, &here, 1, &there, 1, 0), SIZE);
		movgem_check_pattern(data, SIZE, i);
	}
	kill(pid, SIGKILL);
	igt_assert_eq(waitpid(pid, NULL, 0), pid);
	buffer_fini(&b);
	free(data);
}

static void test_ptrace(int fd)
{
	struct buffer b;
	int status;
	pid_t pid;

	buffer_init(&b, fd);
	movgem_fill_pattern(b.map, SIZE, 6);
	pid = fork();
	igt_assert_lte(0, pid);
	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		_exit(0);
	}
	igt_assert_eq(waitpid(pid, &status, 0), pid);
	igt_assert(WIFSTOPPED(status));
	for (unsigned int at = 0; at < SIZE; at += 5 * MOVGEM_PAGE + 8) {
		uint64_t want, got;

		memcpy(&want, b.map + at, sizeof(want));
		errno = 0;
		got = ptrace(PTRACE_PEEKDATA, pid, b.map + at, NULL);
		igt_assert_eq(errno, 0);
		igt_assert_eq_u64(got, want);
		__movgem_migrate_bo(fd, b.id);
		igt_assert_eq(ptrace(PTRACE_POKEDATA, pid, b.map + at, (void *)~want), 0);
		memcpy(&got, b.map + at, sizeof(got));
		igt_assert_eq_u64(got, ~want);
	}
	ptrace(PTRACE_DETACH, pid, NULL, NULL);
	igt_assert_eq(waitpid(pid, &status, 0), pid);
	buffer_fini(&b);
}

static const struct movgem_subtest tests[] = {
	{ "direct-read", test_direct_read, "O_DIRECT reads into a buffer while its pages move." },
	{ "direct-write", test_direct_write,
	  "O_DIRECT writes from a buffer that the GPU has filled." },
	{ "pin", test_pin, "A registered buffer is seen as pinned and moves again afterwards." },
	{ "fixed-read", test_fixed_read,
	  "io_uring reads into a registered buffer, and the GPU sees it." },
	{ "leave-movable", test_leave_movable,
	  "Pages that io_uring registers leave movable memory." },
	{ "free-pinned", test_free_pinned,
	  "Pages of a freed buffer stay what they are until unpinned." },
	{ "purge-pinned", test_purge_pinned,
	  "Pages of a purged buffer stay what they are until unpinned." },
	{ "vmsplice", test_vmsplice, "A pipe takes the pages of a buffer." },
	{ "process-vm", test_process_vm, "Another process reads and writes a mapped buffer." },
	{ "ptrace", test_ptrace, "A debugger reads and writes a mapped buffer." },
};

int igt_main()
{
	int fd = -1;

	igt_fixture() {
		uint32_t store;

		fd = movgem_open();
		store = movgem_page_store(fd);
		igt_require_f(store == DRM_MOVGEM_PAGE_STORE_FOLIO,
			      "page store %u maps by PFN, which get_user_pages() refuses\n",
			      store);
	}

	movgem_subtests(tests, ARRAY_SIZE(tests), fd);

	igt_fixture() {
		triggers_reset();
		movgem_close(fd);
	}
}
