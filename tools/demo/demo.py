#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The main job: boots a fresh guest for each figure, runs the workload in it,
and makes the table, demo.json and the memory maps of what came back.

Run as tools/demo/run, which enters the Debian 13 root first.
"""

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time

import scene

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TREE, "tools/lib"))
import text_table  # noqa: E402

BUFFER = 65536
PAGE = 4096

# Targets of the whole project. In the short form a huge page less than anonymous memory is a
# fifth of a percent, and what the driver and the kernel need for 20,000 BOs about 3 % (movable_ops)
# to 5 % (folio): there it is to tell pages that move from such that do not, which get 15 %.
HUGE_SHARE = {False: 0.95, True: 0.9}
LAYOUT = (0.20, 0.40)
# Of the pages of buffers; else "nothing lost" would say little.
MOVED_SHARE = 0.25
# The guest's seconds may differ by so much from the host's.
CLOCK_ERROR = 0.1

ROWS = {
    "movable_ops": ("movgem", "movgem, page_store=movable_ops"),
    "folio": ("movgem", "movgem, page_store=folio"),
    "pinned": ("movgem", "movgem, page_store=pinned"),
    "vgem": ("vgem", "vgem (drm_gem_shmem_helper)"),
    "anonymous": ("anonymous", "anonymous memory"),
}
# The rows whose pages move, and which of them a kernel shows unless asked for others.
MOVING = ("movable_ops", "folio")
KERNELS = {"6.12": "movable_ops", "7.2": "folio"}
TRIGGERS = ("huge", "offline")

started = time.monotonic()


def say(text):
    print(f"demo: [{time.monotonic() - started:4.0f}s] {text}", flush=True)


def parse_args():
    parser = argparse.ArgumentParser(
        prog="tools/demo/run",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Fill a guest's memory with 64 KiB GPU buffers, free three of every four, and "
                    "ask the\nkernel for all the 2 MiB pages it can make, and for its movable "
                    "memory blocks to go\noffline, while CPU threads and GPU jobs write to the "
                    "buffers. Every figure has a guest\nof its own.",
        epilog="Results in out/demo/: table.txt, demo.json, memory-map.png, memory-map-offline.png, "
               "scene.png,\nand per row and trigger a directory with the guest's result, output, maps and "
               "kernel log.\n\nexit status: 0: all targets are met; 1: one is missed; "
               "2: a guest failed")
    add = parser.add_argument
    add("--quick", action="store_true",
        help="short form for `make check`: movgem and anonymous, smaller guests")
    add("--kernel", choices=KERNELS, default="6.12", help="of the guests (default %(default)s)")
    add("--rows", metavar="ROW,...",
        help=f"of {', '.join(ROWS)}; default: all of them, of the first two movable_ops on 6.12 "
             "and folio on 7.2")
    add("--mem", type=int, metavar="MIB",
        help="memory of the guests in MiB (default 2048; quick: 1536); to take memory blocks "
             "offline, half of it is a DIMM")
    add("--smp", type=int, default=2, metavar="N", help="processors (default 2)")
    add("--seed", type=int, default=1, metavar="N",
        help="which buffers stay and what they hold (default 1)")
    add("--fill", type=int, metavar="PERCENT",
        help="of memory that buffers fill at first (default 85; quick: 84, for the kernel's own "
             "share is larger in a small guest)")
    add("--rest", type=int, metavar="SECONDS",
        help="how long to measure before the trigger (default 5; quick: 2)")
    add("--limit", type=int, default=4, metavar="SECONDS",
        help="try a memory block for so long, and again while that moves pages (default 4)")
    add("--out", metavar="DIR", help="where the results go (default out/demo; quick: "
        "out/demo-quick; with -7.2 behind it for that kernel)")
    add("--module", metavar="FILE", help="use this movgem.ko; nothing is built then")
    add("--scene", choices=("yes", "no", "only"),
        help="the guest with weston on its screen (default: yes; quick: no)")
    add("--replot", action="store_true",
        help="boot nothing: table and pictures once more from the results in DIR")
    args = parser.parse_args()

    moving = KERNELS[args.kernel]
    names = [name for name in ROWS if name == moving or name not in MOVING]
    if args.quick:
        names = [moving, "anonymous"]
    if args.rows:
        names = args.rows.split(",")
    for name in names:
        if name not in ROWS:
            parser.error(f"no such row: {name}")
    args.rows = names
    args.out = os.path.abspath(args.out or os.path.join(
        TREE, "out", ("demo-quick" if args.quick else "demo") +
        ("" if args.kernel == "6.12" else f"-{args.kernel}")))
    args.mem = args.mem or (1536 if args.quick else 2048)
    if args.mem % 256 or args.mem < 768:
        parser.error("--mem must be a multiple of 256 and at least 768")
    args.fill = args.fill or (84 if args.quick else 85)
    args.scene = args.scene or ("no" if args.quick else "yes")
    if args.rest is None:
        args.rest = 2 if args.quick else 5
    return args


def vm_command(args, row, trigger, out):
    """The one command that measures one figure."""
    kind = ROWS[row][0]
    command = [os.path.join(TREE, "tools/vm"), "run", "--kernel", args.kernel,
               "--smp", str(args.smp), "--share", out,
               "--log", os.path.join(out, "kernel.log"), "--timeout", "1800"]
    if trigger == "huge":
        command += ["--mem", f"{args.mem}M"]
    else:
        command += ["--mem", f"{args.mem // 2}M", "--dimm", f"{args.mem // 2}M"]
    if kind == "movgem":
        command += ["--param", f"page_store={row}"]
        if args.module:
            command += ["--module", args.module]
    else:
        command += ["--no-module"]
    workload = (f"/movgem/demo/workload --buffers {kind} --trigger {trigger} --out /share "
                f"--seed {args.seed} --fill {args.fill} --rest {args.rest} --limit {args.limit}")
    if kind == "vgem":
        workload = "modprobe vgem && " + workload
    # Not by exec: what a guest says of itself belongs to the result.
    return command + ["--", "uname -r >/share/kernel; " + workload]


class GuestClock:
    """Compares the guest's times, which lead the workload's lines, with the host's. On a loaded
    host the guest can get the rate of its clock wrong when it boots."""

    def __init__(self):
        self.first = self.last = None

    def see(self, line):
        match = re.match(r"\[ *([0-9.]+)\] ", line)
        if match:
            self.last = (time.monotonic(), float(match[1]))
            self.first = self.first or self.last

    def rate(self):
        if not self.first or self.last[0] - self.first[0] < 1:
            return 1
        return (self.last[1] - self.first[1]) / (self.last[0] - self.first[0])


def measure(args, row, trigger, tries=3):
    out = os.path.join(args.out, row, trigger)
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)
    command = vm_command(args, row, trigger, out)
    short = [os.path.relpath(word, TREE) if word.startswith(TREE) else word for word in command]
    say(f"{row}, {trigger}: {shlex.join(short)}")
    begin = time.monotonic()
    clock = GuestClock()
    with open(os.path.join(out, "output.txt"), "w", encoding="utf-8") as log, \
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             text=True, errors="replace") as guest:
        for line in guest.stdout:
            clock.see(line)
            log.write(line)
            print(f"  {row}, {trigger}: {line}", end="", flush=True)
    if guest.returncode:
        say(f"FAILED: {row}, {trigger}: the guest's command ended with status {guest.returncode}; "
            f"see {os.path.relpath(out, TREE)}/output.txt and kernel.log")
        sys.exit(2)
    if abs(clock.rate() - 1) > CLOCK_ERROR:
        say(f"{row}, {trigger}: the guest's clock ran {clock.rate():.2f} times as fast as the "
            "host's; its rates mean nothing")
        if tries == 1:
            sys.exit(2)
        measure(args, row, trigger, tries - 1)
        return
    with open(os.path.join(out, "command"), "w", encoding="utf-8") as file:
        file.write(shlex.join(short) + "\n")
    with open(os.path.join(out, "wall"), "w", encoding="utf-8") as file:
        file.write(f"{time.monotonic() - begin:.1f}\n")


def read_text(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read().strip()


def load(args, row):
    """One object of demo.json."""
    parts = {}
    for trigger in TRIGGERS:
        out = os.path.join(args.out, row, trigger)
        part = json.loads(read_text(out, "result.json"))
        part["command"] = read_text(out, "command")
        part["wall_seconds"] = float(read_text(out, "wall"))
        part["kernel"] = read_text(out, "kernel")
        parts[trigger] = part
    huge, offline = parts["huge"], parts["offline"]

    def rate(phase):
        jobs = [part[phase]["gpu_jobs"] for part in parts.values()]
        if None in jobs:
            return None
        return round(sum(jobs) / sum(part[phase]["seconds"] for part in parts.values()), 1)

    tried = [block for block in offline["blocks"] if block["tried"]]
    return {
        "row": row,
        "buffers": ROWS[row][1],
        "huge_pages": huge["huge_pages"],
        "blocks_tried": offline["blocks_tried"],
        "blocks_offlined": offline["blocks_offlined"],
        "blocks_with_buffers": sum(1 for block in tried if block["buffer_pages_before"]),
        "pages_moved": sum(part["pages_moved"] for part in parts.values()),
        "bytes_lost": sum(part["bytes_lost"] for part in parts.values()),
        "bytes_checked": sum(part["bytes_checked"] for part in parts.values()),
        "gpu_jobs_per_s_rest": rate("rest"),
        "gpu_jobs_per_s_during": rate("during"),
        "kernel": huge["kernel"],
        "huge": huge,
        "offline": offline,
    }


def mib(pages):
    return pages * PAGE >> 20


def percent(part, whole):
    return f"{100 * part / whole:.1f} %" if whole else "-"


def rates(part):
    def one(phase):
        sample = part[phase]
        if sample["gpu_jobs"] is None:
            return "-"
        return f"{sample['gpu_jobs'] / sample['seconds']:.0f}"
    return one("rest"), one("during")


def make_table(args, rows):
    full = {row["row"]: row for row in rows}.get("anonymous")
    lines = [("buffers", "stay", "2 MiB pages", "of anonymous", "pages moved", "bytes lost",
              "GPU jobs/s", "during", "took")]
    for row in rows:
        part = row["huge"]
        lines.append((row["row"], f"{part['buffers_left'] * BUFFER >> 20} MiB",
                      row["huge_pages"],
                      percent(row["huge_pages"], full["huge_pages"]) if full else "-",
                      part["pages_moved"], part["bytes_lost"], *rates(part),
                      f"{part['trigger_seconds']:.1f} s"))
    shares = [row["huge"]["buffers_left"] * BUFFER / row["huge"]["mem_total"] for row in rows]
    text = [f"Linux {rows[0]['kernel']}, {args.smp} processors. 64 KiB buffers fill memory, three of "
            "every four are freed",
            "again; CPU threads and GPU jobs write to those that stay, and every byte is checked in "
            "the end.", "A fresh boot for each line.", "",
            f"All the 2 MiB pages that the kernel can make. Guest with {args.mem} MiB; buffers are "
            f"{min(shares):.1%} of it.", ""]
    text += text_table.columns(lines, right=range(1, 9))
    lines = [("buffers", "stay", "in the DIMM", "blocks offline", "pages moved", "bytes lost",
              "GPU jobs/s", "during", "took")]
    for row in rows:
        part = row["offline"]
        before = part["map_before"]
        lines.append((row["row"], f"{mib(before['buffer_pages'])} MiB",
                      f"{mib(before['buffer_pages_in_movable_zone'])} MiB",
                      f"{row['blocks_offlined']} of {row['blocks_tried']}",
                      part["pages_moved"], part["bytes_lost"], *rates(part),
                      f"{part['trigger_seconds']:.1f} s"))
    text += ["", f"All the memory blocks of ZONE_MOVABLE to go offline. Guest with {args.mem // 2} MiB "
             f"and a DIMM of {args.mem // 2} MiB, in blocks of",
             f"128 MiB; a block is given up when {args.limit} s of trying move nothing.", ""]
    text += text_table.columns(lines, right=range(1, 9))
    text += [""]
    for row in rows:
        part = row["offline"]
        if row["blocks_offlined"] and not row["blocks_with_buffers"]:
            text += [f"{row['row']}: the kernel keeps these buffers, which cannot move, out of "
                     "ZONE_MOVABLE. The DIMM could hold",
                     f"none of them, and only {part['buffers_made'] * BUFFER >> 20} MiB of buffers "
                     "could be made at first."]
    text += ["pages moved is counted by:"]
    text += [f"  {row['row']}: {row['huge']['pages_moved_source']}" for row in rows]
    return "\n".join(text) + "\n"


def missed_targets(rows, huge_share):
    by_name = {row["row"]: row for row in rows}
    missed = []
    moving = [row for row in rows if row["row"] in MOVING]
    for row in moving if "anonymous" in by_name else ():
        have = row["huge_pages"]
        want = by_name["anonymous"]["huge_pages"]
        if have < huge_share * want:
            missed.append(f"{row['row']} got {have} huge pages, {percent(have, want)} of the {want} "
                          f"of anonymous memory; the target is {huge_share:.0%}")
    for row in rows:
        if row["bytes_lost"]:
            missed.append(f"{row['row']} lost {row['bytes_lost']} bytes")
        share = row["huge"]["buffers_left"] * BUFFER / row["huge"]["mem_total"]
        if not LAYOUT[0] <= share <= LAYOUT[1]:
            missed.append(f"{row['row']}: {share:.1%} of memory is in buffers; the layout wants "
                          f"{LAYOUT[0]:.0%} to {LAYOUT[1]:.0%}")
    for row in moving:
        # One block may hold a page that is somebody else's and does not move.
        want = by_name["anonymous"]["blocks_offlined"] - 1 if "anonymous" in by_name else 1
        if row["blocks_offlined"] < want:
            missed.append(f"{row['row']}: {row['blocks_offlined']} of {row['blocks_tried']} memory "
                          f"blocks went offline; the target is {want}")
        for trigger in TRIGGERS:
            pages = row[trigger]["buffers_left"] * BUFFER // PAGE
            if row[trigger]["pages_moved"] < MOVED_SHARE * pages:
                missed.append(f"{row['row']}, {trigger}: only {row[trigger]['pages_moved']} pages "
                              f"moved, of {pages}")
    return missed


def build():
    say("building the workload")
    subprocess.run(["make", "-s", "-C", os.path.join(TREE, "tools/demo")], check=True)


def show_scene(args):
    """The guest with a desktop; returns what is wrong with it."""
    out = os.path.join(args.out, "scene")
    if not args.replot:
        scene.run(args, KERNELS[args.kernel], out, say)
    picture = os.path.join(args.out, "scene.png")
    scene.draw(out, picture)
    say(f"a desktop, and the memory beside it: {os.path.relpath(picture, TREE)}")
    return list(scene.missed(scene.load(out)))


def end(missed):
    """The exit status."""
    for text in missed:
        say(f"TARGET MISSED: {text}")
    if not missed:
        say("all targets are met")
    return 1 if missed else 0


def main():
    args = parse_args()
    os.makedirs(args.out, exist_ok=True)
    if args.scene == "only":
        if not args.replot:
            build()
        return end(show_scene(args))
    if args.replot:
        old = json.loads(read_text(args.out, "demo.json"))
        args.quick = old["parameters"]["quick"]
        args.mem, args.smp = old["guest"]["mem_mib"], old["guest"]["smp"]
        args.fill = old["parameters"]["fill_percent"]
        args.limit = old["parameters"]["block_limit_seconds"]
        args.rows = [row["row"] for row in old["rows"]]
    else:
        build()
        for row in args.rows:
            for trigger in TRIGGERS:
                measure(args, row, trigger)
    rows = [load(args, row) for row in args.rows]

    report = {
        "kernel": rows[0]["kernel"],
        "guest": {"mem_mib": args.mem, "smp": args.smp,
                  "offline": {"mem_mib": args.mem // 2, "dimm_mib": args.mem // 2}},
        "parameters": {"fill_percent": args.fill, "seed": args.seed, "rest_seconds": args.rest,
                       "block_limit_seconds": args.limit, "buffer_size": BUFFER,
                       "quick": args.quick},
        "rows": rows,
    }
    missed = report["missed_targets"] = missed_targets(rows, HUGE_SHARE[args.quick])
    with open(os.path.join(args.out, "demo.json"), "w", encoding="utf-8") as file:
        json.dump(report, file, indent=1)
        file.write("\n")
    table = make_table(args, rows)
    with open(os.path.join(args.out, "table.txt"), "w", encoding="utf-8") as file:
        file.write(table)
    print("\n" + table, flush=True)
    say("drawing the memory maps")
    if subprocess.run([sys.executable, os.path.join(TREE, "tools/demo/plot.py"), args.out],
                      check=False).returncode:
        missed.append("the memory maps could not be drawn")
    say(f"results are in {os.path.relpath(args.out, TREE)}/: table.txt, demo.json, memory-map.png, "
        "memory-map-offline.png")
    if args.scene == "yes":
        missed += show_scene(args)
    return end(missed)


if __name__ == "__main__":
    sys.exit(main())
