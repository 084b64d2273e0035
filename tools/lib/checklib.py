# SPDX-License-Identifier: GPL-2.0
"""What the groups of checks in tools/checks/ are made with; tools/lib/check.py runs them.

A group is a module there with

    ORDER    where it comes, in steps of ten (lint 10, build 20, vm 30, igt 40, demo 90)
    checks() its list of Check
    OWN_IGT  optional: names of IGT programs that only this group runs, in guests of its
             own; the group igt leaves them out

A Check's function gets a Run. It passes by returning, and raises Skip or Failure with the
reason otherwise; it may record() further cases below its own name.
"""

import dataclasses
import fnmatch
import glob
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
import time
import typing

HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.dirname(os.path.dirname(HERE))
OUT = os.path.join(TREE, "out/check")
BUILD = os.path.join(TREE, "out/build")
DRIVER = "drivers/gpu/drm/movgem"

# The kernels, and the page stores that are worth a run of all tests on each; the first is
# its default.
STORES = {
    "6.12": ("movable_ops", "folio", "pinned"),
    "7.2": ("folio", "pinned"),
    "debug": ("movable_ops", "folio"),
}
KERNELS = tuple(STORES)
# How much longer than on a stock kernel things may take.
SLOWNESS = {"6.12": 1, "7.2": 1, "debug": 4}
# Processors of guests. On the debug kernel, of which two guests run at a time on two of the
# host's, one that waits for another that the host has no time for makes a page that moves take
# up to ten times as long. It preempts; tests that need two processors have them (--smp).
SMP = {"6.12": "2", "7.2": "2", "debug": "1"}
# tools/vm says so of a guest that it starts a second time.
AGAIN = re.compile(r"vm: .*; starting it again$")


class Skip(Exception):
    """A check that cannot run here; the text says why."""


class Failure(Exception):
    """A check that failed; the text is shown, the log has more."""


@dataclasses.dataclass
class Check:
    """One check: its name, "group/what" or "group/KERNEL/STORE"; what does it; and the
    kernel and the page store of its guests, for tools/check --kernel and --store."""

    name: str
    function: typing.Callable
    kernel: str | None = None
    store: str | None = None
    # The builds and whatever wants the machine to itself; all others are guests, of which
    # several may run at a time.
    alone: bool = False
    # Its guest, of the debug kernel, looks for lost memory: all takes up to twice the time.
    kmemleak: bool = False
    # It looks for writes to pages that were free: half as long again.
    page_poison: bool = False
    # Too long for all to wait for: runs only where --only or --all asks for it.
    on_request: bool = False

    def wanted(self, args):
        """Is it what the command line asks for?"""
        if self.on_request and not (args.only or args.all):
            return False
        if args.kernel and self.kernel not in (None, *args.kernel):
            return False
        if args.store and self.store not in (None, *args.store):
            return False
        return not args.only or any(
            fnmatch.fnmatch(self.name, pattern) or self.name == pattern
            or self.name.startswith(pattern.rstrip("*/") + "/")
            or pattern.startswith(self.name + "/") for pattern in args.only)


