#!/usr/bin/env bash
# Looks whether the dashboard's server answers as it should: test_sse.sh [URL]
set -euo pipefail

url=${1:-http://127.0.0.1:3000}
url=${url%/}
# Longest wait for one line of a stream, in seconds.
patience=15
failures=0

passed() { echo "ok    $1"; }

failed() {
    echo "FAILED $1" >&2
    failures=$((failures + 1))
}

answers() { # what, path, what the answer holds
    local body
    if body=$(curl -sS --fail --max-time "$patience" "$url$2") && [[ $body == *"$3"* ]]; then
        passed "$1"
    else
        failed "$1: $url$2 does not answer with $3"
    fi
}

heads() { # path of a stream
    local head
    if head=$(curl -sSI --fail --max-time "$patience" "$url$1") && [[ ${head,,} == *text/event-stream* ]]; then
        passed "curl -I $1"
    else
        failed "curl -I $1 does not answer with the head of a stream"
    fi
}

streams() { # path, then what its lines hold, in order
    local path=$1 wanted line stream
    shift
    exec {stream}< <(exec curl -sSN -H 'Accept: text/event-stream' "$url$path")
    local curl=$!
    for wanted in "$@"; do
        while :; do
            if ! IFS= read -r -t "$patience" line <&"$stream"; then
                failed "$path: no line with $wanted"
                break 2
            fi
            if [[ $line == *"$wanted"* ]]; then
                passed "$path: $wanted"
                break
            fi
        done
    done
    kill "$curl" 2>/dev/null || true
    exec {stream}<&-
}

answers 'health' /api/health '"ok"'
answers 'dashboard' / 'data-init="@get('
answers 'test page' /static/test-sse.html 'Reconnect'
heads /api/sse/stats
heads /api/sse/activity
streams /api/sse/stats 'event: datastar-patch-signals' '"projectCount":' 'event: connected'
streams /api/sse/activity 'event: datastar-patch-elements' 'data: elements <ol id="activity">' \
    'event: datastar-patch-signals' '"loading":false'

if [ "$failures" -gt 0 ]; then
    echo "$failures of the checks failed" >&2
    exit 1
fi
echo "all is well at $url"
