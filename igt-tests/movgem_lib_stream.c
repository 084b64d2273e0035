// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 */
#include <inttypes.h>
#include <string.h>

#include "igt.h"
#include "igt_syncobj.h"
#include "movgem_lib.h"

void movgem_stream_init(struct movgem_stream *s, int fd, uint32_t vm, uint64_t size)
{
	memset(s, 0, sizeof(*s));
	s->fd = fd;
	s->vm = vm;
	s->size = ALIGN(size, MOVGEM_PAGE);
	s->handle = movgem_bo_create(fd, s->size, 0);
	s->map = movgem_bo_mmap(fd, s->handle, s->size);
	s->va = movgem_va_alloc(fd, s->size);
	movgem_vm_map(fd, vm, s->handle, 0, s->va, s->size, 0);
}

void movgem_stream_fini(struct movgem_stream *s)
{
	movgem_vm_unmap(s->fd, s->vm, s->va, s->size);
	munmap(s->map, s->size);
	gem_close(s->fd, s->handle);
	memset(s, 0, sizeof(*s));
}

void movgem_stream_reset(struct movgem_stream *s)
{
	s->pos = 0;
}

void *movgem_cmd(struct movgem_stream *s, uint16_t opcode, uint16_t size, uint32_t flags)
{
	struct drm_movgem_cmd_header *hdr = (void *)(s->map + s->pos);

	igt_assert_lte_u64(s->pos + size, s->size);
	memset(hdr, 0, size);
	hdr->opcode = opcode;
	hdr->size = size;
	hdr->flags = flags;
	s->pos += size;
	return hdr;
}

void movgem_cmd_nop(struct movgem_stream *s)
{
	movgem_cmd(s, DRM_MOVGEM_CMD_NOP, sizeof(struct drm_movgem_cmd_nop), 0);
}

void movgem_cmd_fill(struct movgem_stream *s, uint64_t dst, uint64_t size, uint32_t value)
{
	struct drm_movgem_cmd_fill *cmd =
		movgem_cmd(s, DRM_MOVGEM_CMD_FILL, sizeof(*cmd), 0);

	cmd->dst = dst;
	cmd->size = size;
	cmd->value = value;
}

void movgem_cmd_copy(struct movgem_stream *s, uint64_t dst, uint64_t src, uint64_t size)
{
	struct drm_movgem_cmd_copy *cmd =
		movgem_cmd(s, DRM_MOVGEM_CMD_COPY, sizeof(*cmd), 0);

	cmd->dst = dst;
	cmd->src = src;
	cmd->size = size;
}

void movgem_cmd_blit(struct movgem_stream *s, const struct drm_movgem_surface *dst,
		     const struct drm_movgem_surface *src, uint32_t flags)
{
	struct drm_movgem_cmd_blit *cmd =
		movgem_cmd(s, DRM_MOVGEM_CMD_BLIT, sizeof(*cmd), flags);

	cmd->dst = *dst;
	cmd->src = *src;
}

void movgem_cmd_sem_wait(struct movgem_stream *s, uint64_t addr, uint64_t value,
			 uint32_t flags)
{
	struct drm_movgem_cmd_sem *cmd =
		movgem_cmd(s, DRM_MOVGEM_CMD_SEM_WAIT, sizeof(*cmd), flags);

	cmd->addr = addr;
	cmd->value = value;
}

void movgem_cmd_sem_write(struct movgem_stream *s, uint64_t addr, uint64_t value)
{
	struct drm_movgem_cmd_sem *cmd =
		movgem_cmd(s, DRM_MOVGEM_CMD_SEM_WRITE, sizeof(*cmd), 0);

	cmd->addr = addr;
	cmd->value = value;
}

void movgem_cmd_timestamp(struct movgem_stream *s, uint64_t addr)
{
	struct drm_movgem_cmd_timestamp *cmd =
		movgem_cmd(s, DRM_MOVGEM_CMD_TIMESTAMP, sizeof(*cmd), 0);

	cmd->addr = addr;
}

int __movgem_stream_submit(struct movgem_stream *s, uint32_t queue,
			   const struct drm_movgem_sync *syncs, uint32_t sync_count)
{
	return __movgem_submit(s->fd, queue, s->va, s->pos, syncs, sync_count);
}

void movgem_stream_submit(struct movgem_stream *s, uint32_t queue,
			  const struct drm_movgem_sync *syncs, uint32_t sync_count)
{
	igt_assert_eq(__movgem_stream_submit(s, queue, syncs, sync_count), 0);
}

uint32_t movgem_stream_submit_sync(struct movgem_stream *s, uint32_t queue)
{
	uint32_t syncobj = syncobj_create(s->fd, 0);
	struct drm_movgem_sync sync = movgem_sync_signal(syncobj, 0);

	movgem_stream_submit(s, queue, &sync, 1);
	return syncobj;
}

int __movgem_stream_run(struct movgem_stream *s, uint32_t queue)
{
	uint32_t syncobj = movgem_stream_submit_sync(s, queue);
	int ret = movgem_syncobj_result(s->fd, syncobj);

	syncobj_destroy(s->fd, syncobj);
	return ret;
}

void movgem_stream_run(struct movgem_stream *s, uint32_t queue)
{
	igt_assert_eq(__movgem_stream_run(s, queue), 0);
	movgem_stream_reset(s);
}
