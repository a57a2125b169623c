#!/bin/sh
# Start to record a web page: examples/start-page.sh URL
#
# Prints the answer; its task_id is for status.sh and stop.sh. A page that logs END_RECORDING ends its recording.
# Where callers are asked who they are (docs/auth.md), set EGRESS_TOKEN.
set -eu
: "${EGRESS_URL:=http://127.0.0.1:8091}" "${APP_ID:=demo}"
URL=${1:?usage: $0 URL}
# Give REQUEST_ID to repeat a start: the same id is the same task.
: "${REQUEST_ID:=$(od -An -N10 -tx1 /dev/urandom | tr -d ' \n')}"

curl -sS --fail-with-body -X POST "$EGRESS_URL/egress/v1/$APP_ID/tasks" \
    -H 'Content-Type: application/json' --data-binary @- -H @/dev/fd/3 3<<AUTH <<JSON
${EGRESS_TOKEN:+Authorization: Bearer $EGRESS_TOKEN}
AUTH
{"request_id": "$REQUEST_ID", "cmd": "record",
 "payload": {"layout": "freestyle", "url": "$URL", "webGL": ${WEBGL:-false},
  "filename_pattern": "{date}_{time}_page", "format": "hls",
  "video": {"width": 1280, "height": 720, "frameRate": 30, "bitrate": 1000},
  "audio": {"sampleRate": 48000, "channels": 2, "bitrate": 128}}}
JSON
