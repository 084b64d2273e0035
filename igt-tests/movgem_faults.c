// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <drm_fourcc.h>
#include <linux/sync_file.h>

#include "igt.h"
#include "igt_syncobj.h"
#include "movgem_rig.h"

/**
 * TEST: movgem faults
 * Description: Jobs that go wrong: what they say, what they leave alone, and
 *              what goes on without them.
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: uapi
 * Functionality: command submission
 * Feature: movgem
 * Test category: functionality test
 *
 * SUBTEST: addresses
 * Description: Every kind of access to every kind of bad address is recorded as what it is.
 *
 * SUBTEST: crossing
 * Description: An access that begins well and ends badly faults on the bad page.
 *
 * SUBTEST: misaligned
 * Description: Misaligned addresses fault, and nothing is written.
 *
 * SUBTEST: fetch
 * Description: A stream that is not there, or ends in a hole, faults as a fetch.
 *
 * SUBTEST: commands
 * Description: Every way to spell a command wrong ends the job.
 *
 * SUBTEST: stops-there
 * Description: What is before the fault was done, what is behind it was not.
 *
 * SUBTEST: queue-goes-on
 * Description: Jobs behind a faulty one run, and those that wait for its fence.
 *
 * SUBTEST: other-vm
 * Description: No address of another VM is within reach.
 *
 * SUBTEST: random-addresses
 * Description: Writes all over the address space touch no canary.
 *
 * SUBTEST: hang
 * Description: A job that hangs is reset, its queue goes on.
 *
 * SUBTEST: hang-others-run
 * Description: While a job hangs the other queues run.
 *
 * SUBTEST: hang-every-core
 * Description: More hanging jobs than cores are all reset, and then all is well.
 *
 * SUBTEST: queue-destroy
 * Description: Destroying a queue cancels what runs and what is queued.
 *
 * SUBTEST: close-in-order
 * Description: The jobs of a queue end in their order when their file is closed.
 *
 * SUBTEST: close-file
 * Description: Closing the file ends its jobs and frees its buffers.
 *
 * SUBTEST: killed
 * Description: So does the end of the process.
 *
 * SUBTEST: killed-with-buffers-in-use
 * Description: Buffers of a killed process are not written after they were freed.
 */

IGT_TEST_DESCRIPTION("Jobs of movgem that go wrong.");

#define PAGES	8
#define SIZE	(PAGES * MOVGEM_PAGE)

static void expect_record(struct movgem_rig *rig, uint32_t type, uint32_t access,
			  uint64_t address, uint64_t stream_offset)
{
	struct drm_movgem_queue_state state;

	movgem_queue_state(rig->fd, rig->queue, &state);
	igt_assert_eq_u32(state.fault.type, type);
	if (type != DRM_MOVGEM_FAULT_COMMAND)
		igt_assert_eq_u32(state.fault.access, access);
	igt_assert_eq_u64(state.fault.address, address);
	igt_assert_eq_u64(state.fault.stream_offset, stream_offset);
	igt_assert_eq_u64(state.fault.seqno, state.submitted);
	igt_assert_eq_u64(state.completed, state.submitted);
}

/* Runs the stream, which has to end with this fault, and empties it. */
static void run_bad(struct movgem_rig *rig, uint32_t type, uint32_t access,
		    uint64_t address, uint64_t stream_offset)
{
	int ret = __movgem_stream_run(&rig->s, rig->queue);

	igt_assert_eq(ret, type == DRM_MOVGEM_FAULT_COMMAND ? -EINVAL : -EFAULT);
	expect_record(rig, type, access, address, stream_offset);
	movgem_stream_reset(&rig->s);
}

enum access {
	FILL, COPY_SRC, COPY_DST, SEM_WAIT, SEM_WRITE, STAMP, BLIT_SRC, BLIT_DST, ACCESSES
};

static const char *const access_names[] = {
	"fill", "copy from", "copy to", "semaphore wait", "semaphore write", "timestamp",
	"blit from", "blit to",
};

static struct drm_movgem_surface surface(uint64_t addr)
{
	return (struct drm_movgem_surface) {
		.addr = addr, .pitch = 64, .format = DRM_FORMAT_XRGB8888,
		.width = 4, .height = 4, .w = 4, .h = 4,
	};
}

/* Appends an access of that kind to a good place or the bad one. */
static bool add_access(struct movgem_rig *rig, enum access kind, uint64_t bad)
{
	uint64_t good = rig->va + 1024;
	struct drm_movgem_surface from, to;

	switch (kind) {
	case FILL:
		movgem_cmd_fill(&rig->s, bad, 16, 0xbadbad);
		return true;
	case COPY_SRC:
		movgem_cmd_copy(&rig->s, good, bad, 16);
		return false;
	case COPY_DST:
		movgem_cmd_copy(&rig->s, bad, good, 16);
		return true;
	case SEM_WAIT:
		movgem_cmd_sem_wait(&rig->s, bad, 0, DRM_MOVGEM_SEM_GE);
		return false;
	case SEM_WRITE:
		movgem_cmd_sem_write(&rig->s, bad, 0xbadbad);
		return true;
	case STAMP:
		movgem_cmd_timestamp(&rig->s, bad);
		return true;
	default:
		from = surface(kind == BLIT_SRC ? bad : good);
		to = surface(kind == BLIT_SRC ? good + 512 : bad);
		movgem_cmd_blit(&rig->s, &to, &from, 0);
		return kind == BLIT_DST;
	}
}

