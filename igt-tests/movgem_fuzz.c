// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <drm_fourcc.h>

#include "igt.h"
#include "igt_syncobj.h"
#include "movgem_rig.h"

/**
 * TEST: movgem fuzz
 * Description: Random calls and random command streams. The seed is printed;
 *              MOVGEM_SEED=number in the environment repeats a run,
 *              MOVGEM_ROUNDS=number makes it longer or shorter.
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: uapi
 * Functionality: ioctl
 * Feature: movgem
 * Test category: functionality test
 *
 * SUBTEST: spoiled-calls
 * Description: Good calls with a few random fields.
 *
 * SUBTEST: random-calls
 * Description: Calls that are random bytes.
 *
 * SUBTEST: spoiled-streams
 * Description: Streams of commands with random fields.
 *
 * SUBTEST: random-streams
 * Description: Streams of random bytes.
 *
 * SUBTEST: parallel
 * Description: Random calls of several threads on one file.
 */

IGT_TEST_DESCRIPTION("Random calls and command streams for movgem.");

#define SIZE		(16 * MOVGEM_PAGE)
#define STREAM_SIZE	2048

static uint64_t seed;

static uint64_t from_env(const char *name, uint64_t value)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : value;
}

static uint64_t rounds(uint64_t usual)
{
	return from_env("MOVGEM_ROUNDS", usual);
}

/* Numbers that are more often wrong than others. */
static uint64_t odd_number(uint64_t *r)
{
	static const uint64_t odd[] = {
		0, 1, 2, 4, 7, 8, 63, 64, 65, 255, 256, 4095, 4096, 4097, 0xffff, 0x10000,
		0x7fffffff, 0x80000000, 0xfffffff8, 0xffffffff, 0x100000000ull,
		0x7fffffffffffull, 0x800000000000ull, 1ull << 63, UINT64_MAX - 4095, UINT64_MAX,
	};
	uint64_t x = movgem_rand(r);

	switch (x % 4) {
	case 0:
		return movgem_rand(r);
	case 1:
		return x >> 32 & 0xffff;
	case 2:
		return 1ull << (x >> 32 & 63);
	default:
		return odd[(x >> 32) % ARRAY_SIZE(odd)];
	}
}

/* A canary that nothing in a test has a right to. */
struct canary {
	int fd;
	struct movgem_rig rig;
	uint32_t handle;
	uint64_t va;
	void *map;
};

static void make_canary(struct canary *c, int fd)
{
	c->fd = movgem_reopen(fd);
	movgem_rig_init(&c->rig, c->fd);
	c->handle = movgem_bo_create(c->fd, SIZE, 0);
	c->map = movgem_bo_mmap(c->fd, c->handle, SIZE);
	c->va = movgem_va_alloc(c->fd, SIZE);
	movgem_vm_map(c->fd, c->rig.vm, c->handle, 0, c->va, SIZE, 0);
	movgem_fill_pattern(c->map, SIZE, 0xca);
}

static void check_canary(struct canary *c)
{
	movgem_check_pattern(c->map, SIZE, 0xca);
	movgem_rig_expect(&c->rig, c->va + 4096, movgem_mix(0xca, 1024));
}

static void free_canary(struct canary *c)
{
	check_canary(c);
	munmap(c->map, SIZE);
	movgem_rig_fini(&c->rig);
	movgem_close(c->fd);
}

/* ---- calls ---- */

/* What the calls are about. It is thrown away with its file, now and then. */
struct scratch {
	int fd;
	uint32_t handle[4], vm[2], queue[2], sync[4];
	uint64_t va;
	struct movgem_stream s;
	struct drm_movgem_bind_op ops[4];
	struct drm_movgem_sync syncs[4];
	char label[64];
	uint8_t query[256];
};

static void make_scratch(struct scratch *s, int fd)
{
	int i;

	memset(s, 0, sizeof(*s));
	s->fd = movgem_reopen(fd);
	s->va = movgem_va_alloc(s->fd, SIZE * 8);
	for (i = 0; i < 2; i++) {
		s->vm[i] = movgem_vm_create(s->fd);
		s->queue[i] = movgem_queue_create(s->fd, s->vm[i]);
	}
	for (i = 0; i < 4; i++) {
		s->handle[i] = movgem_bo_create(s->fd, SIZE, 0);
		s->sync[i] = syncobj_create(s->fd, i & 1 ? DRM_SYNCOBJ_CREATE_SIGNALED : 0);
		movgem_vm_map(s->fd, s->vm[i & 1], s->handle[i], 0, s->va + i * SIZE, SIZE, 0);
	}
	movgem_stream_init(&s->s, s->fd, s->vm[0], MOVGEM_PAGE);
	for (i = 0; i < 16; i++)
		movgem_cmd_fill(&s->s, s->va + i * 64, 64, i);
}

