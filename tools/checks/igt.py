# SPDX-License-Identifier: GPL-2.0
"""The IGT tests, for each kernel and page store in a guest with a DIMM and a virtio-gpu;
then the module is removed and loaded again. Left out are the programs that other
groups run in guests of their own (OWN_IGT)."""

import igt_results
from checklib import STORES, Check, Failure, own_igt
from igt_guest import run_igt

ORDER = 40

# KASAN's shadow takes an eighth of the memory, and its quarantine more.
MEMORY = {"6.12": "1G", "7.2": "1G", "debug": "1G"}
# That can go offline. Tests that fill memory take minutes for a gigabyte in the debug kernel.
DIMM = {"6.12": "1G", "7.2": "1G", "debug": "256M"}
# A device whose driver shares buffers, and one without a driver, for movgem_unbind.
DEVICES = ["--qemu-arg=-device", "--qemu-arg=virtio-gpu-pci",
           "--qemu-arg=-device", "--qemu-arg=pci-testdev"]

# What they test is the same for all page stores: they run with a kernel's first one.
ANY_STORE = ("movgem_bad_input", "movgem_blit", "movgem_dumb", "movgem_faults", "movgem_fdinfo",
             "movgem_fuzz", "movgem_kms", "movgem_kms_async", "movgem_kms_colour",
             "movgem_kms_formats", "movgem_kms_outputs", "movgem_kms_planes", "movgem_runtime_pm",
             "movgem_submit", "movgem_vm_async", "movgem_vm_bind")
# What the driver computes, whatever the kernel: pictures that are compared, pixel by pixel, of
# which the other tests have some. On one kernel, but with --all.
PICTURES = (r"^movgem_blit@(nearest|bilinear|wide|one-pixel|page-crossing)|"
            r"^movgem_kms@(formats|blend|flip-back-buffer)|"
            r"^movgem_kms_colour@(degamma|ctm|all)|^movgem_kms_formats@(deep|nv12$)|"
            r"^movgem_kms_planes@(alpha|blend|scale$|scale-fractions|turned|zpos)")
PICTURES_ON = "6.12"
# Nor these on the debug kernel, where they take minutes: counts and modes, of which others there
# have some; and kinds of moves by the kernel while there are writers, which the stress has there,
# all at once.
STOCK_ONLY = (PICTURES + r"|^movgem_kms@modeset|"
              r"^movgem_kms_async@(sooner|back-buffer|copy-is-whole)|"
              r"^movgem_kms_outputs@(count|one-each|at-once)|"
              r"@(ratios|stall|putback|many-(maps|queues|vms)|pci-race-display|everything|pressure|"
              r"writers-(compact|hugetlb|offline))")
# What do the same many times, to meet a race: on the debug kernel in the one guest, and all other
# tests in the other. kmemleak, with which all takes up to twice the time, need not see these, as
# what is lost is lost the first time.
REPEAT = ("hammer", "race", "random", "spoiled", "parallel", "offline", "writers", "sigkill", "jobs",
          "many", "moves", "moving", "every-core", "others-run", "in-order", "batched", "leave-movable")
# Pages that do not move are there to compare with.
PINNED = ("create", "madvise", "mmap", "prime", "share")
# What never moves a page is the same on any kernel: one run of it will do.
BASELINE = ("7.2", "pinned")
# What only pages that the kernel knows as those of a file are tested by.
MAY_SKIP = {"movable_ops": ("movgem_gup",), "folio": (), "pinned": ()}


def choice(check, pictures):
    """The tests of a guest, as a regular expression. PICTURES: also where one kernel will do."""
    any_store, repeat = f"^({'|'.join(ANY_STORE)})(?=@)", f"@.*({'|'.join(REPEAT)})"
    if check.store == "pinned":
        return f"^movgem_({'|'.join(PINNED)})@"
    if (check.kernel, check.store) == ("debug", "folio"):
        return f"^(?!.*({STOCK_ONLY}|{repeat}))"
    if check.kernel == "debug":
        return f"^(?!.*({STOCK_ONLY}))(?!{any_store}(?!.*{repeat}))"
    if check.store != STORES[check.kernel][0]:
        return f"^(?!{any_store})"
    return "." if pictures or check.kernel == PICTURES_ON else f"^(?!{PICTURES})"


def guest(run):
    kernel, store = run.check.kernel, run.check.store
    run_igt(run, ["--mem", MEMORY[kernel], "--dimm", DIMM[kernel], *DEVICES],
            tests=choice(run.check, run.args.all), without=own_igt(), may_skip=MAY_SKIP[store])


# What a test said on its stderr, and the kernel: may it be repeated?
REPEATS = (
    ("fail", "CRITICAL: error: not 0x100 <= 0x49", "", True),
    ("fail", "CRITICAL: error: not 0x100 <= 0x49", "<4> [1.0] WARNING: CPU: 0", False),
    ("fail", "CRITICAL: byte 0x40: 0x1 is not 0x2 (pattern 0x7)", "", False),
    ("fail", "CRITICAL: Failed assertion: rig.map[3] == 7", "", False),
    ("fail", "CRITICAL: Failed assertion: kms_crc(rig) == kms_reference_crc(scene)", "", False),
    ("fail", "CRITICAL: Test assertion failure function movgem_rig_expect", "", False),
    ("crash", "", "", False),
    ("timeout", "", "", False),
    ("dmesg-warn", "", "<4> [1.0] WARNING: CPU: 0", False),
    ("pass", "", "", False),
)


def self_check(_):
    """Nothing may be repeated that says of a byte lost, or that made the kernel say something."""
    for result, err, kernel, want in REPEATS:
        test = {"result": result, "err": err, "dmesg-warnings": kernel}
        if (igt_results.repeatable({"igt@a@b": test}) == ["a@b"]) != want:
            raise Failure(f"{test} is judged wrongly")


def checks():
    return [Check("igt/self-check", self_check)] + [
        Check("igt/debug/kmemleak", guest, "debug", "folio", kmemleak=True, page_poison=True,
              on_request=True)] + [
        Check(f"igt/{kernel}/{store}", guest, kernel, store,
              on_request=(kernel, store) == ("6.12", "folio"))
        for kernel, stores in STORES.items() for store in stores if (kernel, store) != BASELINE]
