#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""The guest's part of tools/clients/run: runs clients one after the other, with movgem's display,
while the kernel moves pages.

    guest.py ROUNDS CLIENT...

For each client: it has to show something; then pages are moved while it draws; then all its
processes are frozen, which makes any picture a static one, and pages are moved again, while
the CRC of every frame is read and before, during and after that the picture is copied by
writeback; then it has to go on drawing. Leaves /share/CLIENT.json and CLIENT.WIDTHxHEIGHT.raw,
the picture.
"""

import contextlib
import glob
import json
import os
import signal
import subprocess
import sys
import threading
import time
import traceback

import memory_blocks
import scenes
import screen

SHARE = "/share"
CGROUP = "/sys/fs/cgroup/clients"
TRACE = "/sys/kernel/tracing/instances/clients"
CONNECTOR = f"{screen.DRI}/Virtual-1"

# Guests are slow. Nothing depends on how slow; these are for what never comes.
PATIENCE = 240
# Frames that a client has to draw before, during and after; CRCs of a picture that stands still.
FRAMES = 3
CRCS = 4
# So many different pixels at least is a picture.
COLOURS = 3


class Wrong(Exception):
    """What a client's run shows to be wrong."""


def say(text):
    print(f"guest: [{time.monotonic():5.0f}] {text}", flush=True)


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(str(text))


