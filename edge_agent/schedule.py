"""When each device is due: aligned to the clock while it answers, backed off while it does not.

Pure: no I/O and no clock; `now_ms` is handed in and may jump either way.

What stays true:
- Times are aligned: a device read every 60 s is read on the minute, so that neighbours' readings line up.
- Missed times are skipped, never caught up in a burst.
- A device that does not answer is asked again after 2 s, 4 s, 8 s … at most 5 min, whatever its period.
- One poll at a time per bus; of the due devices on a bus the longest overdue comes first, so none starves.
- A clock set back does not silence a device for longer than its period or back-off.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

FIRST_BACK_OFF_MS = 2_000
LONGEST_BACK_OFF_MS = 300_000
LONGEST_WAIT_S = 60.0  # what `seconds_until_due` answers when there is nothing to wait for


@dataclass(frozen=True, slots=True)
class Task:
    """One device to be read again and again."""

    device: str
    bus: str
    every_ms: int


@dataclass(slots=True)
class _Due:
    task: Task
    due_ms: int = 0  # 0 = at once
    failures: int = 0  # polls in a row that gave nothing
    running: bool = False


def back_off_ms(failures: int) -> int:
    """Wait after the n-th failure in a row: 2 s, doubled each time, at most 5 min."""
    if failures < 1:
        raise ValueError("there is no back-off without a failure")
    doublings = min(failures - 1, 16)  # 2 s doubled 16 times is far above the cap
    return min(FIRST_BACK_OFF_MS << doublings, LONGEST_BACK_OFF_MS)


def next_slot_ms(now_ms: int, every_ms: int) -> int:
    """The first multiple of the period that is later than now."""
    return (now_ms // every_ms + 1) * every_ms


class Schedule:
    """Which devices to poll now, given which buses are free."""

    def __init__(self, tasks: Iterable[Task]) -> None:
        self._entries = {task.device: _Due(task) for task in tasks}

    def start(self, now_ms: int, free_buses: Collection[str]) -> list[str]:
        """Devices to poll now, at most one per free bus; they count as running until `finished`."""
        chosen: dict[str, _Due] = {}
        for entry in self._entries.values():
            self._forget_future(entry, now_ms)
            bus = entry.task.bus
            if entry.running or entry.due_ms > now_ms or bus not in free_buses:
                continue
            if bus not in chosen or entry.due_ms < chosen[bus].due_ms:
                chosen[bus] = entry
        for entry in chosen.values():
            entry.running = True
        return [entry.task.device for entry in chosen.values()]

    def finished(self, device: str, now_ms: int, *, answered: bool) -> None:
        """A poll has ended: set the next time, or back off."""
        entry = self._entries[device]
        entry.running = False
        if answered:
            entry.failures = 0
            entry.due_ms = next_slot_ms(now_ms, entry.task.every_ms)
        else:
            entry.failures += 1
            entry.due_ms = now_ms + back_off_ms(entry.failures)

    def seconds_until_due(self, now_ms: int, free_buses: Collection[str]) -> float:
        """Time until a poll can start on a bus that is free now; a busy bus wakes the agent when it is done."""
        waits = [
            entry.due_ms - now_ms
            for entry in self._entries.values()
            if not entry.running and entry.task.bus in free_buses
        ]
        return min(max(min(waits, default=LONGEST_WAIT_S * 1000) / 1000, 0.0), LONGEST_WAIT_S)

    @staticmethod
    def _forget_future(entry: _Due, now_ms: int) -> None:
        """The clock was set back: a due time farther off than the rules ever set one is due now."""
        farthest_ms = back_off_ms(entry.failures) if entry.failures else entry.task.every_ms
        if entry.due_ms > now_ms + farthest_ms:
            entry.due_ms = now_ms
