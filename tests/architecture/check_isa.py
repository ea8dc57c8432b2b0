#!/usr/bin/env python3
"""Refuses machine code that an x86-64-v2 processor does not know.

Reads objdump's listing of each file. AVX (ymm and zmm registers, instructions
that begin with v) and BMI may appear only in functions whose name says that
they are picked at run time: ..._avx2, ..._avx512.

usage: check_isa.py FILE...
"""

import re
import subprocess
import sys

FUNCTION = re.compile(r"^[0-9a-f]+ <(.+)>:$")
INSTRUCTION = re.compile(r"^\s*[0-9a-f]+:\t(?:(?:lock|rep\w*|notrack|bnd|data16|"
                         r"cs|ds|es|fs|gs|ss|addr32|rex\S*) )*(\S+)(.*)$")
# verr, verw and the virtual-machine instructions begin with v too, and are old.
NOT_AVX = {"verr", "verw", "vmcall", "vmlaunch", "vmresume", "vmxoff"}
# tzcnt is not among them: compilers write it on purpose for what an older
# processor runs as bsf, with the same result.
BMI = {"andn", "bextr", "blsi", "blsmsk", "blsr", "bzhi", "mulx", "pdep",
       "pext", "rorx", "sarx", "shlx", "shrx", "lzcnt", "movbe"}
WIDE_REGISTER = re.compile(r"%[yz]mm")
DISPATCHED = re.compile(r"_avx(2|512)")
SHOWN = 20


def forbidden(mnemonic, operands):
    if WIDE_REGISTER.search(operands):
        return True
    if mnemonic in BMI:
        return True
    return mnemonic.startswith("v") and mnemonic not in NOT_AVX


def check(path):
    """Answers (instructions read, {function: first wrong instruction})."""
    listing = subprocess.Popen(
        ["objdump", "--disassemble", "--no-show-raw-insn", "--demangle", path],
        stdout=subprocess.PIPE, text=True)
    function = "?"
    count = 0
    wrong = {}
    for line in listing.stdout:
        match = FUNCTION.match(line)
        if match:
            function = match.group(1)
            continue
        match = INSTRUCTION.match(line)
        if not match:
            continue
        count += 1
        if (forbidden(*match.groups()) and not DISPATCHED.search(function)):
            wrong.setdefault(function, " ".join(match.groups()))
    if listing.wait() != 0:
        sys.exit(f"objdump failed on {path}")
    return count, wrong


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    result = 0
    for path in sys.argv[1:]:
        count, wrong = check(path)
        print(f"{path}: {count} instructions, {len(wrong)} functions beyond "
              f"x86-64-v2")
        for function, instruction in list(wrong.items())[:SHOWN]:
            print(f"  {function}: {instruction}")
        if wrong or count == 0:
            result = 1
    return result


if __name__ == "__main__":
    sys.exit(main())
