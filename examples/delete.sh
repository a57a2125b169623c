#!/bin/sh
# Delete a task; a recording that runs ends in order, what is in the store stays: examples/delete.sh TASK_ID
set -eu
: "${EGRESS_URL:=http://127.0.0.1:8091}" "${APP_ID:=demo}"
TASK_ID=${1:?usage: $0 TASK_ID}

curl -sS --fail-with-body -X DELETE "$EGRESS_URL/egress/v1/$APP_ID/tasks/$TASK_ID"
