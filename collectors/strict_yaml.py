"""YAML that is either right or refused: unknown keys, wrong types, duplicate keys, all reported at once with line.

The shape of a file is a frozen dataclass; field types say what may stand there:
  str, int, float, bool, date, datetime (aware), Decimal, X | None, Literal[...], list[X], tuple[X, ...], dict[str, X],
  and nested dataclasses. A field without default is required. `float` takes integers too; `Decimal` is read from the
  digits as written, so that 0.5306 stays 0.5306. A field whose metadata has {"key": "from"} is written `from`.

Only the safe YAML types exist here; "no", "on" and the like stay text; numbers are decimal; dates are ISO 8601.
Aliases (`*name`) are refused: what stands in a file is what it says, and a small file cannot unfold into a huge one.
"""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml

from collectors.errors import ConfigurationError, Problem
from collectors.spelling import meant, yaml_hint

T = TypeVar("T")
KeyPath = tuple[str | int, ...]

# Limits: a configuration file is written by people.
MAX_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 32

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9_]*)\Z")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F_]+\Z")
_NUMBER = re.compile(r"[-+]?([0-9][0-9_]*)?\.?[0-9]+([eE][-+]?[0-9]+)?\Z")


@dataclass(frozen=True)
class Document:
    """A parsed file: scalars are still text (`Scalar`), so that their type is the shape's decision."""

    root: Any
    file: str
    lines: Mapping[KeyPath, int] = field(repr=False)
    problems: tuple[Problem, ...] = ()  # keys written twice and the like; `build` of the whole file reports them

    def problem(self, path: KeyPath, message: str) -> Problem:
        """A problem at a key, with the line of the key or of the nearest parent that stands in the file."""
        near = path
        while near and near not in self.lines:
            near = near[:-1]
        return Problem(message, self.file, self.lines.get(near, 0), dotted(path))


@dataclass(frozen=True, slots=True)
class Scalar:
    """A scalar as written. `quoted` tells "1" from 1."""

    text: str
    quoted: bool

    @property
    def is_null(self) -> bool:
        return not self.quoted and self.text in ("", "~", "null")


class _PythonEvents(yaml.reader.Reader, yaml.scanner.Scanner, yaml.parser.Parser):
    """Text -> events, where PyYAML was built without libyaml."""

    def __init__(self, text: str) -> None:
        yaml.reader.Reader.__init__(self, text)
        yaml.scanner.Scanner.__init__(self)
        yaml.parser.Parser.__init__(self)


# libyaml gives the same events in a tenth of the time: half a second at each start of the gateway.
_Events: Any = typing.cast(Any, yaml).cyaml.CParser if yaml.__with_libyaml__ else _PythonEvents


class _Loader(yaml.composer.Composer, _Events, yaml.resolver.Resolver):  # type: ignore[misc]
    """Composes nodes without aliases and without deep recursion; values are never constructed."""

    def __init__(self, text: str) -> None:
        _Events.__init__(self, text)
        yaml.composer.Composer.__init__(self)
        yaml.resolver.Resolver.__init__(self)
        self.depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise self._refusal("aliases are refused; write the value out")
        self.depth += 1
        if self.depth > MAX_DEPTH + 1:  # the document itself stands at depth 1
            raise self._refusal(f"nested deeper than {MAX_DEPTH}")
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1

    def _refusal(self, message: str) -> yaml.MarkedYAMLError:
        event = typing.cast(Any, self).peek_event()
        return yaml.composer.ComposerError(None, None, message, event.start_mark)


def dotted(path: KeyPath) -> str:
    """("enterprises", 0, "id") -> "enterprises[0].id"."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def parse(text: str, file: str = "") -> Document:
    """Text -> Document; raises ConfigurationError for bad syntax, aliases, depth and size."""
    if len(text) > MAX_BYTES:
        raise ConfigurationError([Problem(f"larger than {MAX_BYTES} bytes", file)])
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        what = f"{error.problem or 'cannot be read'}{' ' + error.context if error.context else ''}"
        raise ConfigurationError([Problem(f"is not YAML: {what}{yaml_hint(text, line)}", file, line)]) from error
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigurationError([Problem(f"is not YAML: {error}", file)]) from error
    problems: list[Problem] = []
    lines: dict[KeyPath, int] = {}
    root = _plain(node, (), lines, problems, file) if node is not None else {}
    return Document(root, file, lines, tuple(problems))


def load(path: Path, shape: type[T]) -> T:
    """Read a file into `shape`; raises ConfigurationError with every problem in it."""
    return loads(file_text(path), shape, str(path))


def file_text(path: Path) -> str:
    """A configuration file as text; raises ConfigurationError if it cannot be read as UTF-8."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        message = "is no UTF-8 text from here on: save it as UTF-8 (an editor set to GBK or ANSI writes something else)"
        raise ConfigurationError([Problem(message, str(path), line)]) from error
    except OSError as error:
        raise ConfigurationError([Problem(f"cannot be read: {error}", str(path))]) from error


