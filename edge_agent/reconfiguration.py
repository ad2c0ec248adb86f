"""Takes configurations from afar: checks them, puts them on trial, keeps them or rolls them back.

One version after another goes this way, and `step` does what is due of it:

    taken in → checked → (refused) | saved as a trial → polls end → workers changed → judged → applied | rolled back

What stays true:
- Taken is only what a trusted key sealed for this agent, with a version greater than every one that was decided.
- A version is checked by the code of `tanmai edge check`; one with any problem is refused with all of them.
- The buffer and the line to the gateway stay as they are; polls that run are waited for, so no reading is lost.
- The state is on disk before the workers change, so a kill at any instant leaves the old or the new configuration.
- A rolled-back configuration is not tried again; the one before is in force at once.

Limits: MAX_WAITING messages are held; a poll that runs longer than DRAIN_S is left behind. A new version waits until
each device was asked once since the start, at most SETTLE_S, so that it is known what answered before it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Protocol

import structlog

from collectors.agent_config import AgentConfig, decode_config
from collectors.errors import ConfigurationError, WireError
from collectors.seals import NoSeal, PublicKey, opened
from edge_agent.agent import EdgeAgent
from edge_agent.config_state import ConfigFile, ConfigState
from edge_agent.settings import EdgeSettings
from edge_agent.trial import Asked, judged, witnesses

MAX_WAITING = 8
MAX_CONFIG_BYTES = 1024 * 1024
DRAIN_S = 120.0
SETTLE_S = 60.0

_log = structlog.get_logger(__name__)

Load = Callable[[str], EdgeSettings]  # the agent's own file with these sections from afar


class Plant(Protocol):
    """The workers that ask the meters."""

    def change(self, settings: EdgeSettings, agent: EdgeAgent, now_ms: int) -> None:
        """Close the workers, open those of these settings, hand them to the agent."""


def settings_at_start(file: ConfigFile, load: Load, now_ms: int) -> tuple[ConfigState, EdgeSettings]:
    """What the agent goes by now. Raises ConfigurationError only if its own file is wrong."""
    state = file.load()
    begun = state.started(now_ms)
    while True:
        text = begun.trial.text if begun.trial is not None else begun.text
        try:
            settings = load(text)
            break
        except ConfigurationError as error:
            if begun.trial is None and not begun.text:
                raise
            begun = begun.rolled_back(str(error), now_ms) if begun.trial else begun.dropped(str(error), now_ms)
            _log.error("config_no_longer_fits", reason=str(error), next="going by what was in force before")
    if begun != state:
        _saved(file, begun)
    return begun, settings


def _saved(file: ConfigFile, state: ConfigState) -> bool:
    """Whether the disk took it. What it did not take is decided anew after the next start, and goes the same way."""
    try:
        file.save(state)
    except OSError as error:
        _log.error("config_state_not_kept", reason=str(error), next="free some space")
        return False
    return True


class Reconfiguration:
    """One per agent; `take` may be called from any thread, the rest from the agent's own."""

    def __init__(
        self,
        file: ConfigFile,
        state: ConfigState,
        settings: EdgeSettings,
        load: Load,
        keys: Mapping[bytes, PublicKey],
        wake: Callable[[], None],
    ) -> None:
        self._file = file
        self._state = state
        self._settings = settings  # that the workers go by
        self._load = load
        self._keys = keys
        self._wake = wake
        self._incoming: deque[bytes] = deque(maxlen=MAX_WAITING)
        self._refused_messages = 0
        self._last_refusal = ""
        self._next: EdgeSettings | None = None  # that the workers change to as soon as they are idle
        self._draining_since_s: float | None = None
        self._started_s: float | None = None
        self._asked_before: dict[str, Asked] = {}  # when the trial began

    def take(self, message: bytes) -> None:
        """A message came in on the config topic."""
        if message:  # an emptied retained message says nothing
            self._incoming.append(message)
            self._wake()

    def step(self, agent: EdgeAgent, plant: Plant, now_ms: int, monotonic_s: float) -> None:
        """Do what is due."""
        if self._started_s is None:
            self._started_s = monotonic_s
            self._show(agent)
        if self._next is not None:
            self._change(agent, plant, now_ms, monotonic_s)
        elif self._state.trial is not None:
            self._judge(agent, now_ms)
        elif self._incoming and self._settled(agent, monotonic_s):
            self._examine(self._incoming.popleft(), agent, now_ms)

    @property
    def busy(self) -> bool:
        """Whether the next step should come soon."""
        return self._next is not None or self._state.trial is not None or bool(self._incoming)

    def _settled(self, agent: EdgeAgent, monotonic_s: float) -> bool:
        waited_s = 0.0 if self._started_s is None else monotonic_s - self._started_s
        return waited_s >= SETTLE_S or all(one.polls for one in agent.health.asked().values())

    def _examine(self, message: bytes, agent: EdgeAgent, now_ms: int) -> None:
        config = self._trusted(message)
        if config is None or config.version <= self._state.highest:
            if config is not None and config.version < self._state.highest:
                self._pass_over(f"version {config.version} is older than {self._state.highest}, which came before it")
            self._show(agent)
            return
        try:
            settings = self._load(config.text)
        except ConfigurationError as error:
            self._save(self._state.refused(config.version, str(error), now_ms), agent)
            _log.warning("config_refused", version=config.version, reason=str(error))
            return
        alive = agent.health.alive()
        buses = {device.section.bus for device in self._settings.devices if device.id in alive}
        trial = self._state.tried(config, tuple(sorted(alive)), tuple(sorted(buses)))
        if not _saved(self._file, trial):
            self._pass_over(f"version {config.version} could not be put on disk before it is tried")
            self._show(agent)
            return
        self._state = trial
        self._show(agent)
        _log.info("config_on_trial", version=config.version)
        self._next = settings
        agent.hold()

    def _trusted(self, message: bytes) -> AgentConfig | None:
        """The configuration, if a trusted key sealed it for this agent; else it is counted and passed over."""
        own = self._settings.agent
        try:
            if len(message) > MAX_CONFIG_BYTES:
                raise NoSeal(f"larger than {MAX_CONFIG_BYTES} bytes")
            signature, payload = opened(message)
            key = self._keys.get(signature.raw_key_id)
            if key is None:
                self._pass_over(f"key {signature.key_id} is not among agent.trusted_config_keys")
            elif not key.verifies(signature, "config", own.enterprise, own.id, payload):
                self._pass_over(f"key {signature.key_id} did not sign this for {own.enterprise}/{own.id}")
            else:
                config = decode_config(payload)
                if (config.enterprise, config.agent) == (own.enterprise, own.id):
                    return config
                self._pass_over(f"it is for {config.enterprise}/{config.agent}")
        except (NoSeal, WireError) as error:
            self._pass_over(str(error))
        return None

    def _pass_over(self, why: str) -> None:
        self._refused_messages += 1
        self._last_refusal = why[:200]
        _log.warning("config_passed_over", reason=why)

    def _change(self, agent: EdgeAgent, plant: Plant, now_ms: int, monotonic_s: float) -> None:
        """Change the workers once no poll runs, or none ends any more."""
        if self._next is None:
            return
        if self._draining_since_s is None:
            self._draining_since_s = monotonic_s
        if not agent.idle and monotonic_s - self._draining_since_s < DRAIN_S:
            return
        wanted, self._next, self._draining_since_s = self._next, None, None
        try:
            plant.change(wanted, agent, now_ms)
        except Exception as error:  # whatever it is, the agent must go on with what worked before
            _log.error("config_does_not_start", reason=f"{type(error).__name__}: {error}")
            if self._state.trial is None:
                raise
            self._save(self._state.rolled_back(f"it cannot start: {error}", now_ms), agent)
            plant.change(self._settings, agent, now_ms)
            return
        self._settings = wanted
        self._asked_before = agent.health.asked()
        self._show(agent)

    def _judge(self, agent: EdgeAgent, now_ms: int) -> None:
        trial = self._state.trial
        if trial is None:
            return
        before = self._asked_before
        asked = {
            name: Asked(one.polls - before.get(name, _NEVER).polls, one.answers - before.get(name, _NEVER).answers)
            for name, one in agent.health.asked().items()
        }
        bus_of = {device.id: device.section.bus for device in self._settings.devices}
        works, why = judged(witnesses(bus_of, trial.devices, trial.buses), asked)
        if works:
            self._save(self._state.applied(now_ms), agent)
            _log.info("config_applied", version=trial.version)
        elif works is False:
            self._roll_back(why, agent, now_ms)

    def _roll_back(self, why: str, agent: EdgeAgent, now_ms: int) -> None:
        _log.error("config_rolled_back", version=self._state.highest, reason=why)
        self._save(self._state.rolled_back(why, now_ms), agent)
        try:
            self._next = self._load(self._state.text)
        except ConfigurationError as error:
            self._save(self._state.dropped(str(error), now_ms), agent)
            self._next = self._load("")
        agent.hold()

    def _save(self, state: ConfigState, agent: EdgeAgent) -> None:
        _saved(self._file, state)
        self._state = state
        self._show(agent)

    def _show(self, agent: EdgeAgent) -> None:
        """What the status says of all this."""
        state = self._state
        outcome = state.outcome
        agent.config_status = {
            "version": state.version,
            "on_trial": None if state.trial is None else state.trial.version,
            "outcome": None
            if outcome is None
            else {"version": outcome.version, "result": outcome.result, "why": outcome.why, "at": outcome.at_ms},
            "highest": state.highest,
            "refused_messages": self._refused_messages,
            "last_refusal": self._last_refusal,
        }
        agent.renew_status()


_NEVER = Asked(0, 0)
