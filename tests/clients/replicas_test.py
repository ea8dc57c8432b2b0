"""Three nodes with replicas of database 0, as clients of Redis see them: every
node writes, all converge, also over a SIGKILL, a wiped disk and a partition.

Use: replicas_test.py PATH-OF-neuroplex [all | partition]

`partition` runs the nodes in a network of its own, in which iptables drops what
one node says to the others; it needs root, ip and iptables.
"""

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from harness import (Connection, ReservedPort, main_binary, skip, wait_for)

CLONE_NEWNET = 0x40000000
# Of node 3 where it is to be cut off: iptables can tell its packets by it.
CUT_OFF_GROUP = 4321


def expect(got, wanted):
    if got != wanted:
        sys.exit(f"expected {wanted!r}, got {got!r}")


def expect_in(wanted, got):
    if wanted not in got:
        sys.exit(f"expected {wanted!r} in {got!r}")


class Nodes:
    """Nodes 1 to 3 of a cluster."""

    def __init__(self, program, spaces, third_group=None):
        self.program = program
        self.groups = [None, None, third_group]
        self.spaces = spaces
        self.root = tempfile.mkdtemp(prefix="neuroplex-replicas-")
        self.basp = [ReservedPort() for _ in range(3)]
        self.resp = [ReservedPort() for _ in range(3)]
        self.processes = [None] * 3
        for which in range(3):
            os.mkdir(self.home(which))

    def home(self, which):
        return os.path.join(self.root, str(which + 1))

    def address(self, which):
        return f"127.0.0.1:{self.basp[which].number}"

    def start(self, which):
        words = [self.program, "serve", "--replica-id", str(which + 1),
                 "--cluster", "replicas", "--data-dir", self.home(which),
                 "--segment-size", "16M", "--worker-threads", "1",
                 "--port", str(self.basp[which].number),
                 "--resp-port", str(self.resp[which].number),
                 "--reconnect", "100ms", "--request-timeout", "20s",
                 "--space", ",".join(self.spaces)]
        for other in range(3):
            if other != which:
                words += ["--peer", f"{other + 1}@{self.address(other)}"]
        with open(os.path.join(self.home(which), "output"), "ab") as output:
            self.processes[which] = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                group=self.groups[which])
        wait_for(lambda: self.serves(which), f"node {which + 1} serves")

    def serves(self, which):
        if self.processes[which].poll() is not None:
            with open(os.path.join(self.home(which), "output")) as output:
                sys.exit(f"node {which + 1} has ended: {output.read()}")
        try:
            way = Connection(self.resp[which].number)
            answered = way.ask("PING") == b"+PONG\r\n"
            way.close()
            return answered
        except OSError:
            return False

    def connect(self, which):
        return Connection(self.resp[which].number)

    def kill(self, which):
        self.processes[which].send_signal(signal.SIGKILL)
        self.processes[which].wait()

    def command(self, *words):
        done = subprocess.run([self.program, *words], capture_output=True,
                              text=True)
        if done.returncode != 0:
            sys.exit(f"{words}: {done.stderr}")
        return done.stdout

    def replica(self, which):
        """What node `which` says of its first replica."""
        shown = json.loads(self.command("crdt", "status", "--node",
                                        self.address(which), "--output",
                                        "json"))
        return shown["replicas"][0]

    def bytes_sent(self, *whose):
        return sum(self.replica(which)["bytes_sent"] for which in whose)

    def close(self):
        for process in self.processes:
            if process is not None and process.poll() is None:
                process.terminate()
        for which, process in enumerate(self.processes):
            if process is None:
                continue
            process.wait(60)
            if process.returncode not in (0, -signal.SIGKILL):
                with open(os.path.join(self.home(which), "output")) as output:
                    sys.exit(f"a node ended with {process.returncode}: "
                             f"{output.read()}")
        shutil.rmtree(self.root)


def same(ways, wanted, *words):
    wait_for(lambda: all(way.ask(*words) == wanted for way in ways),
             f"{words} is {wanted!r} at all nodes")


