#!/bin/sh
# End a recording: examples/stop.sh TASK_ID
# Where callers are asked who they are (docs/auth.md), set EGRESS_TOKEN.
set -eu
: "${EGRESS_URL:=http://127.0.0.1:8091}" "${APP_ID:=demo}"
TASK_ID=${1:?usage: $0 TASK_ID}

curl -sS --fail-with-body -X POST "$EGRESS_URL/egress/v1/$APP_ID/tasks/$TASK_ID/stop" \
    -H 'Content-Type: application/json' -d '{"request_id": "2yui23k5"}' -H @/dev/fd/3 3<<AUTH
${EGRESS_TOKEN:+Authorization: Bearer $EGRESS_TOKEN}
AUTH
