#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Mesa with the movgem driver beside Debian's own Mesa, which draws with the same llvmpipe and
takes kms_swrast: frames per second and memory of Debian's programs, in one guest, in turn.

Run as tools/compare/run, which enters the Debian 13 root first. What happens in the guest is
in guest.py, the programs are in programs.py.
"""

import argparse
import json
import os
import shlex
import shutil
import statistics
import subprocess
import sys

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HERE = os.path.join(TREE, "tools/compare")
sys.path[:0] = [HERE, os.path.join(TREE, "tools/lib")]
import programs  # noqa: E402
import text_table  # noqa: E402
from mesas import MESAS  # noqa: E402

GUEST = ("guest.py", "mesas.py", "programs.py", "egl.py")


def parse_args():
    parser = argparse.ArgumentParser(
        prog="tools/compare/run",
        description="Run programs with movgem's Mesa and with Debian's in turn, in one guest, "
                    "and print frames per second and memory of each.",
        epilog="programs: " + ", ".join(programs.PROGRAMS) + ". Results in out/compare/: "
               "table.txt, results.json. exit status: 0; 1: a program has failed with movgem's "
               "Mesa; 2: the guest has")
    add = parser.add_argument
    add("--kernel", default="7.2", choices=("6.12", "7.2"), help="(default %(default)s)")
    add("--store", help="page store (default: the driver's)")
    add("--only", metavar="PROGRAM,...", help="only these programs")
    add("--rounds", type=int, default=1, metavar="N",
        help="each program so often with each Mesa (default %(default)s)")
    add("--host-time", action="store_true",
        help="two processors and the host's time; otherwise the guest's time is a count of "
             "instructions on one processor (tools/vm --icount), which is slower, and the same "
             "however busy the host is")
    add("--out", default=os.path.join(TREE, "out/compare"), metavar="DIR",
        help="where the results go (default out/compare)")
    add("--timeout", type=int, default=3600, metavar="SECONDS",
        help="for the guest (default %(default)s)")
    args = parser.parse_args()
    args.only = args.only.split(",") if args.only else list(programs.PROGRAMS)
    for name in args.only:
        if name not in programs.PROGRAMS:
            parser.error(f"no such program: {name}")
    args.out = os.path.abspath(args.out)
    return args


def guest(args):
    """Runs all of it; returns the exit status of the guest."""
    build = os.path.join(TREE, "out/build/compare")
    os.makedirs(build, exist_ok=True)
    for name in GUEST:
        shutil.copy(os.path.join(HERE, name), build)
    command = [os.path.join(TREE, "tools/vm"), "run", "--kernel", args.kernel, "--udev", "--mesa",
               "--share", args.out, "--timeout", str(args.timeout)]
    if not args.host_time:
        command += ["--icount"]
    if args.store:
        command += ["--param", f"page_store={args.store}"]
    command += ["--", "cp -r /movgem/compare /tmp && python3 -B /tmp/compare/guest.py "
                      f"{args.rounds} {' '.join(args.only)}"]
    print(f"compare: {shlex.join(word.replace(TREE + '/', '') for word in command)}", flush=True)
    return subprocess.run(command, check=False).returncode


def text_of(values):
    """The median, and the least and the most where there are several."""
    if not values:
        return "-"
    middle = f"{statistics.median(values):.1f}"
    return middle if len(values) == 1 else f"{middle} ({min(values):.1f}-{max(values):.1f})"


def rows(results):
    """For each program and scene: frames per second with either, and memory."""
    for name, program in programs.PROGRAMS.items():
        mine = {mesa: [r for r in results if (r["program"], r["mesa"]) == (name, mesa)]
                for mesa in MESAS}
        if program.once or not mine[MESAS[0]]:
            continue
        scenes = list(dict.fromkeys(scene for runs in mine.values() for run in runs
                                    for scene in run["fps"]))
        for index, scene in enumerate(scenes or [""]):
            fps = [[run["fps"][scene] for run in mine[mesa] if scene in run["fps"]]
                   for mesa in MESAS]
            ratio = (f"{statistics.median(fps[0]) / statistics.median(fps[1]):.2f}"
                     if all(fps) and statistics.median(fps[1]) else "-")
            memory = [f"{max(run[kind] for run in mine[mesa]) / 1024:.1f}" if mine[mesa] else "-"
                      for mesa in MESAS for kind in ("own_kib", "bos_kib")]
            yield (f"{name} {scene}".strip(), *map(text_of, fps), ratio,
                   *(memory if not index else [""] * 4))


def table(results):
    header = ("program", "fps movgem", "fps Debian's", "ratio", "MiB movgem", "in BOs",
              "MiB Debian's", "in BOs")
    text = "\n".join(text_table.columns([header, *rows(results)])) + "\n"
    for result in results:
        if programs.PROGRAMS[result["program"]].once:
            said = result["output"].strip().splitlines() or [""]
            text += f"{result['program']}, {result['mesa']}: {said[-1]}\n"
    return text


def wrong(result):
    """What is wrong with a result, or None. Some of Debian's fail as they always have."""
    mine = result["mesa"] == MESAS[0]
    if programs.PROGRAMS[result["program"]].once and not result["status"]:
        return None if mine == ("driver movgem;" in result["output"]) else "it is not that Mesa"
    if mine and (result["status"] or not result["fps"]):
        return f"status {result['status']}"
    return None


def main():
    args = parse_args()
    os.makedirs(args.out, exist_ok=True)
    path = os.path.join(args.out, "results.json")
    if os.path.exists(path):
        os.unlink(path)
    status = guest(args)
    if status or not os.path.exists(path):
        print(f"compare: FAILED: the guest ended with status {status}")
        return 2
    with open(path, encoding="utf-8") as file:
        results = json.load(file)
    text = table(results)
    with open(os.path.join(args.out, "table.txt"), "w", encoding="utf-8") as file:
        file.write(text)
    print("\n" + text)
    bad = [result for result in results if wrong(result)]
    for result in bad:
        print(f"compare: WRONG: {result['program']}, {result['mesa']} Mesa: {wrong(result)}: "
              f"{result['output'][-500:]}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
