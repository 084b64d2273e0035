# SPDX-License-Identifier: GPL-2.0
"""Fault injection: every allocation of every call fails once. The debug kernel can do that."""

import re

from checklib import STORES, Check
from igt_guest import run_igt

ORDER = 55
OWN_IGT = ("movgem_fault_injection",)

# What the kernel says at warning level of an allocation that failed: a page fault that is
# repeated, a scheduler that could not be made, a slab that could not grow, kmemleak itself;
# and how many such lines it has left out.
OUT_OF_MEMORY = re.compile(
    r"^<[34]>[^\n]*(?:Huh VM_FAULT_OOM leaked out to the #PF handler\. Retrying PF|"
    r"drm_sched_init: Failed to setup GPU scheduler--out of memory|"
    r"(?:pagefault|slab)_out_of_memory: \d+ callbacks suppressed|"
    r"kmemleak: Cannot allocate a scan area, scanning the full object|"
    r"SLUB: Unable to allocate memory on CPU |\] +cache: \S+, object size: |"
    r"\] +\S+ debugging increased min order|\] +node \d+: slabs: )[^\n]*(?:\n|\Z)", re.MULTILINE)


def faults(run):
    # The DIMM is movable memory, which pages leave when they are pinned.
    run_igt(run, ["--mem", "1G", "--dimm", "256M"], tests="^movgem_fault_injection@",
            expected=OUT_OF_MEMORY)


def checks():
    return [Check(f"faults/debug/{store}", faults, "debug", store, kmemleak=store == "folio",
                  on_request=store != "folio")
            for store in STORES["debug"]]
