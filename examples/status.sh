#!/bin/sh
# Ask how a task is: examples/status.sh TASK_ID
set -eu
: "${EGRESS_URL:=http://127.0.0.1:8091}" "${APP_ID:=demo}"
TASK_ID=${1:?usage: $0 TASK_ID}

curl -sS --fail-with-body "$EGRESS_URL/egress/v1/$APP_ID/tasks/$TASK_ID"
