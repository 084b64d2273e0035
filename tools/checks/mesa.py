# SPDX-License-Identifier: GPL-2.0
"""Mesa with the movgem driver: that it builds, and mesa-winsys/tests in guests, every test a case.
On request only (make check-mesa), as Mesa takes minutes to build where it is not cached."""

import threading

from checklib import TREE, Check, winsys_tests

ORDER = 67

# What is tried with softpipe, too; with it textures that are not shared are not in BOs.
SOFTPIPE = ("gbm-card", "gbm-render", "foreign", "nv12", "dup", "formats")

BUILD_LOCK = threading.Lock()


def build(run):
    with BUILD_LOCK:
        run.must([f"{TREE}/tools/mesa", "tests"], limit=5400,
                 each_line=lambda line: run.say(line) if "[" in line else None)


def tests(run):
    """The tests with llvmpipe, and some of them with softpipe."""
    build(run)
    program = "/movgem/mesa/movgem_mesa"
    names = run.must([f"{TREE}/out/build/mesa/movgem_mesa", "--list"]).split()
    expected = set(names) | {f"softpipe-{name}" for name in SOFTPIPE}
    winsys_tests(run, ["--mesa"], f"{program}; first=$?; echo PREFIX softpipe-; "
                 f"GALLIUM_DRIVER=softpipe {program} {' '.join(SOFTPIPE)} && exit $first",
                 expected, timeout=2400)


def checks():
    return [Check("mesa/build", build, alone=True, on_request=True)] + [
        Check(f"mesa/{kernel}/{store}", tests, kernel, store, on_request=True)
        for kernel, store in (("6.12", "movable_ops"), ("7.2", "folio"))]
