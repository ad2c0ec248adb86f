"""The send window: bounded, patient with a silent gateway, never blocked by one batch."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.window import LONGEST_WAIT_MS, SendWindow

RESEND_MS = 30_000


def send(window: SendWindow, queue: list[int], now_ms: int) -> list[int]:
    chosen = window.choose(queue, now_ms)
    for seq in chosen:
        window.sent(seq, now_ms)
    return chosen


def test_oldest_go_first_and_no_more_than_the_window() -> None:
    window = SendWindow(3, RESEND_MS)
    assert send(window, [1, 2, 3, 4, 5], 0) == [1, 2, 3]
    assert send(window, [1, 2, 3, 4, 5], 1) == []
    window.heard()
    window.settled(2)
    assert send(window, [1, 3, 4, 5], 2) == [4]


def test_unconfirmed_batches_are_due_again_after_the_timeout() -> None:
    window = SendWindow(2, RESEND_MS)
    send(window, [1, 2, 3], 0)
    assert window.seconds_until_due(10_000) == 20.0
    assert send(window, [1, 2, 3], RESEND_MS - 1) == []
    assert send(window, [1, 2, 3], RESEND_MS) == [1, 2]


def test_silent_gateway_is_asked_ever_less_often_up_to_5_min() -> None:
    window = SendWindow(1, RESEND_MS)
    times = [now_ms for now_ms in range(0, 3_600_000, 1000) if send(window, [1], now_ms)]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert gaps[:4] == [30_000, 30_000, 60_000, 120_000]
    assert max(gaps) == LONGEST_WAIT_MS
    assert sorted(gaps) == gaps


def test_batch_that_is_never_confirmed_does_not_block_the_queue() -> None:
    window = SendWindow(1, RESEND_MS)
    queue, now_ms, confirmed = list(range(6)), 0, []
    for _ in range(20):
        for seq in send(window, queue, now_ms):
            if seq not in (0, 1):
                window.heard()
                window.settled(seq)
                queue.remove(seq)
                confirmed.append(seq)
        now_ms += 400_000
        window.heard()  # receipts for other batches keep coming
    assert confirmed == [2, 3, 4, 5]


def test_lost_connection_makes_everything_due() -> None:
    window = SendWindow(2, RESEND_MS)
    send(window, [1, 2], 0)
    window.connection_lost()
    assert send(window, [1, 2], 1) == [1, 2]


@settings(deadline=None)
@given(jump_ms=st.integers(1, 10**12))
def test_clock_set_back_delays_no_resend(jump_ms: int) -> None:
    window = SendWindow(2, RESEND_MS)
    now_ms = 1_760_000_000_000
    send(window, [1], now_ms)
    assert send(window, [1], now_ms - jump_ms) == [1]
