"""Three nodes with replicas of database 0, as clients of Redis see them, and of
a concept memory: every node writes and teaches, all converge, also over a
SIGKILL, a wiped disk and a partition.

Use: replicas_test.py PATH-OF-neuroplex [all | partition | wordnet]

`wordnet` measures how long WordNet, taught at one node, takes to be known at
the others; it is no test.

`partition` runs each node on a host of its own, a network namespace, with the
tunnel between them, which iptables interrupts; it needs root, ip and iptables.
"""

import atexit
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from harness import (Connection, ReservedPort, main_binary, skip, wait_for)

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "tunnel"))
import lab  # noqa: E402  (hosts that are network namespaces)


def expect(got, wanted):
    if got != wanted:
        sys.exit(f"expected {wanted!r}, got {got!r}")


def expect_in(wanted, got):
    if wanted not in got:
        sys.exit(f"expected {wanted!r} in {got!r}")


class Nodes:
    """Nodes 1 to 3 of a cluster, all on this host."""

    def __init__(self, program, spaces):
        self.program = program
        self.spaces = spaces
        self.root = tempfile.mkdtemp(prefix="neuroplex-replicas-")
        self.processes = [None] * 3
        atexit.register(self.kill_all)
        for which in range(3):
            os.mkdir(self.home(which))
        self.choose_ports()

    def choose_ports(self):
        self.reserved = [[ReservedPort() for _ in range(3)] for _ in range(2)]
        self.basp, self.resp = ([port.number for port in ports]
                                for ports in self.reserved)

    def home(self, which):
        return os.path.join(self.root, str(which + 1))

    def address(self, which):
        return f"127.0.0.1:{self.basp[which]}"

    def at_host(self, _, words):
        return words

    def links(self, which):
        """How a node is reached by the others, and reaches them."""
        return [word for other in range(3) if other != which
                for word in ("--peer", f"{other + 1}@{self.address(other)}")]

    def start(self, which):
        words = [self.program, "serve", "--replica-id", str(which + 1),
                 "--cluster", "replicas", "--data-dir", self.home(which),
                 "--segment-size", "16M", "--worker-threads", "1",
                 "--port", str(self.basp[which]),
                 "--resp-port", str(self.resp[which]),
                 "--reconnect", "100ms", "--request-timeout", "20s",
                 "--concepts", "true", "--concept-replication", "replicas",
                 "--space", ",".join(self.spaces), *self.links(which)]
        with open(os.path.join(self.home(which), "output"), "ab") as output:
            self.processes[which] = subprocess.Popen(
                self.at_host(which, words), stdin=subprocess.DEVNULL,
                stdout=output, stderr=output)
        wait_for(lambda: self.serves(which), f"node {which + 1} serves")

    def serves(self, which):
        if self.processes[which].poll() is not None:
            with open(os.path.join(self.home(which), "output")) as output:
                sys.exit(f"node {which + 1} has ended: {output.read()}")
        try:
            way = self.connect(which)
            answered = way.ask("PING") == b"+PONG\r\n"
            way.close()
            return answered
        except OSError:
            return False

    def connect(self, which):
        return Connection(self.resp[which])

    def kill(self, which):
        self.processes[which].send_signal(signal.SIGKILL)
        self.processes[which].wait()

    def kill_all(self):
        for process in self.processes:
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()

    def run(self, which, *words, text=None):
        """A command of an operator on the host of a node, about that node."""
        words = [self.program, *words, "--node", self.address(which)]
        return subprocess.run(self.at_host(which, words), capture_output=True,
                              text=True, check=False, input=text)

    def command(self, which, *words, text=None):
        done = self.run(which, *words, text=text)
        if done.returncode != 0:
            sys.exit(f"{words}: {done.stderr}")
        return done.stdout

    def replicas(self, which):
        """What node `which` says of its replicas."""
        return json.loads(self.command(which, "crdt", "status", "--output",
                                       "json"))["replicas"]

    def replica(self, which, space="default"):
        return next(one for one in self.replicas(which)
                    if one["space"] == space)

    def concept(self, which, *words, text=None):
        return json.loads(self.command(which, "concept", *words, "--output",
                                       "json", text=text))

    def teach(self, which, *things):
        """Things are names of concepts, and (source, target) associations."""
        return self.concept(which, "load", "jsonl", "-", text="\n".join(
            json.dumps({"id": thing, "content": f"about {thing}"}
                       if isinstance(thing, str) else
                       {"source": thing[0], "target": thing[1], "type": "to"})
            for thing in things))

    def strength(self, which, name):
        found = self.run(which, "concept", "show", name, "--output", "json")
        return json.loads(found.stdout)["concepts"][0]["strength"] \
            if found.returncode == 0 else None

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