class Run:
    """One check while it runs: its log, its commands, its word to the terminal."""

    def __init__(self, check, args, recorder):
        self.check = check
        self.args = args
        self.recorder = recorder
        self.log = os.path.join(OUT, "logs", check.name.replace("/", "-") + ".log")
        with open(self.log, "w", encoding="utf-8"):
            pass

    def say(self, text):
        """Progress: a line on the terminal."""
        self.recorder.say(f"{self.check.name}: {text}")

    def record(self, name, outcome, seconds, text=""):
        """A case of its own, below this check's name: pass, fail or skip, and why."""
        self.recorder.record(f"{self.check.name}/{name}", outcome, seconds, text)

    def repeated(self, name, text, seconds):
        """A case that failed for the reason TEXT, and passed when it was repeated. Not in silence:
        it is listed in the end, and too many of them are a failure (see check.py)."""
        self.recorder.repeated.append(f"{self.check.name}/{name}")
        self.recorder.record(f"{self.check.name}/{name}", "pass", seconds,
                             f"failed once: {text}")
        self.say(f"{name}: passed only when it was repeated")

    def restarted(self, text):
        """A guest that tools/vm had to start again. Also listed in the end."""
        self.recorder.restarted.append(f"{self.check.name}: {text}")
        self.say(text)

    def directory(self):
        """An empty directory under out/check, for --share and the like."""
        path = os.path.join(OUT, self.check.name.replace("/", "-"))
        subprocess.run(["rm", "-rf", path], check=True)
        os.makedirs(path)
        return path

    def command(self, command, env=None, limit=1800, each_line=None):
        """Runs a command with its output in the log; returns (status, output)."""
        with open(self.log, "a", encoding="utf-8") as log:
            log.write(f"$ {shlex.join(command)}\n")
            log.flush()
            lines = []
            late = threading.Event()
            with subprocess.Popen(command, cwd=TREE, env={**os.environ, **(env or {})},
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True,
                                  errors="replace") as process:
                timer = threading.Timer(limit, lambda: (late.set(), process.kill()))
                timer.start()
                try:
                    for line in process.stdout:
                        log.write(line)
                        log.flush()
                        lines.append(line)
                        if AGAIN.match(line):
                            self.restarted(line.strip())
                        if each_line:
                            each_line(line.rstrip("\n"))
                finally:
                    timer.cancel()
        if late.is_set():
            raise Failure(f"not done after {limit} seconds: {shlex.join(command)}")
        return process.returncode, "".join(lines)

    def must(self, command, **more):
        """As command(), but its failure is the check's; returns the output."""
        status, output = self.command(command, **more)
        if status:
            raise Failure(f"{shlex.join(command)}: status {status}\n{tail(output)}")
        return output

    def machine(self):
        """What tools/vm is told of the guest that the check's kernel and it itself ask for."""
        kernel = self.check.kernel
        return (["--kernel", kernel, "--smp", SMP[kernel]] if kernel else []) + self.looks_for()

    def looks_for(self):
        """The part of that about what the debug kernel looks for; tools/stress knows it, too."""
        return ((["--kmemleak"] if self.check.kmemleak else [])
                + (["--page-poison"] if self.check.page_poison else []))

    def guest(self, options, command, timeout=600, each_line=None):
        """Runs COMMAND (a line for sh) in a guest with movgem, with the check's kernel and
        page store; OPTIONS are tools/vm's. Returns (status, output)."""
        options = [*self.machine(), *options]
        if self.check.kernel:
            timeout *= SLOWNESS[self.check.kernel]
        if self.check.store:
            require_store(self.check.store)
            options += ["--param", f"page_store={self.check.store}"]
        return self.command([f"{TREE}/tools/vm", "run", "--timeout", str(timeout), *options,
                             "--", command],
                            limit=timeout * (2 if "--retry" in options else 1) + 120,
                            each_line=each_line)


SELFTEST_LOCK = threading.Lock()


def build_selftest_modules(kernel, must):
    """Builds the modules of tools/selftest for a kernel; returns their directory. MUST(command)
    runs a command and returns its output."""
    out = os.path.join(OUT, f"selftest-{kernel}")
    with SELFTEST_LOCK:
        os.makedirs(out, exist_ok=True)
        for path in glob.glob(f"{TREE}/tools/selftest/*"):
            shutil.copy2(path, out)
        build = must([f"{HERE}/build-module", "--build-dir", kernel]).strip()
        must(["make", "-C", build, f"M={out}", "W=1", "CONFIG_DEBUG_INFO_BTF_MODULES=",
              "modules"])
    return out


def selftest_modules(run):
    """The same for a check."""
    return build_selftest_modules(run.check.kernel or "6.12", run.must)


IGT_TESTS_LOCK, IGT_TESTS_BUILT = threading.Lock(), []


def build_igt_tests(run):
    """Builds the IGT tests, once, as guests have what is built; returns their directory."""
    out = f"{BUILD}/igt"
    with IGT_TESTS_LOCK:
        if not IGT_TESTS_BUILT:
            run.must(["make", "-C", f"{TREE}/igt-tests", f"-j{os.cpu_count()}", f"OUT={out}"])
            IGT_TESTS_BUILT.append(out)
    return out


def tail(text, count=20):
    """The last lines of a text."""
    return "\n".join(text.splitlines()[-count:])


RESULT = re.compile(r"(?:PASS (?P<passed>[\w-]+): (?P<seconds>[\d.]+) s|"
                    r"FAIL (?P<failed>[\w-]+): (?P<reason>.*))$")


