"""The locked sets hold what each way of installing needs, in the versions that pyproject.toml allows."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

SETS = {
    "edge.txt": ("edge",),
    "gateway.txt": ("gateway",),
    "server.txt": ("gateway", "server"),
    "dev.txt": ("edge", "gateway", "server", "dev"),
}
PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(?:\[[^]]*\])?==(?P<version>[^ ;\\]+)", re.MULTILINE)

# Imports every module of the agent in a Python where only what edge.txt names can be imported.
AGENT_ALONE = """
import importlib, importlib.abc, pkgutil, sys
from importlib.metadata import packages_distributions
from packaging.utils import canonicalize_name

allowed = set(sys.argv[1:]) | {"tanmai"}
owners = {module: {canonicalize_name(name) for name in names} for module, names in packages_distributions().items()}
del sys.modules["packaging"], sys.modules["packaging.utils"]

class OnlyTheSet(importlib.abc.MetaPathFinder):
    def find_spec(self, fullname, path, target=None):
        top = fullname.partition(".")[0]
        if top == "gateway" or (top in owners and not owners[top] & allowed):
            raise ModuleNotFoundError(f"{fullname} is not in edge.txt", name=fullname)

sys.meta_path.insert(0, OnlyTheSet())
for package in ("collectors", "edge_agent"):
    found = importlib.import_module(package)
    for module in pkgutil.walk_packages(found.__path__, package + "."):
        importlib.import_module(module.name)
        print(module.name)
"""


def pins_of(project: Any, file: str) -> dict[str, str]:
    return {
        canonicalize_name(pin["name"]): pin["version"] for pin in PIN.finditer(project.read(f"requirements/{file}"))
    }


@pytest.mark.parametrize("file", SETS)
def test_a_locked_set_holds_every_requirement_of_its_extras_within_its_range(project: Any, file: str) -> None:
    declared = tomllib.loads(project.read("pyproject.toml"))["project"]
    wanted = [
        *declared["dependencies"],
        *(text for extra in SETS[file] for text in declared["optional-dependencies"][extra]),
    ]
    pins = pins_of(project, file)

    for requirement in map(Requirement, wanted):
        pinned = pins.get(canonicalize_name(requirement.name))
        assert pinned is not None, f"{file} lacks {requirement}: run `make lock`"
        assert requirement.specifier.contains(pinned), f"{file} has {requirement.name} {pinned}: run `make lock`"


def test_the_sets_agree_on_every_version(project: Any) -> None:
    everything = pins_of(project, "dev.txt")

    for file in SETS:
        assert pins_of(project, file).items() <= everything.items(), file


def test_an_agents_machine_needs_nothing_beyond_its_locked_set(project: Any) -> None:
    allowed = [*pins_of(project, "edge.txt")]
    done = subprocess.run(
        [sys.executable, "-c", AGENT_ALONE, *allowed], capture_output=True, text=True, timeout=120, check=False
    )

    assert done.returncode == 0, done.stderr
    assert "edge_agent.running" in done.stdout.splitlines()
