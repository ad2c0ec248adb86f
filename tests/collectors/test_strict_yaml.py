"""YAML that is either right or refused."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml

from collectors import strict_yaml
from collectors.errors import ConfigurationError
from collectors.profile import shipped_config_dir
from collectors.strict_yaml import MAX_BYTES, MAX_DEPTH, load, loads, parse


@dataclass(frozen=True)
class Part:
    name: str
    size: int = 1


@dataclass(frozen=True)
class Shape:
    id: str
    ratio: float = 1.0
    exact: Decimal = Decimal(0)
    on: bool = False
    day: date | None = None
    at: datetime | None = None
    kind: Literal["a", "b"] = "a"
    code: Literal[3, 4] = 3
    parts: tuple[Part, ...] = ()
    names: dict[str, int] = field(default_factory=dict)
    start: str = field(default="", metadata={"key": "from"})
    free: Any = None


def problems_of(text: str, shape: type = Shape) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        loads(text, shape, "file.yaml")
    return [str(problem) for problem in caught.value.problems]


def test_a_file_becomes_its_shape() -> None:
    text = """
id: 001
ratio: 3
exact: 0.5306
on: true
day: 2026-10-03
at: 2026-10-03T08:00:00+08:00
kind: b
code: 4
parts: [{name: no}, {name: "2", size: 0x10}]
names: {x: 1_000}
from: here
free: {a: [1, 1.5, "1", true, null, text]}
"""
    assert loads(text, Shape) == Shape(
        id="001",
        ratio=3.0,
        exact=Decimal("0.5306"),
        on=True,
        day=date(2026, 10, 3),
        at=datetime(2026, 10, 3, tzinfo=UTC),
        kind="b",
        code=4,
        parts=(Part("no"), Part("2", 16)),
        names={"x": 1000},
        start="here",
        free={"a": [1, 1.5, "1", True, None, "text"]},
    )


def test_every_problem_is_reported_with_file_line_and_key() -> None:
    text = "ratio: fast\nkind: c\nparts:\n- {size: 1.5}\n- {name: x, sise: 2}\nnames: {x: one}\n"

    assert problems_of(text) == [
        "file.yaml:1: id: is missing",
        "file.yaml:1: ratio: must be a number, not 'fast'",
        "file.yaml:2: kind: must be one of a, b, not 'c'",
        "file.yaml:4: parts[0].name: is missing",
        "file.yaml:4: parts[0].size: must be a whole number, not '1.5'",
        "file.yaml:5: parts[1].sise: unknown key (did you mean size?); known are name, size",
        "file.yaml:6: names.x: must be a whole number, not 'one'",
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("on: yes", "must be true or false"),
        ("on: True", "must be true or false"),
        ("ratio: '3'", "must be a number"),
        ("ratio: .nan", "must be a number"),
        ("ratio: 1e", "must be a number"),
        ("code: 5", "must be one of 3, 4"),
        ("at: 2026-10-03T08:00:00", "a time with zone"),
        ("day: 2026-13-01", "must be a date"),
        ("parts: {name: x}", "must be a list, not a mapping"),
        ("parts: [x]", "must be a mapping, not 'x'"),
        ("ratio:", "must be a number, not nothing"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(line: str, message: str) -> None:
    (problem,) = problems_of(f"id: x\n{line}\n")
    assert message in problem


def test_a_key_written_twice_is_refused_naming_the_first() -> None:
    assert problems_of("id: x\nratio: 1\nid: y\n") == ["file.yaml:3: id: is written twice (first in line 1)"]


def test_a_key_written_twice_hides_no_other_problem() -> None:
    keys = "at, code, day, exact, free, from, id, kind, names, on, parts, ratio"
    text = "id: x\nratio: 1\nratio: 2\nparts:\n- {name: x, name: y, sise: 2}\nsurprise: 1\n"

    assert problems_of(text) == [
        "file.yaml:3: ratio: is written twice (first in line 2)",
        "file.yaml:5: parts[0].name: is written twice (first in line 5)",
        f"file.yaml:6: surprise: unknown key; known are {keys}",
        "file.yaml:5: parts[0].sise: unknown key (did you mean size?); known are name, size",
    ]


def test_python_and_libyaml_give_the_same_document(monkeypatch: pytest.MonkeyPatch) -> None:
    if not yaml.__with_libyaml__:
        pytest.skip("PyYAML was built without libyaml: there is only one")
    monkeypatch.setattr(yaml, "__with_libyaml__", False)
    spec = importlib.util.spec_from_file_location("strict_yaml_of_python", strict_yaml.__file__)
    assert spec is not None
    assert spec.loader is not None
    by_python = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, by_python)
    spec.loader.exec_module(by_python)
    files = sorted(shipped_config_dir().rglob("*.yaml"))
    assert len(files) > 20
    for file in files:
        one, other = (module.parse(file.read_text("utf-8"), "f") for module in (strict_yaml, by_python))
        assert (repr(one.root), one.lines) == (repr(other.root), other.lines), file


@pytest.mark.parametrize(
    "text",
    [
        "id: &a x\nstart: *a\n",
        "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n",  # the beginning of an alias bomb
        "base: &b {id: x}\nother: {<<: *b}\n",
        "a: &a [*a]\n",
    ],
)
def test_aliases_are_refused_before_they_unfold(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"file\.yaml:\d: is not YAML: aliases are refused"):
        parse(text, "file.yaml")


def test_an_alias_bomb_is_refused_at_once() -> None:
    levels = ["l0: &l0 [x, x, x, x, x, x, x, x, x]"]
    levels += [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 20)]  # 9^20 nodes

    with pytest.raises(ConfigurationError, match="aliases are refused"):
        parse("\n".join(levels))


@pytest.mark.parametrize("text", ["[" * 5000, "- " * 5000 + "x", "{a: " * (MAX_DEPTH + 2)])
def test_deep_nesting_is_refused_without_deep_recursion(text: str) -> None:
    with pytest.raises(ConfigurationError, match=f"nested deeper than {MAX_DEPTH}"):
        parse(text)


@pytest.mark.parametrize("text", ["a: [", "a: b: c", "\t- x", "a: 'x", "? [x]\n: y", "a: \x00"])
def test_what_is_not_yaml_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        loads(text, Shape, "file.yaml")
    assert str(caught.value).startswith("file.yaml")


def test_a_huge_file_is_refused_unread() -> None:
    with pytest.raises(ConfigurationError, match="larger than"):
        parse("x" * (MAX_BYTES + 1))


def test_a_file_that_cannot_be_read_is_a_problem_not_a_crash(tmp_path: Path) -> None:
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")

    for path, what in ((tmp_path / "missing.yaml", "cannot be read"), (binary, "1: is no UTF-8 text")):
        with pytest.raises(ConfigurationError, match=f"{path.name}:.?{what}"):
            load(path, Shape)


def test_an_empty_file_lacks_what_is_required() -> None:
    assert problems_of("") == ["file.yaml: id: is missing"]
