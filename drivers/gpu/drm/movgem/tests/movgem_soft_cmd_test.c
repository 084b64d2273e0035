// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

/*
 * Command streams: what is accepted, what is refused and where, and that a
 * command goes on where it was interrupted. A stream lies in the pages at
 * STREAM, what it works on at DATA.
 */

#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/prandom.h>

#include <drm/drm_fourcc.h>

#include "movgem_kunit.h"

#define STREAM		MOVGEM_KUNIT_VA
#define STREAM_PAGES	2
#define DATA		(STREAM + 16 * PAGE_SIZE)
#define DATA_PAGES	6
#define DATA_SIZE	(DATA_PAGES * PAGE_SIZE)
#define HOLE		(DATA + DATA_SIZE)

static int cmd_test_init(struct kunit *test)
{
	struct movgem_kunit_gpu *gpu = movgem_kunit_gpu(test);

	for (int i = 0; i < STREAM_PAGES; i++)
		movgem_kunit_map(gpu, STREAM + i * PAGE_SIZE, i, 0);
	for (int i = 0; i < DATA_PAGES; i++)
		movgem_kunit_map(gpu, DATA + i * PAGE_SIZE, STREAM_PAGES + i, 0);
	gpu->job.stream_addr = STREAM;
	test->priv = gpu;
	return 0;
}

static u8 *data_at(struct movgem_kunit_gpu *gpu, u64 offset)
{
	return movgem_kunit_mem(gpu, STREAM_PAGES + offset / PAGE_SIZE) +
	       offset % PAGE_SIZE;
}

static void begin(struct movgem_kunit_gpu *gpu, u64 addr)
{
	gpu->job.stream_addr = addr;
	gpu->job.stream_size = 0;
	gpu->job.engine.offset = 0;
	gpu->job.engine.done_bytes = 0;
	gpu->sq.cmd_valid = false;
	memset(&gpu->ctx.fault, 0, sizeof(gpu->ctx.fault));
}

/* Append to the stream; it may cross its two pages. */
static void add(struct movgem_kunit_gpu *gpu, const void *cmd, u32 size)
{
	u32 pos = gpu->job.stream_addr - STREAM + gpu->job.stream_size;

	for (u32 i = 0; i < size; i++, pos++)
		movgem_kunit_mem(gpu, pos / PAGE_SIZE)[pos % PAGE_SIZE] =
			((const u8 *)cmd)[i];
	gpu->job.stream_size += size;
}

static struct drm_movgem_cmd_header header(u16 opcode, u16 size, u32 flags)
{
	return (struct drm_movgem_cmd_header) {
		.opcode = opcode, .size = size, .flags = flags,
	};
}

static void add_nop(struct movgem_kunit_gpu *gpu)
{
	struct drm_movgem_cmd_nop nop = {
		header(DRM_MOVGEM_CMD_NOP, sizeof(nop), 0),
	};

	add(gpu, &nop, sizeof(nop));
}

static void add_fill(struct movgem_kunit_gpu *gpu, u64 dst, u64 size, u32 value)
{
	struct drm_movgem_cmd_fill fill = {
		.hdr = header(DRM_MOVGEM_CMD_FILL, sizeof(fill), 0),
		.dst = dst, .size = size, .value = value,
	};

	add(gpu, &fill, sizeof(fill));
}

static void add_copy(struct movgem_kunit_gpu *gpu, u64 dst, u64 src, u64 size)
{
	struct drm_movgem_cmd_copy copy = {
		.hdr = header(DRM_MOVGEM_CMD_COPY, sizeof(copy), 0),
		.src = src, .dst = dst, .size = size,
	};

	add(gpu, &copy, sizeof(copy));
}

static void add_sem(struct movgem_kunit_gpu *gpu, u16 opcode, u32 flags,
		    u64 addr, u64 value)
{
	struct drm_movgem_cmd_sem sem = {
		.hdr = header(opcode, sizeof(sem), flags),
		.addr = addr, .value = value,
	};

	add(gpu, &sem, sizeof(sem));
}

