# SPDX-License-Identifier: GPL-2.0
"""Mesa with the movgem driver: that it builds, and mesa-winsys/tests in guests, every test a
case."""

import threading

from checklib import TREE, Check, winsys_tests

ORDER = 67

PROGRAM = "/movgem/mesa/movgem_mesa"
# What is put before the names of a run's tests, its environment, and what is run: all with
# llvmpipe; with softpipe, whose textures are not in BOs, what needs none there, on one node as
# it is slow; and what clears and copies, with the GPU doing that.
RUNS = (
    ("", "", ()),
    ("softpipe-", "GALLIUM_DRIVER=softpipe",
     ("gbm-render", "foreign", "nv12", "dup", "formats")),
    ("gpu-", "MOVGEM_DEBUG=gpuclear,gpucopy",
     ("surfaceless", "gbm-card", "gbm-render", "usages", "exported", "foreign",
      "foreign-fence", "flush", "fence")),
)

BUILD_LOCK = threading.Lock()


def build(run):
    with BUILD_LOCK:
        run.must([f"{TREE}/tools/mesa", "tests"], limit=5400,
                 each_line=lambda line: run.say(line) if "[" in line else None)


def tests(run):
    """All of RUNS, one after the other, in one guest."""
    build(run)
    all_names = run.must([f"{TREE}/out/build/mesa/movgem_mesa", "--list"]).split()
    winsys_tests(run, ["--mesa"], [
        (prefix, f"{environment} {PROGRAM} {' '.join(names)}", names or all_names)
        for prefix, environment, names in RUNS], setup="modprobe vgem;", timeout=2400)


def checks():
    return [Check("mesa/build", build, alone=True)] + [
        Check(f"mesa/{kernel}/{store}", tests, kernel, store, on_request=kernel == "6.12")
        for kernel, store in (("6.12", "movable_ops"), ("7.2", "folio"))]
