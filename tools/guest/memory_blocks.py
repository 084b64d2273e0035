# SPDX-License-Identifier: GPL-2.0
"""The guest's memory blocks in ZONE_MOVABLE, to take them offline one after the other."""

import glob
import os
import subprocess

BLOCKS = "/sys/devices/system/memory"
SECONDS = 20


class MovableBlocks:
    """Those that there were in the beginning; how often one was tried, and went offline."""

    def __init__(self):
        self.paths = sorted(os.path.dirname(path)
                            for path in glob.glob(f"{BLOCKS}/memory*/valid_zones")
                            if self.is_movable(path))
        self.tried = self.offline = 0

    @staticmethod
    def is_movable(path):
        with open(path, encoding="ascii") as file:
            return file.read().strip() == "Movable"

    def cycle_one(self):
        """Takes the next one offline, which moves its pages, and back."""
        if not self.paths:
            return
        state = self.paths[self.tried % len(self.paths)] + "/state"
        self.tried += 1
        # Offlining goes on until it is done or there is a signal.
        done = subprocess.run(["timeout", "-s", "INT", str(SECONDS), "sh", "-c",
                               f"echo offline >{state}"], stderr=subprocess.DEVNULL, check=False)
        if done.returncode == 0:
            self.offline += 1
            with open(state, "w", encoding="ascii") as file:
                file.write("online_movable")
