#!/bin/sh
# End a recording: examples/stop.sh TASK_ID
set -eu
: "${EGRESS_URL:=http://127.0.0.1:8091}" "${APP_ID:=demo}"
TASK_ID=${1:?usage: $0 TASK_ID}

curl -sS --fail-with-body -X POST "$EGRESS_URL/egress/v1/$APP_ID/tasks/$TASK_ID/stop" \
    -H 'Content-Type: application/json' -d '{"request_id": "2yui23k5"}'
