"""The same random commands to Debian's Redis and to the gateway: the replies
must be equal byte for byte.

Two servers that are asked one after the other differ by nature, so three things
are compared with care: keys in no order of theirs (sorted), seconds to live (as
far apart as the two may have been asked), and deadlines that are compared with
each other (never two that lie closer than the test lasts). Left out are times in
milliseconds, figures about the server, and SET with a deadline that has passed,
which Redis still counts in DBSIZE until it comes by (transcripts/expiry.txt has it).
"""

import os
import random
import sys
import time

from harness import Connection, Gateway, Redis, main_binary

SEED = int(os.environ.get("NEUROPLEX_SEED", "20231121"))
# A sanitizer takes ten times as long.
ROUNDS = int(os.environ.get("NEUROPLEX_ROUNDS",
                            "2" if os.environ.get("NEUROPLEX_SANITIZE")
                            else "6"))
COMMANDS_A_ROUND = 3_000
PIPELINE = 40

KEYS = ["a", "b", "c", "n", "counter", "key:1", "key:2", "key:3", "long",
        "with space", "bin\x00\xff"]
INTEGERS = ["0", "1", "-1", "5", "10", "100", "-100", "9223372036854775807",
            "-9223372036854775808", "9223372036854775808", "x", "", "1.5",
            " 1", "01", "+1", "4294967296"]
SECONDS = ["100", "1000", "0", "-1", "x", "9223372036854775807",
           "-9223372036854775808", "9223372036854776"]
WORDS = ["NX", "XX", "GET", "KEEPTTL", "EX", "PX", "EXAT", "PXAT", "PERSIST",
         "GT", "LT", "nx", "xx", "get", "bogus"]


# Seconds for GT and LT: which of two deadlines is the later must not depend on
# the millisecond in which each server came to it.
DISTINCT_SECONDS = range(2_000, 100_000, 300)


class Script:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.distinct_seconds = iter(self.random.sample(
            DISTINCT_SECONDS, len(DISTINCT_SECONDS)))

    def pick(self, choices):
        return self.random.choice(choices)

    def key(self):
        return self.pick(KEYS)

    def value(self):
        kind = self.random.randrange(8)
        if kind < 3:
            return str(self.random.randrange(-1000, 1000))
        if kind == 3:
            return self.pick(INTEGERS)
        size = self.pick([0, 1, 9, 10, 20, 99, 100, 511, 512, 1000, 20000])
        return self.random.randbytes(size)

    def keys(self):
        return [self.key() for _ in range(self.random.randrange(1, 6))]

    def set_options(self):
        options = []
        for _ in range(self.pick([0, 0, 0, 1, 1, 2, 3])):
            word = self.pick(WORDS)
            options.append(word)
            if word.upper() in ("EX", "EXAT") and self.random.random() < 0.9:
                options.append("4000000000" if word == "EXAT"
                               else self.pick(SECONDS))
            if word.upper() in ("PX", "PXAT") and self.random.random() < 0.9:
                options.append(self.pick(["4000000000000"]
                                         if word == "PXAT"
                                         else ["100000", "0", "-5", "x"]))
        return options

    def expire(self):
        condition = self.pick([[], [], ["NX"], ["XX"], ["GT"], ["LT"],
                               ["NX", "GT"], ["GT", "LT"], ["XX", "GT"],
                               ["bogus"]])
        seconds = self.pick(SECONDS)
        if {"GT", "LT"} & set(condition) and seconds in ("100", "1000"):
            seconds = str(next(self.distinct_seconds))
        return ["EXPIRE", self.key(), seconds, *condition]

    def command(self):
        key, value = self.key(), self.value()
        makers = [
            lambda: ["GET", key], lambda: ["SET", key, value],
            lambda: ["SET", key, value, *self.set_options()],
            lambda: ["SETNX", key, value], lambda: ["GETSET", key, value],
            lambda: ["SETEX", key, self.pick(SECONDS), value],
            lambda: ["PSETEX", key, self.pick(["100000", "0", "x"]), value],
            lambda: ["GETDEL", key],
            lambda: ["GETEX", key, *self.set_options()],
            lambda: ["MGET", *self.keys()],
            lambda: ["MSET", *sum(([k, self.value()] for k in self.keys()),
                                  [])],
            lambda: ["MSET", key, value, key],
            lambda: ["DEL", *self.keys()], lambda: ["UNLINK", *self.keys()],
            lambda: ["EXISTS", *self.keys()], lambda: ["TOUCH", *self.keys()],
            lambda: ["TYPE", key], lambda: ["STRLEN", key],
            lambda: ["APPEND", key, self.pick(["", "x", "1", b"\0\xff"])],
            lambda: ["GETRANGE", key, self.pick(INTEGERS),
                     self.pick(INTEGERS)],
            lambda: ["SUBSTR", key, "0", "-1"],
            lambda: ["SETRANGE", key,
                     self.pick(["0", "5", "100", "-1", "x", "4294967296",
                                "536870912"]), self.pick(["", "ab"])],
            lambda: ["INCR", key], lambda: ["DECR", key],
            lambda: ["INCRBY", key, self.pick(INTEGERS)],
            lambda: ["DECRBY", key, self.pick(INTEGERS)],
            self.expire,
            lambda: ["EXPIREAT", key, self.pick(["4000000000", "1", "x"])],
            lambda: ["PEXPIREAT", key, self.pick(["4000000000000", "1"])],
            lambda: ["TTL", key], lambda: ["PERSIST", key],
            lambda: ["EXPIRETIME", "never"], lambda: ["PTTL", "never"],
            lambda: ["DBSIZE"], lambda: ["PING"], lambda: ["PING", value],
            lambda: ["ECHO", value],
            lambda: ["SELECT", self.pick(["0", "1", "2", "15", "16", "-1",
                                          "x"])],
            lambda: ["FLUSHDB"] if self.random.random() < 0.1 else ["DBSIZE"],
            lambda: ["CLIENT", "GETNAME"],
            lambda: ["CLIENT", "SETNAME", self.pick(["me", "a b", ""])],
            lambda: ["CLIENT", "bogus"], lambda: ["CLIENT"],
            lambda: ["CLIENT", "SETNAME"],
            lambda: ["CONFIG", "GET", "save"],
            lambda: ["CONFIG", "GET", "maxmemory-policy"],
            lambda: ["CONFIG", "GET", "nothing-like-it"],
            lambda: ["RESET"] if self.random.random() < 0.2 else ["PING"],
            lambda: ["HELLO", self.pick(["1", "4", "x"])],
            lambda: ["HELLO", "3", "bogus"],
            lambda: [self.pick(["nosuch", "GETX", "", "get\r\nx"]), value,
                     key],
            lambda: [self.pick(["GET", "SET", "INCRBY", "EXPIRE", "ECHO",
                                "SETRANGE", "DEL", "MGET", "TTL"])],
            lambda: ["GET", key, key],
            lambda: ["SCAN", self.pick(["x", "-", "1x"])],
            lambda: ["SCAN", "0", "COUNT", self.pick(["0", "x", "-1"])],
            lambda: ["SCAN", "0", "bogus", "1"], lambda: ["SCAN", "0", "MATCH"],
            lambda: ["KEYS", self.pick(["*", "key:*", "[ab]", "?", "n*",
                                        "no*"])],
        ]
        return self.pick(makers)()