static void free_scratch(struct scratch *s)
{
	munmap(s->s.map, s->s.size);
	movgem_close(s->fd);
}

static const struct {
	unsigned long req;
	unsigned int size;
} calls[] = {
#define CALL(id_, type_) { DRM_IOCTL_MOVGEM_##id_, sizeof(struct drm_movgem_##type_) }
	CALL(DEV_QUERY, dev_query), CALL(BO_CREATE, bo_create),
	CALL(BO_MMAP_OFFSET, bo_mmap_offset), CALL(BO_INFO, bo_info),
	CALL(BO_LABEL, bo_label), CALL(BO_WAIT, bo_wait), CALL(BO_MADVISE, bo_madvise),
	CALL(VM_CREATE, vm_create), CALL(VM_DESTROY, vm_destroy), CALL(VM_BIND, vm_bind),
	CALL(QUEUE_CREATE, queue_create), CALL(QUEUE_DESTROY, queue_destroy),
	CALL(QUEUE_STATE, queue_state), CALL(SUBMIT, submit),
	/* More of those that have more to get wrong. */
	CALL(VM_BIND, vm_bind), CALL(VM_BIND, vm_bind), CALL(SUBMIT, submit),
#undef CALL
};

union args {
	struct drm_movgem_dev_query dev_query;
	struct drm_movgem_bo_create bo_create;
	struct drm_movgem_bo_info bo_info;
	struct drm_movgem_bo_label bo_label;
	struct drm_movgem_bo_madvise bo_madvise;
	struct drm_movgem_vm_bind vm_bind;
	struct drm_movgem_queue_create queue_create;
	struct drm_movgem_submit submit;
	uint32_t id;
	uint64_t words[32];
};

static void good_args(struct scratch *s, unsigned long req, union args *a, uint64_t *r)
{
	unsigned int i, n = movgem_rand(r) % 4;

	memset(a, 0, sizeof(*a));
	for (i = 0; i < 4; i++) {
		s->ops[i] = movgem_rand(r) % 3 ?
			movgem_op_map(s->handle[movgem_rand(r) % 4], 0,
				      s->va + movgem_rand(r) % 64 * MOVGEM_PAGE, SIZE, 0) :
			movgem_op_unmap(s->va + movgem_rand(r) % 64 * MOVGEM_PAGE, SIZE);
		s->syncs[i] = i & 1 ? movgem_sync_wait(s->sync[1], 0) :
				      movgem_sync_signal(s->sync[i], i);
	}
	switch (req) {
	case DRM_IOCTL_MOVGEM_DEV_QUERY:
		a->dev_query.type = n & 1;
		a->dev_query.size = sizeof(s->query);
		a->dev_query.pointer = to_user_pointer(s->query);
		break;
	case DRM_IOCTL_MOVGEM_BO_CREATE:
		a->bo_create.size = SIZE * n + MOVGEM_PAGE;
		a->bo_create.exclusive_vm_id = n & 1 ? s->vm[0] : 0;
		break;
	case DRM_IOCTL_MOVGEM_BO_LABEL:
		a->bo_label.handle = s->handle[n];
		a->bo_label.label = to_user_pointer(s->label);
		for (i = 0; i < sizeof(s->label); i++)
			s->label[i] = movgem_rand(r);
		break;
	case DRM_IOCTL_MOVGEM_BO_MADVISE:
		a->bo_madvise.handle = s->handle[n];
		a->bo_madvise.madv = n & 1;
		break;
	case DRM_IOCTL_MOVGEM_VM_BIND:
		a->vm_bind.vm_id = s->vm[n & 1];
		a->vm_bind.flags = n >> 1;
		a->vm_bind.op_count = 1 + movgem_rand(r) % 4;
		a->vm_bind.ops = to_user_pointer(s->ops);
		a->vm_bind.sync_count = movgem_rand(r) % 5;
		a->vm_bind.syncs = to_user_pointer(s->syncs);
		break;
	case DRM_IOCTL_MOVGEM_QUEUE_CREATE:
		a->queue_create.vm_id = s->vm[n & 1];
		break;
	case DRM_IOCTL_MOVGEM_SUBMIT:
		a->submit.queue_id = s->queue[n & 1];
		a->submit.stream_addr = s->s.va;
		a->submit.stream_size = s->s.pos;
		a->submit.sync_count = movgem_rand(r) % 5;
		a->submit.syncs = to_user_pointer(s->syncs);
		break;
	case DRM_IOCTL_MOVGEM_VM_DESTROY:
	case DRM_IOCTL_MOVGEM_QUEUE_DESTROY:
	case DRM_IOCTL_MOVGEM_QUEUE_STATE:
		a->id = 1 + movgem_rand(r) % 8;
		break;
	case DRM_IOCTL_MOVGEM_VM_CREATE:
		break;
	default:
		a->bo_info.handle = s->handle[n];
		break;
	}
}

