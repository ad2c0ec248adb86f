"""`tanmai records`: activity records from files, what was kept of them, templates to fill in, and evidence."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import click

from gateway import printing
from gateway.asking import ask, out

_enterprise = click.option("--enterprise", required=True, help="Unified Social Credit Code.")
_file = click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


@click.group()
def records() -> None:
    """Activity records: production output, purchases and other figures from business systems."""


@records.command("import")
@_file
@_enterprise
@click.option(
    "--evidence",
    "files",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="A file that records name in their column `evidence`; may be given several times.",
)
def records_import(file: Path, enterprise: str, files: tuple[Path, ...]) -> None:
    """Import records from JSON, CSV or XLSX: all of them, or none if any is wrong."""
    evidence = {path.name: _base64(path) for path in files}
    answer = ask("records_import", enterprise=enterprise, name=str(file), content=_base64(file), evidence=evidence)
    out.print(f"{answer['added']} records added, {answer['unchanged']} were there already")
    if answer["left_out"]:
        out.print(f"left out, because they have no amount: {', '.join(answer['left_out'])}", markup=False)


@records.command("list")
@_enterprise
@click.option("--subject", help="Only this source, product or economic figure.")
@click.option("--period", help="Only records that cover a day of it, such as 2026-10.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def records_list(enterprise: str, subject: str | None, period: str | None, as_json: bool) -> None:
    """List records, also those that were corrected."""
    items = ask("records_list", enterprise=enterprise, subject=subject, period=period)["items"]
    if as_json:
        click.echo(json.dumps(items, ensure_ascii=False, indent=2))
        return
    header = ("id", "of", "from", "to", "amount", "unit", "corrected by", "evidence")
    rows = [
        (
            one["id"],
            one.get("source") or one.get("product") or one["economic"],
            one["from"],
            one["to"],
            f"{one['amount']:.6f}".rstrip("0").rstrip("."),
            one["unit"],
            one["superseded_by"],
            one["evidence"][:12],
        )
        for one in items
    ]
    printing.listing(out, header, rows)


@records.command("template")
@_enterprise
@click.option("--period", required=True, help="The days to fill in: a day, month, quarter or year, such as 2026-10.")
@click.option("--xlsx", is_flag=True, help="A spreadsheet with choices and explanations in place of CSV.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Where to write; a new file.")
def records_template(enterprise: str, period: str, xlsx: bool, output: Path | None) -> None:
    """Write a file to fill in, made from the enterprise's registry."""
    answer = ask("records_template", enterprise=enterprise, period=period, form="xlsx" if xlsx else "csv")
    path = output or Path(answer["name"])
    try:
        with path.open("xb") as file:
            file.write(base64.b64decode(answer["content"]))
    except FileExistsError as error:
        raise click.UsageError(f"{path} is there already: name another file with --output") from error
    except OSError as error:
        raise click.UsageError(f"{path}: cannot be written: {error.strerror}") from error
    out.print(str(path), markup=False, highlight=False)


@records.command("evidence")
@click.argument("sha256")
@_enterprise
@click.option("--put", "file", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="Keep this file.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Where to write what was kept.")
def records_evidence(sha256: str, enterprise: str, file: Path | None, output: Path | None) -> None:
    """Fetch the file with this SHA-256, or keep one with --put; a file that is another one is refused."""
    if file is not None:
        answer = ask("evidence_put", enterprise=enterprise, name=file.name, content=_base64(file), sha256=sha256)
        out.print(f"{answer['sha256']} {answer['name']}: {answer['size_bytes']} bytes kept", markup=False)
        return
    answer = ask("evidence_get", enterprise=enterprise, sha256=sha256)
    path = output or Path(answer["name"])
    if path.exists():
        raise click.UsageError(f"{path} is there already: name another file with --output")
    path.write_bytes(base64.b64decode(answer["content"]))
    out.print(str(path), markup=False, highlight=False)
