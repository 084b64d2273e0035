#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Debian's own DRM clients on movgem's display while pages move: boots a guest, runs one
client after the other in it, and makes the table and the pictures.

Run as tools/clients/run, which enters the Debian 13 root first. What happens in the guest is
in guest.py, the clients are in scenes.py.
"""

import argparse
import glob
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HERE = os.path.join(TREE, "tools/clients")
sys.path.insert(0, os.path.join(TREE, "tools/lib"))
sys.path.insert(0, HERE)
import scenes  # noqa: E402
import text_table  # noqa: E402

STORES = {"6.12": ("movable_ops", "folio"), "7.2": ("folio",)}
GUEST = ("guest.py", "scenes.py", "screen.py", "sdl2.py", "../guest/memory_blocks.py")

started = time.monotonic()


def say(text):
    print(f"clients: [{time.monotonic() - started:4.0f}s] {text}", flush=True)


def parse_args():
    names = "\n".join(f"  {name:16}{scene.title}" for name, scene in scenes.SCENES.items())
    parser = argparse.ArgumentParser(
        prog="tools/clients/run", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Run Debian's DRM clients on movgem's display while memory is compacted, memory "
                    "blocks go offline\nand come back, and the driver moves what is on the "
                    "screen.\n\nclients:\n" + names,
        epilog="Results in out/clients/: table.txt, clients.json, and below KERNEL-STORE/ a "
               "picture, what it said\nand the result of each client, and the kernel's log.\n\n"
               "exit status: 0: all is well; 1: something is wrong with a client; 2: the guest "
               "failed")
    add = parser.add_argument
    add("--kernel", default="6.12", choices=STORES, help="(default %(default)s)")
    add("--store", help="page store (default: the kernel's first of: " +
        "; ".join(f"{kernel}: {', '.join(stores)}" for kernel, stores in STORES.items()) + ")")
    add("--only", metavar="CLIENT,...", help="only these clients")
    add("--rounds", type=int, default=3, metavar="N",
        help="so often are pages moved while a client draws, and again while its picture "
             "stands still (default %(default)s)")
    add("--smp", type=int, default=2, metavar="N", help="processors (default %(default)s)")
    add("--timeout", type=int, default=3600, metavar="SECONDS",
        help="for the guest (default %(default)s)")
    add("--mesa", action="store_true",
        help="have them use Mesa with the movgem driver (tools/mesa) instead of Debian's")
    add("--out", metavar="DIR",
        help="where the results go (default out/clients, with --mesa out/clients-mesa)")
    add("--module", metavar="FILE", help="use this movgem.ko; nothing is built then")
    args = parser.parse_args()
    args.only = args.only.split(",") if args.only else list(scenes.SCENES)
    for name in args.only:
        if name not in scenes.SCENES:
            parser.error(f"no such client: {name}; there is: {', '.join(scenes.SCENES)}")
    args.store = args.store or STORES[args.kernel][0]
    if args.store not in STORES[args.kernel]:
        parser.error(f"--store: of {', '.join(STORES[args.kernel])} on {args.kernel}")
    args.out = os.path.abspath(
        args.out or os.path.join(TREE, "out/clients-mesa" if args.mesa else "out/clients"))
    return args


def install():
    """Puts the guest's scripts where guests see them, in /movgem/clients."""
    build = os.path.join(TREE, "out/build/clients")
    os.makedirs(build, exist_ok=True)
    for path in GUEST:
        name = os.path.basename(path)
        # Whole or not at all: another guest may read it.
        shutil.copy(os.path.join(HERE, path), f"{build}/.{name}.{os.getpid()}")
        os.rename(f"{build}/.{name}.{os.getpid()}", f"{build}/{name}")