/* What would only be slow: large buffers. Too large ones are not. */
static void tame(unsigned long req, union args *a)
{
	if (_IOC_NR(req) == _IOC_NR(DRM_IOCTL_MOVGEM_BO_CREATE) &&
	    a->bo_create.size < 1ull << 40)
		a->bo_create.size &= 0xfffff;
}

static void spoil(void *data, unsigned int size, uint64_t *r)
{
	unsigned int n = 1 + movgem_rand(r) % 3;
	uint8_t *bytes = data;

	while (n--) {
		uint64_t value = odd_number(r);
		unsigned int width = movgem_rand(r) & 1 ? 8 : 4;

		if (size < width)
			width = size;
		memcpy(bytes + movgem_rand(r) % (size - width + 1) / 4 * 4, &value, width);
	}
}

static void fuzz_calls(int fd, uint64_t count, bool random, uint64_t *r)
{
	uint64_t i, passed = 0;
	struct scratch s;

	make_scratch(&s, fd);
	for (i = 0; i < count; i++) {
		unsigned int c = movgem_rand(r) % ARRAY_SIZE(calls), n;
		unsigned long req = calls[c].req;
		union args a;

		if (random) {
			for (n = 0; n < ARRAY_SIZE(a.words); n++)
				a.words[n] = movgem_rand(r);
			if (!(movgem_rand(r) % 4))
				req = _IOC(_IOC_READ | _IOC_WRITE, DRM_IOCTL_BASE,
					   DRM_COMMAND_BASE + movgem_rand(r) % 24,
					   movgem_rand(r) % sizeof(a));
		} else {
			good_args(&s, req, &a, r);
			switch (movgem_rand(r) % 4) {
			case 0:
				break;
			case 1:
				spoil(s.ops, sizeof(s.ops), r);
				spoil(s.syncs, sizeof(s.syncs), r);
				break;
			default:
				spoil(&a, calls[c].size, r);
				break;
			}
		}
		tame(req, &a);
		passed += !movgem_ioctl(s.fd, req, &a);
		if (i % 100 == 99) {
			free_scratch(&s);
			make_scratch(&s, fd);
		}
	}
	free_scratch(&s);
	igt_info("%" PRIu64 " of %" PRIu64 " calls passed\n", passed, count);
}

static void test_calls(int fd, uint64_t count, bool random)
{
	uint64_t r = seed;
	struct canary canary;

	make_canary(&canary, fd);
	fuzz_calls(fd, count, random, &r);
	free_canary(&canary);
}

struct thread {
	pthread_t id;
	struct scratch scratch;
	uint64_t r;
};

/* No assertion in here: it would leave by another thread's door. */
static void *run_thread(void *data)
{
	struct thread *t = data;
	uint64_t i;

	for (i = 0; i < rounds(3000); i++) {
		unsigned int c = movgem_rand(&t->r) % ARRAY_SIZE(calls);
		struct drm_gem_close gem = { .handle = 1 + movgem_rand(&t->r) % 8 };
		union args a;

		good_args(&t->scratch, calls[c].req, &a, &t->r);
		if (movgem_rand(&t->r) & 1)
			spoil(&a, calls[c].size, &t->r);
		tame(calls[c].req, &a);
		drmIoctl(t->scratch.fd, calls[c].req, &a);
		if (i % 8 == 0)
			drmIoctl(t->scratch.fd, DRM_IOCTL_GEM_CLOSE, &gem);
	}
	return NULL;
}

