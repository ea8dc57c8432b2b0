"""What hostile or careless clients do must not hurt the gateway's memory, and
guessing passwords must become slow.

Use: limits_test.py PATH-OF-resp_test_server
"""

import os
import random
import socket
import sys
import time

from harness import Connection, Gateway, main_binary, wait_for

MIB = 1 << 20
ALLOWED_GROWTH = 16 * MIB
# A sanitizer keeps shadow and freed memory: then what it grows by says nothing.
SANITIZED = bool(os.environ.get("NEUROPLEX_SANITIZE"))


def check_growth(what, grown_bytes):
    print(f"{what}: memory grew by {grown_bytes >> 10} KiB")
    assert SANITIZED or grown_bytes < ALLOWED_GROWTH, grown_bytes


def info(connection, field):
    text = connection.ask("INFO").decode()
    for line in text.splitlines():
        if line.startswith(field + ":"):
            return line.split(":", 1)[1]
    sys.exit(f"INFO has no {field}")


def slow_reader(binary):
    """1 GiB of replies for a client that does not read."""
    with Gateway(binary, "--max-output", str(4 * MIB),
                 "--stall-ms", "300") as gateway:
        watcher = Connection(gateway.port)
        watcher.ask("SET", "big", b"x" * MIB)
        before = gateway.resident_bytes()
        greedy = socket.create_connection(("127.0.0.1", gateway.port))
        greedy.sendall(b"GET big\r\n" * 1024)
        highest = before

        def closed():
            nonlocal highest
            highest = max(highest, gateway.resident_bytes())
            return info(watcher, "slow_readers_closed") == "1"

        wait_for(closed, "the slow reader is closed")
        greedy.close()
        check_growth("slow reader, closed", highest - before)


def claimed_lengths(binary):
    """Claimed lengths cost nothing before their bytes arrive."""
    with Gateway(binary) as gateway:
        watcher = Connection(gateway.port)
        before = gateway.resident_bytes()
        sockets = []
        for _ in range(200):
            one = socket.create_connection(("127.0.0.1", gateway.port))
            one.sendall(b"*1048576\r\n$40000000\r\nx")
            sockets.append(one)
        wait_for(lambda: info(watcher, "connected_clients") == "201",
                 "all are connected")
        check_growth("claimed lengths", gateway.resident_bytes() - before)
        for one in sockets:
            one.close()
        wait_for(lambda: info(watcher, "connected_clients") == "1",
                 "all are gone")


def garbage(binary):
    """Random bytes end connections, never the gateway."""
    source = random.Random(7)
    with Gateway(binary) as gateway:
        before = gateway.resident_bytes()
        for _ in range(100):
            one = socket.create_connection(("127.0.0.1", gateway.port))
            try:
                one.sendall(source.randbytes(100_000))
                one.shutdown(socket.SHUT_WR)
                while one.recv(65536):
                    pass
            except OSError:
                pass
            one.close()
        check_growth("garbage", gateway.resident_bytes() - before)
        watcher = Connection(gateway.port)
        assert watcher.ask("PING") == b"+PONG\r\n"


def guesses(binary):
    """Wrong passwords are answered ever more slowly."""
    with Gateway(binary, "--password", "right") as gateway:
        client = Connection(gateway.port)
        assert client.ask("GET", "k").startswith(b"-NOAUTH")
        started = time.monotonic()
        for _ in range(25):
            assert client.ask("AUTH", "wrong").startswith(b"-WRONGPASS")
        took = time.monotonic() - started
        print(f"25 guesses took {took:.1f} s")
        assert took > 2, took
        assert client.ask("AUTH", "right") == b"+OK\r\n"
        assert client.ask("PING") == b"+PONG\r\n"


def main():
    binary = main_binary()
    for check in (slow_reader, claimed_lengths, garbage, guesses):
        check(binary)


if __name__ == "__main__":
    main()