static void add_timestamp(struct movgem_kunit_gpu *gpu, u64 addr)
{
	struct drm_movgem_cmd_timestamp timestamp = {
		.hdr = header(DRM_MOVGEM_CMD_TIMESTAMP, sizeof(timestamp), 0),
		.addr = addr,
	};

	add(gpu, &timestamp, sizeof(timestamp));
}

static struct drm_movgem_cmd_blit blit_cmd(u64 dst, u64 src, u32 w, u32 h)
{
	return (struct drm_movgem_cmd_blit) {
		.hdr = header(DRM_MOVGEM_CMD_BLIT,
			      sizeof(struct drm_movgem_cmd_blit), 0),
		.src = {
			.addr = src, .pitch = w * 4,
			.format = DRM_FORMAT_ARGB8888,
			.width = w, .height = h, .w = w, .h = h,
		},
		.dst = {
			.addr = dst, .pitch = w * 4,
			.format = DRM_FORMAT_ARGB8888,
			.width = w, .height = h, .w = w, .h = h,
		},
	};
}

static void expect_fault(struct movgem_kunit_gpu *gpu, u32 type, u32 access,
			 u64 address, u32 offset)
{
	struct kunit *test = gpu->test;
	int ret = movgem_soft_exec(&gpu->ctx);

	KUNIT_EXPECT_EQ(test, type == DRM_MOVGEM_FAULT_COMMAND ? -EINVAL :
								-EFAULT, ret);
	KUNIT_EXPECT_EQ(test, type, gpu->ctx.fault.type);
	KUNIT_EXPECT_EQ(test, access, gpu->ctx.fault.access);
	KUNIT_EXPECT_EQ(test, address, gpu->ctx.fault.address);
	KUNIT_EXPECT_EQ(test, offset, gpu->ctx.fault.stream_offset);
	KUNIT_EXPECT_EQ(test, gpu->job.seqno, gpu->ctx.fault.seqno);
}

/* Size and flags that each opcode has, from the uapi. */
static const struct opcode {
	u16 opcode;
	u16 size;
	u32 flags;
} opcodes[] = {
	{ DRM_MOVGEM_CMD_NOP, 8 },
	{ DRM_MOVGEM_CMD_FILL, 32 },
	{ DRM_MOVGEM_CMD_COPY, 32 },
	{ DRM_MOVGEM_CMD_BLIT, 8 + 2 * 40,
	  DRM_MOVGEM_BLIT_BILINEAR | DRM_MOVGEM_BLIT_SRC_OVER },
	{ DRM_MOVGEM_CMD_SEM_WAIT, 24, DRM_MOVGEM_SEM_GE },
	{ DRM_MOVGEM_CMD_SEM_WRITE, 24 },
	{ DRM_MOVGEM_CMD_TIMESTAMP, 16 },
};

static void opcode_name(const struct opcode *op, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "opcode-%u", op->opcode);
}

KUNIT_ARRAY_PARAM(opcode, opcodes, opcode_name);

/* Of a header only the very size and the named flags are accepted. */
static void cmd_header(struct kunit *test)
{
	const struct opcode *op = test->param_value;

	for (u32 size = 0; size <= U16_MAX; size++) {
		struct drm_movgem_cmd_header hdr = header(op->opcode, size, 0);

		KUNIT_ASSERT_EQ_MSG(test, size == op->size ? 0 : -EINVAL,
				    movgem_soft_check_header(&hdr, U64_MAX),
				    "size %u", size);
	}
	for (int bit = 0; bit < 32; bit++) {
		struct drm_movgem_cmd_header hdr = header(op->opcode, op->size,
							  BIT(bit));

		KUNIT_EXPECT_EQ_MSG(test, op->flags & BIT(bit) ? 0 : -EINVAL,
				    movgem_soft_check_header(&hdr, op->size),
				    "flag %d", bit);
	}
	for (u64 left = 0; left <= 2 * op->size; left++) {
		struct drm_movgem_cmd_header hdr = header(op->opcode, op->size,
							  op->flags);

		KUNIT_EXPECT_EQ_MSG(test, left < op->size ? -EINVAL : 0,
				    movgem_soft_check_header(&hdr, left),
				    "%llu bytes left", left);
	}
}

