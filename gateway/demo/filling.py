"""Sending the park's past in the background, while the demo goes on watching its children.

What stays true: the thread ends by itself once `stop` is set; what it met is raised where `finish` is called.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.demo.client import Stopped
from gateway.demo.park import DemoPark


@dataclass
class Filling:
    """Records, then history, then one roll-up, so that accounts and colours are there at once."""

    park: DemoPark
    begin: Callable[[int], None]  # told how many slices there are
    advance: Callable[[], None]  # told of each slice that is in
    readings: int = 0
    records: int = 0
    _error: Exception | None = None
    _thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._run, name="demo-filling", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wait(self, timeout_s: float) -> bool:
        """Wait a while; True once everything is in. Raises what went wrong."""
        self._thread.join(timeout_s)
        if self._error is not None:
            raise self._error
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self.records = self.park.send_records()
            todo = self.park.pending_history()
            self.begin(len(todo))
            self.readings = self.park.send_history(todo, self.advance)
            self.park.roll_up()
        except Stopped:
            return
        except Exception as error:  # handed over to the thread that waits
            self._error = error
