#!/usr/bin/env bash
# `tools/dev check` finds a promise of the last release broken: a field taken from the API after a tag fails its check of the protos, with
# the field's name; without a tag, and with the field still there, it passes.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
fail() {
  printf '%s\n' "$*"
  exit 1
}

mkdir -p "$scratch/tools"
cp -r "$root/api" "$root/buf.yaml" "$scratch"
cp -r "$root/tools/check.d" "$root/tools/dev.d" "$scratch/tools"
ln -s "$root/tools/npm" "$scratch/tools/npm"
cd "$scratch"
git init --quiet
git -c user.name=test -c user.email=test@fairlead.example commit --quiet --allow-empty --message empty
git add api buf.yaml
git -c user.name=test -c user.email=test@fairlead.example commit --quiet --message api

output=$(tools/check.d/protos 2>&1) || fail "no release: $output"
[[ $output == *"no release is tagged"* ]] || fail "says nothing of the missing release: $output"

git -c user.name=test -c user.email=test@fairlead.example tag --annotate --message release v0.1.0
git tag v0.0.9 HEAD^ # an earlier one, without an API, is not what counts
git tag vocabulary HEAD^ # nor is this a release
output=$(tools/check.d/protos 2>&1) || fail "unchanged: $output"
[[ $output == *"v0.1.0"* ]] || fail "does not say with what it compared: $output"

sed -i '/^  string etag = 2;$/d' api/fairlead/v1/exchange_service.proto
if output=$(tools/check.d/protos 2>&1); then fail "a field is gone, and nobody minds"; fi
[[ $output == *'"etag"'*ReleasedRecord* ]] || fail "does not name the field: $output"
printf 'a field that was taken away is found\n'