def loads(text: str, shape: type[T], file: str = "") -> T:
    """Read text into `shape`; raises ConfigurationError with every problem in it."""
    document = parse(text, file)
    problems: list[Problem] = []
    value = build(document, shape, problems)
    if problems:
        raise ConfigurationError(problems)
    return typing.cast(T, value)


def build(document: Document, shape: type[T], problems: list[Problem], path: KeyPath = ()) -> T | None:
    """What stands at `path` -> `shape`. Adds every problem to `problems`; the value is None if there was any.

    Raises LookupError if nothing stands at `path`.
    """
    before = len(problems)
    if not path:
        problems += document.problems
    raw = document.root
    for part in path:
        raw = raw[part]
    value = _convert(raw, shape, path, document, problems)
    return typing.cast(T, value) if len(problems) == before else None


def build_all(folder: Path, shape: type[T], problems: list[Problem]) -> Iterator[tuple[Path, Document, T]]:
    """Every `*.yaml` of a folder that is right, by name; what is wrong with the others is added to `problems`."""
    for path in sorted(folder.glob("*.yaml")):
        try:
            document = parse(file_text(path), str(path))
        except ConfigurationError as error:
            problems += error.problems
            continue
        built = build(document, shape, problems)
        if built is not None:
            yield path, document, built


def _plain(node: yaml.Node, path: KeyPath, lines: dict[KeyPath, int], problems: list[Problem], file: str) -> Any:
    line = node.start_mark.line + 1
    lines.setdefault(path, line)
    if isinstance(node, yaml.ScalarNode):
        return Scalar(node.value, node.style in ("'", '"', "|", ">"))
    if isinstance(node, yaml.SequenceNode):
        return [_plain(child, (*path, index), lines, problems, file) for index, child in enumerate(node.value)]
    mapping: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key_line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            problems.append(Problem("a key must be plain text", file, key_line, dotted(path)))
            continue
        key = key_node.value
        child = (*path, key)
        if key in mapping:
            problems.append(Problem(f"is written twice (first in line {lines[child]})", file, key_line, dotted(child)))
            continue
        lines[child] = key_line
        mapping[key] = _plain(value_node, child, lines, problems, file)
    return mapping


def _convert(raw: Any, shape: Any, path: KeyPath, document: Document, problems: list[Problem]) -> Any:
    origin = typing.get_origin(shape)
    if origin in (typing.Union, types.UnionType):
        return _optional(raw, shape, path, document, problems)
    if origin is Literal:
        return _literal(raw, typing.get_args(shape), path, document, problems)
    if origin in (list, tuple):
        return _sequence(raw, shape, origin, path, document, problems)
    if origin is dict:
        if not isinstance(raw, dict):
            return _wrong(raw, "a mapping", path, document, problems)
        inner = typing.get_args(shape)[1]
        return {key: _convert(value, inner, (*path, key), document, problems) for key, value in raw.items()}
    if shape is Any:
        return _free(raw)
    if dataclasses.is_dataclass(shape):
        return _dataclass(raw, typing.cast(type, shape), path, document, problems)
    if not isinstance(raw, Scalar) or raw.is_null:
        return _wrong(raw, _SCALARS[shape][0], path, document, problems)
    wanted, convert = _SCALARS[shape]
    try:
        return convert(raw)
    except (ValueError, InvalidOperation, OverflowError):
        return _wrong(raw, wanted, path, document, problems)