static void test_addresses(int fd)
{
	uint64_t va = movgem_va_alloc(fd, 2 * SIZE);
	uint32_t handle = movgem_bo_create(fd, SIZE, 0);
	struct drm_movgem_gpu_info gpu;
	struct movgem_rig rig;
	void *map = movgem_bo_mmap(fd, handle, SIZE);
	unsigned int kind, i;

	movgem_gpu_info(fd, &gpu);
	movgem_rig_init(&rig, fd);
	movgem_vm_map(fd, rig.vm, handle, 0, va, SIZE, DRM_MOVGEM_BIND_READONLY);
	movgem_fill_pattern(map, SIZE, 1);
	for (kind = 0; kind < ACCESSES; kind++) {
		const struct { uint64_t addr; uint32_t type; } bad[] = {
			{ va + SIZE, DRM_MOVGEM_FAULT_UNMAPPED },
			{ va + SIZE + 8, DRM_MOVGEM_FAULT_UNMAPPED },
			{ gpu.va_start, DRM_MOVGEM_FAULT_UNMAPPED },
			{ gpu.va_end - 4096, DRM_MOVGEM_FAULT_UNMAPPED },
			{ 0, DRM_MOVGEM_FAULT_UNMAPPED },
			{ gpu.va_end, DRM_MOVGEM_FAULT_RANGE },
			{ gpu.va_end + va, DRM_MOVGEM_FAULT_RANGE },
			{ 1ull << 63, DRM_MOVGEM_FAULT_RANGE },
			{ 0xfffffffffffff000ull, DRM_MOVGEM_FAULT_RANGE },
			{ 0ull - 64, DRM_MOVGEM_FAULT_RANGE },
			{ va + 4096, DRM_MOVGEM_FAULT_READONLY },
		};

		for (i = 0; i < ARRAY_SIZE(bad); i++) {
			bool write;

			igt_debug("%s %#llx\n", access_names[kind], (long long)bad[i].addr);
			movgem_cmd_nop(&rig.s);
			write = add_access(&rig, kind, bad[i].addr);
			if (bad[i].type == DRM_MOVGEM_FAULT_READONLY && !write) {
				movgem_stream_run(&rig.s, rig.queue);
				continue;
			}
			run_bad(&rig, bad[i].type, write, bad[i].addr,
				sizeof(struct drm_movgem_cmd_nop));
		}
	}
	movgem_check_pattern(map, SIZE, 1);
	munmap(map, SIZE);
	movgem_rig_fini(&rig);
	gem_close(fd, handle);
}

static void test_crossing(int fd)
{
	uint64_t va = movgem_va_alloc(fd, SIZE), bad = va + 3 * MOVGEM_PAGE;
	uint32_t handle = movgem_bo_create(fd, SIZE, 0);
	uint32_t *map = movgem_bo_mmap(fd, handle, SIZE);
	struct movgem_rig rig;
	unsigned int i;

	movgem_rig_init(&rig, fd);
	movgem_vm_map(fd, rig.vm, handle, 0, va, SIZE, 0);
	movgem_vm_unmap(fd, rig.vm, bad, MOVGEM_PAGE);
	movgem_cmd_fill(&rig.s, va + 8, SIZE - 8, 0xf111);
	run_bad(&rig, DRM_MOVGEM_FAULT_UNMAPPED, DRM_MOVGEM_ACCESS_WRITE, bad, 0);
	/* What the job may have written is what it was told to write. */
	for (i = 0; i < SIZE / 4; i++)
		igt_assert(map[i] == 0 || (map[i] == 0xf111 && i >= 2));
	movgem_check_value(map + 3 * 1024, MOVGEM_PAGE, 0);

	movgem_cmd_copy(&rig.s, va + 4 * MOVGEM_PAGE, bad - 100, 200);
	run_bad(&rig, DRM_MOVGEM_FAULT_UNMAPPED, DRM_MOVGEM_ACCESS_READ, bad, 0);
	movgem_cmd_copy(&rig.s, bad - 100, va, 200);
	run_bad(&rig, DRM_MOVGEM_FAULT_UNMAPPED, DRM_MOVGEM_ACCESS_WRITE, bad, 0);
	munmap(map, SIZE);
	movgem_rig_fini(&rig);
	gem_close(fd, handle);
}

