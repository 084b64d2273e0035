/*
 * Copyright (C) 2026 movgem maintainers
 * SPDX-License-Identifier: MIT
 */

#ifndef MOVGEM_H
#define MOVGEM_H

/**
 * \file
 * libmovgem: the user space interface of the movgem DRM driver, for C.
 *
 * Buffers (BOs) are objects with a reference count, which know where they are
 * mapped; the library sees to it that one file description has one such object
 * for each GEM handle. VMs, queues and syncobjs are what the kernel gives: ids
 * and handles of a device, in thin wrappers.
 *
 * Errors: functions that return int return 0, or a negative errno value; errno
 * itself means nothing. What is returned through a pointer is set only on
 * success. The errors of each ioctl are listed in movgem_drm.h, and -EINTR is
 * never one of them: calls are repeated where that is safe, and made so that it
 * is.
 *
 * Threads: every function may be called by any thread at any time, for the same
 * object as well, as long as the caller has a reference to the object. Who
 * writes to a BO's memory when is for callers to agree on.
 *
 * Deadlines are absolute times of CLOCK_MONOTONIC in nanoseconds: 0 does not
 * wait at all, INT64_MAX waits for ever, and movgem_deadline() is for the rest.
 *
 * Forks: a child must not use the parent's objects; it opens the device anew.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "movgem_drm.h"

#if defined(__cplusplus)
extern "C" {
#endif

/** \defgroup device The device
 * @{
 */

/** An open file of the driver, which GEM handles, VMs and queues belong to. */
struct movgem_device;

/** A buffer object: movgem's own, or a dma-buf of another driver. */
struct movgem_bo;

/**
 * Get the device of an open DRM file, of the card or the render node.
 *
 * There is one for each file description: called again for the same one, for
 * a duplicate of \p fd too, it returns the device that is there, with another
 * reference. All GEM handles of the file description are the library's to
 * close from then on. So it must not be one that somebody else works with,
 * which another copy of this library is, too: Mesa has one inside. Open the
 * node anew for what is not given to GBM or EGL.
 *
 * \param fd   stays the caller's, and may be closed
 * \param dev  in return, the device
 *
 * \return 0; -ENODEV if \p fd is no file of movgem's; -ENOSYS if the same
 * device node is open already and the kernel does not tell whether this is the
 * same file (before Linux 6.10, in a sandbox without kcmp(2)); -EBADF,
 * -EMFILE, -ENOMEM
 */
int
movgem_device_create(int fd, struct movgem_device **dev);

/** Take another reference. \return \p dev */
struct movgem_device *
movgem_device_ref(struct movgem_device *dev);

/** Give back a reference. A BO has one of its own; NULL is fine. */
void
movgem_device_unref(struct movgem_device *dev);

/** \return the library's own file descriptor; not to be closed */
int
movgem_device_get_fd(const struct movgem_device *dev);

/** Ask what the GPU can do. */
int
movgem_device_gpu_info(struct movgem_device *dev,
                       struct drm_movgem_gpu_info *info);

/** Ask for counters and the page store. */
int
movgem_device_mem_info(struct movgem_device *dev,
                       struct drm_movgem_mem_info *info);

/**
 * Set how much is kept in BOs that nobody uses any more, to be used again.
 *
 * The kernel may take their pages, so they cost little. At first nothing is
 * kept. BOs that somebody else may know are never kept.
 *
 * \param size    bytes in all; 0 for nothing, which frees what is there
 * \param max_ms  none longer than this; looked at when a BO comes
 */
void
movgem_device_set_cache(struct movgem_device *dev, uint64_t size,
                        unsigned max_ms);

/** Free all BOs that are kept. */
void
movgem_device_trim_cache(struct movgem_device *dev);

/**
 * Have so many bytes, or more, of nobody's memory follow each map of a BO that
 * is made from now on, for those who read and write in blocks.
 */
void
movgem_device_set_map_slack(struct movgem_device *dev, size_t size);

/**
 * Have a function called for what happens to BOs, for debugging, or NULL.
 *
 * To be set before there are BOs. It is called with locks held, so it must not
 * call the library, other than movgem_bo_get_size().
 */
void
movgem_device_set_log(struct movgem_device *dev,
                      void (*log)(void *data, const struct movgem_bo *bo,
                                  uint32_t handle, const char *what),
                      void *data);

/**
 * Get all BOs that somebody else may know, with a reference to each.
 *
 * \param bos    in return, an array that the caller frees by free(), or NULL
 * \param count  in return, how many there are
 *
 * \return 0, or -ENOMEM
 */
