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
import time

import mesas

HERE = os.path.dirname(os.path.abspath(__file__))
LIB = f"{HERE}/usr/lib/x86_64-linux-gnu"
MIGRATE = "/sys/kernel/debug/dri/movgem/migrate"
# Seconds for a test, and while pages move.
PATIENCE, PATIENCE_MOVING = 120, 600


def run(test, mesa, platform, patience):
    """What piglit says of a test, or how it ended otherwise."""
    env = {**mesas.environment(mesa), "PIGLIT_PLATFORM": platform,
           "WAFFLE_GBM_DEVICE": "/dev/dri/card0",
           # Of tests that ask for EGL's default display.
           "EGL_PLATFORM": "surfaceless"}
    libraries = [env.get("LD_LIBRARY_PATH"), LIB, f"{LIB}/piglit/lib"]
    env["LD_LIBRARY_PATH"] = ":".join(filter(None, libraries))
    command = test["command"]
    try:
        done = subprocess.run([f"{LIB}/piglit/bin/{command[0]}", *command[1:]], env=env,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace",
                              timeout=patience, check=False)
    except subprocess.TimeoutExpired:
        return "timeout", ""
    if "error while loading shared libraries" in done.stdout:
        sys.exit(f"{command[0]}: {done.stdout}")
    said = re.findall(r'PIGLIT: \{"result": "(\w+)"', done.stdout)
    if done.returncode < 0:
        return "crash", done.stdout
    return said[-1] if said else "fail", done.stdout


def move():
    """Moves all pages of Mesa's BOs, again and again."""
    while True:
        for path, text in ((MIGRATE, "label:mesa"), ("/proc/sys/vm/compact_memory", "1")):
            try:
                with open(path, "w", encoding="ascii") as file:
                    file.write(text)
            except OSError as error:
                # There need not be one just now, or one that can move.
                if error.errno not in (errno.ENOENT, errno.EBUSY):
                    raise
        time.sleep(0.01)


def main(platform, moving):
    with open(f"{HERE}/tests.json", encoding="utf-8") as file:
        tests = json.load(file)
    patience = PATIENCE
    if moving == "1":
        patience = PATIENCE_MOVING
        threading.Thread(target=move, daemon=True).start()

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
    with open("/share/results.json", "w", encoding="utf-8") as file:
        json.dump(results, file, indent=1)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
