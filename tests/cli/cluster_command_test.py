"""`neuroplex cluster` as a developer uses it: three nodes, the same data from
each of them and from a Redis client, and nothing left after Ctrl-C.

usage: cluster_command_test.py PATH-OF-NEUROPLEX
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

DEADLINE_S = 120
NODES = 3


def eventually(condition, what):
    deadline = time.monotonic() + DEADLINE_S
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            sys.exit(f"not in time: {what}")
        time.sleep(0.02)


def expect(got, wanted, what):
    if got != wanted:
        sys.exit(f"{what}: expected {wanted!r}, got {got!r}")


class Cluster:
    """The command under test; killed with its nodes if the test fails."""

    def __init__(self, program, home, *arguments):
        self.output_path = os.path.join(home, "output")
        self.errors_path = os.path.join(home, "errors")
        with open(self.output_path, "wb") as output, \
                open(self.errors_path, "wb") as errors:
            self.process = subprocess.Popen(
                [program, "cluster", "--output", "json", "--segment-size", "4M",
                 *arguments],
                stdin=subprocess.DEVNULL, stdout=output, stderr=errors)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def errors(self):
        with open(self.errors_path, encoding="utf-8") as errors:
            return errors.read()

    def nodes(self):
        """What the command prints once all nodes are ready."""
        def announced():
            if self.process.poll() is not None:
                sys.exit(f"cluster ended: {self.errors()}")
            with open(self.output_path, encoding="utf-8") as output:
                text = output.read()
            try:
                return json.loads(text)["nodes"]
            except ValueError:
                return None
        return eventually(announced, "the cluster is ready")

    def stop(self, number):
        self.process.send_signal(number)
        try:
            status = self.process.wait(timeout=DEADLINE_S)
        except subprocess.TimeoutExpired:
            sys.exit(f"the cluster does not end on signal {number}")
        expect(status, 0, f"exit status after signal {number}: "
               f"{self.errors()}")


def ask(program, node, *arguments):
    """A command of ours at one node; its output, or None if it failed."""
    done = subprocess.run(
        [program, *arguments, "--node", f"127.0.0.1:{node['basp_port']}",
         "--timeout", "60s"],
        capture_output=True, text=True, check=False, timeout=DEADLINE_S)
    return done.stdout.strip() if done.returncode == 0 else None


def ask_redis(node, line, reply_bytes):
    with socket.create_connection(("127.0.0.1", node["resp_port"]),
                                  timeout=DEADLINE_S) as connection:
        connection.sendall(line.encode() + b"\r\n")
        reply = b""
        while len(reply) < reply_bytes:
            more = connection.recv(reply_bytes - len(reply))
            if not more:
                break
            reply += more
        return reply


def stats_of(program, node):
    text = ask(program, node, "stats", "--output", "json")
    return json.loads(text) if text else None


def all_met(program, nodes):
    for node in nodes:
        report = stats_of(program, node)
        if report is None or any(peer["state"] != "connected"
                                 for peer in report["peers"]):
            return False
        expect(len(report["peers"]), NODES - 1, "peers of a node")
    return True


def serves_through_each(program, nodes):
    expect(len(nodes), NODES, "nodes")
    eventually(lambda: all_met(program, nodes), "all nodes have met")
    for index, node in enumerate(nodes):
        expect(ask(program, node, "set", f"key-{index}", f"value-{index}"),
               "stored", f"set through node {index + 1}")
    for node in nodes:
        for index in range(NODES):
            expect(ask(program, node, "get", f"key-{index}"),
                   f"value-{index}",
                   f"key-{index} through node {node['replica_id']}")
    # Each node's gateway leads to the same data, and its node counts that.
    for index, node in enumerate(nodes):
        other = (index + 1) % NODES
        expect(ask_redis(node, f"GET key-{other}", 13),
               b"$7\r\nvalue-%d\r\n" % other, "get by a Redis client")
        gateway = stats_of(program, node)["gateway"]
        expect(gateway["open"], True, "the gateway is open")
        expect(gateway["port"], node["resp_port"], "the gateway's port")
        if gateway["commands"] < 1 or gateway["connections_accepted"] < 1:
            sys.exit(f"a gateway does not count: {gateway}")


def is_gone(process_id):
    try:
        with open(f"/proc/{process_id}/cmdline", "rb") as command_line:
            return not command_line.read()
    except FileNotFoundError:
        return True


def nothing_left(nodes):
    for node in nodes:
        if not is_gone(node["process_id"]):
            sys.exit(f"node {node['replica_id']} still runs")
        for port in (node["basp_port"], node["resp_port"]):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    sys.exit(f"port {port} is still open")


def main():
    program = os.path.abspath(sys.argv[1])
    for name in [name for name in os.environ if name.startswith("NEUROPLEX_")]:
        del os.environ[name]
    with tempfile.TemporaryDirectory(prefix="neuroplex-cluster-test-") as home:
        with Cluster(program, home) as cluster:
            nodes = cluster.nodes()
            serves_through_each(program, nodes)
            cluster.stop(signal.SIGINT)
            nothing_left(nodes)
            for node in nodes:
                if os.path.exists(os.path.dirname(node["segment"])):
                    sys.exit(f"{node['segment']} is still there")

        # With a directory of its own the data comes back.
        data = os.path.join(home, "data")
        os.mkdir(data)
        for wanted in (None, "kept"):
            with Cluster(program, home, "--data-dir", data) as cluster:
                nodes = cluster.nodes()
                eventually(lambda: all_met(program, nodes), "nodes have met")
                expect(ask(program, nodes[0], "get", "key"), wanted,
                       "what an earlier cluster left")
                expect(ask(program, nodes[0], "set", "key", "kept"), "stored",
                       "set")
                cluster.stop(signal.SIGTERM)
                nothing_left(nodes)

        # Nodes do not outlive a cluster that is killed.
        with Cluster(program, home, "--data-dir", data) as cluster:
            nodes = cluster.nodes()
            cluster.process.kill()
            cluster.process.wait()
            eventually(lambda: all(is_gone(node["process_id"])
                                   for node in nodes),
                       "the nodes of a killed cluster end")
    print("three nodes served the same data and left nothing behind")


if __name__ == "__main__":
    main()
