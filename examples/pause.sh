#!/bin/sh
# Leave out what follows, or go on in the same playlist: examples/pause.sh TASK_ID [true|false]
#
# Prints the task's status, with "pause" as it is now wished; its reason says Paused once that is met.
# Where callers are asked who they are (docs/auth.md), set EGRESS_TOKEN.
set -eu
: "${EGRESS_URL:=http://127.0.0.1:8091}" "${APP_ID:=demo}"
TASK_ID=${1:?usage: $0 TASK_ID [true|false]}
PAUSE=${2:-true}

curl -sS --fail-with-body -X PATCH "$EGRESS_URL/egress/v1/$APP_ID/tasks/$TASK_ID" \
    -H 'Content-Type: application/json' -d "{\"request_id\": \"3kd0s2ma\", \"payload\": {\"pause\": $PAUSE}}" \
    -H @/dev/fd/3 3<<AUTH
${EGRESS_TOKEN:+Authorization: Bearer $EGRESS_TOKEN}
AUTH