static void test_parallel(int fd)
{
	struct thread *threads = calloc(3, sizeof(*threads));
	struct canary canary;
	struct scratch s;
	int i;

	/*
	 * The same file, so that ids and handles are torn from each other.
	 * Threads, because a file that changes hands between processes costs a
	 * grace period each time.
	 */
	igt_assert(threads);
	make_canary(&canary, fd);
	make_scratch(&s, fd);
	for (i = 0; i < 3; i++) {
		threads[i].scratch = s;
		threads[i].r = seed + i + 1;
		igt_assert_eq(pthread_create(&threads[i].id, NULL, run_thread, &threads[i]), 0);
	}
	for (i = 0; i < 3; i++)
		igt_assert_eq(pthread_join(threads[i].id, NULL), 0);
	free(threads);
	free_scratch(&s);
	free_canary(&canary);
}

/* ---- streams ---- */

struct arena {
	struct movgem_rig rig;
	uint32_t handle[3];
	uint64_t va[3];
};

/* Mostly good, or no stream would get far. */
static uint64_t some_address(struct arena *a, bool write, uint64_t *r)
{
	uint64_t x = movgem_rand(r);
	uint64_t va = a->va[x % (write ? 2 : 3)] + (x >> 8) % (SIZE - 20000);

	switch (x >> 40 & 127) {
	case 0:
		return odd_number(r);
	case 1:
		return va + 20000;		/* maybe past the end */
	case 2:
		return va - SIZE;
	case 3:
		return va ^ 1ull << (x >> 48 & 63);
	case 4:
		return a->va[2] + (x >> 8) % SIZE;
	case 5:
		return va;
	default:
		return va & ~7ull;
	}
}

static void some_surface(struct arena *a, struct drm_movgem_surface *s, bool write,
			 uint64_t *r)
{
	static const uint32_t formats[] = {
		DRM_FORMAT_XRGB8888, DRM_FORMAT_ARGB8888, DRM_FORMAT_XBGR8888,
		DRM_FORMAT_ABGR8888, DRM_FORMAT_RGB565, DRM_FORMAT_NV12, 0,
	};

	s->addr = some_address(a, write, r);
	s->width = 1 + movgem_rand(r) % 64;
	s->height = 1 + movgem_rand(r) % 64;
	s->format = formats[movgem_rand(r) % (movgem_rand(r) % 32 ? 5 : ARRAY_SIZE(formats))];
	s->pitch = s->width * 4;
	s->w = 1 + movgem_rand(r) % s->width;
	s->h = 1 + movgem_rand(r) % s->height;
	s->x = movgem_rand(r) % (s->width - s->w + 1);
	s->y = movgem_rand(r) % (s->height - s->h + 1);
	if (movgem_rand(r) % 16 == 0)
		spoil(s, sizeof(*s), r);
	/* What would only be slow. */
	if (s->w > 4096 && s->w <= DRM_MOVGEM_SURFACE_MAX)
		s->w = 4096;
	if (s->h > 64 && s->h <= DRM_MOVGEM_SURFACE_MAX)
		s->h = 64;
}

static void some_command(struct arena *a, uint64_t *r)
{
	struct movgem_stream *s = &a->rig.s;
	struct drm_movgem_surface src, dst;
	uint64_t size = movgem_rand(r) % 64 ? movgem_rand(r) % 9000 : odd_number(r);
	uint64_t start = s->pos;

	switch (movgem_rand(r) % 8) {
	case 0:
		movgem_cmd_nop(s);
		break;
	case 1:
	case 2:
		movgem_cmd_fill(s, some_address(a, true, r), size & ~3ull, 0xf0220f0f);
		break;
	case 3:
	case 4:
		movgem_cmd_copy(s, some_address(a, true, r), some_address(a, false, r), size);
		break;
	case 5:
		some_surface(a, &src, false, r);
		some_surface(a, &dst, true, r);
		movgem_cmd_blit(s, &dst, &src, movgem_rand(r) % 32 ? movgem_rand(r) & 3 :
						odd_number(r));
		break;
	case 6:
		/* A wait that holds: one that does not costs a time-out. */
		movgem_cmd_sem_wait(s, some_address(a, false, r), 0, DRM_MOVGEM_SEM_GE);
		break;
	default:
		if (movgem_rand(r) & 1)
			movgem_cmd_sem_write(s, some_address(a, true, r), movgem_rand(r));
		else
			movgem_cmd_timestamp(s, some_address(a, true, r));
		break;
	}
	if (movgem_rand(r) % 200 == 0)
		spoil(s->map + start, 8, r);
}