def winsys_tests(run, options, programs, setup="", **more):
    """Runs test programs of mesa-winsys/testlib in a guest, after SETUP, each test a case.
    PROGRAMS are what is put before the names of its tests, its command line, and the tests that
    have to have run. A test that fails has its own case; here it is the guest, what its kernel
    says, and what has not run."""
    command = f"{setup} status=0; "
    missing = set()
    for prefix, line, names in programs:
        # The first may have none.
        command += f"echo PREFIX {prefix}; " if prefix else ""
        command += f"{line} || status=$?; "
        missing |= {prefix + name for name in names}
    status, output = run.guest(options, command + "exit $status", each_line=run.say, **more)
    prefix = ""
    for line in output.splitlines():
        if line.startswith("PREFIX "):
            prefix = line.split()[1]
        match = RESULT.match(line)
        if match:
            name = prefix + (match["passed"] or match["failed"])
            missing.discard(name)
            run.record(name, "pass" if match["passed"] else "fail",
                       float(match["seconds"] or 0), match["reason"] or "")
    if missing or status not in (0, 1):
        raise Failure(f"status {status}, without a result: {', '.join(sorted(missing))}\n"
                      f"{tail(output)}")


def sources(*tops, ends=(".c", ".h")):
    """The files below TOPS that end so, relative to the tree."""
    found = []
    for top in tops:
        for path, dirs, names in os.walk(os.path.join(TREE, top)):
            dirs.sort()
            found += [os.path.relpath(os.path.join(path, name), TREE)
                      for name in sorted(names) if name.endswith(ends)]
    return found


def require_store(store):
    """Skips where the driver does not know this page store."""
    for path in sources(DRIVER):
        with open(f"{TREE}/{path}", encoding="utf-8") as file:
            if f'"{store}"' in file.read():
                return
    raise Skip(f"the driver has no page_store={store}")


def groups():
    """The modules of tools/checks/, in their order."""
    found = []
    sys.path.insert(0, HERE)
    for path in sorted(glob.glob(f"{TREE}/tools/checks/*.py")):
        name = os.path.basename(path).removesuffix(".py")
        spec = importlib.util.spec_from_file_location(f"checks_{name}", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found.append(module)
    return sorted(found, key=lambda module: module.ORDER)


def own_igt():
    """The IGT programs that groups run in guests of their own."""
    return [name for module in groups() for name in getattr(module, "OWN_IGT", ())]


def clock(seconds):
    """Minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


class Recorder:
    """Keeps the cases and prints them; several checks may speak at once."""

    def __init__(self, case_type):
        self.case_type = case_type
        self.cases = []
        self.repeated = []
        self.restarted = []
        self.start = time.monotonic()
        self.lock = threading.Lock()

    def clock(self):
        return f"[{clock(time.monotonic() - self.start):>5}]"

    def say(self, text):
        with self.lock:
            print(f"{self.clock()}      {text}", flush=True)

    def record(self, name, outcome, seconds, text=""):
        """One result: a line on the terminal, a case in the XML."""
        word = {"pass": "ok  ", "fail": "FAIL", "skip": "skip"}[outcome]
        lines = [line for line in text.strip().splitlines() if line.strip()]
        reason = f": {lines[0][:160]}" if outcome == "skip" and lines else ""
        with self.lock:
            self.cases.append(self.case_type(name, outcome, seconds, text))
            print(f"{self.clock()} {word} {name} ({seconds:.1f} s){reason}", flush=True)
            if outcome == "fail":
                for line in lines[:25]:
                    print(f"             {line[:200]}")
                if len(lines) > 25:
                    print(f"             ... {len(lines) - 25} lines more")
                sys.stdout.flush()

    def run(self, check, args):
        """Runs one check and records what became of it."""
        run = Run(check, args, self)
        start = time.monotonic()
        outcome, text = "pass", ""
        try:
            check.function(run)
        except Skip as reason:
            outcome, text = "skip", str(reason)
        except Failure as reason:
            outcome, text = "fail", f"{reason}\nlog: {os.path.relpath(run.log, TREE)}"
        except Exception as reason:  # a mistake in the check must not end the others
            outcome, text = "fail", f"the check itself: {type(reason).__name__}: {reason}"
        self.record(check.name, outcome, time.monotonic() - start, text)
