# SPDX-License-Identifier: GPL-2.0
"""Line coverage of the driver by all its tests. See tools/coverage --help."""

import argparse
import collections
import concurrent.futures
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import checklib  # noqa: E402
import igt_guest  # noqa: E402

OUT = os.path.join(checklib.TREE, "out/coverage")
GOAL = 90

# What a guest runs: all tests, for each store whose pages move; with the store that is
# there to be compared with, those that it makes a difference to.
GUESTS = {
    "movable_ops": ".",
    "folio": ".",
    "pinned": "^movgem_(create|mmap|prime|migrate|madvise)@",
}


class Lines:
    """How often each line of each file was executed, and the function that it is in."""

    def __init__(self):
        self.counts = collections.defaultdict(collections.Counter)
        self.functions = collections.defaultdict(dict)

    def add(self, report, name_of):
        """Adds what gcov says of one object file; NAME_OF gives a path's name in the
        report, or None where it is of no interest."""
        for file in report["files"]:
            name = name_of(file["file"])
            if name is None:
                continue
            for line in file["lines"]:
                number = line["line_number"]
                self.counts[name][number] += line["count"]
                self.functions[name].setdefault(number, line.get("function_name", ""))

    def totals(self, name):
        """Lines of a file that were executed, and all of them."""
        counts = self.counts[name]
        return sum(count > 0 for count in counts.values()), len(counts)

    def missed(self, name):
        """What was not executed: a list of (function, "1-3, 7"), in the file's order."""
        found = {}
        previous = None
        for number, count in sorted(self.counts[name].items()):
            if count:
                previous = None
                continue
            ranges = found.setdefault(self.functions[name][number], [])
            # Lines between that have no code belong to the same stretch.
            if previous is not None and ranges:
                ranges[-1][1] = number
            else:
                ranges.append([number, number])
            previous = number
        return [(function, ", ".join(f"{a}-{b}" if a != b else str(a) for a, b in ranges))
                for function, ranges in found.items()]


def read_gcov(directory):
    """What gcov makes of the .gcda and .gcno files in a directory."""
    for path in sorted(glob.glob(f"{directory}/*.gcda")):
        result = subprocess.run(["gcov", "--json-format", "--stdout", path], cwd=directory,
                                capture_output=True, text=True, check=False)
        if result.returncode or not result.stdout.strip():
            raise RuntimeError(f"gcov {path}: {result.stderr.strip()}")
        yield json.loads(result.stdout)


def driver_name(path):
    """Of a path in a build tree the file's name in the driver; no test, no kernel header."""
    _, mark, name = path.rpartition(f"{checklib.DRIVER}/")
    return name if mark and "/" not in name else None


def report(lines):
    """The text: a table, and what was missed."""
    names = sorted(lines.counts)
    hit = total = 0
    text = [f"{'file':32} {'lines':>6} {'covered':>8} {'':>7}"]
    for name in names:
        some, all_ = lines.totals(name)
        hit += some
        total += all_
        text.append(f"{name:32} {all_:6} {some:8} {100 * some / all_:6.1f}%")
    text.append(f"{'all':32} {total:6} {hit:8} {100 * hit / total:6.1f}%")
    text += ["", "Lines that were not executed:", ""]
    for name in names:
        for function, ranges in lines.missed(name):
            text.append(f"{name}: {function}(): {ranges}")
    return "\n".join(text) + "\n", 100 * hit / total


def say(text):
    print(f"coverage: {text}", flush=True)


def build():
    """The module with gcov and the KUnit suites; returns the directory of its objects."""
    subprocess.run([f"{checklib.HERE}/build-module", "--kernel", "debug", "GCOV_PROFILE=y",
                    "CONFIG_DRM_MOVGEM_KUNIT_TEST=y"], check=True,
                   env={**os.environ, "MOVGEM_OUT": f"{OUT}/build"},
                   stdout=subprocess.DEVNULL)
    return f"{OUT}/build/debug/kbuild/{checklib.DRIVER}"


