/* SPDX-License-Identifier: MIT */
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * The kernel's fault injection: failslab, fail_page_alloc and fail_usercopy, by
 * the n-th of a thread or under a module's functions. Needs a kernel with
 * CONFIG_FAULT_INJECTION_DEBUG_FS, FAILSLAB and FAIL_PAGE_ALLOC, and root.
 */
#ifndef MOVGEM_FAULT_RIG_H
#define MOVGEM_FAULT_RIG_H

#include <stdbool.h>

enum fault_kind {
	FAULT_ALLOC,
	FAULT_USERCOPY,
};

/* Sets everything up, and back when the test ends. Skips where it is not there. */
void fault_require(void);
/* What is made to fail from now on; at first, allocations. */
void fault_only(enum fault_kind kind);
/* The n-th one of this thread fails, from 1, from now on. */
void fault_arm(unsigned int n);
/* None fails any more. Whether one has since it was armed, also if asked again. */
bool fault_disarm(void);
/* Between these none fails or counts; returns whether it is armed. */
bool fault_pause(void);
void fault_resume(void);
/*
 * So many percent of the allocations under functions of movgem fail, in any
 * task; with 0 none. False where the kernel cannot tell them.
 */
bool fault_driver_only(unsigned int percent);

#endif /* MOVGEM_FAULT_RIG_H */
