# SPDX-License-Identifier: GPL-2.0
"""Programs that show what a DRM device is and has (drm_info and those of libdrm's own tests), and
that set modes and properties by it, in a guest for each kernel. modetest's flips are clients of
tools/clients."""

import re
import shlex

import checklib
from checklib import Check, Failure, tail

ORDER = 66

# It goes on until something is on its stdin, or until a signal where it uses the atomic API.
MODETEST = "modetest -M movgem"
# The ids of the CRTC, the primary plane, and the first overlay plane.
IDS = (f"set -- $({MODETEST} -p 2>/dev/null | "
       "awk '/^(CRTCs|Planes):/ { on = 1 } on && /^[0-9]/ { print $1 }'); "
       "export crtc=$1 plane=$2 overlay=$3")

# What it is called, its command, and what must be in its output.
CASES = (
    ("drm_info", "drm_info", (r"Driver: movgem", r"ADDFB2_MODIFIERS = 1",
                              r"DRM_FORMAT_MOD_LINEAR", r"\"IN_FENCE_FD\"")),
    ("drm_info-json", "drm_info -j | python3 -c '"
     "import json, sys; card = json.load(sys.stdin)[\"/dev/dri/card0\"]; "
     "print(len(card[\"connectors\"]), len(card[\"crtcs\"]), len(card[\"planes\"]))'",
     (r"^2 1 4$",)),
    ("drmdevice", "drmdevice", (r"/dev/dri/card0", r"/dev/dri/renderD128", r"fullname\s+movgem")),
    ("modeprint", "modeprint movgem", (r"Connector: Virtual-1", r"conn\s+: connected",
                                       r'Mode: "1280x800"')),
    ("proptest", "proptest -M movgem", (r"^Connector \d+ \(Virtual-1\)", r"GAMMA_LUT")),
    ("proptest-set", "proptest -M movgem $crtc crtc "
     "$(proptest -M movgem | awk '/ GAMMA_LUT:/ { print $1; exit }') 0", ()),
    ("vbltest", f"sleep 10 | {MODETEST} -s Virtual-1:640x480 & sleep 3; sleep 5 | vbltest -M movgem; "
     "status=$?; wait; exit $status", (r"starting count: \d+", r"freq: ")),
    ("modetest-lists", MODETEST, (r"#0 1280x800 .*preferred", r"Virtual-1 ", r"XR24")),
    ("modetest-mode", f"sleep 5 | {MODETEST} -s Virtual-1:640x480 -F smpte",
     (r"setting mode 640x480",)),
    ("modetest-cursor", f"sleep 5 | {MODETEST} -s Virtual-1:640x480 -v -C",
     (r"freq: ", r"cursor stopped")),
    ("modetest-overlay", f"sleep 5 | {MODETEST} -s Virtual-1:640x480 "
     "-P $overlay@$crtc:200x100+20+30@AR24", (r"testing 200x100@AR24 overlay plane",)),
    ("modetest-atomic", f"timeout -s INT 20 {MODETEST} -a -s Virtual-1@$crtc:640x480 "
     "-P $plane@$crtc:640x480@XR24 -v; [ $? = 124 ]", (r"freq: ",)),
    ("modetest-bad-mode", f"{MODETEST} -s Virtual-1:641x480 </dev/null; true",
     (r"failed to find mode",)),
)


def libdrm(run):
    script = [IDS]
    for name, command, _ in CASES:
        script += [f"echo 'CASE {name}'", f"sh -c {shlex.quote(command)} 2>&1",
                   'echo "STATUS $?"']
    status, output = run.guest([], "\n".join(script), timeout=600)
    parts = dict(re.findall(r"^CASE (\S+)\n(.*?)(?=^CASE |\Z)", output, re.M | re.S))
    wrong = 0
    for name, _, wanted in CASES:
        said = parts.get(name, "")
        missing = [regex for regex in wanted if not re.search(regex, said, re.M)]
        bad = "STATUS 0" not in said or missing
        wrong += bool(bad)
        run.record(name, "fail" if bad else "pass", 0,
                   f"without {missing}:\n{tail(said)}" if bad else "")
    if status or wrong:
        raise Failure(f"status {status}, {wrong} of {len(CASES)} are wrong")


def checks():
    return [Check(f"libdrm/{kernel}/{store}", libdrm, kernel, store,
                  on_request=kernel == "7.2")
            for kernel, store in (("6.12", "movable_ops"), ("7.2", "folio"))]
