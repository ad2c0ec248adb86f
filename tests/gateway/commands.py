"""The gateway's commands run as a person types them, for tests: `tanmai(...)`, in a data directory of their own."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from collectors import command
from gateway.settings import Settings
from gateway.wiring import build

PLANT = "91350505M00000019R"
NOBODY = "91350583M00000035E"
REGISTRY = f"""
parks:
- {{id: park, name: {{zh: 园区, en: Park}}, region: fujian, timezone: Asia/Shanghai}}
enterprises:
- id: {PLANT}
  name: {{zh: 厂, en: Plant}}
  park: park
  industry: C3130
  agents: [{{id: edge-1}}]
  devices: [{{id: incomer-1, profile: eastron-sdm630, points: [energy_import]}}]
  sources:
  - {{id: grid-power, activity: electricity.purchased, scope: 2, stage: production, from: [incomer-1.energy_import]}}
  - {{id: billets, activity: material.steel_semi_finished, scope: 3, stage: raw_material, records: true, unit: t}}
  products: [{{id: plate, unit: t}}]
"""


@dataclass(frozen=True, slots=True)
class Output:
    code: int
    out: str
    err: str


Tanmai = Callable[..., Output]


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data directory of the commands; it is not there yet."""
    for name in [name for name in os.environ if name.startswith("TANMAI_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TANMAI_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def tanmai(data_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tanmai:
    """A function that runs `tanmai …`; what is not raised on purpose comes out of it as it is."""

    def run(*arguments: str | Path, **settings: str) -> Output:
        capsys.readouterr()
        with monkeypatch.context() as patched:
            patched.setattr(sys, "argv", ["tanmai", *map(str, arguments)])
            for name, value in settings.items():
                patched.setenv(name, value)
            with pytest.raises(SystemExit) as ended:
                command.main()
                sys.exit(0)
        said = capsys.readouterr()
        return Output(int(ended.value.code or 0), said.out, said.err)

    return run


@pytest.fixture(scope="module")
def applied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with the registry applied, to be copied."""
    directory = tmp_path_factory.mktemp("applied") / "data"
    house = build(replace(Settings(), data_dir=str(directory), mqtt_url="off"))
    house.operations.call("registry_apply", text=REGISTRY, file="park.yaml")
    house.close()
    return directory


@pytest.fixture
def park(applied: Path, data_dir: Path, tmp_path: Path) -> Path:
    """The registry's file; it is applied."""
    shutil.copytree(applied, data_dir)
    file = tmp_path / "park.yaml"
    file.write_text(REGISTRY)
    return file