def same_graph(nodes, count):
    """All nodes show the same concepts and associations; digits tell."""
    def agree():
        found = [nodes.concept(which, "stats") for which in range(3)]
        return all(one["concepts"] == count for one in found) and len(
            {nodes.concept(which, "digest")["digest"]
             for which in range(3)}) == 1
    wait_for(agree, f"{count} concepts in the same graph at all nodes")


def every_node_teaches(nodes):
    for which in range(3):
        nodes.teach(which, f"here{which}", f"there{which}",
                    (f"here{which}", f"there{which}"))
    same_graph(nodes, 6)
    nodes.teach(2, ("there0", "here1"))
    nodes.concept(0, "strengthen", "here1", "1.5")
    nodes.concept(1, "forget", "here2")
    same_graph(nodes, 5)
    expect([nodes.strength(which, "here1") for which in range(3)], [2.5] * 3)
    steps = nodes.concept(1, "path", "here0", "there1")["paths"][0]["steps"]
    expect([one["concept"] for one in steps],
           ["here0", "there0", "here1", "there1"])
    refused = nodes.run(0, "concept", "load", "jsonl", "-",
                        text='{"source":"here0","target":"?","type":"to"}')
    expect_in("1 line was refused", refused.stderr)


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
    nodes.teach(0, "meanwhile", ("there1", "meanwhile"))
    nodes.start(1)
    ways[1] = nodes.connect(1)
    same(ways, b":201\r\n", "SCARD", "log")
    same_graph(nodes, 6)


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
    nodes.teach(2, "again")
    same_graph(nodes, 7)


def compared(nodes):
    shown = json.loads(nodes.command(0, "crdt", "verify", "--output", "json"))
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


def in_shards(nodes):
    """Keys are spread over four parts, and every command sees all of them."""
    ways = [nodes.connect(which) for which in range(3)]
    for which, way in enumerate(ways):
        expect(way.ask("SELECT", "3"), b"+OK\r\n")
        for number in range(20):
            expect(way.ask("SADD", f"set{number}", f"member{which}"),
                   b":1\r\n")
    same(ways, b":20\r\n", "DBSIZE")
    for number in range(20):
        same(ways, b":3\r\n", "SCARD", f"set{number}")
    expect(ways[1].ask("KEYS", "*")[:5], b"*20\r\n")
    expect(ways[2].ask("DEL", *(f"set{number}" for number in range(19))),
           b":19\r\n")
    same(ways, b":1\r\n", "DBSIZE")
    shards = [one for one in nodes.replicas(0) if one["space"] == "db3"]
    expect([one["shard"] for one in shards], [0, 1, 2, 3])
    expect(sum(one["keys"] for one in shards), 1)
    expect(all(one["recorded"] > 0 for one in shards), True)
    expect_in(b"shards=1", ways[0].ask("SESSION.TOKEN"))


def run_all(program):
    nodes = Nodes(program, [
        "default:consistency=eventual", "db1:consistency=causal",
        "db2:consistency=bounded_staleness:staleness=2s:stale_reads=refuse",
        "db3:consistency=eventual:shards=4"])
    for which in range(3):
        nodes.start(which)
    ways = [nodes.connect(which) for which in range(3)]
    every_node_writes(nodes, ways)
    every_node_teaches(nodes)
    killed(nodes, ways)
    wiped(nodes, ways)
    wait_for(lambda: compared(nodes), "no node differs")
    sessions(nodes)
    bounded(nodes)
    in_shards(nodes)
    nodes.command(0, "crdt", "resolve")
    nodes.close()
    print("three nodes write, and converge over SIGKILL and a wiped disk")