def _dataclass(raw: Any, shape: type, path: KeyPath, document: Document, problems: list[Problem]) -> Any:
    if not isinstance(raw, dict):
        return _wrong(raw, "a mapping", path, document, problems)
    hints = _hints(shape)
    fields = {str(f.metadata.get("key", f.name)): f for f in dataclasses.fields(shape) if f.init}
    before = len(problems)
    problems.extend(
        document.problem((*path, key), f"unknown key{meant(key, fields)}; known are {', '.join(sorted(fields))}")
        for key in raw
        if key not in fields
    )
    values: dict[str, Any] = {}
    for key, f in fields.items():
        if key in raw:
            values[f.name] = _convert(raw[key], hints[f.name], (*path, key), document, problems)
        elif f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING:
            problems.append(document.problem((*path, key), "is missing"))
    if len(problems) > before:
        return None
    try:
        return shape(**values)
    except ValueError as error:  # a shape may check itself in __post_init__
        problems.append(document.problem(path, str(error)))
        return None


@cache
def _hints(shape: type) -> dict[str, Any]:
    return typing.get_type_hints(shape)


def _sequence(raw: Any, shape: Any, origin: Any, path: KeyPath, document: Document, problems: list[Problem]) -> Any:
    if not isinstance(raw, list):
        return _wrong(raw, "a list", path, document, problems)
    inner = typing.get_args(shape)[0]
    return origin(_convert(item, inner, (*path, index), document, problems) for index, item in enumerate(raw))


def _optional(raw: Any, shape: Any, path: KeyPath, document: Document, problems: list[Problem]) -> Any:
    options = [option for option in typing.get_args(shape) if option is not types.NoneType]
    if isinstance(raw, Scalar) and raw.is_null and types.NoneType in typing.get_args(shape):
        return None
    last: list[Problem] = []
    for option in options:
        last = []
        value = _convert(raw, option, path, document, last)
        if not last:
            return value
    problems.extend(last)
    return None


def _literal(raw: Any, options: tuple[Any, ...], path: KeyPath, document: Document, problems: list[Problem]) -> Any:
    if isinstance(raw, Scalar):
        for option in options:
            if raw.text == str(option):
                return option
    names = [str(option) for option in options]
    likely = meant(raw.text, names) if isinstance(raw, Scalar) else ""
    return _wrong(raw, "one of " + ", ".join(names), path, document, problems, likely)


def _wrong(raw: Any, wanted: str, path: KeyPath, document: Document, problems: list[Problem], likely: str = "") -> None:
    if isinstance(raw, Scalar):
        found = "nothing" if raw.is_null else repr(raw.text)
    else:
        found = "a mapping" if isinstance(raw, dict) else "a list"
    problems.append(document.problem(path, f"must be {wanted}, not {found}{likely}"))


def _free(raw: Any) -> Any:
    """Plain Python values where the shape says Any."""
    if isinstance(raw, dict):
        return {key: _free(value) for key, value in raw.items()}
    if isinstance(raw, list):
        return [_free(item) for item in raw]
    if raw.is_null:
        return None
    if raw.quoted:
        return raw.text
    if raw.text in ("true", "false"):
        return raw.text == "true"
    for convert in (_int, _float):
        try:
            return convert(raw)
        except ValueError:
            continue
    return raw.text


def _int(raw: Scalar) -> int:
    if raw.quoted:
        raise ValueError
    if _HEXADECIMAL.match(raw.text):
        return int(raw.text, 16)
    if not _INTEGER.match(raw.text):
        raise ValueError
    return int(raw.text.replace("_", ""))


def _decimal(raw: Scalar) -> Decimal:
    if raw.quoted or not _NUMBER.match(raw.text):
        raise ValueError
    return Decimal(raw.text.replace("_", ""))


def _float(raw: Scalar) -> float:
    return float(_decimal(raw))


def _bool(raw: Scalar) -> bool:
    if raw.quoted or raw.text not in ("true", "false"):
        raise ValueError
    return raw.text == "true"


def _date(raw: Scalar) -> date:
    if "T" in raw.text or " " in raw.text:
        raise ValueError
    return date.fromisoformat(raw.text)


def _datetime(raw: Scalar) -> datetime:
    value = datetime.fromisoformat(raw.text)
    if value.tzinfo is None:
        raise ValueError
    return value


_SCALARS: dict[Any, tuple[str, Any]] = {
    str: ("text", lambda raw: raw.text),
    int: ("a whole number", _int),
    float: ("a number", _float),
    Decimal: ("a number", _decimal),
    bool: ("true or false", _bool),
    date: ("a date such as 2026-10-03", _date),
    datetime: ("a time with zone such as 2026-10-03T08:00:00+08:00", _datetime),
}
