// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

#define CREATE_TRACE_POINTS
#include "movgem_trace.h"
