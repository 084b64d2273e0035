#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""The guest's part of tools/memory/run: one scenario with one kind of buffers.

    guest.py SCENARIO BUFFERS ARGUMENTS

BUFFERS: movgem, vgem or anonymous; ARGUMENTS: those of the scenario, in JSON.

Leaves /share/result.json. Where the host has to do something, it is asked by a line
on stdout and answers in /share (see Host).
"""

import array
import errno
import glob
import json
import mmap
import os
import re
import signal
import subprocess
import sys
import time

SHARE = "/share"
HOLD = "/movgem/memory/hold"
BLOCKS = "/sys/devices/system/memory"
MIB = 1 << 20
PAGE = 4096
GIB_PAGES = (1 << 30) // PAGE

# Nobody waits for anything in particular for so long when nothing at all happens.
PATIENCE = 25
POLL = 0.5

# Bits of /proc/kpageflags.
KPF_LRU, KPF_BUDDY, KPF_ANON = 5, 10, 12
KPF_KINDS = {7: "slab", 17: "huge", 26: "page table", 32: "reserved"}


def say(text):
    print(f"guest: {text}", flush=True)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read().strip()


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(str(text))


def field(path, name):
    """The number behind a name in a file of lines "name value", colon or not."""
    for line in read(path).splitlines():
        words = line.replace(":", " ").split()
        if words and words[0] == name:
            return int(words[1])
    return 0


def vmstat(name):
    return field("/proc/vmstat", name)


def meminfo_mib(name):
    return field("/proc/meminfo", name) >> 10


class Stalled:
    """Says when nothing has changed for PATIENCE seconds."""

    def __init__(self, patience=PATIENCE):
        self.patience = patience
        self.last = None
        self.since = time.monotonic()

    def look(self, *values):
        if values != self.last:
            self.last = values
            self.since = time.monotonic()
        return time.monotonic() - self.since > self.patience


class Host:
    """Commands of QMP, by way of tools/memory/memory.py: a line "@qmp ID JSON" on stdout is
    answered in /share/reply-ID; events that came before the answer are lines of
    /share/events."""

    def __init__(self):
        self.count = 0
        self.taken = 0

    def qmp(self, execute, **arguments):
        self.count += 1
        command = {"execute": execute, "arguments": arguments}
        print(f"@qmp {self.count} {json.dumps(command)}", flush=True)
        path = f"{SHARE}/reply-{self.count}"
        end = time.monotonic() + 60
        while not os.path.exists(path):
            if time.monotonic() > end:
                raise RuntimeError(f"the host does not answer {command}")
            time.sleep(0.05)
        return json.loads(read(path))

    def events(self):
        """Those that have come since the last call."""
        try:
            lines = read(f"{SHARE}/events").splitlines()
        except FileNotFoundError:
            return []
        new = lines[self.taken:]
        self.taken = len(lines)
        return [json.loads(line) for line in new]

    def devices(self):
        """The memory devices that the host has, by id."""
        answer = self.qmp("query-memory-devices")["return"]
        return {device["data"]["id"]: device["data"] for device in answer}


class Hold:
    """A running tools/memory/hold."""

    def __init__(self, buffers, mib, *options, cgroup=None, prefix=()):
        command = [*prefix, HOLD, "--buffers", buffers, "--mib", str(mib), *options]
        say(" ".join(command))
        into = f"echo $$ >{cgroup}/cgroup.procs; " if cgroup else ""
        # pylint: disable=consider-using-with
        self.process = subprocess.Popen(["sh", "-c", into + 'exec "$@"', "sh", *command],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.began = self.answer()

    def answer(self):
        """The next answer; None if the process has ended without one."""
        for line in self.process.stdout:
            if line.startswith("@"):
                return json.loads(line[1:])
            say(f"hold: {line.rstrip()}")
        self.process.wait()
        return None

    def ask(self, command):
        if self.process.poll() is not None:
            return None
        try:
            self.process.stdin.write(command + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        return self.answer()

    def status(self):
        return self.ask("status")

    def moved(self):
        """Pages moved so far; the kernel's own count where the buffers have none."""
        moved = self.status()["moved"]
        return vmstat("pgmigrate_success") if moved is None else moved

    def alive(self):
        return self.process.poll() is None

    def must_be_there(self):
        if not self.began:
            raise RuntimeError(f"hold ended with status {self.process.returncode}")
        return self

    def kill(self):
        self.process.kill()
        self.process.wait()


