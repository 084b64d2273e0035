# SPDX-License-Identifier: GPL-2.0
"""IGT tests in a guest, with what tools/guest/check measures around them."""

import os
import re
import shlex
import shutil
import threading

import checklib
import igt_results

# Memory that may be missing after rmmod before it counts as a leak. Repeated
# measures of an idle guest differ by up to 500 kB (tools/guest/check says what
# is measured); leaked pages of buffers are also counted exactly by pages_live.
# The debug kernel keeps freed memory in KASAN's quarantine.
MEMORY_TOLERANCE_KB = {"6.12": 2048, "7.2": 2048, "debug": 65536}

# A subtest that fails when the host has no time for the guest may be repeated: so many of a
# guest, and it must pass so many times running.
REPEATABLE, TIMES = 2, 5


def run_igt(run, options, tests, without=(), limit=None, host=None, expected=None,
            may_skip=()):
    """Runs IGT tests in one guest of RUN's kernel and page store and records a case for each
    subtest, and "reload" for rmmod and insmod after them.

    OPTIONS are tools/vm's. TESTS is a regular expression for program@subtest; WITHOUT names
    programs to leave out. HOST, if given, is called with the path of a QMP socket in a thread
    while the guest runs; what it raises fails the check. LIMIT is the time-out in seconds on a
    stock kernel. EXPECTED is a regular expression for kernel warnings that these tests provoke.
    A program of which every subtest is skipped is a failure, unless MAY_SKIP names it. What
    igt_results.repeatable() names is repeated in a guest of its own.
    """
    checklib.build_igt_tests(run)

    def wanted(name):
        # --igt chooses among the tests of this guest.
        return name.partition("@")[0] not in without and all(
            re.search(regex, name) for regex in (tests, run.args.igt) if regex)
    share = run.directory()
    devices, options = options, prepare(run, share, options, wanted)
    limit = limit or run.args.igt_timeout
    follower = igt_results.Follower(run.say)
    problems = []
    thread = None
    if host:
        options += ["--qmp", f"{share}/qmp"]

        def supervise():
            try:
                host(f"{share}/qmp")
            except Exception as reason:  # shown as the check's failure
                problems.append(f"outside the guest: {type(reason).__name__}: {reason}")
        thread = threading.Thread(target=supervise, daemon=True)
        thread.start()
    try:
        status, output = run.guest(options, command(run), timeout=limit, each_line=follower.line)
    except checklib.Failure as reason:
        status, output = 124, str(reason)
    if thread:
        thread.join(10)

    results = igt_results.load(share)
    cases = igt_results.cases(results, expected) + list(igt_results.unseen(share, results))
    again = igt_results.repeatable(results, expected)
    # HOST does things to one guest only.
    passed = repeat(run, share, again, devices, wanted, expected) if not host else ()
    for case in cases:
        if case.name in passed:
            run.repeated(case.name, case.text, case.seconds)
        else:
            run.record(case.name, case.outcome, case.seconds, case.text)
    judge_reload(run, share)
    judge_skips(cases, may_skip, problems)
    judge_kmemleak(run, share, problems)
    # The guest itself is a case: a warning outside of any subtest must not be lost.
    if status or not cases:
        problem = "\n".join(line for line in output.splitlines()
                            if line.startswith(("vm:", "    ", "check: FAILED")))
        problems.append(f"status {status}, {len(cases)} results\n"
                        f"{problem or checklib.tail(output)}")
    if problems:
        raise checklib.Failure("\n".join(problems))


def prepare(run, share, options, wanted):
    """Puts what tools/guest/check needs into SHARE, with the subtests that WANTED(name) chooses;
    returns tools/vm's options, OPTIONS too."""
    fill(share, checklib.selftest_modules(run), wanted)
    return ["--udev", "--retry", "--share", share, "--log", f"{share}/console.log", *options]


def fill(share, modules, wanted):
    """The files of that; MODULES is where those of tools/selftest are."""
    for script in "check", "igt-lib":
        shutil.copy(f"{checklib.TREE}/tools/guest/{script}", share)
    shutil.copy(f"{modules}/importer.ko", share)
    igt_results.write_list(f"{share}/list", f"{checklib.BUILD}/igt", wanted)


