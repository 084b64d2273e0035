# SPDX-License-Identifier: GPL-2.0
"""The clients: Debian's own packages, unmodified. Debian's Mesa knows no movgem and takes
kms_swrast: it draws with llvmpipe, into dumb buffers of the card node. The Mesa of tools/vm run
--mesa has a driver for it, which draws into movgem's BOs, on the render node too."""

import dataclasses
import glob
import os

HERE = os.path.dirname(os.path.abspath(__file__))
CARD = "/dev/dri/card0"
VIDEO = "/tmp/video.y4m"
SOCKET = "/run/clients/wayland-1"
# Is the guest's Mesa the one that knows movgem?
MESA = os.path.isdir("/mesa/lib")

# The seat daemon inside the library, without a virtual terminal.
ENVIRONMENT = {"LIBSEAT_BACKEND": "builtin", "SEATD_VTBOUND": "0", "WAYLAND_DISPLAY": "wayland-1"}

WESTON = ("weston", "--backend=drm", "--drm-device=card0", "--continue-without-input",
          "--idle-time=0", "--socket=wayland-1", "--no-config")


@dataclasses.dataclass
class Scene:
    """COMMANDS run at the same time; if WAITS_FOR is given, each when that file is there."""

    title: str
    commands: tuple
    environment: dict = dataclasses.field(default_factory=dict)
    waits_for: str | None = None


def weston(renderer, *clients):
    return Scene(f"weston, {renderer} renderer, with " + ", ".join(c[0] for c in clients),
                 ((*WESTON, f"--renderer={renderer}"), *clients), waits_for=SOCKET)


SCENES = {
    "modetest": Scene("libdrm's modetest, legacy KMS, flips and a cursor",
                      (("modetest", "-M", "movgem", "-s", "Virtual-1:1280x800", "-v", "-C"),)),
    "modetest-atomic": Scene("libdrm's modetest, atomic KMS", ((
        "sh", "-c", "crtc=$(modetest -M movgem -p 2>/dev/null | "
        "awk '/^CRTCs:/ { on = 1; next } on && /^[0-9]/ { print $1; exit }'); "
        "plane=$(modetest -M movgem -p 2>/dev/null | "
        "awk '/^Planes:/ { on = 1; next } on && /^[0-9]/ { print $1; exit }'); "
        "exec modetest -M movgem -a -v -s Virtual-1@$crtc:1280x800 "
        "-P $plane@$crtc:1280x800@XR24"),)),
    "kmscube": Scene("kmscube, legacy KMS", (("kmscube", "-D", CARD),)),
    "kmscube-atomic": Scene("kmscube, atomic KMS with fences", (("kmscube", "-A", "-D", CARD),)),
    "weston-gl": weston("gl", ("weston-simple-egl",), ("weston-simple-shm",),
                        ("weston-simple-dmabuf-egl", "--drm-render-node=" +
                         ("/dev/dri/renderD128" if MESA else CARD))),
    "weston-pixman": weston("pixman", ("weston-simple-shm",), ("weston-flower",),
                            ("weston-simple-damage",)),
    "cage-foot": Scene(
        "cage, a wlroots compositor, with the terminal foot",
        (("cage", "--", "foot", "sh", "-c",
          "while :; do date +%T.%N; cat /proc/meminfo | head -n 30; sleep 0.3; done"),),
        {"WLR_BACKENDS": "drm", "WLR_LIBINPUT_NO_DEVICES": "1", "WLR_DRM_DEVICES": CARD,
         "WLR_RENDERER": "gles2" if MESA else "pixman"}),
    "glmark2": Scene("glmark2-es2-drm", (
        ("glmark2-es2-drm", "--run-forever", "-b", "build:duration=10", "-b",
         "texture:duration=10", f"--winsys-options=drm-device={CARD}"),)),
    "mpv": Scene("mpv, drm video output", (
        ("mpv", "--no-config", "--vo=drm", f"--drm-device={CARD}", "--no-audio", "--loop=inf",
         "--term-status-msg=", VIDEO),)),
    "sdl2": Scene("SDL2 on kmsdrm, its renderer on OpenGL ES",
                  (("python3", f"{HERE}/sdl2.py"),), {"SDL_VIDEODRIVER": "kmsdrm"}),
}


def prepare():
    """What the clients need: a video, 20 frames of bands that wander."""
    width, height = 320, 180
    ramp = bytes(range(256)) * 3
    with open(VIDEO, "wb") as file:
        file.write(b"YUV4MPEG2 W%d H%d F25:1 Ip A1:1 C420jpeg\n" % (width, height))
        for frame in range(20):
            file.write(b"FRAME\n")
            for line in range(height):
                first = (line + frame * 12) % 256
                file.write(ramp[first:first + width])
            for chroma in (frame * 12, 255 - frame * 12):
                file.write(bytes((chroma,)) * (width * height // 4))
    for path in glob.glob(SOCKET + "*"):
        os.unlink(path)