class Run:
    """What all scenarios have: a workload, before and after, and the result."""

    def __init__(self, buffers, seed):
        self.buffers = buffers
        self.seed = seed
        self.host = Host()
        self.hold = None
        self.prefix = ()
        self.result = {"notes": []}

    def note(self, text):
        say(text)
        self.result["notes"].append(text)

    def start(self, mib, *options):
        """Fills memory with buffers that are in use from now on."""
        self.watch(Hold(self.buffers, mib, "--seed", str(self.seed), *options,
                        prefix=self.prefix).must_be_there())

    def watch(self, hold):
        """From here on it counts what happens to the buffers of this process."""
        self.hold = hold
        where = self.hold.ask("map")
        self.result.update({
            "kept_mib": self.hold.began["kept_mib"], "made_mib": self.hold.began["made_mib"],
            "in_movable_zone_mib": where["movable_zone_pages"] * PAGE // MIB,
            "free_2mib_before": where["free_2mib"]})
        self.mark = self.hold.status()
        self.migrated = vmstat("pgmigrate_success")

    def had(self, had, of, unit):
        self.result.update({"had": had, "of": of, "unit": unit})

    def finish(self):
        """Ends the workload, which checks every byte."""
        now = self.hold.status()
        where = self.hold.ask("map")
        seconds = now["seconds"] - self.mark["seconds"]
        moved = None
        if now["moved"] is not None:
            moved = now["moved"] - self.mark["moved"]
        self.result.update({
            "moved": moved, "frames_left": where["left_frames"],
            "pgmigrate_success": vmstat("pgmigrate_success") - self.migrated,
            "free_2mib_after": where["free_2mib"], "seconds": round(seconds, 1),
            "cpu_writes": now["cpu_writes"] - self.mark["cpu_writes"],
            "gpu_jobs": None if now["gpu_jobs"] is None else now["gpu_jobs"] - self.mark["gpu_jobs"],
        })
        end = self.hold.ask("stop")
        status = self.hold.process.wait()
        if not end or status:
            raise RuntimeError(f"hold ended with status {status}")
        self.result["bytes_lost"] = end["bytes_lost"]
        self.result["bytes_checked"] = end["bytes_checked"]


def block_size():
    return int(read(f"{BLOCKS}/block_size_bytes"), 16)


def online_blocks():
    return [os.path.basename(os.path.dirname(path)) for path in glob.glob(f"{BLOCKS}/memory*/state")
            if read(path) == "online"]


def online_mib(blocks):
    """How much of these memory blocks the kernel still has online."""
    size = block_size()
    online = 0
    for block in blocks:
        try:
            online += read(f"{BLOCKS}/{block}/state") == "online"
        except OSError as reason:
            # It may go while it is looked at.
            if reason.errno not in (errno.ENOENT, errno.ENODEV):
                raise
    return online * size // MIB


def movable_blocks():
    return [os.path.basename(os.path.dirname(path))
            for path in glob.glob(f"{BLOCKS}/memory*/valid_zones")
            if read(path) == "Movable"]


