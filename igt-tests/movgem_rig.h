/* SPDX-License-Identifier: MIT */
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * A VM with a queue to look at memory through the GPU's eyes, and gates: jobs
 * that end when the test says so.
 */
#ifndef MOVGEM_RIG_H
#define MOVGEM_RIG_H

#include "movgem_lib.h"

struct movgem_rig {
	int fd;
	uint32_t vm;
	uint32_t queue;
	struct movgem_stream s;
	/* A page that jobs report into. */
	uint32_t handle;
	uint64_t va;
	uint32_t *map;
};

void movgem_rig_init(struct movgem_rig *rig, int fd);
void movgem_rig_fini(struct movgem_rig *rig);
/* One word through the GPU; 0 or the error on the job's fence. */
int movgem_rig_read(struct movgem_rig *rig, uint64_t va, uint32_t *value);
int movgem_rig_write(struct movgem_rig *rig, uint64_t va, uint32_t value);
/* Has to read this there. */
void movgem_rig_expect(struct movgem_rig *rig, uint64_t va, uint32_t value);
/* Has to fault there; checks the fault record. */
void movgem_rig_expect_fault(struct movgem_rig *rig, uint64_t va, uint32_t type,
			     uint32_t access);

/* A BO that the CPU has mapped, and the GPU in the VM of a rig. */
struct movgem_memory {
	struct movgem_rig rig;
	uint64_t size;
	uint32_t handle;
	uint32_t *map;
	uint64_t va;
	uint64_t id;
};

void movgem_memory_init(struct movgem_memory *m, int fd, uint64_t size);
void movgem_memory_fini(struct movgem_memory *m);

/*
 * A gate is a job that waits on a semaphore which the CPU writes. It holds up
 * whatever waits for its fence. The driver resets a job that waits too long;
 * on a slow machine that can happen to a gate in the middle of a test. So a
 * test takes its samples while the gate is shut, opens it, and judges the
 * samples only where movgem_gate_open() says that the gate held, else it
 * starts over:
 *
 *	movgem_gate_loop(tries) {
 *		movgem_gate_shut(&gate, fd);
 *		...
 *		if (movgem_gate_open(&gate))
 *			break;
 *		...
 *	}
 */
struct movgem_gate {
	int fd;
	uint32_t vm;
	uint32_t queue;
	bool own_queue;
	struct movgem_stream s;
	uint32_t handle;
	uint64_t va;
	volatile uint64_t *sem;
	uint32_t syncobj;
};

#define MOVGEM_GATE_TRIES	10
#define movgem_gate_loop(n_)						\
	for (int n_ = 0; movgem_gate_try(n_); n_++)

/* Fails the test when the tries are used up. */
bool movgem_gate_try(int n);
/* A gate in a VM and a queue of its own. */
void movgem_gate_shut(struct movgem_gate *gate, int fd);
/* A gate in a given VM and queue, which whatever is queued behind waits for. */
void movgem_gate_shut_in(struct movgem_gate *gate, int fd, uint32_t vm, uint32_t queue);
/* Lets it through and frees it; whether it had held all the time. */
bool movgem_gate_open(struct movgem_gate *gate);
/* Just frees it: for gates that were reset or cancelled. */
void movgem_gate_fini(struct movgem_gate *gate);

#endif /* MOVGEM_RIG_H */
