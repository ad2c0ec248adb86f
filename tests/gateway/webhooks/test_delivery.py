"""Receivers get what they may see, in order, signed, until they have taken it; with a real HTTP receiver."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import Connection, Engine

from gateway.registry.model import Enterprise, Name, Park, Registry
from gateway.store.changes_repository import hold_feed, note_changes
from gateway.store.database import guarded, writing
from gateway.store.lease_repository import LeaseLost
from gateway.store.webhooks_repository import Webhook, WebhooksRepository
from gateway.webhooks.delivery import FIRST_PAUSE_S, PAGE, PARK_AFTER_MS, Delivered, Deliveries
from gateway.webhooks.signature import new_secret

NOW_MS = 1_793_000_000_000
OPEN, SECRET = "91350505M00000019R", "91350583M00000035E"  # the second one consents to nobody


@dataclass
class Receiver:
    """A platform's HTTP server: answers as told, keeps what it took."""

    status: int = 200
    taken: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    url: str = ""

    def seqs(self) -> list[int]:
        return [item["seq"] for message in self.taken for item in message["items"]]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    own = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if own.status == 200:
                own.taken.append(json.loads(body))
                own.headers.append({key.lower(): value for key, value in self.headers.items()})
                own.bodies.append(body)
            self.send_response(own.status)
            if own.status == 302:
                self.send_header("location", f"{own.url}/elsewhere")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        own.url = f"http://127.0.0.1:{server.server_port}/changes"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield own
        server.shutdown()
        thread.join()


def registry() -> Registry:
    name = Name("厂", "Plant")
    return Registry(
        1,
        {"park": Park("park", name, "fujian", "Asia/Shanghai")},
        {
            OPEN: Enterprise(OPEN, name, "park", "C3130", consents=("quanzhou",)),
            SECRET: Enterprise(SECRET, name, "park", "C3130"),
        },
    )


def note(engine: Engine, *versions: tuple[str, int]) -> None:
    with writing(engine) as connection:
        hold_feed(connection)
        note_changes(connection, "statement", [(own, "2026-10", version) for own, version in versions], NOW_MS)


def register(engine: Engine, url: str, platform: str = "quanzhou") -> Webhook:
    webhook = Webhook(f"wh_{platform}", platform, url, new_secret(), created_at_ms=NOW_MS, after_seq=0)
    WebhooksRepository(engine).add(webhook)
    return webhook


def deliveries(engine: Engine) -> Deliveries:
    return Deliveries(engine, registry, chance=lambda: 0.0)


def only(engine: Engine) -> Webhook:
    (webhook,) = WebhooksRepository(engine).all()
    return webhook


def test_a_receiver_gets_what_it_may_see_in_order_and_once(engine: Engine, receiver: Receiver) -> None:
    note(engine, (OPEN, 1), (SECRET, 1), (OPEN, 2))
    register(engine, receiver.url)
    assert deliveries(engine).run(NOW_MS) == Delivered(messages=1, changes=2)
    assert receiver.seqs() == [1, 3]
    assert {item["enterprise"] for item in receiver.taken[0]["items"]} == {OPEN}
    assert deliveries(engine).run(NOW_MS) == Delivered()
    note(engine, (OPEN, 3))
    deliveries(engine).run(NOW_MS)
    assert receiver.seqs() == [1, 3, 4]
    assert [(one["after"], one["last"]) for one in receiver.taken] == [(0, 3), (3, 4)]


