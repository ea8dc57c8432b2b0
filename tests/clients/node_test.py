"""Runs a Node program of this folder against a gateway of its own.

Use: node_test.py PATH-OF-resp_test_server PROGRAM PACKAGE
"""

import pathlib
import subprocess
import sys

from harness import Gateway, main_binary, skip, tool

DEADLINE_S = 120


def main():
    binary = main_binary()
    program, package = sys.argv[2], sys.argv[3]
    here = pathlib.Path(__file__).parent
    node = tool("node", "nodejs")
    if not (here / "node_modules" / package).is_dir():
        skip(f"{package} is not installed: run `npm ci` in tests/clients")
    with Gateway(binary) as gateway:
        subprocess.run([node, here / program, str(gateway.port)], check=True,
                       timeout=DEADLINE_S)


if __name__ == "__main__":
    main()
