#!/usr/bin/env python3
"""Compiles a loop for several processors and sees what check_isa.py says.

usage: check_isa_test.py <C++ compiler>
"""

import pathlib
import subprocess
import sys
import tempfile

CHECK = pathlib.Path(__file__).with_name("check_isa.py")

# Flags, name of the function, and whether it is to be refused.
CASES = [
    ("-march=x86-64-v2", "sum", False),
    ("-march=x86-64-v3", "sum", True),
    ("-march=x86-64-v3", "sum_avx2", False),
]
LOOP = """
float %s(const float* values, unsigned long count) {
  float total[8] = {};
  for (unsigned long i = 0; i < count; ++i)
    for (int lane = 0; lane < 8; ++lane)
      total[lane] += values[i * 8 + lane];
  return total[0] + total[1] + total[2] + total[3];
}
"""


def refused(compiler, flags, name):
    with tempfile.TemporaryDirectory() as directory:
        source = pathlib.Path(directory, "loop.cpp")
        source.write_text(LOOP % name)
        binary = source.with_suffix(".o")
        subprocess.run([compiler, "-O3", flags, "-c", source, "-o", binary],
                       check=True)
        result = subprocess.run([sys.executable, CHECK, binary], check=False,
                                capture_output=True)
        return result.returncode != 0


def main():
    wrong = [case for case in CASES
             if refused(sys.argv[1], case[0], case[1]) != case[2]]
    for flags, name, expected in wrong:
        print(f"{name} with {flags}: expected refused={expected}")
    print(f"{len(CASES)} cases, {len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