static void cmd_opcodes(struct kunit *test)
{
	for (u32 opcode = ARRAY_SIZE(opcodes); opcode <= U16_MAX; opcode++)
		for (u32 size = 8; size <= 96; size += 8) {
			struct drm_movgem_cmd_header hdr = header(opcode, size,
								  0);

			KUNIT_ASSERT_EQ_MSG(test, -EINVAL,
					    movgem_soft_check_header(&hdr, 96),
					    "opcode %u", opcode);
		}
}

/* A stream that ends inside its last command: what is before is executed. */
static void cmd_truncated(struct kunit *test)
{
	const struct opcode *op = test->param_value;
	struct movgem_kunit_gpu *gpu = test->priv;
	struct drm_movgem_cmd_header hdr = header(op->opcode, op->size, 0);
	u8 cmd[96] = {};

	memcpy(cmd, &hdr, sizeof(hdr));
	for (u32 size = 8; size < op->size; size += 8) {
		begin(gpu, STREAM);
		add_fill(gpu, DATA, 4, size);
		add(gpu, cmd, size);
		expect_fault(gpu, DRM_MOVGEM_FAULT_COMMAND,
			     DRM_MOVGEM_ACCESS_FETCH, 0, 32);
		KUNIT_EXPECT_EQ(test, size, *(u32 *)data_at(gpu, 0));
	}
	/* Not even a header; SUBMIT would not let it through. */
	begin(gpu, STREAM);
	add(gpu, cmd, 4);
	expect_fault(gpu, DRM_MOVGEM_FAULT_COMMAND, DRM_MOVGEM_ACCESS_FETCH, 0,
		     0);
	begin(gpu, STREAM + 4);
	add(gpu, cmd, 8);
	expect_fault(gpu, DRM_MOVGEM_FAULT_COMMAND, DRM_MOVGEM_ACCESS_FETCH, 0,
		     0);
}

static void cmd_fill_check(struct kunit *test)
{
	struct movgem_kunit_gpu *gpu = test->priv;
	union soft_command cmd = {
		.fill.hdr = header(DRM_MOVGEM_CMD_FILL, 32, 0),
		.fill.size = 64,
	};

	KUNIT_EXPECT_EQ(test, 0, movgem_soft_check_command(&cmd));
	for (int i = 0; i < 9; i++) {
		cmd.fill.size = i;
		KUNIT_EXPECT_EQ(test, i % 4 ? -EINVAL : 0,
				movgem_soft_check_command(&cmd));
	}
	cmd.fill.size = 64;
	cmd.fill.pad = 1;
	KUNIT_EXPECT_EQ(test, -EINVAL, movgem_soft_check_command(&cmd));

	/* In a stream it is the command that is at fault, not an address. */
	begin(gpu, STREAM);
	add_nop(gpu);
	add(gpu, &cmd, 32);
	expect_fault(gpu, DRM_MOVGEM_FAULT_COMMAND, DRM_MOVGEM_ACCESS_FETCH, 0,
		     8);
}

