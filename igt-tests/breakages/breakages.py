# SPDX-License-Identifier: MIT
# Copyright (C) 2026 movgem maintainers
"""The deliberate breakages: one small edit of the driver each.

Each has a name, what is wrong with the driver then, the edits, the tests that
are to notice, and what its guest needs. An edit is (file, text, replacement);
the text must be in the file exactly once, so a breakage that does not fit the
driver any more is an error and never a silent pass. A test is a program, or
program@subtest,subtest.
"""

MIGRATE = "movgem_migrate.c"
MOVABLE = "movgem_store_movable.c"
PRIME = "movgem_prime.c"
FOLIO = "movgem_store_folio.c"
VMA = "movgem_vma.c"
BLIT = "movgem_soft_blit.c"


class Breakage:
    def __init__(self, name, what, edits, tests, guest=()):
        self.name = name
        self.what = what
        self.edits = edits
        self.tests = tests
        self.guest = list(guest)


LIST = [
    # ---- a page that moves ----
    Breakage(
        "no-tlb-invalidation", "the GPU's TLBs are never invalidated",
        [(MIGRATE, "\telse\n\t\tmdev->engine->flush(mdev);\n", "")],
        ["movgem_migrate@gpu-mapped,several-vms,gpu-hammer"]),
    Breakage(
        "no-cpu-zap", "CPU page table entries are not zapped",
        [(MIGRATE,
          "\tif (!move->unmapped &&\n"
          "\t    movgem_mmap_zap(bo, run->first, run->last - run->first + 1))\n"
          "\t\ttrace_movgem_unmap(bo, run->first, run->last);\n", "")],
        ["movgem_migrate@cpu-mapped,cpu-hammer,writers-debugfs"]),
    Breakage(
        "copy-before-zap", "the page is copied before CPU entries are zapped",
        [(MOVABLE,
          "\tret = movgem_migrate_begin(move);\n\tif (ret)\n\t\treturn ret;\n"
          "\tret = copy_content(move, dst, src);\n",
          "\tret = copy_content(move, dst, src);\n"
          "\tif (!ret)\n\t\tret = movgem_migrate_begin(move);\n"
          "\tif (ret)\n\t\treturn ret;\n")],
        ["movgem_migrate@cpu-hammer,writers-debugfs"]),
    Breakage(
        "copy-before-flush", "the page is copied before the GPU's TLBs are invalidated",
        [(MIGRATE,
          "\tif (run->flush && run->epoch == mdev->flush.epoch)\n"
          "\t\tflush_locked(mdev);\n", ""),
         (MOVABLE, "\tcopy_highpage(dst, src);\n",
          "\tcopy_highpage(dst, src);\n\tmovgem_migrate_flush(movgem_bo_device(bo));\n")],
        ["movgem_migrate@gpu-hammer,writers-debugfs"]),
    Breakage(
        "gpu-not-blocked", "the GPU's entry stays valid while the page is copied",
        [(MIGRATE, "\tmdev->engine->page_block(bo, slot->index);\n", "")],
        ["movgem_migrate@gpu-hammer,writers-debugfs"]),
    Breakage(
        "fault-not-blocked", "a CPU fault maps a page that is being copied",
        [("movgem_fault.c",
          "\tif (slot->state == MOVGEM_PAGE_MOVING ||\n"
          "\t    slot->state == MOVGEM_PAGE_QUIESCED || slot->busy == U8_MAX) {",
          "\tif (slot->busy == U8_MAX) {")],
        ["movgem_migrate@cpu-hammer,writers-debugfs,fork"]),
    Breakage(
        "quiesced-not-blocked", "a CPU fault maps a page of a batch that is being moved",
        [("movgem_fault.c",
          "\t    slot->state == MOVGEM_PAGE_QUIESCED || slot->busy == U8_MAX) {",
          "\t    slot->busy == U8_MAX) {")],
        ["movgem_batch", "movgem_migrate@writers-compact"]),
    Breakage(
        "killed-faults-on", "the fault of a killed task comes again",
        [("movgem_fault.c",
          "\t\treturn fatal_signal_pending(current) ? VM_FAULT_SIGBUS :\n"
          "\t\t\t\t\t\t       VM_FAULT_NOPAGE;\n",
          "\t\treturn VM_FAULT_NOPAGE;\n")],
        ["movgem_batch@killed"]),
    Breakage(
        "busy-ignored", "a page moves while a CPU fault is just mapping it",
        [(MIGRATE, "\tif (slot->busy || (in_use(slot) &&", "\tif ((in_use(slot) &&")],
        ["movgem_migrate@cpu-hammer,writers-debugfs,fork,remap"]),
    Breakage(
        "retaken-not-blocked", "a page that a job took back is blocked before its state says so, which is without effect (a bug that movgem_migrate found)",
        [(MIGRATE,
          "\tset_state(bo, slot, state);\n\tif (!blocked)\n\t\tblock(bo, slot);\n",
          "\tif (!blocked)\n\t\tblock(bo, slot);\n\tset_state(bo, slot, state);\n")],
        ["movgem_migrate@writers-compact,putback,everything"]),
    Breakage(
        "lost-putback", "a page that the kernel gives up on stays isolated",
        [(MIGRATE,
          "\tspin_lock(&bo->pages_lock);\n"
          "\tset_state(bo, slot, MOVGEM_PAGE_RESIDENT);\n\tunblock(bo, slot);\n",
          "\tspin_lock(&bo->pages_lock);\n")],
        ["movgem_migrate@putback,everything,writers-compact"]),
    Breakage(
        "first-vm-only", "only the first GPU mapping of a page is rewired",
        [(VMA,
          "\t     vma = vma_tree_iter_next(vma, index, index))\n\t\twrite_one(",
          "\t     vma = NULL)\n\t\twrite_one(")],
        ["movgem_migrate@several-vms,writers-debugfs"]),
    Breakage(
        "gpu-not-rewired", "CPU mappings follow a page, GPU mappings do not",
        [(VMA,
          "void movgem_vm_page_block(struct movgem_bo *bo, u32 index)\n"
          "{\n\tpage_write(bo, index);\n}",
          "void movgem_vm_page_block(struct movgem_bo *bo, u32 index)\n{\n}"),
         (VMA,
          "void movgem_vm_page_set(struct movgem_bo *bo, u32 index)\n"
          "{\n\tpage_write(bo, index);\n}",
          "void movgem_vm_page_set(struct movgem_bo *bo, u32 index)\n"
          "{\n\tif (!movgem_bo_has_pages(bo))\n\t\tpage_write(bo, index);\n}")],
        ["movgem_migrate@gpu-mapped,several-vms"]),
    Breakage(
        "pinned-not-refused", "pinned pages move",
        [(MIGRATE, "\t} else if (bo->pins) {\n", "\t} else if (false) {\n"),
         (MIGRATE, "(bo->pins && !move->pinned)", "false")],
        ["movgem_migrate@pinned,pin-race"]),
    Breakage(
        "pin-stays-movable", "pinned pages stay in ZONE_MOVABLE",
        [("movgem_pin.c", "\tret = leave_movable_zone(bo);\n",
          "\tret = 0 && leave_movable_zone(bo);\n")],
        ["movgem_migrate@pinned-leaves-movable"], ["--dimm", "1G"]),
    Breakage(
        "flush-each-page", "one TLB invalidation for each page, not for each batch",
        [(MIGRATE, "\tif (run->flush && run->epoch == mdev->flush.epoch)\n", ""),
         (MIGRATE, "\tif (!move->unmapped && bo->away > 1) {\n", "\tif (false) {\n")],
        ["movgem_migrate@batched-flush", "movgem_batch@ratios"]),
    Breakage(
        "zap-each-page", "one zap of CPU entries for each page, not for each run",
        [(MIGRATE, "\tif (!move->unmapped && bo->away > 1) {\n", "\tif (false) {\n")],
        ["movgem_batch@ratios"]),
    Breakage(
        "run-not-zapped", "of the pages that are quiesced together only one is zapped",
        [(MIGRATE, "run->first, run->last - run->first + 1))", "move->slot->index, 1))")],
        ["movgem_migrate@writers-compact", "movgem_batch"]),

    # ---- the same in the page store folio ----
    Breakage(
        "folio-copied-early", "the kernel copies a folio before the GPU is kept out",
        [(FOLIO,
          "\tret = movgem_migrate_begin(&move);\n\tif (ret) {\n"
          "\t\tlet_go(move.slot);\n\t\treturn ret;\n\t}\n\n"
          "\t/* Looks at the references, copies, and replaces in the page cache. */\n"
          "\tret = filemap_migrate_folio(mapping, dst, src, mode);\n",
          "\tret = filemap_migrate_folio(mapping, dst, src, mode);\n"
          "\tif (ret || movgem_migrate_begin(&move))\n\t\treturn ret;\n")],
        ["movgem_migrate@writers-compact,writers-soft-offline,everything"],
        ["--param", "page_store=folio"]),
    Breakage(
        "folio-batch-not-blocked", "of a batch of folios only the first is blocked",
        [(FOLIO, "\t\tblock_batch(src);\n", "\t\t(void)block_batch;\n")],
        ["movgem_batch@ratios,ratios-jobs", "movgem_migrate@batched-flush"],
        ["--param", "page_store=folio"]),
    Breakage(
        "folio-references-ignored", "the driver moves a folio that others have references of",
        [("movgem_folio.c", "folio_ref_count(folio) == 3;", "folio_ref_count(folio) >= 3;")],
        ["movgem_gup"], ["--param", "page_store=folio"]),
    Breakage(
        "folio-dma-ignored", "the driver moves a folio that others do DMA to",
        [(FOLIO,
          "\tif (folio_maybe_dma_pinned(src)) {\n"
          "\t\tmovgem_stat_inc(movgem_bo_device(bo), migrate_ebusy_pinned);\n",
          "\tif (false) {\n"
          "\t\tmovgem_stat_inc(movgem_bo_device(bo), migrate_ebusy_pinned);\n"),
         ("movgem_folio.c", "folio_ref_count(folio) == 3;", "folio_ref_count(folio) >= 3;")],
        ["movgem_gup"], ["--param", "page_store=folio"]),

    Breakage(
        "table-not-rewired", "a page table that has moved is still found at its old place",
        [("movgem_pt.c", "\tpt->moves++;\n\tpt_point(table);\n", "\tpt->moves++;\n")],
        ["movgem_pt"]),
    Breakage(
        "table-writers-ignored", "entries are written while their table is copied",
        [("movgem_pt.h", "\tread_lock(&pt->lock);\n", ""),
         ("movgem_pt.h", "\tread_unlock(&pt->lock);\n", ""),
         ("movgem_pt.c", "\tcopy_page(page_address(dst), page_address(src));\n",
          "\tcopy_page(page_address(dst), page_address(src));\n\tfor (int i = 0; i < 20000; i++)\n\t\tcpu_relax();\n")],
        ["movgem_pt@jobs-and-pages,bind-race"]),

    # ---- pages that come and go ----
    Breakage(
        "not-zeroed", "the pages of a new BO are not zeroed",
        [("movgem_store.c", "GFP_HIGHUSER_MOVABLE | __GFP_ZERO |", "GFP_HIGHUSER_MOVABLE |")],
        ["movgem_create", "movgem_migrate@free-race"],
        # Debian's kernel zeroes every allocation otherwise
        ["--append", "init_on_alloc=0"]),
    Breakage(
        "leaked-bo", "a reference of a BO is not dropped",
        [("movgem_bo_ioctl.c",
          "\t\targs->offset = drm_vma_node_offset_addr(&bo->base.vma_node);\n"
          "\tmovgem_bo_put(bo);\n",
          "\t\targs->offset = drm_vma_node_offset_addr(&bo->base.vma_node);\n")],
        ["movgem_migrate@free-race", "movgem_create@close-file"]),
    Breakage(
        "leaked-page", "the page of a BO that is freed keeps a reference",
        [("movgem_store_movable.c",
          "\tunmark_movable(page);\n\tunlock_page(page);\n\tput_page(page);\n",
          "\tunmark_movable(page);\n\tunlock_page(page);\n")],
        ["movgem_create@memory-comes-back"]),
    Breakage(
        "purge-busy", "a BO that jobs use is purged",
        [("movgem_shrinker.c",
          "\tif (!dma_resv_test_signaled(obj->resv, DMA_RESV_USAGE_BOOKKEEP))\n"
          "\t\treturn false;\n", "")],
        ["movgem_madvise"]),
    Breakage(
        "purge-exported", "a BO is purged that has a dma-buf",
        [("movgem_shrinker.c", "!movgem_bo_kept(bo) && !away",
          "!bo->pins && !bo->fbs && !away")],
        ["movgem_madvise@exported-kept"]),
    Breakage(
        "purge-no-zap", "CPU mappings of a purged BO keep its pages",
        [("movgem_shrinker.c",
          "\tmovgem_mmap_zap(bo, 0, 0);\n", "")],
        ["movgem_madvise", "movgem_migrate@madvise-race"]),
    Breakage(
        "purge-no-sigbus", "a CPU fault on a purged BO does not raise SIGBUS",
        [("movgem_fault.c", "\t\tret = VM_FAULT_SIGBUS;\n", "\t\tret = VM_FAULT_NOPAGE;\n")],
        ["movgem_madvise@sigbus"]),
    Breakage(
        "purge-no-flush", "GPU TLBs keep the pages of a purged BO",
        [("movgem_shrinker.c", "\tmovgem_migrate_flush(mdev);\n", "")],
        ["movgem_madvise"]),
    Breakage(
        "unbind-no-flush", "GPU TLBs keep what VM_BIND has unmapped",
        [(VMA, "\tif (!list_empty(&job->done))\n\t\tmovgem_migrate_flush(mdev);\n",
          "\t(void)mdev;\n")],
        ["movgem_vm_bind", "movgem_migrate@bind-race"]),

    # ---- jobs ----
    Breakage(
        "fence-early", "the fence of a job signals before the job is done",
        [("movgem_job.c", "\tmovgem_syncs_push(syncs, finished);\n",
          "\tmovgem_syncs_push(syncs, dma_fence_get_stub());\n")],
        ["movgem_submit", "movgem_blit@nearest-copy-1to1"]),
    Breakage(
        "readonly-ignored", "jobs write through read-only mappings",
        [("movgem_soft_mem.c", "\t\telse if ((pte & MOVGEM_PTE_READONLY) &&\n"
          "\t\t\t access == DRM_MOVGEM_ACCESS_WRITE)\n"
          "\t\t\tfault = DRM_MOVGEM_FAULT_READONLY;\n", "")],
        ["movgem_blit@readonly-destination", "movgem_vm_bind"]),
    Breakage(
        "blit-off-by-one", "nearest scaling rounds to the nearest, not down",
        [(BLIT, "\treturn div_u64((u64)i * sw, dw);\n",
          "\treturn min_t(u64, div_u64((u64)i * sw + dw / 2, dw), sw - 1);\n")],
        ["movgem_blit@nearest-copy-up,nearest-over-down"]),
    Breakage(
        "blit-last-line", "a blit leaves the last line out",
        [(BLIT, "\twhile (*done < dst->h) {\n", "\twhile (*done + 1 < dst->h) {\n")],
        ["movgem_blit@nearest-copy-1to1,one-pixel"]),
    Breakage(
        "bilinear-rounding", "bilinear filtering drops the fraction",
        [(BLIT, "\t\tc = (top * (256 - fv) + bottom * fv + (1 << 15)) >> 16;\n",
          "\t\tc = (top * (256 - fv) + bottom * fv) >> 16;\n")],
        ["movgem_blit@bilinear-copy-up,bilinear-over-down"]),
    Breakage(
        "over-no-clamp", "src-over does not clamp sums above 255",
        [(BLIT, "\t\tpixel |= min(c, 255u) << shift;\n",
          "\t\tpixel |= (c & 255) << shift;\n")],
        ["movgem_blit@nearest-over-1to1,over-values"]),
    Breakage(
        "over-rounding", "src-over divides by 256",
        [(BLIT, "(255 - a) + 127) / 255;\n", "(255 - a) + 127) / 256;\n")],
        ["movgem_blit@nearest-over-1to1,over-values"]),
    Breakage(
        "x-not-opaque", "an X channel is copied, not written as 255",
        [(BLIT,
          "\tu32 alpha = format->alpha ? 0 : SOFT_ALPHA;\n\tu16 *dst16 = dst;\n",
          "\tu32 alpha = 0;\n\tu16 *dst16 = dst;\n")],
        ["movgem_blit@nearest-copy-1to1,narrow"]),
    Breakage(
        "blit-rectangle-unchecked", "a rectangle may reach out of its image",
        [(BLIT, "s->w > s->width - s->x ||", "false ||")],
        ["movgem_blit@bad-source,bad-destination"]),

    # ---- what the ioctls check ----
    Breakage(
        "bo-offset-unchecked", "VM_BIND accepts an offset outside the BO",
        [("movgem_bind.c",
          "!PAGE_ALIGNED(op->bo_offset) || op->bo_offset >= bo->base.size ||\n"
          "\t    op->size > bo->base.size - op->bo_offset)",
          "!PAGE_ALIGNED(op->bo_offset))")],
        ["movgem_bad_input", "movgem_vm_bind"]),
    Breakage(
        "pad-unchecked", "BO_CREATE accepts padding that is not zero",
        [("movgem_bo_ioctl.c",
          "\tif (args->pad)\n"
          "\t\treturn movgem_invalid(drm, \"bo_create.pad: not zero\");\n", "")],
        ["movgem_bad_input", "movgem_create"]),
    Breakage(
        "foreign-handle", "a handle of another file is accepted",
        [("movgem_bo.c", "\treturn obj ? to_movgem_bo(obj) : NULL;\n",
          "\tstruct movgem_device *mdev = to_movgem_device(file->minor->dev);\n"
          "\tstruct movgem_bo *bo;\n\n"
          "\tif (obj || !handle)\n\t\treturn obj ? to_movgem_bo(obj) : NULL;\n"
          "\tspin_lock(&mdev->bos.lock);\n"
          "\tlist_for_each_entry(bo, &mdev->bos.list, device_link) {\n"
          "\t\tif (READ_ONCE(bo->base.handle_count) &&\n"
          "\t\t    kref_get_unless_zero(&bo->base.refcount)) {\n"
          "\t\t\tobj = &bo->base;\n\t\t\tbreak;\n\t\t}\n\t}\n"
          "\tspin_unlock(&mdev->bos.lock);\n"
          "\treturn obj ? to_movgem_bo(obj) : NULL;\n")],
        ["movgem_bad_input", "movgem_create"]),

    # ---- buffers of two devices ----
    Breakage(
        "importer-not-told", "importers are not told that a BO moves",
        [(PRIME, "\tmovgem_dma_buf_notify(bo->share.dmabuf);\n", "")],
        ["movgem_share@moves,hammer"]),
    Breakage(
        "importer-fences-ignored", "a move does not wait for jobs of an importer",
        [(PRIME, "\tdma_resv_iter_end(&cursor);\n\treturn idle;\n",
          "\tdma_resv_iter_end(&cursor);\n\treturn true;\n")],
        ["movgem_share@busy-stays,late-bind-stays"]),
    Breakage(
        "late-bind-no-fences", "an import does not get the fences of jobs from before it was bound",
        [(PRIME,
          "\t\tif (!ret)\n\t\t\tdma_resv_add_fence(bo->base.resv, fences[i],\n"
          "\t\t\t\t\t   DMA_RESV_USAGE_BOOKKEEP);\n", "")],
        ["movgem_share@late-bind-stays"]),
    Breakage(
        "import-not-remapped", "SUBMIT does not map an import that has moved",
        [(VMA, "\tint ret = movgem_import_validate(to_movgem_bo(vm_bo->obj));\n",
          "\tint ret = 0;\n")],
        ["movgem_share@moves"]),
    Breakage(
        "mapped-moves", "a BO moves while an importer has it mapped",
        [(MIGRATE,
          "\tret = movgem_share_evict(bo, move->mode, move->pinned);\n\tif (!ret)\n"
          "\t\tret = claim_and_quiesce(move);\n", "\tret = claim_and_quiesce(move);\n"),
         (MIGRATE,
          "\tif (bo->share.state != MOVGEM_SHARE_FREE)\n\t\treturn -EAGAIN;\n", "")],
        ["movgem_share@moves,busy-stays"]),
    Breakage(
        "own-jobs-hinder", "a shared BO waits for jobs of its own device",
        [(PRIME,
          "\t\tidle = dma_fence_is_signaled(fence) ||\n"
          "\t\t       movgem_queue_has_fence(mdev, fence);\n",
          "\t\tidle = dma_fence_is_signaled(fence);\n")],
        ["movgem_share@exporter-busy-moves"]),
    Breakage(
        "unbind-leaves-jobs", "the jobs of a device that is unbound go on",
        [("movgem_drv.c", "\tmovgem_queue_unplug(mdev);\n", "")],
        ["movgem_unbind@busy"]),

    # ---- the display ----
    Breakage(
        "display-tlb-not-invalidated", "the display's TLB is left out of invalidations",
        [("movgem_soft.c", "\tmovgem_soft_tlb_flush(&se->display);\n", "")],
        ["movgem_kms@write-after-move"]),
    Breakage(
        "latched-while-composing", "a frame is replaced while it is composed",
        [("movgem_crtc.c", "\tif (!crtc->pending || (crtc->composed && crtc->pending->event))\n"
          "\t\treturn NULL;\n",
          "\tif (!crtc->pending)\n\t\treturn NULL;\n")],
        ["movgem_kms@flip-back-buffer"]),
    Breakage(
        "writeback-fence-early", "the fence of a writeback signals before the copy is made",
        [("movgem_compose.c", "\tcrc = compose_frame(crtc, &write_err);\n",
          "\tif (written)\n"
          "\t\tdrm_writeback_signal_completion(&output->writeback, 0);\n"
          "\tcrc = compose_frame(crtc, &write_err);\n"),
         ("movgem_compose.c",
          "\tif (written)\n"
          "\t\tdrm_writeback_signal_completion(&output->writeback, write_err);\n", "")],
        ["movgem_kms@blend,formats"]),
    Breakage(
        "purge-framebuffer", "a BO is purged that is on the screen",
        [("movgem_shrinker.c", "!movgem_bo_kept(bo) && !away",
          "!bo->pins && !bo->exports && !away")],
        ["movgem_kms@not-purged"]),
    Breakage(
        "imported-framebuffer-kept", "a device that goes leaves imported framebuffers mapped",
        [("movgem_kms.c", "\tmovgem_fb_unplug(mdev->kms);\n", "")],
        ["movgem_unbind@imported-framebuffer"]),
    Breakage(
        "ctm-ignored", "the colour matrix is left out",
        [("movgem_colour.c", "\tcolour->has_ctm = state->ctm;\n",
          "\tcolour->has_ctm = false;\n")],
        ["movgem_kms_colour@ctm,all"]),
    Breakage(
        "degamma-after-ctm", "the tables before and after the colour matrix change places",
        [("movgem_colour.c", "\t\tget_table(colour->degamma[c], state->degamma_lut, c);\n"
          "\t\tget_table(gamma, state->gamma_lut, c);\n",
          "\t\tget_table(colour->degamma[c], state->gamma_lut, c);\n"
          "\t\tget_table(gamma, state->degamma_lut, c);\n")],
        ["movgem_kms_colour@degamma,all"]),
    Breakage(
        "alpha-ignored", "a plane's alpha is left out",
        [("movgem_plane.c", "\tlayer->alpha = new->alpha;\n",
          "\tlayer->alpha = DRM_BLEND_ALPHA_OPAQUE;\n")],
        ["movgem_kms_planes@alpha"]),
    Breakage(
        "scale-clipped", "a plane that reaches off the screen is scaled to what is on it",
        [("movgem_plane.c", "\t\t.length = new->crtc_w,\n",
          "\t\t.length = drm_rect_width(dst),\n")],
        ["movgem_kms_planes@scale"]),
    Breakage(
        "far-off-shown", "a plane is clipped that is so far off the screen that its place overflows",
        [("movgem_plane.c", "\tnew->crtc_x = max(x, first);\n\tnew->crtc_y = max(y, first);\n",
          "\t(void)first;\n")],
        ["movgem_kms_planes@far-off"]),
    Breakage(
        "zpos-ignored", "planes are always in the order that they have at first",
        [("movgem_crtc.c", "k && layers[k].zpos < layers[k - 1].zpos", "k && false")],
        ["movgem_kms_planes@zpos"]),
    Breakage(
        "chroma-of-first-bo", "U and V of NV12 are read from the BO that has luma",
        [("movgem_fb.c", "\treturn &fb->bos[min(plane, num_bos(fb) - 1)];\n",
          "\treturn &fb->bos[0];\n")],
        ["movgem_kms@nv12-moves", "movgem_kms_formats@nv12-layouts"]),
    Breakage(
        "chroma-of-line-below", "odd lines of NV12 have U and V of the lines below them",
        [("movgem_scanout.c", "y / info->vsub,\n", "(y + 1) / info->vsub,\n")],
        ["movgem_kms_formats@nv12,nv12-layouts"]),
    Breakage(
        "turned-clockwise", "planes are turned clockwise",
        [("movgem_plane.c", "rotation & (DRM_MODE_ROTATE_90 | DRM_MODE_ROTATE_180);",
          "rotation & (DRM_MODE_ROTATE_270 | DRM_MODE_ROTATE_180);"),
         ("movgem_plane.c", "rotation & (DRM_MODE_ROTATE_180 | DRM_MODE_ROTATE_270);",
          "rotation & (DRM_MODE_ROTATE_180 | DRM_MODE_ROTATE_90);")],
        ["movgem_kms@rotation", "movgem_kms_planes@turned"]),
    Breakage(
        "band-of-last-frame", "columns of a plane that is turned are kept for the next frame",
        [("movgem_layer.c", "\tband->first = U32_MAX;\n", "")],
        ["movgem_kms@rotation", "movgem_kms_planes@turned"]),
    Breakage(
        "copy-torn", "an asynchronous flip does not wait until the copy by writeback is made",
        [("movgem_crtc.c", "!(shown && shown->writeback);\n", "shown;\n")],
        ["movgem_kms_async@copy-is-whole"]),
    Breakage(
        "async-waits", "an asynchronous flip waits for the vblank",
        [("movgem_crtc.c", "\tframe->async = new->async_flip;\n",
          "\tframe->async = false;\n")],
        ["movgem_kms_async@sooner"]),

    Breakage(
        "late-latch", "a vblank that is told late latches a flip that was asked for since",
        [("movgem_crtc.c", "\tif (!is_late(crtc))\n\t\tevent", "\tif (1)\n\t\tevent"),
         ("movgem_crtc.c", "static bool is_late(", "static bool __maybe_unused is_late(")],
        ["movgem_kms@flip-late"]),

    Breakage(
        "cursor-waits", "the cursor's legacy calls wait for the commits before",
        [("movgem_plane.c", "\t.atomic_async_update = cursor_async_update,\n", ""),
         ("movgem_plane.c", "static void cursor_async_update(",
          "static void __maybe_unused cursor_async_update(")],
        ["movgem_kms@flip-cursor"]),
    Breakage(
        "cursor-not-staged", "a flip that comes later has the cursor that was before",
        [("movgem_crtc.c", "\t\tcrtc->staged[MOVGEM_LAYER_CURSOR] = *cursor;\n", "")],
        ["movgem_kms@flip-cursor"]),

    # ---- power ----
    Breakage(
        "move-wakes", "a page that moves has the GPU switched on",
        [(MIGRATE, "#include <linux/mm.h>\n",
          "#include <linux/mm.h>\n#include <linux/pm_runtime.h>\n"),
         (MIGRATE, "\t\tmovgem_stat_inc(mdev, gpu_tlb_flush_off);\n",
          "\t\tpm_request_resume(mdev->drm.dev);\n")],
        ["movgem_runtime_pm@moves,memory"]),
    Breakage(
        "resume-no-flush", "the TLBs of a GPU that comes on again are not invalidated",
        [(MIGRATE, "\tif (on)\n\t\tflush_locked(mdev);\n", "")],
        ["movgem_runtime_pm@moves,memory,hammer"]),
    Breakage(
        "off-with-jobs", "the GPU is switched off while a job runs",
        [("movgem_job.c", "\tmovgem_syncs_push(syncs, finished);\n",
          "\tmovgem_syncs_push(syncs, finished);\n\tmovgem_pm_put(queue->mdev);\n"),
         ("movgem_job.c", "\tmovgem_pm_put(queue->mdev);\n\tmovgem_job_put(job);\n",
          "\tmovgem_job_put(job);\n")],
        ["movgem_runtime_pm@jobs"]),
    Breakage(
        "off-with-display", "the GPU is switched off while the display is on",
        [("movgem_kms.c", "\tunsigned int on = switches(state, true);\n",
          "\tunsigned int on = 0;\n"),
         ("movgem_kms.c", "\tpower_put(mdev, off);\n", "\t(void)off;\n")],
        ["movgem_runtime_pm@display"]),
    Breakage(
        "on-counted-once", "two outputs that are switched on at once are counted as one",
        [("movgem_kms.c", "\tret = power_get(mdev, on);\n", "\tret = power_get(mdev, !!on);\n")],
        ["movgem_kms_outputs@at-once"]),
    Breakage(
        "off-counted-once", "two outputs that are switched off at once are counted as one",
        [("movgem_kms.c", "\tpower_put(mdev, off);\n", "\tpower_put(mdev, !!off);\n")],
        ["movgem_kms_outputs@unbind"]),
    Breakage(
        "one-crtc-each", "a monitor is for one CRTC only",
        [("movgem_connector.c", "GENMASK(kms->num_outputs - 1, 0);\n",
          "drm_crtc_mask(&output->crtc.base);\n")],
        ["movgem_kms_outputs@any-monitor"]),
    Breakage(
        "no-clones", "a picture goes to one monitor at most",
        [("movgem_kms.c", "possible_clones = monitors | memories;\n",
          "possible_clones = memories | drm_encoder_mask(&output->encoder);\n")],
        ["movgem_kms_outputs@any-monitor"]),
    Breakage(
        "deep-not-white", "of ten bits that are written the low two are not set",
        [("movgem_scanout.c", "(mid << 2 | mid >> 6) << 10", "mid << 2 << 10")],
        ["movgem_kms_formats@deep-writeback"]),
    Breakage(
        "cancelled-out-of-order", "a job of a dead queue ends before those that the engine has",
        [("movgem_job.c", "\t\tmovgem_queue_cancel_locked(queue);\n\t\tmovgem_job_complete(",
          "\t\tmovgem_job_complete(")],
        ["movgem_faults@close-in-order"]),
    Breakage(
        "sleep-with-jobs", "jobs go on while the machine goes to sleep",
        [("movgem_queue.c", "\tmdev->engine->suspend(mdev);\n", "")],
        ["movgem_pm@running-jobs"]),
    Breakage(
        "sleep-counts", "a job's time goes on while the machine sleeps",
        [("movgem_queue.c",
          "\t\tqueue->time_left = drm_sched_suspend_timeout(&queue->sched);\n",
          "\t\tqueue->time_left = queue->sched.timeout;\n"),
         ("movgem_queue.c",
          "\t\tdrm_sched_resume_timeout(&queue->sched, queue->time_left);\n", ""),
         ("movgem_queue.c", "\tWRITE_ONCE(mdev->asleep, true);\n", "")],
        ["movgem_pm@waiting-job"]),
    Breakage(
        "sleep-early", "jobs rest before the displays of all devices are off",
        [("movgem_pm.c", "\treturn movgem_kms_suspend(dev_get_drvdata(dev));\n",
          "\tint ret = movgem_kms_suspend(dev_get_drvdata(dev));\n\n"
          "\tif (!ret)\n"
          "\t\tmovgem_queue_suspend(dev_get_drvdata(dev));\n\treturn ret;\n"),
         ("movgem_pm.c", "\tmovgem_queue_suspend(mdev);\n\tmovgem_migrate_power(mdev, false);\n",
          "\tmovgem_migrate_power(mdev, false);\n")],
        ["movgem_pm@flip-waits"]),
    Breakage(
        "sleep-display-lost", "the display stays off when the machine wakes up",
        [("movgem_pm.c", "\treturn movgem_kms_resume(dev_get_drvdata(dev));\n",
          "\treturn 0;\n")],
        ["movgem_pm@display"]),
]
