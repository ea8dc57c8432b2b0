#!/usr/bin/env python3
"""How long four nodes of a hybrid group answer nothing while the mode is
switched under load, and whether each increment that was answered is there once.

Clients count on all four nodes. Again and again an operator asks two of the
nodes for PBFT, which ends an epoch by Raft, and the group goes back to Raft by
itself.

usage: mode_switch.py BUILD-DIRECTORY [--switches N] [--clients N]
       [--directory DIR]
"""

import argparse
import json
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

from agreement import Hybrid, wait_for


def ask(connection, line):
    connection.sendall(line)
    return connection.makefile("rb").readline()


class Counter(threading.Thread):
    """Increments one key until it is told to end."""

    def __init__(self, port):
        super().__init__()
        self.connection = socket.create_connection(("127.0.0.1", port))
        self.answered_at = []
        self.unknown = 0
        self.ended = False

    def run(self):
        replies = self.connection.makefile("rb")
        while not self.ended:
            self.connection.sendall(b"INCR n\r\n")
            if replies.readline().startswith(b":"):
                self.answered_at.append(time.monotonic())
            else:
                self.unknown += 1


def status(servers):
    shown = subprocess.run(
        [servers.command, "raft", "status", "--output", "json", "--node",
         f"127.0.0.1:{servers.basp[2]}"], capture_output=True, text=True)
    return json.loads(shown.stdout)["byzantine"] if shown.returncode == 0 else {}


def switch(servers):
    def by_raft():
        now = status(servers)
        return now["epoch"] if now.get("mode") == "raft" else None
    epoch = wait_for("an epoch by Raft", by_raft)
    for port in servers.basp[:2]:
        subprocess.run([servers.command, "raft", "pbft", "--node",
                        f"127.0.0.1:{port}"], check=True,
                       stdout=subprocess.DEVNULL)
    wait_for("its end",
             lambda: status(servers).get("epoch", epoch) > epoch or None)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--switches", type=int, default=4)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--directory", default="/var/tmp")
    given = parser.parse_args()
    room = pathlib.Path(tempfile.mkdtemp(prefix="switch-", dir=given.directory))
    try:
        with Hybrid(given.build.resolve(), room) as servers:
            servers.leader_port()
            counters = [Counter(servers.resp[i % servers.nodes])
                        for i in range(given.clients)]
            for one in counters:
                one.start()
            for _ in range(given.switches):
                switch(servers)
            wait_for("Raft at the end", lambda: (
                status(servers).get("mode") == "raft" or None))
            for one in counters:
                one.ended = True
            for one in counters:
                one.join()
            with socket.create_connection(
                    ("127.0.0.1", servers.resp[3])) as last:
                total = int(ask(last, b"INCRBY n 0\r\n")[1:])
    finally:
        shutil.rmtree(room, ignore_errors=True)
    times = sorted(at for one in counters for at in one.answered_at)
    unknown = sum(one.unknown for one in counters)
    gaps = sorted(1000 * (b - a) for a, b in zip(times, times[1:]))
    print(f"{2 * given.switches} switches, {len(times)} answered, {unknown} "
          f"unknown, {total} counted; longest gaps "
          + ", ".join(f"{gap:.0f}" for gap in gaps[-2 * given.switches:])
          + f" ms, median {gaps[len(gaps) // 2]:.2f} ms")
    if not len(times) <= total <= len(times) + unknown:
        sys.exit("what was answered is not what was counted")


if __name__ == "__main__":
    main()