def every_node_writes(nodes, ways):
    for which, way in enumerate(ways):
        expect(way.ask("INCRBY", "hits", str(which + 1)).startswith(b":"), True)
        expect(way.ask("SADD", "crew", f"sailor{which}", "cook")[:1], b":")
        expect(way.ask("HSET", "ship", f"deck{which}", "oak"), b":1\r\n")
        expect(way.ask("HINCRBY", "ship", "ropes", "2")[:1], b":")
        expect(way.ask("SET", f"name{which}", f"value{which}"), b"+OK\r\n")
    same(ways, b"$1\r\n6\r\n", "GET", "hits")
    same(ways, b":4\r\n", "SCARD", "crew")
    same(ways, b":4\r\n", "HLEN", "ship")
    same(ways, b"$1\r\n6\r\n", "HGET", "ship", "ropes")
    same(ways, b"*3\r\n$6\r\nvalue0\r\n$6\r\nvalue1\r\n$6\r\nvalue2\r\n",
         "MGET", "name0", "name1", "name2")
    same(ways, b":6\r\n", "DBSIZE")
    way = ways[0]
    way.ask("SADD", "guests", "cook", "owner")
    expect(way.ask("SINTER", "crew", "guests"), b"*1\r\n$4\r\ncook\r\n")
    expect(way.ask("TYPE", "ship"), b"+hash\r\n")
    expect_in(b"WRONGTYPE", way.ask("INCRBY", "crew", "1"))
    expect_in(b"consistency=linearizable", way.ask("SETNX", "a", "b"))
    expect_in(b"consistency=linearizable", way.ask("INCR", "hits"))
    expect_in(b"consistency=linearizable", way.ask("MULTI"))
    expect(way.ask("DEL", "guests"), b":1\r\n")
    same(ways, b":6\r\n", "DBSIZE")


def killed(nodes, ways):
    """What was answered is there after SIGKILL, and what came meanwhile too."""
    for number in range(200):
        expect(ways[1].ask("SADD", "log", f"entry{number}"), b":1\r\n")
    nodes.kill(1)
    expect(ways[0].ask("SADD", "log", "meanwhile"), b":1\r\n")
    nodes.start(1)
    ways[1] = nodes.connect(1)
    same(ways, b":201\r\n", "SCARD", "log")


def wiped(nodes, ways):
    """A node without its disk gets all from the others, as somebody else."""
    before = nodes.replica(2)["incarnation"]
    nodes.kill(2)
    shutil.rmtree(nodes.home(2))
    os.mkdir(nodes.home(2))
    nodes.start(2)
    ways[2] = nodes.connect(2)
    same(ways, b":201\r\n", "SCARD", "log")
    if nodes.replica(2)["incarnation"] <= before:
        sys.exit("a node whose disk was wiped has the incarnation it had")
    expect(ways[2].ask("SADD", "log", "again"), b":1\r\n")
    same(ways, b":202\r\n", "SCARD", "log")


def compared(nodes):
    shown = json.loads(nodes.command("crdt", "verify", "--node",
                                     nodes.address(0), "--output", "json"))
    return all(one["answered"] and one["differing"] == 0
               for one in shown["nodes"])


def sessions(nodes):
    """A session goes on at another node only with all that it has seen."""
    ways = [nodes.connect(which) for which in range(3)]
    for way in ways:
        expect(way.ask("SELECT", "1"), b"+OK\r\n")
    expect(ways[0].ask("SET", "step", "one"), b"+OK\r\n")
    token = ways[0].ask("SESSION.TOKEN").split(b"\r\n")[1]
    expect(ways[2].ask("SESSION.AFTER", token), b"+OK\r\n")
    expect(ways[2].ask("GET", "step"), b"$3\r\none\r\n")
    expect_in(b"token", ways[2].ask("SESSION.AFTER", "zz"))


def bounded(nodes):
    """A read is fresh while all nodes are there, and refused soon after."""
    way = nodes.connect(0)
    expect(way.ask("SELECT", "2"), b"+OK\r\n")
    expect(way.ask("SET", "k", "v"), b"+OK\r\n")
    wait_for(lambda: way.ask("GET", "k") == b"$1\r\nv\r\n", "a fresh read")
    nodes.kill(1)
    wait_for(lambda: way.ask("GET", "k").startswith(b"-UNAVAILABLE"),
             "a read that would be too old is refused")
    expect(way.ask("SET", "k", "w"), b"+OK\r\n")
    nodes.start(1)
    wait_for(lambda: way.ask("GET", "k") == b"$1\r\nw\r\n", "a fresh read again")


