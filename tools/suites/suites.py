#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Debian's packaged IGT tests, unmodified, on movgem and on the drivers that are most like it:
a guest for each, and a table of what passed.

Run as tools/suites/run, which enters the Debian 13 root first. The tests are run by
igt_runner; where one takes the guest with it, another guest goes on after it.
"""

import argparse
import dataclasses
import functools
import glob
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(TREE, "tools/lib"))
import igt_results  # noqa: E402
import table  # noqa: E402

TESTS = "/usr/libexec/igt-gpu-tools"
# What tools/vm needs for a device. The kernel is one of our own, for SW_SYNC and vkms. movgem is
# a PCI Express function there, as some tests unplug devices by sysfs, or reset them: QEMU's NVMe
# controller can be reset by itself.
DEVICES = {
    "movgem": ["--param", "devices=0", "--qemu-arg=-device",
               "--qemu-arg=pcie-root-port,id=movgem-port,chassis=1,hotplug=off", "--qemu-arg=-device",
               "--qemu-arg=nvme,serial=movgem,bus=movgem-port"],
    "vgem": ["--no-module"],
    "vkms": ["--no-module"],
    "virtio_gpu": ["--no-module", "--qemu-arg=-device", "--qemu-arg=virtio-gpu-pci"],
}
# By which results get out when the machine has slept: virtio's 9p has no suspend, and needs
# none where the PCI function keeps its state.
AWAKE = ["-fsdev", "local,id=asleep,path={},security_model=none,multidevs=remap",
         "-device", "pcie-root-port,id=asleep-port", "-device",
         "virtio-9p-pci,fsdev=asleep,mount_tag=asleep,bus=asleep-port,x-pcie-pm-no-soft-reset=on"]
# Seconds that a guest may say nothing, beyond those that a subtest may take.
SILENCE = 180
# What DRM says where a test that has CRCs open does not read them for two seconds.
CRC_OVERFLOW = re.compile(r"^<3>[^\n]*drm_crtc_add_crc_entry\] \*ERROR\* Overflow of CRC buffer"
                          r"[^\n]*(?:\n|\Z)", re.MULTILINE)
# A device that takes more guests with it than this is given up.
GUESTS = 25

started = time.monotonic()


def say(text):
    seconds = int(time.monotonic() - started)
    print(f"[{seconds // 60:3d}:{seconds % 60:02d}] {text}", flush=True)


@dataclasses.dataclass
class Result:
    """What became of a subtest on a device: pass, skip or fail, and why."""

    outcome: str
    seconds: float
    reason: str = ""
    # What it failed for the first time, if that was not the last word.
    failed_once: str = ""


@dataclasses.dataclass
class Program:
    """One of IGT's programs: a line of the file `programs`."""

    name: str
    together: bool
    but: list
    clock: list

    def tests(self, short):
        """Its tests, or those of the short list, as igt_runner names them: in small letters."""
        listed = subprocess.run([f"{TESTS}/{self.name}", "--list-subtests"], check=False,
                                text=True, stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL).stdout.lower().split()
        names = [f"igt@{self.name}@{name}" for name in listed] or [f"igt@{self.name}"]
        return [name for name in names
                if not short or not any(re.search(regex, name) for regex in self.but)]


@functools.cache
def programs(short):
    """Those in the file `programs`."""
    found = []
    with open(f"{HERE}/programs", encoding="utf-8") as file:
        for line in file:
            name, *words = line.partition("#")[0].split() or [None]
            if name and (not short or "short" in words):
                found.append(Program(name, "together" in words, *(
                    [word[1:] for word in words if word.startswith(mark)] for mark in "-~")))
    return found


def by_the_clock(name):
    """Does what the test PROGRAM@SUBTEST says depend on how fast the machine is?"""
    program, _, test = name.partition("@")
    return any(re.search(regex, test) for known in programs(False) if known.name == program
               for regex in known.clock)