def dimm_answer(run, blocks):
    """What became of a device_del: whether the DIMM is gone, and whether the guest refused."""
    gone = refused = False
    stalled = Stalled()
    while not (gone or refused):
        time.sleep(POLL)
        there = "dimm0" in run.host.devices()
        for event in run.host.events():
            gone |= event["event"] == "DEVICE_DELETED" and event["data"].get("device") == "dimm0"
            refused |= event["event"] in ("MEM_UNPLUG_ERROR", "DEVICE_UNPLUG_GUEST_ERROR")
        if stalled.look(there, online_mib(blocks), run.hold.moved() // 64):
            break
    return gone, refused


def dimm(run, mib):
    """The host takes a DIMM away."""
    device = run.host.devices()["dimm0"]
    size = device["size"] // MIB
    run.start(mib)
    blocks = movable_blocks()
    run.host.events()
    begin = time.monotonic()
    # A guest refuses for a page that is in use for a moment, too: who wants the memory asks again.
    for run.result["asked"] in range(1, 4):
        run.host.qmp("device_del", id="dimm0")
        gone, refused = dimm_answer(run, blocks)
        if not refused:
            break
    gone = gone and "dimm0" not in run.host.devices()
    run.result["trigger_seconds"] = round(time.monotonic() - begin, 1)
    run.result["event"] = "DEVICE_DELETED" if gone else "unplug error" if refused else None
    run.result["offline_mib"] = size - online_mib(blocks)
    if not gone:
        run.note(f"the DIMM stays; {run.result['offline_mib']} MiB of it are offline; "
                 + ("the guest refused" if refused else "the guest goes on trying"))
    run.had(size if gone else 0, size, "MiB")


def virtio_mem(run, mib, floor=0):
    """The host shrinks a virtio-mem device."""
    subprocess.run(["modprobe", "virtio_mem"], check=True)
    host = run.host

    def sizes():
        device = host.devices()["vmem0"]
        return device["size"] // MIB, device["requested-size"] // MIB

    stalled = Stalled()
    while True:
        size, requested = sizes()
        if size == requested or stalled.look(size):
            break
        time.sleep(POLL)
    blocks = movable_blocks()
    run.note(f"{size} MiB plugged, {online_mib(blocks)} MiB of memory blocks in ZONE_MOVABLE")
    if size != requested:
        raise RuntimeError(f"only {size} of {requested} MiB were plugged")
    run.start(mib)
    host.events()
    begin = time.monotonic()
    full, asked, events = size, 0, []
    # A driver that was refused some pages waits for 50 s; a host that asks for another size
    # makes it try at once.
    want = floor
    stalled = Stalled()
    idle = Stalled(5)
    while size > floor:
        if not asked or idle.look(size, run.hold.moved() // 64):
            want = floor if want != floor or not asked else floor + 4
            host.qmp("qom-set", path="/machine/peripheral/vmem0", property="requested-size",
                     value=want * MIB)
            asked += 1
            idle = Stalled(5)
        time.sleep(POLL)
        events += [event for event in host.events()
                   if event["event"] == "MEMORY_DEVICE_SIZE_CHANGE"]
        size, _ = sizes()
        if stalled.look(size, run.hold.moved() // 64):
            break
    events += [event for event in host.events() if event["event"] == "MEMORY_DEVICE_SIZE_CHANGE"]
    run.result["trigger_seconds"] = round(time.monotonic() - begin, 1)
    run.result["asked"] = asked
    run.result["size_events"] = len(events)
    run.result["size_left_mib"] = size
    run.had(full - size, full - floor, "MiB")


def reonline(blocks, state):
    """Puts memory blocks into another zone."""
    for action in ("offline", state):
        for block in blocks:
            write(f"{BLOCKS}/{block}/state", action)


def frames_of_buffers(run):
    """The frames of movgem's buffers; None for others."""
    if run.buffers != "movgem":
        return None
    frames = set()
    with open(glob.glob("/sys/kernel/debug/dri/*/pages")[0], encoding="utf-8") as file:
        for line in file:
            words = line.split()
            if len(words) > 2 and words[2].startswith("0x"):
                frames.add(int(words[2], 16))
    return frames


def in_the_way(run, first, pages):
    """What lies in these frames that is neither free nor a buffer nor on an LRU list, in words."""
    kinds = {}
    buffers = frames_of_buffers(run) or set()
    with open("/proc/kpageflags", "rb") as file:
        file.seek(first * 8)
        flags = array.array("Q", file.read(pages * 8))
    for pfn, flag in enumerate(flags, first):
        if flag & (1 << KPF_BUDDY | 1 << KPF_LRU | 1 << KPF_ANON) or pfn in buffers:
            continue
        kind = next((name for bit, name in KPF_KINDS.items() if flag & 1 << bit), "other")
        kinds[kind] = kinds.get(kind, 0) + 1
    return ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())) or "nothing"


def hugetlb_1g(run, mib, of):
    """Pages of 1 GiB, out of a DIMM on a node of its own. Linux 6.12 takes them from no movable
    zone, so the DIMM is put into another one, and the kernel's own memory for this workload
    is kept on the other node."""
    sysctl = "/proc/sys/vm/movable_gigantic_pages"
    path = "/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages"
    run.result["from_movable_zone"] = os.path.exists(sysctl)
    if run.result["from_movable_zone"]:
        write(sysctl, 1)
        run.note("the DIMM is in ZONE_MOVABLE, vm.movable_gigantic_pages=1")
    else:
        reonline(movable_blocks(), "online_kernel")
        run.note("the DIMM is in ZONE_NORMAL")
    run.prefix = ["numactl", "--physcpubind=1", "--preferred=0"]
    run.start(mib, "--group", "4")
    begin = time.monotonic()
    have, idle, rounds = 0, 0, 0
    while have < of and idle < 2 and rounds < 10:
        before = run.hold.moved()
        write("/proc/sys/vm/drop_caches", 3)
        write(path, of)
        now = int(read(path))
        idle = 0 if now > have else idle + 1
        have, rounds = now, rounds + 1
        say(f"round {rounds}: {have} pages of 1 GiB, {run.hold.moved() - before} pages moved")
    run.result["trigger_seconds"] = round(time.monotonic() - begin, 1)
    run.result["rounds"] = rounds
    if have < of:
        # The DIMM ends where memory does.
        end = (max(int(name[6:]) for name in online_blocks()) + 1) * block_size() // PAGE
        for first in range(end - of * GIB_PAGES, end, GIB_PAGES):
            run.note(f"not free in the GiB at {first * PAGE >> 30} GiB, and not to be moved: "
                     + in_the_way(run, first, GIB_PAGES))
    run.had(have, of, "pages of 1 GiB")


class MovesByName:
    """Counts the moves of pages by the name of the task that moves them."""

    EVENTS = {"movgem": "movgem/movgem_move", None: "migrate/mm_migrate_pages"}

    def __init__(self, buffers):
        self.event = self.EVENTS.get(buffers, self.EVENTS[None])
        self.dir = f"/sys/kernel/tracing/events/{self.event}"
        keys = "common_pid.execname,ret" if buffers == "movgem" else "common_pid.execname"
        values = "" if buffers == "movgem" else ":vals=succeeded"
        write(f"{self.dir}/trigger", f"hist:keys={keys}{values}:size=4096")

    def by(self, prefix):
        total = 0
        for line in read(f"{self.dir}/hist").splitlines():
            match = re.search(r"common_pid: (\S+) *\[.*?(?:, ret: +(-?\d+))? *\} (.*)", line)
            if not match or not match[1].startswith(prefix) or match[2] not in (None, "0"):
                continue
            value = re.search(r"succeeded: +(\d+)", match[3]) or re.search(r"hitcount: +(\d+)",
                                                                           match[3])
            total += int(value[1])
        return total


def kcompactd(run, mib):
    """kcompactd, first woken by huge page faults under pressure, then on its own."""
    write("/proc/sys/vm/compaction_proactiveness", 0)
    run.start(mib, "--group", "4")
    moves = MovesByName(run.buffers)
    begin = time.monotonic()
    thp = "/sys/kernel/mm/transparent_hugepage"
    write(f"{thp}/enabled", "always")
    # A fault that finds no huge page wakes kcompactd and goes on with a small one.
    write(f"{thp}/defrag", "defer")
    woken, faults = vmstat("compact_daemon_wake"), vmstat("thp_fault_alloc")
    size = (meminfo_mib("MemFree") - 96) * MIB
    rounds = idle = seen = 0
    while rounds < 30 and idle < 5:
        with mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as area:
            for offset in range(0, size, 2 * MIB):
                area[offset] = 1
            time.sleep(0.1)
        now = moves.by("kcompactd")
        idle = 0 if now > seen else idle + 1
        rounds, seen = rounds + 1, now
    pressed = moves.by("kcompactd")
    run.result.update({
        "moved_under_pressure": pressed, "woken": vmstat("compact_daemon_wake") - woken,
        "huge_faults": vmstat("thp_fault_alloc") - faults})
    write(f"{thp}/enabled", "never")

    # A write wakes it at once; by itself it would pause for half a minute after each time
    # that got it nowhere.
    idle = 0
    while idle < 3:
        before = moves.by("kcompactd")
        write("/proc/sys/vm/compaction_proactiveness", 100)
        stalled = Stalled(4)
        while not stalled.look(moves.by("kcompactd") // 64):
            time.sleep(POLL)
        idle = 0 if moves.by("kcompactd") > before + 64 else idle + 1
    write("/proc/sys/vm/compaction_proactiveness", 0)
    run.result["moved_proactively"] = moves.by("kcompactd") - pressed
    run.result["trigger_seconds"] = round(time.monotonic() - begin, 1)
    run.result["moved_by_kcompactd"] = moves.by("kcompactd")
    where = run.hold.ask("map")
    had = where["free_2mib"] - run.result["free_2mib_before"]
    run.had(had, None, "more free 2 MiB blocks")


class Cgroup:
    """A memory cgroup with a limit."""

    def __init__(self, limit_mib):
        self.path = "/sys/fs/cgroup/movgem"
        write("/sys/fs/cgroup/cgroup.subtree_control", "+memory")
        os.makedirs(self.path, exist_ok=True)
        write(f"{self.path}/memory.max", limit_mib * MIB)

    def current_mib(self):
        return int(read(f"{self.path}/memory.current")) / MIB

    def squeeze(self):
        """Without what the kernel only caches: files, slabs, charges that processors keep for
        the next time."""
        write("/proc/sys/vm/drop_caches", 3)
        write(f"{self.path}/memory.high", 0)
        write(f"{self.path}/memory.high", "max")

    def events(self):
        return {name: field(f"{self.path}/memory.events", name)
                for name in ("max", "oom", "oom_kill")}


def compact(run):
    """Has everything moved that gets the kernel anywhere; twice in vain is the end."""
    idle = 0
    while idle < 2:
        before = run.hold.moved()
        write("/proc/sys/vm/compact_memory", 1)
        idle = idle + 1 if run.hold.moved() == before else 0


def describe(hold):
    """How a process fares, in words."""
    if hold.alive():
        return "lives"
    status = hold.process.returncode
    return "was killed" if status == -signal.SIGKILL else f"ended with status {status}"


def memcg(run, limit, mib, ask):
    """A memory cgroup with room for the buffers, and not for one more of ASK MiB: at its pages
    it is that the kernel has a choice. Small allocations at the limit, an inode's or a page
    table's, have somebody killed."""
    cgroup = Cgroup(limit)
    empty = cgroup.current_mib()
    more = ("--ask", str(ask)) if run.buffers == "movgem" else ()
    hold = Hold(run.buffers, mib, "--victim", "--seed", str(run.seed), "--group", "2", *more,
                cgroup=cgroup.path)
    run.result["events_fill"] = cgroup.events()
    run.result["killed"] = False
    if not hold.began:
        run.result["kept_mib"] = 0
        run.note(f"limit {limit} MiB: the process that makes {mib} MiB of buffers"
                 + (f", and asks for {ask} MiB, " if more else " ")
                 + f"{describe(hold)}; {run.result['events_fill']}")
        run.had(None, None, "MiB charged")
        run.result["killed"] = True
        return
    run.watch(hold)
    made = run.result["made_mib"]
    run.result["asked"] = hold.began["asked"]
    run.result["taken_mib"] = hold.began["taken_mib"]
    charged = cgroup.current_mib() - empty
    run.result["charged_mib"] = round(charged, 1)
    run.had(min(round(charged), run.result["kept_mib"]), run.result["kept_mib"], "MiB charged")
    compact(run)
    after = cgroup.current_mib() - empty
    run.result["charged_after_moves_mib"] = round(after, 1)
    run.note(f"limit {limit} MiB, {mib} MiB wanted: {made} MiB made"
             + (f" ({hold.began['error']})" if hold.began["error"] else "")
             + (f", one of {ask} MiB more: {hold.began['asked'] or 'made'}, for which "
                f"{hold.began['taken_mib']} MiB were taken" if more else "")
             + f", {run.result['kept_mib']} MiB kept, {charged:.1f} MiB charged; "
             f"{after:.1f} MiB after the kernel was made to compact memory")
    run.finish()
    settle(cgroup.current_mib)
    cgroup.squeeze()
    run.result["charged_after_exit_mib"] = round(cgroup.current_mib() - empty, 1)

    # Now something else in the cgroup needs memory: who has to go?
    before = cgroup.events()["oom_kill"]
    hold = Hold(run.buffers, mib, "--victim", "--no-gpu", cgroup=cgroup.path)
    other = Hold("anonymous", limit // 2, "--victim", "--reserve", "0", cgroup=cgroup.path)
    run.result["oom_kills"] = cgroup.events()["oom_kill"] - before
    run.result["buffers_killed"] = not hold.alive()
    run.note(f"then {limit // 2} MiB of anonymous memory in the same cgroup: the process with "
             f"{(hold.began or {'kept_mib': 0})['kept_mib']} MiB of buffers {describe(hold)}, the "
             f"other {describe(other)}")
    for process in (hold, other):
        process.kill()
    settle(cgroup.current_mib)
    cgroup.squeeze()
    run.result["charged_at_end_mib"] = round(cgroup.current_mib() - empty, 1)


def settle(value):
    """Waits until it does not fall any more."""
    stalled = Stalled(3)
    while not stalled.look(value()):
        time.sleep(POLL)


def oom(run):
    """Memory is at an end, and most of it is in one process's buffers."""
    run.start(32)
    free = meminfo_mib("MemFree")
    size = free * 6 // 10
    hog = Hold(run.buffers, size, "--victim").must_be_there()
    score = read(f"/proc/{hog.process.pid}/oom_score")
    run.result["hog_mib"] = hog.began["kept_mib"]
    run.result["hog_rss_mib"] = hog.status()["rss_mib"]
    run.note(f"the hog has {hog.began['kept_mib']} MiB in buffers, "
             f"{run.result['hog_rss_mib']} MiB resident, oom_score {score}")
    run.result["picked"] = None
    for attempt in ("as it is", "with oom_score_adj 1000"):
        if attempt != "as it is":
            write(f"/proc/{hog.process.pid}/oom_score_adj", 1000)
        kills = vmstat("oom_kill")
        # More than is left, and less than the hog has.
        want = min(meminfo_mib("MemAvailable") + 64, hog.began["kept_mib"] - 32)
        other = Hold("anonymous", want, "--victim", "--reserve", "0")
        run.note(f"{want} MiB of anonymous memory, the hog {attempt}: the hog {describe(hog)}, "
                 f"the other process {describe(other)}")
        if run.result["picked"] is None:
            run.result["picked"] = not hog.alive()
        run.result["other_killed"] = not other.alive()
        run.result["kills"] = vmstat("oom_kill") - kills
        other.kill()
        if not hog.alive():
            break
    dead = not hog.alive()
    run.result["hog_killed"] = dead
    hog.kill()
    settle(lambda: -meminfo_mib("MemFree"))
    back = run.result["hog_mib"] - max(0, free - meminfo_mib("MemFree"))
    run.had(back if dead else 0, run.result["hog_mib"], "MiB of the hog back")


def cma_alloc(run, area, pages):
    """Pages in one piece, in a process of its own: where some cannot move the kernel tries
    again at every page of the area, for hours, but a signal ends that."""
    parameter = "/sys/module/movgem/parameters/page_store"
    stays = run.buffers != "movgem" or read(parameter) == "pinned"
    before = int(read(f"{area}/used"))
    command = f"echo {pages} >{area}/alloc"
    with subprocess.Popen(["sh", "-c", command], stderr=subprocess.DEVNULL) as process:
        # A piece that is free already takes its time, too.
        stalled = Stalled(PATIENCE if stays else 10 * PATIENCE)
        while process.poll() is None:
            if stalled.look(run.hold.moved() // 64):
                process.kill()
            time.sleep(0.1)
    had = int(read(f"{area}/used")) - before
    if had not in (0, pages):
        raise RuntimeError(f"{pages} pages of CMA were asked for, {had} are used")
    return had == pages


def cma(run, mib):
    """A CMA area is allocated from, in pieces as large as can be had."""
    area = glob.glob("/sys/kernel/debug/cma/*")[0]
    first, pages = int(read(f"{area}/base_pfn")), int(read(f"{area}/count"))
    used = int(read(f"{area}/used"))
    # The kernel puts movable pages there as long as more than half of what is free is there.
    run.start(mib)

    def inside_mib():
        frames = frames_of_buffers(run)
        if frames is None:
            return None
        return sum(first <= pfn < first + pages for pfn in frames) * PAGE // MIB

    inside = run.result["in_cma_mib"] = inside_mib()
    run.note(f"CMA area of {pages * PAGE // MIB} MiB, {used * PAGE // MIB} MiB used at boot, "
             f"{meminfo_mib('CmaFree')} MiB free once the buffers are there"
             + ("" if inside is None else f", {inside} MiB in buffers"))
    begin = time.monotonic()
    largest, piece = 0, 1 << (pages.bit_length() - 1)
    while piece >= MIB // PAGE:
        if cma_alloc(run, area, piece):
            largest = max(largest, piece)
        else:
            piece //= 2
    had = int(read(f"{area}/used")) - used
    run.result["trigger_seconds"] = round(time.monotonic() - begin, 1)
    run.result["largest_mib"] = largest * PAGE // MIB
    run.result["left_in_cma_mib"] = inside_mib()
    run.had(had * PAGE // MIB, (pages - used) * PAGE // MIB, "MiB")


SCENARIOS = {
    "dimm": dimm,
    "virtio-mem": virtio_mem,
    "cma": cma,
    "hugetlb-1g": hugetlb_1g,
    "kcompactd": kcompactd,
    "memcg": memcg,
    "oom": oom,
}


def main():
    scenario, buffers, arguments = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    if buffers == "vgem":
        subprocess.run(["modprobe", "vgem"], check=True)
    write("/proc/sys/vm/max_map_count", 1000000)
    write("/sys/kernel/mm/transparent_hugepage/enabled", "never")
    run = Run(buffers, arguments.pop("seed"))
    SCENARIOS[scenario](run, **arguments)
    if "bytes_lost" not in run.result and run.hold:
        run.finish()
    write(f"{SHARE}/result.json", json.dumps(run.result, indent=1) + "\n")


if __name__ == "__main__":
    # A workload that ends while it is asked something is an answer of its own.
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    main()