static void test_misaligned(int fd)
{
	static const enum access kinds[] = { FILL, SEM_WAIT, SEM_WRITE, STAMP, BLIT_SRC, BLIT_DST };
	struct movgem_rig rig;
	unsigned int k, off;

	movgem_rig_init(&rig, fd);
	for (k = 0; k < ARRAY_SIZE(kinds); k++) {
		for (off = 1; off < 8; off++) {
			unsigned int align = kinds[k] == SEM_WAIT || kinds[k] == SEM_WRITE ||
					     kinds[k] == STAMP ? 8 : 4;
			bool write;

			if (off % align == 0)
				continue;
			memset(rig.map, 0x11, MOVGEM_PAGE);
			write = add_access(&rig, kinds[k], rig.va + 2048 + off);
			run_bad(&rig, DRM_MOVGEM_FAULT_RANGE, write, rig.va + 2048 + off, 0);
			movgem_check_value(rig.map, MOVGEM_PAGE, 0x11111111);
		}
	}
	movgem_rig_fini(&rig);
}

static void test_fetch(int fd)
{
	uint64_t va = movgem_va_alloc(fd, SIZE);
	uint32_t handle = movgem_bo_create(fd, SIZE, 0), done;
	struct drm_movgem_sync sync;
	struct movgem_rig rig;
	int i;

	movgem_rig_init(&rig, fd);
	/* Zeroes are not a stream of no-ops: their size is wrong. */
	movgem_vm_map(fd, rig.vm, handle, 0, va, MOVGEM_PAGE, 0);
	for (i = 0; i < 3; i++) {
		static const int offsets[] = { 4096, 8192 + 64, 4096 - 16 };

		done = syncobj_create(fd, 0);
		sync = movgem_sync_signal(done, 0);
		if (i == 2) {
			struct drm_movgem_cmd_nop *cmd = movgem_bo_mmap(fd, handle, SIZE);

			cmd[510].hdr.size = sizeof(*cmd);
			cmd[511].hdr.size = sizeof(*cmd);
			munmap(cmd, SIZE);
		}
		igt_assert_eq(__movgem_submit(fd, rig.queue, va + offsets[i], 64, &sync, 1), 0);
		igt_assert_eq(movgem_syncobj_result(fd, done), -EFAULT);
		expect_record(&rig, DRM_MOVGEM_FAULT_UNMAPPED, DRM_MOVGEM_ACCESS_FETCH,
			      i == 2 ? va + 4096 : va + offsets[i], i == 2 ? 16 : 0);
		syncobj_destroy(fd, done);
	}
	/* It was there when it was submitted, and is not when it runs. */
	movgem_gate_loop(try) {
		struct movgem_gate gate;
		int ret;

		movgem_vm_map(fd, rig.vm, handle, 0, va, SIZE, 0);
		movgem_gate_shut_in(&gate, fd, rig.vm, rig.queue);
		done = syncobj_create(fd, 0);
		sync = movgem_sync_signal(done, 0);
		igt_assert_eq(__movgem_submit(fd, rig.queue, va + 4096 - 16, 16, &sync, 1), 0);
		movgem_vm_unmap(fd, rig.vm, va, SIZE);
		if (!movgem_gate_open(&gate))
			continue;
		ret = movgem_syncobj_result(fd, done);
		igt_assert_eq(ret, -EFAULT);
		expect_record(&rig, DRM_MOVGEM_FAULT_UNMAPPED, DRM_MOVGEM_ACCESS_FETCH,
			      va + 4096 - 16, 0);
		break;
	}
	movgem_rig_fini(&rig);
	gem_close(fd, handle);
}

static void test_commands(int fd)
{
	struct movgem_rig rig;
	unsigned int i, opcode, n = 0;
	/* Sizes of the commands by opcode. */
	static const uint16_t sizes[] = {
		sizeof(struct drm_movgem_cmd_nop), sizeof(struct drm_movgem_cmd_fill),
		sizeof(struct drm_movgem_cmd_copy), sizeof(struct drm_movgem_cmd_blit),
		sizeof(struct drm_movgem_cmd_sem), sizeof(struct drm_movgem_cmd_sem),
		sizeof(struct drm_movgem_cmd_timestamp),
	};

	movgem_rig_init(&rig, fd);
	memset(rig.map, 0x22, MOVGEM_PAGE);
	for (opcode = 0; opcode < ARRAY_SIZE(sizes); opcode++) {
		const uint16_t bad_sizes[] = {
			0, 4, sizes[opcode] - 8, sizes[opcode] + 8, sizes[opcode] + 1,
			sizes[opcode] - 1, 0xffff, 0xfff8,
		};

		for (i = 0; i < ARRAY_SIZE(bad_sizes); i++, n++) {
			struct drm_movgem_cmd_header *hdr;

			hdr = movgem_cmd(&rig.s, opcode, 256, 0);
			hdr->size = bad_sizes[i];
			memset(hdr + 1, 0x40, 248);
			run_bad(&rig, DRM_MOVGEM_FAULT_COMMAND, 0, 0, 0);
		}
		for (i = 0; i < 32; i++, n++) {
			uint32_t flags = 1u << i;

			if (opcode == DRM_MOVGEM_CMD_BLIT && flags <= DRM_MOVGEM_BLIT_SRC_OVER)
				continue;
			if (opcode == DRM_MOVGEM_CMD_SEM_WAIT && flags == DRM_MOVGEM_SEM_GE)
				continue;
			if (opcode == DRM_MOVGEM_CMD_BLIT) {
				struct drm_movgem_surface s = surface(rig.va);

				movgem_cmd_blit(&rig.s, &s, &s, flags);
			} else {
				movgem_cmd(&rig.s, opcode, sizes[opcode], flags);
			}
			run_bad(&rig, DRM_MOVGEM_FAULT_COMMAND, 0, 0, 0);
		}
	}
	for (opcode = ARRAY_SIZE(sizes); opcode < 0x10000; opcode = opcode * 3 / 2, n++) {
		movgem_cmd(&rig.s, opcode, 64, 0);
		run_bad(&rig, DRM_MOVGEM_FAULT_COMMAND, 0, 0, 0);
	}
	movgem_cmd(&rig.s, 0xffff, 8, 0);
	run_bad(&rig, DRM_MOVGEM_FAULT_COMMAND, 0, 0, 0);

	/* The padding of a fill, and a size that is no number of words. */
	movgem_cmd_fill(&rig.s, rig.va, 64, 0);
	((struct drm_movgem_cmd_fill *)rig.s.map)->pad = 1;
	run_bad(&rig, DRM_MOVGEM_FAULT_COMMAND, 0, 0, 0);
	for (i = 1; i < 4; i++) {
		movgem_cmd_fill(&rig.s, rig.va, 64 + i, 0);
		run_bad(&rig, DRM_MOVGEM_FAULT_COMMAND, 0, 0, 0);
	}

	/* A command that is longer than what is left of the stream. */
	movgem_cmd_nop(&rig.s);
	movgem_cmd_fill(&rig.s, rig.va, 64, 0);
	rig.s.pos -= 8;
	run_bad(&rig, DRM_MOVGEM_FAULT_COMMAND, 0, 0, 8);
	movgem_check_value(rig.map, MOVGEM_PAGE, 0x22222222);
	igt_info("%u bad commands\n", n);
	movgem_rig_fini(&rig);
}

