#!/usr/bin/env python3
"""redis-benchmark against the RESP gateway and Debian's redis-server, in one
run, in turns: GET and SET, 1 and 50 clients, pipeline 1 and 16.

Use: bench/redis/run.py PATH-OF-resp_test_server [--repetitions N]
    [--requests N] [--spin-us N]
Prints the median requests per second of each side and their ratio, and the
processor time that each server spent a command, which other work on the
machine disturbs less.
"""

import argparse
import csv
import pathlib
import shutil
import statistics
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests"
                       / "clients"))
from harness import Gateway, Redis  # noqa: E402

CASES = [(clients, pipeline) for pipeline in (1, 16) for clients in (1, 50)]
DEADLINE_S = 120

# redis-benchmark 7.0 now and then never ends with one client; such a
# repetition is thrown away and done again.
TRIES = 3


def busy_ns(pid):
    """Time the threads of a process have run."""
    total = 0
    for thread in pathlib.Path(f"/proc/{pid}/task").iterdir():
        total += int((thread / "schedstat").read_text().split()[0])
    return total


def measure(port, name, clients, pipeline, requests):
    """Requests per second."""
    command = ["redis-benchmark", "-p", str(port), "-t", name.lower(), "-n",
               str(requests), "-c", str(clients), "-P", str(pipeline), "-r",
               "100000", "-d", "100", "--csv"]
    for _ in range(TRIES):
        try:
            done = subprocess.run(command, text=True, capture_output=True,
                                  timeout=DEADLINE_S, check=True)
        except subprocess.TimeoutExpired:
            continue
        return float(next(csv.DictReader(done.stdout.splitlines()))["rps"])
    sys.exit(f"redis-benchmark did not end {TRIES} times")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("server")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--spin-us", type=int, default=0)
    given = parser.parse_args()
    if shutil.which("redis-benchmark") is None:
        sys.exit("redis-benchmark is not installed: apt-get install "
                 "redis-tools")
    rates = {}
    flags = ["--spin-us", str(given.spin_us)]
    costs = {}
    with Redis() as redis, Gateway(given.server, *flags) as gateway:
        sides = {"ours": gateway, "redis": redis}
        for clients, pipeline in CASES:
            # A lone client without a pipeline is slow: fewer requests do.
            share = 5 if (clients, pipeline) == (1, 1) else 1
            requests = given.requests * (pipeline // 4 or 1) // share
            for repetition in range(given.repetitions):
                order = sorted(sides, reverse=repetition % 2 == 1)
                for side in order:
                    server = sides[side]
                    for name in ("GET", "SET"):
                        before = busy_ns(server.process.pid)
                        rate = measure(server.port, name, clients, pipeline,
                                       requests)
                        spent = busy_ns(server.process.pid) - before
                        case = (name, clients, pipeline, side)
                        rates.setdefault(case, []).append(rate)
                        costs.setdefault(case, []).append(
                            spent / 1_000 / requests)
    print("| command | clients | pipeline | ours/s | redis/s | ratio "
          "| ours us cpu | redis us cpu | ratio |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for clients, pipeline in CASES:
        for name in ("GET", "SET"):
            ours, redis = (statistics.median(
                rates[name, clients, pipeline, side])
                for side in ("ours", "redis"))
            own, other = (statistics.median(
                costs[name, clients, pipeline, side])
                for side in ("ours", "redis"))
            print(f"| {name} | {clients} | {pipeline} | {ours:,.0f} | "
                  f"{redis:,.0f} | {ours / redis:.2f} | {own:.2f} | "
                  f"{other:.2f} | {other / own:.2f} |")


if __name__ == "__main__":
    main()
