#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""The guest's part of tools/demo/scene.py: a compositor with clients that move is on the screen
while the demo's workload fragments memory and the kernel makes huge pages.

    scene_guest.py WORKLOAD...

Leaves in /share, besides what the workload does: scene.json, and copies of the screen before
and after the trigger, before.WIDTHxHEIGHT.raw and so on.
"""

import json
import re
import subprocess
import sys
import time

import guest
import scenes
import screen

SCENE = "weston-pixman"


def screenshot(client, name):
    with guest.frozen(client):
        picture = screen.copy()
    with open(f"{guest.SHARE}/{name}.{picture.width}x{picture.height}.raw", "wb") as file:
        file.write(picture.pixels)
    if picture.colours() < guest.COLOURS:
        raise guest.Wrong(f"{name}: nothing is on the screen")


class Counters:
    """What has been done at a time."""

    def __init__(self, flips):
        self.time = time.monotonic()
        self.flips = flips.count()
        self.scanout_moved = sum(moved for _, moved in screen.scanout().values())

    def flips_per_s(self, before):
        return round((self.flips - before.flips) / (self.time - before.time), 1)


def main():
    guest.prepare()
    flips = guest.Flips()
    client = guest.Client("scene", scenes.SCENES[SCENE])
    result = {"scene": client.scene.title}
    at = {}
    try:
        client.show(flips)
        guest.say("the compositor and its clients are on the screen")
        with subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, text=True) as workload:
            for line in workload.stdout:
                print(line, end="", flush=True)
                # Memory is full of holes; a map before the trigger; a map after it.
                found = re.search(r"\b(made) \d+ buffers|\b(before|after): \d+ pages of buffers",
                                  line)
                if not found:
                    continue
                when = found[1] or found[2]
                at[when] = Counters(flips)
                if when == "made":
                    screenshot(client, "before")
                    at[when] = Counters(flips)
                if when == "after":
                    screenshot(client, when)
        if workload.returncode:
            raise guest.Wrong(f"the workload ended with status {workload.returncode}")
        result["flips_per_s"] = at["before"].flips_per_s(at["made"])
        result["flips_per_s_during"] = at["after"].flips_per_s(at["before"])
        result["scanout_pages_moved"] = at["after"].scanout_moved - at["before"].scanout_moved
        guest.wait_for_flips(client, flips, guest.FRAMES, "flips after all that")
        client.must_live()
    finally:
        client.end()
    guest.write(f"{guest.SHARE}/scene.json", json.dumps(result) + "\n")


main()