static void test_stops_there(int fd)
{
	struct movgem_rig rig;
	uint64_t hole = movgem_va_alloc(fd, SIZE), at;
	int i;

	movgem_rig_init(&rig, fd);
	memset(rig.map, 0, MOVGEM_PAGE);
	for (i = 0; i < 10; i++)
		movgem_cmd_fill(&rig.s, rig.va + i * 4, 4, i + 1);
	at = rig.s.pos;
	movgem_cmd_fill(&rig.s, hole, 4, 0xbad);
	for (i = 10; i < 20; i++)
		movgem_cmd_fill(&rig.s, rig.va + i * 4, 4, i + 1);
	run_bad(&rig, DRM_MOVGEM_FAULT_UNMAPPED, DRM_MOVGEM_ACCESS_WRITE, hole, at);
	for (i = 0; i < 20; i++)
		igt_assert_eq_u32(rig.map[i], i < 10 ? i + 1 : 0);
	movgem_rig_fini(&rig);
}

static void test_queue_goes_on(int fd)
{
	enum { jobs = 30 };
	struct movgem_stream s[jobs];
	uint32_t done[jobs], other, depends = syncobj_create(fd, 0);
	struct drm_movgem_queue_state state;
	struct drm_movgem_sync syncs[2];
	struct movgem_rig rig;
	int i;

	movgem_rig_init(&rig, fd);
	memset(rig.map, 0, MOVGEM_PAGE);
	for (i = 0; i < jobs; i++) {
		movgem_stream_init(&s[i], fd, rig.vm, MOVGEM_PAGE);
		if (i % 3 == 1)
			movgem_cmd(&s[i], 0x1000, 8, 0);
		else
			movgem_cmd_fill(&s[i], i % 3 ? 0 : rig.va + i * 4, 4, i + 1);
	}
	for (i = 0; i < jobs; i++)
		done[i] = movgem_stream_submit_sync(&s[i], rig.queue);
	/* A job of another queue that waits for a bad one. */
	other = movgem_queue_create(fd, rig.vm);
	movgem_cmd_fill(&rig.s, rig.va + 2048, 4, 0x600d);
	syncs[0] = movgem_sync_wait(done[jobs - 2], 0);
	syncs[1] = movgem_sync_signal(depends, 0);
	movgem_stream_submit(&rig.s, other, syncs, 2);
	for (i = 0; i < jobs; i++) {
		static const int results[] = { 0, -EINVAL, -EFAULT };

		igt_assert_eq(movgem_syncobj_result(fd, done[i]), results[i % 3]);
		igt_assert_eq_u32(rig.map[i], i % 3 ? 0 : i + 1);
		syncobj_destroy(fd, done[i]);
		movgem_stream_fini(&s[i]);
	}
	/* The fence is what it waited for; its error is not this job's. */
	movgem_syncobj_result(fd, depends);
	syncobj_destroy(fd, depends);
	movgem_queue_state(fd, rig.queue, &state);
	igt_assert_eq_u64(state.submitted, jobs);
	igt_assert_eq_u64(state.completed, jobs);
	igt_assert_eq_u64(state.faulted, jobs / 3 * 2);
	igt_assert_eq_u64(state.fault.seqno, jobs);
	movgem_queue_destroy(fd, other);
	movgem_rig_fini(&rig);
}

