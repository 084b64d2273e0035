# SPDX-License-Identifier: GPL-2.0
"""Mesa with the movgem driver: that it builds, and mesa-winsys/tests in guests, every test a case.
On request only (make check-mesa), as Mesa takes minutes to build where it is not cached."""

import re
import threading

import checklib
from checklib import TREE, Check, Failure, tail

ORDER = 67

# What is tried with softpipe, too; with it textures that are not shared are not in BOs.
SOFTPIPE = ("gbm-card", "gbm-render", "foreign", "nv12", "dup", "formats")
RESULT = re.compile(r"(?:PASS (?P<passed>[\w-]+): (?P<seconds>[\d.]+) s|"
                    r"FAIL (?P<failed>[\w-]+): (?P<reason>.*))$")


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
    status, output = run.guest(
        ["--mesa"], f"{program}; first=$?; echo RASTERIZER softpipe; "
        f"GALLIUM_DRIVER=softpipe {program} {' '.join(SOFTPIPE)} && exit $first",
        timeout=2400, each_line=run.say)
    prefix = ""
    for line in output.splitlines():
        if line.startswith("RASTERIZER "):
            prefix = line.split()[1] + "-"
        match = RESULT.match(line)
        if match:
            name = prefix + (match["passed"] or match["failed"])
            expected.discard(name)
            run.record(name, "pass" if match["passed"] else "fail",
                       float(match["seconds"] or 0), match["reason"] or "")
    # A test that fails has its own case; here it is the guest, and what its kernel says.
    if expected or status not in (0, 1):
        raise Failure(f"status {status}, without a result: {', '.join(sorted(expected))}\n"
                      f"{tail(output)}")


def checks():
    return [Check("mesa/build", build, alone=True, on_request=True)] + [
        Check(f"mesa/{kernel}/{store}", tests, kernel, store, on_request=True)
        for kernel, store in (("6.12", "movable_ops"), ("7.2", "folio"))]
