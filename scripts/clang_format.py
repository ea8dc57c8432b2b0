#!/usr/bin/env python3
"""Complains about every source file that clang-format would change.

usage: clang_format.py [--fix]
"""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = ["memory", "storage", "crdt", "consensus", "config", "actors", "cli",
           "examples", "bench", "tests", "cmake"]


def main():
    fix = sys.argv[1:] == ["--fix"]
    if sys.argv[1:] and not fix:
        sys.exit(__doc__)
    files = sorted(
        str(path) for folder in FOLDERS
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".cpp", ".hpp") and "node_modules" not in path.parts)
    mode = ["-i"] if fix else ["--dry-run", "-Werror"]
    result = subprocess.run(["clang-format", *mode, *files], cwd=ROOT,
                            capture_output=True, text=True, check=False)
    wrong = sorted({line.split(":")[0] for line in result.stderr.splitlines()
                    if "-Wclang-format-violations" in line})
    for path in wrong:
        print(f"{pathlib.Path(path).relative_to(ROOT)}: layout; run "
              f"scripts/lint.sh --fix")
    if result.returncode != 0 and not wrong:
        print(result.stderr)
    print(f"clang-format: {len(files)} files, {len(wrong)} to be rewritten")
    return result.returncode


if __name__ == "__main__":
    sys.exit(main())