/* Every limit of a surface, in the source and in the destination. */
static void cmd_blit_check(struct kunit *test)
{
	const u32 max = DRM_MOVGEM_SURFACE_MAX;
	const struct {
		struct drm_movgem_surface s;
		bool ok;
	} surfaces[] = {
#define SURFACE(p, fmt, wd, ht, x0, y0, w0, h0) { \
	.pitch = p, .format = DRM_FORMAT_##fmt, .width = wd, .height = ht, \
	.x = x0, .y = y0, .w = w0, .h = h0 }
		{ SURFACE(64, ARGB8888, 16, 16, 0, 0, 16, 16), true },
		{ SURFACE(64, XRGB8888, 16, 16, 15, 15, 1, 1), true },
		{ SURFACE(64, XBGR8888, 16, 16, 3, 4, 5, 6), true },
		{ SURFACE(68, ABGR8888, 16, 16, 0, 0, 16, 16), true },
		{ SURFACE(32, RGB565, 16, 16, 0, 0, 16, 16), true },
		{ SURFACE(34, RGB565, 16, 16, 0, 0, 16, 16), true },
		{ SURFACE(max * 4, ARGB8888, max, max, 0, 0, max, max), true },
		{ SURFACE(4, ARGB8888, 1, 1, 0, 0, 1, 1), true },
		{ SURFACE(64, RGB888, 16, 16, 0, 0, 16, 16) },
		{ SURFACE(64, NV12, 16, 16, 0, 0, 16, 16) },
		{ SURFACE(0, ARGB8888, 0, 16, 0, 0, 0, 16) },
		{ SURFACE(64, ARGB8888, 16, 0, 0, 0, 16, 0) },
		{ SURFACE(max * 8, ARGB8888, max + 1, 1, 0, 0, 1, 1) },
		{ SURFACE(64, ARGB8888, 1, max + 1, 0, 0, 1, 1) },
		{ SURFACE(60, ARGB8888, 16, 16, 0, 0, 16, 16) },
		{ SURFACE(66, ARGB8888, 16, 16, 0, 0, 16, 16) },
		{ SURFACE(33, RGB565, 16, 16, 0, 0, 16, 16) },
		{ SURFACE(30, RGB565, 16, 16, 0, 0, 16, 16) },
		{ SURFACE(64, ARGB8888, 16, 16, 16, 0, 1, 1) },
		{ SURFACE(64, ARGB8888, 16, 16, 0, 16, 1, 1) },
		{ SURFACE(64, ARGB8888, 16, 16, 0, 0, 0, 1) },
		{ SURFACE(64, ARGB8888, 16, 16, 0, 0, 1, 0) },
		{ SURFACE(64, ARGB8888, 16, 16, 0, 0, 17, 1) },
		{ SURFACE(64, ARGB8888, 16, 16, 0, 0, 1, 17) },
		{ SURFACE(64, ARGB8888, 16, 16, 1, 0, 16, 1) },
		{ SURFACE(64, ARGB8888, 16, 16, 0, 1, 1, 16) },
		{ SURFACE(64, ARGB8888, 16, 16, 1, 0, U32_MAX, 1) },
		{ SURFACE(64, ARGB8888, 16, 16, 0, 1, 1, U32_MAX) },
		{ SURFACE(64, ARGB8888, 16, 16, U32_MAX, 0, 2, 1) },
#undef SURFACE
	};
	union soft_command cmd;

	for (int i = 0; i < ARRAY_SIZE(surfaces); i++) {
		int want = surfaces[i].ok ? 0 : -EINVAL;

		cmd.blit = blit_cmd(DATA, DATA, 8, 8);
		cmd.blit.src = surfaces[i].s;
		KUNIT_EXPECT_EQ_MSG(test, want, movgem_soft_check_command(&cmd),
				    "source %d", i);
		cmd.blit = blit_cmd(DATA, DATA, 8, 8);
		cmd.blit.dst = surfaces[i].s;
		KUNIT_EXPECT_EQ_MSG(test, want, movgem_soft_check_command(&cmd),
				    "destination %d", i);
	}
}

/* Commands wherever they lie, also over the end of a page. */
static void cmd_crossing(struct kunit *test)
{
	struct movgem_kunit_gpu *gpu = test->priv;

	for (u32 pos = PAGE_SIZE - 96; pos <= PAGE_SIZE; pos += 8) {
		struct drm_movgem_cmd_blit blit = blit_cmd(DATA + PAGE_SIZE,
							   DATA, 4, 4);

		begin(gpu, STREAM + pos);
		add_fill(gpu, DATA, 64, pos);
		add(gpu, &blit, sizeof(blit));
		add_fill(gpu, DATA + PAGE_SIZE + 60, 4, ~pos);
		KUNIT_EXPECT_EQ(test, 0, movgem_soft_exec(&gpu->ctx));
		KUNIT_EXPECT_EQ(test, gpu->job.stream_size,
				gpu->job.engine.offset);
		for (int i = 0; i < 60; i += 4)
			KUNIT_EXPECT_EQ(test, pos, *(u32 *)data_at(gpu, PAGE_SIZE + i));
		KUNIT_EXPECT_EQ(test, ~pos, *(u32 *)data_at(gpu, PAGE_SIZE + 60));
	}
}

