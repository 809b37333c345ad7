#!/bin/sh
# Stands for wrangler in tests: an account in this folder, whose answers have the form of wrangler's.
#   calls                  every command line, in order
#   database               the name of the database, once it is made
#   worker-<name>/         a Worker: the names of its secrets, its version, what came over standard input
#   fail                   a pattern; a command line that matches fails, and prints what it was told over standard input
here=$(dirname "$0")
printf '%s\n' "$*" >>"$here/calls"
if [ -e "$here/fail" ]; then
  # shellcheck disable=SC2254
  case "$*" in $(cat "$here/fail")) echo "✘ [ERROR] it fails on purpose: $(cat)" >&2; exit 1 ;; esac
fi
worker="$here/worker-$4"
case "$1 $2" in
  "whoami --json") cat "$here/accounts" ;;
  "d1 list")
    if [ -e "$here/database" ]; then
      printf '▲ a warning\n[{"uuid": "id-of-%s", "name": "%s"}]\n' "$(cat "$here/database")" "$(cat "$here/database")"
    else
      echo '[]'
    fi ;;
  "d1 create") printf '%s' "$3" >"$here/database" ;;
  "d1 migrations") ;;
  "secret list")
    if [ ! -d "$worker" ]; then
      echo "✘ [ERROR] Worker \"$4\" not found." >&2
      exit 1
    fi
    touch "$worker/secrets"
    printf '[%s]\n' "$(sort -u "$worker/secrets" | sed 's/.*/{"name": "&", "type": "secret_text"}/' | paste -sd, -)" ;;
  "secret bulk")
    mkdir -p "$worker"
    cat >"$worker/stdin"
    tr ',' '\n' <"$worker/stdin" | sed -n 's/^[{]*"\([A-Z0-9_]*\)":.*/\1/p' >>"$worker/secrets" ;;
  "deployments status")
    if [ ! -e "$worker/version" ]; then
      echo "✘ [ERROR] The Worker $4 has no deployments." >&2
      exit 1
    fi
    printf '{"id": "d", "versions": [{"version_id": "%s", "percentage": 100}]}\n' "$(cat "$worker/version")" ;;
  "deploy --config")
    name=$(sed -n 's/^  "name": "\(.*\)",*$/\1/p' "$3")
    worker="$here/worker-$name"
    mkdir -p "$worker"
    echo x >>"$worker/deployments"
    version="v$(wc -l <"$worker/deployments" | tr -d ' ')-of-$name"
    printf '%s' "$version" >"$worker/version"
    printf '{"type": "deploy", "version_id": "%s", "targets": ["https://%s.test.workers.dev"]}\n' "$version" "$name" \
      >"$WRANGLER_OUTPUT_FILE_PATH" ;;
  rollback*) printf '%s' "$2" >"$worker/version" ;;
  *) echo "no such command: $*" >&2; exit 1 ;;
esac
