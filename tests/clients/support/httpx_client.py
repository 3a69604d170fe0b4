"""Subscribes with httpx-sse, prints each event as a line of JSON, and comes back with the last id."""

import json
import sys
import time

import httpx
from httpx_sse import SSEError, connect_sse

url = sys.argv[1]
last_id = None
retry = 1.0

# The heartbeat comes every ten seconds: a stream that is silent for longer is gone.
with httpx.Client(trust_env=False, timeout=httpx.Timeout(5, read=30)) as client:
    while True:
        headers = {} if last_id is None else {"Last-Event-ID": last_id}
        try:
            with connect_sse(client, "GET", url, headers=headers) as source:
                for sse in source.iter_sse():
                    if sse.retry is not None:
                        retry = sse.retry / 1000
                    if not sse.id:
                        continue
                    last_id = sse.id
                    print(json.dumps({"event": sse.event, "data": sse.data, "id": sse.id}), flush=True)
        except (httpx.TransportError, SSEError):
            pass
        time.sleep(retry)
