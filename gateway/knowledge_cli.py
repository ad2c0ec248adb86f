"""`tanmai profiles|factors|methods|policies list|show|check`: what is in `config/`, read as the gateway reads it."""

from __future__ import annotations

import difflib
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from collectors.errors import ConfigurationError, Problem
from collectors.modbus.plan import cycle_s, plan_reads
from collectors.profile import MeterProfile, load_profiles
from collectors.profile_check import check_profile
from collectors.strict_yaml import file_text
from gateway import printing
from gateway.carbon.benchmarks import load_benchmarks
from gateway.carbon.blends import read_blend_file
from gateway.carbon.edition_diff import difference, editions, have_something_in_common
from gateway.carbon.factor_files import clashes, load_factor_files, parsed, read_factor_file
from gateway.carbon.factors import FactorBook
from gateway.carbon.grid_regions import read_grid_file
from gateway.carbon.methods import MethodFile, load_methods, read_method_file
from gateway.carbon.model import Factor
from gateway.carbon.policy import Policy, load_policies, read_policy
from gateway.settings import Settings, load_settings

out = printing.console()
Row = Sequence[str]


@dataclass(frozen=True, slots=True)
class Shelf:
    """One kind of knowledge: how it is loaded, listed, shown and checked."""

    name: str
    help: str
    load: Callable[[Settings], Mapping[str, Any]]  # -> id -> thing
    check: Callable[[Path], str]  # one file -> what is in it; raises ConfigurationError
    header: Row
    row: Callable[[Any], Row]
    facts: Callable[[Any], list[Row]]  # the lines of `show`: name and value


def _profile_row(profile: MeterProfile) -> Row:
    return profile.id, profile.maker, profile.model, str(len(profile.registers)), profile.source.document


def _profile_facts(profile: MeterProfile) -> list[Row]:
    timing = profile.timing
    blocks = plan_reads(profile, timing)
    registers = [
        (
            spec.point,
            (
                f"register {spec.address}, function {spec.function_code}, {spec.dtype}, {spec.word_order} word first, "
                f"× {spec.scale} {spec.unit}"
            ),
        )
        for spec in profile.registers
    ]
    return [
        ("source", profile.source.document),
        *(("confirmed by", other) for other in profile.source.confirmed_by),
        ("timing", f"timeout {timing.timeout_s} s, pause {timing.pause_s} s, {timing.max_registers} registers a read"),
        *(("request", str(block)) for block in blocks),
        ("line busy", f"{cycle_s(blocks, timing):.2f} s for all requests, on its serial line"),
        *registers,
        *(("note", note) for note in profile.notes),
    ]


def _check_profile(path: Path) -> str:
    found = check_profile(path)
    if found.problems:
        raise ConfigurationError(list(found.problems))
    remarks = "".join(f"\n  {remark}" for remark in found.remarks)
    return f"{len(found.blocks)} requests read all registers, {found.cycle_s:.2f} s on its serial line{remarks}"


def _factor_row(factor: Factor) -> Row:
    return factor.id, str(factor.value), factor.unit, factor.edition, factor.published_on.isoformat()


def _factor_facts(factor: Factor) -> list[Row]:
    return [
        ("value", f"{factor.value} {factor.unit}"),
        ("series, region", f"{factor.series}, {factor.region}"),
        ("meant for", f"{factor.valid_from} up to {factor.valid_to}"),
        ("published on", factor.published_on.isoformat()),
        ("edition", factor.edition),
        ("source", factor.source),
        ("confidence", factor.confidence),
    ]


def _check_factors(path: Path) -> str:
    """A factor file, or one that goes with them: told apart by the key that each kind has for its own."""
    problems: list[Problem] = []
    document = parsed(path, problems)
    root = document.root if document is not None and isinstance(document.root, dict) else {}
    check = next((check for key, check in _FACTOR_FILES.items() if key in root), _check_values)
    said = "" if problems else check(path, problems)
    if problems:
        raise ConfigurationError(problems)
    return said


def _check_values(path: Path, problems: list[Problem]) -> str:
    """By itself, and beside what the gateway has: the file in place of its own edition there."""
    values = read_factor_file(path, problems)
    others = [] if problems else load_factor_files(load_settings(os.environ).config_path)
    editions_here = {one.factor.edition for one in values}
    kept = [one for one in others if one.factor.edition not in editions_here]
    problems += clashes([*kept, *values])
    return f"{len(values)} values"