def run_all(program):
    nodes = Nodes(program, [
        "default:consistency=eventual", "db1:consistency=causal",
        "db2:consistency=bounded_staleness:staleness=2s:stale_reads=refuse"])
    for which in range(3):
        nodes.start(which)
    ways = [nodes.connect(which) for which in range(3)]
    every_node_writes(nodes, ways)
    killed(nodes, ways)
    wiped(nodes, ways)
    wait_for(lambda: compared(nodes), "no node differs")
    sessions(nodes)
    bounded(nodes)
    nodes.command("crdt", "resolve", "--node", nodes.address(0))
    nodes.close()
    print("three nodes write, and converge over SIGKILL and a wiped disk")


def enter_own_network():
    if os.geteuid() != 0 or not shutil.which("ip") \
            or not shutil.which("iptables"):
        skip("needs root, ip and iptables")
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        skip("no network of its own is allowed here")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    if subprocess.run(["iptables", "-L", "-n"], capture_output=True,
                      check=False).returncode != 0:
        skip("iptables does not work here")


def sockets_between(nodes, which):
    """Local ports of all connections between a node and the others."""
    ports = set()
    listeners = {port.number for port in nodes.basp}
    pid = nodes.processes[which].pid
    inodes = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{name}")
        except OSError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    with open(f"/proc/{pid}/net/tcp") as table:
        for line in list(table)[1:]:
            words = line.split()
            if words[9] in inodes:
                local = int(words[1].split(":")[1], 16)
                remote = int(words[2].split(":")[1], 16)
                if remote in listeners or local in listeners:
                    ports.add((local, remote))
    return ports


def run_partition(program):
    enter_own_network()
    nodes = Nodes(program, ["default:consistency=eventual"], CUT_OFF_GROUP)
    for which in range(3):
        nodes.start(which)
    ways = [nodes.connect(which) for which in range(3)]
    for number in range(2000):
        ways[0].send(Connection.encode(["SADD", "s", f"before{number}"]))
    for _ in range(2000):
        expect(ways[0].reply(), b":1\r\n")
    same(ways, b":2000\r\n", "SCARD", "s")

    third_before = nodes.bytes_sent(2)
    # Node 3 is cut off: its connections, and those that might be made.
    rules = [["--dport", str(nodes.basp[2].number)]]
    for local, remote in sockets_between(nodes, 2):
        rules.append(["--sport", str(local), "--dport", str(remote)])
        rules.append(["--sport", str(remote), "--dport", str(local)])
    for other in range(2):
        rules.append(["--dport", str(nodes.basp[other].number), "-m", "owner",
                      "--gid-owner", str(CUT_OFF_GROUP)])
    for rule in rules:
        subprocess.run(["iptables", "-A", "OUTPUT", "-p", "tcp", *rule, "-j",
                        "DROP"], check=True)
    for number in range(100):
        expect(ways[0].ask("SADD", "s", f"left{number}"), b":1\r\n")
        expect(ways[2].ask("SADD", "s", f"right{number}"), b":1\r\n")
        expect(ways[2].ask("INCRBY", "n", "1")[:1], b":")
        expect(ways[1].ask("INCRBY", "n", "1")[:1], b":")
    same(ways[:2], b":2100\r\n", "SCARD", "s")
    expect(ways[2].ask("SCARD", "s"), b":2100\r\n")
    expect(ways[2].ask("SISMEMBER", "s", "left99"), b":0\r\n")
    before = nodes.bytes_sent(0, 1) + third_before
    subprocess.run(["iptables", "-F", "OUTPUT"], check=True)
    healed = time.monotonic()
    same(ways, b":2200\r\n", "SCARD", "s")
    same(ways, b"$3\r\n200\r\n", "GET", "n")
    took = time.monotonic() - healed
    print(f"both sides wrote 200 times; {took:.2f} s after the heal all nodes "
          f"had all, for {nodes.bytes_sent(0, 1, 2) - before} bytes")
    wait_for(lambda: compared(nodes), "no node differs")
    nodes.close()


if __name__ == "__main__":
    run_partition(main_binary()) if sys.argv[2:] == ["partition"] \
        else run_all(main_binary())
