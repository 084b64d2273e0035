// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * Between the backend and the libraries: the linker has calls of a function
 * come to __wrap_function() here, and __real_function() is the library's.
 */
#include "test.h"

uint32_t access_begun, access_ended;
unsigned int failing_insert;

int __real_movgem_bo_begin_access(struct movgem_bo *bo, uint32_t access);
int __real_movgem_bo_end_access(struct movgem_bo *bo, uint32_t access);
int __wrap_movgem_bo_begin_access(struct movgem_bo *bo, uint32_t access);
int __wrap_movgem_bo_end_access(struct movgem_bo *bo, uint32_t access);

int __wrap_movgem_bo_begin_access(struct movgem_bo *bo, uint32_t access)
{
	__atomic_or_fetch(&access_begun, access, __ATOMIC_RELAXED);
	return __real_movgem_bo_begin_access(bo, access);
}

int __wrap_movgem_bo_end_access(struct movgem_bo *bo, uint32_t access)
{
	__atomic_or_fetch(&access_ended, access, __ATOMIC_RELAXED);
	return __real_movgem_bo_end_access(bo, access);
}

int __real_drmHashInsert(void *table, unsigned long key, void *value);
int __wrap_drmHashInsert(void *table, unsigned long key, void *value);

int __wrap_drmHashInsert(void *table, unsigned long key, void *value)
{
	if (failing_insert && !--failing_insert)
		return -1;
	return __real_drmHashInsert(table, key, value);
}
