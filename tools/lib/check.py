#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""The check driver: runs every check, one line each, and writes JUnit XML. See tools/check."""

import argparse
import fnmatch
import glob
import os
import re
import shlex
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import igt_results  # noqa: E402
import junit  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.dirname(os.path.dirname(HERE))
OUT = os.path.join(TREE, "out/check")
SCRIPTS = "/usr/src/linux-tools-src/scripts"
DRIVER = "drivers/gpu/drm/movgem"
UAPI = "include/uapi/drm/movgem_drm.h"
STORES = ("movable_ops", "pinned")

# checkpatch's complaints that an out-of-tree driver cannot heed anywhere; what is
# excused in single lines is in tools/lib/checkpatch-excused.
#   LINUX_VERSION_CODE   one source for several kernel versions is the point here
#   FILE_PATH_CHANGES    asks for MAINTAINERS updates; ours is in the repository
CHECKPATCH_IGNORE = "LINUX_VERSION_CODE,FILE_PATH_CHANGES"

# Memory that may be missing after rmmod before it counts as a leak. Repeated
# measures of an idle guest differ by up to 500 kB (tools/guest/check says what
# is measured); leaked pages of buffers are also counted exactly by pages_live.
MEMORY_TOLERANCE_KB = 2048


class Skip(Exception):
    """A check that cannot run here; the text says why."""


class Failure(Exception):
    """A check that failed; the text is shown, the log has more."""


def sources(*tops, ends=(".c", ".h")):
    found = []
    for top in tops:
        for path, dirs, names in os.walk(os.path.join(TREE, top)):
            dirs.sort()
            found += [os.path.relpath(os.path.join(path, name), TREE)
                      for name in sorted(names) if name.endswith(ends)]
    return found


class Checks:
    """Runs the checks that were asked for, and keeps what became of them."""

    def __init__(self, args):
        self.args = args
        self.cases = []
        self.start = time.monotonic()
        self.log = None

    def wanted(self, name):
        return not self.args.only or any(
            fnmatch.fnmatch(name, pattern) or name.startswith(pattern.rstrip("*/") + "/")
            or name == pattern or pattern.startswith(name + "/") for pattern in self.args.only)

    def record(self, name, outcome, seconds, text=""):
        """One result: a line on the terminal, a case in the XML."""
        self.cases.append(junit.Case(name, outcome, seconds, text))
        word = {"pass": "ok  ", "fail": "FAIL", "skip": "skip"}[outcome]
        clock = int(time.monotonic() - self.start)
        lines = [line for line in text.strip().splitlines() if line.strip()]
        reason = f": {lines[0][:160]}" if outcome == "skip" and lines else ""
        print(f"[{clock // 60:2d}:{clock % 60:02d}] {word} {name} ({seconds:.1f} s){reason}",
              flush=True)
        if outcome == "fail":
            for line in lines[:25]:
                print(f"         {line[:200]}")
            if len(lines) > 25:
                print(f"         ... {len(lines) - 25} lines more")
            sys.stdout.flush()

    def run(self, name, function):
        if not self.wanted(name):
            return
        self.log = os.path.join(OUT, "logs", name.replace("/", "-") + ".log")
        open(self.log, "w", encoding="utf-8").close()
        start = time.monotonic()
        outcome, text = "pass", ""
        try:
            function(self)
        except Skip as reason:
            outcome, text = "skip", str(reason)
        except Failure as reason:
            outcome, text = "fail", f"{reason}\nlog: {os.path.relpath(self.log, TREE)}"
        self.record(name, outcome, time.monotonic() - start, text)

    def command(self, command, env=None, limit=1800, each_line=None, stderr=subprocess.STDOUT):
        """Runs a command with its output in the check's log; returns (status, output)."""
        with open(self.log, "a", encoding="utf-8") as log:
            log.write(f"$ {shlex.join(command)}\n")
            log.flush()
            lines = []
            with subprocess.Popen(command, cwd=TREE, env={**os.environ, **(env or {})},
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr,
                                  text=True, errors="replace") as process:
                start = time.monotonic()
                for line in process.stdout:
                    log.write(line)
                    log.flush()
                    lines.append(line)
                    if each_line:
                        each_line(line.rstrip("\n"))
                    if time.monotonic() > start + limit:
                        process.kill()
                        raise Failure(f"not done after {limit} seconds: {shlex.join(command)}")
            return process.returncode, "".join(lines)

    def must(self, command, **more):
        status, output = self.command(command, **more)
        if status:
            tail = "\n".join(output.splitlines()[-20:])
            raise Failure(f"{shlex.join(command)}: status {status}\n{tail}")
        return output


