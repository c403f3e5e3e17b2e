# What the scripts of tools/ share. Sourced, never run.
# shellcheck shell=bash
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck disable=SC2034  # used by those who source this
NPM_BIN=$ROOT/tools/npm/node_modules/.bin

step() { printf '==> %s\n' "$*" >&2; }

die() {
  printf '%s: %s\n' "${0#"$ROOT"/}" "$*" >&2
  exit 1
}

# Prints the files of the project, with the paths of git, that match the patterns: committed or new, but not ignored or deleted.
project_files() {
  local file
  git -C "$ROOT" ls-files --cached --others --exclude-standard -- "$@" | sort -u | while IFS= read -r file; do
    [[ ! -f $ROOT/$file ]] || printf '%s\n' "$file"
  done
}