static void cmd_fetch_fault(struct kunit *test)
{
	struct movgem_kunit_gpu *gpu = test->priv;
	u64 second = STREAM + PAGE_SIZE;

	/* The second half of a command is not there. */
	begin(gpu, second - 24);
	add_nop(gpu);
	add_fill(gpu, DATA, 64, 1);
	movgem_kunit_unmap(gpu, second);
	expect_fault(gpu, DRM_MOVGEM_FAULT_UNMAPPED, DRM_MOVGEM_ACCESS_FETCH,
		     second, 8);
	/* And the whole command. */
	begin(gpu, second - 8);
	add_nop(gpu);
	add_nop(gpu);
	expect_fault(gpu, DRM_MOVGEM_FAULT_UNMAPPED, DRM_MOVGEM_ACCESS_FETCH,
		     second, 8);
	/* A command that ends with the page does not need the next. */
	begin(gpu, second - 40);
	add_nop(gpu);
	add_fill(gpu, DATA, 4, 0x1234);
	KUNIT_EXPECT_EQ(test, 0, movgem_soft_exec(&gpu->ctx));
	KUNIT_EXPECT_EQ(test, 0x1234, *(u32 *)data_at(gpu, 0));
	/* A bad command that would reach into the hole is judged by itself. */
	begin(gpu, second - 8);
	add(gpu, &(struct drm_movgem_cmd_header) {
			.opcode = DRM_MOVGEM_CMD_FILL, .size = 24 }, 8);
	gpu->job.stream_size = 24;
	expect_fault(gpu, DRM_MOVGEM_FAULT_COMMAND, DRM_MOVGEM_ACCESS_FETCH, 0,
		     0);
}

/* Ranges that are wrong, for each command that has one. */
static void cmd_addresses(struct kunit *test)
{
	struct movgem_kunit_gpu *gpu = test->priv;
	const u64 last = MOVGEM_VA_END - 4;

#define EXPECT(add_, type, access, address) do { \
	begin(gpu, STREAM); \
	add_nop(gpu); \
	add_; \
	expect_fault(gpu, DRM_MOVGEM_FAULT_##type, DRM_MOVGEM_ACCESS_##access, \
		     address, 8); \
} while (0)

	EXPECT(add_fill(gpu, DATA + 2, 4, 0), RANGE, WRITE, DATA + 2);
	EXPECT(add_fill(gpu, last, 8, 0), RANGE, WRITE, last);
	EXPECT(add_fill(gpu, DATA, U64_MAX - 3, 0), RANGE, WRITE, DATA);
	EXPECT(add_fill(gpu, MOVGEM_VA_END, 4, 0), RANGE, WRITE, MOVGEM_VA_END);
	EXPECT(add_fill(gpu, HOLE, 4, 0), UNMAPPED, WRITE, HOLE);
	EXPECT(add_fill(gpu, HOLE - 8, 16, 0), UNMAPPED, WRITE, HOLE);

	EXPECT(add_copy(gpu, DATA, last, 5), RANGE, READ, last);
	EXPECT(add_copy(gpu, last, DATA, 5), RANGE, WRITE, last);
	EXPECT(add_copy(gpu, DATA, U64_MAX, 1), RANGE, READ, U64_MAX);
	EXPECT(add_copy(gpu, DATA, HOLE, 1), UNMAPPED, READ, HOLE);
	EXPECT(add_copy(gpu, HOLE, DATA, 1), UNMAPPED, WRITE, HOLE);

	EXPECT(add_sem(gpu, DRM_MOVGEM_CMD_SEM_WAIT, 0, DATA + 4, 0), RANGE,
	       READ, DATA + 4);
	EXPECT(add_sem(gpu, DRM_MOVGEM_CMD_SEM_WAIT, 0, MOVGEM_VA_END, 0),
	       RANGE, READ, MOVGEM_VA_END);
	EXPECT(add_sem(gpu, DRM_MOVGEM_CMD_SEM_WAIT, 0, HOLE, 0), UNMAPPED,
	       READ, HOLE);
	EXPECT(add_sem(gpu, DRM_MOVGEM_CMD_SEM_WRITE, 0, DATA + 1, 0), RANGE,
	       WRITE, DATA + 1);
	EXPECT(add_sem(gpu, DRM_MOVGEM_CMD_SEM_WRITE, 0, HOLE, 0), UNMAPPED,
	       WRITE, HOLE);
	EXPECT(add_timestamp(gpu, DATA + 12), RANGE, WRITE, DATA + 12);
	EXPECT(add_timestamp(gpu, HOLE), UNMAPPED, WRITE, HOLE);
