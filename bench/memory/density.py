#!/usr/bin/env python3
"""How much of their memory the segment, memcached and redis-server can use for
mixed sizes, in one run.

Use: bench/memory/density.py PATH-OF-bench_density [--mebibytes N]
    [--volumes N]
Each is filled until it refuses a write for the first time (eviction is off
everywhere), then written on for so many volumes, with 128 random entries erased
at each refusal. Printed is the share of the limit that keys and values take. A
peer that is not installed is passed over, and said so.
"""

import argparse
import json
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time

MEDIAN_LOG, SIGMA = 6.93, 1.39
BATCH = 16
START_S = 30


class Peer:
    """A server on a socket of its own, spoken to in batches."""

    def __init__(self, command, path):
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + START_S
        while True:
            self.socket = socket.socket(socket.AF_UNIX)
            try:
                self.socket.connect(path)
                break
            except OSError:
                self.socket.close()
                if time.monotonic() > deadline:
                    self.stop()
                    sys.exit(f"{command[0]} did not start")
                time.sleep(0.05)
        self.lines = self.socket.makefile("rb")

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def answers(self, request, count):
        self.socket.sendall(request)
        return [self.lines.readline() for _ in range(count)]


class Memcached(Peer):
    name = "memcached"

    def __init__(self, mebibytes, folder):
        path = f"{folder}/memcached"
        super().__init__(["memcached", "-u", "root", "-M", "-m",
                          str(mebibytes), "-s", path], path)

    def store(self, items):
        request = b"".join(b"set %s 0 0 %d\r\n%s\r\n" % (key, len(value), value)
                           for key, value in items)
        return [line.startswith(b"STORED")
                for line in self.answers(request, len(items))]

    def erase(self, keys):
        self.answers(b"".join(b"delete %s\r\n" % key for key in keys),
                     len(keys))


class Redis(Peer):
    name = "redis-server"

    def __init__(self, mebibytes, folder):
        path = f"{folder}/redis"
        super().__init__(["redis-server", "--port", "0", "--unixsocket", path,
                          "--save", "", "--maxmemory", f"{mebibytes}mb",
                          "--maxmemory-policy", "noeviction"], path)

    def store(self, items):
        request = b"".join(
            b"*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n"
            % (len(key), key, len(value), value) for key, value in items)
        return [line.startswith(b"+OK")
                for line in self.answers(request, len(items))]

    def erase(self, keys):
        self.answers(b"".join(b"*2\r\n$3\r\nDEL\r\n$%d\r\n%s\r\n"
                              % (len(key), key) for key in keys), len(keys))


class Filler:
    def __init__(self, peer):
        self.peer = peer
        self.random = random.Random(11)
        self.entries = []
        self.live = self.written = self.last = 0
        self.value = b"v" * 65536

    def write(self):
        """A batch more; False when one of it was refused."""
        items = []
        for _ in range(BATCH):
            self.last += 1
            size = int(min(max(self.random.lognormvariate(MEDIAN_LOG, SIGMA),
                               16), 65536))
            items.append((b"k%011d" % self.last, self.value[:size]))
        good = True
        for (key, value), stored in zip(items, self.peer.store(items)):
            if not stored:
                good = False
                continue
            self.entries.append((key, len(key) + len(value)))
            self.live += len(key) + len(value)
            self.written += len(key) + len(value)
        return good

    def erase_some(self):
        gone = []
        for _ in range(min(128, len(self.entries))):
            place = self.random.randrange(len(self.entries))
            self.entries[place], self.entries[-1] = (self.entries[-1],
                                                     self.entries[place])
            key, size = self.entries.pop()
            self.live -= size
            gone.append(key)
        self.peer.erase(gone)


def measure(peer, mebibytes, volumes):
    work = Filler(peer)
    limit = mebibytes << 20
    while work.write():
        pass
    first = 100 * work.live / limit
    while work.written < (volumes + 1) * limit:
        if not work.write():
            work.erase_some()
    while work.write():
        pass
    return first, 100 * work.live / limit


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program")
    parser.add_argument("--mebibytes", type=int, default=64)
    parser.add_argument("--volumes", type=int, default=10)
    options = parser.parse_args()
    done = subprocess.run([options.program, str(options.mebibytes),
                           str(options.volumes)], text=True,
                          capture_output=True, check=True)
    ours = json.loads(done.stdout)
    print("keys and values over the limit, percent: first refusal, after "
          f"{options.volumes} volumes")
    print(f"segment: {ours['first_refusal']['payload_percent']} "
          f"{ours['after_churn']['payload_percent']}; its blocks: "
          f"{ours['first_refusal']['block_percent']} "
          f"{ours['after_churn']['block_percent']}")
    for kind in (Memcached, Redis):
        if shutil.which(kind.name) is None:
            print(f"{kind.name}: not installed, passed over")
            continue
        with tempfile.TemporaryDirectory() as folder:
            peer = kind(options.mebibytes, folder)
            try:
                first, churned = measure(peer, options.mebibytes,
                                         options.volumes)
            finally:
                peer.stop()
        print(f"{kind.name}: {first:.1f} {churned:.1f}")
    print(f"p99 of a get, ns: {ours['get_p99_ns']['still']} beside a spinning "
          f"thread, {ours['get_p99_ns']['compacting']} beside compaction, "
          f"which moved {ours['get_p99_ns']['moved_bytes']} bytes")


main()