def tail(text, count=20):
    return "\n".join(text.splitlines()[-count:])


# --- what can be said without running the driver

def build(checks, variables, fresh):
    """Builds in a tree of its own; returns the complaints about our own files."""
    if not os.path.isdir(f"{TREE}/{DRIVER}"):
        raise Skip("there is no driver yet")
    out = f"{OUT}/build"
    if fresh:
        shutil.rmtree(out, ignore_errors=True)
    status, output = checks.command([f"{HERE}/build-module", *variables],
                                    env={"MOVGEM_OUT": out})
    # Paths into the kernel's headers are its own business; all others are ours.
    ours = [line for line in output.splitlines()
            if re.search(r"warning:|error:|WARNING: modpost|: \*\*\* ", line)
            and not re.match(r"(/usr/src/|\./|include/|arch/)", line)]
    if status or ours:
        raise Failure("\n".join(ours or [f"status {status}", tail(output)]))


def check_module(checks):
    build(checks, ["W=1"], True)


def check_sparse(checks):
    build(checks, ["C=2", "CF=-D__CHECK_ENDIAN__ -Wno-unknown-attribute"], False)


def excused(complaint, rules):
    """Is this "FILE:LINE: LEVEL:TYPE: text" of checkpatch in tools/lib/checkpatch-excused?"""
    match = re.match(r"([^:]+):(\d+): \w+:(\w+): ", complaint)
    with open(f"{TREE}/{match[1]}", encoding="utf-8") as file:
        line = file.readlines()[int(match[2]) - 1]
    return any(fnmatch.fnmatch(match[1], glob_) and kind == match[3] and re.search(regex, line)
               for glob_, kind, regex in rules)


def check_checkpatch(checks):
    files = sources("drivers", "include")
    if not files:
        raise Skip("there is no driver yet")
    with open(f"{HERE}/checkpatch-excused", encoding="utf-8") as file:
        rules = [line.split(None, 2) for line in file.read().splitlines()
                 if line.strip() and not line.startswith("#")]
    # One process a file, all processors: it is slow.
    _, output = checks.command(
        ["sh", "-c", 'printf "%s\\0" "$@" | xargs -0 -n 1 -P "$(nproc)" '
         f'perl {SCRIPTS}/checkpatch.pl --no-tree --strict --terse --show-types '
         f'--no-summary --ignore={CHECKPATCH_IGNORE} -f', "sh", *files])
    lines = sorted(line for line in output.splitlines()
                   if re.search(r":\d+: (ERROR|WARNING|CHECK):", line))
    lines = [line for line in lines if not excused(line, rules)]
    if lines:
        raise Failure("\n".join([f"{len(lines)} complaints", *lines]))
    if "perl:" in output or "Can't" in output:
        raise Failure(tail(output))


def check_kerneldoc(checks):
    files = sources("drivers", "include")
    if not files:
        raise Skip("there is no driver yet")
    status, output = checks.command(
        ["perl", f"{SCRIPTS}/kernel-doc", "-none", "-Wall", "-Werror", *files])
    # A file without a single comment of that kind is no mistake.
    lines = [line for line in output.splitlines() if re.search(r": (warning|error):", line)
             and "no structured comments found" not in line]
    if lines or (status and "no structured comments found" not in output):
        raise Failure("\n".join(lines or [tail(output)]))


