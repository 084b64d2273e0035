#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Memory leaves: boots a guest for each scenario and kind of buffers, takes memory away from
the kernel while the buffers are in use, and makes a table of how much was had.

Run as tools/memory/run, which enters the Debian 13 root first. What happens in the guest is
in guest.py.
"""

import argparse
import contextlib
import dataclasses
import fcntl
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TREE, "tools/lib"))
import checklib  # noqa: E402
import qmp  # noqa: E402
import text_table  # noqa: E402

# Kinds of buffers: what guest.py calls them, and movgem's page_store.
KINDS = {
    "movable_ops": ("movgem", "movable_ops"),
    "folio": ("movgem", "folio"),
    "pinned": ("movgem", "pinned"),
    "vgem": ("vgem", None),
}
# Those whose results are judged. The others are there to compare with.
MOVABLE = ("movable_ops", "folio")
MEMCG_LIMIT = 96

started = time.monotonic()


def say(text):
    print(f"memory: [{time.monotonic() - started:4.0f}s] {text}", flush=True)


@dataclasses.dataclass
class Scenario:
    """One way for memory to leave. JUDGE gets a result and returns what is wrong with it."""

    title: str
    vm: list
    arguments: dict
    judge: object
    kernels: tuple = ("6.12", "7.2", "debug")


def all_had(result):
    if result["had"] < result["of"]:
        yield f"{result['had']} of {result['of']} {result['unit']} were had"


def some_moved(result, share=0.5):
    """Else "nothing lost" would say little."""
    pages = result["kept_mib"] * 256
    if result["moved"] < share * pages:
        yield f"{result['moved']} pages moved, of {pages}"


def judge_left(result):
    yield from all_had(result)
    yield from some_moved(result)


def judge_hugetlb_1g(result):
    """Linux 6.12 has no way to keep its own memory out of where such a page could come from, so
    there it is reported only. Not all buffers are in the way of two pages."""
    if result["from_movable_zone"]:
        yield from all_had(result)
        yield from some_moved(result, 0.2)


def judge_cma(result):
    """Not all of it: the guest's page cache lies there as well, and not all of that moves."""
    if result["in_cma_mib"] < result["kept_mib"] * 0.5:
        yield f"only {result['in_cma_mib']} MiB of buffers lay in the CMA area"
    if result["had"] < 0.9 * result["of"]:
        yield f"{result['had']} of {result['of']} MiB were had"
    if result["moved"] < result["in_cma_mib"] * 256 * 0.5:
        yield f"{result['moved']} pages moved only"


def judge_memcg(result):
    """A store whose pages are charged has to keep to the limit; movable_ops cannot charge them
    (the kernel would not carry the charge over), and has to do no harm."""
    if result["killed"]:
        yield "the process was killed, where BO_CREATE could have failed"
        return
    if result["buffers"] == "folio":
        if not result["asked"]:
            yield f"a buffer of {MEMCG_LIMIT} MiB was made with a limit of as much"
        # Besides the buffers that are there, and what the kernel allocates for itself.
        if result["taken_mib"] > 0.8 * MEMCG_LIMIT:
            yield (f"{result['taken_mib']} MiB were taken from the machine for a buffer that the "
                   "limit has no room for")
        if result["had"] < result["of"]:
            yield f"{result['had']} of {result['of']} MiB of buffers are charged"
        if abs(result["charged_after_moves_mib"] - result["charged_mib"]) > 1:
            yield (f"{result['charged_mib']} MiB charged, {result['charged_after_moves_mib']} MiB "
                   "after pages moved")
    if not result["moved"]:
        yield "no page moved"
    for when in ("after_exit", "at_end"):
        if result[f"charged_{when}_mib"] > 1:
            yield f"{result[f'charged_{when}_mib']} MiB are still charged {when.replace('_', ' ')}"


def judge_oom(result):
    if not result["hog_killed"]:
        yield "the hog was not killed"
    if result["buffers"] == "folio" and not result["picked"]:
        yield "the OOM killer did not pick the hog by itself, though its pages are counted"
    if result["had"] < 0.98 * result["of"]:
        yield f"{result['had']} of {result['of']} MiB of the hog came back"


def judge_kcompactd(result):
    if result["moved_by_kcompactd"] < result["kept_mib"] * 256 * 0.1:
        yield f"kcompactd moved {result['moved_by_kcompactd']} pages only"
    if result["had"] <= 0:
        yield f"{result['had']} more free blocks of 2 MiB"


