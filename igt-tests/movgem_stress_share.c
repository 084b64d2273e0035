// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * BOs that the worker which knows every byte shares with other files, devices
 * and processes: movgem_stress_buffers.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xf86drm.h>

#include "igt.h"
#include "movgem_stress_buffers.h"

#define GUEST_PAGES	16u
#define GUEST_VA	0x40000000ull

/** struct guest - a GPU elsewhere that looks at a buffer, made for one look */
struct guest {
	struct buffers *b;
	int fd;
	uint32_t vm, queue, syncobj, handle;
	uint8_t *map;		/* stream, then what was copied */
};

static int guest_init(struct guest *g, struct buffers *b, int fd)
{
	void *map;
	int ret;

	*g = (struct guest) { .b = b, .fd = fd };
	ret = __movgem_vm_create(fd, 0, &g->vm);
	if (!ret)
		ret = __movgem_queue_create(fd, g->vm, 0, &g->queue);
	if (!ret)
		ret = stress_syncobj_create(fd, &g->syncobj);
	if (!ret)
		ret = __movgem_bo_create(fd, (1 + GUEST_PAGES) * PAGE, 0, 0, &g->handle);
	if (!ret)
		ret = stress_map(fd, g->handle, (1 + GUEST_PAGES) * PAGE, &map);
	if (ret)
		return ret;
	g->map = map;
	return __movgem_vm_map(fd, g->vm, g->handle, 0, GUEST_VA, (1 + GUEST_PAGES) * PAGE, 0);
}

static void guest_fini(struct guest *g)
{
	int ret = 0;

	if (g->map)
		munmap(g->map, (1 + GUEST_PAGES) * PAGE);
	if (g->queue)
		ret |= __movgem_queue_destroy(g->fd, g->queue);
	if (g->vm)
		ret |= __movgem_vm_destroy(g->fd, g->vm);
	if (g->syncobj)
		ret |= stress_syncobj_destroy(g->fd, g->syncobj);
	if (g->handle)
		ret |= __movgem_gem_close(g->fd, g->handle);
	if (ret)
		stress_fail(g->b->w, "cannot take down a VM in another file");
}

/* One job of one command, run to its end; 0 or -errno. */
static int guest_run(struct guest *g, const void *command, unsigned int size)
{
	struct drm_movgem_sync sync = movgem_sync_signal(g->syncobj, 0);
	int ret;

	memcpy(g->map, command, size);
	ret = __movgem_submit(g->fd, g->queue, GUEST_VA, size, &sync, 1);
	if (ret)
		return ret;
	/* Point 0 is what is in the syncobj. */
	ret = stress_timeline_wait(g->fd, g->syncobj, 0);
	if (ret)
		stress_fail(g->b->w, "a job in another file does not end: %s", strerror(-ret));
	ret = stress_syncobj_error(g->fd, g->syncobj);
	if (ret && !stress_refused(ret))
		stress_fail(g->b->w, "a job in another file ends with %d", ret);
	return 0;
}

static int guest_copy(struct guest *g, uint64_t dst, uint64_t src, uint64_t size)
{
	struct drm_movgem_cmd_copy copy = {
		.hdr.opcode = DRM_MOVGEM_CMD_COPY,
		.hdr.size = sizeof(copy),
		.dst = dst,
		.src = src,
		.size = size,
	};

	return guest_run(g, &copy, sizeof(copy));
}

static int guest_fill(struct guest *g, uint64_t dst, uint64_t size, uint32_t value)
{
	struct drm_movgem_cmd_fill fill = {
		.hdr.opcode = DRM_MOVGEM_CMD_FILL,
		.hdr.size = sizeof(fill),
		.dst = dst,
		.size = size,
		.value = value,
	};

	return guest_run(g, &fill, sizeof(fill));
}

static uint64_t guest_va(void)
{
	return GUEST_VA + (2 + GUEST_PAGES) * PAGE;
}

