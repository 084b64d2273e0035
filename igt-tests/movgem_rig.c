// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "igt.h"
#include "igt_syncobj.h"
#include "movgem_rig.h"

void movgem_rig_init(struct movgem_rig *rig, int fd)
{
	memset(rig, 0, sizeof(*rig));
	rig->fd = fd;
	rig->vm = movgem_vm_create(fd);
	rig->queue = movgem_queue_create(fd, rig->vm);
	movgem_stream_init(&rig->s, fd, rig->vm, SZ_64K);
	rig->handle = movgem_bo_create(fd, MOVGEM_PAGE, 0);
	rig->map = movgem_bo_mmap(fd, rig->handle, MOVGEM_PAGE);
	rig->va = movgem_va_alloc(fd, MOVGEM_PAGE);
	movgem_vm_map(fd, rig->vm, rig->handle, 0, rig->va, MOVGEM_PAGE, 0);
}

void movgem_rig_fini(struct movgem_rig *rig)
{
	struct drm_movgem_bo_info info;
	int i;

	movgem_queue_destroy(rig->fd, rig->queue);
	movgem_stream_fini(&rig->s);
	munmap(rig->map, MOVGEM_PAGE);
	movgem_vm_destroy(rig->fd, rig->vm);
	/* The VM goes with its last job. The tests count what is left then. */
	for (i = 0; i < 6000; i++) {
		movgem_bo_info(rig->fd, rig->handle, &info);
		if (!info.gpu_maps)
			break;
		usleep(10000);
	}
	igt_assert_eq_u32(info.gpu_maps, 0);
	gem_close(rig->fd, rig->handle);
}

int movgem_rig_read(struct movgem_rig *rig, uint64_t va, uint32_t *value)
{
	int ret;

	WRITE_ONCE(rig->map[0], 0x5eeed00d);
	movgem_stream_reset(&rig->s);
	movgem_cmd_copy(&rig->s, rig->va, va, 4);
	ret = __movgem_stream_run(&rig->s, rig->queue);
	*value = READ_ONCE(rig->map[0]);
	if (ret)
		igt_assert_eq_u32(*value, 0x5eeed00d);
	return ret;
}

int movgem_rig_write(struct movgem_rig *rig, uint64_t va, uint32_t value)
{
	movgem_stream_reset(&rig->s);
	movgem_cmd_fill(&rig->s, va, 4, value);
	return __movgem_stream_run(&rig->s, rig->queue);
}

void movgem_rig_expect(struct movgem_rig *rig, uint64_t va, uint32_t value)
{
	uint32_t got;
	int ret = movgem_rig_read(rig, va, &got);

	igt_assert_f(!ret, "GPU read of %#llx ends with %d\n", (long long)va, ret);
	igt_assert_f(got == value, "GPU reads %#x at %#llx, not %#x\n", got,
		     (long long)va, value);
}

void movgem_rig_expect_fault(struct movgem_rig *rig, uint64_t va, uint32_t type,
			     uint32_t access)
{
	struct drm_movgem_queue_state before, after;
	uint32_t value;
	int ret;

	movgem_queue_state(rig->fd, rig->queue, &before);
	if (access == DRM_MOVGEM_ACCESS_WRITE)
		ret = movgem_rig_write(rig, va, 0xbadbadba);
	else
		ret = movgem_rig_read(rig, va, &value);
	igt_assert_f(ret == -EFAULT, "GPU access of %#llx ends with %d\n", (long long)va, ret);

	movgem_queue_state(rig->fd, rig->queue, &after);
	igt_assert_eq_u64(after.submitted, before.submitted + 1);
	igt_assert_eq_u64(after.faulted, before.faulted + 1);
	igt_assert_eq_u32(after.fault.type, type);
	igt_assert_eq_u32(after.fault.access, access);
	igt_assert_eq_u64(after.fault.address, va);
	igt_assert_eq_u64(after.fault.stream_offset, 0);
	igt_assert_eq_u64(after.fault.seqno, after.submitted);
}

void movgem_memory_init(struct movgem_memory *m, int fd, uint64_t size)
{
	movgem_rig_init(&m->rig, fd);
	m->size = size;
	m->handle = movgem_bo_create(fd, size, 0);
	m->map = movgem_bo_mmap(fd, m->handle, size);
	m->id = movgem_bo_id(fd, m->handle);
	m->va = movgem_va_alloc(fd, size);
	movgem_vm_map(fd, m->rig.vm, m->handle, 0, m->va, size, 0);
}

void movgem_memory_fini(struct movgem_memory *m)
{
	munmap(m->map, m->size);
	gem_close(m->rig.fd, m->handle);
	movgem_rig_fini(&m->rig);
}

bool movgem_gate_try(int n)
{
	igt_assert_f(n < MOVGEM_GATE_TRIES,
		     "the machine is too slow: every gate was reset before the test could look\n");
	return true;
}

void movgem_gate_shut_in(struct movgem_gate *gate, int fd, uint32_t vm, uint32_t queue)
{
	memset(gate, 0, sizeof(*gate));
	gate->fd = fd;
	gate->vm = vm;
	gate->queue = queue;
	gate->handle = movgem_bo_create(fd, MOVGEM_PAGE, 0);
	gate->sem = movgem_bo_mmap(fd, gate->handle, MOVGEM_PAGE);
	gate->va = movgem_va_alloc(fd, MOVGEM_PAGE);
	movgem_vm_map(fd, vm, gate->handle, 0, gate->va, MOVGEM_PAGE, 0);
	movgem_stream_init(&gate->s, fd, vm, MOVGEM_PAGE);
	movgem_cmd_sem_wait(&gate->s, gate->va, 1, 0);
	gate->syncobj = movgem_stream_submit_sync(&gate->s, queue);
}

void movgem_gate_shut(struct movgem_gate *gate, int fd)
{
	uint32_t vm = movgem_vm_create(fd);

	movgem_gate_shut_in(gate, fd, vm, movgem_queue_create(fd, vm));
	gate->own_queue = true;
}

void movgem_gate_fini(struct movgem_gate *gate)
{
	syncobj_destroy(gate->fd, gate->syncobj);
	if (gate->own_queue)
		movgem_queue_destroy(gate->fd, gate->queue);
	movgem_vm_unmap(gate->fd, gate->vm, gate->va, MOVGEM_PAGE);
	movgem_stream_fini(&gate->s);
	munmap((void *)gate->sem, MOVGEM_PAGE);
	gem_close(gate->fd, gate->handle);
	if (gate->own_queue)
		movgem_vm_destroy(gate->fd, gate->vm);
}

bool movgem_gate_open(struct movgem_gate *gate)
{
	int ret;

	__atomic_store_n(gate->sem, 1, __ATOMIC_SEQ_CST);
	ret = movgem_syncobj_result(gate->fd, gate->syncobj);
	movgem_gate_fini(gate);
	if (!ret)
		return true;
	igt_assert_eq(ret, -ETIMEDOUT);
	igt_debug("the gate was reset, once more\n");
	return false;
}
