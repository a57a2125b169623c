#!/bin/sh
# Make an API key for some apps: examples/api-key.sh FILE APP...
#
# Prints the key, for whoever calls; nobody can read it again. FILE gets the entry for the gateway's Secret, with the
# key's SHA-256 alone; its name is the key's. The app * is every app. docs/auth.md goes on from here.
set -eu
FILE=${1:?usage: $0 FILE APP...}
: "${2:?usage: $0 FILE APP...}"
shift

KEY=egk_$(openssl rand -base64 32 | tr '+/' '-_' | tr -d '=\n')
HASH=$(printf %s "$KEY" | openssl dgst -sha256 -r | cut -d ' ' -f 1)
APPS=$(printf '"%s", ' "$@")
printf '{"hash": "sha256:%s", "apps": [%s]}\n' "$HASH" "${APPS%, }" > "$FILE"
printf '%s\n' "$KEY"
