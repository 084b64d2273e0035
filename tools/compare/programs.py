# SPDX-License-Identifier: GPL-2.0
"""What is run with both of Mesa: Debian's own programs, unmodified, and what EGL says of itself."""

import dataclasses
import os
import re
import typing

HERE = os.path.dirname(os.path.abspath(__file__))
CARD = "/dev/dri/card0"
# Of glmark2's scenes some that a slow guest has many frames of in so many seconds.
SCENES = ("build:use-vbo=true", "texture:texture-filter=linear")
SECONDS = 3


def kmscube(output):
    """The last line says it for all frames."""
    found = re.findall(r"Rendered \d+ frames in [\d.]+ sec \(([\d.]+) fps\)", output)
    return {"": float(found[-1])} if found else {}


def glmark2(output):
    # Its "FPS" is a whole number.
    return {scene: 1000 / float(ms)
            for scene, ms in re.findall(r"\[(\w+)\].*?FrameTime: ([\d.]+) ms", output)}


@dataclasses.dataclass
class Program:
    """RESULTS makes frames per second, by scene, of what the program says; without any it is
    what it says that counts, and once is enough."""

    command: tuple
    results: typing.Callable = lambda output: {}
    once: bool = False


def glmark2_command(*options):
    command = ["glmark2-es2-drm", f"--winsys-options=drm-device={CARD}", *options]
    for scene in SCENES:
        command += ["-b", f"{scene}:duration={SECONDS}"]
    return tuple(command)


def egl(platform):
    return Program(("python3", "-B", f"{HERE}/egl.py", platform), once=True)


PROGRAMS = {
    "egl-gbm-card": egl("gbm-card"),
    "egl-gbm-render": egl("gbm-render"),
    "egl-device": egl("device"),
    "egl-surfaceless": egl("surfaceless"),
    "kmscube": Program(("kmscube", "-D", CARD, "-c", "30"), kmscube),
    "kmscube-atomic": Program(("kmscube", "-A", "-D", CARD, "-c", "30"), kmscube),
    "glmark2-off-screen": Program(glmark2_command("--off-screen", "-s", "400x300"), glmark2),
    "glmark2": Program(glmark2_command("-s", "400x300"), glmark2),
}