/* Some pages of a BO as a GPU elsewhere sees them, and a few that it writes. */
static int guest_look(struct buffers *b, int fd, uint32_t handle, struct buffer *bo,
		      const char *how)
{
	uint32_t first = stress_below(b->w, bo->pages);
	uint32_t count = 1 + stress_below(b->w, min(bo->pages - first, GUEST_PAGES)), i;
	uint32_t value = movgem_rand(&b->w->rand);
	struct guest g;
	int ret;

	ret = guest_init(&g, b, fd);
	if (!ret)
		ret = __movgem_vm_map(fd, g.vm, handle, first * PAGE, guest_va(), count * PAGE, 0);
	if (!ret)
		ret = guest_copy(&g, GUEST_VA + PAGE, guest_va(), count * PAGE);
	if (!ret) {
		content_check(b, bo, g.map + PAGE, first * PAGE_SECTORS, count * PAGE_SECTORS,
			      how);
		ret = guest_fill(&g, guest_va(), PAGE, value);
	}
	if (!ret)
		for (i = 0; i < PAGE_SECTORS; i++)
			bo->content[first * PAGE_SECTORS + i] = CONTENT_VALUE(value);
	guest_fini(&g);
	return ret;
}

/* ---- in this process ---- */

static bool can_export(struct buffer *bo)
{
	return bo->handle && !bo->is_exclusive;
}

static int export(struct buffers *b, struct buffer *bo, int *dmabuf)
{
	if (drmPrimeHandleToFD(b->fd, bo->handle, DRM_CLOEXEC | DRM_RDWR, dmabuf))
		return -errno;
	bo->exported = true;
	return 0;
}

static int import(int fd, int dmabuf, uint32_t *handle)
{
	return drmPrimeFDToHandle(fd, dmabuf, handle) ? -errno : 0;
}

static void gem_close_of(struct buffers *b, int fd, uint32_t handle)
{
	int ret = __movgem_gem_close(fd, handle);

	if (ret)
		stress_fail(b->w, "GEM_CLOSE of an import: %s", strerror(-ret));
}

void op_export(struct buffers *b)
{
	struct buffer *bo = bo_pick(b, can_export);
	uint32_t handle;
	int dmabuf, ret;

	if (!bo)
		return;
	stress_begin(b->w, STRESS_EXPORT, bo->name, 0, 0);
	ret = export(b, bo, &dmabuf);
	if (!ret) {
		ret = import(b->fd, dmabuf, &handle);
		close(dmabuf);
	}
	if (stress_end(b->w, ret) && handle != bo->handle)
		stress_fail(b->w, "BO %" PRIu64 " comes home as handle %u and not %u", bo->name,
			    handle, bo->handle);
}

/* Where an import is a BO that a GPU can be shown: a file or device of movgem. */
static void import_and_look(struct buffers *b, enum stress_op op, int fd, const char *how)
{
	struct buffer *bo = bo_pick(b, can_export);
	uint32_t handle;
	int dmabuf, ret;

	if (!bo || fd < 0)
		return;
	bo_idle(b, bo);
	stress_begin(b->w, op, bo->name, bo->pages, 0);
	ret = export(b, bo, &dmabuf);
	if (!ret) {
		ret = import(fd, dmabuf, &handle);
		close(dmabuf);
	}
	if (!ret) {
		ret = guest_look(b, fd, handle, bo, how);
		gem_close_of(b, fd, handle);
	}
	stress_end(b->w, ret);
}

void op_import_file(struct buffers *b)
{
	import_and_look(b, STRESS_IMPORT_FILE, b->other_fd, "seen by another file's GPU");
}

void op_import_device(struct buffers *b)
{
	import_and_look(b, STRESS_IMPORT_DEVICE, b->second, "seen by another device");
}

