"""Who may import whom, and which file knows which library: `docs/architecture.md` as data.

Every rule has a planted violation that it catches.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Any

import pytest

# importer (package or module) -> what it must not import, and why
DIRECTIONS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("collectors", ("edge_agent", "gateway"), "what a reading is depends on nobody who handles readings"),
    ("edge_agent", ("gateway",), "an agent's machine has no gateway"),
    ("gateway", ("edge_agent",), "the two sides share only collectors"),
    ("gateway.carbon", ("flask", "sqlalchemy", "paho", "urllib", "http", "socket"), "carbon is pure"),
    (
        "gateway.carbon",
        ("sqlite3", "duckdb", "influxdb_client", "apscheduler", "threading", "asyncio"),
        "carbon is pure",
    ),
    ("gateway.carbon", ("collectors.clock.now_ms", "collectors.clock.monotonic_s"), "carbon has no clock of its own"),
    ("gateway.carbon", ("gateway.ingest", "gateway.api", "gateway.dashboard", "gateway.scheduler"), "carbon is pure"),
    ("gateway.carbon", ("gateway.accounts", "gateway.broker", "gateway.demo", "gateway.wiring"), "carbon is pure"),
    ("gateway.ingest", ("gateway.carbon",), "accepting is not accounting"),
    ("gateway.ingest", ("gateway.api", "gateway.dashboard", "gateway.scheduler"), "accepting serves nobody"),
    ("gateway.api", ("gateway.ingest", "gateway.scheduler", "gateway.broker"), "reading does not run the house"),
    ("gateway.dashboard", ("gateway.ingest", "gateway.scheduler", "gateway.broker"), "reading does not run the house"),
    ("gateway.accounts", ("gateway.ingest", "gateway.scheduler", "gateway.broker"), "reading does not run the house"),
    ("gateway.store", ("gateway.api", "gateway.dashboard", "gateway.ingest", "gateway.scheduler"), "stores serve all"),
    (
        "gateway.registry",
        ("gateway.api", "gateway.dashboard", "gateway.ingest", "gateway.scheduler"),
        "nouns serve all",
    ),
    ("gateway.scheduler", ("gateway.api", "gateway.dashboard", "flask"), "jobs serve no pages"),
)

# The demo reaches into no part of the gateway: beside itself it may import only these.
DEMO_MAY_IMPORT = ("gateway.demo", "gateway.control")

# library -> the files that know it; * stands for any name
LIBRARY_HOMES: dict[str, tuple[str, ...]] = {
    "pymodbus": ("collectors/modbus/client.py", "collectors/modbus/simulated_meter.py"),
    "paho": (
        "edge_agent/mqtt_link.py",
        "gateway/ingest/mqtt_listener.py",
        "gateway/broker/dynamic_security.py",
        "gateway/broker/retained.py",
    ),
    "ssl": ("collectors/tls.py", "edge_agent/mqtt_link.py", "gateway/ingest/mqtt_lane.py"),
    "zstandard": ("collectors/wire_forms.py", "gateway/ingest/http_intake.py"),
    "duckdb": ("gateway/store/duckdb_*.py",),
    "influxdb_client": ("gateway/store/influx_*.py",),
    "apscheduler": ("gateway/scheduler/runner.py",),
    "sqlite3": ("edge_agent/buffer*.py",),
    "yaml": ("collectors/strict_yaml.py", "gateway/demo/site.py", "gateway/registry/*.py"),
}


def under(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def wrong_directions(modules: Iterable[Any]) -> Iterator[str]:
    for module in modules:
        for importer, forbidden, why in DIRECTIONS:
            if under(module.name, importer):
                for name in sorted(module.imports):
                    if any(under(name, one) for one in forbidden):
                        yield f"{module.path} imports {name}: {why}"


def demo_reaches(modules: Iterable[Any]) -> Iterator[str]:
    for module in modules:
        if under(module.name, "gateway.demo"):
            for name in sorted(module.imports):
                if (
                    under(name, "gateway")
                    and name != "gateway"
                    and not any(under(name, one) for one in DEMO_MAY_IMPORT)
                ):
                    yield f"{module.path} imports {name}: the demo goes the ordinary ways"


def strangers(modules: Iterable[Any]) -> Iterator[str]:
    """Files that know a library which another file is the home of."""
    for module in modules:
        for library, homes in LIBRARY_HOMES.items():
            known = any(under(name, library) for name in module.imports)
            if known and not any(fnmatchcase(module.path, home) for home in homes):
                yield f"{module.path} knows {library}, whose home is {', '.join(homes)}"


def test_it_looked_at_the_whole_house(project: Any) -> None:
    seen = {module.name for module in project.modules}
    assert len(seen) > 60
    for importer, _, _ in DIRECTIONS:
        assert any(under(name, importer) for name in seen), importer
    assert any(under(name, "numpy") for module in project.modules for name in module.imports)


def test_imports_go_in_the_right_directions(project: Any) -> None:
    assert list(wrong_directions(project.modules)) == []


def test_demo_goes_the_ordinary_ways(project: Any) -> None:
    assert list(demo_reaches(project.modules)) == []


def test_each_library_is_known_in_its_home_only(project: Any) -> None:
    assert list(strangers(project.modules)) == []


def test_every_home_exists_and_knows_its_library(project: Any) -> None:
    for library, homes in LIBRARY_HOMES.items():
        knowing = {m.path for m in project.modules if any(under(name, library) for name in m.imports)}
        for home in homes:
            assert any(fnmatchcase(path, home) for path in knowing), f"{home} does not import {library}"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("collectors/planted.py", "from gateway import settings"),
        ("edge_agent/planted.py", "import gateway.store.schema"),
        ("gateway/store/planted.py", "def later():\n    from edge_agent.buffer import Buffer"),
        ("gateway/carbon/planted.py", "from collectors.clock import now_ms"),
        ("gateway/carbon/deep/planted.py", "from flask import g"),
        ("gateway/ingest/planted.py", "from ..carbon import usage"),
        ("gateway/api/planted.py", "from gateway.scheduler.jobs import JOBS"),
        ("gateway/dashboard/planted.py", "import gateway.ingest.accept as accept"),
    ],
)
def test_a_planted_import_is_caught(module_of: Any, path: str, text: str) -> None:
    assert list(wrong_directions([module_of(path, text)])) != []


def test_a_planted_shortcut_of_the_demo_is_caught(module_of: Any) -> None:
    assert list(demo_reaches([module_of("gateway/demo/planted.py", "from gateway.store.schema import points")])) != []


@pytest.mark.parametrize("library", LIBRARY_HOMES)
def test_a_planted_stranger_is_caught(module_of: Any, library: str) -> None:
    assert list(strangers([module_of("gateway/api/planted.py", f"import {library}.client")])) != []


def test_a_right_import_is_not_reported(module_of: Any) -> None:
    module = module_of("gateway/carbon/planted.py", "from collectors.clock import HOUR_MS\nfrom . import usage")
    assert list(wrong_directions([module])) == []
