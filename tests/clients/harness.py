"""Starts servers for the client tests and stops them again.

Every server listens on loopback, on a port that is its own, and ends with the
test whatever happens: the gateway ends when its standard input closes, Redis is
terminated by its process handle.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

SKIPPED = 77
START_DEADLINE_S = 60
CONDITION_DEADLINE_S = 60
POLL_S = 0.02
REPLY_DEADLINE_S = 60


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(SKIPPED)


def tool(name, package):
    path = shutil.which(name)
    if path is None:
        skip(f"{name} is not installed: apt-get install {package}")
    return path


def wait_for(condition, what):
    deadline = time.monotonic() + CONDITION_DEADLINE_S
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"not in time: {what}")
        time.sleep(POLL_S)


class ReservedPort:
    """A port of 127.0.0.1 that is bound but not listened on: the system gives it
    to nobody else, and a server that sets SO_REUSEADDR can listen on it."""

    def __init__(self):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("127.0.0.1", 0))
        self.number = self.socket.getsockname()[1]

    def release(self):
        self.socket.close()


class SecondsLeft:
    """What TTL may say of a lifetime that was set after this object was made:
    all of it less the time that has passed, rounded to the nearest second."""

    def __init__(self):
        self.began = time.monotonic()

    def may_be(self, said, lifetime):
        passed = time.monotonic() - self.began
        return lifetime - passed - 0.5 <= said <= lifetime


class Gateway:
    """resp_test_server with the given flags."""

    def __init__(self, binary, *flags):
        self.process = subprocess.Popen(
            [binary, *flags], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True)
        line = self.process.stdout.readline()
        if not line.startswith("port "):
            raise RuntimeError(f"the gateway did not start: {line!r}")
        self.port = int(line.split()[1])

    def resident_bytes(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            for line in status:
                if line.startswith("RssAnon:"):
                    return int(line.split()[1]) * 1024
        return 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            self.process.wait(START_DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise RuntimeError("the gateway did not stop")
        if self.process.returncode != 0:
            raise RuntimeError(
                f"the gateway ended with {self.process.returncode}")


class Redis:
    """Debian's redis-server without persistence, in a directory of its own."""

    def __init__(self):
        binary = tool("redis-server", "redis-server")
        self.directory = tempfile.TemporaryDirectory(prefix="neuroplex-redis-")
        self.reserved = ReservedPort()
        self.port = self.reserved.number
        self.process = subprocess.Popen(
            [binary, "--port", str(self.port), "--bind", "127.0.0.1", "--save",
             "", "--appendonly", "no", "--dir", self.directory.name],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + START_DEADLINE_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if time.monotonic() > deadline:
                    self.process.kill()
                    raise RuntimeError("redis-server did not start")
                time.sleep(POLL_S)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(START_DEADLINE_S)
        self.reserved.release()
        self.directory.cleanup()


class Connection:
    """Speaks RESP without interpreting it: a reply is its bytes."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port),
                                               REPLY_DEADLINE_S)
        self.stream = self.socket.makefile("rb")

    def close(self):
        self.stream.close()
        self.socket.close()

    @staticmethod
    def encode(arguments):
        parts = [b"*%d\r\n" % len(arguments)]
        for argument in arguments:
            if isinstance(argument, str):
                argument = argument.encode("utf-8", "surrogateescape")
            parts.append(b"$%d\r\n%s\r\n" % (len(argument), argument))
        return b"".join(parts)

    def send(self, data):
        self.socket.sendall(data)

    def reply(self):
        line = self.stream.readline()
        kind, rest = line[:1], line[1:].strip()
        if kind in b"$=!" and kind:
            count = int(rest)
            return line if count < 0 else line + self.stream.read(count + 2)
        if kind in b"*~>%" and kind:
            count = max(int(rest), 0) * (2 if kind == b"%" else 1)
            return line + b"".join(self.reply() for _ in range(count))
        return line

    def ask(self, *arguments):
        self.send(self.encode(arguments))
        return self.reply()


def main_binary():
    if len(sys.argv) < 2 or not os.access(sys.argv[1], os.X_OK):
        sys.exit(f"use: {sys.argv[0]} PATH-OF-resp_test_server")
    return sys.argv[1]