int
movgem_device_get_shared(struct movgem_device *dev, struct movgem_bo ***bos,
                         unsigned *count);

/** \return the time in \p ns nanoseconds, as a deadline */
int64_t
movgem_deadline(uint64_t ns);

/** @} */

/** \defgroup bo Buffers
 * @{
 */

/** What a BO is to be; members that are not named are to be zero. */
struct movgem_bo_params {
   /** Bytes; rounded up to whole pages. */
   uint64_t size;

   /** Any of DRM_MOVGEM_BO_*. */
   uint32_t flags;

   /** 0, or the only VM that it is ever bound in; it cannot be exported. */
   uint32_t exclusive_vm_id;

   /** As movgem_bo_set_label(), or NULL. */
   const char *label;
};

/** A use of memory by the CPU, to be combined. */
#define MOVGEM_ACCESS_READ  (1u << 0)
#define MOVGEM_ACCESS_WRITE (1u << 1)

/** Make a BO, all zero. */
int
movgem_bo_create(struct movgem_device *dev,
                 const struct movgem_bo_params *params, struct movgem_bo **bo);

/**
 * Get the BO of a dma-buf, of this driver or another.
 *
 * One that has a BO in this file comes back as that BO.
 *
 * \param dmabuf  stays the caller's, and may be closed
 */
int
movgem_bo_import(struct movgem_device *dev, int dmabuf, struct movgem_bo **bo);

/**
 * Get a dma-buf of a BO, for reading and writing.
 *
 * \param dmabuf  in return, a new file descriptor, closed on exec
 */
int
movgem_bo_export(struct movgem_bo *bo, int *dmabuf);

/** Take another reference. \return \p bo */
struct movgem_bo *
movgem_bo_ref(struct movgem_bo *bo);

/** Give back a reference; with the last one goes the map. NULL is fine. */
void
movgem_bo_unref(struct movgem_bo *bo);

/** \return the BO's device, without a reference */
struct movgem_device *
movgem_bo_get_device(const struct movgem_bo *bo);

/** \return the BO's size in bytes */
uint64_t
movgem_bo_get_size(const struct movgem_bo *bo);

/** \return the BO's GEM handle, which others may use while the BO is there */
uint32_t
movgem_bo_get_handle(struct movgem_bo *bo);

/**
 * \return the BO's GEM handle, for a use that ends before the BO does, as a bind
 * that is undone by then; by it the BO does not become one that others may know
 */
uint32_t
movgem_bo_borrow_handle(const struct movgem_bo *bo);

/** \return whether somebody else may know the BO: by dma-buf or handle, or as
 * it is in a VM; once it is so it stays so
 */
bool
movgem_bo_is_shared(struct movgem_bo *bo);

/** \return whether it is another driver's */
bool
movgem_bo_is_foreign(const struct movgem_bo *bo);

/**
 * Map a BO for reading and writing; it stays mapped, at the same place.
 *
 * \return 0; -EPERM for one with DRM_MOVGEM_BO_NO_MMAP; what the driver says
 * whose dma-buf it is; -ENOMEM for too many maps, too
 */
int
movgem_bo_map(struct movgem_bo *bo, void **map);

/**
 * Begin CPU access to a BO that others work on: waits until all of its fences
 * have signalled, has caches right where it is another driver's.
 *
 * \param access  MOVGEM_ACCESS_*
 */
int
movgem_bo_begin_access(struct movgem_bo *bo, uint32_t access);

/** End what movgem_bo_begin_access() has begun, with the same \p access. */
int
movgem_bo_end_access(struct movgem_bo *bo, uint32_t access);

/** Ask for a BO's state: its pages, how many have moved, pins. */
int
movgem_bo_info(struct movgem_bo *bo, struct drm_movgem_bo_info *info);

/**
 * Name a BO for debugging: debugfs has the name in its list of BOs.
 *
 * \param label  up to DRM_MOVGEM_BO_LABEL_MAX - 1 bytes, or NULL
 */
int
movgem_bo_set_label(struct movgem_bo *bo, const char *label);

/** Wait for all of a BO's fences. \return 0, or -ETIME after \p deadline */
int
movgem_bo_wait(struct movgem_bo *bo, int64_t deadline);

/**
 * Tell whether a BO's content is still needed.
 *
 * \param madv      DRM_MOVGEM_MADV_WILLNEED or _DONTNEED
 * \param retained  in return, whether its pages are still there; or NULL
 */
int
movgem_bo_madvise(struct movgem_bo *bo, uint32_t madv, bool *retained);

/** @} */

