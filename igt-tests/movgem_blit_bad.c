// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include <drm_fourcc.h>

#include "igt.h"
#include "movgem_blit_ref.h"
#include "movgem_blit_rig.h"
#include "movgem_lib.h"

/* What the GPU has to say about the newest job. */
static struct drm_movgem_fault newest_fault(void)
{
	struct drm_movgem_queue_state state = { .queue_id = blit_rig.queue };

	do_ioctl(blit_rig.fd, DRM_IOCTL_MOVGEM_QUEUE_STATE, &state);
	igt_assert_eq_u64(state.fault.seqno, state.submitted);
	return state.fault;
}

struct bad_surface {
	const char *name;
	size_t field; /* of struct drm_movgem_surface */
	uint64_t value;
};

#define BAD(name_, field_, value_) \
	{ name_, offsetof(struct drm_movgem_surface, field_), value_ }

/* One wrong field each in a 32x24 surface whose rectangle is 16x12+8+6. */
static const struct bad_surface bad_surfaces[] = {
	BAD("w 0", w, 0),
	BAD("h 0", h, 0),
	BAD("width 0", width, 0),
	BAD("height 0", height, 0),
	BAD("width beyond the limit", width, DRM_MOVGEM_SURFACE_MAX + 1),
	BAD("height beyond the limit", height, DRM_MOVGEM_SURFACE_MAX + 1),
	BAD("width all ones", width, 0xffffffff),
	BAD("height all ones", height, 0xffffffff),
	BAD("w one too large", w, 25),
	BAD("h one too large", h, 19),
	BAD("w all ones", w, 0xffffffff),
	BAD("h all ones", h, 0xffffffff),
	BAD("w wraps", w, 0xffffffff - 7),
	BAD("h wraps", h, 0xffffffff - 5),
	BAD("x one too large", x, 17),
	BAD("y one too large", y, 13),
	BAD("x wraps", x, 0xffffffff - 15),
	BAD("y wraps", y, 0xffffffff - 11),
	BAD("width smaller than the rectangle", width, 23),
	BAD("height smaller than the rectangle", height, 17),
	BAD("no format", format, 0),
	BAD("unknown format", format, DRM_FORMAT_NV12),
	BAD("32 bit format that is not supported", format, DRM_FORMAT_RGBA8888),
	BAD("16 bit format that is not supported", format, DRM_FORMAT_BGR565),
	BAD("big endian", format, DRM_FORMAT_XRGB8888 | DRM_FORMAT_BIG_ENDIAN),
	BAD("pitch off by one", pitch, 129),
	BAD("pitch off by two", pitch, 130),
	BAD("pitch off by three", pitch, 131),
};

static void set_field(struct drm_movgem_surface *s, const struct bad_surface *b)
{
	uint32_t value = b->value;

	memcpy((uint8_t *)s + b->field, &value, sizeof(value));
}

/*
 * Runs fill, @cmd, fill: the first fill must have been done, the second not,
 * and the destination must be as it was.
 */
static struct drm_movgem_fault run_bad(const struct drm_movgem_cmd_blit *cmd,
				       uint32_t cmd_size, int expect,
				       const char *what)
{
	struct drm_movgem_cmd_fill fill = {
		.hdr.opcode = DRM_MOVGEM_CMD_FILL,
		.hdr.size = sizeof(fill),
		.dst = DST_VA + ARENA_SIZE - 8,
		.size = 4,
		.value = 0x11111111,
	};
	uint32_t at = 0;
	int ret;

	memset(blit_rig.dst.model, 0xcc, ARENA_SIZE);
	blit_arena_write(&blit_rig.dst);

	memcpy(blit_rig.cmd + at, &fill, sizeof(fill));
	at += sizeof(fill);
	memcpy(blit_rig.cmd + at, cmd, sizeof(*cmd));
	at += cmd_size;
	fill.dst += 4;
	memcpy(blit_rig.cmd + at, &fill, sizeof(fill));
	at += sizeof(fill);

	ret = blit_run(at);
	igt_assert_f(ret == expect, "%s: the job ended with %d, not %d\n",
		     what, ret, expect);

	memset(blit_rig.dst.model + ARENA_SIZE - 8, 0x11, 4);
	return newest_fault();
}

