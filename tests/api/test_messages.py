"""What streams and WebSockets send, compared with the schemas of /asyncapi.json."""

import json

import pytest
import requests
from websockets.sync.client import connect

from conftest import HUB, authorization, user_token
from test_documents import validator_of

PATIENCE = 60


@pytest.fixture(scope="module")
def document(server):
    return requests.get(f"{server}/asyncapi.json", timeout=PATIENCE).json()


def publish(server, body):
    response = requests.post(f"{server}/events", json=body, headers=authorization("/events"), timeout=PATIENCE)
    assert response.status_code == 200, response.text


def blocks(server, path, accept="text/event-stream"):
    """The fields of each block of a stream, as they come."""
    headers = {"Accept": accept, **authorization(path)}
    with requests.get(server + path, headers=headers, stream=True, timeout=PATIENCE) as response:
        assert response.status_code == 200, response.text
        fields = {}
        for line in response.iter_lines(chunk_size=1, decode_unicode=True):
            name, _, value = line.partition(":")
            if line and name:
                fields[name] = value.removeprefix(" ")
            elif fields.get("data") is not None:
                yield fields
                fields = {}


def check(document, message, fields):
    """Compares a block with the headers and the payload of a message."""
    message = document["components"]["messages"][message]
    headers = {name: fields[name] for name in ("event", "id") if name in fields}
    validator_of(document, message["headers"]).validate(headers)
    payload = fields["data"] if message["contentType"] == "text/plain" else json.loads(fields["data"])
    validator_of(document, message["payload"]).validate(payload)


def next_of(stream, event):
    """The next block of this name, or without a name."""
    return next(fields for fields in stream if fields.get("event") == event)


def test_a_stream_of_events_has_the_documented_messages(server, document):
    publish(server, {"topic": "messages", "event": "update", "data": {"price": 12}})
    stream = blocks(server, "/events?topic=messages&last_event_id=1-1&heartbeat=1s")
    for event, message in [
        ("gap", "gap"),
        ("connected", "connected"),
        ("update", "event"),
        ("heartbeat", "heartbeat"),
    ]:
        check(document, message, next_of(stream, event))
    stream = blocks(server, "/events?topic=messages&last=1&format=json")
    check(document, "jsonEvent", next_of(stream, None))
    head = blocks(server, "/events?topic=nothing-was-published-here&until=head")
    check(document, "position", next_of(head, "position"))


def test_a_stream_of_a_finished_topic_has_the_documented_message_and_then_204(server, document):
    url = f"{server}/topics/finished-messages/finish"
    requests.post(url, data=b"done", headers=authorization("/topics"), timeout=PATIENCE).raise_for_status()
    finished = next_of(blocks(server, "/events?topic=finished-messages"), "finished")
    check(document, "finished", finished)
    again = {"Last-Event-ID": finished["id"], **authorization("/events")}
    response = requests.get(f"{server}/events?topic=finished-messages", headers=again, timeout=PATIENCE)
    assert response.status_code == 204


def test_history_has_the_documented_lines(server, document):
    publish(server, {"topic": "lines", "data": "hello"})
    headers = {"Accept": "application/x-ndjson", **authorization("/events")}
    url = f"{server}/events?topic=lines&last_event_id=1-1"
    gap, event = requests.get(url, headers=headers, timeout=PATIENCE).text.splitlines()
    messages = document["components"]["messages"]
    validator_of(document, messages["historyGap"]["payload"]).validate(json.loads(gap))
    validator_of(document, messages["historyEvent"]["payload"]).validate(json.loads(event))


@pytest.mark.parametrize(
    ("format", "event", "message"),
    [("patch", None, "patch"), ("event", "message-signal", "namedPatch"), ("datastar", "datastar-patch-signals", "datastarPatch")],
)
def test_a_stream_of_signals_has_the_documented_messages(server, document, format, event, message):
    headers = authorization("/signals")
    url = f"{server}/signals/message-signal"
    requests.put(url, json={"value": 1}, headers=headers, timeout=PATIENCE).raise_for_status()
    stream = blocks(server, f"/signals?name=message-signal&format={format}")
    check(document, message, next_of(stream, event))
    check(document, "connected", next_of(stream, "connected"))
    requests.patch(
        url, json={"value": 2}, headers={**headers, "Content-Type": "application/merge-patch+json"}, timeout=PATIENCE
    ).raise_for_status()
    changed = next_of(stream, event)
    assert "id" in changed
    check(document, message, changed)
    requests.delete(url, headers=headers, timeout=PATIENCE).raise_for_status()
    if format == "patch":
        check(document, "deleted", next_of(stream, "deleted"))


def test_users_who_come_and_go_are_announced_as_documented(server, document):
    announced = blocks(server, "/events?topic=$presence/messages")
    next_of(announced, "connected")
    user = {"Authorization": f"Bearer {user_token('anna')}"}
    with requests.get(f"{server}/events?topic=messages", headers=user, stream=True, timeout=PATIENCE):
        check(document, "join", next_of(announced, "join"))
    check(document, "leave", next_of(announced, "leave"))


def test_a_stream_of_the_hub_has_the_documented_messages(server, document):
    topic = "https://example.com/messages"
    form = {"topic": topic, "data": "hello", "type": "update"}
    requests.post(server + HUB, data=form, headers=authorization(HUB), timeout=PATIENCE).raise_for_status()
    stream = blocks(server, f"{HUB}?topic={topic}&lastEventID=earliest")
    check(document, "update", next_of(stream, "update"))


def test_a_websocket_has_the_documented_messages(server, document):
    messages = document["components"]["messages"]

    def receive(socket, type, message):
        while True:
            received = json.loads(socket.recv(timeout=PATIENCE))
            if received.get("type") == type:
                validator_of(document, messages[message]["payload"]).validate(received)
                return

    url = server.replace("http", "ws") + "/ws?topic=socket&last_event_id=1-1&heartbeat=1s"
    with connect(url, additional_headers=authorization("/ws")) as socket:
        receive(socket, "gap", "socketGap")
        receive(socket, "connected", "socketConnected")
        sent = {"topic": "socket", "data": "hello", "ref": "7"}
        validator_of(document, messages["publish"]["payload"]).validate(sent)
        socket.send(json.dumps(sent))
        # The event and the response to its publish come in any order.
        socket.send(json.dumps({"topic": "socket"}))
        receive(socket, "published", "published")
        receive(socket, "refused", "refused")
        receive(socket, "heartbeat", "socketHeartbeat")
    with connect(server.replace("http", "ws") + "/ws?topic=socket&last=1", additional_headers=authorization("/ws")) as socket:
        receive(socket, None, "socketEvent")
