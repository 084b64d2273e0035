# SPDX-License-Identifier: GPL-2.0
"""The demo with a display: a guest in which weston and its clients are on movgem's screen while
memory is fragmented and made into huge pages, and a picture of both. Called by demo.py."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys

import numpy as np
from PIL import Image

import plot

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TREE, "tools/clients"))
import clients  # noqa: E402

MEM = 1024
# The compositor and its clients are in this memory as well.
RESERVE = 192


def run(args, store, out, say):
    """Boots the guest, with results in directory OUT."""
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)
    clients.install()
    build = os.path.join(TREE, "out/build/clients")
    shutil.copy(os.path.join(TREE, "tools/demo/scene_guest.py"), build)
    workload = (f"/movgem/demo/workload --buffers movgem --trigger huge --out /share --seed "
                f"{args.seed} --fill {args.fill} --reserve {RESERVE} --rest {args.rest}")
    command = [os.path.join(TREE, "tools/vm"), "run", "--kernel", args.kernel, "--udev",
               "--smp", str(args.smp), "--mem", f"{MEM}M", "--param", f"page_store={store}",
               "--share", out, "--log", os.path.join(out, "kernel.log"), "--timeout", "1800"]
    if args.module:
        command += ["--module", args.module]
    command += ["--", "uname -r >/share/kernel; cp -r /movgem/clients /tmp && "
                      f"python3 -B /tmp/clients/scene_guest.py {workload}"]
    say("scene: " + shlex.join(word.replace(TREE + "/", "") for word in command))
    with open(os.path.join(out, "output.txt"), "w", encoding="utf-8") as log, \
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             text=True, errors="replace") as guest:
        for line in guest.stdout:
            log.write(line)
            print(f"  scene: {line}", end="", flush=True)
    if guest.returncode:
        say(f"FAILED: scene: the guest's command ended with status {guest.returncode}; see "
            f"{os.path.relpath(out, TREE)}/output.txt and kernel.log")
        sys.exit(2)
    clients.pictures(out)


def load(out):
    result = {}
    for name in ("result.json", "scene.json"):
        with open(os.path.join(out, name), encoding="utf-8") as file:
            result.update(json.load(file))
    with open(os.path.join(out, "kernel"), encoding="utf-8") as file:
        result["kernel"] = file.read().strip()
    return result


def draw(out, path):
    """Two lines, before and after: the screen, and the memory beside it."""
    result = load(out)
    maps = {}
    for when in ("before", "after"):
        pages = np.fromfile(os.path.join(out, when + ".map"), dtype=np.uint8)
        if len(pages) != len(result["blocks"]) * plot.BLOCK_PAGES:
            raise SystemExit(f"scene: {when}.map has the wrong size")
        maps[when] = plot.tiles(pages)
    height, width = maps["before"].shape[:2]
    shots = {}
    for when in maps:
        shot = Image.open(os.path.join(out, when + ".png")).convert("RGB")
        shots[when] = shot.resize((shot.width * height // shot.height, height),
                                  Image.Resampling.LANCZOS)
    margin, top, caption = 30, 118, 64
    left = margin + 46
    beside = left + shots["before"].width + margin
    sheet = plot.Sheet(beside + width + margin, top + 2 * (height + caption) + 3 * 42 + 8)
    sheet.text(left, 18, "A desktop on movgem, and the memory beside it", 30, weight="bold")
    sheet.text(left, 70, "weston and its clients, while memory full of scattered GPU buffers, the "
                         "screen's too, becomes huge pages", 18, color="#3d4f5c")
    captions = {
        "before": (f"{result['flips_per_s']:g} flips/s",
                   f"{result['buffers_left'] * result['buffer_size'] >> 20} MiB in buffers, "
                   f"{result['map_before']['free_2mib']} free blocks"),
        "after": (f"{result['flips_per_s_during']:g} flips/s while pages moved, "
                  f"{result['scanout_pages_moved']:,} of them on the screen",
                  f"{result['huge_pages']} huge pages, {result['bytes_lost']} bytes lost"),
    }
    for line, when in enumerate(("before", "after")):
        y = top + line * (height + caption)
        sheet.picture(left, y, np.asarray(shots[when]) / 255)
        sheet.picture(beside, y, maps[when])
        sheet.text(left, y + height + 8, captions[when][0], 20)
        sheet.text(beside, y + height + 8, captions[when][1], 20)
        sheet.text(margin + 8, y + height / 2, when, 26, weight="bold", rotation=90, ha="center",
                   va="center", color="#3d4f5c")
    legend = top + 2 * (height + caption)
    used = sorted({int(kind) for when in ("before", "after")
                   for kind in np.unique(np.fromfile(os.path.join(out, when + ".map"),
                                                     dtype=np.uint8))})
    for number, kind in enumerate(used):
        plot.swatch(sheet, left + number % 3 * ((beside + width - left) // 3),
                    legend + number // 3 * 42, kind)
    sheet.save(path)


def missed(result):
    """What is wrong with it."""
    if result["bytes_lost"]:
        yield f"scene: {result['bytes_lost']} bytes lost"
    if not result["scanout_pages_moved"]:
        yield "scene: no page moved of what is on the screen"
    if result["map_after"]["hugetlb"] <= result["map_before"]["free_2mib"]:
        yield (f"scene: {result['map_after']['hugetlb']} huge pages, where "
               f"{result['map_before']['free_2mib']} were free before")