def check_uapi(checks, compiler, language, standard):
    if not os.path.exists(f"{TREE}/{UAPI}"):
        raise Skip(f"there is no {UAPI} yet")
    source = f"{OUT}/uapi.{language}"
    with open(source, "w", encoding="utf-8") as file:
        # Twice: a header must bear being included again.
        file.write('#include "drm/movgem_drm.h"\n' * 2)
    checks.must([compiler, f"-std={standard}", "-Wall", "-Wextra", "-Wpedantic", "-Werror",
                 "-fsyntax-only", f"-I{TREE}/include/uapi", "-isystem", "/usr/include/libdrm",
                 source])


def check_scripts(checks):
    scripts = []
    for path in glob.glob(f"{TREE}/tools/**/*", recursive=True) + [f"{TREE}/.ci/run"]:
        if os.path.isfile(path):
            with open(path, "rb") as file:
                first = file.readline()
            if re.match(rb"#!.*\b(sh|bash|dash|busybox sh)\b", first):
                scripts.append(os.path.relpath(path, TREE))
    checks.must(["shellcheck", "-x", "-S", "warning", *sorted(scripts)])
    for path in glob.glob(f"{TREE}/tools/**/*.py", recursive=True):
        with open(path, encoding="utf-8") as file:
            compile(file.read(), path, "exec")


def check_doc(checks):
    if not os.path.exists(f"{TREE}/Documentation/index.rst"):
        raise Skip("there is no Documentation/index.rst yet")
    checks.must([f"{HERE}/build-doc"])


# --- does the runner of the guests do what it says?

def vm(checks, *arguments, timeout=120):
    return checks.command([f"{TREE}/tools/vm", "run", "--no-module", "--mem", "512M",
                           "--timeout", str(timeout), *arguments])


def expect(checks, status, text, *arguments, **more):
    got, output = vm(checks, *arguments, **more)
    if got != status or text not in output:
        raise Failure(f"status {got} and not {status}, or no '{text}' in:\n{tail(output)}")


def splat_module(checks):
    out = f"{OUT}/splat"
    if not os.path.exists(f"{out}/splat.ko"):
        os.makedirs(out, exist_ok=True)
        for name in ("splat.c", "Kbuild"):
            shutil.copy(f"{TREE}/tools/selftest/{name}", out)
        release = os.path.basename(glob.glob("/usr/lib/modules/6.12.*")[0])
        checks.must(["make", "-C", f"/usr/lib/modules/{release}/build", f"M={out}", "W=1",
                     "CONFIG_DEBUG_INFO_BTF_MODULES=", "modules"])
    return out


def splat(checks, what, status, text, *arguments, before=""):
    out = splat_module(checks)
    expect(checks, status, text, "--share", out, *arguments, "--",
           f"{before} insmod /share/splat.ko what={what}; echo done")


SELFTESTS = {
    "exit-0": lambda c: expect(c, 0, "6.12", "--", "uname", "-r"),
    "exit-1": lambda c: expect(c, 1, "", "--", "false"),
    "exit-7": lambda c: expect(c, 7, "a b", "--", "sh", "-c", 'echo "$1"; exit 7', "sh", "a b"),
    "killed": lambda c: expect(c, 137, "", "--", "kill -9 $$"),
    "warn": lambda c: splat(c, "warn", 123, "splat: provoked"),
    "warn-allowed": lambda c: splat(c, "warn", 0, "splat: provoked", "--allow-warn"),
    "oops": lambda c: splat(c, "oops", 123, "BUG: kernel NULL pointer dereference"),
    "bug": lambda c: splat(c, "bug", 123, "kernel BUG at"),
    "hung-task": lambda c: splat(c, "hang", 123, "blocked for more than", before=(
        "echo 3 > /proc/sys/kernel/hung_task_timeout_secs;"
        "echo 1 > /proc/sys/kernel/hung_task_check_interval_secs;")),
    "lockdep-line": lambda c: expect(
        c, 123, "possible circular locking", "--",
        "echo 'WARNING: possible circular locking dependency detected' > /dev/kmsg"),
    "time-out": lambda c: expect(c, 124, "time-out after 15 seconds", "--", "sleep 100",
                                 timeout=15),
    "guest-dies": lambda c: expect(c, 125, "the guest died", "--",
                                   "echo o > /proc/sysrq-trigger; sleep 60"),
    "bad-kernel": lambda c: expect(c, 125, "there is: 6.12, 7.2", "--kernel", "9.9", "--", "true"),
    "dimm": lambda c: expect(c, 0, "Movable", "--dimm", "512M", "--", "cat /proc/zoneinfo | "
                             "grep -A 20 'zone  Movable' | grep -q 'present *131072' && "
                             "cat /sys/devices/system/memory/memory*/valid_zones"),
}