SCENARIOS = {
    "dimm": Scenario("a DIMM is unplugged", ["--mem", "768M", "--dimm", "256M"], {"mib": 216},
                     judge_left),
    "virtio-mem": Scenario("virtio-mem shrinks", ["--mem", "768M", "--virtio-mem", "256M"],
                           {"mib": 216}, judge_left),
    "cma": Scenario("CMA is allocated from", ["--mem", "1G", "--append", "cma=384M"],
                    {"mib": 96}, judge_cma, ("debug",)),
    "hugetlb-1g": Scenario("1 GiB huge pages at run time", ["--numa", "2", "--mem", "2G", "--dimm", "1G", "--dimm", "2G"],
                           {"mib": 2400, "of": 2}, judge_hugetlb_1g),
    "kcompactd": Scenario("kcompactd under pressure", ["--mem", "768M"], {"mib": 512},
                          judge_kcompactd),
    "memcg": Scenario("a memory cgroup's limit", ["--mem", "768M"],
                      {"limit": MEMCG_LIMIT, "mib": MEMCG_LIMIT * 3 // 4, "ask": MEMCG_LIMIT},
                      judge_memcg),
    "oom": Scenario("the OOM killer", ["--mem", "512M"], {}, judge_oom),
}


def parse_args():
    names = "\n".join(f"  {name:12}{scenario.title}" for name, scenario in SCENARIOS.items())
    parser = argparse.ArgumentParser(
        prog="tools/memory/run", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Take memory away from a guest's kernel while CPU threads and GPU jobs work "
                    "in buffers\nthat fill it, and say how much was had. A guest for each "
                    "scenario and kind of buffers.\n\nscenarios:\n" + names,
        epilog="Results in out/memory.json, and below out/memory/ the guests' results, output and "
               "kernel\nlogs. Lines of other results stay in out/memory.json unless --out names "
               "another one.\n\nexit status: 0: the stores that move pages met every threshold; "
               "1: one did not;\n2: a guest failed")
    add = parser.add_argument
    add("--only", metavar="NAME,...", help="only these scenarios")
    add("--kernel", default="6.12", choices=checklib.KERNELS,
        help="as in tools/vm (default %(default)s)")
    add("--store", metavar="S,...",
        help=f"kinds of buffers, of {', '.join(KINDS)} (default: all that the kernel has)")
    add("--smp", type=int, default=2, metavar="N", help="processors (default 2)")
    add("--seed", type=int, default=1, metavar="N", help="what the buffers hold (default 1)")
    add("--timeout", type=int, default=1200, metavar="SECONDS",
        help="for a guest (default %(default)s)")
    add("--module", metavar="FILE", help="use this movgem.ko; nothing is built then")
    add("--out", metavar="DIR", help="where memory.json and memory/ go (default out)")
    add("--list", action="store_true", help="list scenarios and kinds of buffers, and end")
    args = parser.parse_args()
    args.only = args.only.split(",") if args.only else list(SCENARIOS)
    for name in args.only:
        if name not in SCENARIOS:
            parser.error(f"no such scenario: {name}; there is: {', '.join(SCENARIOS)}")
    args.store = args.store.split(",") if args.store else stores(args.kernel)
    for name in args.store:
        if name not in KINDS:
            parser.error(f"no such kind of buffers: {name}; there is: {', '.join(KINDS)}")
    args.out = os.path.abspath(args.out or os.path.join(TREE, "out"))
    return args


def stores(kernel):
    """The kinds of buffers that a kernel can have."""
    found = []
    for name in KINDS:
        if KINDS[name][1]:
            if name not in (*checklib.STORES[kernel], "pinned"):
                continue
            try:
                checklib.require_store(name)
            except checklib.Skip:
                continue
        found.append(name)
    return found


def vm_command(args, name, kind, out, socket):
    scenario = SCENARIOS[name]
    buffers, store = KINDS[kind]
    command = [os.path.join(TREE, "tools/vm"), "run", "--kernel", args.kernel,
               "--smp", str(args.smp), *scenario.vm, "--share", out, "--qmp", socket,
               "--log", os.path.join(out, "kernel.log"), "--timeout", str(args.timeout)]
    if store:
        command += ["--param", f"page_store={store}"]
        if args.module:
            command += ["--module", args.module]
    else:
        command += ["--no-module"]
    arguments = {"seed": args.seed, **scenario.arguments}
    return command + ["--", "python3", "/movgem/memory/guest.py", name, buffers,
                      json.dumps(arguments)]


class Proxy:
    """Does what guest.py asks of the host."""

    def __init__(self, out, socket):
        self.out = out
        self.path = socket
        self.machine = None
        self.seen = []

    def write(self, name, text):
        """Whole or not at all."""
        with open(os.path.join(self.out, name + ".tmp"), "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(os.path.join(self.out, name + ".tmp"), os.path.join(self.out, name))

    def serve(self, number, request):
        if not self.machine:
            self.machine = qmp.Qmp(self.path)
        try:
            answer = {"return": self.machine.command(request["execute"], **request["arguments"])}
        except qmp.QmpError as error:
            answer = {"error": str(error)}
        if self.machine.events:
            self.seen += self.machine.events
            self.machine.events = []
            self.write("events", "".join(json.dumps(event) + "\n" for event in self.seen))
        self.write(f"reply-{number}", json.dumps(answer) + "\n")


def measure(args, name, kind):
    """One guest; returns its result."""
    out = os.path.join(args.out, "memory", args.kernel, name, kind)
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)
    label = f"{name}, {kind}"
    with tempfile.TemporaryDirectory(prefix="movgem-memory-") as tmp:
        socket = os.path.join(tmp, "qmp")
        command = vm_command(args, name, kind, out, socket)
        short = shlex.join(word.replace(TREE + "/", "") for word in command)
        say(f"{label}: {short}")
        proxy = Proxy(out, socket)
        begin = time.monotonic()
        with open(os.path.join(out, "output.txt"), "w", encoding="utf-8") as log, \
                subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                 text=True, errors="replace") as guest:
            for line in guest.stdout:
                log.write(line)
                log.flush()
                request = re.match(r"@qmp (\d+) (.*)", line)
                if request:
                    proxy.serve(request[1], json.loads(request[2]))
                else:
                    print(f"  {label}: {line}", end="", flush=True)
    path = os.path.join(out, "result.json")
    result = {"scenario": name, "buffers": kind, "kernel": args.kernel, "command": short,
              "wall_seconds": round(time.monotonic() - begin, 1), "judged": kind in MOVABLE}
    if guest.returncode or not os.path.exists(path):
        result["failed"] = (f"the guest ended with status {guest.returncode}; see "
                            f"{os.path.relpath(out, TREE)}/output.txt and kernel.log")
        say(f"FAILED: {label}: {result['failed']}")
        return result
    with open(path, encoding="utf-8") as file:
        result.update(json.load(file))
    result["missed"] = []
    if result["judged"]:
        result["missed"] += SCENARIOS[name].judge(result)
    if result.get("bytes_lost"):
        result["missed"].append(f"{result['bytes_lost']} bytes lost")
    for text in result["missed"]:
        say(f"MISSED: {label}: {text}")
    return result


