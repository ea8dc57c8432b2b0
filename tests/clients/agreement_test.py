"""A node that keeps database 0 by agreement, as clients of Redis see it: its
transactions, keys of several groups, redis-cli, and what a watcher is told.

Use: agreement_test.py PATH-OF-neuroplex
"""

import json
import shutil
import subprocess
import sys
import tempfile

from harness import Connection, ReservedPort, main_binary, wait_for

GROUPS = 8


def expect(got, wanted):
    if got != wanted:
        sys.exit(f"expected {wanted!r}, got {got!r}")


def expect_start(got, wanted):
    if not got.startswith(wanted):
        sys.exit(f"expected {wanted!r}..., got {got!r}")


def transactions(way, other):
    expect(way.ask("MULTI"), b"+OK\r\n")
    expect(way.ask("SET", "{t}a", "1"), b"+QUEUED\r\n")
    expect(way.ask("INCR", "{t}a"), b"+QUEUED\r\n")
    expect(way.ask("SETNX", "{t}a", "no"), b"+QUEUED\r\n")
    expect(way.ask("MGET", "{t}a", "{t}b"), b"+QUEUED\r\n")
    expect(way.ask("APPEND", "{t}b", "xy"), b"+QUEUED\r\n")
    expect(other.ask("GET", "{t}a"), b"$-1\r\n")
    expect(way.ask("EXEC"),
           b"*5\r\n+OK\r\n:2\r\n:0\r\n*2\r\n$1\r\n2\r\n$-1\r\n:2\r\n")
    expect(other.ask("MGET", "{t}a", "{t}b"), b"*2\r\n$1\r\n2\r\n$2\r\nxy\r\n")

    # An operation that fails does not undo the others, as with Redis.
    way.ask("MULTI")
    way.ask("INCR", "{t}b")
    way.ask("SET", "{t}c", "done")
    reply = way.ask("EXEC")
    expect_start(reply, b"*2\r\n-ERR value is not an integer")
    expect(way.ask("GET", "{t}c"), b"$4\r\ndone\r\n")

    # What cannot be offered is found before anything is done.
    way.ask("MULTI")
    way.ask("SET", "{t}d", "never")
    expect(way.ask("SETRANGE", "{t}d", "1", "x"), b"+QUEUED\r\n")
    expect_start(way.ask("EXEC"), b"-EXECABORT")
    expect(way.ask("EXISTS", "{t}d"), b":0\r\n")

    # Keys of two groups.
    way.ask("MULTI")
    refused = [way.ask("SET", f"k{i}", "v") for i in range(50)]
    if not any(one.startswith(b"-CROSSSLOT") for one in refused):
        sys.exit("fifty keys in one of eight groups?")
    expect_start(way.ask("EXEC"), b"-EXECABORT")
    expect(way.ask("EXISTS", *[f"k{i}" for i in range(50)]), b":0\r\n")

    # Nobody sees a transaction half done.
    for i in range(100):
        way.ask("MULTI")
        way.ask("SET", "{p}x", str(i))
        way.ask("SET", "{p}y", str(i))
        way.send(Connection.encode(["EXEC"]))
        seen = other.ask("MGET", "{p}x", "{p}y").split(b"\r\n")
        if seen[1:-1] != [b"$-1", b"$-1"] and seen[2] != seen[4]:
            sys.exit(f"half of a transaction was seen: {seen!r}")
        expect(way.reply(), b"*2\r\n+OK\r\n+OK\r\n")


def many_keys(way):
    keys = [f"key:{i}" for i in range(200)]
    pairs = [word for key in keys for word in (key, key)]
    expect(way.ask("MSET", *pairs), b"+OK\r\n")
    wanted = b"".join(b"$%d\r\n%s\r\n" % (len(key), key.encode())
                      for key in keys)
    expect(way.ask("MGET", *keys), b"*200\r\n" + wanted)
    expect(way.ask("DEL", *keys, "nothing"), b":200\r\n")
    expect(way.ask("WAIT", "1", "0"), b":0\r\n")  # a node alone


def redis_cli(port):
    program = shutil.which("redis-cli")
    if program is None:
        print("redis-cli is not installed: left out")
        return
    said = subprocess.run(
        [program, "-p", str(port)], text=True, capture_output=True, check=True,
        input="MULTI\nSET {c}n 41\nINCR {c}n\nEXEC\nGET {c}n\n").stdout
    expect(said.split(), ["OK", "QUEUED", "QUEUED", "OK", "42", "42"])


def watching(binary, port, way):
    command = [binary, "watch", "--node", f"127.0.0.1:{port}", "--output",
               "json"]
    refused = subprocess.run([*command, "--namespace", "other"], text=True,
                             capture_output=True, check=False, timeout=60)
    if refused.returncode == 0 or "is not agreed on" not in refused.stderr:
        sys.exit(f"a watch of an ordinary namespace: {refused}")

    wanted = [("erase", "w:a", None), ("expire", "w:t", None),
              ("set", "w:a", "1"), ("set", "w:n", "1"), ("set", "w:t", "x")]
    with subprocess.Popen([*command, "--prefix", "w:", "--count",
                           str(len(wanted))], text=True,
                          stdout=subprocess.PIPE) as watcher:
        expect(json.loads(watcher.stdout.readline()), {"event": "watching"})
        way.ask("SET", "w:a", "1")
        way.ask("SET", "x", "of no interest")
        way.ask("INCR", "w:n")
        way.ask("SETNX", "w:a", "refused")
        way.ask("DEL", "w:a")
        way.ask("SET", "w:t", "x", "PX", "50")
        told = [json.loads(line) for line in watcher.stdout]
        expect(watcher.wait(60), 0)
    expect(sorted((one["event"], one["key"], one.get("value"))
                  for one in told), wanted)
    events = [one["event"] for one in told if one["key"] == "w:a"]
    expect(events, ["set", "erase"])


def main():
    binary = main_binary()
    resp, basp = ReservedPort(), ReservedPort()
    with tempfile.TemporaryDirectory() as home:
        node = subprocess.Popen(
            [binary, "serve", "--data-dir", home, "--segment-size", "16M",
             "--port", str(basp.number), "--resp-port", str(resp.number),
             "--worker-threads", "1", "--raft-groups", str(GROUPS),
             "--space", "default:consistency=linearizable"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            def answers():
                if node.poll() is not None:
                    sys.exit(f"the node ended with {node.returncode}")
                try:
                    way = Connection(resp.number)
                except OSError:
                    return False
                keys = [f"probe:{i}" for i in range(64)]
                return way.ask("DEL", *keys) == b":0\r\n"

            wait_for(answers, "the node leads its groups")
            way, other = Connection(resp.number), Connection(resp.number)
            transactions(way, other)
            many_keys(way)
            redis_cli(resp.number)
            watching(binary, basp.number, way)
        finally:
            node.terminate()
            node.wait(30)


if __name__ == "__main__":
    main()
