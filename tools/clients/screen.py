# SPDX-License-Identifier: GPL-2.0
"""What is on movgem's screen, seen from beside the program that owns the display: CRCs of its
frames, and copies of them by the writeback connector.

CRCs are read in debugfs, which takes no DRM master. A commit with writeback does. So for a
copy the owner's processes stand still, pidfd_getfd() takes the file of theirs that is master,
by which it is made to step back, and this process is master for two commits: writeback on,
writeback off. The planes are not touched, and the owner does not notice.
"""

import array
import contextlib
import ctypes
import errno
import fcntl
import glob
import mmap
import os
import re
import select
import struct
import time

DRI = "/sys/kernel/debug/dri/movgem"
CARD = "/dev/dri/card0"

SYS_PIDFD_GETFD = 438
CAP_ATOMIC, CAP_WRITEBACK = 3, 5
CONNECTOR_WRITEBACK = 18
OBJECT_CONNECTOR = 0xc0c0c0c0
ATOMIC_ALLOW_MODESET = 0x400
FORMAT_XRGB8888 = int.from_bytes(b"XR24", "little")


def _ioc(direction, group, number, size):
    return direction << 30 | size << 16 | group << 8 | number


SET_MASTER = _ioc(0, ord("d"), 0x1e, 0)
DROP_MASTER = _ioc(0, ord("d"), 0x1f, 0)
CREATE_DUMB = _ioc(3, ord("d"), 0xb2, 32)
MAP_DUMB = _ioc(3, ord("d"), 0xb3, 16)
SYNC_FILE_INFO = _ioc(3, ord(">"), 4, 56)

libc = ctypes.CDLL(None, use_errno=True)
libdrm = ctypes.CDLL("libdrm.so.2", use_errno=True)


class _Resources(ctypes.Structure):
    _fields_ = [(name, kind) for what in ("fbs", "crtcs", "connectors", "encoders")
                for name, kind in ((f"count_{what}", ctypes.c_int),
                                   (what, ctypes.POINTER(ctypes.c_uint32)))] + \
               [(name, ctypes.c_uint32)
                for name in ("min_width", "max_width", "min_height", "max_height")]


class _Connector(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32)
                for name in ("connector_id", "encoder_id", "connector_type")]


class _Properties(ctypes.Structure):
    _fields_ = [("count", ctypes.c_uint32), ("props", ctypes.POINTER(ctypes.c_uint32)),
                ("values", ctypes.POINTER(ctypes.c_uint64))]


class _Property(ctypes.Structure):
    _fields_ = [("prop_id", ctypes.c_uint32), ("flags", ctypes.c_uint32),
                ("name", ctypes.c_char * 32)]


class _Crtc(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32)
                for name in ("crtc_id", "buffer_id", "x", "y", "width", "height")]


for _name, _type in (("drmModeGetResources", _Resources), ("drmModeGetConnectorCurrent", _Connector),
                     ("drmModeObjectGetProperties", _Properties), ("drmModeGetProperty", _Property),
                     ("drmModeGetCrtc", _Crtc)):
    getattr(libdrm, _name).restype = ctypes.POINTER(_type)
libdrm.drmModeAtomicAlloc.restype = ctypes.c_void_p
libdrm.drmModeAtomicAddProperty.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint32,
                                            ctypes.c_uint64]
libdrm.drmModeAtomicCommit.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint32,
                                       ctypes.c_void_p]
libdrm.drmModeAtomicFree.argtypes = [ctypes.c_void_p]


def _check(result, what):
    if result < 0:
        number = -result if result < -1 else ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _there(pointer, what):
    if not pointer:
        raise OSError(ctypes.get_errno(), what)
    return pointer.contents


def read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def owner():
    """The process that is DRM master, or None."""
    for line in read(f"{DRI}/clients").splitlines()[1:]:
        # Command, tgid, dev, master, a, uid, and more on later kernels; the first may have blanks.
        found = re.search(r"\s(\d+)\s+\d+\s+y\s+[yn]\s+\d+\s", line)
        if found:
            return int(found[1])
    return None


@contextlib.contextmanager
def _master_steps_back():
    """Yields a file on the card that is master; the one that was is so again afterwards."""
    taken = None
    pid = owner()
    if pid:
        pidfd = os.pidfd_open(pid)
        for path in glob.glob(f"/proc/{pid}/fd/*"):
            if os.readlink(path) != CARD:
                continue
            file = _check(libc.syscall(SYS_PIDFD_GETFD, pidfd, int(os.path.basename(path)), 0),
                          "pidfd_getfd")
            try:
                fcntl.ioctl(file, DROP_MASTER)
                taken = file
                break
            except OSError:
                os.close(file)
        os.close(pidfd)
        if taken is None:
            raise OSError(errno.EACCES, f"process {pid} does not let go of {CARD}")
    try:
        card = os.open(CARD, os.O_RDWR | os.O_CLOEXEC)
        try:
            yield card
        finally:
            os.close(card)
    finally:
        if taken is not None:
            fcntl.ioctl(taken, SET_MASTER)
            os.close(taken)


def _properties(card, connector):
    """Ids of a connector's properties, by name."""
    properties = _there(libdrm.drmModeObjectGetProperties(card, connector,
                                                          ctypes.c_uint32(OBJECT_CONNECTOR)),
                        "properties")
    return {_there(libdrm.drmModeGetProperty(card, number), "property").name.decode(): number
            for number in properties.props[:properties.count]}


