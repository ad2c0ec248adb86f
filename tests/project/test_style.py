"""What CONTRIBUTING.md asks of every file, as far as a program can see it. Each rule has a planted violation."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

MAX_FUNCTION_LINES = 70
MAX_FILE_LINES = 400
NAMELESS_ROOMS = ("utils", "util", "common", "helper", "helpers", "manager", "base", "misc")
LEFT_OVERS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|NotImplementedError|# type: ignore(?!\[)")
CLOCK = "collectors/clock.py"
WALL_CLOCKS = {"datetime.now", "datetime.utcnow", "date.today", "time.time", "time.time_ns", "time.monotonic"}


def nameless_rooms(modules: Iterable[Any]) -> Iterator[str]:
    for module in modules:
        if set(module.name.split(".")) & set(NAMELESS_ROOMS):
            yield f"{module.path} does not say what is in it"


def long_files(modules: Iterable[Any]) -> Iterator[str]:
    for module in modules:
        count = module.text.count("\n")
        if count > MAX_FILE_LINES:
            yield f"{module.path} has {count} lines; a room grown too large"


def long_functions(modules: Iterable[Any]) -> Iterator[str]:
    for module in modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                count = (node.end_lineno or node.lineno) - node.lineno + 1
                if count > MAX_FUNCTION_LINES:
                    yield f"{module.path}: {node.name} has {count} lines"


def undocumented(modules: Iterable[Any]) -> Iterator[str]:
    """Modules that hold code and do not say what for."""
    for module in modules:
        if module.tree.body and not ast.get_docstring(module.tree):
            yield f"{module.path} has no docstring: purpose, what stays true, limits"


def left_overs(modules: Iterable[Any]) -> Iterator[str]:
    for module in modules:
        found = LEFT_OVERS.search(module.text)
        if found:
            yield f"{module.path} holds {found.group()!r}"


def own_clocks(modules: Iterable[Any]) -> Iterator[str]:
    for module in modules:
        if module.path == CLOCK:
            continue
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in WALL_CLOCKS:
                yield f"{module.path} asks {ast.unparse(node.func)}: the clock is read in {CLOCK} only"
            if isinstance(node, ast.ImportFrom) and node.module == "time":
                yield f"{module.path} imports from time: the clock is read in {CLOCK} only"


def swallowed(modules: Iterable[Any]) -> Iterator[str]:
    """`except …: pass` of everything: an error that nobody will ever see."""
    for module in modules:
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.ExceptHandler) or (node.type and ast.unparse(node.type) not in _EVERYTHING):
                continue
            if all(isinstance(inner, ast.Pass) for inner in node.body):
                yield f"{module.path} swallows every error"


_EVERYTHING = ("Exception", "BaseException")

# rule -> (path, text) of a planted violation
RULES: dict[Callable[[Iterable[Any]], Iterator[str]], tuple[str, str]] = {
    nameless_rooms: ("gateway/store/utils.py", ""),
    long_files: ("gateway/long.py", "\n" * (MAX_FILE_LINES + 1)),
    long_functions: ("gateway/long.py", "def f():\n" + "    x = 1\n" * MAX_FUNCTION_LINES),
    undocumented: ("gateway/silent.py", "x = 1"),
    left_overs: ("gateway/later.py", '"""Doc."""\n# TODO: later'),
    own_clocks: ("gateway/clock.py", "import time\nx = time.time()"),
    swallowed: ("gateway/mute.py", "try:\n    f()\nexcept Exception:\n    pass"),
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_code_keeps_the_rule(project: Any, rule: Callable[[Iterable[Any]], Iterator[str]]) -> None:
    assert len(project.modules) > 60
    assert list(rule(project.modules)) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_planted_violation_is_caught(module_of: Any, rule: Callable[[Iterable[Any]], Iterator[str]]) -> None:
    assert list(rule([module_of(*RULES[rule])])) != []


def test_time_sleep_is_no_clock(module_of: Any) -> None:
    assert list(own_clocks([module_of("gateway/wait.py", "import time\ntime.sleep(1)")])) == []