#undef EXPECT

	/* Nothing is at fault where nothing is to be done. */
	begin(gpu, STREAM);
	add_fill(gpu, U64_MAX, 0, 0);
	add_copy(gpu, U64_MAX, U64_MAX, 0);
	KUNIT_EXPECT_EQ(test, 0, movgem_soft_exec(&gpu->ctx));
}

static void cmd_fill(struct kunit *test)
{
	static const struct {
		u64 offset, size;
	} fills[] = {
		{ 0, 4 }, { 4, 4092 }, { 4092, 4 }, { 4092, 8 },
		{ 100, 3 * PAGE_SIZE }, { 0, DATA_SIZE },
		{ DATA_SIZE - 4, 4 },
	};
	struct movgem_kunit_gpu *gpu = test->priv;

	for (int i = 0; i < ARRAY_SIZE(fills); i++) {
		u32 value = 0x01020304 * (i + 1);
		u32 wrong = 0;

		for (int j = 0; j < DATA_PAGES; j++)
			memset(data_at(gpu, j * PAGE_SIZE), 0xee, PAGE_SIZE);
		begin(gpu, STREAM);
		add_fill(gpu, DATA + fills[i].offset, fills[i].size, value);
		KUNIT_ASSERT_EQ(test, 0, movgem_soft_exec(&gpu->ctx));
		for (u64 j = 0; j < DATA_SIZE; j += 4) {
			bool in = j >= fills[i].offset &&
				  j < fills[i].offset + fills[i].size;

			wrong += *(u32 *)data_at(gpu, j) !=
				 (in ? value : 0xeeeeeeee);
		}
		KUNIT_EXPECT_EQ_MSG(test, 0, wrong, "fill %d", i);
	}
}

/* memmove() at any distance, up and down, in one slice or in many. */
static void cmd_copy(struct kunit *test)
{
	struct movgem_kunit_gpu *gpu = test->priv;
	u8 *model = kunit_kzalloc(test, DATA_SIZE, GFP_KERNEL);
	struct rnd_state rnd;

	KUNIT_ASSERT_NOT_NULL(test, model);
	prandom_seed_state(&rnd, 3);
	for (int i = 0; i < DATA_PAGES; i++) {
		prandom_bytes_state(&rnd, data_at(gpu, i * PAGE_SIZE),
				    PAGE_SIZE);
		memcpy(model + i * PAGE_SIZE, data_at(gpu, i * PAGE_SIZE),
		       PAGE_SIZE);
	}

	for (int i = 0; i < 300; i++) {
		u32 src = prandom_u32_state(&rnd) % DATA_SIZE;
		u32 dst = i % 4 ? src + prandom_u32_state(&rnd) % 300 - 150 :
				  prandom_u32_state(&rnd);
		u32 len = prandom_u32_state(&rnd) % DATA_SIZE;
		int ret, slices = 0;

		dst %= DATA_SIZE;
		len = min3(len, (u32)DATA_SIZE - src, (u32)DATA_SIZE - dst);
		begin(gpu, STREAM);
		add_copy(gpu, DATA + dst, DATA + src, len);

		/* Who wants to cancel makes the core yield after each piece. */
		gpu->sq.cancels = i % 2;
		do {
			ret = movgem_soft_exec(&gpu->ctx);
			slices++;
		} while (ret == SOFT_YIELD);
		gpu->sq.cancels = 0;
		KUNIT_ASSERT_EQ(test, 0, ret);
		if (!(i % 2))
			KUNIT_EXPECT_EQ(test, 1, slices);

		memmove(model + dst, model + src, len);
		for (int j = 0; j < DATA_PAGES; j++)
			KUNIT_ASSERT_EQ_MSG(test, 0,
					    memcmp(model + j * PAGE_SIZE,
						   data_at(gpu, j * PAGE_SIZE),
						   PAGE_SIZE),
					    "copy %d: %u to %u, %u bytes", i,
					    src, dst, len);
	}
}