class Hosts(Nodes):
    """Each node on a host of its own; mutual TLS between them."""

    def __init__(self, program, spaces):
        self.lab = lab.Lab(3)
        super().__init__(program, spaces)
        self.certificates = os.path.join(self.root, "certs")
        os.mkdir(self.certificates)
        for words in (["ca"], *(["node", "--replica-id", str(number)]
                                for number in (1, 2, 3))):
            subprocess.run([program, "cert", *words, "--out",
                            self.certificates], check=True,
                           stdout=subprocess.DEVNULL)

    def choose_ports(self):
        # Nobody else is on such a host.
        self.basp, self.resp, self.tunnel = [7400] * 3, [6379] * 3, 7401

    def at_host(self, which, words):
        return self.lab.hosts[which].command(*words)

    def links(self, which):
        certificate = os.path.join(self.certificates, f"replica-{which + 1}")
        words = ["--tunnel", "true", "--tunnel-port", str(self.tunnel),
                 "--tunnel-ca", os.path.join(self.certificates, "ca.pem"),
                 "--tunnel-certificate", certificate + ".pem",
                 "--tunnel-key", certificate + ".key"]
        for other, host in enumerate(self.lab.hosts):
            if other != which:
                words += ["--peer", f"{other + 1}@{host.address}:{self.tunnel}"]
        return words

    def connect(self, which):
        with self.lab.hosts[which].inside():
            return super().connect(which)

    def drop(self, which, other=None):
        """A host hears nothing more, and says nothing, to another or at all."""
        rules = (["-i", "eth0"], ["-o", "eth0"])
        if other is not None:
            address = self.lab.hosts[other].address
            rules = (["-s", address], ["-d", address])
        for chain, rule in zip(("INPUT", "OUTPUT"), rules):
            self.iptables(which, "-A", chain, *rule, "-j", "DROP")

    def iptables(self, which, *words):
        done = self.lab.hosts[which].run("iptables", "-w", *words)
        if done.returncode != 0:
            sys.exit(f"iptables {words}: {done.stderr}")

    def mend(self, which):
        self.iptables(which, "-F")


def both_sides_write(nodes, ways):
    """One host is cut off; both sides go on, and converge once it is back."""
    for number in range(2000):
        ways[0].send(Connection.encode(["SADD", "s", f"before{number}"]))
    for _ in range(2000):
        expect(ways[0].reply(), b":1\r\n")
    same(ways, b":2000\r\n", "SCARD", "s")
    nodes.teach(0, "ship", *(f"old{number}" for number in range(500)))
    same_graph(nodes, 501)
    nodes.drop(2)
    for which, side in ((0, "left"), (2, "right")):
        nodes.teach(which, *(f"{side}{number}" for number in range(50)),
                    ("ship", f"{side}0"))
        nodes.concept(which, "strengthen", "ship", "2")
    nodes.concept(0, "forget", "old0")
    for number in range(100):
        expect(ways[0].ask("SADD", "s", f"left{number}"), b":1\r\n")
        expect(ways[2].ask("SADD", "s", f"right{number}"), b":1\r\n")
        expect(ways[2].ask("INCRBY", "n", "1")[:1], b":")
        expect(ways[1].ask("INCRBY", "n", "1")[:1], b":")
    same(ways[:2], b":2100\r\n", "SCARD", "s")
    expect(ways[2].ask("SCARD", "s"), b":2100\r\n")
    expect(ways[2].ask("SISMEMBER", "s", "left99"), b":0\r\n")
    before = nodes.bytes_sent(0, 1, 2)
    nodes.mend(2)
    healed = time.monotonic()
    same(ways, b":2200\r\n", "SCARD", "s")
    same(ways, b"$3\r\n200\r\n", "GET", "n")
    took = time.monotonic() - healed
    spent = nodes.bytes_sent(0, 1, 2) - before
    same_graph(nodes, 600)
    expect([nodes.strength(which, "ship") for which in range(3)], [5.0] * 3)
    whole = nodes.replica(0)["fact_bytes"]
    print(f"both sides wrote 200 times; {took:.2f} s after the heal all nodes "
          f"had all, for {spent} bytes; the whole state has {whole}")
    wait_for(lambda: compared(nodes), "no node differs")


