#!/bin/sh
# An extension as a shell script with curl: registers, waits for events, leaves on SHUTDOWN.
set -eu
name=$(basename "$0")
api="http://${AWS_LAMBDA_RUNTIME_API}/2020-01-01/extension"

id=$(curl -sS --noproxy '*' -D - -o /dev/null -X POST "$api/register" \
    -H "Lambda-Extension-Name: $name" -d '{"events":["INVOKE","SHUTDOWN"]}' |
    tr -d '\r' | sed -n 's/^[Ll]ambda-[Ee]xtension-[Ii]dentifier: //p')

while true; do
    event=$(curl -sS --noproxy '*' "$api/event/next" -H "Lambda-Extension-Identifier: $id")
    case "$event" in
    *'"eventType":"SHUTDOWN"'*)
        echo "$name leaves"
        exit 0
        ;;
    *) echo "$name saw an event" ;;
    esac
done
