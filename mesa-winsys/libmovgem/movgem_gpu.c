/*
 * Copyright (C) 2026 movgem maintainers
 * SPDX-License-Identifier: MIT
 */

/* VMs, queues and jobs: thin wrappers. */

#include "movgem_private.h"

#include <string.h>
#include <sys/ioctl.h>

movgem_public int
movgem_vm_create(struct movgem_device *dev, uint32_t *vm_id)
{
   struct drm_movgem_vm_create args = { 0 };
   int ret = movgem_ioctl(dev->fd, DRM_IOCTL_MOVGEM_VM_CREATE, &args);

   if (!ret)
      *vm_id = args.vm_id;
   return ret;
}

movgem_public int
movgem_vm_destroy(struct movgem_device *dev, uint32_t vm_id)
{
   struct drm_movgem_vm_destroy args = { .vm_id = vm_id };

   return movgem_ioctl(dev->fd, DRM_IOCTL_MOVGEM_VM_DESTROY, &args);
}

static int
vm_bind(struct movgem_device *dev, uint32_t vm_id, uint32_t flags,
        const struct drm_movgem_bind_op *ops, uint32_t op_count,
        const struct drm_movgem_sync *syncs, uint32_t sync_count)
{
   struct drm_movgem_vm_bind args = {
      .vm_id = vm_id,
      .flags = flags,
      .op_count = op_count,
      .ops = (uintptr_t)ops,
      .sync_count = sync_count,
      .syncs = (uintptr_t)syncs,
   };

   if (flags & DRM_MOVGEM_VM_BIND_ASYNC)
      return movgem_ioctl(dev->fd, DRM_IOCTL_MOVGEM_VM_BIND, &args);
   /* Not repeated: after a signal they may be queued already. */
   return ioctl(dev->fd, DRM_IOCTL_MOVGEM_VM_BIND, &args) ? -errno : 0;
}

/* \return 0, or -EINVAL for a syncobj that has no fence */
static int
wait_queued(struct movgem_device *dev, uint32_t syncobj)
{
   struct drm_syncobj_wait args = {
      .handles = (uintptr_t)&syncobj,
      .count_handles = 1,
      .timeout_nsec = INT64_MAX,
   };

   return movgem_ioctl(dev->fd, DRM_IOCTL_SYNCOBJ_WAIT, &args);
}

/* The ioctl itself waits, up to the first signal. From there a syncobj does, if
 * it tells that the operations are queued: it takes no file, as a sync_file
 * would. Nor does it tell of errors, but what is queued is applied, whatever
 * happens to the VM meanwhile.
 */
static int
vm_bind_wait(struct movgem_device *dev, uint32_t vm_id,
             const struct drm_movgem_bind_op *ops, uint32_t op_count,
             const struct drm_movgem_sync *syncs, uint32_t sync_count)
{
   struct drm_movgem_sync all[DRM_MOVGEM_SYNCS_MAX];
   struct drm_movgem_sync *done = &all[sync_count];
   int ret;

   if (sync_count >= DRM_MOVGEM_SYNCS_MAX)
      return -EINVAL;
   if (sync_count)
      memcpy(all, syncs, sync_count * sizeof(*all));
   *done = (struct drm_movgem_sync) { .flags = DRM_MOVGEM_SYNC_SIGNAL };
   ret = movgem_syncobj_create(dev, false, &done->handle);
   if (ret)
      return ret;

   do {
      ret = vm_bind(dev, vm_id, 0, ops, op_count, all, sync_count + 1);
      if (ret != -EINTR)
         break;
      ret = wait_queued(dev, done->handle);
      /* Not queued: somebody did not wait whose dma-buf is to be bound. */
   } while (ret == -EINVAL);
   movgem_syncobj_destroy(dev, done->handle);
   return ret;
}

movgem_public int
movgem_vm_bind(struct movgem_device *dev, uint32_t vm_id, uint32_t flags,
               const struct drm_movgem_bind_op *ops, uint32_t op_count,
               const struct drm_movgem_sync *syncs, uint32_t sync_count)
{
   if (!flags)
      return vm_bind_wait(dev, vm_id, ops, op_count, syncs, sync_count);
   if (flags != DRM_MOVGEM_VM_BIND_ASYNC)
      return -EINVAL;
   return vm_bind(dev, vm_id, flags, ops, op_count, syncs, sync_count);
}

movgem_public int
movgem_vm_map(struct movgem_device *dev, uint32_t vm_id, struct movgem_bo *bo,
              uint64_t bo_offset, uint64_t va, uint64_t size, uint32_t flags)
{
   const struct drm_movgem_bind_op op = {
      .op = DRM_MOVGEM_BIND_OP_MAP,
      .flags = flags,
      /* By which it is one that is not kept for reuse, while it is bound. */
      .handle = movgem_bo_get_handle(bo),
      .bo_offset = bo_offset,
      .va = va,
      .size = size,
   };

   return movgem_vm_bind(dev, vm_id, 0, &op, 1, NULL, 0);
}

movgem_public int
movgem_vm_unmap(struct movgem_device *dev, uint32_t vm_id, uint64_t va,
                uint64_t size)
{
   const struct drm_movgem_bind_op op = {
      .op = DRM_MOVGEM_BIND_OP_UNMAP,
      .va = va,
      .size = size,
   };

   return movgem_vm_bind(dev, vm_id, 0, &op, 1, NULL, 0);
}

movgem_public int
movgem_queue_create(struct movgem_device *dev, uint32_t vm_id,
                    uint32_t priority, uint32_t *queue_id)
{
   struct drm_movgem_queue_create args = {
      .vm_id = vm_id,
      .priority = priority,
   };
   int ret = movgem_ioctl(dev->fd, DRM_IOCTL_MOVGEM_QUEUE_CREATE, &args);

   if (!ret)
      *queue_id = args.queue_id;
   return ret;
}

movgem_public int
movgem_queue_destroy(struct movgem_device *dev, uint32_t queue_id)
{
   struct drm_movgem_queue_destroy args = { .queue_id = queue_id };

   return movgem_ioctl(dev->fd, DRM_IOCTL_MOVGEM_QUEUE_DESTROY, &args);
}

movgem_public int
movgem_queue_state(struct movgem_device *dev, uint32_t queue_id,
                   struct drm_movgem_queue_state *state)
{
   memset(state, 0, sizeof(*state));
   state->queue_id = queue_id;
   return movgem_ioctl(dev->fd, DRM_IOCTL_MOVGEM_QUEUE_STATE, state);
}

movgem_public int
movgem_submit(struct movgem_device *dev, uint32_t queue_id, uint64_t addr,
              uint32_t size, const struct drm_movgem_sync *syncs,
              uint32_t sync_count)
{
   struct drm_movgem_submit args = {
      .queue_id = queue_id,
      .stream_addr = addr,
      .stream_size = size,
      .sync_count = sync_count,
      .syncs = (uintptr_t)syncs,
   };

   return movgem_ioctl(dev->fd, DRM_IOCTL_MOVGEM_SUBMIT, &args);
}
