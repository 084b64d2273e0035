/* SPDX-License-Identifier: MIT */
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * Opening devices.
 */
#ifndef DRMTEST_H
#define DRMTEST_H

#include <stdint.h>
#include <sys/mman.h>
#include <xf86drm.h>

#include "igt_core.h"

/* IGT's values; drivers that DRIVER_ANY leaves out have to be named. */
#define DRIVER_VGEM	(1 << 2)
#define DRIVER_VKMS	(1 << 9)
#define DRIVER_VIRTIO	(1 << 10)
#define DRIVER_ANY	(~(DRIVER_VGEM | DRIVER_VKMS | DRIVER_VIRTIO))

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#endif
#ifndef ALIGN
#define ALIGN(v, a)	(((v) + (__typeof__(v))(a) - 1) &		\
			 ~((__typeof__(v))(a) - 1))
#endif
#ifndef IS_ALIGNED
#define IS_ALIGNED(v, a) (!((v) & ((__typeof__(v))(a) - 1)))
#endif

int __get_drm_device_name(int fd, char *name, int name_size);
int __drm_open_driver(int chipset);
int __drm_open_driver_render(int chipset);
int drm_open_driver(int chipset);
int drm_open_driver_render(int chipset);
int drm_reopen_driver(int fd);
int __drm_close_driver(int fd);
int drm_close_driver(int fd);

#define do_or_die(x)	igt_assert((x) == 0)

#define do_ioctl(fd, req, arg)						\
	do {								\
		igt_assert_f(!igt_ioctl((fd), (req), (arg)),		\
			     "%s: %s\n", #req, strerror(errno));	\
		errno = 0;						\
	} while (0)

#define do_ioctl_err(fd, req, arg, err)					\
	do {								\
		igt_assert_f(igt_ioctl((fd), (req), (arg)) == -1,	\
			     "%s passed\n", #req);			\
		igt_assert_eq(errno, (err));				\
		errno = 0;						\
	} while (0)

#endif /* DRMTEST_H */
