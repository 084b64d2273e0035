// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

/**
 * DOC: Soft engine: commands
 *
 * A command is read through the VM when its turn comes, checked completely,
 * and kept in &soft_queue.cmd until it has ended: like a GPU's command
 * processor the engine does not look at it again, so what it checked is what
 * it executes, over any number of slices. &movgem_job.engine.offset is the
 * place of the command in the stream and &movgem_job.engine.done_bytes the
 * progress inside it: bytes of a fill or copy, lines of a blit.
 */

#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/nospec.h>

#include "movgem_device.h"
#include "movgem_queue.h"
#include "movgem_soft.h"
#include "movgem_vm.h"

static const struct {
	u16 size;
	u32 flags;
} soft_opcodes[] = {
	[DRM_MOVGEM_CMD_NOP] = {
		sizeof(struct drm_movgem_cmd_nop), 0 },
	[DRM_MOVGEM_CMD_FILL] = {
		sizeof(struct drm_movgem_cmd_fill), 0 },
	[DRM_MOVGEM_CMD_COPY] = {
		sizeof(struct drm_movgem_cmd_copy), 0 },
	[DRM_MOVGEM_CMD_BLIT] = {
		sizeof(struct drm_movgem_cmd_blit),
		DRM_MOVGEM_BLIT_BILINEAR | DRM_MOVGEM_BLIT_SRC_OVER },
	[DRM_MOVGEM_CMD_SEM_WAIT] = {
		sizeof(struct drm_movgem_cmd_sem), DRM_MOVGEM_SEM_GE },
	[DRM_MOVGEM_CMD_SEM_WRITE] = {
		sizeof(struct drm_movgem_cmd_sem), 0 },
	[DRM_MOVGEM_CMD_TIMESTAMP] = {
		sizeof(struct drm_movgem_cmd_timestamp), 0 },
};

/**
 * movgem_soft_check_header - check the start of a command
 * @hdr: the header
 * @left: bytes from there to the end of the stream
 *
 * Return: 0 or -EINVAL.
 */
int movgem_soft_check_header(const struct drm_movgem_cmd_header *hdr, u64 left)
{
	u32 opcode = hdr->opcode;

	if (opcode >= ARRAY_SIZE(soft_opcodes))
		return -EINVAL;
	opcode = array_index_nospec(opcode, ARRAY_SIZE(soft_opcodes));

	if (hdr->size != soft_opcodes[opcode].size || hdr->size > left ||
	    hdr->flags & ~soft_opcodes[opcode].flags)
		return -EINVAL;

	return 0;
}

/**
 * movgem_soft_check_command - check what follows a command's header
 * @cmd: the command; its header has been checked
 *
 * Addresses are checked where the command is executed.
 *
 * Return: 0 or -EINVAL.
 */
int movgem_soft_check_command(const union soft_command *cmd)
{
	switch (cmd->hdr.opcode) {
	case DRM_MOVGEM_CMD_FILL:
		if (cmd->fill.pad || cmd->fill.size % sizeof(cmd->fill.value))
			return -EINVAL;
		return 0;
	case DRM_MOVGEM_CMD_BLIT:
		return movgem_soft_check_blit(&cmd->blit);
	default:
		return 0;
	}
}

/* Reads and checks the command at the job's offset. */
static int soft_fetch(struct soft_ctx *ctx)
{
	struct movgem_job *job = ctx->job;
	union soft_command *cmd = &ctx->sq->cmd;
	u32 left = job->stream_size - job->engine.offset;
	u64 va = job->stream_addr + job->engine.offset;
	u32 n;
	int ret;

	/* SUBMIT has checked that already. */
	if (left < sizeof(cmd->hdr) || !IS_ALIGNED(va, sizeof(u64)))
		return movgem_soft_fault(ctx, DRM_MOVGEM_FAULT_COMMAND,
					 DRM_MOVGEM_ACCESS_FETCH, 0);

	/* One access gets the header and most often the whole command. */
	n = min3(left, (u32)sizeof(*cmd), (u32)(PAGE_SIZE - offset_in_page(va)));
	ret = movgem_soft_read(ctx, va, cmd, n, DRM_MOVGEM_ACCESS_FETCH);
	if (ret)
		return ret;

	if (movgem_soft_check_header(&cmd->hdr, left))
		return movgem_soft_fault(ctx, DRM_MOVGEM_FAULT_COMMAND,
					 DRM_MOVGEM_ACCESS_FETCH, 0);

	if (cmd->hdr.size > n) {
		ret = movgem_soft_read(ctx, va + n, (void *)cmd + n,
				       cmd->hdr.size - n,
				       DRM_MOVGEM_ACCESS_FETCH);
		if (ret)
			return ret;
	}

	if (movgem_soft_check_command(cmd))
		return movgem_soft_fault(ctx, DRM_MOVGEM_FAULT_COMMAND,
					 DRM_MOVGEM_ACCESS_FETCH, 0);

	ctx->sq->cmd_valid = true;
	return 0;
}

