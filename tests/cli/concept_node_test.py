#!/usr/bin/env python3
"""`neuroplex concept --node`: a node that learns by messages answers as a folder
does, and after a SIGKILL amid a burst it knows all that it had acknowledged.

usage: concept_node_test.py PATH-OF-NEUROPLEX
"""

import concurrent.futures
import json
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

DEADLINE_S = 300
LESSON = 20  # concepts of one lesson of the burst
ACKNOWLEDGED = 12  # lessons before the node is killed


class Node:
    """`neuroplex serve` with a concept memory in a directory of its own."""

    def __init__(self, program, home):
        self.program = program
        self.home = home
        self.process = None
        self.address = None

    def start(self):
        ready = self.home / "ready"
        ready.unlink(missing_ok=True)
        with open(self.home / "output", "ab") as output:
            self.process = subprocess.Popen(
                [self.program, "serve", "--data-dir", self.home,
                 "--segment-size", "4M", "--worker-threads", "2",
                 "--port", "auto", "--resp-port", "off",
                 "--connection-timeout", "60s", "--ready-file", ready,
                 "--concepts", "true", "--concept-durability", "log"],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        until = time.monotonic() + DEADLINE_S
        while not ready.exists():
            assert self.process.poll() is None, "the node has ended"
            assert time.monotonic() < until, "the node does not become ready"
            time.sleep(0.01)
        port = json.loads(ready.read_text())["basp_port"]
        self.address = f"127.0.0.1:{port}"

    def end(self, number):
        self.process.send_signal(number)
        return self.process.wait(DEADLINE_S)

    def concept(self, *arguments, text=None):
        return subprocess.run(
            [self.program, "concept", *arguments, "--node", self.address],
            input=text, capture_output=True, text=True, timeout=DEADLINE_S,
            check=False)

    def json(self, *arguments, text=None):
        done = self.concept(*arguments, "--output", "json", text=text)
        assert done.returncode == 0, (arguments, done)
        return json.loads(done.stdout)


def lines(names):
    return "\n".join(json.dumps({"id": name, "content": f"about {name}"})
                     for name in names)


def check_surface(node):
    learnt = node.json("load", "jsonl", "-", text="\n".join([
        lines(["dog", "cat", "animal"]),
        '{"source":"dog","target":"animal","type":"is"}',
        '{"source":"cat","target":"animal","type":"is","weight":2.5}']))
    assert (learnt["concepts"], learnt["edges"]) == (3, 2), learnt
    found = node.json("path", "dog", "cat", "--direction", "any")["paths"][0]
    assert [s["direction"] for s in found["steps"][1:]] == ["out", "in"], found
    near = node.json("neighbors", "animal", "--direction", "in")["neighbors"]
    assert {n["concept"] for n in near} == {"dog", "cat"}, near
    assert node.json("spread", "dog")["activated"]
    assert len(node.json("search", "about d")["concepts"]) == 1
    assert len(node.json("subgraph", "dog")["associations"]) == 2
    told = node.concept("search", "--like", "dog")
    assert "dog: this concept has no vector" in told.stderr, told
    node.json("strengthen", "dog", "1.5")
    node.json("decay", "dog", "0.5")
    assert node.json("show", "dog")["concepts"][0]["strength"] == 1.25
    node.json("forget", "cat")
    for wrong in (["show", "cat"], ["decay", "dog", "2"],
                  ["strengthen", "dog", "much"], ["path", "dog", "cow"]):
        told = node.concept(*wrong)
        assert told.returncode in range(2, 7), told
        assert len(told.stderr.splitlines()) == 1, told
    # An association without its ends is told of, and counted.
    told = node.concept("load", "jsonl", "-",
                        text='{"source":"dog","target":"cow","type":"is"}')
    assert "1 line was refused" in told.stderr, told

    stats = json.loads(subprocess.run(
        [node.program, "stats", "--node", node.address, "--output", "json"],
        capture_output=True, text=True, timeout=DEADLINE_S,
        check=True).stdout)["concepts"]
    assert (stats["concepts"], stats["edges"]) == (2, 1), stats
    assert stats["pending"] == stats["dropped"] == 0, stats
    assert stats["refused"] == 1 and stats["health"] == [], stats
    assert stats["entries_processed"] == stats["written"], stats


def check_kill(node):
    """Every lesson whose command ended well is there after the kill."""
    acknowledged = []

    def teach(learner):
        for number in range(1_000):
            names = [f"{learner}.{number}.{i}" for i in range(LESSON)]
            done = node.concept("load", "jsonl", "-", text=lines(names))
            if done.returncode != 0:
                return
            acknowledged.append(names)

    with concurrent.futures.ThreadPoolExecutor() as pool:
        learners = [pool.submit(teach, learner) for learner in range(2)]
        until = time.monotonic() + DEADLINE_S
        while len(acknowledged) < ACKNOWLEDGED:
            assert time.monotonic() < until, "no burst"
            time.sleep(0.001)
        node.end(signal.SIGKILL)
        for learner in learners:
            learner.result()
    node.start()
    known = node.json("show", *(name for names in acknowledged
                                for name in names))["concepts"]
    assert len(known) == LESSON * len(acknowledged), (known, acknowledged)
    assert node.json("stats")["concepts"] >= 2 + len(known)


def main():
    with tempfile.TemporaryDirectory(prefix="neuroplex-concepts-") as name:
        node = Node(sys.argv[1], pathlib.Path(name))
        try:
            node.start()
            check_surface(node)
            check_kill(node)
            assert node.end(signal.SIGTERM) == 0
        finally:
            if node.process.poll() is None:
                node.process.kill()
    print("learnt by messages, killed, and all that was acknowledged is there")


if __name__ == "__main__":
    main()
