#!/usr/bin/env bash
# The manual page has no mistakes that groff or mandoc would name, and has every command.
set -eu
page=$1/aitune.1
if command -v mandoc >/dev/null; then mandoc -T lint -W warning "$page"; fi
if command -v groff >/dev/null; then
  problems=$(groff -man -ww -z -Tutf8 "$page" 2>&1)
  [[ -z $problems ]] || { echo "$problems"; exit 1; }
fi
for word in 'aitune tune' 'aitune diff' 'aitune compare' '\\-\\-output' '\\-\\-set' optimization_level 'EXIT STATUS'; do
  grep -q -- "$word" "$page" || { echo "the page does not say $word"; exit 1; }
done
