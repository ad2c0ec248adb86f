"""One commit for all requests that wait for one: who comes while the stores are busy shares the next commit.

A request decodes its own messages, in its own thread, while the commit before is under way. Whoever finds nothing under
way commits for all who wait by then, himself among them; when he is done, the first of those who came since does the
same for his turn. So a lone sender waits for no other thread, and of many at once each needs a part of two syncs.

What stays true:
- As with `accept_batches`: a receipt after both commits, nothing receipted if a store is away, the same answers.
- Commits follow each other; the messages of a request stay together and in order.
- What several cannot store together each stores alone, so that nobody is held up by somebody else's message.
- A request is always answered: whatever the one who commits raises is raised to all for whom he did it.

Limits: of a group, as `IngestLimits` says; at least one request, however large its part.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

from collectors.wire import Receipt
from gateway.ingest.accept import PASSING, Opened, accept_batches, groups_of, open_messages
from gateway.ingest.directory import Directory
from gateway.ingest.intake import Arrival, Intake

log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class _Waiting:
    """A part of a request."""

    opened: Opened
    woken: threading.Event = field(default_factory=threading.Event)  # there is an outcome, or it is his turn
    outcome: list[Receipt] | BaseException | None = None


class SharedCommit:
    """Used by as many threads as there are requests at once."""

    def __init__(self, intake: Intake, store: Callable[[Opened], list[Receipt]]) -> None:
        """`store` commits what was opened; it is called by one thread at a time."""
        self._intake = intake
        self._store = store
        self._lock = threading.Lock()
        self._waiting: deque[_Waiting] = deque()
        self._under_way = False  # somebody commits, or was told to

    @property
    def waiting(self) -> int:
        """Requests whose commit is not begun yet."""
        return len(self._waiting)

    def accept(self, arrivals: Sequence[Arrival], directory: Directory, now_ms: int) -> list[Receipt]:
        """One receipt per arrival, in order, each after its commit. Raises StoreUnavailable."""
        receipts: list[Receipt] = []
        for group in groups_of(arrivals, self._intake.limits):
            try:
                receipts += self._committed(open_messages(group, directory, now_ms))
            except PASSING:
                raise
            except Exception as error:
                log.warning("ingest.not_together", messages=len(group), error=str(error), next="each request alone")
                receipts += accept_batches(group, self._intake, now_ms)
        return receipts

    def _committed(self, opened: Opened) -> list[Receipt]:
        own = _Waiting(opened)
        with self._lock:
            self._waiting.append(own)
            must_wait, self._under_way = self._under_way, True
        if must_wait:
            own.woken.wait()
        if own.outcome is None:
            self._commit()
        if isinstance(own.outcome, BaseException):
            raise own.outcome
        if own.outcome is None:
            raise AssertionError("who commits is the first of those who wait")
        return own.outcome

    def _commit(self) -> None:
        """Commit for the first of those who wait, and hand over to the next."""
        together = self._take()
        outcome: list[Receipt] | BaseException
        try:
            outcome = self._store(Opened.joined([one.opened for one in together]))
        except BaseException as error:
            outcome = error
        with self._lock:
            following = self._waiting[0] if self._waiting else None
            self._under_way = following is not None
        if following is not None:
            following.woken.set()
        first = 0
        for one in together:
            last = first + len(one.opened.cases)
            one.outcome = outcome if isinstance(outcome, BaseException) else outcome[first:last]
            one.woken.set()
            first = last

    def _take(self) -> list[_Waiting]:
        """As many of those who wait as go into one commit."""
        limits = self._intake.limits
        together: list[_Waiting] = []
        messages = size = 0
        with self._lock:
            while self._waiting:
                opened = self._waiting[0].opened
                messages, size = messages + len(opened.cases), size + opened.size
                if together and (messages > limits.group_batches or size > limits.group_bytes):
                    break
                together.append(self._waiting.popleft())
        return together
