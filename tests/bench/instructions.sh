#!/usr/bin/env bash
# usage: instructions.sh FAIRLEAD-COUNTED BUILD-TYPE
# Counts, with callgrind, the instructions of the node's own work for one create, one entry that is applied and one read, and fails when
# one is over its bound. Counts do not depend on what else the machine does, but on the compiler and its flags: the bounds are for the preset
# dev (build type Debug: -O1 -g1, by Debian 12's g++ 12), which the tests are built with. Of another build type the counts are only shown.
set -euo pipefail
counted=$1
build_type=$2
readonly COUNT=512

# A few percent above what was counted last; the README of this folder keeps the counts.
declare -A bounds
[[ $build_type != Debug ]] || bounds=([create]=328000 [apply]=253000 [read]=68500)

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# One implementation of hashes and ciphers, and of memcpy, whatever the processor offers.
export OPENSSL_ia32cap=:~0x20000000 GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2,-ERMS

bad=0
for work in create apply read; do
  if ! valgrind --tool=callgrind --toggle-collect='*::Counted*' --callgrind-out-file="$scratch/$work" "$counted" "$work" "$COUNT" \
    >"$scratch/log" 2>&1; then
    cat "$scratch/log" >&2
    exit 1
  fi
  collected=$(sed -n 's/.*Collected : \([0-9]*\).*/\1/p' "$scratch/log")
  each=$((collected / COUNT))
  bound=${bounds[$work]:-}
  if [[ $each -eq 0 ]]; then
    printf '%s: nothing was counted\n' "$work"
    bad=1
  elif [[ -z $bound ]]; then
    printf '%s: %d instructions\n' "$work" "$each"
  elif [[ $each -gt $bound ]]; then
    printf '%s: %d instructions, over the bound of %d for a %s build. What takes them:\n' "$work" "$each" "$bound" "$build_type"
    callgrind_annotate --auto=no --threshold=60 "$scratch/$work" >"$scratch/annotated"
    awk '/file:function/ { on = 1 } on && lines++ < 25 { print substr($0, 1, 140) }' "$scratch/annotated"
    printf 'Raise the bound, in %s, only for what is worth it.\n' "${BASH_SOURCE[0]}"
    bad=1
  else
    printf '%s: %d instructions (bound %d)\n' "$work" "$each" "$bound"
  fi
done
exit "$bad"
