"""Which regional grid a province belongs to: data in `config/grid_regions`, read strictly, every problem at once.

What stays true: a province stands in one grid at most, and only grids and provinces that factor files have values for
are named. A park whose region is none of these provinces has no regional grid, unless its region is a grid itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from collectors.errors import ConfigurationError, Problem
from collectors.strict_yaml import Document, build
from gateway.carbon.factor_files import Confidence, LoadedFactor, Title, parsed

FOLDER = "grid_regions"
GRIDS, PROVINCES = "grid.regional", "grid.provincial"  # series


@dataclass(frozen=True, slots=True)
class GridFile:
    """A delineation of grids."""

    edition: str  # the file's name without .yaml
    title: Title
    source: str
    confidence: Confidence
    grids: dict[str, tuple[str, ...]]  # grid -> its provinces, both as factor files call them


def load_grids(config_dir: Path, loaded: Iterable[LoadedFactor]) -> dict[str, str]:
    """Province -> grid; raises ConfigurationError with every problem in every file."""
    problems: list[Problem] = []
    grid_of: dict[str, str] = {}
    known = {(one.factor.series, one.factor.region) for one in loaded}
    for path in sorted((config_dir / FOLDER).glob("*.yaml")):
        _read(path, known, grid_of, problems)
    if problems:
        raise ConfigurationError(problems)
    return grid_of


def read_grid_file(path: Path, loaded: Iterable[LoadedFactor], problems: list[Problem]) -> dict[str, str]:
    """Province -> grid, of one file; adds what is wrong with it to `problems`."""
    grid_of: dict[str, str] = {}
    _read(path, {(one.factor.series, one.factor.region) for one in loaded}, grid_of, problems)
    return grid_of


def _read(path: Path, known: set[tuple[str, str]], grid_of: dict[str, str], problems: list[Problem]) -> None:
    document = parsed(path, problems)
    file = None if document is None else build(document, GridFile, problems)
    if document is not None and file is not None:
        problems += _wrongs(file, path.stem, document, known, grid_of)


def _wrongs(
    file: GridFile, stem: str, document: Document, known: set[tuple[str, str]], grid_of: dict[str, str]
) -> Iterator[Problem]:
    """What is wrong with a file; what is right goes into `grid_of`."""
    if file.edition != stem:
        yield document.problem(("edition",), f"must be the file's name, {stem}")
    if not file.source.strip():
        yield document.problem(("source",), "must say where the delineation was published")
    for grid, provinces in file.grids.items():
        if (GRIDS, grid) not in known:
            yield document.problem(("grids", grid), f"no factor file has a value of series {GRIDS} for {grid}")
        for index, province in enumerate(provinces):
            place = ("grids", grid, index)
            if (PROVINCES, province) not in known:
                yield document.problem(place, f"no factor file has a value of series {PROVINCES} for {province}")
            if province in grid_of:
                yield document.problem(place, f"{province} is of {grid_of[province]} already")
            grid_of.setdefault(province, grid)
