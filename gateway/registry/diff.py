"""What an applied file changes, as lines that a person can check: `+` is new, `-` is gone, `~` has another value."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class RegistryDiff:
    """The difference between two registries, and the version that has it."""

    version: int  # of the registry after the change; of the registry as it stands for a dry run or without change
    lines: tuple[str, ...]


def lines_between(old: Mapping[str, Any], new: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Compare two documents key by key; lists of things with an id are compared by id."""
    for key in dict.fromkeys([*old, *new]):
        place = f"{path}.{key}" if path else key
        if key not in old:
            yield f"+ {place}{_shown(new[key])}"
        elif key not in new:
            yield f"- {place}"
        elif old[key] != new[key]:
            before, after = _parts(old[key]), _parts(new[key])
            if before is None or after is None:
                yield f"~ {place}: {_text(old[key])} -> {_text(new[key])}"
            else:
                yield from lines_between(before, after, place)


def _parts(value: Any) -> Mapping[str, Any] | None:
    """What a mapping, or a list of things with an id, consists of; None for a value that is compared whole."""
    if isinstance(value, dict):
        return value
    if isinstance(value, list) and all(isinstance(item, dict) and "id" in item for item in value):
        return {item["id"]: item for item in value}
    return None


def _shown(value: Any) -> str:
    """A new value where it is short; a new device or enterprise speaks by its name."""
    return "" if isinstance(value, (dict, list)) else f": {_text(value)}"


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