def sorted_keys(reply):
    head, *rest = reply.split(b"\r\n$")
    return head, sorted(part.rstrip(b"\r\n") for part in rest)


def same(command, expected, got, slowest_batch_s):
    """Whether two replies say the same, see the module's description.

    Both servers run a batch while it is under way, so what has passed since a
    deadline was set differs by at most two batches between them.
    """
    if expected == got:
        return True
    if command[0] == "KEYS" and expected.startswith(b"*"):
        return sorted_keys(expected) == sorted_keys(got)
    if command[0] == "TTL" and expected[:1] == got[:1] == b":":
        seconds = int(expected[1:]), int(got[1:])
        return (min(seconds) > 0
                and abs(seconds[0] - seconds[1]) <= 1 + 2 * slowest_batch_s)
    return False


def run_round(number, redis_port, gateway_port):
    script = Script(SEED + number)
    both = [Connection(redis_port), Connection(gateway_port)]
    greeting = ("HELLO", "3" if number % 2 else "2")
    for one in both:
        one.ask(*greeting)
        one.ask("FLUSHALL")
    done = 0
    slowest_batch_s = 0
    while done < COMMANDS_A_ROUND:
        batch = [script.command() for _ in range(PIPELINE)]
        data = b"".join(Connection.encode(command) for command in batch)
        began = time.monotonic()
        for one in both:
            one.send(data)
        replies = [[one.reply() for _ in batch] for one in both]
        slowest_batch_s = max(slowest_batch_s, time.monotonic() - began)
        for index, (command, expected, got) in enumerate(
                zip(batch, *replies)):
            if not same(command, expected, got, slowest_batch_s):
                print(f"seed {SEED}, round {number}, command {done + index}: "
                      f"{command}\n  redis   {expected!r}\n  gateway {got!r}")
                return False
        done += len(batch)
    for one in both:
        one.close()
    return True


def main():
    binary = main_binary()
    with Redis() as redis, Gateway(binary) as gateway:
        for number in range(ROUNDS):
            if not run_round(number, redis.port, gateway.port):
                sys.exit(1)
    print(f"{ROUNDS * COMMANDS_A_ROUND} commands, equal replies")


if __name__ == "__main__":
    main()
