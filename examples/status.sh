#!/bin/sh
# Ask how a task is: examples/status.sh TASK_ID
# Where callers are asked who they are (docs/auth.md), set EGRESS_TOKEN.
set -eu
: "${EGRESS_URL:=http://127.0.0.1:8091}" "${APP_ID:=demo}"
TASK_ID=${1:?usage: $0 TASK_ID}

curl -sS --fail-with-body "$EGRESS_URL/egress/v1/$APP_ID/tasks/$TASK_ID" -H @/dev/fd/3 3<<AUTH
${EGRESS_TOKEN:+Authorization: Bearer $EGRESS_TOKEN}
AUTH