static int soft_exec_fill(struct soft_ctx *ctx,
			  const struct drm_movgem_cmd_fill *cmd)
{
	u64 *done = &ctx->job->engine.done_bytes;
	u64 va;
	u32 n;
	int ret;

	if (!cmd->size)
		return 0;
	if (!IS_ALIGNED(cmd->dst, sizeof(cmd->value)))
		return movgem_soft_fault(ctx, DRM_MOVGEM_FAULT_RANGE,
					 DRM_MOVGEM_ACCESS_WRITE, cmd->dst);
	ret = movgem_soft_range(ctx, cmd->dst, cmd->size,
				DRM_MOVGEM_ACCESS_WRITE);
	if (ret)
		return ret;

	while (*done < cmd->size) {
		va = cmd->dst + *done;
		n = min_t(u64, cmd->size - *done,
			  PAGE_SIZE - offset_in_page(va));
		ret = movgem_soft_fill(ctx, va, cmd->value, n);
		if (ret)
			return ret;
		*done += n;
		if (movgem_soft_should_yield(ctx, n))
			return SOFT_YIELD;
	}

	return 0;
}

/*
 * Copies in pieces that cross a page neither in the source nor in the
 * destination. A piece is read completely before its first byte is written, so
 * it is enough to begin at the end where the destination lies above the source.
 * "Overlap" is one of GPU addresses: a page that is mapped twice is two.
 */
static int soft_exec_copy(struct soft_ctx *ctx,
			  const struct drm_movgem_cmd_copy *cmd)
{
	bool down = cmd->dst > cmd->src && cmd->dst - cmd->src < cmd->size;
	u64 *done = &ctx->job->engine.done_bytes;
	void *raw = ctx->core->raw;
	u64 src, dst, left;
	u32 n;
	int ret;

	if (!cmd->size)
		return 0;
	ret = movgem_soft_range(ctx, cmd->src, cmd->size,
				DRM_MOVGEM_ACCESS_READ);
	if (ret)
		return ret;
	ret = movgem_soft_range(ctx, cmd->dst, cmd->size,
				DRM_MOVGEM_ACCESS_WRITE);
	if (ret)
		return ret;

	while (*done < cmd->size) {
		left = cmd->size - *done;
		if (down) {
			/* Bytes of the page that the last byte lies in. */
			n = min3(left,
				 (u64)offset_in_page(cmd->src + left - 1) + 1,
				 (u64)offset_in_page(cmd->dst + left - 1) + 1);
			src = cmd->src + left - n;
			dst = cmd->dst + left - n;
		} else {
			src = cmd->src + *done;
			dst = cmd->dst + *done;
			n = min3(left,
				 (u64)(PAGE_SIZE - offset_in_page(src)),
				 (u64)(PAGE_SIZE - offset_in_page(dst)));
		}

		ret = movgem_soft_read(ctx, src, raw, n,
				       DRM_MOVGEM_ACCESS_READ);
		if (ret)
			return ret;
		ret = movgem_soft_write(ctx, dst, raw, n);
		if (ret)
			return ret;
		*done += n;
		if (movgem_soft_should_yield(ctx, 2 * n))
			return SOFT_YIELD;
	}

	return 0;
}