def guest(args, out):
    """Runs the clients; returns the exit status of the guest."""
    install()
    command = [os.path.join(TREE, "tools/vm"), "run", "--kernel", args.kernel, "--udev",
               "--param", f"page_store={args.store}", "--smp", str(args.smp),
               "--mem", "1G", "--dimm", "512M", "--share", out,
               "--log", os.path.join(out, "kernel.log"), "--timeout", str(args.timeout)]
    if args.module:
        command += ["--module", args.module]
    if args.mesa:
        command += ["--mesa"]
    command += ["--", f"cp -r /movgem/clients /tmp && python3 -B /tmp/clients/guest.py "
                      f"{args.rounds} {' '.join(args.only)}"]
    say(shlex.join(word.replace(TREE + "/", "") for word in command))
    with open(os.path.join(out, "output.txt"), "w", encoding="utf-8") as log, \
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                             errors="replace") as process:
        for line in process.stdout:
            log.write(line)
            print(f"  {line}", end="", flush=True)
    return process.returncode


def pictures(out):
    """PNG of the copies."""
    from PIL import Image  # pylint: disable=import-outside-toplevel
    for path in glob.glob(f"{out}/*.raw"):
        name, width, height = re.match(r"(.*)\.(\d+)x(\d+)\.raw$", path).groups()
        with open(path, "rb") as file:
            Image.frombuffer("RGB", (int(width), int(height)), file.read(), "raw",
                             "BGRX").save(f"{name}.png", optimize=True)
        os.unlink(path)


def load(args, out):
    """The results, also of clients that the guest did not come to."""
    results = []
    for name in args.only:
        try:
            with open(f"{out}/{name}.json", encoding="utf-8") as file:
                result = json.load(file)
        except FileNotFoundError:
            result = {"client": name, "wrong": "the guest did not come to its end"}
        results.append({"kernel": args.kernel, "store": args.store, **result})
    return results


def merge(path, new):
    """Those of other kernels, stores and clients that are there already stay."""
    def key(result):
        return result["kernel"], result["store"], list(scenes.SCENES).index(result["client"])

    try:
        with open(path, encoding="utf-8") as file:
            old = [result for result in json.load(file)["results"]
                   if result["client"] in scenes.SCENES]
    except (FileNotFoundError, ValueError, KeyError):
        old = []
    mine = {key(result) for result in new}
    return sorted([result for result in old if key(result) not in mine] + new, key=key)


def table(results):
    header = ("client", "kernel", "store", "screen", "flips/s", "while moving", "MiB own",
              "in BOs", "pages moved", "on screen", "blocks offline", "CRCs, one value", "result")
    rows = [header]
    for result in results:
        def cell(name):
            return str(result.get(name, "-"))
        rows.append((
            result["client"], result["kernel"], result["store"], cell("size"),
            cell("flips_per_s"), cell("flips_per_s_during"), cell("own_mib"), cell("bos_mib"),
            cell("moved"), cell("scanout_moves"),
            f"{cell('blocks_offline')} of {cell('blocks_tried')}", cell("crc_frames"),
            (result["wrong"] or "good").splitlines()[0]))
    return "\n".join(text_table.columns(rows)) + "\n"


def main():
    args = parse_args()
    out = os.path.join(args.out, f"{args.kernel}-{args.store}")
    os.makedirs(out, exist_ok=True)
    for name in args.only:
        for path in glob.glob(f"{out}/{glob.escape(name)}.*"):
            os.unlink(path)
    status = guest(args, out)
    pictures(out)
    new = load(args, out)
    path = os.path.join(args.out, "clients.json")
    results = merge(path, new)
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"results": results}, file, indent=1)
        file.write("\n")
    text = table(results)
    with open(os.path.join(args.out, "table.txt"), "w", encoding="utf-8") as file:
        file.write(text)
    print("\n" + text)
    if status:
        say(f"FAILED: the guest ended with status {status}; see {out}/output.txt and kernel.log")
        return 2
    for result in new:
        if result["wrong"]:
            say(f"WRONG: {result['client']}: {result['wrong']}")
    return 1 if any(result["wrong"] for result in new) else 0


if __name__ == "__main__":
    sys.exit(main())