def until(condition, what, alive, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while not condition():
        alive()
        if time.monotonic() > end:
            raise Wrong(f"{what}: not within {seconds} s")
        time.sleep(0.2)


class Flips:
    """Counts page flips: the kernel's events that DRM clients have got."""

    def __init__(self):
        os.makedirs(TRACE, exist_ok=True)
        write(f"{TRACE}/events/drm/drm_vblank_event_delivered/enable", 1)

    def count(self):
        number = 0
        for path in glob.glob(f"{TRACE}/per_cpu/cpu*/stats"):
            for line in screen.read(path).splitlines():
                name, _, value = line.partition(":")
                if name in ("entries", "overrun", "dropped events"):
                    number += int(value)
        return number


class Mover:
    """Has pages moved: those of framebuffers by the driver, all by compaction, and those of memory
    blocks by taking them offline; the blocks come back."""

    def __init__(self):
        self.blocks = memory_blocks.MovableBlocks()
        self.error = None
        self.rounds = 0
        self.stop = threading.Event()
        self.thread = None

    def round(self):
        write("/proc/sys/vm/compact_memory", 1)
        self.blocks.cycle_one()
        for number in screen.scanout():
            # It may be gone, or just be drawn to by a client that waits for it.
            with contextlib.suppress(OSError):
                write(f"{screen.DRI}/migrate", number)
        self.rounds += 1

    def loop(self):
        try:
            while not self.stop.is_set():
                self.round()
        except OSError as error:
            self.error = error

    def __enter__(self):
        self.rounds = 0
        self.stop.clear()
        self.thread = threading.Thread(target=self.loop)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()
        if self.error:
            raise Wrong(f"moving pages: {self.error}")


class Client:
    """Processes of one scene, in a cgroup of theirs."""

    def __init__(self, name, scene):
        self.name = name
        self.scene = scene
        self.processes = []
        os.makedirs(CGROUP, exist_ok=True)
        # What the programs say goes to the host even if the guest dies.
        # pylint: disable=consider-using-with
        self.log = open(f"{SHARE}/{name}.log", "wb", buffering=0)

    def start(self, command):
        env = {**os.environ, "XDG_RUNTIME_DIR": "/run/clients", **scenes.ENVIRONMENT,
               **self.scene.environment}
        # kmscube ends when its stdin does.
        self.processes.append(subprocess.Popen(
            ["sh", "-c", f'echo $$ >{CGROUP}/cgroup.procs; exec "$@"', "sh", *command],
            env=env, stdin=subprocess.PIPE, stdout=self.log, stderr=self.log))

    def show(self, flips):
        """Starts all of its programs, and waits until they are on the screen."""
        begin = flips.count()
        for command in self.scene.commands:
            self.start(command)
            if self.scene.waits_for:
                until(lambda: os.path.exists(self.scene.waits_for), "the compositor's socket",
                      self.must_live)
        # Frozen again and again before that, it would not get through calls that start anew.
        until(lambda: flips.count() >= begin + FRAMES, "flips", self.must_live)
        until(lambda: shows_something(self), "something on the screen", self.must_live)

    def memory(self):
        """MiB that its processes have of their own, and that there is in BOs."""
        for line in screen.read(f"{CGROUP}/memory.stat").splitlines():
            if line.startswith("anon "):
                return (round(int(line.split()[1]) / 2**20, 1),
                        round(screen.stat("pages_live") * 4096 / 2**20, 1))
        raise Wrong("the cgroup says nothing of memory")

    def must_live(self):
        for process in self.processes:
            if process.poll() is not None:
                raise Wrong(f"{process.args[4]} ended with status {process.returncode}; it said:\n"
                            + screen.read(self.log.name)[-1500:].strip())

    def freeze(self, on):
        write(f"{CGROUP}/cgroup.freeze", int(on))
        if on:
            until(lambda: "frozen 1" in screen.read(f"{CGROUP}/cgroup.events"), "freezing",
                  self.must_live)

    def end(self):
        self.freeze(False)
        for number in (signal.SIGTERM, signal.SIGKILL):
            for process in self.processes:
                process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                for process in self.processes:
                    process.wait(20)
                break
        write(f"{CGROUP}/cgroup.kill", 1)
        for process in self.processes:
            process.wait()
        end = time.monotonic() + 20
        while "populated 1" in screen.read(f"{CGROUP}/cgroup.events") and time.monotonic() < end:
            time.sleep(0.1)
        self.log.close()


@contextlib.contextmanager
def frozen(client):
    """The flip that is under way ends first: a frame more of CRCs than there are buffers."""
    client.freeze(True)
    with screen.Crcs() as crcs:
        crcs.read(CRCS)
    try:
        yield
    finally:
        client.freeze(False)


def wait_for_flips(client, flips, number, what):
    begin = flips.count()
    until(lambda: flips.count() >= begin + number, what, client.must_live)


def drawing(client, flips, mover, rounds):
    """Pages move while it draws; returns flips a second, at rest and meanwhile."""
    rates = []
    begin, start = flips.count(), time.monotonic()
    wait_for_flips(client, flips, FRAMES, "flips at rest")
    until(lambda: time.monotonic() > start + 4, "", client.must_live)
    rates.append((flips.count() - begin) / (time.monotonic() - start))
    with mover:
        begin, start = flips.count(), time.monotonic()
        until(lambda: mover.rounds >= rounds, f"{rounds} rounds of moving", client.must_live,
              PATIENCE * rounds)
        until(lambda: flips.count() >= begin + FRAMES, "flips while pages move", client.must_live)
        rates.append((flips.count() - begin) / (time.monotonic() - start))
    return [round(rate, 2) for rate in rates]


def standing(client, mover, rounds, result):
    """Pages move below a picture that stands still; returns the picture."""
    with frozen(client):
        before = screen.copy()
        bos = screen.scanout()
        with screen.Crcs() as crcs:
            seen = set(crcs.read(CRCS))
            frames = CRCS
            with mover:
                while mover.rounds < rounds:
                    new = crcs.read()
                    seen.update(new)
                    frames += len(new)
            new = crcs.read(CRCS)
            seen.update(new)
            frames += len(new)
        with mover:
            during = screen.copy()
        after = screen.copy()
        moved = {number: screen.scanout().get(number, (0, 0))[1] - was
                 for number, (_, was) in bos.items()}

    result["size"] = f"{before.width}x{before.height}"
    result["colours"] = before.colours()
    result["crc_frames"] = frames
    result["scanout_bos"] = len(bos)
    result["scanout_pages"] = sum(pages for pages, _ in bos.values())
    result["scanout_moves"] = sum(moved.values())
    with open(f"{SHARE}/{client.name}.{result['size']}.raw", "wb") as file:
        file.write(before.pixels)
    if result["colours"] < COLOURS:
        raise Wrong(f"nothing is on the screen: {result['colours']} colours")
    if len(seen) != 1:
        raise Wrong(f"{len(seen)} CRCs of a picture that stands still")
    if during != before or after != before:
        raise Wrong("the picture changed while pages moved")
    if not bos:
        raise Wrong("no BO is a framebuffer")
    for number, pages in moved.items():
        if not pages:
            raise Wrong(f"of BO {number}, a framebuffer, no page moved")
    return before


def shows_something(client):
    """Whether there is more than a blank screen by now."""
    if not screen.owner() or not screen.scanout():
        return False
    try:
        with frozen(client):
            return screen.copy().colours() >= COLOURS
    except OSError as error:
        # It has the device but no mode yet.
        say(f"{client.name}: no picture yet: {error}")
        return False


def run(client, flips, mover, rounds, result):
    start = time.monotonic()
    client.show(flips)
    result["seconds_to_picture"] = round(time.monotonic() - start, 1)
    say(f"{client.name}: on the screen after {result['seconds_to_picture']} s")

    moved = screen.stat("migrate_ok")
    blocks = mover.blocks.tried, mover.blocks.offline
    result["flips_per_s"], result["flips_per_s_during"] = drawing(client, flips, mover, rounds)
    result["own_mib"], result["bos_mib"] = client.memory()
    drawn = screen.stat("migrate_ok") - moved
    standing(client, mover, rounds, result)
    result["moved"] = screen.stat("migrate_ok") - moved
    result["moved_while_drawing"] = drawn
    result["blocks_tried"], result["blocks_offline"] = \
        mover.blocks.tried - blocks[0], mover.blocks.offline - blocks[1]
    if not drawn:
        raise Wrong("no page moved while it drew")
    if mover.blocks.paths and not result["blocks_offline"]:
        raise Wrong(f"none of {result['blocks_tried']} memory blocks went offline")
    wait_for_flips(client, flips, FRAMES, "flips after all that")
    client.must_live()


def limit_modes():
    """Some clients take the largest mode; this monitor has none above 1280x800, as each pixel
    takes time."""
    write("/sys/class/drm/card0-Virtual-1/status", "detect")
    with open("/sys/class/drm/card0-Virtual-1/edid", "rb") as file:
        edid = bytearray(file.read())
    # Standard timings: unused.
    edid[38:54] = b"\1" * 16
    edid[127] = -sum(edid[:127]) & 0xff
    with open(f"{CONNECTOR}/edid_override", "wb") as file:
        file.write(edid)


def prepare():
    """What is needed once, before the first client."""
    os.makedirs("/run/clients", mode=0o700, exist_ok=True)
    write("/sys/fs/cgroup/cgroup.subtree_control", "+memory")
    limit_modes()
    scenes.prepare()


def main():
    rounds, names = int(sys.argv[1]), sys.argv[2:]
    prepare()
    flips, mover = Flips(), Mover()
    say(f"memory blocks to take offline: {len(mover.blocks.paths)}")
    for name in names:
        result = {"client": name, "wrong": None}
        client = Client(name, scenes.SCENES[name])
        say(f"{name}: {client.scene.title}")
        start = time.monotonic()
        try:
            run(client, flips, mover, rounds, result)
        except Wrong as error:
            result["wrong"] = str(error)
        except Exception as error:  # the others are still of interest
            result["wrong"] = f"{type(error).__name__}: {error}"
            traceback.print_exc()
        finally:
            client.end()
        result["seconds"] = round(time.monotonic() - start, 1)
        say(f"{name}: " + (f"WRONG: {result['wrong']}" if result["wrong"] else "good") +
            f", {result['seconds']} s")
        write(f"{SHARE}/{name}.json", json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
