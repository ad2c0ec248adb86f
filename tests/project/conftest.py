"""The project as data: its modules, what they import and define, its documents. Read with `ast`, never imported."""

from __future__ import annotations

import ast
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("collectors", "edge_agent", "gateway")


@dataclass(frozen=True)
class Module:
    """One source file."""

    path: str  # relative to the project, such as gateway/carbon/usage.py
    text: str

    @property
    def name(self) -> str:
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def imports(self) -> frozenset[str]:
        """Dotted names of everything imported: `from a.b import c` gives a.b and a.b.c. Lazy imports count too."""
        found: set[str] = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = self._base(node)
                found.add(base)
                found.update(f"{base}.{alias.name}" for alias in node.names)
        return frozenset(found)

    @cached_property
    def names(self) -> frozenset[str]:
        """What the module defines at top level, and `Class.member` of its classes."""
        found: set[str] = set()
        for node in self.tree.body:
            for name in _defined(node):
                found.add(name)
                if isinstance(node, ast.ClassDef):
                    found.update(f"{name}.{member}" for inner in node.body for member in _defined(inner))
        return frozenset(found)

    def _base(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        package = self.name.split(".") if self.path.endswith("__init__.py") else self.name.split(".")[:-1]
        own = package[: len(package) - node.level + 1]
        return ".".join([*own, *([node.module] if node.module else [])])


def _defined(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


@dataclass(frozen=True)
class Project:
    root: Path
    files: tuple[str, ...]  # everything that git tracks or would track

    @cached_property
    def modules(self) -> tuple[Module, ...]:
        """The product's own source files."""
        own = [path for path in self.files if path.endswith(".py") and path.split("/")[0] in PACKAGES]
        return tuple(Module(path, self.read(path)) for path in own)

    @cached_property
    def documents(self) -> dict[str, str]:
        """README and docs by path."""
        return {path: self.read(path) for path in self.files if path.endswith(".md")}

    def read(self, path: str) -> str:
        return (self.root / path).read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def project() -> Project:
    # -c core.quotepath=off: paths as they are; --others: files that are not committed yet count too.
    listing = subprocess.run(
        ["git", "-c", "core.quotepath=off", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    return Project(ROOT, tuple(path for path in sorted(set(listing)) if (ROOT / path).is_file()))


@pytest.fixture
def module_of() -> type[Module]:
    """Makes a module out of a path and a text: for planted violations."""
    return Module
