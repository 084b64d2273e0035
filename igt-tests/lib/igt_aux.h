/* SPDX-License-Identifier: MIT */
/*
 * Copyright (C) 2026 movgem maintainers
 */
#ifndef IGT_AUX_H
#define IGT_AUX_H

#include "igt_core.h"

/* Repeats the block, at least once, until so many seconds are over. */
#define igt_until_timeout(seconds)					\
	for (struct timespec igt_t_ = { 0 };				\
	     igt_seconds_elapsed(&igt_t_) < (seconds); )

#ifndef min
#define min(a, b) ({							\
	__typeof__(a) igt_x_ = (a);					\
	__typeof__(b) igt_y_ = (b);					\
									\
	igt_x_ < igt_y_ ? igt_x_ : igt_y_;				\
})
#define max(a, b) ({							\
	__typeof__(a) igt_x_ = (a);					\
	__typeof__(b) igt_y_ = (b);					\
									\
	igt_x_ > igt_y_ ? igt_x_ : igt_y_;				\
})
#endif

#ifndef SZ_4K
#define SZ_4K		0x1000
#define SZ_64K		0x10000
#define SZ_1M		0x100000
#define SZ_2M		0x200000
#endif

#endif /* IGT_AUX_H */
