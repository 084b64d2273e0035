# SPDX-License-Identifier: GPL-2.0
"""A client of QEMU's machine protocol, for the socket of tools/vm run --qmp PATH.

    with qmp.Qmp(path) as machine:
        machine.command("device_del", id="dimm0")
        machine.wait("DEVICE_DELETED", device="dimm0", limit=120)
"""

import json
import socket
import time


class QmpError(Exception):
    """QEMU refused a command, an event did not come, or the machine is gone."""


class Qmp:
    """One connection. PATH may appear later: it is waited for."""

    def __init__(self, path, limit=120):
        end = time.monotonic() + limit
        self.events = []
        while True:
            self.socket = socket.socket(socket.AF_UNIX)
            try:
                self.socket.connect(path)
                break
            except OSError as error:
                self.socket.close()
                if time.monotonic() > end:
                    raise QmpError(f"{path}: {error}") from error
                time.sleep(0.1)
        self.data = b""
        self._message(limit)  # the greeting
        self.command("qmp_capabilities")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def _message(self, limit):
        end = time.monotonic() + limit
        while b"\n" not in self.data:
            self.socket.settimeout(max(0.01, end - time.monotonic()))
            try:
                data = self.socket.recv(65536)
            except TimeoutError as error:
                raise QmpError(f"no word from QEMU for {limit} seconds") from error
            except OSError as error:
                raise QmpError(f"the machine is gone: {error}") from error
            if not data:
                raise QmpError("the machine is gone")
            self.data += data
        line, _, self.data = self.data.partition(b"\n")
        return json.loads(line)

    def command(self, name, limit=60, **arguments):
        """Runs a command; underscores in its arguments' names stand for dashes."""
        arguments = {key.replace("_", "-"): value for key, value in arguments.items()}
        request = {"execute": name, "arguments": arguments} if arguments else {"execute": name}
        try:
            self.socket.sendall(json.dumps(request).encode() + b"\n")
        except OSError as error:
            raise QmpError(f"{name}: the machine is gone: {error}") from error
        while True:
            message = self._message(limit)
            if "return" in message:
                return message["return"]
            if "error" in message:
                raise QmpError(f"{name}: {message['error'].get('desc', message['error'])}")
            self.events.append(message)

    def wait(self, event, limit=60, **data):
        """Returns the next event of that name whose data fits; those passed over are dropped."""
        end = time.monotonic() + limit
        while True:
            while self.events:
                message = self.events.pop(0)
                found = message.get("data", {})
                if message.get("event") == event and all(
                        found.get(key.replace("_", "-")) == value for key, value in data.items()):
                    return found
            left = end - time.monotonic()
            if left <= 0:
                raise QmpError(f"no {event} within {limit} seconds")
            try:
                message = self._message(left)
            except QmpError as error:
                if "no word" in str(error):
                    raise QmpError(f"no {event} within {limit} seconds") from error
                raise
            if "event" in message:
                self.events.append(message)