static void expect_command_fault(const struct drm_movgem_cmd_blit *cmd,
				 const char *what)
{
	struct drm_movgem_fault fault;

	fault = run_bad(cmd, sizeof(*cmd), -EINVAL, what);
	igt_assert_f(fault.type == DRM_MOVGEM_FAULT_COMMAND,
		     "%s: fault type %u\n", what, fault.type);
	igt_assert_eq_u64(fault.address, 0);
	igt_assert_eq_u64(fault.stream_offset,
			  sizeof(struct drm_movgem_cmd_fill));
	blit_arena_read(&blit_rig.dst);
	igt_assert_f(!memcmp(blit_rig.dst.model, blit_rig.dst.readback, ARENA_SIZE),
		     "%s: the destination was written\n", what);
}

static struct drm_movgem_cmd_blit good_cmd(void)
{
	struct drm_movgem_cmd_blit cmd = blit_cmd(0);

	cmd.src = blit_surface(SRC_VA, DRM_FORMAT_XRGB8888, 32, 24);
	cmd.src.x = 8;
	cmd.src.y = 6;
	cmd.src.w = 16;
	cmd.src.h = 12;
	cmd.dst = cmd.src;
	cmd.dst.addr = DST_VA;
	return cmd;
}

void blit_test_bad_surface(bool dst)
{
	struct drm_movgem_cmd_blit cmd;
	char what[80];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad_surfaces); i++) {
		cmd = good_cmd();
		set_field(dst ? &cmd.dst : &cmd.src, &bad_surfaces[i]);
		snprintf(what, sizeof(what), "%s: %s",
			 dst ? "destination" : "source", bad_surfaces[i].name);
		expect_command_fault(&cmd, what);
	}

	/* 16 bit pixels have their own alignment */
	cmd = good_cmd();
	if (dst) {
		cmd.dst.format = DRM_FORMAT_RGB565;
		cmd.dst.pitch = 65;
	} else {
		cmd.src.format = DRM_FORMAT_RGB565;
		cmd.src.pitch = 65;
	}
	expect_command_fault(&cmd, "odd pitch of 16 bit pixels");
}

static void expect_misaligned(uint32_t format, unsigned int off, bool dst)
{
	struct drm_movgem_cmd_blit cmd = good_cmd();
	struct drm_movgem_surface *s = dst ? &cmd.dst : &cmd.src;
	struct drm_movgem_fault fault;

	s->format = format;
	s->addr += off;
	fault = run_bad(&cmd, sizeof(cmd), -EFAULT, "misaligned address");
	igt_assert_eq(fault.type, DRM_MOVGEM_FAULT_RANGE);
	igt_assert_eq(fault.access, dst ? DRM_MOVGEM_ACCESS_WRITE :
					  DRM_MOVGEM_ACCESS_READ);
	igt_assert_eq_u64(fault.address, s->addr);
	blit_arena_read(&blit_rig.dst);
	igt_assert(!memcmp(blit_rig.dst.model, blit_rig.dst.readback, ARENA_SIZE));
}

void blit_test_bad_address(void)
{
	struct drm_movgem_fault fault;
	struct drm_movgem_cmd_blit cmd;
	unsigned int off, side;

	for (side = 0; side < 2; side++) {
		for (off = 1; off < 4; off++)
			expect_misaligned(DRM_FORMAT_XRGB8888, off, side);
		expect_misaligned(DRM_FORMAT_RGB565, 1, side);
	}

	/* far outside the VM: whichever name the fault has, nothing is written */
	for (side = 0; side < 2; side++) {
		cmd = good_cmd();
		if (side)
			cmd.dst.addr = 0xfffffffffffff000ull;
		else
			cmd.src.addr = 0xfffffffffffff000ull;
		fault = run_bad(&cmd, sizeof(cmd), -EFAULT, "address wraps");
		igt_assert(fault.type == DRM_MOVGEM_FAULT_RANGE ||
			   fault.type == DRM_MOVGEM_FAULT_UNMAPPED);
		blit_arena_read(&blit_rig.dst);
		igt_assert(!memcmp(blit_rig.dst.model, blit_rig.dst.readback,
				   ARENA_SIZE));
	}
}

