#!/usr/bin/env python3
"""How many of 20 concurrent writes are kept: by MCP's reference memory server
(@modelcontextprotocol/server-memory, unmodified), and by a node of ours.

The server is asked over its standard input to make 20 entities, without waiting
for an answer between them, as several agents would; then what it kept is read
from its file by a second server. The node gets the same 20 as lessons from 20
processes at once; it is killed when all are acknowledged, and started again.

usage: mcp_memory.py PATH-OF-NEUROPLEX [--rounds N]   (after `npm ci` here)
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
SERVER = HERE / "node_modules/@modelcontextprotocol/server-memory/dist/index.js"
WRITES = 20

sys.path.insert(0, str(HERE.parents[1] / "tests/cli"))
from concept_node_test import Node  # noqa: E402


class MemoryServer:
    """The reference server over its standard input and output."""

    def __init__(self, file):
        self.process = subprocess.Popen(
            ["node", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True,
            env={**os.environ, "MEMORY_FILE_PATH": str(file)})
        self.send(0, "initialize", {
            "protocolVersion": "2025-06-18", "capabilities": {},
            "clientInfo": {"name": "neuroplex-bench", "version": "1"}})
        self.receive()
        self.write({"method": "notifications/initialized"})

    def write(self, message):
        self.process.stdin.write(
            json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        self.process.stdin.flush()

    def send(self, number, method, parameters):
        self.write({"id": number, "method": method, "params": parameters})

    def call(self, number, tool, arguments):
        self.send(number, "tools/call",
                  {"name": tool, "arguments": arguments})

    def receive(self):
        line = self.process.stdout.readline()
        assert line, "the server has ended"
        return json.loads(line)

    def end(self):
        self.process.stdin.close()
        self.process.wait(60)


def is_refused(reply):
    return "error" in reply or reply["result"].get("isError", False)


def reference_round(home):
    """Writes that were acknowledged, entities that were kept, seconds."""
    file = home / "memory.jsonl"
    server = MemoryServer(file)
    begin = time.monotonic()
    for i in range(WRITES):
        server.call(i + 1, "create_entities", {"entities": [
            {"name": f"entity {i}", "entityType": "concept",
             "observations": [f"observation {i}"]}]})
    replies = [server.receive() for _ in range(WRITES)]
    took = time.monotonic() - begin
    server.end()
    again = MemoryServer(file)
    again.call(1, "read_graph", {})
    reply = again.receive()
    again.end()
    # A file that was written by several at once may not be readable at all.
    kept = 0 if is_refused(reply) else len(
        json.loads(reply["result"]["content"][0]["text"])["entities"])
    return sum(not is_refused(each) for each in replies), kept, took


def our_round(program, home):
    """The same of a node."""
    node = Node(program, home)
    node.start()
    begin = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(WRITES) as pool:
        done = list(pool.map(
            lambda i: node.concept(
                "load", "jsonl", "-",
                text=json.dumps({"id": f"entity {i}",
                                 "content": f"observation {i}"})),
            range(WRITES)))
    took = time.monotonic() - begin
    node.end(signal.SIGKILL)
    node.start()
    kept = node.json("search", "observation", "--limit", str(2 * WRITES))
    node.end(signal.SIGTERM)
    return (sum(each.returncode == 0 for each in done),
            len(kept["concepts"]), took)


def measure(name, a_round, rounds):
    results = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as home:
            results.append(a_round(pathlib.Path(home)))
    acknowledged, kept, took = zip(*results)
    print(f"{name:<28} acknowledged {statistics.median(acknowledged):.0f}, "
          f"kept {min(kept)} to {max(kept)} of {WRITES}, "
          f"{statistics.median(took) * 1e3:.0f} ms")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    if not SERVER.exists():
        sys.exit(f"{SERVER}: not there: run \"npm ci\" in {HERE}")
    measure("MCP's memory server", reference_round, given.rounds)
    measure("a node, 20 processes", lambda home:
            our_round(given.program, home), given.rounds)


if __name__ == "__main__":
    main()
