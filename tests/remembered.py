#!/usr/bin/env python3
"""Runs a test whose outcome follows from its program, arguments and data alone,
and does not run it again while those are what they were when it passed.

For long searches from fixed seeds only. A test with threads, processes that are
killed, sockets or clocks may come out differently each time, and always runs.

usage: remembered.py <folder of what passed> <program> [<argument>...]

Arguments that name a file or a folder are data: what is in them counts. The
variable NEUROPLEX_PLANTED counts too, by which one program stands for many.
With NEUROPLEX_REPEAT=1 (./test.sh --repeat) everything runs.
"""

import hashlib
import os
import pathlib
import subprocess
import sys
import time


def digest_of(command):
    digest = hashlib.sha256()

    def add(data):
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)

    add(os.environ.get("NEUROPLEX_PLANTED", "").encode())
    for word in command:
        add(word.encode())
        path = pathlib.Path(word)
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        for one in inside:
            if one.is_file():
                add(str(one).encode())
                add(one.read_bytes())
    return digest.hexdigest()


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    folder, command = pathlib.Path(sys.argv[1]), sys.argv[2:]
    passed = folder / digest_of(command)
    if passed.exists() and os.environ.get("NEUROPLEX_REPEAT") != "1":
        print(f"passed at {passed.read_text()} with the same program, "
              "arguments and data; ./test.sh --repeat runs it again")
        return 0
    status = subprocess.run(command, check=False).returncode
    if status == 0:
        folder.mkdir(parents=True, exist_ok=True)
        # Another program may remember the same at the same time.
        draft = passed.with_suffix(f".{os.getpid()}")
        draft.write_text(time.strftime("%Y-%m-%d %H:%M:%S"))
        draft.rename(passed)
    # A program that ended by a signal has a negative status here.
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main())