def _check_blends(path: Path, problems: list[Problem]) -> str:
    """Against the GWPs that the gateway has."""
    values = read_blend_file(path, load_factor_files(load_settings(os.environ).config_path), problems)
    return f"blends with {len(values)} GWPs, one in each set"


def _check_grids(path: Path, problems: list[Problem]) -> str:
    """Against the grids and provinces that the gateway has values of."""
    grid_of = read_grid_file(path, load_factor_files(load_settings(os.environ).config_path), problems)
    return f"{len(grid_of)} provinces in {len(set(grid_of.values()))} grids"


_FACTOR_FILES = {"factors": _check_values, "blends": _check_blends, "grids": _check_grids}


def _methods_of(settings: Settings) -> dict[str, MethodFile]:
    book = FactorBook.load(settings.config_path)
    return load_methods(settings.config_path, book.fuel_sets, book.gwp_sets)


def _method_row(method: MethodFile) -> Row:
    return method.id, method.title.en, method.electricity.location, method.electricity.booked, method.fuel_set


def _method_facts(method: MethodFile) -> list[Row]:
    chosen = method.electricity
    return [
        ("title", f"{method.title.zh} / {method.title.en}"),
        ("follows", method.source),
        ("electricity by location", chosen.location),
        ("electricity by market", f"contracts and certificates; else {chosen.market or chosen.location}"),
        ("booked", f"by {chosen.booked}; the other figure stands beside it"),
        ("fuel set, GWP", f"{method.fuel_set}, {method.gwp}"),
        ("compliance total", ", ".join(method.totals.compliance)),
        ("lifecycle total", ", ".join(method.totals.lifecycle)),
        *((("note", method.note),) if method.note else ()),
    ]


def _check_method(path: Path) -> str:
    book = FactorBook.load(load_settings(os.environ).config_path)
    problems: list[Problem] = []
    method = read_method_file(path, book.fuel_sets, book.gwp_sets, problems)
    if method is None:
        raise ConfigurationError(problems)
    return f"electricity {method.electricity.location}, booked by {method.electricity.booked}"


def _policy_row(policy: Policy) -> Row:
    return policy.id, policy.file.title.en, "official" if policy.file.official else "not an official local rule"


def _policy_facts(policy: Policy) -> list[Row]:
    file = policy.file
    return [
        ("title", f"{file.title.zh} / {file.title.en}"),
        ("what it is", f"{file.statement.zh} {file.statement.en}"),
        ("cuts", f"green ≤ {file.cuts.green} < yellow ≤ {file.cuts.yellow} < orange ≤ {file.cuts.orange} < red"),
        ("cuts from", file.cuts_source),
        (
            "gates",
            (
                f"coverage at least {file.gates.coverage_min:.0%}, estimated share at most "
                f"{file.gates.estimated_share_max:.0%}, provisional share at most "
                f"{file.gates.provisional_share_max:.0%}, at least {file.gates.days_min} days; without output "
                f"{file.gates.without_output}, without benchmark {file.gates.without_benchmark}"
            ),
        ),
        ("metrics", ", ".join(file.metrics)),
        ("combination", _combination(policy)),
        *((one.metric, f"{', '.join(one.industries)}: {one.source}") for one in policy.benchmarks),
    ]


def _combination(policy: Policy) -> str:
    file = policy.file
    if file.combination == "worst":
        return "the worst metric decides"
    return "weighted: " + ", ".join(f"{name} {weight}" for name, weight in file.weights.items())


def _check_policy(path: Path) -> str:
    """Beside the benchmarks that it names: those next to its `rating_policies` folder, else the gateway's own."""
    home = path.resolve().parent
    config_dir = home.parent if home.name == "rating_policies" else load_settings(os.environ).config_path
    policy = read_policy(file_text(path), str(path), load_benchmarks(config_dir))
    if policy.id != path.stem:
        raise ConfigurationError([Problem(f"must be the file's name, {path.stem}", str(path), key="policy")])
    return f"{len(policy.benchmarks)} benchmarks"