/* Checks the address of a 64 bit word. */
static int soft_check_word(struct soft_ctx *ctx, u64 va, u32 access)
{
	if (!IS_ALIGNED(va, sizeof(u64)))
		return movgem_soft_fault(ctx, DRM_MOVGEM_FAULT_RANGE, access,
					 va);
	return movgem_soft_range(ctx, va, sizeof(u64), access);
}

static int soft_exec_sem_wait(struct soft_ctx *ctx,
			      const struct drm_movgem_cmd_sem *cmd)
{
	u64 value;
	int ret;

	ret = soft_check_word(ctx, cmd->addr, DRM_MOVGEM_ACCESS_READ);
	if (ret)
		return ret;

	/*
	 * Pairs with the release in movgem_soft_sem_written(): a write that the
	 * number tells of is seen below; one that comes later changes the
	 * number, and then the queue is not parked.
	 */
	ctx->sem_seq = smp_load_acquire(&ctx->core->engine->sem_seq);

	ret = movgem_soft_load64(ctx, cmd->addr, &value);
	if (ret)
		return ret;

	if (cmd->hdr.flags & DRM_MOVGEM_SEM_GE)
		return value >= cmd->value ? 0 : SOFT_WAIT;
	return value == cmd->value ? 0 : SOFT_WAIT;
}

static int soft_exec_sem_write(struct soft_ctx *ctx,
			       const struct drm_movgem_cmd_sem *cmd)
{
	int ret;

	ret = soft_check_word(ctx, cmd->addr, DRM_MOVGEM_ACCESS_WRITE);
	if (ret)
		return ret;

	ret = movgem_soft_store64(ctx, cmd->addr, cmd->value);
	if (ret)
		return ret;

	movgem_soft_sem_written(ctx->core->engine);
	return 0;
}

static int soft_exec_timestamp(struct soft_ctx *ctx,
			       const struct drm_movgem_cmd_timestamp *cmd)
{
	int ret;

	ret = soft_check_word(ctx, cmd->addr, DRM_MOVGEM_ACCESS_WRITE);
	if (ret)
		return ret;

	return movgem_soft_store64(ctx, cmd->addr, ktime_get_ns());
}

static int soft_exec_command(struct soft_ctx *ctx)
{
	const union soft_command *cmd = &ctx->sq->cmd;

	switch (cmd->hdr.opcode) {
	case DRM_MOVGEM_CMD_FILL:
		return soft_exec_fill(ctx, &cmd->fill);
	case DRM_MOVGEM_CMD_COPY:
		return soft_exec_copy(ctx, &cmd->copy);
	case DRM_MOVGEM_CMD_BLIT:
		return movgem_soft_blit(ctx, &cmd->blit);
	case DRM_MOVGEM_CMD_SEM_WAIT:
		return soft_exec_sem_wait(ctx, &cmd->sem);
	case DRM_MOVGEM_CMD_SEM_WRITE:
		return soft_exec_sem_write(ctx, &cmd->sem);
	case DRM_MOVGEM_CMD_TIMESTAMP:
		return soft_exec_timestamp(ctx, &cmd->timestamp);
	default:
		return 0;
	}
}

/**
 * movgem_soft_exec - execute a job's stream from where it stopped
 * @ctx: the slice
 *
 * Context: may sleep, without locks; fence signalling path, allocates nothing.
 *
 * Return: 0 at the stream's end, SOFT_YIELD or SOFT_WAIT to be called again, or
 * a negative errno with &soft_ctx.fault filled in.
 */
int movgem_soft_exec(struct soft_ctx *ctx)
{
	struct movgem_job *job = ctx->job;
	struct soft_queue *sq = ctx->sq;
	int ret;

	while (job->engine.offset < job->stream_size) {
		if (!sq->cmd_valid) {
			ret = soft_fetch(ctx);
			if (ret)
				return ret;
		}

		ret = soft_exec_command(ctx);
		if (ret)
			return ret;

		sq->cmd_valid = false;
		job->engine.offset += sq->cmd.hdr.size;
		job->engine.done_bytes = 0;

		if (job->engine.offset < job->stream_size &&
		    movgem_soft_should_yield(ctx, SOFT_COMMAND_COST))
			return SOFT_YIELD;
	}

	return 0;
}
