"""Change feed -> receivers: each gets what it may see, in the order of the feed, at least once.

What stays true:
- A message is counted as taken only after the receiver answered 2xx; then its place is written down. A crash between
  the two brings the message again: receivers drop changes whose `seq` they know.
- One receiver at a time gets one message at a time, so nothing overtakes. Receivers do not wait for each other.
- Each message begins where the one before ended: of PAGE changes none of which a receiver may see it is told with a
  message without items, and fewer are looked at again with what follows them.
- A process whose lease was lost writes down nothing more, in whichever thread.
- What fails is tried again after FIRST_PAUSE_S, doubled each time up to LONGEST_PAUSE_S. One that has failed for
  PARK_AFTER_MS, or that answers 410 Gone, is parked: it costs nothing any more, and says so until somebody resumes it.
- Redirects are not followed: a message goes where the operator said, or nowhere.

Limits: PAGE changes a message, PAGES messages per receiver and run, ANSWER_S for an answer.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass

import structlog
import urllib3
from sqlalchemy import Engine

from gateway.access import Principal, sees
from gateway.accounts.documents import instant
from gateway.registry.model import Registry
from gateway.store.changes_repository import Change, ChangesRepository
from gateway.store.webhooks_repository import Webhook, WebhooksRepository
from gateway.webhooks.signature import headers_of

PAGE = 200
PAGES = 50
RECEIVERS_AT_ONCE = 4
CONNECT_S = 5.0
ANSWER_S = 10.0
FIRST_PAUSE_S = 5.0
LONGEST_PAUSE_S = 3600.0
PARK_AFTER_MS = 3 * 24 * 3600 * 1000
GONE = 410
SHOWN_OF_AN_ERROR = 300

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Delivered:
    """What a run did."""

    messages: int = 0
    changes: int = 0
    failed: int = 0
    parked: int = 0

    def __add__(self, other: Delivered) -> Delivered:
        return Delivered(
            self.messages + other.messages,
            self.changes + other.changes,
            self.failed + other.failed,
            self.parked + other.parked,
        )


class NotTaken(Exception):
    """The receiver did not take a message. `final`: it said that it never will."""

    def __init__(self, why: str, *, final: bool = False) -> None:
        super().__init__(why)
        self.final = final


@dataclass(frozen=True, slots=True)
class Deliveries:
    """Brings the feed to all receivers of one gateway."""

    engine: Engine
    registry: Callable[[], Registry]
    chance: Callable[[], float] = random.random  # spreads retries, so that a receiver is not met by all at once

    def run(self, now_ms: int) -> Delivered:
        """One round over those that are due."""
        due = WebhooksRepository(self.engine).due(now_ms)
        if not due:
            return Delivered()
        registry = self.registry()
        # Each in the caller's context: what guards its transactions guards theirs.
        served = [(copy_context(), webhook) for webhook in due]
        with ThreadPoolExecutor(max_workers=min(RECEIVERS_AT_ONCE, len(due))) as threads:
            done = threads.map(lambda one: one[0].run(self._serve, one[1], registry, now_ms), served)
            return sum(done, Delivered())

    def _serve(self, webhook: Webhook, registry: Registry, now_ms: int) -> Delivered:
        """Bring one receiver up to date, as far as PAGES go."""
        store, done, after = WebhooksRepository(self.engine), Delivered(), webhook.after_seq
        with urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=CONNECT_S, read=ANSWER_S)) as http:
            for _ in range(PAGES):
                page = ChangesRepository(self.engine).after(after, PAGE)
                if not page:
                    break
                wanted = [change for change in page if _may_see(webhook.platform, change, registry)]
                if not wanted and len(page) < PAGE:
                    break
                try:
                    _send(http, webhook, wanted, after, page[-1].seq, now_ms)
                except NotTaken as refusal:
                    return done + self._failed(webhook, refusal, now_ms)
                after = page[-1].seq
                store.taken(webhook.id, after)
                done += Delivered(messages=1, changes=len(wanted))
        return done

    def _failed(self, webhook: Webhook, refusal: NotTaken, now_ms: int) -> Delivered:
        since = now_ms if webhook.failing_since_ms is None else webhook.failing_since_ms
        park = refusal.final or now_ms - since >= PARK_AFTER_MS
        pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(webhook.failures, 20))
        next_at_ms = now_ms + round(1000 * pause_s * (1 + 0.2 * self.chance()))
        WebhooksRepository(self.engine).failed(webhook, now_ms, next_at_ms, str(refusal), park=park)
        event = "webhook_parked" if park else "webhook_not_taken"
        log.warning(
            event, webhook=webhook.id, platform=webhook.platform, why=str(refusal), failures=webhook.failures + 1
        )
        return Delivered(failed=1, parked=int(park))


def _may_see(platform: str, change: Change, registry: Registry) -> bool:
    enterprise = registry.enterprises.get(change.enterprise)
    return enterprise is not None and sees(Principal("platform", platform, ""), enterprise)


def _send(
    http: urllib3.PoolManager, webhook: Webhook, wanted: list[Change], after: int, last: int, now_ms: int
) -> None:
    """One message; raises NotTaken unless the receiver said that it has it."""
    items = [
        {
            "seq": change.seq,
            "kind": change.kind,
            "enterprise": change.enterprise,
            "period": change.period,
            "version": change.version,
            "at": instant(change.at_ms),
        }
        for change in wanted
    ]
    body = json.dumps({"webhook": webhook.id, "after": after, "last": last, "items": items}).encode()
    headers = headers_of(webhook.secret, f"{webhook.id}-{last}", now_ms // 1000, body)
    try:
        answer = http.request(
            "POST", webhook.url, body=body, headers={"content-type": "application/json", **headers}, redirect=False
        )
    except urllib3.exceptions.HTTPError as error:
        raise NotTaken(f"no answer: {error}"[:SHOWN_OF_AN_ERROR]) from error
    if not 200 <= answer.status < 300:
        text = answer.data[:100].decode("utf-8", "replace").strip()
        raise NotTaken(f"answered {answer.status} {answer.reason}: {text}", final=answer.status == GONE)
