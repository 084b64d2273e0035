/* SPDX-License-Identifier: MIT */
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * Of what minigbm's util.h has, that which the backend uses.
 */
#ifndef UTIL_H
#define UTIL_H

#define ARRAY_SIZE(a) (sizeof(a) / sizeof(*(a)))

#endif
