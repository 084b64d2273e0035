/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Marks that profile-plugin.c sees the guest pass: instructions that do nothing,
 * with an operand that no compiler would choose.
 *
 * Copyright (C) 2026 movgem maintainers
 */
#ifndef _MOVGEM_BENCH_MARK_H_
#define _MOVGEM_BENCH_MARK_H_

#define MARK_BEGIN	1
#define MARK_END	2

#define MARK_SIZE	7
/* nopl MAGIC(%rax) */
#define MARK_BYTES(n)	0x0f, 0x1f, 0x80, (n), 0x76, 0x6f, 0x6d

#define MARK_TEXT_(...)	#__VA_ARGS__
#define MARK_TEXT(...)	MARK_TEXT_(__VA_ARGS__)
#define MARK(n) \
	asm volatile(".byte " MARK_TEXT(MARK_BYTES(n)) ::: "memory")

#endif
