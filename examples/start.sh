#!/bin/sh
# Start to record a channel: ACCESS_TOKEN=… examples/start.sh CHANNEL
#
# The token comes from the environment and goes to curl on its standard input: what stands on a command
# line can be read by everyone on the machine. Prints the answer; its task_id is for status.sh and stop.sh.
# Where callers are asked who they are (docs/auth.md), set EGRESS_TOKEN.
set -eu
: "${EGRESS_URL:=http://127.0.0.1:8091}" "${APP_ID:=demo}"
: "${ACCESS_TOKEN:?set ACCESS_TOKEN to the token to join the channel with}"
CHANNEL=${1:?usage: ACCESS_TOKEN=… $0 CHANNEL}
# Give REQUEST_ID to repeat a start: the same id is the same task.
: "${REQUEST_ID:=$(od -An -N10 -tx1 /dev/urandom | tr -d ' \n')}"

curl -sS --fail-with-body -X POST "$EGRESS_URL/egress/v1/$APP_ID/tasks" \
    -H 'Content-Type: application/json' --data-binary @- -H @/dev/fd/3 3<<AUTH <<JSON
${EGRESS_TOKEN:+Authorization: Bearer $EGRESS_TOKEN}
AUTH
{"request_id": "$REQUEST_ID", "cmd": "record",
 "payload": {"layout": "flat", "channel": "$CHANNEL", "access_token": "$ACCESS_TOKEN", "workerUid": 42, "users": [],
  "filename_pattern": "{date}_{time}_{channel}", "format": "hls",
  "video": {"width": 1280, "height": 720, "frameRate": 30, "bitrate": 1000},
  "audio": {"sampleRate": 48000, "channels": 2, "bitrate": 128}}}
JSON
