"""Configurations from afar, as the agent knows them: which one it goes by, which is on trial, what became of it.

A configuration is decided once. It is put on trial, and while it is, the one before stays beside it; so at whatever
instant the agent is killed, the next start finds either of them whole and goes on.

What stays true:
- The file is replaced as a whole and synced; a reader sees the old state or the new one.
- `highest` never falls: a version that was decided, for good or ill, is not tried again, and neither is an older one.
- A trial that was started MAX_STARTS times without an end is rolled back: it may be what ends the agent.

Pure except `ConfigFile`; `now_ms` is handed in.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import msgspec
import structlog

from collectors.agent_config import AgentConfig

MAX_STARTS = 3
MAX_WHY = 2000

Result = Literal["applied", "refused", "rolled_back"]
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a version."""

    version: int
    result: Result
    why: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Trial:
    """A version that must show that it works."""

    version: int
    text: str
    devices: tuple[str, ...] = ()  # that answered before
    buses: tuple[str, ...] = ()  # on which any of them did
    starts: int = 0  # of the agent since the trial began


@dataclass(frozen=True, slots=True)
class ConfigState:
    """Everything; the default is an agent that never heard of a configuration."""

    version: int = 0  # that is in force; 0 = the agent's own file
    text: str = ""
    highest: int = 0  # of all versions that were decided or are on trial
    trial: Trial | None = None
    outcome: Outcome | None = None

    def tried(self, config: AgentConfig, devices: tuple[str, ...], buses: tuple[str, ...]) -> ConfigState:
        """A new version goes on trial."""
        return replace(self, highest=config.version, trial=Trial(config.version, config.text, devices, buses))

    def refused(self, version: int, why: str, now_ms: int) -> ConfigState:
        """A new version is not even tried."""
        return replace(self, highest=version, outcome=Outcome(version, "refused", why[:MAX_WHY], now_ms))

    def applied(self, now_ms: int) -> ConfigState:
        """The trial went well: its version is in force."""
        trial = self._on_trial
        outcome = Outcome(trial.version, "applied", "", now_ms)
        return replace(self, version=trial.version, text=trial.text, trial=None, outcome=outcome)

    def rolled_back(self, why: str, now_ms: int) -> ConfigState:
        """The trial failed: what was in force stays so."""
        return replace(self, trial=None, outcome=Outcome(self._on_trial.version, "rolled_back", why[:MAX_WHY], now_ms))

    def dropped(self, why: str, now_ms: int) -> ConfigState:
        """What was in force cannot be used any more: back to the agent's own file."""
        return replace(self, version=0, text="", outcome=Outcome(self.version, "rolled_back", why[:MAX_WHY], now_ms))

    def started(self, now_ms: int) -> ConfigState:
        """The agent starts. A trial goes on, unless it was started too often."""
        if self.trial is None:
            return self
        if self.trial.starts >= MAX_STARTS:
            return self.rolled_back(f"the agent ended {self.trial.starts} times while it was tried", now_ms)
        return replace(self, trial=replace(self.trial, starts=self.trial.starts + 1))

    @property
    def _on_trial(self) -> Trial:
        if self.trial is None:
            raise ValueError("no configuration is on trial")
        return self.trial


class ConfigFile:
    """The state on disk."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> ConfigState:
        """The state; a file that cannot be read is moved aside, and the agent goes by its own file."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=ConfigState)
        except FileNotFoundError:
            return ConfigState()
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            aside = self._path.with_name(self._path.name + ".unreadable")
            _log.error("config_state_unreadable", reason=str(error), moved_to=str(aside), next="push it again")
            self._path.replace(aside)
            return ConfigState()

    def save(self, state: ConfigState) -> None:
        """Replace the state and have it on disk; raises OSError, then the old one stands."""
        beside = self._path.with_name(self._path.name + ".new")
        with beside.open("wb") as file:
            file.write(msgspec.json.encode(state))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._path)
        directory = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
