"""redis-cli transcripts and redis-benchmark, unmodified, against the gateway.

Use: redis_tools_test.py PATH-OF-resp_test_server cli|benchmark
A transcript is a file in transcripts/: lines that begin with "> " go to
redis-cli, the lines behind them are what it must print. "(integer) 100 s" stands
for what may be left of a lifetime of 100 s that was set in the transcript.
"""

import difflib
import pathlib
import re
import subprocess
import sys

from harness import Gateway, SecondsLeft, main_binary, tool

DEADLINE_S = 120

# redis-cli says how long a command took where that was half a second or more.
TOOK_LONG = re.compile(r"\(\d+\.\d\ds\)")


def with_lifetimes(expected, got, left):
    """What was printed, with the lifetimes that may be so as in `expected`."""
    def one(wanted, printed):
        lifetime = re.fullmatch(r"\(integer\) (\d+) s", wanted)
        said = re.fullmatch(r"\(integer\) (\d+)", printed)
        if lifetime and said and left.may_be(int(said[1]), int(lifetime[1])):
            return wanted
        return printed
    return [one(*pair) for pair in zip(expected, got)] + got[len(expected):]


def play(cli, port, path):
    lines = path.read_text().splitlines()
    commands = [line[2:] for line in lines if line.startswith("> ")]
    expected = [line for line in lines if not line.startswith("> ")]
    flags = ["-3"] if "resp3" in path.name else []
    subprocess.run([cli, "-p", str(port), "FLUSHALL"], capture_output=True,
                   timeout=DEADLINE_S, check=True)
    left = SecondsLeft()
    done = subprocess.run([cli, "-p", str(port), "--no-raw", *flags],
                          input="\n".join(commands) + "\n", text=True,
                          capture_output=True, timeout=DEADLINE_S, check=True)
    printed = [line for line in done.stdout.splitlines()
               if not TOOK_LONG.fullmatch(line)]
    got = with_lifetimes(expected, printed, left)
    if got == expected:
        return True
    print(f"{path.name}:")
    print("\n".join(difflib.unified_diff(expected, got, "expected", "printed",
                                         lineterm="")))
    return False


def run_cli(port):
    cli = tool("redis-cli", "redis-tools")
    here = pathlib.Path(__file__).parent
    outcomes = [play(cli, port, path)
                for path in sorted((here / "transcripts").glob("*.txt"))]
    docs = subprocess.run([cli, "-p", str(port), "COMMAND", "DOCS", "get"],
                          text=True, capture_output=True, timeout=DEADLINE_S,
                          check=True)
    return all(outcomes) and "Get the value of a key" in docs.stdout


def run_benchmark(port):
    benchmark = tool("redis-benchmark", "redis-tools")
    tests = "ping_inline,ping_mbulk,set,get,incr,mset"
    for flags in (["-c", "1", "-n", "500"], ["-c", "20", "-n", "5000"],
                  ["-c", "20", "-P", "16", "-n", "20000", "-r", "1000"]):
        done = subprocess.run([benchmark, "-p", str(port), "-t", tests, "--csv",
                               *flags], text=True, capture_output=True,
                              timeout=DEADLINE_S, check=True)
        rows = done.stdout.strip().splitlines()[1:]
        print(done.stdout)
        if len(rows) != 6 or "rror" in done.stdout + done.stderr:
            return False
    return True


def main():
    binary = main_binary()
    run = {"cli": run_cli, "benchmark": run_benchmark}[sys.argv[2]]
    with Gateway(binary) as gateway:
        sys.exit(0 if run(gateway.port) else 1)


if __name__ == "__main__":
    main()