static void test_other_vm(int fd)
{
	struct movgem_rig good, evil;
	uint64_t va = movgem_va_alloc(fd, SIZE);
	uint32_t handle = movgem_bo_create(fd, SIZE, 0);
	void *map = movgem_bo_mmap(fd, handle, SIZE);
	int i, fd2 = movgem_reopen(fd);

	movgem_rig_init(&good, fd);
	movgem_rig_init(&evil, fd2);
	movgem_vm_map(fd, good.vm, handle, 0, va, SIZE, 0);
	movgem_fill_pattern(map, SIZE, 3);
	for (i = 0; i < PAGES; i++) {
		/* The victim's translation is in the TLB when the other one asks. */
		movgem_rig_expect(&good, va + i * MOVGEM_PAGE, movgem_mix(3, i * 1024));
		movgem_rig_expect_fault(&evil, va + i * MOVGEM_PAGE,
					DRM_MOVGEM_FAULT_UNMAPPED, DRM_MOVGEM_ACCESS_WRITE);
		movgem_rig_expect_fault(&evil, va + i * MOVGEM_PAGE,
					DRM_MOVGEM_FAULT_UNMAPPED, DRM_MOVGEM_ACCESS_READ);
	}
	movgem_check_pattern(map, SIZE, 3);
	munmap(map, SIZE);
	movgem_rig_fini(&good);
	movgem_rig_fini(&evil);
	movgem_close(fd2);
	gem_close(fd, handle);
}

static void test_random_addresses(int fd)
{
	uint64_t seed = 0x616464726573ull, va = movgem_va_alloc(fd, SIZE);
	uint32_t canary = movgem_bo_create(fd, SIZE, 0), handle = movgem_bo_create(fd, SIZE, 0);
	void *map = movgem_bo_mmap(fd, canary, SIZE);
	struct drm_movgem_gpu_info gpu;
	struct movgem_rig good, evil;
	int i, faults = 0;

	movgem_gpu_info(fd, &gpu);
	movgem_rig_init(&good, fd);
	movgem_rig_init(&evil, fd);
	movgem_vm_map(fd, good.vm, canary, 0, va, SIZE, 0);
	movgem_vm_map(fd, evil.vm, handle, 0, va, SIZE / 2, 0);
	movgem_fill_pattern(map, SIZE, 4);
	for (i = 0; i < 400; i++) {
		uint64_t r = movgem_rand(&seed), addr = 0;

		switch (i % 4) {
		case 0:
			addr = r;
			break;
		case 1:
			addr = r % gpu.va_end;
			break;
		case 2: /* near what is mapped, so that upper levels exist */
			addr = va + r % SZ_2M - SZ_1M;
			break;
		case 3: /* one bit away from what is mapped */
			addr = (va + r % SIZE) ^ (1ull << (12 + r / SIZE % 52));
			break;
		}
		addr &= ~3ull;
		/* Its own stream is all that it could spoil. */
		if (addr >= evil.s.va && addr < evil.s.va + evil.s.size)
			continue;
		movgem_stream_reset(&evil.s);
		movgem_cmd_fill(&evil.s, addr, 4, 0xdeadbeef);
		faults += !!__movgem_stream_run(&evil.s, evil.queue);
	}
	igt_info("%d of 400 faulted\n", faults);
	igt_assert_lt(200, faults);
	movgem_check_pattern(map, SIZE, 4);
	movgem_rig_expect(&good, va, movgem_mix(4, 0));
	munmap(map, SIZE);
	movgem_rig_fini(&good);
	movgem_rig_fini(&evil);
	gem_close(fd, canary);
	gem_close(fd, handle);
}

/* A stream that waits for what never comes, then writes a word. */
static void make_hang(struct movgem_stream *s, struct movgem_rig *rig, unsigned int word)
{
	movgem_stream_init(s, rig->fd, rig->vm, MOVGEM_PAGE);
	movgem_cmd_sem_wait(s, rig->va, 0x4e4e4e4e, 0);
	movgem_cmd_fill(s, rig->va + word * 4, 4, 0xbad);
}

static void test_hang(int fd)
{
	struct drm_movgem_queue_state state;
	struct movgem_stream bad;
	struct movgem_rig rig;
	uint32_t hung, done[10];
	int i;

	movgem_rig_init(&rig, fd);
	memset(rig.map, 0, MOVGEM_PAGE);
	make_hang(&bad, &rig, 20);
	hung = movgem_stream_submit_sync(&bad, rig.queue);
	/* Queued behind it, long before it is reset. */
	movgem_cmd_copy(&rig.s, rig.va + 128, rig.va + 124, 40);
	movgem_cmd_fill(&rig.s, rig.va + 124, 4, 7);
	for (i = 0; i < 10; i++)
		done[i] = movgem_stream_submit_sync(&rig.s, rig.queue);
	igt_assert_eq(movgem_syncobj_result(fd, hung), -ETIMEDOUT);
	for (i = 0; i < 10; i++) {
		igt_assert_eq(movgem_syncobj_result(fd, done[i]), 0);
		syncobj_destroy(fd, done[i]);
	}
	movgem_queue_state(fd, rig.queue, &state);
	igt_assert_eq_u64(state.faulted, 1);
	igt_assert_eq_u64(state.completed, 11);
	igt_assert_eq_u32(state.fault.type, DRM_MOVGEM_FAULT_TIMEOUT);
	igt_assert_eq_u64(state.fault.stream_offset, 0);
	igt_assert_eq_u64(state.fault.seqno, 1);
	/* Each of the ten has run, once. */
	for (i = 0; i < 10; i++)
		igt_assert_eq_u32(rig.map[31 + i], 7);
	igt_assert_eq_u32(rig.map[20], 0);

	/* The condition comes true, too late: the job is over. */
	rig.map[0] = 0x4e4e4e4e;
	movgem_stream_run(&rig.s, rig.queue);
	igt_assert_eq_u32(READ_ONCE(rig.map[20]), 0);
	syncobj_destroy(fd, hung);
	movgem_stream_fini(&bad);
	movgem_rig_fini(&rig);
}