def test_the_signature_covers_id_time_and_body(engine: Engine, receiver: Receiver) -> None:
    note(engine, (OPEN, 1))
    webhook = register(engine, receiver.url)
    deliveries(engine).run(NOW_MS)
    (headers,), (body,) = receiver.headers, receiver.bodies
    signed = f"{headers['webhook-id']}.{NOW_MS // 1000}.".encode() + body
    key = base64.b64decode(webhook.secret.removeprefix("whsec_"))
    wanted = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    assert headers["webhook-timestamp"] == str(NOW_MS // 1000)
    assert headers["webhook-signature"] == f"v1,{wanted}"


def test_a_feed_longer_than_a_message_comes_in_several(engine: Engine, receiver: Receiver) -> None:
    note(engine, *[(OPEN, version) for version in range(1, PAGE + 6)])
    register(engine, receiver.url)
    assert deliveries(engine).run(NOW_MS) == Delivered(messages=2, changes=PAGE + 5)
    assert receiver.seqs() == list(range(1, PAGE + 6))


def test_each_message_begins_where_the_one_before_ended_whatever_the_receiver_may_not_see(
    engine: Engine, receiver: Receiver
) -> None:
    note(engine, (OPEN, 1), *[(SECRET, version) for version in range(1, 2 * PAGE)], (OPEN, 2), (SECRET, 2 * PAGE))
    register(engine, receiver.url)
    assert deliveries(engine).run(NOW_MS) == Delivered(messages=3, changes=2)
    assert receiver.seqs() == [1, 2 * PAGE + 1]
    assert [len(one["items"]) for one in receiver.taken] == [1, 0, 1]
    note(engine, (SECRET, 2 * PAGE + 1))
    assert deliveries(engine).run(NOW_MS) == Delivered(), "few changes that nobody may see are no message"
    note(engine, (OPEN, 3))
    deliveries(engine).run(NOW_MS)
    assert receiver.seqs()[-1] == 2 * PAGE + 4
    assert [one["after"] for one in receiver.taken] == [0, *(one["last"] for one in receiver.taken[:-1])]


def test_who_lost_the_lease_while_it_delivered_writes_down_nothing(engine: Engine, receiver: Receiver) -> None:
    def lost(_: Connection) -> None:
        raise LeaseLost("another one leads")

    note(engine, (OPEN, 1))
    register(engine, receiver.url)
    with guarded(lost), pytest.raises(LeaseLost):
        deliveries(engine).run(NOW_MS)
    assert only(engine).after_seq == 0
    deliveries(engine).run(NOW_MS)
    assert receiver.seqs() == [1, 1], "at least once"


def test_what_was_not_taken_comes_again_later_and_nothing_is_left_out(engine: Engine, receiver: Receiver) -> None:
    note(engine, (OPEN, 1))
    register(engine, receiver.url)
    receiver.status = 503
    assert deliveries(engine).run(NOW_MS).failed == 1
    assert deliveries(engine).run(NOW_MS + round(FIRST_PAUSE_S * 1000) - 1) == Delivered(), "not before its time"
    assert deliveries(engine).run(NOW_MS + round(FIRST_PAUSE_S * 1000)).failed == 1
    webhook = only(engine)
    assert (webhook.failures, webhook.failing_since_ms, webhook.after_seq) == (2, NOW_MS, 0)
    assert webhook.next_at_ms == NOW_MS + round(3 * FIRST_PAUSE_S * 1000), "the pause doubles"
    assert webhook.last_error.startswith("answered 503")
    receiver.status = 200
    note(engine, (OPEN, 2))
    assert deliveries(engine).run(webhook.next_at_ms).changes == 2
    assert receiver.seqs() == [1, 2]
    assert (only(engine).failures, only(engine).last_error) == (0, "")


@pytest.mark.parametrize("status", [302, 400, 500])
def test_only_2xx_counts_as_taken(engine: Engine, receiver: Receiver, status: int) -> None:
    note(engine, (OPEN, 1))
    register(engine, receiver.url)
    receiver.status = status
    assert deliveries(engine).run(NOW_MS) == Delivered(failed=1)
    assert only(engine).after_seq == 0


def test_a_dead_receiver_is_parked_holds_nobody_up_and_goes_on_where_it_stopped(
    engine: Engine, receiver: Receiver
) -> None:
    note(engine, (OPEN, 1))
    dead = register(engine, "http://127.0.0.1:1/nobody", platform="dead")
    register(engine, receiver.url)
    store = WebhooksRepository(engine)
    deliveries(engine).run(NOW_MS)
    assert receiver.seqs() == [1]
    # The dead one may see nothing: its platform has no consent, so there is nothing to fail with.
    assert next(one for one in store.all() if one.id == dead.id).failures == 0
    store.remove(dead.id)
    store.remove("wh_quanzhou")

    lost = register(engine, "http://127.0.0.1:1/nobody")
    assert deliveries(engine).run(NOW_MS) == Delivered(failed=1)
    assert "no answer" in only(engine).last_error
    assert deliveries(engine).run(NOW_MS + PARK_AFTER_MS) == Delivered(failed=1, parked=1)
    assert deliveries(engine).run(NOW_MS + 2 * PARK_AFTER_MS) == Delivered(), "parked: it costs nothing any more"
    assert store.resume(lost.id)
    assert deliveries(engine).run(NOW_MS + 2 * PARK_AFTER_MS) == Delivered(failed=1)
    assert only(engine).after_seq == 0, "nothing is skipped"


def test_gone_parks_at_once(engine: Engine, receiver: Receiver) -> None:
    note(engine, (OPEN, 1))
    register(engine, receiver.url)
    receiver.status = 410
    assert deliveries(engine).run(NOW_MS) == Delivered(failed=1, parked=1)