def _commit(card, connector, values):
    properties = _properties(card, connector)
    request = libdrm.drmModeAtomicAlloc()
    try:
        for name, value in values.items():
            _check(libdrm.drmModeAtomicAddProperty(request, connector, properties[name], value),
                   name)
        _check(libdrm.drmModeAtomicCommit(card, request, ATOMIC_ALLOW_MODESET, None),
               "commit with writeback")
    finally:
        libdrm.drmModeAtomicFree(request)


def _writeback_connector(card, resources):
    for number in resources.connectors[:resources.count_connectors]:
        connector = _there(libdrm.drmModeGetConnectorCurrent(card, number), "connector")
        if connector.connector_type == CONNECTOR_WRITEBACK:
            return number
    raise OSError(errno.ENODEV, "no writeback connector")


def _framebuffer(card, width, height):
    """A new one, and its mapping."""
    dumb = bytearray(struct.pack("IIIIIIQ", height, width, 32, 0, 0, 0, 0))
    fcntl.ioctl(card, CREATE_DUMB, dumb)
    handle, pitch, size = struct.unpack_from("IIQ", dumb, 16)
    place = bytearray(struct.pack("IIQ", handle, 0, 0))
    fcntl.ioctl(card, MAP_DUMB, place)
    four = ctypes.c_uint32 * 4
    number = ctypes.c_uint32()
    _check(libdrm.drmModeAddFB2(card, width, height, FORMAT_XRGB8888, four(handle), four(pitch),
                                four(), ctypes.byref(number), 0), "framebuffer")
    memory = mmap.mmap(card, size, offset=struct.unpack_from("Q", place, 8)[0])
    return number.value, memory, pitch


class Picture:
    """A frame: its size, and its pixels as XRGB8888 with X of 255."""

    def __init__(self, width, height, pixels):
        self.width, self.height, self.pixels = width, height, pixels

    def __eq__(self, other):
        return isinstance(other, Picture) and self.width == other.width and \
            self.pixels == other.pixels

    def colours(self):
        return len(set(array.array("I", self.pixels)))


def copy():
    """The frame that is on the screen, by writeback. The display's owner must stand still."""
    with _master_steps_back() as card:
        for cap in (CAP_ATOMIC, CAP_WRITEBACK):
            _check(libdrm.drmSetClientCap(card, ctypes.c_uint64(cap), ctypes.c_uint64(1)),
                   "capability")
        resources = _there(libdrm.drmModeGetResources(card), "resources")
        crtc = _there(libdrm.drmModeGetCrtc(card, resources.crtcs[0]), "CRTC")
        if not crtc.width:
            raise OSError(errno.ENODEV, "the display is off")
        connector = _writeback_connector(card, resources)
        width, height = crtc.width, crtc.height
        framebuffer, memory, pitch = _framebuffer(card, width, height)
        fence = ctypes.c_int32(-1)
        _commit(card, connector, {"CRTC_ID": crtc.crtc_id, "WRITEBACK_FB_ID": framebuffer,
                                  "WRITEBACK_OUT_FENCE_PTR": ctypes.addressof(fence)})
        try:
            if not select.select([fence.value], [], [], 120)[0]:
                raise OSError(errno.ETIME, "writeback takes more than two minutes")
            info = bytearray(56)
            fcntl.ioctl(fence.value, SYNC_FILE_INFO, info)
            status = struct.unpack_from("i", info, 32)[0]
            if status != 1:
                raise OSError(-status, "writeback")
            lines = [memory[y * pitch:y * pitch + width * 4] for y in range(height)]
        finally:
            os.close(fence.value)
            _commit(card, connector, {"CRTC_ID": 0})
            memory.close()
        return Picture(width, height, b"".join(lines))


class Crcs:
    """The CRCs of all frames from now on: a generator would not see those in between."""

    def __enter__(self):
        with open(f"{DRI}/crtc-0/crc/control", "w", encoding="ascii") as file:
            file.write("auto")
        self.file = os.open(f"{DRI}/crtc-0/crc/data", os.O_RDONLY | os.O_NONBLOCK)
        return self

    def __exit__(self, *_):
        os.close(self.file)

    def read(self, least=1, patience=120):
        """Those that have come, at least LEAST."""
        found = []
        end = time.monotonic() + patience
        while True:
            try:
                line = os.read(self.file, 64)
                found.append(int(line.split()[1], 16))
                continue
            except BlockingIOError:
                pass
            if len(found) >= least:
                return found
            if time.monotonic() > end:
                raise OSError(errno.ETIME, f"{len(found)} of {least} frames in {patience} s")
            time.sleep(0.02)


def scanout():
    """The BOs that have framebuffers: id -> (pages, moved)."""
    found = {}
    for line in read(f"{DRI}/gems").splitlines()[1:]:
        words = line.split()
        if len(words) > 7 and "f" in words[7]:
            found[int(words[0])] = (int(words[2]), int(words[6]))
    return found


def stat(name):
    for line in read(f"{DRI}/stats").splitlines():
        if line.split()[0] == name:
            return int(line.split()[1])
    raise KeyError(name)
