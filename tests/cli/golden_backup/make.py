#!/usr/bin/env python3
"""Makes the golden backup of this directory; README.md tells when.

usage: make.py PATH-OF-NEUROPLEX
"""

import base64
import json
import pathlib
import sys
import tempfile
import textwrap

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from backup_test import Command  # noqa: E402

# Far from now, so that nothing expires: 100 years.
LONG_MS = 3_155_760_000_000
SPACES = ("default", "cache", "texts")


def change(command, generation):
    """What happens to the segment before this generation is written."""
    if generation == 1:
        command.load("segment", "default",
                     {f"key{i}": f"value {i}" for i in range(20)})
        command.load("segment", "default", {"long": "0123456789abcdef" * 400,
                                            "unicode": "h\u00e9llo \u2603"})
        command.load("segment", "cache", {f"c{i}": "x" * i for i in range(9)})
        command.load("segment", "texts",
                     {"speech": "to be or not to be; " * 300})
        bytes_file = command.home / "bytes.jsonl"
        bytes_file.write_text(
            '{"key_base64": "AP8K", "value_base64": "AAECA/8="}\n'
            f'{{"key": "mortal", "value": "man", "ttl_ms": {LONG_MS}}}\n')
        command.json("load", "jsonl", bytes_file, "--segment", "segment")
    elif generation == 2:
        command.load("segment", "default", {"key3": "changed", "late": "one"})
        command.run("del", "key4", "--segment", "segment")
    else:
        command.run("del", "c5", "--segment", "segment", "--namespace", "cache")
        command.load("segment", "cache", {"c6": "y"})


def main():
    program = pathlib.Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as home:
        command = Command(program, pathlib.Path(home))
        command.make("segment", "1M", SPACES[1:])
        command.json("namespace", "set", "cache", "--policy", "lru",
                     "--priority", "inference", "--quota", "128K", "--ttl",
                     f"{LONG_MS}ms", "--segment", "segment")
        command.json("namespace", "set", "texts", "--compression", "adaptive",
                     "--segment", "segment")
        for generation in (1, 2, 3):
            change(command, generation)
            command.json("backup", "once", "copy", "--segment", "segment",
                         "--fold-percent", "10000")
        settings = command.json("namespace", "list", "--segment", "segment")
        expected = {
            "entries": {space: command.content("segment", space)
                        for space in SPACES},
            "namespaces": [
                {field: space[field] for field in
                 ("name", "entries", "policy", "priority", "quota_bytes",
                  "default_ttl_ms", "compression")}
                for space in settings["namespaces"]]}
        # Text, in lines, so that the repository holds no binary files.
        files = {file.name: textwrap.wrap(
                     base64.b64encode(file.read_bytes()).decode(), 100)
                 for file in sorted((command.home / "copy").glob("*.npb"))}
    with open(HERE / "v1.json", "w", encoding="utf-8") as file:
        json.dump(files, file, indent=1)
        file.write("\n")
    with open(HERE / "expected.json", "w", encoding="utf-8") as file:
        json.dump(expected, file, indent=1, sort_keys=True)
        file.write("\n")


if __name__ == "__main__":
    main()