/* An importer that may pin: then pages stay, but CPU and GPU may go on. */
void op_import_vgem(struct buffers *b)
{
	struct buffer *bo = bo_pick(b, can_export);
	struct drm_movgem_bo_info info;
	uint32_t handle;
	int dmabuf, ret;

	if (!bo || b->vgem < 0)
		return;
	stress_begin(b->w, STRESS_IMPORT_VGEM, bo->name, bo->pages, 0);
	ret = export(b, bo, &dmabuf);
	if (!ret) {
		ret = import(b->vgem, dmabuf, &handle);
		close(dmabuf);
	}
	if (!stress_end(b->w, ret))
		return;
	if (__movgem_bo_info(b->fd, bo->handle, &info) ||
	    (b->w->shared->vgem_pins && !info.pins))
		stress_fail(b->w, "BO %" PRIu64 " is not pinned while vgem has it", bo->name);
	if (stress_one_in(b->w, 2))
		stress_sleep(b->w, 20000);
	content_check_all(b, bo);
	gem_close_of(b, b->vgem, handle);
}

/* The GPU reads and writes a BO of another driver. */
static int look_at_vgem(struct buffers *b, uint32_t *words, uint32_t handle, uint32_t pages)
{
	uint32_t seed = movgem_rand(&b->w->rand), value = seed * 7, i;
	struct guest g;
	int ret;

	for (i = 0; i < pages * PAGE / 4; i++)
		words[i] = movgem_mix(seed, i);
	ret = guest_init(&g, b, b->fd);
	if (!ret)
		ret = __movgem_vm_map(b->fd, g.vm, handle, 0, guest_va(), pages * PAGE, 0);
	if (!ret)
		ret = guest_copy(&g, GUEST_VA + PAGE, guest_va(), pages * PAGE);
	if (!ret) {
		if (memcmp(g.map + PAGE, words, pages * PAGE))
			stress_fail(b->w, "the GPU does not see what is in a BO of vgem");
		ret = guest_fill(&g, guest_va(), PAGE, value);
	}
	if (!ret)
		for (i = 0; i < pages * PAGE / 4; i++)
			if (words[i] != (i < PAGE / 4 ? value : movgem_mix(seed, i)))
				stress_fail(b->w, "word %u of a BO of vgem is %#x", i, words[i]);
	guest_fini(&g);
	return ret;
}

/* A dumb BO, with 1024 pixels to a line: a page. */
static int vgem_create(struct buffers *b, uint32_t pages, uint32_t *handle, void **map)
{
	struct drm_mode_create_dumb create = { .width = PAGE / 4, .height = pages, .bpp = 32 };
	struct drm_mode_map_dumb offset = { };
	int ret;

	ret = movgem_ioctl(b->vgem, DRM_IOCTL_MODE_CREATE_DUMB, &create);
	if (ret)
		return ret;
	*handle = create.handle;
	offset.handle = create.handle;
	ret = movgem_ioctl(b->vgem, DRM_IOCTL_MODE_MAP_DUMB, &offset);
	if (ret)
		return ret;
	*map = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, b->vgem,
		    offset.offset);
	return *map == MAP_FAILED ? -errno : 0;
}

void op_from_vgem(struct buffers *b)
{
	uint32_t pages = 1 + stress_below(b->w, GUEST_PAGES), handle = 0, vgem_handle = 0;
	void *map = MAP_FAILED;
	int dmabuf, ret;

	if (b->vgem < 0)
		return;
	stress_begin(b->w, STRESS_FROM_VGEM, pages, 0, 0);
	ret = vgem_create(b, pages, &vgem_handle, &map);
	if (!ret && drmPrimeHandleToFD(b->vgem, vgem_handle, DRM_CLOEXEC | DRM_RDWR, &dmabuf))
		ret = -errno;
	if (!ret) {
		ret = import(b->fd, dmabuf, &handle);
		close(dmabuf);
	}
	if (!ret)
		ret = look_at_vgem(b, map, handle, pages);
	if (handle)
		gem_close_of(b, b->fd, handle);
	if (map != MAP_FAILED)
		munmap(map, pages * PAGE);
	if (vgem_handle)
		gem_close_of(b, b->vgem, vgem_handle);
	stress_end(b->w, ret);
}

