#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""A small SDL2 program: rectangles that wander, over the whole screen, for ever. Debian's
SDL2 by ctypes."""

import ctypes
import sys

SDL_INIT_VIDEO = 0x20
SDL_WINDOW_FULLSCREEN_DESKTOP = 0x1001
SDL_RENDERER_PRESENTVSYNC = 4
UNDEFINED = 0x1fff0000

sdl = ctypes.CDLL("libSDL2-2.0.so.0")
for name in ("SDL_CreateWindow", "SDL_CreateRenderer"):
    getattr(sdl, name).restype = ctypes.c_void_p
sdl.SDL_GetError.restype = sdl.SDL_GetCurrentVideoDriver.restype = ctypes.c_char_p


class Rect(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int) for name in "xywh"]


def must(result, what):
    if not result:
        sys.exit(f"{what}: {sdl.SDL_GetError().decode()}")
    return ctypes.c_void_p(result)


must(sdl.SDL_Init(SDL_INIT_VIDEO) == 0, "SDL_Init")
print("video driver:", sdl.SDL_GetCurrentVideoDriver().decode(), flush=True)
window = must(sdl.SDL_CreateWindow(b"movgem", UNDEFINED, UNDEFINED, 1280, 800,
                                   SDL_WINDOW_FULLSCREEN_DESKTOP), "window")
renderer = must(sdl.SDL_CreateRenderer(window, -1, SDL_RENDERER_PRESENTVSYNC), "renderer")
frame = 0
while True:
    sdl.SDL_PumpEvents()
    sdl.SDL_SetRenderDrawColor(renderer, 20, 40, 60, 255)
    sdl.SDL_RenderClear(renderer)
    for i in range(40):
        sdl.SDL_SetRenderDrawColor(renderer, i * 6, 255 - i * 5, (i * 37) % 256, 255)
        rect = Rect((frame * (i + 1) + i * 31) % 1280, i * 20, 90, 18)
        sdl.SDL_RenderFillRect(renderer, ctypes.byref(rect))
    sdl.SDL_RenderPresent(renderer)
    frame += 1
