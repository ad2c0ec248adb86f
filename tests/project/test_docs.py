"""README and docs are true: what they name exists, and what exists is named. Each check has a planted violation."""

from __future__ import annotations

import ast
import dataclasses
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from collectors.driver import Bus
from collectors.profile import TimingLimits
from collectors.quantities import QUANTITIES
from collectors.wire import REASONS
from edge_agent import settings as edge_settings
from gateway.carbon.oddities import SENTENCES
from gateway.scheduler.jobs import JOBS
from gateway.settings import Settings

PATH_TABLE = "## The path of a reading"
CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
LINE_NUMBERS = re.compile(r"\.(?:py|yaml|toml):\d+|#L\d+|\blines? \d+\b", re.IGNORECASE)
# Places of one machine, hosts of package indexes, and words that mean nothing to a reader of the project.
FORBIDDEN = re.compile(r"(?<![\w.])/(?:work|farm|root)/|pypi\.org|registry\.npmjs|files\.pythonhosted|\.\./shared")
IMAGINARY = "acme"  # the maker of the meters that docs show how to add
DOTTED = re.compile(r"(?:collectors|edge_agent|gateway)(?:\.\w+)+(?<!\.txt)\Z")
PATHS = re.compile(
    r"(?:collectors|edge_agent|gateway|config|tests|docs|deploy|scripts|requirements|tools)/[\w./-]*[\w/]\Z"
)


def spans(text: str) -> Iterator[str]:
    """Inline code, outside of fenced blocks."""
    yield from CODE.findall(re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))


def all_names(project: Any) -> set[str]:
    return {name for module in project.modules for name in module.names}


def missing_paths(documents: dict[str, str], root: Path) -> Iterator[str]:
    for document, text in documents.items():
        for span in spans(text):
            if PATHS.fullmatch(span) and not (root / span).exists() and IMAGINARY not in span:
                yield f"{document}: {span} does not exist"


def broken_links(documents: dict[str, str], root: Path) -> Iterator[str]:
    for document, text in documents.items():
        for target in LINK.findall(text):
            if "://" not in target and not (root / document).parent.joinpath(target).exists():
                yield f"{document}: the link {target} leads nowhere"


def unresolved_names(documents: dict[str, str], project: Any) -> Iterator[str]:
    """Dotted names in docs that are neither a module nor something defined in one."""
    modules = {module.name: module.names for module in project.modules}
    for document, text in documents.items():
        for span in spans(text):
            if not DOTTED.fullmatch(span) or span in modules or (project.root / span.replace(".", "/")).is_dir():
                continue
            parts = span.split(".")
            if not any(".".join(parts[cut:]) in modules.get(".".join(parts[:cut]), ()) for cut in range(1, len(parts))):
                yield f"{document}: {span} is not there"


def path_names(readme: str) -> list[str]:
    """The names in the code column and the gives column of the path of a reading."""
    section = readme.partition(PATH_TABLE)[2].partition("\n## ")[0]
    rows = [line.split("|") for line in section.splitlines() if re.match(r"\| \d+ \|", line)]
    return [name for row in rows for cell in (row[3], row[4]) for name in CODE.findall(cell)]


def unnamed(wanted: Iterable[str], text: str) -> list[str]:
    """Of these names, those that stand nowhere in the text as a word of their own."""
    return [name for name in wanted if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text)]


def matches(pattern: re.Pattern[str], texts: dict[str, str]) -> list[str]:
    return [f"{path}: {found.group()}" for path, text in texts.items() for found in pattern.finditer(text)]


def routes(project: Any) -> set[str]:
    """`GET /api/v1/parks/{}` of every view in api and ingest, out of the decorators."""
    found = set()
    for module in project.modules:
        if module.name.startswith(("gateway.api.", "gateway.ingest.")):
            prefix = ""
            for node in ast.walk(module.tree):
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "Blueprint":
                    prefix = next((str(ast.literal_eval(k.value)) for k in node.keywords if k.arg == "url_prefix"), "")
            for node in ast.walk(module.tree):
                if isinstance(node, ast.FunctionDef):
                    found.update(_routes_of(node, prefix))
    return found


def _routes_of(view: ast.FunctionDef, prefix: str) -> Iterator[str]:
    for decorator in view.decorator_list:
        match decorator:
            case ast.Call(ast.Attribute(attr="get" | "post" | "put" | "delete" as method), [ast.Constant(path), *_]):
                yield f"{method.upper()} {placeless(prefix + str(path))}"


def placeless(path: str) -> str:
    """Placeholders without their names: `/parks/<park>` and `/parks/{park}` are both `/parks/{}`."""
    return re.sub(r"<[^>]*>|\{[^}]*\}", "{}", path)


@pytest.fixture(scope="module")
def docs(project: Any) -> str:
    return "\n".join(project.documents.values())


def test_it_looked_at_the_documents(project: Any) -> None:
    assert {"README.md", "CHANGELOG.md", "CONTRIBUTING.md"} <= project.documents.keys()
    for name in ("architecture", "glossary", "guarantees", "operations", "api", "adding-a-meter", "adding-a-factor"):
        assert f"docs/{name}.md" in project.documents
    assert sum(path.startswith("docs/decisions/") for path in project.documents) >= 3
    assert sum(1 for text in project.documents.values() for _ in spans(text)) > 200