# --- the driver, in a guest

def check_igt_build(checks):
    if not os.path.exists(f"{TREE}/igt-tests/Makefile"):
        raise Skip("there is no igt-tests/Makefile yet")
    out = f"{TREE}/out/build/igt"
    checks.must(["make", "-C", "igt-tests", f"-j{os.cpu_count()}", f"OUT={out}"])
    if not os.path.exists(f"{out}/test-list.txt"):
        raise Failure("the build left no out/build/igt/test-list.txt")


def run_guest(checks, store):
    """The IGT tests, then rmmod and reload, in one guest."""
    group = f"igt/{store}"
    if not checks.wanted(group) and not checks.wanted(f"reload/{store}"):
        return
    share = f"{OUT}/{store}"
    shutil.rmtree(share, ignore_errors=True)
    os.makedirs(share)
    shutil.copy(f"{TREE}/tools/guest/check", share)
    checks.log = f"{OUT}/logs/igt-{store}.log"
    start = time.monotonic()
    missing = [path for path in (f"{TREE}/{DRIVER}", f"{TREE}/out/build/igt/test-list.txt")
               if not os.path.exists(path)]
    if missing:
        checks.record(group, "skip", 0, f"there is no {os.path.relpath(missing[0], TREE)}")
        return
    print(f"        booting a guest with page_store={store} for the IGT tests", flush=True)
    follower = igt_results.Follower(share, lambda line: print(f"        {line}", flush=True))
    command = [f"{TREE}/tools/vm", "run", "--mem", "1G", "--dimm", "1G", "--udev",
               "--param", f"page_store={store}", "--share", share,
               "--timeout", str(checks.args.igt_timeout), "--log", f"{share}/console.log", "--",
               "sh", "/share/check", checks.args.igt or "."]
    try:
        status, output = checks.command(command, each_line=follower.line,
                                        limit=checks.args.igt_timeout + 60)
    except Failure as reason:
        status, output = 124, str(reason)
    seconds = time.monotonic() - start

    cases = igt_results.cases(share)
    for case in cases:
        checks.record(f"{group}/{case.name}", case.outcome, case.seconds, case.text)
    # The guest itself is a case: a warning outside of any subtest must not be lost.
    log = os.path.relpath(checks.log, TREE)
    if status or not cases:
        problem = "\n".join(line for line in output.splitlines()
                            if line.startswith(("vm:", "    ", "check: FAILED"))) or tail(output)
        checks.record(f"{group}/guest", "fail", seconds,
                      f"status {status}, {len(cases)} results\n{problem}\nlog: {log}")
    else:
        checks.record(f"{group}/guest", "pass", seconds)
    reload_cases(checks, store, share)


