#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""The guest's part of tools/compare/piglit: runs each test with both of Mesa, two at a time, and
leaves the results in /share/results.json.

    piglit_guest.py PLATFORM MOVE
"""

import concurrent.futures
import errno
import json
import os
import re
import subprocess
import sys
import threading

import memory_blocks
import mesas

HERE = os.path.dirname(os.path.abspath(__file__))
LIB = f"{HERE}/usr/lib/x86_64-linux-gnu"
MOVGEM = "/sys/kernel/debug/dri/movgem"
# Seconds for a test, and while pages move.
PATIENCE, PATIENCE_MOVING = 120, 600


def run(test, mesa, platform, patience):
    """What piglit says of a test, or how it ended otherwise."""
    env = {**mesas.environment(mesa), "PIGLIT_PLATFORM": platform,
           "WAFFLE_GBM_DEVICE": "/dev/dri/card0",
           "PIGLIT_SOURCE_DIR": f"{LIB}/piglit",
           # Of tests that ask for EGL's default display.
           "EGL_PLATFORM": "surfaceless"}
    libraries = [env.get("LD_LIBRARY_PATH"), LIB, f"{LIB}/piglit/lib"]
    env["LD_LIBRARY_PATH"] = ":".join(filter(None, libraries))
    command = test["command"]
    try:
        done = subprocess.run([f"{LIB}/piglit/bin/{command[0]}", *command[1:]], env=env,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace",
                              timeout=patience, check=False, cwd=f"{LIB}/piglit/tests")
    except subprocess.TimeoutExpired:
        return "timeout", ""
    if "error while loading shared libraries" in done.stdout:
        sys.exit(f"{command[0]}: {done.stdout}")
    said = re.findall(r'PIGLIT: \{"result": "(\w+)"', done.stdout)
    if done.returncode < 0:
        return "crash", done.stdout
    return said[-1] if said else "fail", done.stdout


def write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def moved():
    """How many pages have moved so far."""
    with open(f"{MOVGEM}/stats", encoding="ascii") as file:
        return int(re.search(r"^migrate_ok\s+(\d+)", file.read(), re.MULTILINE)[1])


class Mover(threading.Thread):
    """Moves all pages of Mesa's BOs, again and again, and has blocks of memory go offline."""

    def __init__(self):
        super().__init__(daemon=True)
        self.blocks = memory_blocks.MovableBlocks()
        self.before = moved()
        self.error = None
        self.end = threading.Event()

    def turn(self):
        try:
            write(f"{MOVGEM}/migrate", "label:mesa")
        except OSError as error:
            # There need not be a BO just now, or a page that can move.
            if error.errno not in (errno.ENOENT, errno.EBUSY):
                raise
        write("/proc/sys/vm/compact_memory", "1")
        self.blocks.cycle_one()

    def run(self):
        try:
            while not self.end.wait(0.01):
                self.turn()
        except Exception as error:  # judged by finish()
            self.error = error

    def finish(self):
        """Says how much moved; that nothing did makes the results worth nothing."""
        self.end.set()
        self.join()
        count = moved() - self.before
        print(f"piglit: {count} pages moved, blocks of memory went offline {self.blocks.offline} "
              "times", flush=True)
        if self.error or not count or not self.blocks.offline:
            sys.exit(f"the pages did not move to the end: {self.error}")


def main(platform, moving):
    with open(f"{HERE}/tests.json", encoding="utf-8") as file:
        tests = json.load(file)
    patience, mover = PATIENCE, None
    if moving == "1":
        patience, mover = PATIENCE_MOVING, Mover()
        mover.start()

    def both(test):
        result = {"name": test["name"], "group": test["group"]}
        for mesa in mesas.MESAS:
            result[mesa], output = run(test, mesa, platform, patience)
            if result[mesa] not in ("pass", "skip"):
                result[f"output {mesa}"] = output[-8000:]
        return result

    results = []
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for result in pool.map(both, tests):
            results.append(result)
            found = ", ".join(f"{mesa} {result[mesa]}" for mesa in mesas.MESAS)
            print(f"piglit: {len(results)} of {len(tests)}: {result['name']}: {found}", flush=True)
            # Also of a guest that does not come to the end.
            with open("/share/results.json", "w", encoding="utf-8") as file:
                json.dump(results, file, indent=1)
    if mover:
        mover.finish()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