def cell(result, key):
    value = result.get(key)
    return "-" if value is None else str(value)


def table(results):
    """Text, one line for each result."""
    rows = [("scenario", "kernel", "buffers", "in use", "had", "of", "", "pages moved",
             "bytes lost", "took")]
    for result in results:
        if "failed" in result:
            rows.append((result["scenario"], result["kernel"], result["buffers"], "-", "failed",
                         "-", "", "-", "-", "-"))
            continue
        rows.append((result["scenario"], result["kernel"], result["buffers"],
                     f"{cell(result, 'kept_mib')} MiB", cell(result, "had"), cell(result, "of"),
                     cell(result, "unit"), cell(result, "moved"), cell(result, "bytes_lost"),
                     f"{cell(result, 'trigger_seconds')} s"))
    lines = text_table.columns(rows, right=(3, 4, 5, 7, 8, 9))
    notes = [f"{result['scenario']}, {result['kernel']}, {result['buffers']}: {note}"
             for result in results for note in result.get("notes", [])]
    return "\n".join(lines + ([""] + notes if notes else [])) + "\n"


def key(result):
    return result["kernel"], result["scenario"], result["buffers"]


def merge(path, results):
    """The results of this run in place of older ones of the same kind."""
    try:
        with open(path, encoding="utf-8") as file:
            old = json.load(file)["results"]
    except (FileNotFoundError, ValueError, KeyError):
        old = []
    new = {key(result) for result in results}
    merged = [result for result in old if key(result) not in new] + results
    names, kinds = list(SCENARIOS), list(KINDS)
    return sorted((result for result in merged if result["scenario"] in names
                   and result["buffers"] in kinds),
                  key=lambda r: (r["kernel"], names.index(r["scenario"]),
                                 kinds.index(r["buffers"])))


@contextlib.contextmanager
def alone(args):
    """Not beside another run with the same results: tools/check has several at a time."""
    with open(os.path.join(args.out, ".memory.lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main():
    args = parse_args()
    if args.list:
        for name, scenario in SCENARIOS.items():
            print(f"{name:12}{scenario.title}")
        print(f"buffers on {args.kernel}: {', '.join(args.store)}")
        return 0
    os.makedirs(args.out, exist_ok=True)
    say("building the guest's program")
    with alone(args):
        subprocess.run(["make", "-s", "-C", os.path.join(TREE, "tools/memory")], check=True)
        shutil.copy(os.path.join(TREE, "tools/memory/guest.py"),
                    os.path.join(TREE, "out/build/memory/guest.py"))
    results = []
    for name in args.only:
        if args.kernel not in SCENARIOS[name].kernels:
            say(f"{name}: not with the kernel {args.kernel}")
            continue
        for kind in args.store:
            results.append(measure(args, name, kind))
    with alone(args):
        report = {"results": merge(os.path.join(args.out, "memory.json"), results)}
        with open(os.path.join(args.out, "memory.json"), "w", encoding="utf-8") as file:
            json.dump(report, file, indent=1)
            file.write("\n")
    print("\n" + table(results), flush=True)
    if any("failed" in result for result in results):
        return 2
    missed = [f"{result['scenario']}, {result['buffers']}: {text}"
              for result in results for text in result["missed"]]
    for text in missed:
        say(f"MISSED: {text}")
    if not missed:
        say("every threshold is met")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
