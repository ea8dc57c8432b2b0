#!/usr/bin/env python3
"""Puts and gets that nodes agree on by Raft, beside etcd (Debian's etcd-server)
or beside PBFT or the hybrid.

Raft and etcd run three processes on this machine, the others four, with their
logs in one directory, and answer a put when a quorum has it on disk
(fdatasync; --directory /dev/shm: in memory). The runs are interleaved: raft,
the other, raft, ...; the medians are shown, and only their ratio says something
about another machine.

usage: agreement.py BUILD-DIRECTORY [--rounds N] [--seconds S]
       [--clients 1,16,64,256] [--directory DIR] [--gets]
       [--against etcd|pbft|hybrid]
"""

import argparse
import json
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def wait_for(what, condition):
    deadline = time.monotonic() + 60
    while True:
        result = condition()
        if result is not None:
            return result
        if time.monotonic() > deadline:
            sys.exit(f"not in time: {what}")
        time.sleep(0.05)


class Servers:
    """Processes that are ended with the object."""

    def __init__(self):
        self.processes = []

    def start(self, arguments, log):
        with open(log, "ab") as output:
            self.processes.append(subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=output,
                stderr=output))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Neuroplex(Servers):
    name = "raft"
    load = "neuroplex"
    nodes = 3

    def __init__(self, build, room):
        super().__init__()
        self.command = str(build / "cli" / "neuroplex")
        basp, resp = free_ports(self.nodes), free_ports(self.nodes)
        self.basp, self.resp = basp, resp
        for i in range(self.nodes):
            home = room / f"node-{i + 1}"
            home.mkdir(parents=True)
            peers = [f"{j + 1}@127.0.0.1:{basp[j]}"
                     for j in range(self.nodes) if j != i]
            self.start(
                [self.command, "serve", "--replica-id", str(i + 1),
                 "--cluster", "bench", "--data-dir", str(home),
                 "--segment-size", "256M", "--port", str(basp[i]),
                 "--resp-port", str(resp[i]), "--worker-threads", "1",
                 "--space", "default:consistency=linearizable",
                 "--agreement", self.name, "--calm", "1s",
                 "--election-timeout", "1s", "--raft-heartbeat", "100ms"]
                + [word for peer in peers for word in ("--peer", peer)],
                room / f"node-{i + 1}.log")

    def leader_port(self):
        def leader():
            shown = subprocess.run(
                [self.command, "raft", "status", "--output", "json", "--node",
                 f"127.0.0.1:{self.basp[0]}"], capture_output=True, text=True)
            if shown.returncode != 0:
                return None
            agreement = json.loads(shown.stdout)
            if not agreement["groups"] or not self.is_ready(agreement):
                return None
            return agreement["groups"][0]["leader"] or None
        return self.resp[wait_for("a leader", leader) - 1]

    def is_ready(self, _agreement):
        return True


class Pbft(Neuroplex):
    name = "pbft"
    nodes = 4


class Hybrid(Pbft):
    name = "hybrid"

    def is_ready(self, agreement):
        return agreement["byzantine"]["mode"] == "raft"


class Etcd(Servers):
    name = "etcd"
    load = "etcd"

    def __init__(self, _build, room):
        super().__init__()
        client, peer = free_ports(3), free_ports(3)
        self.client = client
        cluster = ",".join(f"n{i}=http://127.0.0.1:{peer[i]}" for i in range(3))
        for i in range(3):
            home = room / f"etcd-{i + 1}"
            home.mkdir(parents=True)
            self.start(
                ["etcd", "--name", f"n{i}", "--data-dir", str(home),
                 "--listen-client-urls", f"http://127.0.0.1:{client[i]}",
                 "--advertise-client-urls", f"http://127.0.0.1:{client[i]}",
                 "--listen-peer-urls", f"http://127.0.0.1:{peer[i]}",
                 "--initial-advertise-peer-urls", f"http://127.0.0.1:{peer[i]}",
                 "--initial-cluster", cluster,
                 "--initial-cluster-token", "bench", "--log-level", "error",
                 "--quota-backend-bytes", str(4 << 30)],
                room / f"etcd-{i + 1}.log")

    def leader_port(self):
        def leader():
            for port in self.client:
                shown = subprocess.run(
                    ["etcdctl", "--endpoints", f"127.0.0.1:{port}", "endpoint",
                     "status", "--write-out", "json"],
                    env={"ETCDCTL_API": "3", "PATH": "/usr/bin:/bin"},
                    capture_output=True, text=True)
                if shown.returncode != 0:
                    return None
                status = json.loads(shown.stdout)[0]["Status"]
                if status["leader"] == status["header"]["member_id"]:
                    return port
            return None
        return wait_for("a leader of etcd", leader)


def measure(kind, build, directory, verb, clients, seconds):
    room = pathlib.Path(tempfile.mkdtemp(prefix="agreement-", dir=directory))
    try:
        with kind(build, room) as servers:
            port = servers.leader_port()
            load = [str(build / "bench" / "consensus" / "bench_agreement_load"),
                    kind.load]
            if verb == "get":
                subprocess.run(load + ["put", str(port), "64", "5"], check=True,
                               stdout=subprocess.DEVNULL)
            return {count: json.loads(subprocess.run(
                load + [verb, str(port), str(count), str(seconds)], check=True,
                capture_output=True, text=True).stdout) for count in clients}
    finally:
        shutil.rmtree(room, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--clients", default="1,16,64,256")
    parser.add_argument("--directory", default="/var/tmp")
    parser.add_argument("--gets", action="store_true")
    kinds = {kind.name: kind for kind in (Etcd, Pbft, Hybrid)}
    parser.add_argument("--against", choices=kinds, default="etcd")
    given = parser.parse_args()
    counts = [int(word) for word in given.clients.split(",")]
    verb = "get" if given.gets else "put"
    other = kinds[given.against]
    runs = {Neuroplex: [], other: []}
    for _ in range(given.rounds):
        for kind, results in runs.items():
            results.append(measure(kind, given.build.resolve(), given.directory,
                                   verb, counts, given.seconds))
    def median(kind, count, figure):
        return statistics.median(run[count][figure] for run in runs[kind])
    print(f"{verb}s  clients        raft/s  p50 ms  p99 ms  "
          f"{other.name + '/s':>10}  p50 ms  p99 ms  raft:{other.name}")
    for count in counts:
        ours = [median(Neuroplex, count, name)
                for name in ("ops_per_s", "p50_ms", "p99_ms")]
        theirs = [median(other, count, name)
                  for name in ("ops_per_s", "p50_ms", "p99_ms")]
        print(f"{count:13d} {ours[0]:13.0f} {ours[1]:7.2f} {ours[2]:7.2f}"
              f" {theirs[0]:11.0f} {theirs[1]:7.2f} {theirs[2]:7.2f}"
              f" {ours[0] / theirs[0]:7.2f}")


if __name__ == "__main__":
    main()
