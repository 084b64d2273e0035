#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The benchmark: boots a fresh guest for each figure, and makes the table, bench.json and the
plots of what came back.

Run as tools/bench/run, which enters the Debian 13 root first.
"""

import argparse
import concurrent.futures
import glob
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import types

import plan
import profile_guest
import results

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
VM = os.path.join(TREE, "tools/vm")
OUT = os.path.join(TREE, "out")
PLUGIN = os.path.join(OUT, "build/bench/profile-plugin.so")

started = time.monotonic()


def say(text):
    seconds = int(time.monotonic() - started)
    print(f"bench: [{seconds // 60:2d}:{seconds % 60:02d}] {text}", flush=True)


EPILOG = """\
parts:
  a  cost of a moved page, in instructions and in wall time, against anonymous memory
  b  2 MiB pages that can be had with 10 to 70 % of memory in buffers
  c  GPU throughput and job latency at rest and under continuous compaction
  d  making, touching and freeing a buffer, against vgem
  e  CPU writes through the mapping under continuous compaction
  f  memory besides the pages
  g  how a and d grow with size and number of buffers, GPU VMs and mappings

Results: out/bench.json, out/bench/table.txt, out/bench/*.png; what each guest said is in
out/bench/raw.json and out/bench/logs/. Documentation/benchmark.rst says how to read them.

exit status: 0: all was measured, whether targets are met or not; 1: a guest failed
"""


def parse_args():
    parser = argparse.ArgumentParser(
        prog="tools/bench/run", formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=EPILOG, description="Measure movgem against other kinds of memory, in guests.")
    add = parser.add_argument
    add("--only", metavar="PART,...", default="a,b,c,d,e,f,g",
        help="only these parts (default: all)")
    add("--quick", action="store_true",
        help="fewer points and shorter phases; one kernel with its default store, if not told "
             "otherwise")
    add("--kernel", metavar="VERSION,...",
        help=f"kernels (default: {','.join(plan.STORES)})")
    add("--stores", metavar="STORE,...", help="only these page stores of those that a kernel has")
    add("--seed", type=int, default=1, metavar="N",
        help="which buffers stay and what they hold (default 1)")
    add("--jobs", type=int, default=os.cpu_count(), metavar="N",
        help="guests at a time, of those that count instructions or pages (default: %(default)s, "
             "one for each processor); those that take time have the host to themselves")
    add("--out", metavar="DIR", default=OUT,
        help="where bench.json and bench/ go (default: out)")
    add("--guests", metavar="REGEX", default="",
        help="only the guests whose name this matches, see --list; implies --keep")
    add("--keep", action="store_true",
        help="keep what raw.json has of other guests, and have them in the table again")
    add("--resume", action="store_true",
        help="go on after a run that was stopped: only the guests that raw.json lacks")
    add("--replot", action="store_true", help="boot nothing: table and plots from raw.json")
    add("--rst", action="store_true",
        help="boot nothing: put the table of raw.json into Documentation/benchmark.rst")
    add("--list", action="store_true", help="list the guests and end")
    add("--profile", metavar="'WHAT ...'",
        help="boot one guest and print where the instructions of a moved page, or of a buffer "
             "that is made and freed, go, by function; WHAT ...: arguments of the guest's "
             "program, such as 'move --buffers movgem' or 'alloc --buffers movgem --size 4096 "
             "--max 4096'")
    add("--store", default="movable_ops", help="page store for --profile (default %(default)s)")
    add("--selftest", action="store_true", help="try the table on made-up figures and end")
    args = parser.parse_args()
    args.only = args.only.split(",")
    for part in args.only:
        if part not in plan.PARTS:
            parser.error(f"no such part: {part}")
    everything = ",".join(plan.STORES)
    first = next(iter(plan.STORES))
    if args.quick and not args.kernel and not args.stores:
        args.stores = plan.STORES[first][0]
    args.kernels = (args.kernel or (first if args.quick else everything)).split(",")
    for kernel in args.kernels:
        if kernel not in plan.STORES:
            parser.error(f"no such kernel: {kernel}")
    args.stores = {kernel: tuple(store for store in plan.STORES[kernel]
                                 if not args.stores or store in args.stores.split(","))
                   for kernel in args.kernels}
    args.kernels = [kernel for kernel in args.kernels if args.stores[kernel]]
    if not args.kernels:
        parser.error(f"none of the kernels has {args.stores}")
    args.out = os.path.abspath(args.out)
    if args.guests or args.resume:
        args.keep = True
    return args


def chosen(args, raw=None):
    """The guests to boot, of which @raw has none that are to be skipped."""
    guests = [guest for guest in plan.make(args) if re.search(args.guests, guest.key)]
    if args.resume and raw:
        guests = [guest for guest in guests if not set(guest.commands) <= set(raw)]
    return guests


def build(args):
    say("building the guest's programs and the driver")
    for directory in ("tools/bench", "tools/demo"):
        subprocess.run(["make", "-s", "-C", os.path.join(TREE, directory)], check=True)
    for kernel in args.kernels:
        subprocess.run([os.path.join(TREE, "tools/lib/build-module"), "--kernel", kernel],
                       check=True, stdout=subprocess.DEVNULL)


def vm_command(guest, directory):
    command = [VM, "run", "--kernel", guest.kernel, "--mem", guest.mem, "--timeout", "1800",
               "--log", os.path.join(directory, "kernel.log")]
    if guest.icount:
        command += ["--icount"]
    if guest.store:
        command += ["--param", f"page_store={guest.store}"]
    else:
        command += ["--no-module"]
    if guest.demo or guest.profile:
        command += ["--share", directory]
    line = "uname -r"
    if guest.profile:
        command += ["--qemu-arg=-plugin",
                    f"--qemu-arg=file={PLUGIN},out={directory}/counts"]
        line += " && cp /proc/kallsyms /share/"
    if guest.before:
        line += f" && {guest.before}"
    for key, part in guest.commands.items():
        line += f" && echo '# {key}' && {part}"
    return command + list(guest.options) + ["--", line]


def objects_of(guest, directory, text):
    """{key: objects}, what a guest has measured."""
    if guest.demo:
        with open(os.path.join(directory, "result.json"), encoding="utf-8") as file:
            whole = json.load(file)
        share = whole["buffers_left"] * whole["buffer_size"] / whole["mem_total"]
        return {guest.key: [{"huge_pages": whole["huge_pages"], "share": round(share, 4),
                             "bytes_lost": whole["bytes_lost"], "moved": whole["pages_moved"]}]}
    found = {}
    for line in text.splitlines():
        if line.startswith("# "):
            key = line[2:]
        elif line.startswith("= {"):
            found.setdefault(key, []).append(json.loads(line[2:]))
    if guest.profile:
        last = found[guest.key][-1]
        # Per page that moved, or per buffer that was made.
        each = last["pages"] if "pages" in last else last["count"]
        last["made_of"] = profile_guest.evaluate(directory, each)
    return found


def measure(args, guest):
    """One guest. Returns ({key: objects} or None, its kernel)."""
    directory = os.path.join(args.out, "bench/logs", guest.key.replace("/", "_"))
    shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(directory)
    command = vm_command(guest, directory)
    begin = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", check=False, stdin=subprocess.DEVNULL)
    with open(os.path.join(directory, "output.txt"), "w", encoding="utf-8") as file:
        file.write(shlex.join(command) + "\n" + done.stdout)
    try:
        found = objects_of(guest, directory, done.stdout)
    except (OSError, ValueError, LookupError, ArithmeticError, UnboundLocalError):
        found = {}
    release = re.search(r"^(\d+\.\d+\S*)$", done.stdout, re.MULTILINE)
    guest.seconds = time.monotonic() - begin
    if any(part.get("pages") == 0 for parts in found.values() for part in parts):
        say(f"{guest.key}: compaction moved nothing")
        found = {}
    if done.returncode or set(found) != set(guest.commands):
        tail = "\n".join(f"    {line}" for line in done.stdout.splitlines()[-6:])
        say(f"FAILED: {guest.key}: status {done.returncode}, {guest.seconds:.0f} s; see "
            f"{os.path.relpath(directory, TREE)}/output.txt\n{tail}")
        return None, None
    return found, release and release[1]


def measure_all(args, raw, kernels):
    """Fills @raw; returns the keys of the guests that failed."""
    guests = chosen(args, raw)
    counting = [guest for guest in guests if not guest.timed]
    alone = [guest for guest in guests if guest.timed]
    say(f"{len(guests)} guests: {len(counting)} that do not depend on time, {args.jobs} at a time, "
        f"then {len(alone)} that have the host to themselves")
    failed = []
    done = 0

    def keep(guest, found, release):
        nonlocal done
        done += 1
        if found is None:
            failed.append(guest.key)
            return
        say(f"{guest.key}: {guest.seconds:.0f} s; {len(guests) - done} of {len(guests)} guests left")
        raw.update(found)
        kernels[guest.kernel] = release
        save(args, raw, kernels)

    with concurrent.futures.ThreadPoolExecutor(max(1, args.jobs)) as pool:
        futures = {pool.submit(measure, args, guest): guest for guest in counting}
        for future in concurrent.futures.as_completed(futures):
            keep(futures[future], *future.result())
    for guest in alone:
        keep(guest, *measure(args, guest))
    return failed


def raw_path(args):
    return os.path.join(args.out, "bench/raw.json")


def save(args, raw, kernels):
    path = raw_path(args)
    with open(path + ".tmp", "w", encoding="utf-8") as file:
        json.dump({"seed": args.seed, "quick": args.quick, "kernels": kernels, "guests": raw},
                  file, indent=1)
    os.rename(path + ".tmp", path)


def load(args):
    try:
        with open(raw_path(args), encoding="utf-8") as file:
            return json.load(file)
    except OSError:
        return None


def report(args, whole, failed):
    """bench.json, table.txt and the plots."""
    rows = results.make(args, whole["guests"])
    made = {
        "guest": {"accel": "tcg", "processors": {"instructions": 1, "wall time": 2},
                  "instructions": "-icount shift=0: one instruction is one nanosecond"},
        "kernel": whole["kernels"],
        "seed": whole["seed"],
        "quick": whole["quick"],
        "failed": failed,
        "made_of": results.made_of(whole["guests"]),
        "results": rows,
    }
    with open(os.path.join(args.out, "bench.json"), "w", encoding="utf-8") as file:
        json.dump(made, file, indent=1)
        file.write("\n")
    text = results.table(rows) + "\n" + results.made_of_table(whole["guests"])
    with open(os.path.join(args.out, "bench/table.txt"), "w", encoding="utf-8") as file:
        file.write(text)
    print("\n" + text, flush=True)
    plotted = subprocess.run([sys.executable, os.path.join(TREE, "tools/bench/plot.py"),
                              args.out], check=False).returncode == 0
    if not plotted:
        say("FAILED: the plots could not be drawn")
    judged = [result for result in rows if result["met"] is not None]
    missed = [result for result in judged if not result["met"]]
    for result in missed:
        shown = result["ratio"] if result["target_of"] == "ratio" else result["value"]
        say(f"TARGET MISSED: {result['name']}: {results.number(shown)}, "
            f"{results.target_text(result)}")
    say(f"{len(judged) - len(missed)} of {len(judged)} targets are met; "
        f"{os.path.relpath(args.out, TREE)}/bench.json")
    for key in failed:
        say(f"FAILED: {key}")
    return plotted


def profile(args):
    """--profile: one guest, and where its instructions go."""
    store = "" if "--buffers anonymous" in args.profile else args.store
    guest = plan.Guest("profile", {"profile": f"/movgem/bench/bench {args.profile}"}, store,
                       args.kernels[0], options=plan.BY_WORDS, profile=True)
    found, _ = measure(args, guest)
    if not found:
        return 1
    report_path = os.path.join(args.out, "bench/logs/profile/report.txt")
    with open(report_path, encoding="utf-8") as file:
        print(file.read(), end="")
    return 0


def pictures(args):
    """The plots, as images of the documentation."""
    text = ""
    for path in sorted(glob.glob(os.path.join(args.out, "bench/*.png"))):
        name = "bench-" + os.path.basename(path)
        shutil.copy(path, os.path.join(TREE, "Documentation/images", name))
        text += f".. image:: images/{name}\n\n"
    return text


def write_rst(args, whole):
    """Puts the table into the documentation, between its marks."""
    path = os.path.join(TREE, "Documentation/benchmark.rst")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    begin, end = (f".. RESULTS {mark}" for mark in ("BEGIN: tools/bench/run --rst\n", "END\n"))
    head, rest = text.split(begin)
    _, tail = rest.split(end)
    kernels = ", ".join(sorted(filter(None, whole["kernels"].values())))
    rows = results.make(args, whole["guests"])
    made = (f"{begin}\nSeed {whole['seed']}; kernels {kernels}; host with {os.cpu_count()} processors"
            f"{', --quick' if whole['quick'] else ''}.\n\n{results.rst(rows)}\n"
            f"{results.made_of_rst(whole['guests'])}\n{pictures(args)}{end}")
    with open(path + ".tmp", "w", encoding="utf-8") as file:
        file.write(head + made + tail)
    os.rename(path + ".tmp", path)
    say(f"{len(rows)} rows are in Documentation/benchmark.rst")
    return 0


def selftest():
    """Rows, table and JSON on figures that are made up, so that the end of a long run does not
    fail for want of a try."""
    args = types.SimpleNamespace(kernels=["6.12"], stores={"6.12": ("movable_ops",)}, seed=1,
                                 quick=False, only=list(plan.PARTS))
    move = {"ns": 900, "idle_ns": 100, "pages": 100, "fault_ns": 100, "flushes": 1, "unmaps": 1}
    alloc = {"size": 4096, "all": 8, "create": 4, "touch": 3, "free": 1}
    jobs = {"seconds": 2.0, "jobs": 100, "moved": 5, "p50": 1, "p999": 9, "max": 10}
    meta = {"count": 1, "slab": 0, "vmalloc": 4096, "used": 5000, "bound_slab": 0,
            "bound_vmalloc": 0}
    huge = {"huge_pages": 99, "share": 0.2, "bytes_lost": 0}
    shapes = {"move": [move], "alloc": [alloc],
              "jobs": [{**jobs, "phase": phase, "depth": depth} for depth in (8, 1)
                       for phase in ("rest", "compaction", "spinning")],
              "stream": [{"phase": phase, "bytes": 1 << 20, "seconds": 1.0}
                         for phase in ("rest", "compaction", "spinning")],
              "meta": [meta]}
    raw = {}
    for guest in plan.make(args):
        for key, command in guest.commands.items():
            what = re.search(r"bench/bench (\w+)", command)
            raw[key] = shapes[what[1]] if what else [huge]
            size = re.search(r"meta .*--size (\d+)", command)
            if size:
                raw[key] = [{**meta, "size": int(size[1])}]
            if "/count/" in key:
                raw[key] = [{**move, "buffers": len(raw)}]
    for key in raw:
        if key.startswith("a/6.12/profile/"):
            raw[key] = [{**move, "made_of": {"copying": 1.0, "other": 2.0}}]
    raw["a/6.12/plain/anonymous/1"] = [{**move, "ns": 1700}]
    rows = results.make(args, raw)
    by_name = {result["name"]: result for result in rows}
    assert len(by_name) == len(rows), "two rows have one name"
    mapped = by_name["a: mapped by 1 (movable_ops, 6.12)"]
    assert (mapped["value"], mapped["peer"], mapped["met"]) == (8, 16, True), mapped
    late = by_name["a: mapped by 1, with refault (movable_ops, 6.12)"]
    assert late["ratio"] == 0.5625 and late["met"], late
    assert by_name["a: mapped by 4 (movable_ops, 6.12)"]["met"] is False
    assert {name[0] for name in by_name} == set(plan.PARTS), "a part has no row"
    for result in rows:
        assert set(result) >= {"name", "value", "peer", "target", "met", "unit"}, result
    assert json.loads(json.dumps(rows)) == rows
    # Guests that failed leave holes, never an exception.
    for key in raw:
        results.make(args, {other: value for other, value in raw.items() if other != key})
    lines = results.table(rows).splitlines()
    assert len(lines) == len(rows) + 2
    assert results.rst(rows).count("* -") == len(rows) + 1
    assert len(results.made_of_table(raw).splitlines()) == 5
    print(f"{len(raw)} guests, {len(rows)} rows: as they should be")


def main():
    args = parse_args()
    if args.selftest:
        selftest()
        return 0
    if args.list:
        for guest in chosen(args):
            print(f"{guest.key:32} {'timed' if guest.timed else '     '} "
                  f"{'; '.join(guest.commands.values())}")
        return 0
    os.makedirs(os.path.join(args.out, "bench"), exist_ok=True)
    if args.profile:
        build(args)
        return profile(args)
    old = load(args)
    if args.replot or args.rst:
        if not old:
            say(f"there is no {raw_path(args)}")
            return 1
        if args.rst:
            return write_rst(args, old)
        return 0 if report(args, old, []) else 1
    if args.keep and old and (old["seed"], old["quick"]) != (args.seed, args.quick):
        say(f"{os.path.relpath(raw_path(args), TREE)} was measured with another --seed or --quick: "
            "choose another --out")
        return 1
    build(args)
    keep = args.keep and old
    raw, kernels = (old["guests"], old["kernels"]) if keep else ({}, {})
    failed = measure_all(args, raw, kernels)
    save(args, raw, kernels)
    whole = {"seed": args.seed, "quick": args.quick, "kernels": kernels, "guests": raw}
    return 0 if report(args, whole, failed) and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
