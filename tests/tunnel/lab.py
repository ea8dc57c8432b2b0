"""A laboratory of hosts for the tunnel tests.

Each host is a network namespace with an address of its own; a bridge in another
namespace joins them. Names are unique to the process, and everything is removed
at the end, after a signal too. Needs root and iproute2.
"""

import atexit
import contextlib
import ctypes
import os
import pathlib
import select
import shutil
import signal
import socket
import subprocess
import sys
import time

SKIPPED = 77
PATIENCE_SECONDS = 60
# AddressSanitizer keeps up to 256 MiB of freed memory; tests that watch the
# memory of a program need to see what the program itself keeps.
SANITIZER_OPTIONS = "quarantine_size_mb=1:thread_local_quarantine_size_kb=64"
CLONE_NEWNET = 0x40000000


def skip_unless_possible():
    """Ends the program as skipped, with the reason, where it cannot work."""
    reason = None
    if os.geteuid() != 0:
        reason = "needs root to make network namespaces"
    elif not shutil.which("ip"):
        reason = "needs iproute2 (apt-get install iproute2)"
    else:
        name = f"npprobe{os.getpid()}"
        made = subprocess.run(["ip", "netns", "add", name], text=True,
                              capture_output=True, check=False)
        if made.returncode != 0:
            reason = "cannot make a network namespace: " + made.stderr.strip()
        else:
            subprocess.run(["ip", "netns", "del", name], check=False)
    if reason:
        print("skipped:", reason)
        sys.exit(SKIPPED)


def wait_for(condition, what, seconds=PATIENCE_SECONDS):
    """Waits until condition() is true; its value, or an error naming `what`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        select.select([], [], [], 0.02)


class Process:
    """A program on a host that answers lines of input (tunnel_peer.cpp)."""

    def __init__(self, command):
        self.command = command
        options = ":".join(filter(None, (os.environ.get("ASAN_OPTIONS"),
                                         SANITIZER_OPTIONS)))
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True,
                                        env=os.environ
                                        | {"ASAN_OPTIONS": options})
        first = self.read_line()
        if not first.startswith("ready "):
            raise AssertionError(f"{command}: answered {first!r}")
        self.port = int(first.split()[1])

    def read_line(self):
        ready, _, _ = select.select([self.process.stdout], [], [],
                                    PATIENCE_SECONDS)
        if not ready:
            raise AssertionError(f"{self.command}: silent")
        return self.process.stdout.readline().rstrip("\n")

    def stats(self):
        return self.ask("stats")

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        result = {}
        while True:
            # The lines of one answer are in the reader's buffer together.
            line = self.process.stdout.readline().rstrip("\n")
            if line in ("end", ""):
                return result
            name, _, value = line.partition(" ")
            result[name] = int(value) if value.isdigit() else value

    def count(self, name):
        return self.stats().get(name, 0)

    @property
    def pid(self):
        return self.process.pid

    def alive(self):
        return self.process.poll() is None

    def resident_kib(self):
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text(
                encoding="ascii").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise AssertionError("no VmRSS")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text(
            encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        if self.alive():
            with contextlib.suppress(OSError):
                self.process.stdin.close()
            try:
                self.process.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError(f"{self.command}: did not stop") from None
        self.process.stdout.close()
        return self.process.returncode


class Host:
    def __init__(self, name, address):
        self.name = name
        self.address = address

    def command(self, *arguments):
        return ["ip", "netns", "exec", self.name, *map(str, arguments)]

    def start(self, *arguments):
        return Process(self.command(*arguments))

    def run(self, *arguments, **options):
        return subprocess.run(self.command(*arguments), text=True, check=False,
                              capture_output=True, **options)

    @contextlib.contextmanager
    def inside(self):
        """Sockets made meanwhile belong to this host."""
        libc = ctypes.CDLL(None, use_errno=True)

        def enter(path):
            handle = os.open(path, os.O_RDONLY)
            try:
                if libc.setns(handle, CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), f"setns {path}")
            finally:
                os.close(handle)

        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            enter(f"/var/run/netns/{self.name}")
            yield
        finally:
            enter(f"/proc/self/fd/{home}")
            os.close(home)

    def connect(self, address, port):
        with self.inside():
            return socket.create_connection((address, port), PATIENCE_SECONDS)


class Lab:
    def __init__(self, host_count):
        self.prefix = f"np{os.getpid()}"
        self.namespaces = []
        self.processes = []
        atexit.register(self.close)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: sys.exit(1))
        switch = self.namespace("sw")
        self.ip("-n", switch, "link", "add", "bridge", "type", "bridge")
        self.ip("-n", switch, "link", "set", "bridge", "up")
        self.switch = switch
        self.hosts = [self.host(number) for number in range(1, host_count + 1)]

    def ip(self, *arguments):
        subprocess.run(["ip", *arguments], check=True)

    def namespace(self, suffix):
        name = self.prefix + suffix
        self.ip("netns", "add", name)
        self.namespaces.append(name)
        return name

    def host(self, number):
        name = self.namespace(f"h{number}")
        self.ip("-n", self.switch, "link", "add", f"port{number}", "type",
                "veth", "peer", "name", "eth0", "netns", name)
        self.ip("-n", self.switch, "link", "set", f"port{number}", "master",
                "bridge", "up")
        address = f"10.77.0.{number}"
        self.ip("-n", name, "address", "add", f"{address}/24", "dev", "eth0")
        self.ip("-n", name, "link", "set", "lo", "up")
        self.ip("-n", name, "link", "set", "eth0", "up")
        return Host(name, address)

    def cut(self, number):
        """Pulls the cable of a host, counted from 1."""
        self.ip("-n", self.switch, "link", "set", f"port{number}", "down")

    def mend(self, number):
        self.ip("-n", self.switch, "link", "set", f"port{number}", "up")

    def start(self, host, *arguments):
        process = host.start(*arguments)
        self.processes.append(process)
        return process

    def close(self):
        for process in self.processes:
            if process.alive():
                process.process.kill()
                process.process.wait()
            process.process.stdin.close()
            process.process.stdout.close()
        self.processes = []
        for name in reversed(self.namespaces):
            subprocess.run(["ip", "netns", "del", name], check=False)
        self.namespaces = []