/* A stream must not get to wait for what never comes: that only takes time. */
static void no_waits(struct movgem_stream *s)
{
	uint64_t at;

	for (at = 0; at + 24 <= s->pos; at += 8) {
		struct drm_movgem_cmd_sem *cmd = (void *)(s->map + at);

		if (cmd->hdr.opcode == DRM_MOVGEM_CMD_SEM_WAIT && cmd->hdr.size == sizeof(*cmd)) {
			cmd->hdr.flags |= DRM_MOVGEM_SEM_GE;
			cmd->value = 0;
		}
	}
}

static void test_streams(int fd, uint64_t count, bool random)
{
	unsigned int results[4] = { };
	struct canary canary;
	struct arena a;
	uint64_t r = seed, n;
	int i, fd2 = movgem_reopen(fd);

	make_canary(&canary, fd);
	movgem_rig_init(&a.rig, fd2);
	for (i = 0; i < 3; i++) {
		a.handle[i] = movgem_bo_create(fd2, SIZE, 0);
		a.va[i] = movgem_va_alloc(fd2, SIZE);
		movgem_vm_map(fd2, a.rig.vm, a.handle[i], 0, a.va[i], SIZE,
			      i == 2 ? DRM_MOVGEM_BIND_READONLY : 0);
	}
	for (n = 0; n < count; n++) {
		uint64_t before = r;
		int ret;

		movgem_stream_reset(&a.rig.s);
		if (random) {
			a.rig.s.pos = 8 + movgem_rand(&r) % STREAM_SIZE / 8 * 8;
			for (i = 0; i < a.rig.s.pos / 8; i++)
				((uint64_t *)a.rig.s.map)[i] = movgem_rand(&r);
			/* Begin with an opcode that is one, at least. */
			((struct drm_movgem_cmd_header *)a.rig.s.map)->opcode %= 9;
			((struct drm_movgem_cmd_header *)a.rig.s.map)->size =
				movgem_rand(&r) % 112 / 8 * 8;
			if (n & 1)
				((struct drm_movgem_cmd_header *)a.rig.s.map)->flags = 0;
		} else {
			while (a.rig.s.pos < STREAM_SIZE / 2)
				some_command(&a, &r);
		}
		no_waits(&a.rig.s);
		ret = __movgem_stream_run(&a.rig.s, a.rig.queue);
		results[ret == 0 ? 0 : ret == -EFAULT ? 1 : ret == -EINVAL ? 2 : 3]++;
		igt_assert_f(ret == 0 || ret == -EFAULT || ret == -EINVAL || ret == -ETIMEDOUT,
			     "stream %" PRIu64 " (state %#" PRIx64 ") ends with %d\n",
			     n, before, ret);
		if (n % 50 == 49)
			check_canary(&canary);
	}
	igt_info("%u went through, %u faulted, %u were no commands, %u took too long\n",
		 results[0], results[1], results[2], results[3]);
	/* The queue is as good as new. */
	movgem_stream_reset(&a.rig.s);
	movgem_cmd_fill(&a.rig.s, a.rig.va, 4, 0x600d);
	movgem_stream_run(&a.rig.s, a.rig.queue);
	igt_assert_eq_u32(a.rig.map[0], 0x600d);
	movgem_rig_fini(&a.rig);
	movgem_close(fd2);
	free_canary(&canary);
}

int igt_main()
{
	int fd = -1;

	igt_fixture() {
		fd = movgem_open();
		seed = from_env("MOVGEM_SEED", 0x6d6f7667656d21ull);
		igt_require_f(seed, "the seed must not be zero\n");
		igt_info("MOVGEM_SEED=%#" PRIx64 "\n", seed);
	}

	igt_describe("Good calls with a few random fields.");
	igt_subtest("spoiled-calls")
		test_calls(fd, rounds(4000), false);

	igt_describe("Calls that are random bytes.");
	igt_subtest("random-calls")
		test_calls(fd, rounds(2000), true);

	igt_describe("Streams of commands with random fields.");
	igt_subtest("spoiled-streams")
		test_streams(fd, rounds(500), false);

	igt_describe("Streams of random bytes.");
	igt_subtest("random-streams")
		test_streams(fd, rounds(500), true);

	igt_describe("Random calls of several threads on one file.");
	igt_subtest("parallel")
		test_parallel(fd);

	igt_fixture()
		movgem_close(fd);
}
