"""The demo park: meters, gateway and agents started in order, filled with history, watched, and stopped in reverse.

What stays true:
- Everything goes the ordinary ways: Modbus TCP to the meters, MQTT from the agents, HTTP for history and records,
  operations for registry and tokens. The demo reaches into no part of the gateway.
- Progress is saved as it is confirmed; stopped at any point, the next start continues where this one was.
- Everything that was started is stopped, also when the start fails half-way: agents within AGENT_STOP_S, then the
  gateway within GATEWAY_STOP_S.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from collectors.clock import monotonic_s, now_ms
from collectors.errors import ConfigurationError, TanmaiError
from gateway.control import ControlFile, OperationFailed, RemoteOperations, write_private
from gateway.demo.children import Child, stop_all
from gateway.demo.client import GatewayClient, Refused, Stopped
from gateway.demo.history import STEP_MS, Slice, send_history, slices
from gateway.demo.plant import DAY_MS, Plant, monday_ms
from gateway.demo.records import Due, due_records, send_records
from gateway.demo.scenario import RecordPlan, Scenario, SitePlan
from gateway.demo.site import agent_files, meters_of
from gateway.demo.state import DemoState, load_state

START_TIMEOUT_S = 90.0
POLL_S = 0.1
CRASH_S = 2.0  # a process that crashes has ended by then
AGENT_STOP_S = 5.0
GATEWAY_STOP_S = 10.0
RECORDS_EVERY_S = 60.0

# role -> subject of the tokens that a visitor gets, beside one per enterprise and agent
_VISITORS = {"admin": "", "park": "quanzhou-demo", "platform": "demo-platform"}


@dataclass(frozen=True, slots=True)
class DemoOptions:
    port: int
    data_dir: Path
    days: int
    config_dir: Path


@dataclass
class DemoPark:
    """A running demo park. Use `opened`."""

    options: DemoOptions
    scenario: Scenario
    state: DemoState
    client: GatewayClient
    stop: threading.Event
    mqtt_url: str = ""
    children: list[Child] = field(default_factory=list)
    forced: list[str] = field(default_factory=list)  # children that did not stop when asked

    @property
    def plant(self) -> Plant:
        return Plant(self.scenario, self.state.anchor_ms)

    @property
    def url(self) -> str:
        return self.client.url

    def token(self, role: str, subject: str = "") -> str:
        return self.state.tokens[_token_key(role, subject)]

    # --- start ------------------------------------------------------------------------------------------------------

    def start_gateway(self) -> None:
        """Start `tanmai serve`, wait until it answers, register the park and make the tokens that are missing."""
        data_dir = self.options.data_dir
        for name in ("ready.json", "control.json"):
            (data_dir / name).unlink(missing_ok=True)
        environment = {
            "TANMAI_DATA_DIR": str(data_dir),
            "TANMAI_HTTP": f"127.0.0.1:{self.options.port}",
            "TANMAI_MQTT_URL": "embedded",
            "TANMAI_MQTT_LISTEN": "127.0.0.1:0",
            "TANMAI_TIMESERIES": "duckdb",
            "TANMAI_CONFIG_DIR": str(self.options.config_dir),
            "TANMAI_PROFILES_DIR": str(self.scenario.profiles_dir),
        }
        gateway = Child("the gateway", ["serve", "--role", "all"], data_dir / "logs" / "gateway.log", environment)
        self.children.append(gateway)
        ready = self._wait_for_file("ready.json")
        self.client = GatewayClient(ready["url"], self.stop)
        self.mqtt_url = ready["mqtt"]
        # The file comes back, with every role's token, once the whole park answers.
        (data_dir / "ready.json").unlink()
        control = ControlFile.read(data_dir)
        if control is None:
            raise TanmaiError(f"the gateway left no control.json in {data_dir}; look at {gateway.log}")
        call = RemoteOperations(control)
        file = self.scenario.registry_file
        call("registry_apply", text=file.read_text(encoding="utf-8"), file=str(file), dry_run=False)
        for role, subject in self._wanted_tokens():
            if _token_key(role, subject) not in self.state.tokens:
                self.state.tokens[_token_key(role, subject)] = call("token_create", role=role, subject=subject)["token"]
        self._save()

    def start_site(self, site: SitePlan, modbus_port: int) -> None:
        """Write the agent's files and start it."""
        files = agent_files(self.options.data_dir, site)
        token = self.token("device", site.name)
        files.write(site, modbus_port, self.mqtt_url, token, self.scenario.profiles_dir.absolute())
        log = self.options.data_dir / "logs" / f"{files.directory.name}.log"
        self.children.append(Child(f"agent {site.name}", ["edge", "run", "--config", str(files.config)], log, {}))

    def write_ready(self) -> None:
        """DATA_DIR/ready.json, as `docs/operations.md` describes it."""
        tokens: dict[str, Any] = {role: self.token(role, subject) for role, subject in _VISITORS.items()}
        tokens["enterprise"] = {one.enterprise: self.token("enterprise", one.enterprise) for one in self.scenario.sites}
        tokens["agent"] = {site.name: self.token("device", site.name) for site in self.scenario.sites}
        document = {"url": self.url, "mqtt": self.mqtt_url, "tokens": tokens}
        write_private(self.options.data_dir / "ready.json", json.dumps(document, ensure_ascii=False, indent=2) + "\n")

    # --- fill -------------------------------------------------------------------------------------------------------

    def pending_history(self) -> list[Slice]:
        """What the meters showed since the history begins, or since the demo was stopped, and the gateway lacks."""
        until_ms = now_ms() // STEP_MS * STEP_MS
        sites = {site.name: site for site in self.scenario.sites}
        known_ms, first_ms = self.state.history_until_ms, self.state.history_from_ms
        return slices(sites, {name: known_ms.get(name, first_ms) for name in sites}, until_ms)

    def send_history(self, todo: list[Slice], advance: Callable[[], None]) -> int:
        """Send history; gives the number of readings in it. `advance` is called for each slice confirmed."""
        tokens = {site.name: self.token("device", site.name) for site in self.scenario.sites}

        def confirmed(one: Slice) -> None:
            self.state.history_until_ms[one.site.name] = one.end_ms
            self._save()
            advance()

        return send_history(self.plant, self.client, tokens, todo, confirmed)

    def send_records(self) -> int:
        """Report every period that has ended and is not reported yet; gives the number of records."""
        due = due_records(self.plant, self._records_from, now_ms())

        def confirmed(one: Due) -> None:
            self.state.records_until_ms[one.plan.name] = one.end_ms

        send_records(self.client, self.token("platform", _VISITORS["platform"]), due, confirmed)
        if due:
            self._save()
        return len(due)

    def roll_up(self) -> None:
        """Ask the gateway to do everything that is due, so that accounts and colours are there at once."""
        control = ControlFile.read(self.options.data_dir)
        if control is not None:
            RemoteOperations(control)("rollup")

    # --- watch ------------------------------------------------------------------------------------------------------

    def check_children(self) -> None:
        """Raise ChildDied if one of them has ended."""
        for child in self.children:
            child.check()

    def watch(self) -> None:
        """Until the stop event: children must live, and ended days are reported."""
        records_at_s = monotonic_s() + RECORDS_EVERY_S
        while not self.stop.wait(0.5):
            self.check_children()
            if monotonic_s() >= records_at_s:
                records_at_s = monotonic_s() + RECORDS_EVERY_S
                self.send_records()

    def stop_children(self) -> None:
        """Agents first, so that they hand over what they have."""
        gateway, agents = self.children[:1], self.children[1:]
        self.forced = stop_all(agents, AGENT_STOP_S) + stop_all(gateway, GATEWAY_STOP_S)

    # --- within -----------------------------------------------------------------------------------------------------

    def _wanted_tokens(self) -> Iterator[tuple[str, str]]:
        yield from _VISITORS.items()
        for site in self.scenario.sites:
            yield "enterprise", site.enterprise
            yield "device", site.name

    def _records_from(self, plan: RecordPlan) -> int:
        return self.state.records_until_ms.get(plan.name, self.state.history_from_ms)

    def _wait_for_file(self, name: str) -> dict[str, Any]:
        path = self.options.data_dir / name
        until_s = monotonic_s() + START_TIMEOUT_S
        while monotonic_s() < until_s:
            self.check_children()
            if path.is_file():
                document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
                return document
            if self.stop.wait(POLL_S):
                raise Stopped
        raise TanmaiError(f"the gateway did not answer within {START_TIMEOUT_S:g} s; look at {self.children[0].log}")

    def _save(self) -> None:
        self.state.save(self.options.data_dir)


