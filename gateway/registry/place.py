"""A place in a registry file: reads what is well-formed there and says what is wrong there.

Checks work on places and not on the finished whole, because a file with one broken item has no whole, and all its
other faults are to be reported in the same run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from collectors.errors import Problem
from collectors.strict_yaml import Document, KeyPath, build

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Place:
    """A key or item of a file."""

    document: Document
    path: KeyPath = ()

    def at(self, *keys: str | int) -> Place:
        return Place(self.document, (*self.path, *keys))

    def value(self, shape: type[T]) -> T | None:
        """What stands here, or None if nothing does or it is malformed, which is reported elsewhere."""
        return None if self._raw() is None else build(self.document, shape, [], self.path)

    def text(self, key: str) -> str | None:
        """The text under a key, or None."""
        return self.at(key).value(str)

    def items(self, key: str) -> list[Place]:
        """The places of a list under a key; none if there is no such list."""
        raw = self.at(key)._raw()
        return [self.at(key, index) for index in range(len(raw))] if isinstance(raw, list) else []

    def problem(self, message: str) -> Problem:
        return self.document.problem(self.path, message)

    def _raw(self) -> Any:
        raw = self.document.root
        for part in self.path:
            try:
                raw = raw[part]
            except (LookupError, TypeError):
                return None
        return raw