static void test_hang_others_run(int fd)
{
	struct drm_movgem_queue_state state;
	struct movgem_rig rig, other, same_vm;
	struct movgem_stream bad;
	uint32_t hung, queue, jobs = 0, value;

	movgem_rig_init(&rig, fd);
	movgem_rig_init(&other, fd);
	memset(rig.map, 0, MOVGEM_PAGE);
	make_hang(&bad, &rig, 20);
	hung = movgem_stream_submit_sync(&bad, rig.queue);
	queue = movgem_queue_create(fd, rig.vm);
	same_vm = rig;
	same_vm.queue = queue;
	/* In another VM and in the same: all the time, and through the reset. */
	while (movgem_syncobj_busy(fd, hung)) {
		other.map[100] = jobs;
		movgem_rig_expect(&other, other.va + 400, jobs);
		rig.map[100] = jobs;
		igt_assert_eq(movgem_rig_read(&same_vm, rig.va + 400, &value), 0);
		jobs++;
	}
	igt_info("%u jobs of other queues ran beside the hang\n", jobs);
	igt_assert_lt(0, jobs);
	igt_assert_eq(movgem_syncobj_result(fd, hung), -ETIMEDOUT);
	movgem_queue_state(fd, other.queue, &state);
	igt_assert_eq_u64(state.faulted, 0);
	igt_assert_eq_u64(state.completed, jobs);
	movgem_queue_state(fd, queue, &state);
	igt_assert_eq_u64(state.faulted, 0);
	igt_assert_eq_u32(state.fault.type, DRM_MOVGEM_FAULT_NONE);
	syncobj_destroy(fd, hung);
	movgem_queue_destroy(fd, queue);
	movgem_stream_fini(&bad);
	movgem_rig_fini(&rig);
	movgem_rig_fini(&other);
}

static void test_hang_every_core(int fd)
{
	struct drm_movgem_gpu_info gpu;
	struct movgem_stream bad[24];
	uint32_t queue[24], hung[24], i, count;
	struct movgem_rig rig;

	movgem_gpu_info(fd, &gpu);
	count = min(gpu.cores * 2 + 1, 24u);
	movgem_rig_init(&rig, fd);
	memset(rig.map, 0, MOVGEM_PAGE);
	for (i = 0; i < count; i++) {
		queue[i] = movgem_queue_create(fd, rig.vm);
		make_hang(&bad[i], &rig, 20 + i);
		hung[i] = movgem_stream_submit_sync(&bad[i], queue[i]);
	}
	for (i = 0; i < count; i++) {
		igt_assert_eq(movgem_syncobj_result(fd, hung[i]), -ETIMEDOUT);
		igt_assert_eq_u32(rig.map[20 + i], 0);
		syncobj_destroy(fd, hung[i]);
		movgem_queue_destroy(fd, queue[i]);
		movgem_stream_fini(&bad[i]);
	}
	movgem_rig_expect(&rig, rig.va + 4, 0);
	movgem_rig_fini(&rig);
}

static void test_queue_destroy(int fd)
{
	enum { jobs = 10 };
	struct movgem_rig rig;
	struct movgem_stream bad;
	uint32_t done[jobs], hung, queue, i;
	int ret;

	movgem_rig_init(&rig, fd);
	memset(rig.map, 0, MOVGEM_PAGE);
	queue = movgem_queue_create(fd, rig.vm);
	make_hang(&bad, &rig, 20);
	movgem_cmd_fill(&rig.s, rig.va + 84, 4, 0xbad);
	hung = movgem_stream_submit_sync(&bad, queue);
	for (i = 0; i < jobs; i++)
		done[i] = movgem_stream_submit_sync(&rig.s, queue);
	movgem_queue_destroy(fd, queue);
	/* On a very slow machine the reset may have come first. */
	ret = movgem_syncobj_result(fd, hung);
	for (i = 0; i < jobs; i++) {
		int job = movgem_syncobj_result(fd, done[i]);

		if (ret != -ETIMEDOUT)
			igt_assert_eq(job, -ECANCELED);
		syncobj_destroy(fd, done[i]);
	}
	if (ret != -ETIMEDOUT) {
		igt_assert_eq(ret, -ECANCELED);
		igt_assert_eq_u32(READ_ONCE(rig.map[21]), 0);
	}
	igt_assert_eq_u32(READ_ONCE(rig.map[20]), 0);
	syncobj_destroy(fd, hung);
	movgem_bo_wait(fd, rig.handle);

	/* A queue that is destroyed with nothing in it, and one right behind a job. */
	for (i = 0; i < 20; i++) {
		queue = movgem_queue_create(fd, rig.vm);
		if (i & 1)
			movgem_stream_submit(&rig.s, queue, NULL, 0);
		movgem_queue_destroy(fd, queue);
	}
	movgem_stream_fini(&bad);
	movgem_rig_expect(&rig, rig.va + 4, 0);
	movgem_rig_fini(&rig);
}

