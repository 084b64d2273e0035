// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 */
#include <xf86drm.h>

#include "igt.h"
#include "igt_syncobj.h"

static int try_ioctl(int fd, unsigned long req, void *arg)
{
	int ret = igt_ioctl(fd, req, arg) ? -errno : 0;

	errno = 0;
	return ret;
}

uint32_t syncobj_create(int fd, uint32_t flags)
{
	struct drm_syncobj_create args = { .flags = flags };

	do_ioctl(fd, DRM_IOCTL_SYNCOBJ_CREATE, &args);
	igt_assert(args.handle);
	return args.handle;
}

void syncobj_destroy(int fd, uint32_t handle)
{
	struct drm_syncobj_destroy args = { .handle = handle };

	do_ioctl(fd, DRM_IOCTL_SYNCOBJ_DESTROY, &args);
}

int __syncobj_handle_to_fd(int fd, struct drm_syncobj_handle *args)
{
	return try_ioctl(fd, DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD, args);
}

int __syncobj_fd_to_handle(int fd, struct drm_syncobj_handle *args)
{
	return try_ioctl(fd, DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE, args);
}

int syncobj_handle_to_fd(int fd, uint32_t handle, uint32_t flags)
{
	struct drm_syncobj_handle args = { .handle = handle, .flags = flags };

	igt_assert_eq(__syncobj_handle_to_fd(fd, &args), 0);
	return args.fd;
}

uint32_t syncobj_fd_to_handle(int fd, int syncobj_fd, uint32_t flags)
{
	struct drm_syncobj_handle args = { .fd = syncobj_fd, .flags = flags };

	igt_assert_eq(__syncobj_fd_to_handle(fd, &args), 0);
	return args.handle;
}

void syncobj_import_sync_file(int fd, uint32_t handle, int sync_file)
{
	struct drm_syncobj_handle args = {
		.handle = handle,
		.fd = sync_file,
		.flags = DRM_SYNCOBJ_FD_TO_HANDLE_FLAGS_IMPORT_SYNC_FILE,
	};

	igt_assert_eq(__syncobj_fd_to_handle(fd, &args), 0);
}

int __syncobj_wait(int fd, struct drm_syncobj_wait *args)
{
	return try_ioctl(fd, DRM_IOCTL_SYNCOBJ_WAIT, args);
}

static int wait_binary(int fd, uint32_t *handles, uint32_t count,
		       uint64_t abs_timeout_nsec, uint32_t flags, uint32_t *first)
{
	struct drm_syncobj_wait args = {
		.handles = to_user_pointer(handles),
		.timeout_nsec = abs_timeout_nsec,
		.count_handles = count,
		.flags = flags,
	};
	int ret = __syncobj_wait(fd, &args);

	if (!ret && first)
		*first = args.first_signaled;
	return ret;
}

int syncobj_wait_err(int fd, uint32_t *handles, uint32_t count,
		     uint64_t abs_timeout_nsec, uint32_t flags)
{
	return wait_binary(fd, handles, count, abs_timeout_nsec, flags, NULL);
}

bool syncobj_wait(int fd, uint32_t *handles, uint32_t count,
		  uint64_t abs_timeout_nsec, uint32_t flags, uint32_t *first_signaled)
{
	int ret = wait_binary(fd, handles, count, abs_timeout_nsec, flags, first_signaled);

	if (ret == -ETIME)
		return false;
	igt_assert_eq(ret, 0);
	return true;
}

int __syncobj_timeline_wait_ioctl(int fd, struct drm_syncobj_timeline_wait *args)
{
	return try_ioctl(fd, DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT, args);
}

static int wait_timeline(int fd, uint32_t *handles, uint64_t *points,
			 unsigned int count, int64_t timeout_nsec,
			 unsigned int flags, uint32_t *first)
{
	struct drm_syncobj_timeline_wait args = {
		.handles = to_user_pointer(handles),
		.points = to_user_pointer(points),
		.timeout_nsec = timeout_nsec,
		.count_handles = count,
		.flags = flags,
	};
	int ret = __syncobj_timeline_wait_ioctl(fd, &args);

	if (!ret && first)
		*first = args.first_signaled;
	return ret;
}

bool syncobj_timeline_wait(int fd, uint32_t *handles, uint64_t *points,
			   unsigned int num_handles, int64_t timeout_nsec,
			   unsigned int flags, uint32_t *first_signaled)
{
	int ret = wait_timeline(fd, handles, points, num_handles, timeout_nsec,
				flags, first_signaled);

	if (ret == -ETIME)
		return false;
	igt_assert_eq(ret, 0);
	return true;
}

int syncobj_timeline_wait_err(int fd, uint32_t *handles, uint64_t *points,
			      unsigned int num_handles, int64_t timeout_nsec,
			      unsigned int flags)
{
	return wait_timeline(fd, handles, points, num_handles, timeout_nsec, flags, NULL);
}

void syncobj_reset(int fd, uint32_t *handles, uint32_t count)
{
	struct drm_syncobj_array args = {
		.handles = to_user_pointer(handles),
		.count_handles = count,
	};

	do_ioctl(fd, DRM_IOCTL_SYNCOBJ_RESET, &args);
}

void syncobj_signal(int fd, uint32_t *handles, uint32_t count)
{
	struct drm_syncobj_array args = {
		.handles = to_user_pointer(handles),
		.count_handles = count,
	};

	do_ioctl(fd, DRM_IOCTL_SYNCOBJ_SIGNAL, &args);
}

void syncobj_timeline_query(int fd, uint32_t *handles, uint64_t *points, uint32_t count)
{
	struct drm_syncobj_timeline_array args = {
		.handles = to_user_pointer(handles),
		.points = to_user_pointer(points),
		.count_handles = count,
	};

	do_ioctl(fd, DRM_IOCTL_SYNCOBJ_QUERY, &args);
}

void syncobj_timeline_signal(int fd, uint32_t *handles, uint64_t *points, uint32_t count)
{
	struct drm_syncobj_timeline_array args = {
		.handles = to_user_pointer(handles),
		.points = to_user_pointer(points),
		.count_handles = count,
	};

	do_ioctl(fd, DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL, &args);
}

static void transfer(int fd, uint32_t dst, uint64_t dst_point, uint32_t src,
		     uint64_t src_point, uint32_t flags)
{
	struct drm_syncobj_transfer args = {
		.src_handle = src,
		.dst_handle = dst,
		.src_point = src_point,
		.dst_point = dst_point,
		.flags = flags,
	};

	do_ioctl(fd, DRM_IOCTL_SYNCOBJ_TRANSFER, &args);
}

void syncobj_binary_to_timeline(int fd, uint32_t timeline_handle, uint64_t point,
				uint32_t binary_handle)
{
	transfer(fd, timeline_handle, point, binary_handle, 0, 0);
}

void syncobj_timeline_to_binary(int fd, uint32_t binary_handle,
				uint32_t timeline_handle, uint64_t point, uint32_t flags)
{
	transfer(fd, binary_handle, 0, timeline_handle, point, flags);
}