/** \defgroup gpu VMs, queues, jobs
 * @{
 */

/** Make a GPU address space. */
int
movgem_vm_create(struct movgem_device *dev, uint32_t *vm_id);

int
movgem_vm_destroy(struct movgem_device *dev, uint32_t vm_id);

/**
 * Map and unmap parts of BOs in a VM, in order, as one job.
 *
 * \param flags  0, to return when all is done; or DRM_MOVGEM_VM_BIND_ASYNC.
 *               With 0 there may be DRM_MOVGEM_SYNCS_MAX - 1 syncs.
 *
 * \return 0; or what the ioctl says, and nothing has changed
 */
int
movgem_vm_bind(struct movgem_device *dev, uint32_t vm_id, uint32_t flags,
               const struct drm_movgem_bind_op *ops, uint32_t op_count,
               const struct drm_movgem_sync *syncs, uint32_t sync_count);

/** Map a part of a BO at a GPU address, and return when that is done. */
int
movgem_vm_map(struct movgem_device *dev, uint32_t vm_id, struct movgem_bo *bo,
              uint64_t bo_offset, uint64_t va, uint64_t size, uint32_t flags);

/** Unmap whatever is in a range, and return when that is done. */
int
movgem_vm_unmap(struct movgem_device *dev, uint32_t vm_id, uint64_t va,
                uint64_t size);

/** \param priority  one of DRM_MOVGEM_QUEUE_PRIORITY_* */
int
movgem_queue_create(struct movgem_device *dev, uint32_t vm_id,
                    uint32_t priority, uint32_t *queue_id);

int
movgem_queue_destroy(struct movgem_device *dev, uint32_t queue_id);

/** Ask for a queue's jobs, and its newest fault. */
int
movgem_queue_state(struct movgem_device *dev, uint32_t queue_id,
                   struct drm_movgem_queue_state *state);

/** Submit a command stream, which is at a GPU address of the queue's VM. */
int
movgem_submit(struct movgem_device *dev, uint32_t queue_id, uint64_t addr,
              uint32_t size, const struct drm_movgem_sync *syncs,
              uint32_t sync_count);

/** @} */

/** \defgroup sync Fences
 *
 * A \p point is zero for a binary syncobj, or a point of a timeline.
 * @{
 */

int
movgem_syncobj_create(struct movgem_device *dev, bool signalled,
                      uint32_t *syncobj);

int
movgem_syncobj_destroy(struct movgem_device *dev, uint32_t syncobj);

/**
 * Wait for a fence, also for one that is yet to come.
 *
 * That the fence's job has failed is told by movgem_sync_file_wait() only.
 *
 * \return 0, or -ETIME after \p deadline
 */
int
movgem_syncobj_wait(struct movgem_device *dev, uint32_t syncobj,
                    uint64_t point, int64_t deadline);

int
movgem_syncobj_signal(struct movgem_device *dev, uint32_t syncobj,
                      uint64_t point);

/** Take the fence away again, of a binary syncobj. */
int
movgem_syncobj_reset(struct movgem_device *dev, uint32_t syncobj);

/**
 * \param sync_file  in return, a new file descriptor, closed on exec
 * \return 0, or -EINVAL where there is no fence yet
 */
int
movgem_syncobj_export_sync_file(struct movgem_device *dev, uint32_t syncobj,
                                uint64_t point, int *sync_file);

/** \param sync_file  stays the caller's; -1 is a fence that has signalled */
int
movgem_syncobj_import_sync_file(struct movgem_device *dev, uint32_t syncobj,
                                uint64_t point, int sync_file);

/**
 * Wait for a sync_file, of any driver.
 *
 * \return 0; -ETIME after \p deadline; or the error that the work ended with:
 * for a job of movgem's -EFAULT, -EINVAL, -ETIMEDOUT or -ECANCELED
 */
int
movgem_sync_file_wait(int sync_file, int64_t deadline);

/**
 * Get the fences to wait for before a BO is read or written by others than its
 * users so far. Those of movgem's jobs are there only if somebody has put them
 * there, by movgem_bo_import_sync_file().
 *
 * \param access  MOVGEM_ACCESS_READ, or with _WRITE
 */
int
movgem_bo_export_sync_file(struct movgem_bo *bo, uint32_t access,
                           int *sync_file);

/** Put a fence into a BO, for others to wait for: somebody reads or writes. */
int
movgem_bo_import_sync_file(struct movgem_bo *bo, uint32_t access,
                           int sync_file);

/** @} */

#if defined(__cplusplus)
}
#endif

#endif /* MOVGEM_H */