/* ---- to other processes ---- */

/* A letter: the dma-buf, and a file with what is in the BO. */
struct letter {
	uint64_t name;
	uint32_t pages, flags;
};

union control {
	struct cmsghdr header;
	char space[CMSG_SPACE(2 * sizeof(int))];
};

static int content_file(struct buffer *bo)
{
	size_t size = bo->pages * PAGE_SECTORS * sizeof(*bo->content);
	int fd = memfd_create("movgem-stress", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (write(fd, bo->content, size) == (ssize_t)size)
		return fd;
	close(fd);
	return -ENOMEM;
}

static int send_letter(int post, struct buffer *bo, int dmabuf, int content)
{
	struct letter letter = { .name = bo->name, .pages = bo->pages, .flags = bo->flags };
	struct iovec iov = { .iov_base = &letter, .iov_len = sizeof(letter) };
	union control control = { };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	int fds[2] = { dmabuf, content };
	struct cmsghdr *header = CMSG_FIRSTHDR(&msg);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(header), fds, sizeof(fds));
	return sendmsg(post, &msg, MSG_DONTWAIT) < 0 ? -errno : 0;
}

/* -EAGAIN where there is none. */
static int receive_letter(int post, struct letter *letter, int fds[2])
{
	struct iovec iov = { .iov_base = letter, .iov_len = sizeof(*letter) };
	union control control = { };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *header;

	if (recvmsg(post, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) < 0)
		return -errno;
	header = CMSG_FIRSTHDR(&msg);
	/* Descriptors that could not be had are left out. */
	if (!header || header->cmsg_len < CMSG_LEN(2 * sizeof(int)))
		return -ENOMEM;
	memcpy(fds, CMSG_DATA(header), 2 * sizeof(int));
	return 0;
}

/* Gives a BO away, with what is in it, for good. */
void op_post(struct buffers *b)
{
	struct buffer *bo = bo_pick(b, can_export);
	int dmabuf, content, ret;

	if (!bo || b->w->shared->post[0] < 0 || !bo_unbind(b, bo))
		return;
	bo_idle(b, bo);
	stress_begin(b->w, STRESS_POST, bo->name, bo->pages, 0);
	ret = export(b, bo, &dmabuf);
	if (!ret) {
		content = content_file(bo);
		ret = content < 0 ? content : 0;
		if (!ret) {
			/* Unmapped before anybody else may write it. */
			bo_unmap(b, bo);
			ret = send_letter(b->w->shared->post[0], bo, dmabuf, content);
			close(content);
		}
		close(dmabuf);
	}
	if (!stress_end(b->w, ret))
		return;
	ret = bo_close(b, bo);
	if (ret)
		stress_fail(b->w, "GEM_CLOSE of what was given away: %s", strerror(-ret));
	bo_release(b, bo);
}

void op_receive(struct buffers *b)
{
	struct buffer *bo = bo_slot(b);
	int post = b->w->shared->post[1], fds[2], ret;
	struct letter letter;
	uint32_t handle;
	ssize_t size;

	if (!bo || post < 0)
		return;
	ret = receive_letter(post, &letter, fds);
	if (ret == -EAGAIN)
		return;
	stress_begin(b->w, STRESS_RECEIVE, letter.name, letter.pages, 0);
	if (!ret) {
		ret = import(b->fd, fds[0], &handle);
		if (!ret) {
			ret = bo_init(b, bo, handle, letter.pages);
			if (ret)
				gem_close_of(b, b->fd, handle);
		}
		if (!ret) {
			bo->flags = letter.flags;
			bo->exported = true;
			size = letter.pages * PAGE_SECTORS * sizeof(*bo->content);
			if (pread(fds[1], bo->content, size, 0) != size)
				stress_fail(b->w, "a letter cannot be read");
		}
		close(fds[0]);
		close(fds[1]);
	}
	if (stress_end(b->w, ret))
		content_check_all(b, bo);
}
