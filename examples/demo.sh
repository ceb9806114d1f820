#!/bin/sh
# Bring up the registry of examples/solo, push an extension, list it, pull it
# back and compare. Usage: demo.sh BERTH
set -eu
berth=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
cd "$(dirname "$0")"
export BERTH_CONFIG="$PWD/solo/registry.k"

say() { printf '\n\033[1m$ %s\033[0m\n' "$*"; }
run() { say "$(echo "$*" | sed "s|$berth|berth|")"; "$@"; }
[ -t 1 ] || say() { printf '\n$ %s\n' "$*"; }

run "$berth" validate
run "$berth" up
run "$berth" push extension extensions/aws
run "$berth" ls extension/aws
out=$(mktemp -d)/aws
trap 'rm -rf "$(dirname "$out")"' EXIT
run "$berth" pull extension/aws -o "$out"
run diff -r extensions/aws "$out"
echo "The pulled tree is identical to examples/extensions/aws."

printf '\nThe registry goes on running. Stop it with:\n  %s down -f %s\n' "${berth#"$(dirname "$PWD")"/}" "examples/solo/registry.k"