def test_paths_links_and_names_in_docs_exist(project: Any) -> None:
    assert list(missing_paths(project.documents, project.root)) == []
    assert list(broken_links(project.documents, project.root)) == []
    assert list(unresolved_names(project.documents, project)) == []


def test_documents_that_the_code_points_to_exist(project: Any) -> None:
    named = {name for module in project.modules for name in re.findall(r"docs/[\w/-]+\.md", module.text)}
    assert len(named) >= 3
    assert [name for name in sorted(named) if name not in project.documents] == []


def test_planted_paths_links_and_names_are_caught(project: Any) -> None:
    planted = {"README.md": "`gateway/nowhere.py` [x](docs/nowhere.md) `gateway.carbon.nowhere`"}
    assert list(missing_paths(planted, project.root)) != []
    assert list(broken_links(planted, project.root)) != []
    assert list(unresolved_names(planted, project)) != []


def test_every_name_on_the_path_of_a_reading_resolves(project: Any) -> None:
    names = path_names(project.documents["README.md"])
    assert len(names) >= 16 + 10
    assert [name for name in names if name not in all_names(project)] == []


def test_a_planted_step_is_caught(project: Any) -> None:
    table = f"{PATH_TABLE}\n| 1 | guess | `guess_reading` | `Guess` |\n"
    assert [name for name in path_names(table) if name not in all_names(project)] == ["guess_reading", "Guess"]


def edge_keys() -> Iterator[str]:
    """Every key of the agent's file below its sections."""
    sections = [shape for name, shape in vars(edge_settings).items() if name.endswith("Section")]
    assert len(sections) >= 5
    for shape in (*sections, Bus):
        yield from (field.name for field in dataclasses.fields(shape))


# what must be documented -> (names, the documents it must stand in)
NAMED: dict[str, tuple[list[str], str]] = {
    "settings": ([str(f.metadata["variable"]) for f in dataclasses.fields(Settings)], "docs/operations.md"),
    "agent keys": (sorted(set(edge_keys())), "docs/operations.md"),
    "jobs": ([job.name for job in JOBS], "docs/operations.md"),
    "quantities": (list(QUANTITIES), "docs/glossary.md"),
    "reasons": (list(REASONS), "docs/guarantees.md"),
    "findings": (list(SENTENCES), "docs/guarantees.md"),
    "timing keys": ([field.name for field in dataclasses.fields(TimingLimits)], "docs/adding-a-meter.md"),
}


@pytest.mark.parametrize("what", NAMED)
def test_everything_that_exists_is_named_in_docs(project: Any, what: str) -> None:
    names, document = NAMED[what]
    assert names
    assert unnamed(names, project.documents[document]) == []


def test_every_finding_in_the_code_is_named_in_docs(project: Any) -> None:
    """Also findings that are not in the table of the usage engine."""
    found = {
        str(node.args[0].value)
        for module in project.modules
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Finding" and node.args
        and isinstance(node.args[0], ast.Constant)
    }  # fmt: skip
    assert "factor.missing" in found
    assert unnamed(sorted(found), project.documents["docs/guarantees.md"]) == []


def test_every_profile_key_is_named_in_docs(project: Any) -> None:
    source = next(module for module in project.modules if module.path == "collectors/profile.py")
    shapes = [node for node in source.tree.body if isinstance(node, ast.ClassDef) and node.name.endswith("Shape")]
    keys = {f.target.id for shape in shapes for f in shape.body if isinstance(f, ast.AnnAssign)}  # type: ignore[union-attr]
    assert len(keys) > 10
    assert unnamed(sorted(keys), project.documents["docs/adding-a-meter.md"]) == []


def test_every_route_is_documented_and_every_documented_route_exists(project: Any) -> None:
    served = routes(project) | {"GET /docs"}
    text = project.documents["docs/api.md"]
    documented = {placeless(call) for call in re.findall(r"`((?:GET|POST) /[^`\s]*)`", text)}
    assert len(served) > 20
    assert served - documented == set()
    assert documented - served == set()


def test_a_planted_name_is_missed() -> None:
    assert unnamed(["TANMAI_NOWHERE", "power"], "`power_l1` and `TANMAI_DATA_DIR`") == ["TANMAI_NOWHERE", "power"]
    assert unnamed(["power"], "`power`") == []


def test_docs_hold_no_line_numbers(project: Any) -> None:
    assert matches(LINE_NUMBERS, project.documents) == []
    assert matches(LINE_NUMBERS, {"x": "see gateway/settings.py:12"}) != []


def test_nothing_names_a_machine_or_an_index(project: Any) -> None:
    own = "tests/project/test_docs.py"
    suffixes = (".md", ".py", ".yaml", ".yml", ".toml", ".txt", ".json", ".sh", "Makefile", "Dockerfile", ".ci/run")
    texts = {path: project.read(path) for path in project.files if path.endswith(suffixes) and path != own}
    assert len(texts) > 100
    assert matches(FORBIDDEN, texts) == []
    assert matches(FORBIDDEN, {"x": "pip install --index-url https://pypi.org/simple"}) != []


def test_make_targets_of_the_docs_exist(project: Any) -> None:
    targets = set(re.findall(r"^([a-z]+):", project.read("Makefile"), re.MULTILINE))
    text = "\n".join(project.documents.values())
    named = set(re.findall(r"`make ([a-z]+)`|^make ([a-z]+)", text, re.MULTILINE))
    assert {name for pair in named for name in pair if name} <= targets
    assert "make test" in text
