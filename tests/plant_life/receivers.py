"""Platforms that the change feed is brought to: each answers, fails, is away, is slow, or dies half way through.

The product's own delivery speaks to them through a stand-in for its HTTP client, so nothing waits. A receiver checks
what the API's documentation tells it to, with the standard library only: the signature, that `after` is the `last` of
the message before, and the order of what is new; what it knows already it drops. All chance is drawn from a
`random.Random` of its own, so that what the plants live through is the same with and without it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Literal
from unittest.mock import patch

import urllib3

from tests.plant_life.instruments import DAY_MS, HOUR_MS

Mood = Literal["fine", "failing", "away", "slow", "dying", "gone"]
MOODS: tuple[Mood, ...] = ("failing", "failing", "away", "away", "slow", "dying", "dying", "gone")
CHANGES_A_MESSAGE = 5  # so few that every world needs many messages
CLOCKS_OFF_AT_MOST_MS = 48 * HOUR_MS  # of schedulers

Span = tuple[int, int]


@dataclass
class Receiver:
    """One platform's door."""

    platform: str
    rng: random.Random
    bad: list[Span]  # when it is anything but fine
    after: int  # the last change that it had before it was registered
    id: str = ""
    secret: str = ""
    last: int = 0  # of the newest message that it took whole
    taken: list[dict[str, Any]] = field(default_factory=list)  # changes, without those that came again
    came_again: int = 0
    healed: bool = False

    @property
    def url(self) -> str:
        return f"https://{self.platform}.example/changes"

    def registered(self, answer: dict[str, Any]) -> None:
        self.id, self.secret, self.last = answer["id"], answer["secret"], self.after

    def mood(self, now_ms: int) -> Mood:
        if self.healed or not any(first <= now_ms < end for first, end in self.bad):
            return "fine"
        return self.rng.choice(MOODS)

    def answer(self, body: bytes, headers: dict[str, str], now_ms: int) -> SimpleNamespace:
        """What the HTTP client gives, or the error that it raises."""
        mood = self.mood(now_ms)
        if mood == "away":
            raise urllib3.exceptions.ProtocolError("connection refused")
        if mood in ("failing", "gone"):
            return _status(410 if mood == "gone" else self.rng.choice((302, 429, 500, 503)))
        message = self._checked(body, headers, now_ms)
        items = message["items"]
        self._take(items[: self.rng.randrange(len(items) + 1)] if mood == "dying" else items)
        if mood == "dying":
            raise urllib3.exceptions.ProtocolError("connection reset in the middle of an answer")
        self.last = max(self.last, message["last"])
        if mood == "slow":
            raise urllib3.exceptions.TimeoutError("no answer in time")
        return _status(self.rng.choice((200, 202, 204)))

    def _checked(self, body: bytes, headers: dict[str, str], now_ms: int) -> dict[str, Any]:
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        key = base64.b64decode(self.secret.removeprefix("whsec_"))
        due = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
        assert headers["webhook-signature"] == f"v1,{due}", f"{self.platform}: a message with a wrong signature"
        off_ms = abs(int(headers["webhook-timestamp"]) * 1000 - now_ms)
        assert off_ms < CLOCKS_OFF_AT_MOST_MS, f"{self.platform}: a message signed {off_ms} ms from now"
        message: dict[str, Any] = json.loads(body)
        assert message["webhook"] == self.id, f"{self.platform}: a message for {message['webhook']}"
        assert message["after"] <= self.last, f"{self.platform}: {message} after {self.last}: something is missing"
        seqs = [message["after"], *(item["seq"] for item in message["items"]), message["last"]]
        assert sorted(seqs) == seqs and len(set(seqs[:-1])) == len(seqs) - 1, f"{self.platform}: {seqs} out of order"
        return message

    def _take(self, items: list[dict[str, Any]]) -> None:
        known = self.taken[-1]["seq"] if self.taken else self.after
        new = [item for item in items if item["seq"] > known]
        self.came_again += len(items) - len(new)
        self.taken += new


class Platforms:
    """All receivers, behind the door that the product knocks at."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self.receivers: dict[str, Receiver] = {}  # by address

    def add(self, receiver: Receiver) -> None:
        self.receivers[receiver.url] = receiver

    @contextmanager
    def reached(self) -> Iterator[None]:
        """Within it deliveries come here, one receiver after another, a few changes at a time."""
        client = SimpleNamespace(
            PoolManager=lambda **_: self._client(), Timeout=urllib3.Timeout, exceptions=urllib3.exceptions
        )
        with ExitStack() as stack:
            for name, own in (
                ("urllib3", client), ("ThreadPoolExecutor", OneThread), ("PAGE", CHANGES_A_MESSAGE),
            ):  # fmt: skip
                stack.enter_context(patch(f"gateway.webhooks.delivery.{name}", own))
            yield

    @contextmanager
    def _client(self) -> Iterator[SimpleNamespace]:
        def request(method: str, url: str, *, body: bytes, headers: dict[str, str], redirect: bool) -> SimpleNamespace:
            assert (method, redirect) == ("POST", False)
            return self.receivers[url].answer(body, headers, self._now_ms())

        yield SimpleNamespace(request=request)


class OneThread:
    """In place of a pool of threads: one after another, so that a world goes the same way each time."""

    def __init__(self, max_workers: int) -> None:
        assert max_workers > 0

    def __enter__(self) -> OneThread:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to end."""

    @staticmethod
    def map(work: Callable[..., object], *arguments: Any) -> Iterator[object]:
        return map(work, *arguments)


def receiver_of(rng: random.Random, platform: str, start_ms: int, end_ms: int, after: int) -> Receiver:
    """Draw when a platform is anything but fine."""
    starts = [rng.randrange(start_ms, end_ms) for _ in range(rng.randint(1, 4))]
    bad = [(first, first + rng.randrange(DAY_MS, 20 * DAY_MS)) for first in starts]
    return Receiver(platform, rng, bad, after)


def _status(status: int) -> SimpleNamespace:
    return SimpleNamespace(status=status, reason="told", data=b"as it was told")
