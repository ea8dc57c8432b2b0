#!/usr/bin/env bash
# Checks layout (clang-format), house rules (tests/architecture) and bugs and
# names (clang-tidy) of the source.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
  cat <<'TEXT'
usage: scripts/lint.sh [--fix] [FILE...]

  (nothing)   clang-format, the house rules, and clang-tidy
  --fix       let clang-format rewrite what it would complain about
  FILE...     clang-tidy for these files only
TEXT
}

fix=no
files=()
while (($#)); do
  case $1 in
    --fix) fix=yes ;;
    -h | --help) usage; exit 0 ;;
    -*) echo "lint.sh: unknown option $1" >&2; usage >&2; exit 2 ;;
    *) files+=("$1") ;;
  esac
  shift
done

if ((${#files[@]})); then
  exec python3 scripts/clang_tidy.py "${files[@]}"
fi

result=0
if [[ $fix == yes ]]; then
  python3 scripts/clang_format.py --fix
fi
python3 scripts/clang_format.py || result=1
python3 tests/architecture/check_source.py . || result=1
python3 scripts/clang_tidy.py || result=1
exit "$result"
