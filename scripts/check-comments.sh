#!/usr/bin/env bash
# Lists the comment lines in Rust files that have more than 100 columns; fails if there are any.
set -euo pipefail
cd "$(dirname "$0")/.."
long=$(LC_ALL=C.UTF-8 git grep --untracked -nP '^(?=\s*//).{101}' -- '*.rs' || true)
[ -n "$long" ] || exit 0
printf '%s\nerror: %s comment lines have more than 100 columns\n' "$long" "$(wc -l <<<"$long")" >&2
exit 1