class Guest:
    """One guest that runs tests; killed when it has nothing to say for too long."""

    def __init__(self, args, device, share, number):
        # One processor: tests unplug PCI devices, and as that changes the map of memory QEMU
        # without KVM may have another one's access go elsewhere, to its timer for instance.
        options = ["--smp", "1", *DEVICES[device], *args.vm_arg,
                   *(f"--qemu-arg={arg.format(share)}" for arg in AWAKE)]
        if device == "movgem" and args.store:
            options += ["--param", f"page_store={args.store}"]
        self.console = f"{share}/console-{number}.log"
        self.command = [
            f"{TREE}/tools/vm", "run", "--kernel", args.kernel, "--udev", "--mem", "2G",
            "--allow-warn", "--share", share, "--log", self.console,
            "--timeout", "36000", *options, "--",
            f"cp /share/guest /tmp/guest; LIMIT={args.limit} sh /tmp/guest "
            f"{shlex.quote(device)}"]
        self.silence = args.limit + SILENCE
        self.heard = time.monotonic()
        self.read = 0

    def new_lines(self):
        """What the console has said since the last time, in whole lines."""
        if not os.path.exists(self.console):
            return b""
        with open(self.console, "rb") as file:
            file.seek(self.read)
            text = file.read()
        text = text[:text.rfind(b"\n") + 1]
        self.read += len(text)
        return text

    def watch(self, process, done):
        while not done.wait(5):
            # IGT has the kernel say so when a subtest begins; whatever else the kernel
            # says may be of a guest that hangs.
            if b"[IGT] " in self.new_lines():
                self.heard = time.monotonic()
            if time.monotonic() - self.heard > self.silence:
                os.killpg(process.pid, signal.SIGKILL)
                return

    def run(self, each_line):
        """Returns tools/vm's status."""
        done = threading.Event()
        with subprocess.Popen(self.command, cwd=TREE, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", start_new_session=True) as process:
            watcher = threading.Thread(target=self.watch, args=(process, done), daemon=True)
            watcher.start()
            for line in process.stdout:
                self.heard = time.monotonic()
                each_line(line.rstrip("\n"))
            done.set()
        return process.returncode


def into_parts(tests):
    """TESTS, pairs of a name and the part that it belongs to if it does not suspend the
    machine, as {part: names}."""
    parts = {"together": [], "alone": [], "asleep": []}
    for name, part in tests:
        parts["asleep" if "suspend" in name else part].append(name)
    return parts


def run_device(args, device, tests, share):
    """Runs TESTS, {part: names}, on a device, with their results in SHARE; returns what
    gather() makes of them."""
    shutil.rmtree(share, ignore_errors=True)
    os.makedirs(share)
    for script in f"{HERE}/guest", f"{HERE}/rtcwake", f"{TREE}/tools/guest/igt-lib":
        shutil.copy(script, share)
    for part, some in tests.items():
        os.mkdir(f"{share}/{part}")
        with open(f"{share}/{part}/list", "w", encoding="utf-8") as file:
            file.writelines(f"{test}\n" for test in some)
    follower = igt_results.Follower(lambda text: say(f"{device}: {text}"))
    reached = -1
    for number in range(GUESTS):
        output = []

        def line(text, output=output):
            output.append(text)
            follower.line(text)

        status = Guest(args, device, share, number).run(line)
        follower.finish()
        if not status:
            break
        begun = sum(os.path.isdir(path) for part in tests
                    for path in glob.glob(f"{share}/{part}/results/[0-9]*"))
        say(f"{device}: the guest ended with status {status} in process {begun}")
        say("\n".join(output[-20:]))
        if begun <= reached:
            break
        reached = begun
    return gather(share, tests)


def gather(share, tests):
    """What igt_runner left of TESTS, {part: names}, in SHARE: {name: Result}, and the names
    of those that another run may judge better."""
    results, doubtful = {}, []
    for part in tests:
        before = None
        for name, test in igt_results.load(f"{share}/{part}").items():
            if part == "together" and test["result"] == "warn" and "WARNING" not in test["err"]:
                # Only for a piece of what another test has on its stderr.
                test["result"] = "pass"
            case = igt_results.judge(name, test, CRC_OVERFLOW)
            reason = failure(test) if case.outcome == "fail" else case.text
            if (reason.startswith("SKIP (") and before and results[before].outcome == "skip"
                    and table.program(before) == table.program(case.name)):
                # Skipped for what skipped the one before it.
                reason = results[before].reason
            if test["result"] == "notrun":
                continue
            before = case.name.lower()
            results[before] = Result(case.outcome, round(case.seconds, 1), reason)
            if by_the_clock(before) and igt_results.own_word_only(test, CRC_OVERFLOW):
                doubtful.append(before)
    # Those that the runner did not get to.
    for name in [name for some in tests.values() for name in some]:
        results.setdefault(name.removeprefix("igt@"),
                           Result("fail", 0.0, "not run: the guest or the program died before it"))
    return results, doubtful


def repeat(args, device, names, results):
    """Runs tests once more, each alone: that counts."""
    say(f"{device}: again, alone: {' '.join(names)}")
    tests = into_parts((f"igt@{name}", "alone") for name in names)
    for name, result in run_device(args, device, tests, f"{args.out}/{device}-again")[0].items():
        result.failed_once = results[name].reason or "failed"
        results[name] = result


def failure(test):
    """Why a test failed, in a line."""
    errors = test.get("err", "")
    said = list(dict.fromkeys(re.findall(
        r"CRITICAL: (Failed assertion: .*|error: .*)|(Received signal \S+)", errors)))
    words = [" ".join("".join(groups).split()) for groups in said[:2]]
    words += re.findall(r"^<[0-4]> *\[[\d.]+\] *(.*)", test.get("dmesg-warnings") or "",
                        re.MULTILINE)[:1]
    if test["result"] not in ("fail", "dmesg-warn"):
        words.insert(0, test["result"])
    return "; ".join(words)[:200]


def parse_args():
    parser = argparse.ArgumentParser(
        prog="tools/suites/run",
        description="Run Debian's packaged IGT tests in guests and make a table. Results: "
                    "out/igt/table.json (device, test@subtest: pass, skip or fail), "
                    "out/igt/results.json (with seconds and reasons) and out/igt/table.rst.")
    add = parser.add_argument
    add("--device", action="append", choices=list(DEVICES), default=[],
        help="run on this one; may be repeated (default: all; what is known of the others "
             "from earlier runs stays in the table)")
    add("--short", action="store_true", help="only the programs that `make check` runs")
    add("--only", metavar="REGEX", help="only the tests program@subtest that match")
    add("--update", action="store_true",
        help="keep the results of tests that are not run, of the devices that are")
    add("--failed", action="store_true",
        help="only the tests that failed or were not run in an earlier run, each alone; implies "
             "--update")
    add("--kernel", default="plain", choices=("6.12", "7.2", "debug", "plain"),
        help="the guests' (default %(default)s; it and debug, on which KASAN and lockdep watch and "
             "all takes three times as long, have SW_SYNC and vkms)")
    add("--together", action="store_true",
        help="run all tests of a program in one process, which is quicker by half; what fails "
             "is to be run again alone: see --again and --failed")
    add("--again", action="store_true",
        help="what goes by the clock (~ in the file programs) and failed without a word of the "
             "kernel's is run once more, each alone, and that counts")
    add("--limit", type=int, default=600, metavar="SECONDS",
        help="a subtest that takes longer has failed (default %(default)s)")
    add("--store", help="movgem's page_store")
    add("--vm-arg", action="append", default=[], metavar="ARG",
        help="one more argument for tools/vm, as --vm-arg=ARG; may be repeated")
    add("--out", default=f"{TREE}/out/igt", metavar="DIR",
        help="where results go (default out/igt)")
    add("--doc", action="store_true",
        help="make Documentation/igt-table.rst of the results that are there, and run nothing")
    return parser.parse_args()


def select(args, listed, known):
    """The tests to run on a device, {part: names}: of those LISTED, [(program, names)], or of
    those that failed in KNOWN, its results."""
    tests = []
    for program, names in listed:
        together = args.together or (program.together and not args.failed)
        if args.failed:
            names = [f"igt@{test}" for test, result in known.items()
                     if table.program(test) == program.name and result.outcome == "fail"]
        tests += [(name, "together" if together else "alone") for name in names
                  if not args.only or re.search(args.only, name.removeprefix("igt@"))]
    return into_parts(tests)


def main():
    args = parse_args()
    os.makedirs(args.out, exist_ok=True)
    store = f"{args.out}/results.json"
    results = {}
    if os.path.exists(store):
        with open(store, encoding="utf-8") as file:
            results = {device: {name: Result(**fields) for name, fields in of.items()}
                       for device, of in json.load(file).items()}
    if args.doc:
        table.write(f"{TREE}/Documentation/igt-table.rst", results)
        return 0
    if args.kernel in ("debug", "plain"):
        subprocess.run([f"{TREE}/tools/kernel", "make", args.kernel], check=True,
                       stdout=subprocess.DEVNULL)
    listed = [(program, [] if args.failed else program.tests(args.short))
              for program in programs(args.short)]
    status = 2
    for device in args.device or DEVICES:
        known = results.get(device, {})
        tests = select(args, listed, known)
        if not any(tests.values()):
            print(f"{device}: no test matches", file=sys.stderr)
            continue
        new, doubtful = run_device(args, device, tests, f"{args.out}/{device}")
        if args.again and doubtful:
            repeat(args, device, doubtful, new)
        results[device] = {**(known if args.update or args.failed else {}), **new}
        with open(store, "w", encoding="utf-8") as file:
            json.dump({name: {test: dataclasses.asdict(result) for test, result in of.items()}
                       for name, of in results.items()}, file, indent=1, sort_keys=True)
        with open(f"{args.out}/table.json", "w", encoding="utf-8") as file:
            json.dump({name: {test: result.outcome for test, result in of.items()}
                       for name, of in results.items()}, file, indent=1, sort_keys=True)
        counts = table.count(new.values())
        say(f"{device}: {counts['pass']} passed, {counts['skip']} skipped, "
            f"{counts['fail']} failed")
        status = 1 if status == 1 or (device == "movgem" and counts["fail"]) else 0
    table.write(f"{args.out}/table.rst", results)
    return status


if __name__ == "__main__":
    sys.exit(main())