/* Leaves jobs that hang, that are queued behind, and binds that wait for them. */
static void leave_jobs(int fd)
{
	struct movgem_rig rig;
	struct movgem_stream bad;
	uint32_t hung, handle = movgem_bo_create(fd, SIZE, 0);
	struct drm_movgem_bind_op op;
	struct drm_movgem_sync sync;
	int i;

	movgem_rig_init(&rig, fd);
	make_hang(&bad, &rig, 20);
	hung = movgem_stream_submit_sync(&bad, rig.queue);
	movgem_cmd_fill(&rig.s, rig.va + 80, 4, 1);
	for (i = 0; i < 5; i++)
		movgem_stream_submit(&rig.s, rig.queue, NULL, 0);
	op = movgem_op_map(handle, 0, movgem_va_alloc(fd, SIZE), SIZE, 0);
	sync = movgem_sync_wait(hung, 0);
	igt_assert_eq(__movgem_vm_bind(fd, rig.vm, DRM_MOVGEM_VM_BIND_ASYNC, &op, 1,
				       &sync, 1), 0);
	/* Not one thing is cleaned up. The CPU mappings go, or hold on to it. */
	munmap(bad.map, bad.size);
	munmap(rig.s.map, rig.s.size);
	munmap(rig.map, MOVGEM_PAGE);
}

/* When a fence signalled. */
static uint64_t signalled_at(int file)
{
	struct sync_fence_info fence = { };
	struct sync_file_info info = {
		.num_fences = 1,
		.sync_fence_info = to_user_pointer(&fence),
	};
	struct pollfd event = { .fd = file, .events = POLLIN };

	igt_assert_eq(poll(&event, 1, MOVGEM_LONG_NS / NSEC_PER_MSEC), 1);
	do_ioctl(file, SYNC_IOC_FILE_INFO, &info);
	igt_assert_eq_u32(info.num_fences, 1);
	close(file);
	return fence.timestamp_ns;
}

/*
 * The last of many queues has a long job, and behind it one that waits for a job
 * of the first, with which the end of the file begins.
 */
static void test_close_in_order(int fd)
{
	enum { first, second, files, others = 60 };

	for (int round = 0; round < 10; round++) {
		uint32_t queue, hung, done[files], bo;
		struct drm_movgem_sync syncs[2];
		struct movgem_stream bad;
		struct movgem_rig rig;
		uint64_t at[files], va;
		int file[files], own = movgem_reopen(fd);

		bo = movgem_bo_create(own, SZ_1M, 0);
		va = movgem_va_alloc(own, SZ_1M);
		movgem_rig_init(&rig, own);
		movgem_vm_map(own, rig.vm, bo, 0, va, SZ_1M, 0);
		make_hang(&bad, &rig, 20);
		hung = movgem_stream_submit_sync(&bad, rig.queue);
		for (int i = 0; i < 1000; i++)
			movgem_cmd_fill(&rig.s, va, SZ_1M, i);
		for (int i = 0; i < others; i++)
			movgem_stream_submit(&rig.s, movgem_queue_create(own, rig.vm), NULL, 0);
		queue = movgem_queue_create(own, rig.vm);
		done[first] = movgem_stream_submit_sync(&rig.s, queue);
		done[second] = syncobj_create(own, 0);
		syncs[0] = movgem_sync_wait(hung, 0);
		syncs[1] = movgem_sync_signal(done[second], 0);
		movgem_stream_submit(&rig.s, queue, syncs, 2);
		for (int i = 0; i < files; i++)
			file[i] = movgem_syncobj_file(own, done[i]);
		munmap(bad.map, bad.size);
		munmap(rig.s.map, rig.s.size);
		munmap(rig.map, MOVGEM_PAGE);
		movgem_close(own);

		for (int i = 0; i < files; i++)
			at[i] = signalled_at(file[i]);
		igt_assert_f(at[first] <= at[second], "round %d: a job ended %llu ns before the one ahead of it\n",
			     round, (long long)(at[first] - at[second]));
	}
}

static void test_close_file(int fd)
{
	struct drm_movgem_mem_info before;
	struct movgem_rig rig;
	int i, fd2;

	movgem_mem_info(fd, &before);
	for (i = 0; i < 3; i++) {
		fd2 = movgem_reopen(fd);
		leave_jobs(fd2);
		movgem_close(fd2);
		movgem_rig_init(&rig, fd);
		rig.map[8] = i;
		movgem_rig_expect(&rig, rig.va + 32, i);
		movgem_rig_fini(&rig);
	}
	movgem_wait_for_bos(fd, before.bos);
}