def must(command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def run_guest(store, regex, modules):
    """Runs tests in a guest. MODULES is where those of tools/selftest are."""
    say(f"running the tests with page_store={store}")
    share = f"{OUT}/{store}"
    shutil.rmtree(share, ignore_errors=True)
    os.makedirs(share)
    igt_guest.fill(share, modules, re.compile(regex).search)
    shutil.copy(f"{checklib.TREE}/tools/guest/gcov", share)
    slow = checklib.SLOWNESS["debug"]
    status = subprocess.run(
        [f"{checklib.TREE}/tools/vm", "run", "--kernel", "debug", "--mem", "2G", "--numa", "2",
         "--dimm", "512M", "--qemu-arg=-device", "--qemu-arg=virtio-gpu-pci",
         "--qemu-arg=-device", "--qemu-arg=pci-testdev", "--udev",
         "--module", f"{OUT}/build/debug/movgem.ko",
         "--param", f"page_store={store}", "--share", share, "--log", f"{share}/console.log",
         "--timeout", str(3600 * slow), "--allow-warn", "--",
         f"sh /share/check {slow}; sh /share/gcov"], check=False).returncode
    # A test that fails has still executed what it has; make check is to judge it.
    if status:
        say(f"the guest with {store} ended with status {status}")


def collect(objects, directory, lines):
    """Adds the counts of one guest."""
    for path in glob.glob(f"{objects}/**/*.gcno", recursive=True):
        shutil.copy(path, directory)
    for one in read_gcov(directory):
        lines.add(one, driver_name)


def self_check():
    """A program of which is known what it does not execute, through the same functions."""
    source = ("int twice(int a)\n{\n\treturn 2 * a;\n}\n\nint never(int a)\n{\n\ta++;\n"
              "\treturn a;\n}\n\nint main(int argc, char **argv)\n{\n\tif (argc > 1)\n"
              "\t\treturn never(argc);\n\treturn twice(argc) - 2;\n}\n")
    lines = Lines()
    for _ in range(2):
        with tempfile.TemporaryDirectory() as directory:
            with open(f"{directory}/a.c", "w", encoding="utf-8") as file:
                file.write(source)
            subprocess.run(["gcc", "--coverage", "-O0", "-o", "a", "a.c"], cwd=directory,
                           check=True)
            subprocess.run([f"{directory}/a"], cwd=directory, check=True)
            for one in read_gcov(directory):
                lines.add(one, lambda path: os.path.basename(path) if path.endswith("a.c")
                          else None)
    got = lines.totals("a.c"), lines.missed("a.c"), lines.counts["a.c"][3]
    want = (5, 9), [("never", "6-9"), ("main", "15")], 2
    if got != want:
        say(f"self check: {got}, not {want}")
        return 1
    text, percent = report(lines)
    if round(percent) != 56 or "a.c: never(): 6-9\n" not in text:
        say(f"self check: {percent} %\n{text}")
        return 1
    say("self check: ok")
    return 0


def main():
    parser = argparse.ArgumentParser(
        prog="tools/coverage",
        description="Build the driver with gcov for the debug kernel, run all tests in guests, "
                    "one for each page store, and print the line coverage of the driver and "
                    "what is not covered; out/coverage/summary.txt has the same text. With "
                    "the KUnit suites this takes an hour or two without KVM.")
    parser.add_argument("--store", action="append", choices=sorted(GUESTS),
                        help="only the guest with this page store; may be repeated")
    parser.add_argument("--igt", metavar="REGEX",
                        help="only the IGT subtests that match (the KUnit suites always run)")
    parser.add_argument("--guests", type=int, default=2, metavar="N",
                        help="run up to N guests at a time (default 2)")
    parser.add_argument("--no-guests", action="store_true",
                        help="only report what earlier guests have left in out/coverage")
    parser.add_argument("--self-check", action="store_true",
                        help="check this program itself, with a small one of its own")
    args = parser.parse_args()
    if args.self_check:
        return self_check()

    stores = args.store or list(GUESTS)
    objects = f"{OUT}/build/debug/kbuild/{checklib.DRIVER}"
    if not args.no_guests:
        say("building the driver with gcov")
        objects = build()
        modules = checklib.build_selftest_modules("debug", must)
        with concurrent.futures.ThreadPoolExecutor(args.guests) as pool:
            for future in [pool.submit(run_guest, store, args.igt or GUESTS[store], modules)
                           for store in stores]:
                future.result()
    lines = Lines()
    for store in stores:
        directory = f"{OUT}/{store}/gcda"
        if not glob.glob(f"{directory}/*.gcda"):
            say(f"there are no counts of the guest with {store}")
            return 1
        collect(objects, directory, lines)
    text, percent = report(lines)
    with open(f"{OUT}/summary.txt", "w", encoding="utf-8") as file:
        file.write(text)
    print(text, end="")
    say(f"{percent:.1f} % (goal {GOAL} %), in out/coverage/summary.txt")
    return 0


if __name__ == "__main__":
    sys.exit(main())
