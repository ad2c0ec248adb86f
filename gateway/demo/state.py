"""What a demo remembers in its data directory, so that starting again continues: `demo.json`, mode 0600 for its tokens.

What stays true: the file is replaced as a whole or not at all. Progress is noted after the gateway has confirmed;
what was confirmed but not noted is sent again and recognised as a duplicate.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from collectors.errors import ConfigurationError, Problem
from gateway.control import write_private

FILE = "demo.json"


class DemoState(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Grows while the demo runs."""

    version: int = 1
    anchor_ms: int  # a Monday 00:00 local time
    history_from_ms: int  # where the history begins
    tokens: dict[str, str] = {}  # "role subject" -> token
    history_until_ms: dict[str, int] = {}  # enterprise/agent -> readings before this are in
    records_until_ms: dict[str, int] = {}  # enterprise/record -> periods that ended by then are in

    def save(self, data_dir: Path) -> None:
        write_private(data_dir / FILE, msgspec.json.format(msgspec.json.encode(self)).decode())


def load_state(data_dir: Path) -> DemoState | None:
    """The state of an earlier start, or None at the first; ConfigurationError if the file is no such state."""
    path = data_dir / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=DemoState)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as error:
        message = f"is no state of a demo ({error}); use another --data-dir, or remove this one to begin anew"
        raise ConfigurationError([Problem(message, str(path))]) from error