@contextlib.contextmanager
def opened(options: DemoOptions, scenario: Scenario, stop: threading.Event) -> Iterator[DemoPark]:
    """Meters, gateway and agents of the park; on leaving everything is stopped, whatever happened."""
    options.data_dir.mkdir(parents=True, exist_ok=True)
    _refuse_second(options.data_dir)
    state = load_state(options.data_dir) or first_state(now_ms(), options.days)
    state.save(options.data_dir)
    park = DemoPark(options, scenario, state, GatewayClient(f"http://127.0.0.1:{options.port}", stop), stop)
    with contextlib.ExitStack() as started:
        started.callback((options.data_dir / "ready.json").unlink, missing_ok=True)
        meters = {site.name: started.enter_context(meters_of(park.plant, site)) for site in scenario.sites}
        started.callback(park.stop_children)
        try:
            park.start_gateway()
            for site in scenario.sites:
                park.start_site(site, meters[site.name].port)
            yield park
        except (OperationFailed, Refused):
            stop.wait(CRASH_S)  # a child that died explains more than the call that it did not answer
            park.check_children()
            raise


def first_state(at_ms: int, days: int) -> DemoState:
    """A park that begins now, with so many days of history."""
    history_from_ms = (at_ms - days * DAY_MS) // STEP_MS * STEP_MS
    return DemoState(anchor_ms=monday_ms(history_from_ms), history_from_ms=history_from_ms)


def _refuse_second(data_dir: Path) -> None:
    control = ControlFile.read(data_dir)
    if control is not None and GatewayClient(control.url).is_ready():
        raise ConfigurationError(
            f"a gateway already runs on {data_dir} ({control.url}); stop it, or give another --data-dir and --port"
        )


def _token_key(role: str, subject: str) -> str:
    return f"{role} {subject}".strip()
