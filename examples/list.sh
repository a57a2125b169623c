#!/bin/sh
# List an app's tasks, newest first: examples/list.sh [PARAMETER=VALUE...], such as status=PROCESSING limit=100
#
# Prints one page; its next_cursor, where there is one, gives the next: examples/list.sh cursor=…
set -eu
: "${EGRESS_URL:=http://127.0.0.1:8091}" "${APP_ID:=demo}"

for parameter; do
    set -- "$@" --data-urlencode "$parameter"
    shift
done
curl -sS --fail-with-body -G "$@" "$EGRESS_URL/egress/v1/$APP_ID/tasks"