/* A command is read once: a stream that changes under it changes nothing. */
static void cmd_resume(struct kunit *test)
{
	struct movgem_kunit_gpu *gpu = test->priv;
	int slices = 0, ret;

	begin(gpu, STREAM);
	add_fill(gpu, DATA, DATA_SIZE, 0x11111111);
	add_fill(gpu, DATA, 4, 0x22222222);
	gpu->sq.cancels = 1;
	ret = movgem_soft_exec(&gpu->ctx);
	KUNIT_EXPECT_EQ(test, SOFT_YIELD, ret);
	KUNIT_EXPECT_EQ(test, PAGE_SIZE, gpu->job.engine.done_bytes);
	KUNIT_EXPECT_EQ(test, 0, gpu->job.engine.offset);
	KUNIT_EXPECT_TRUE(test, gpu->sq.cmd_valid);
	KUNIT_EXPECT_EQ(test, 0x11111111, *(u32 *)data_at(gpu, PAGE_SIZE - 4));
	KUNIT_EXPECT_NE(test, 0x11111111, *(u32 *)data_at(gpu, PAGE_SIZE));

	/* The first command is another one now, and it must not matter. */
	memset(movgem_kunit_mem(gpu, 0), 0xff, 32);
	for (; ret == SOFT_YIELD; slices++)
		ret = movgem_soft_exec(&gpu->ctx);
	gpu->sq.cancels = 0;
	KUNIT_EXPECT_EQ(test, 0, ret);
	KUNIT_EXPECT_GE(test, slices, DATA_PAGES);
	KUNIT_EXPECT_EQ(test, 0x22222222, *(u32 *)data_at(gpu, 0));
	for (int i = 4; i < DATA_SIZE; i += 4)
		KUNIT_ASSERT_EQ(test, 0x11111111, *(u32 *)data_at(gpu, i));
}

/* The slice ends by the clock, too, which is looked at after 64 KiB. */
static void cmd_slice_end(struct kunit *test)
{
	struct movgem_kunit_gpu *gpu = test->priv;
	int commands = 0, ret;

	gpu->ctx.slice_end = 0;
	gpu->ctx.credit = SOFT_SLICE_CREDIT;
	begin(gpu, STREAM);
	for (int i = 0; i < 2 * SOFT_SLICE_CREDIT / SOFT_COMMAND_COST; i++)
		add_nop(gpu);
	ret = movgem_soft_exec(&gpu->ctx);
	commands = gpu->job.engine.offset / 8;
	KUNIT_EXPECT_EQ(test, SOFT_YIELD, ret);
	KUNIT_EXPECT_EQ(test, SOFT_SLICE_CREDIT / SOFT_COMMAND_COST, commands);
	/* The last command's end is the job's end, whatever the clock says. */
	ret = movgem_soft_exec(&gpu->ctx);
	KUNIT_EXPECT_EQ(test, 0, ret);
	KUNIT_EXPECT_EQ(test, gpu->job.stream_size, gpu->job.engine.offset);
}

static void cmd_semaphore(struct kunit *test)
{
	static const struct {
		u64 have, want;
		bool equal, ge;
	} words[] = {
		{ 0, 0, true, true },
		{ 0, 1, false, false },
		{ 1, 0, false, true },
		{ ~0ULL, 1, false, true },
		{ 1, ~0ULL, false, false },
		{ 1ULL << 32, 1, false, true },
		{ 1ULL << 63, 1ULL << 63, true, true },
	};
	struct movgem_kunit_gpu *gpu = test->priv;
	struct soft_engine *se = gpu->mdev->engine_priv;
	u64 *sem = (u64 *)data_at(gpu, 64);
	unsigned int seq;

	for (int i = 0; i < ARRAY_SIZE(words); i++) {
		for (int ge = 0; ge < 2; ge++) {
			bool pass = ge ? words[i].ge : words[i].equal;

			*sem = words[i].have;
			*(u32 *)data_at(gpu, 0) = 0;
			begin(gpu, STREAM);
			add_sem(gpu, DRM_MOVGEM_CMD_SEM_WAIT,
				ge ? DRM_MOVGEM_SEM_GE : 0, DATA + 64,
				words[i].want);
			add_fill(gpu, DATA, 4, 1);
			KUNIT_EXPECT_EQ_MSG(test, pass ? 0 : SOFT_WAIT,
					    movgem_soft_exec(&gpu->ctx),
					    "word %d, %d", i, ge);
			KUNIT_EXPECT_EQ(test, pass, *(u32 *)data_at(gpu, 0));
			if (pass)
				continue;
			/* It goes on once the word is right. */
			KUNIT_EXPECT_EQ(test, READ_ONCE(se->sem_seq),
					gpu->ctx.sem_seq);
			*sem = words[i].want;
			KUNIT_EXPECT_EQ(test, 0, movgem_soft_exec(&gpu->ctx));
			KUNIT_EXPECT_EQ(test, 1, *(u32 *)data_at(gpu, 0));
		}
	}

	/* A write is seen by those that wait. */
	seq = READ_ONCE(se->sem_seq);
	begin(gpu, STREAM);
	add_sem(gpu, DRM_MOVGEM_CMD_SEM_WRITE, 0, DATA + 64, 0x8877665544332211);
	KUNIT_EXPECT_EQ(test, 0, movgem_soft_exec(&gpu->ctx));
	KUNIT_EXPECT_EQ(test, 0x8877665544332211, *sem);
	KUNIT_EXPECT_EQ(test, seq + 1, READ_ONCE(se->sem_seq));
}

