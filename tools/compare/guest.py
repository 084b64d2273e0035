#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""The guest's part of tools/compare/run: runs programs with either Mesa in turn, and leaves what
they say, and how much memory they had, in /share/results.json.

    guest.py ROUNDS PROGRAM...
"""

import json
import os
import re
import subprocess
import sys
import threading

import mesas
import programs

SHARE = "/share"
PATIENCE = 1200


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def number(pattern, text):
    found = re.search(pattern, text, re.MULTILINE)
    return int(found[1]) if found else 0


class Memory(threading.Thread):
    """The most that a process has had: memory of its own, and BOs of movgem's. What is mapped of
    a BO is a part of the RSS with one page store and not with the other, so that is not told."""

    def __init__(self, pid):
        super().__init__()
        self.pid = pid
        self.own = self.bos = 0
        self.end = threading.Event()

    def buffers(self):
        """KiB in BOs, of each file description once."""
        clients = {}
        try:
            names = os.listdir(f"/proc/{self.pid}/fdinfo")
        except OSError:
            return 0
        for name in names:
            text = read(f"/proc/{self.pid}/fdinfo/{name}")
            if "drm-driver:\tmovgem" in text:
                clients[number(r"^drm-client-id:\s+(\d+)", text)] = \
                    number(r"^drm-resident-memory:\s+(\d+) KiB", text)
        return sum(clients.values())

    def run(self):
        while not self.end.wait(0.25):
            self.own = max(self.own, number(r"^RssAnon:\s+(\d+)",
                                            read(f"/proc/{self.pid}/status")))
            self.bos = max(self.bos, self.buffers())


def run(name, mesa):
    """Runs a program; returns what came of it."""
    command = programs.PROGRAMS[name].command
    # kmscube ends when its stdin does.
    with subprocess.Popen(command, env=mesas.environment(mesa), stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace") as process:
        memory = Memory(process.pid)
        memory.start()
        # Without communicate(), which closes stdin.
        timer = threading.Timer(PATIENCE, process.kill)
        timer.start()
        output = process.stdout.read()
        status = process.wait()
        timer.cancel()
        memory.end.set()
        memory.join()
    found = programs.PROGRAMS[name].results(output)
    return {"program": name, "mesa": mesa, "status": status, "output": output[-3000:],
            "own_kib": memory.own, "bos_kib": memory.bos, "fps": found}


def main(argv):
    results = []
    for turn in range(int(argv[1])):
        for name in argv[2:]:
            once = programs.PROGRAMS[name].once
            for mesa in mesas.MESAS[::-1 if turn % 2 else 1]:
                if once and turn:
                    continue
                result = run(name, mesa)
                results.append(result)
                print(f"guest: {turn + 1}: {name}, {mesa} Mesa: status {result['status']}, "
                      f"{result['fps'] or result['output'].strip()}", flush=True)
                with open(f"{SHARE}/results.json", "w", encoding="utf-8") as file:
                    json.dump(results, file, indent=1)


if __name__ == "__main__":
    main(sys.argv)
