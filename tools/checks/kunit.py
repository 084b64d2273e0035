# SPDX-License-Identifier: GPL-2.0
"""The KUnit suites beside the driver, in a guest with the debug kernel: they run as the
module is loaded, and the kernel keeps what became of them in debugfs."""

import glob
import re

from checklib import DRIVER, HERE, OUT, TREE, Check, Failure

ORDER = 50


def cases(text):
    """The cases in the results of all suites: (name, outcome, text). KTAP: a line "ok" or
    "not ok" behind what the case has said, indented by its depth; suites are at depth 1."""
    suite = None
    said = []
    for line in text.splitlines():
        start = re.match(r" {4}# Subtest: (\S+)", line)
        if start:
            suite = start[1]
            said = []
            continue
        result = re.match(r"( {4,})(not )?ok \d+ (\S+)(?: # SKIP ?(.*))?$", line)
        if result and suite and len(result[1]) == 4:
            outcome = "fail" if result[2] else "pass"
            reason = "\n".join(said)
            if result[4] is not None:
                outcome, reason = "skip", result[4] or "no reason given"
            yield f"{suite}/{result[3]}", outcome, reason if outcome != "pass" else ""
            said = []
        elif not result or result[2]:
            said.append(line)


def written():
    """How many cases the sources have; with parameters they are more when they run."""
    count = 0
    for path in glob.glob(f"{TREE}/{DRIVER}/tests/*.c"):
        with open(path, encoding="utf-8") as file:
            count += len(re.findall(r"^\s*KUNIT_CASE\w*\(", file.read(), re.MULTILINE))
    return count


def suites(run):
    out = f"{OUT}/kunit"
    run.must([f"{HERE}/build-module", "--kernel", run.check.kernel,
              "CONFIG_DRM_MOVGEM_KUNIT_TEST=y"], env={"MOVGEM_OUT": out})
    status, output = run.guest(
        # insmod waits for each case; how long that may take KUnit watches itself.
        ["--mem", "2G", "--module", f"{out}/{run.check.kernel}/movgem.ko",
         "--append", "sysctl.kernel.hung_task_timeout_secs=0"],
        "cat /sys/kernel/debug/kunit/movgem*/results")
    found = list(cases(output))
    for name, outcome, text in found:
        run.record(name, outcome, 0, text)
    if status:
        raise Failure("\n".join(line for line in output.splitlines()
                                if line.startswith(("vm:", "    "))) or f"status {status}")
    want = written()
    if len(found) < want:
        raise Failure(f"{len(found)} cases, not the {want} that are written")


def checks():
    # The page of these tests is one that they move by hand.
    return [Check("kunit/debug/movable_ops", suites, "debug", "movable_ops")]
