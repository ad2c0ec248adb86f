"""Errors, named after what the caller should do about them.

Every message says what is wrong, where, and what to do next.
"""

from __future__ import annotations

from dataclasses import dataclass


class TanmaiError(Exception):
    """Root of all errors that Tanmai raises on purpose."""


class ConfigurationError(TanmaiError):
    """Refuse to start: a file or setting is wrong. Carries every problem found, not only the first."""

    def __init__(self, problems: list[Problem] | str) -> None:
        self.problems = [Problem(problems)] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a file: where it stands and what would mend it."""

    message: str
    file: str = ""
    line: int = 0  # 1-based; 0 = unknown
    key: str = ""  # dotted path of the key, such as enterprises[0].devices[2].profile

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: " if self.file and self.line else f"{self.file}: " if self.file else ""
        return f"{place}{self.key + ': ' if self.key else ''}{self.message}"


class InstrumentError(TanmaiError):
    """An instrument did not give what was asked. Count it, back off, go on with the others."""


class Unreachable(InstrumentError):
    """No connection or no reply in time. Retry later with back-off."""


class ExceptionReply(InstrumentError):
    """The instrument refused the request with a Modbus exception code (Application Protocol V1.1b3, clause 7)."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class WrongReply(InstrumentError):
    """The reply is not an answer to this request: other unit, other function, other length. Drop it."""


class WireError(TanmaiError):
    """Bytes that are not a batch. Set them aside with `reason`; the next message is unaffected."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason  # a name out of collectors.wire.REASONS


class StoreError(TanmaiError):
    """A store did not take or give data."""


class StoreUnavailable(StoreError):
    """The store cannot be reached or is overloaded: keep what you have and retry."""


class StoreRefused(StoreError):
    """The store refuses this very data, and will refuse it again: isolate it and set it aside."""

    whole = False  # True: it says that it took nothing of what it was given, so that looking for the good ones is vain
