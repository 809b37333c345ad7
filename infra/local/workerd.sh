#!/bin/sh
# Miniflare starts this in workerd's place. It writes down the process id, which Miniflare does not tell and which
# the benchmark (CPU time), the crash tests (kill -9) and the watchdog in run.mjs need, and becomes workerd.
echo $$ >"$WORKERD_PID_FILE"
exec "$WORKERD_BINARY" "$@"
