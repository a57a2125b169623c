#!/usr/bin/env bash
# From nothing to the recording of a web page, with the commands that a user would type: `make demo-web`.
#
# Leaves the cluster up, the gateway at http://127.0.0.1:8091 and the recording in ./demo-output.
set -euo pipefail
cd "$(dirname "$0")/.."

SECONDS_TO_RECORD=${SECONDS_TO_RECORD:-15}
PAGE=${PAGE:-http://pages.egress-demo/demo.html}
APP=demo
GATEWAY=http://127.0.0.1:8091
OUT=demo-output
PYTHON=.venv/bin/python
mkdir -p "$OUT"
STORE="env PYTHONPATH=tests $PYTHON -m support.demo_cli"

say() { printf '\n%s\n' "$*"; }
show() { printf "$ %s\n" "$*"; "$@"; }

say "1. A cluster, with the chart installed"
$PYTHON -m egress_cluster deploy
eval "$($PYTHON -m egress_cluster env)"

say "2. Start: a page with a clock and a tone, which the cluster itself serves"
TASK=
at_the_end() {
  local code=$?
  [ "$code" = 0 ] || [ -z "$TASK" ] || kubectl --namespace egress describe "egresstask/$TASK" >&2 || true
  exit "$code"
}
trap at_the_end EXIT
REQUEST_ID=demo$(date +%s)
body=$(cat <<JSON
{"request_id": "$REQUEST_ID", "cmd": "record",
 "payload": {"layout": "freestyle", "url": "$PAGE", "webGL": false,
  "filename_pattern": "{date}_{time}_page", "format": "hls",
  "video": {"width": 1280, "height": 720, "frameRate": 30, "bitrate": 1000}, "audio": {"sampleRate": 48000, "channels": 2, "bitrate": 128}}}
JSON
)
echo "\$ curl -sS -X POST $GATEWAY/egress/v1/$APP/tasks -H 'Content-Type: application/json' -d '$body'"
answer=$(curl -sS --fail-with-body -X POST "$GATEWAY/egress/v1/$APP/tasks" -H 'Content-Type: application/json' -d @- <<<"$body") || { echo "$answer"; exit 1; }
echo "$answer"
TASK=$(jq -r .task_id <<<"$answer")
show kubectl --namespace egress wait "egresstask/$TASK" --for=jsonpath='{.status.state}'=PROCESSING --timeout=90s
show kubectl --namespace egress get egresstask "$TASK"

say "3. Record for $SECONDS_TO_RECORD s"
sleep "$SECONDS_TO_RECORD" # the recording's length, not a wait for something

say "4. Stop"
echo "\$ curl -sS -X POST $GATEWAY/egress/v1/$APP/tasks/$TASK/stop -H 'Content-Type: application/json' -d '{\"request_id\": \"2yui23k5\"}'"
curl -sS -X POST "$GATEWAY/egress/v1/$APP/tasks/$TASK/stop" -H 'Content-Type: application/json' -d '{"request_id": "2yui23k5"}'
show kubectl --namespace egress wait "egresstask/$TASK" --for=condition=Complete --timeout=90s

say "5. Status: the steps from the page to the recording, and the files"
echo "\$ kubectl --namespace egress get egresstask $TASK -o json | jq -r '.status.conditions[] | …'"
kubectl --namespace egress get egresstask "$TASK" -o json |
  jq -r '.status.conditions[] | select(.type | test("^(Page|FirstFrame)")) | "\(.type) \(.status): \(.reason)"'
echo "\$ curl -sS $GATEWAY/egress/v1/$APP/tasks/$TASK"
curl -sS "$GATEWAY/egress/v1/$APP/tasks/$TASK" | tee "$OUT/status-web.json"

say "6. What is in the bucket"
rm -rf "${OUT:?}/$TASK"
$STORE fetch "$APP/$TASK/" "$OUT/$TASK"
playlist=$OUT/$TASK/$(jq -r '.payload.files[0]' "$OUT/status-web.json")
echo "\$ ffprobe $playlist"
ffprobe -v error -show_streams -show_format -of json "$playlist" | jq -r '
  (.streams[] | select(.codec_type == "video") | "\(.codec_name) \(.width)x\(.height), \(.avg_frame_rate) frames a second"),
  (.streams[] | select(.codec_type == "audio") | "\(.codec_name) \(.sample_rate) Hz, \(.channels) channels"),
  "\(.format.duration) s"'
ffmpeg -v error -y -ss $((SECONDS_TO_RECORD / 2)) -i "$playlist" -frames:v 1 "$OUT/frame-web.png"

say "Done"
cat <<TEXT
playlist   $playlist
a frame    $OUT/frame-web.png
in S3      s3://recordings/$APP/$TASK/ at http://127.0.0.1:8092, keys in cluster/demo/store.yaml
gateway    $GATEWAY (the cluster stays up; \`make down\` takes it away)
kubectl    eval "\$(make -s env)"; kubectl -n egress get egresstasks
TEXT