static void test_killed(int fd)
{
	struct drm_movgem_mem_info before;
	struct movgem_rig rig;
	int i;

	movgem_mem_info(fd, &before);
	for (i = 0; i < 3; i++) {
		struct igt_helper_process proc = { .use_SIGKILL = true };
		int p[2];
		char c;

		igt_assert_eq(pipe(p), 0);
		igt_fork_helper(&proc) {
			leave_jobs(movgem_reopen(fd));
			igt_assert_eq(write(p[1], "x", 1), 1);
			for (;;)
				pause();
		}
		close(p[1]);
		igt_assert_eq(read(p[0], &c, 1), 1);
		close(p[0]);
		igt_stop_helper(&proc);
		movgem_rig_init(&rig, fd);
		rig.map[8] = i;
		movgem_rig_expect(&rig, rig.va + 32, i);
		movgem_rig_fini(&rig);
	}
	movgem_wait_for_bos(fd, before.bos);
}

static void test_killed_in_use(int fd)
{
	enum { count = 64 };
	struct drm_movgem_mem_info before;
	uint32_t handles[count];
	int i, round;

	movgem_mem_info(fd, &before);
	for (round = 0; round < 4; round++) {
		struct igt_helper_process proc = { .use_SIGKILL = true };
		int p[2];
		char c;

		igt_assert_eq(pipe(p), 0);
		igt_fork_helper(&proc) {
			/* Fills over and over, for as long as it is let. */
			int fd2 = movgem_reopen(fd);
			uint32_t bo = movgem_bo_create(fd2, SZ_1M, 0);
			uint64_t va = movgem_va_alloc(fd2, SZ_1M);
			struct movgem_rig rig;

			movgem_rig_init(&rig, fd2);
			movgem_vm_map(fd2, rig.vm, bo, 0, va, SZ_1M, 0);
			for (i = 0; i < 1000; i++)
				movgem_cmd_fill(&rig.s, va, SZ_1M, 0xdeaddead);
			for (i = 0; i < 20; i++)
				movgem_stream_submit(&rig.s, rig.queue, NULL, 0);
			igt_assert_eq(write(p[1], "x", 1), 1);
			for (;;)
				pause();
		}
		close(p[1]);
		igt_assert_eq(read(p[0], &c, 1), 1);
		close(p[0]);
		igt_stop_helper(&proc);
		/* The freed pages are likely to come back here. */
		for (i = 0; i < count; i++)
			handles[i] = movgem_bo_create(fd, SZ_64K, 0);
		movgem_wait_for_bos(fd, before.bos + count);
		for (i = 0; i < count; i++) {
			void *map = movgem_bo_mmap(fd, handles[i], SZ_64K);

			movgem_check_value(map, SZ_64K, 0);
			munmap(map, SZ_64K);
			gem_close(fd, handles[i]);
		}
	}
	movgem_wait_for_bos(fd, before.bos);
}

int igt_main()
{
	static const struct movgem_subtest tests[] = {
		{ "addresses", test_addresses,
		  "Every kind of access to every kind of bad address is recorded as what it is." },
		{ "crossing", test_crossing,
		  "An access that begins well and ends badly faults on the bad page." },
		{ "misaligned", test_misaligned,
		  "Misaligned addresses fault, and nothing is written." },
		{ "fetch", test_fetch,
		  "A stream that is not there, or ends in a hole, faults as a fetch." },
		{ "commands", test_commands,
		  "Every way to spell a command wrong ends the job." },
		{ "stops-there", test_stops_there,
		  "What is before the fault was done, what is behind it was not." },
		{ "queue-goes-on", test_queue_goes_on,
		  "Jobs behind a faulty one run, and those that wait for its fence." },
		{ "other-vm", test_other_vm, "No address of another VM is within reach." },
		{ "random-addresses", test_random_addresses,
		  "Writes all over the address space touch no canary." },
		{ "hang", test_hang, "A job that hangs is reset, its queue goes on." },
		{ "hang-others-run", test_hang_others_run,
		  "While a job hangs the other queues run." },
		{ "hang-every-core", test_hang_every_core,
		  "More hanging jobs than cores are all reset, and then all is well." },
		{ "queue-destroy", test_queue_destroy,
		  "Destroying a queue cancels what runs and what is queued." },
		{ "close-in-order", test_close_in_order,
		  "The jobs of a queue end in their order when their file is closed." },
		{ "close-file", test_close_file,
		  "Closing the file ends its jobs and frees its buffers." },
		{ "killed", test_killed, "So does the end of the process." },
		{ "killed-with-buffers-in-use", test_killed_in_use,
		  "Buffers of a killed process are not written after they were freed." },
	};
	int fd = -1;

	igt_fixture()
		fd = movgem_open();

	movgem_subtests(tests, ARRAY_SIZE(tests), fd);

	igt_fixture()
		movgem_close(fd);
}