SHELVES = (
    Shelf(
        "profiles",
        "Meter profiles: what a product's registers mean.",
        lambda settings: load_profiles(*settings.profile_paths),
        _check_profile,
        ("id", "maker", "model", "registers", "source"),
        _profile_row,
        _profile_facts,
    ),
    Shelf(
        "factors",
        "Emission and energy factors, edition by edition.",
        lambda settings: FactorBook.load(settings.config_path).factors,
        _check_factors,
        ("id", "value", "unit", "edition", "published"),
        _factor_row,
        _factor_facts,
    ),
    Shelf(
        "methods",
        "Account methods: which factors an account uses, and what its totals count.",
        _methods_of,
        _check_method,
        ("id", "title", "electricity", "booked", "fuel set"),
        _method_row,
        _method_facts,
    ),
    Shelf(
        "policies",
        "Rating policies.",
        lambda settings: load_policies(settings.config_path),
        _check_policy,
        ("id", "title", "standing"),
        _policy_row,
        _policy_facts,
    ),
)


def commands_of(shelf: Shelf) -> click.Group:
    """The command group of one kind of knowledge."""

    @click.group(shelf.name, help=shelf.help)
    def group() -> None: ...

    @group.command("list")
    @click.argument("containing", required=False, default="")
    def list_all(containing: str) -> None:
        """List what there is; CONTAINING narrows it to ids with that text."""
        things = shelf.load(load_settings(os.environ))
        rows = [shelf.row(thing) for name, thing in sorted(things.items()) if containing in name]
        printing.listing(out, shelf.header, rows)

    @group.command("show")
    @click.argument("name")
    def show(name: str) -> None:
        """Show one with its source."""
        things = shelf.load(load_settings(os.environ))
        if name not in things:
            raise click.UsageError(f"there is no {name!r}; `tanmai {shelf.name} list` shows what there is")
        printing.listing(out, (name, ""), shelf.facts(things[name]))

    @group.command("check")
    @click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False, exists=True))
    def check(file: Path | None) -> None:
        """Check a file, or everything in the configuration directory."""
        try:
            if file is not None:
                out.print(f"{file}: right; {shelf.check(file)}", markup=False, highlight=False)
                return
            count = len(shelf.load(load_settings(os.environ)))
        except ConfigurationError as error:
            for problem in error.problems:
                out.print(str(problem), style="red", markup=False, highlight=False)
            sys.exit(1)
        out.print(f"{count} {shelf.name}: all right", highlight=False)

    return group


profiles, factors, methods, policies = (commands_of(shelf) for shelf in SHELVES)


@factors.command("diff")
@click.argument("older")
@click.argument("newer")
def factors_diff(older: str, newer: str) -> None:
    """Show what differs between two editions, such as mee-nbs-grid-2022 and mee-nbs-grid-2023."""
    loaded = FactorBook.load(load_settings(os.environ).config_path).loaded
    known = editions(loaded)
    for edition in (older, newer):
        if edition not in known:
            like = difflib.get_close_matches(edition, known, 1)
            meant = f"did you mean {like[0]}? " if like else ""
            raise click.UsageError(f"there is no edition {edition!r}; {meant}There are {', '.join(known)}")
    if older == newer:
        raise click.UsageError(f"{older} is compared with itself: name an older and a newer edition")
    if not have_something_in_common(loaded, older, newer):
        raise click.UsageError(f"{older} and {newer} have no value in common: they are editions of different things")
    found = difference(loaded, older, newer)
    rows = [
        (
            one.series,
            one.region,
            one.older or "-",
            one.newer or "-",
            "" if one.change_percent is None else f"{one.change_percent:+} %",
        )
        for one in found
    ]
    printing.listing(out, ("series", "region", older, newer, "change"), rows)
    out.print(f"{len(found)} values differ", highlight=False)


@policies.command("try")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.argument("subject")
@click.argument("period")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def try_policy(file: Path, subject: str, period: str, as_json: bool) -> None:
    """Show what a draft policy would do to a month of a park; nothing is adopted or written.

    SUBJECT is a park, or an enterprise: then its rating is shown in full, and its park beside it.
    """
    from gateway.asking import ask

    answer = ask("policy_try", text=file_text(file), file=str(file), subject=subject, period=period)
    if as_json:
        click.echo(json.dumps(answer, ensure_ascii=False, indent=2))
    else:
        printing.trial(out, answer)