def a_fresher_node_answers(nodes, bound_ms):
    """A node that does not hear of one of the others is too old to answer a
    read, and forwards it to the one that hears of all."""
    ways = [nodes.connect(which) for which in range(3)]
    for way in ways:
        expect(way.ask("SELECT", "1"), b"+OK\r\n")
    expect(ways[0].ask("SET", "k", "old"), b"+OK\r\n")
    same(ways, b"$3\r\nold\r\n", "GET", "k")

    def age_of_third():
        return nodes.replica(0, "db1")["peers"][1]["age_ms"]

    wait_for(lambda: age_of_third() >= 0, "node 1 has heard of node 3")
    nodes.drop(0, 2)
    wait_for(lambda: age_of_third() > bound_ms, "node 1 is behind node 3")
    same(ways, b"$3\r\nold\r\n", "GET", "k")
    same(ways, b":3\r\n", "STRLEN", "k")
    wait_for(lambda: nodes.run(0, "get", "k", "--namespace", "db1").stdout
             .startswith("old"), "a plain value by a fresher node")
    expect(age_of_third() > bound_ms, True)
    nodes.mend(0)
    wait_for(lambda: 0 <= age_of_third() <= bound_ms, "node 1 is fresh again")


def run_partition(program):
    lab.skip_unless_possible()
    if not shutil.which("iptables") or subprocess.run(
            ["iptables", "-L", "-n"], capture_output=True,
            check=False).returncode != 0:
        skip("needs iptables, and the right to use it")
    bound_ms = 2000
    nodes = Hosts(program, [
        "default:consistency=eventual",
        "db1:consistency=bounded_staleness:stale_reads=forward:"
        f"staleness={bound_ms}ms"])
    for which in range(3):
        nodes.start(which)
    both_sides_write(nodes, [nodes.connect(which) for which in range(3)])
    a_fresher_node_answers(nodes, bound_ms)
    nodes.close()


def resident_mib(process):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) // 1024 for line in status
                    if line.startswith("RssAnon:"))


def measure_wordnet(program):
    nodes = Nodes(program, ["default:consistency=eventual"])
    for which in range(3):
        nodes.start(which)
    before = [resident_mib(process) for process in nodes.processes]
    began = time.monotonic()
    learnt = nodes.concept(0, "load", "wordnet")
    taught = time.monotonic()
    same_graph(nodes, learnt["concepts"])
    same = time.monotonic()
    replica = nodes.replica(0, ".concepts")
    grown = [resident_mib(process) - idle
             for process, idle in zip(nodes.processes, before)]
    nodes.kill(1)
    killed = time.monotonic()
    nodes.start(1)
    print(f"{learnt['concepts']} concepts and {learnt['edges']} associations, "
          f"taught at node 1 in {taught - began:.1f} s, the same graph at "
          f"nodes 2 and 3 {same - taught:.1f} s later; node 1 has "
          f"{replica['facts']} facts with {replica['fact_bytes'] / 1e6:.1f} MB "
          f"of names and values, has sent {replica['bytes_sent'] / 1e6:.1f} MB "
          f"to both; memory has grown by {grown} MiB; node 2 answers again "
          f"{time.monotonic() - killed:.1f} s after a SIGKILL")
    same_graph(nodes, learnt["concepts"])
    nodes.close()


if __name__ == "__main__":
    {"partition": run_partition, "wordnet": measure_wordnet}.get(
        "".join(sys.argv[2:]), run_all)(main_binary())
