"""The send window: bounded, patient with a silent gateway, never blocked by one batch."""

from __future__ import annotations

import random
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
    window = SendWindow(4, RESEND_MS)
    send(window, [1, 2, 3, 4, 5], 0)
    assert window.seconds_until_due(10_000) == 20.0
    assert send(window, [1, 2, 3, 4, 5], RESEND_MS - 1) == []
    assert send(window, [1, 2, 3, 4, 5], RESEND_MS) == [1, 2]  # in silence, half of the way is enough


def test_chance_makes_waits_longer_and_never_shorter() -> None:
    def waits(seed: int) -> list[float]:
        window = SendWindow(8, RESEND_MS, chance=random.Random(seed).random)
        send(window, list(range(8)), 0)
        due = []
        while (wait_s := window.seconds_until_due(0)) is not None:
            due.append(wait_s)
            window.settled(min(window._flights, key=lambda seq: window._flights[seq].wait_ms))
        return due

    assert all(30 <= wait_s <= 45 for wait_s in waits(1))
    assert len(set(waits(1))) == 8
    assert waits(1) == waits(1)
    assert waits(1) != waits(2)


def test_new_connection_begins_with_few_and_grows_with_each_receipt() -> None:
    window = SendWindow(32, RESEND_MS)
    window.connection_lost()
    queue = list(range(100))
    rounds = []
    for now_ms in range(0, 10_000, 1000):
        chosen = send(window, queue, now_ms)
        rounds.append(len(chosen))
        for seq in chosen:
            window.heard()
            window.settled(seq)
            queue.remove(seq)
    assert rounds[:5] == [4, 8, 16, 32, 32]


def test_gateway_that_hangs_is_asked_with_ever_fewer() -> None:
    window = SendWindow(32, RESEND_MS)
    queue = list(range(100))
    rounds = [len(send(window, queue, now_ms)) for now_ms in range(0, 40 * 300_000, 300_000)]
    assert [count for count in rounds if count][:7] == [32, 16, 8, 4, 2, 1, 1]
    window.heard()
    assert window.allowed == 2


def test_newest_go_first_on_half_of_the_way_while_the_oldest_drain() -> None:
    window = SendWindow(4, RESEND_MS, newest_first=True)
    queue = list(range(10))
    chosen = window.choose(queue, 0, reversed(queue))
    assert chosen == [9, 8, 0, 1]
    for seq in chosen:
        window.sent(seq, 0)
    assert window.choose(queue, 1, reversed(queue)) == []
    window.heard()
    window.settled(8)
    queue.remove(8)
    queue.append(10)  # a batch that was just made takes the next place of the newest
    assert window.choose(queue, 2, reversed(queue)) == [10]


@settings(deadline=None, max_examples=25)
@given(size=st.integers(1, 8), burst=st.integers(1, 3), seed=st.integers(0, 2**32))
def test_newest_first_loses_nothing_and_starves_nothing(size: int, burst: int, seed: int) -> None:
    """New batches come all the time, as many as half the window takes; the history drains nevertheless."""
    rng = random.Random(seed)
    window = SendWindow(size, RESEND_MS, newest_first=True, chance=rng.random)
    queue, made, history = list(range(40)), 40, set(range(40))
    for now_ms in range(0, 4_000_000, 1000):
        if not history:
            break
        new = min(burst, max(size // 2, 1)) if now_ms % 2000 == 0 else 0
        queue += range(made, made + new)
        made += new
        chosen = window.choose(queue, now_ms, reversed(queue))
        assert len(set(chosen)) == len(chosen)
        for seq in chosen:
            window.sent(seq, now_ms)
        assert len(window) <= size
        for seq in chosen:
            if rng.random() < 0.98:
                window.heard()
                window.settled(seq)
                queue.remove(seq)
        history &= set(queue)
    assert history == set()


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