void blit_test_bad_command(void)
{
	struct drm_movgem_cmd_blit cmd;
	unsigned int bit;

	for (bit = 2; bit < 32; bit++) {
		cmd = good_cmd();
		cmd.hdr.flags = 1u << bit;
		expect_command_fault(&cmd, "unknown flag");
	}

	cmd = good_cmd();
	cmd.hdr.size -= 8;
	expect_command_fault(&cmd, "too short");
	cmd.hdr.size += 16;
	expect_command_fault(&cmd, "too long");
	cmd.hdr.size = 0;
	expect_command_fault(&cmd, "size 0");
	cmd.hdr.size = 0xffff;
	expect_command_fault(&cmd, "size all ones");
}

/*
 * A blit that runs into a hole: what is outside the destination rectangle
 * must not change, and the record names an address in the hole.
 */
void blit_test_hole(bool dst)
{
	struct drm_movgem_cmd_blit cmd;
	struct drm_movgem_surface *s;
	struct drm_movgem_fault fault;
	uint64_t end, line;
	uint32_t flags, i;

	for (flags = 0; flags < 4; flags++) {
		cmd = good_cmd();
		cmd.hdr.flags = flags;
		s = dst ? &cmd.dst : &cmd.src;
		/* line 12 of the rectangle, and no earlier, is in the hole */
		end = (dst ? DST_VA : SRC_VA) + ARENA_SIZE;
		s->addr = end - 17ull * s->pitch - 2 * PAGE % s->pitch;
		fault = run_bad(&cmd, sizeof(cmd), -EFAULT, "hole");
		igt_assert_eq(fault.type, DRM_MOVGEM_FAULT_UNMAPPED);
		igt_assert_eq(fault.access, dst && !(flags & 2) ?
			      DRM_MOVGEM_ACCESS_WRITE : fault.access);
		igt_assert_f(fault.address >= end && fault.address < end + PAGE,
			     "0x%llx is not in the hole\n",
			     (unsigned long long)fault.address);

		blit_arena_read(&blit_rig.dst);
		for (i = 0; i < ARENA_SIZE - 8; i++) {
			line = (DST_VA + i - cmd.dst.addr) / cmd.dst.pitch;
			if (DST_VA + i >= cmd.dst.addr && line >= 6 &&
			    line < 18)
				continue;
			igt_assert_f(blit_rig.dst.readback[i] == 0xcc,
				     "byte 0x%x changed\n", i);
		}
	}
}

void blit_test_readonly(void)
{
	struct drm_movgem_cmd_blit cmd = good_cmd();
	struct drm_movgem_fault fault;
	uint64_t va = DST_VA + 0x1000000;

	/* the destination once more, for reading */
	movgem_vm_map(blit_rig.fd, blit_rig.vm, blit_rig.dst.handle, 0, va, ARENA_SIZE,
		      DRM_MOVGEM_BIND_READONLY);
	cmd.dst.addr = va;
	fault = run_bad(&cmd, sizeof(cmd), -EFAULT, "read-only");
	igt_assert_eq(fault.type, DRM_MOVGEM_FAULT_READONLY);
	igt_assert_eq(fault.access, DRM_MOVGEM_ACCESS_WRITE);
	igt_assert(fault.address >= va && fault.address < va + ARENA_SIZE);
	blit_arena_read(&blit_rig.dst);
	igt_assert(!memcmp(blit_rig.dst.model, blit_rig.dst.readback, ARENA_SIZE));

	/* reading through it is fine */
	cmd = good_cmd();
	blit_arena_randomize(&blit_rig.src);
	blit_arena_randomize(&blit_rig.dst);
	blit_arena_write(&blit_rig.src);
	blit_arena_write(&blit_rig.dst);
	cmd.src.addr = va;
	cmd.dst.addr = SRC_VA;
	memcpy(blit_rig.cmd, &cmd, sizeof(cmd));
	igt_assert_eq(blit_run(sizeof(cmd)), 0);

	movgem_vm_unmap(blit_rig.fd, blit_rig.vm, va, ARENA_SIZE);
}