def reload_cases(checks, store, share):
    """Judges what tools/guest/check measured around rmmod and insmod."""
    name = f"reload/{store}"
    values = {}
    try:
        with open(f"{share}/reload", encoding="utf-8") as file:
            for line in file:
                key, _, value = line.strip().partition(" ")
                values[key] = value
    except OSError:
        pass
    if "done" not in values:
        checks.record(name, "fail", 0, f"the guest did not get to the end of it: {values}")
        return
    problems = []
    for counter in ("bos_live", "pages_live"):
        value = values.get(counter) or "missing from stats"
        if value != "0":
            problems.append(f"{counter} is {value} with every file closed, before rmmod")
    for step in ("rmmod", "insmod", "rmmod_again"):
        if values.get(step) != "0":
            problems.append(f"{step} ended with status {values.get(step)}")
    if values.get("slabs"):
        problems.append(f"slabs left after rmmod: {values['slabs']}")
    lost = int(values["before_kb"]) - int(values["after_kb"])
    summary = f"{lost} kB of memory missing (tolerance {MEMORY_TOLERANCE_KB} kB)"
    if lost > MEMORY_TOLERANCE_KB:
        problems.append(summary)
    checks.record(name, "fail" if problems else "pass", float(values.get("seconds", 0)),
                  "\n".join(problems) or summary)


def check_demo(checks):
    script = f"{TREE}/tools/demo/run"
    if not os.path.exists(script):
        raise Skip("there is no tools/demo/run yet")
    checks.must([script, "--quick"])


def plan():
    """Every check in order: (name, function)."""
    steps = [
        ("lint/scripts", check_scripts),
        ("lint/checkpatch", check_checkpatch),
        ("lint/kernel-doc", check_kerneldoc),
        ("build/uapi-c", lambda c: check_uapi(c, "gcc", "c", "c99")),
        ("build/uapi-c++", lambda c: check_uapi(c, "g++", "cc", "c++11")),
        ("build/module-W=1", check_module),
        ("build/sparse", check_sparse),
        ("build/igt-tests", check_igt_build),
        ("build/doc", check_doc),
    ]
    steps += [(f"vm/{name}", function) for name, function in SELFTESTS.items()]
    return steps


def main():
    parser = argparse.ArgumentParser(
        prog="tools/check",
        description="Run the project's tests and checks. Results: out/check/junit.xml and "
                    "out/check/logs/. The last line is 'N passed, N failed, N skipped'.")
    parser.add_argument("--only", action="append", metavar="PATTERN", default=[],
                        help="run only the checks of this name or glob, such as lint, 'vm/*', "
                             "igt/pinned; may be repeated")
    parser.add_argument("--igt", metavar="REGEX", help="run only the IGT subtests that match")
    parser.add_argument("--igt-timeout", type=int, default=2400, metavar="SECONDS",
                        help="for all the IGT tests of one guest (default %(default)s)")
    parser.add_argument("--list", action="store_true", help="list the checks and end")
    args = parser.parse_args()
    steps = plan()
    groups = [f"{kind}/{store}" for store in STORES for kind in ("igt", "reload")]
    if args.list:
        print("\n".join([name for name, _ in steps] + groups + ["demo/quick"]))
        return 0
    checks = Checks(args)
    os.makedirs(f"{OUT}/logs", exist_ok=True)
    try:
        for name, function in steps:
            checks.run(name, function)
        for store in STORES:
            run_guest(checks, store)
        checks.run("demo/quick", check_demo)
    except KeyboardInterrupt:
        checks.record("interrupted", "fail", 0, "interrupted from the keyboard")
    if not checks.cases:
        checks.record("check", "fail", 0, f"no check matches {args.only}")
    junit.write(f"{OUT}/junit.xml", checks.cases)
    count = {outcome: sum(case.outcome == outcome for case in checks.cases)
             for outcome in ("pass", "fail", "skip")}
    for case in checks.cases:
        if case.outcome == "fail":
            print(f"FAILED: {case.name}")
    print(f"{count['pass']} passed, {count['fail']} failed, {count['skip']} skipped", flush=True)
    return 1 if count["fail"] else 0


if __name__ == "__main__":
    sys.exit(main())
