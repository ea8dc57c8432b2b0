"""Three nodes, each with a gateway: every key from every node, and what is left
when one node is killed.

Use: cluster_test.py PATH-OF-resp_cluster_node
"""

import sys
import tempfile

from harness import (Connection, Gateway, ReservedPort, SecondsLeft, main_binary,
                     wait_for)

KEYS = [f"key:{i}" for i in range(300)]


def bulk(text):
    return b"$%d\r\n%s\r\n" % (len(text), text.encode())


def expect(got, wanted):
    if got != wanted:
        sys.exit(f"expected {wanted!r}, got {got!r}")


def scan_all(connection):
    keys, cursor = set(), b"0"
    while True:
        reply = connection.ask("SCAN", cursor, "COUNT", "50").split(b"\r\n")
        cursor = reply[2]
        keys.update(part.decode() for part in reply if part.startswith(b"key:"))
        if cursor == b"0":
            return keys


def whole_cluster(ways):
    one, two, three = ways
    wait_for(lambda: all(way.ask("DBSIZE") == b":0\r\n" for way in ways),
             "the nodes have met")
    for index, key in enumerate(KEYS):
        expect(ways[index % 3].ask("SET", key, f"v{index}"), b"+OK\r\n")
    for way in ways:
        expect(way.ask("DBSIZE"), b":%d\r\n" % len(KEYS))
        expect(way.ask("MGET", *KEYS, "nothing"),
               b"*%d\r\n" % (len(KEYS) + 1)
               + b"".join(bulk(f"v{i}") for i in range(len(KEYS)))
               + b"$-1\r\n")
        expect(len(scan_all(way)), len(KEYS))
        expect(way.ask("KEYS", "key:29?").count(b"key:29"), 10)

    # A pipeline over keys of all owners keeps its order.
    commands = [("INCR", f"count:{i % 7}") for i in range(70)]
    one.send(b"".join(Connection.encode(command) for command in commands))
    for i in range(70):
        expect(one.reply(), b":%d\r\n" % (i // 7 + 1))

    for i in range(6):
        key = f"rmw:{i}"
        expect(two.ask("SETRANGE", key, "2", "ab"), b":4\r\n")
        expect(three.ask("APPEND", key, "cd"), b":6\r\n")
        expect(one.ask("GETRANGE", key, "2", "-1"), bulk("abcd"))
        expect(one.ask("SET", key, "x", "NX", "GET"),
               b"$6\r\n\0\0abcd\r\n")
        left = SecondsLeft()
        expect(two.ask("EXPIRE", key, "100", "NX"), b":1\r\n")
        said = three.ask("TTL", key)
        if not said.startswith(b":") or not left.may_be(int(said[1:]), 100):
            sys.exit(f"TTL of 100 s: {said!r}")
        expect(one.ask("GETEX", key, "PERSIST"), b"$6\r\n\0\0abcd\r\n")
        expect(three.ask("TTL", key), b":-1\r\n")
        expect(two.ask("GETDEL", key), b"$6\r\n\0\0abcd\r\n")
        expect(one.ask("INCR", key), b":1\r\n")
        expect(two.ask("SET", key, "text"), b"+OK\r\n")
        expect(three.ask("INCR", key),
               b"-ERR value is not an integer or out of range\r\n")
    keys = [f"rmw:{i}" for i in range(6)]
    expect(one.ask("EXISTS", *keys, "nothing"), b":6\r\n")
    expect(two.ask("DEL", *keys), b":6\r\n")


def one_node_killed(nodes, ways):
    nodes[2].process.kill()
    nodes[2].process.wait()
    one, two, _ = ways
    replies = {}

    def settled():
        for key in KEYS:
            replies[key] = one.ask("GET", key)
        return any(reply.startswith(b"-UNAVAILABLE")
                   for reply in replies.values())

    wait_for(settled, "the death of a node is noticed")
    lost = [key for key, reply in replies.items() if reply.startswith(b"-")]
    kept = len(KEYS) - len(lost)
    print(f"one of three nodes killed: {kept} keys served, {len(lost)} told "
          "unavailable")
    if not lost or not kept:
        sys.exit("some keys must be served and some not")
    expect(two.ask("PING"), b"+PONG\r\n")


def main():
    binary = main_binary()
    reserved = [ReservedPort() for _ in range(3)]
    ports = [each.number for each in reserved]
    with tempfile.TemporaryDirectory(prefix="neuroplex-resp-") as root:
        nodes = []
        for index, port in enumerate(ports):
            directory = tempfile.mkdtemp(dir=root)
            peers = [f"{other + 1}:{ports[other]}" for other in range(3)
                     if other != index]
            nodes.append(Gateway(binary, str(index + 1), directory, str(port),
                                 *peers))
        ways = [Connection(node.port) for node in nodes]
        try:
            whole_cluster(ways)
            one_node_killed(nodes, ways)
        finally:
            for node in nodes:
                if node.process.poll() is None:
                    node.__exit__()
            for each in reserved:
                each.release()


if __name__ == "__main__":
    main()
