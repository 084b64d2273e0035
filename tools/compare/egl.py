#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""What EGL, and OpenGL ES on it, says of itself on a platform, by ctypes: a short eglinfo that
asks on movgem's nodes.

    egl.py gbm-card|gbm-render|device|surfaceless
"""

import ctypes
import os
import sys

CARD, RENDER = "/dev/dri/card0", "/dev/dri/renderD128"
PLATFORM_GBM, PLATFORM_DEVICE, PLATFORM_SURFACELESS = 0x31d7, 0x313f, 0x31dd
EGL_VERSION, EGL_EXTENSIONS = 0x3054, 0x3055
EGL_OPENGL_ES_API, EGL_CONTEXT_MAJOR_VERSION, EGL_NONE = 0x30a0, 0x3098, 0x3038
EGL_DRM_DEVICE_FILE = 0x3233
GL_RENDERER, GL_VERSION, GL_EXTENSIONS = 0x1f01, 0x1f02, 0x1f03
# What has to do with dma-bufs and fences.
ASKED = ("EGL_EXT_image_dma_buf_import", "EGL_EXT_image_dma_buf_import_modifiers",
         "EGL_MESA_image_dma_buf_export", "EGL_ANDROID_native_fence_sync")

egl = ctypes.CDLL("libEGL.so.1")
for name in ("eglGetProcAddress", "eglGetPlatformDisplay", "eglCreateContext"):
    getattr(egl, name).restype = ctypes.c_void_p
egl.eglQueryString.restype = ctypes.c_char_p


def die(text):
    print(f"{text}: error {egl.eglGetError():#x}")
    sys.exit(1)


def function(name, result, *arguments):
    address = egl.eglGetProcAddress(name.encode())
    return ctypes.CFUNCTYPE(result, *arguments)(address)


def device(path):
    """The device of EGL's that a node belongs to."""
    devices, count = (ctypes.c_void_p * 16)(), ctypes.c_int()
    function("eglQueryDevicesEXT", ctypes.c_int, ctypes.c_int, ctypes.c_void_p,
             ctypes.c_void_p)(16, devices, ctypes.byref(count))
    query = function("eglQueryDeviceStringEXT", ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int)
    for each in devices[:count.value]:
        if query(each, EGL_DRM_DEVICE_FILE) == path.encode():
            return each
    return die(f"there is no device {path}")


def native(platform):
    if platform == "surfaceless":
        return PLATFORM_SURFACELESS, None
    if platform == "device":
        return PLATFORM_DEVICE, device(CARD)
    gbm = ctypes.CDLL("libgbm.so.1")
    gbm.gbm_create_device.restype = ctypes.c_void_p
    made = gbm.gbm_create_device(os.open(CARD if platform == "gbm-card" else RENDER, os.O_RDWR))
    return PLATFORM_GBM, made or die("no GBM device")


def main(platform):
    kind, what = native(platform)
    display = ctypes.c_void_p(egl.eglGetPlatformDisplay(kind, ctypes.c_void_p(what), None))
    if not display or not egl.eglInitialize(display, None, None):
        die("eglInitialize")
    extensions = egl.eglQueryString(display, EGL_EXTENSIONS).decode().split()
    egl.eglBindAPI(EGL_OPENGL_ES_API)
    attributes = (ctypes.c_int * 3)(EGL_CONTEXT_MAJOR_VERSION, 2, EGL_NONE)
    context = ctypes.c_void_p(egl.eglCreateContext(display, None, None, attributes))
    if not context or not egl.eglMakeCurrent(display, None, None, context):
        die("a context")
    string = function("glGetString", ctypes.c_char_p, ctypes.c_uint)
    driver = function("eglGetDisplayDriverName", ctypes.c_char_p, ctypes.c_void_p)(display)
    print("; ".join((
        f"driver {driver.decode()}", f"EGL {egl.eglQueryString(display, EGL_VERSION).decode()}",
        f"{len(extensions)} extensions", string(GL_VERSION).decode(),
        string(GL_RENDERER).decode(), f"{len(string(GL_EXTENSIONS).split())} extensions",
        "without " + (", ".join(set(ASKED) - set(extensions)) or "none of those asked for"))))


if __name__ == "__main__":
    main(sys.argv[1])
