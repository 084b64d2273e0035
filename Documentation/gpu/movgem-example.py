#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Has the GPU fill a buffer and debugfs move it, and looks whether it is all there.

Run as root, with movgem loaded and debugfs mounted. With a number of seconds as
argument the buffer stays that long, to be looked at.
"""

import ctypes
import fcntl
import glob
import mmap
import os
import struct
import sys
import time

SIZE = 1 << 20
VA = 1 << 20
PATTERN = 0xC0FFEE01
STREAM_SIZE = 32


def ioctl(number, layout, *values):
    """One DRM_IOCTL_MOVGEM_*: what the kernel made of the structure."""
    data = struct.pack(layout, *values)
    request = 3 << 30 | len(data) << 16 | ord("d") << 8 | 0x40 + number
    return struct.unpack(layout, fcntl.ioctl(gpu, request, data))


node = glob.glob("/sys/devices/platform/movgem/drm/renderD*")[0]
gpu = os.open("/dev/dri/" + os.path.basename(node), os.O_RDWR | os.O_CLOEXEC)

# BO_CREATE, BO_LABEL, BO_MMAP_OFFSET
handle = ioctl(1, "=QIIII", SIZE, 0, 0, 0, 0)[3]
label = ctypes.create_string_buffer(b"example")
ioctl(4, "=IIQ", handle, 0, ctypes.addressof(label))
offset = ioctl(2, "=IIQ", handle, 0, 0)[2]
cpu = mmap.mmap(gpu, SIZE, offset=offset)

# VM_CREATE, VM_BIND of the whole buffer, which returns when it is bound
vm = ioctl(7, "=II", 0, 0)[1]
bind = ctypes.create_string_buffer(struct.pack("=IIIIQQQ", 0, 0, handle, 0, 0, VA, SIZE))
ioctl(9, "=IIIIQQQ", vm, 0, 1, 0, ctypes.addressof(bind), 0, 0)

# QUEUE_CREATE; the command stream lies in the first page: fill all the others.
queue = ioctl(10, "=IIIIQ", vm, 0, 0, 0, 0)[3]
cpu[:STREAM_SIZE] = struct.pack("=HHIQQII", 1, STREAM_SIZE, 0, VA + 4096, SIZE - 4096, PATTERN, 0)

# SUBMIT, BO_WAIT for ten seconds at most
ioctl(13, "=IIQIIQQ", queue, 0, VA, STREAM_SIZE, 0, 0, 0)
ioctl(5, "=IIq", handle, 0, time.monotonic_ns() + 10 * 10**9)

# Have all pages moved. The mapping and the GPU's page tables stay as they are.
with open("/sys/kernel/debug/dri/movgem/migrate", "w", encoding="ascii") as migrate:
    migrate.write("label:example")

# BO_INFO
info = ioctl(3, "=IIQQQIIIIQ", handle, *[0] * 9)
words = struct.unpack(f"={SIZE // 4 - 1024}I", cpu[4096:])
print(f"{info[3]} pages, {info[4]} moves, {sum(word != PATTERN for word in words)} words lost")
if len(sys.argv) > 1:
    time.sleep(float(sys.argv[1]))
