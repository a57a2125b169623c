#!/bin/sh
# See the changes as they happen: examples/watch.sh [TASK_ID], of all tasks of the app or of one until it has ended
set -eu
: "${EGRESS_URL:=http://127.0.0.1:8091}" "${APP_ID:=demo}"

curl -sS --fail-with-body -N "$EGRESS_URL/egress/v1/$APP_ID${1:+/tasks/$1}/events"