static void cmd_timestamp(struct kunit *test)
{
	struct movgem_kunit_gpu *gpu = test->priv;
	u64 before = ktime_get_ns(), after;

	begin(gpu, STREAM);
	add_timestamp(gpu, DATA);
	add_timestamp(gpu, DATA + 8);
	KUNIT_EXPECT_EQ(test, 0, movgem_soft_exec(&gpu->ctx));
	after = ktime_get_ns();
	KUNIT_EXPECT_LE(test, before, *(u64 *)data_at(gpu, 0));
	KUNIT_EXPECT_LE(test, *(u64 *)data_at(gpu, 0), *(u64 *)data_at(gpu, 8));
	KUNIT_EXPECT_LE(test, *(u64 *)data_at(gpu, 8), after);
}

/* A blit that is interrupted goes on at its next line. */
static void cmd_blit(struct kunit *test)
{
	struct movgem_kunit_gpu *gpu = test->priv;
	struct drm_movgem_cmd_blit blit = blit_cmd(DATA + 2 * PAGE_SIZE, DATA,
						   16, 64);
	int ret, slices = 0;

	for (int i = 0; i < PAGE_SIZE; i += 4)
		*(u32 *)data_at(gpu, i) = i * 0x01010101;
	begin(gpu, STREAM);
	add(gpu, &blit, sizeof(blit));
	gpu->sq.cancels = 1;
	do {
		ret = movgem_soft_exec(&gpu->ctx);
		slices++;
	} while (ret == SOFT_YIELD);
	gpu->sq.cancels = 0;
	KUNIT_EXPECT_EQ(test, 0, ret);
	KUNIT_EXPECT_GE(test, slices, 64);
	KUNIT_EXPECT_MEMEQ(test, data_at(gpu, 0), data_at(gpu, 2 * PAGE_SIZE),
			   PAGE_SIZE);
}

static struct kunit_case cmd_cases[] = {
	KUNIT_CASE_PARAM(cmd_header, opcode_gen_params),
	KUNIT_CASE(cmd_opcodes),
	KUNIT_CASE_PARAM(cmd_truncated, opcode_gen_params),
	KUNIT_CASE(cmd_fill_check),
	KUNIT_CASE(cmd_blit_check),
	KUNIT_CASE(cmd_crossing),
	KUNIT_CASE(cmd_fetch_fault),
	KUNIT_CASE(cmd_addresses),
	KUNIT_CASE(cmd_fill),
	KUNIT_CASE(cmd_copy),
	KUNIT_CASE(cmd_resume),
	KUNIT_CASE(cmd_slice_end),
	KUNIT_CASE(cmd_semaphore),
	KUNIT_CASE(cmd_timestamp),
	KUNIT_CASE(cmd_blit),
	{}
};

static struct kunit_suite cmd_suite = {
	.name = "movgem_soft_cmd",
	.init = cmd_test_init,
	.test_cases = cmd_cases,
};

kunit_test_suite(cmd_suite);
