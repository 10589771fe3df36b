#!/usr/bin/env bash
# The completion completes: completion_test.sh FOLDER, which has what make_cli_docs wrote.
set -eu
folder=$1
source "$folder/aitune"

# complete WORDS...: what bash offers for the last of the words.
complete_words() {
  COMP_WORDS=("$@")
  COMP_CWORD=$(($# - 1))
  _aitune
  echo "${COMPREPLY[*]}"
}
failed=0
# expect WANTED WORDS...
expect() {
  local wanted=$1 got
  shift
  got=$(complete_words "$@")
  if [[ $got != "$wanted" ]]; then
    echo "after '$*' came '$got', and '$wanted' was expected"
    failed=1
  fi
}
expect 'tune' aitune tu
expect 'run refit report' aitune r
expect '--output' aitune tune model.pt2 --out
expect '--steps' aitune bench --st
expect '--steps' aitune inspect model.ait --st
expect 'optimization_level=' aitune tune --set optim
expect '' aitune tune -o --out
expect '' aitune run mod
expect '--tolerance' aitune compare a.ait b.ait --tol
expect '--engine-cache-dir' aitune cache list --eng
expect 'prune' aitune cache pr
expect '--version' aitune --v
for command in tune run bench inspect verify refit cache report diff compare doctor; do
  [[ " $(complete_words aitune '') " == *" $command "* ]] || { echo "$command is not offered"; failed=1; }
  [[ " $(complete_words aitune $command --) " == *" --json "* ]] || { echo "$command does not offer --json"; failed=1; }
done
# Bash itself knows it as aitune's, and offers files where it offers nothing.
[[ $(complete -p aitune) == *"-o default"*"-F _aitune aitune" ]] || { echo "$(complete -p aitune)"; failed=1; }
exit $failed