def command(run, *parts):
    """tools/guest/check, with the directories of its results if not in SHARE itself."""
    return shlex.join(["sh", "/share/check", str(checklib.SLOWNESS.get(run.check.kernel, 1)), *parts])


def repeat(run, share, names, options, wanted, expected):
    """Runs the programs of some subtests TIMES times more, in a guest of their own, unless the
    subtests are more than REPEATABLE; returns the names of those that passed every time."""
    if not 0 < len(names) <= REPEATABLE:
        return ()
    run.say(f"failed, and is repeated {TIMES} times: {' '.join(names)}")
    parts = [str(number) for number in range(1, TIMES + 1)]
    # All that ran of its program: what failed may have failed for what ran before it.
    programs = {name.partition("@")[0] for name in names}
    share = f"{share}/again"
    os.mkdir(share)
    options = prepare(run, share, options, lambda name: name.partition("@")[0] in programs
                      and wanted(name))
    try:
        status, _ = run.guest(options, command(run, *parts), timeout=run.args.igt_timeout,
                              each_line=igt_results.Follower(run.say).line)
    except checklib.Failure:
        status = 124
    if status:
        return ()
    outcomes = [{case.name: case.outcome
                 for case in igt_results.cases(igt_results.load(f"{share}/{part}"), expected)}
                for part in parts]
    return [name for name in names if all(of.get(name) == "pass" for of in outcomes)]


def judge_reload(run, share):
    """Judges what tools/guest/check measured around rmmod and insmod."""
    values = {}
    try:
        with open(f"{share}/reload", encoding="utf-8") as file:
            for line in file:
                key, _, value = line.strip().partition(" ")
                values[key] = value
    except OSError:
        pass
    if "done" not in values:
        run.record("reload", "fail", 0, f"the guest did not get to the end of it: {values}")
        return
    problems = []
    for counter in ("bos_live", "pages_live"):
        value = values.get(counter) or "missing from stats"
        if value != "0":
            problems.append(f"{counter} is {value} with every file closed, before rmmod")
    for step in ("rmmod", "insmod", "rmmod_again"):
        if values.get(step) != "0":
            problems.append(f"{step} ended with status {values.get(step)}")
    if values.get("debug_locks", "0" if run.check.kernel == "debug" else "1") != "1":
        problems.append("lockdep has switched itself off, or is not there")
    if values.get("slabs"):
        problems.append(f"slabs left after rmmod: {values['slabs']}")
    tolerance = MEMORY_TOLERANCE_KB[run.check.kernel or "6.12"]
    lost = int(values["before_kb"]) - int(values["after_kb"])
    summary = f"{lost} kB of memory missing (tolerance {tolerance} kB)"
    if lost > tolerance:
        problems.append(summary)
    run.record("reload", "fail" if problems else "pass", float(values.get("seconds", 0)),
               "\n".join(problems) or summary)


def judge_skips(cases, may_skip, problems):
    """What a guest should have and has not must not pass as a skip."""
    if any(case.name == "not-run" for case in cases):
        return
    programs = {}
    for case in cases:
        programs.setdefault(case.name.partition("@")[0], []).append(case)
    for name, some in programs.items():
        if name not in may_skip and all(case.outcome == "skip" for case in some):
            problems.append(f"{name}: all of it was skipped: {some[0].text}")


def judge_kmemleak(run, share, problems):
    """Adds what kmemleak found that movgem allocated, or DRM's core: where it is on,
    tools/guest/check leaves a report from before rmmod and one from after."""
    for when in ("loaded", "unloaded"):
        try:
            with open(f"{share}/kmemleak-{when}", encoding="utf-8", errors="replace") as file:
                reports = re.split(r"(?=^unreferenced object)", file.read(), flags=re.MULTILINE)
        except OSError:
            if run.check.kmemleak:
                problems.append(f"there is no report of kmemleak, module {when}")
            continue
        # Functions of a module that is gone have no name; no other module is removed.
        ours = [report for report in reports if "[movgem]" in report or " drm_" in report
                or re.search(r"^\s+(?:\[<[0-9a-f]+>\] )?0x[0-9a-f]{16}\s*$", report, re.MULTILINE)]
        if ours:
            problems.append(f"kmemleak, module {when}: {len(ours)} objects; the first:\n{ours[0]}")
