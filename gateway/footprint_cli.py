"""`tanmai footprint`: what a product carries, per unit of what was made."""

from __future__ import annotations

import json
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from gateway.asking import ask, out
from gateway.carbon.footprint import BOUNDARIES


@click.command()
@click.argument("enterprise")
@click.argument("product")
@click.argument("period")
@click.option("--boundary", type=click.Choice(list(BOUNDARIES)), default="cradle_to_gate", show_default=True)
@click.option("--publish", is_flag=True, help="Freeze and sign it as the next version.")
@click.option("--pact", is_flag=True, help="Print the newest published version as PACT exchanges it.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def footprint(
    enterprise: str, product: str, period: str, boundary: str, publish: bool, pact: bool, as_json: bool
) -> None:
    """The carbon footprint of a PRODUCT in a PERIOD, with what each source brings to it."""
    asked = {"enterprise": enterprise, "product": product, "period": period, "boundary": boundary}
    if publish:
        done = ask("footprint_publish", **asked)
        said = "is published" if done["changed"] else "was published before: nothing has changed since"
        click.echo(f"version {done['version']} {said} ({done['id']})", err=pact or as_json)
    if pact:
        click.echo(json.dumps(ask("footprint_pact", **asked), ensure_ascii=False, indent=2))
        return
    answer = ask("footprint", **asked)
    if as_json:
        click.echo(json.dumps(answer, ensure_ascii=False, indent=2))
        return
    out.print(
        f"[bold]{escape(answer['product'])}[/] {answer['period']}, {answer['boundary'].replace('_', ' ')}: "
        f"[bold]{answer['kg_per_unit']:,.6g} kgCO2e per {escape(answer['unit'])}[/] of {answer['output']:,.6g} made; "
        f"{answer['emission_kg']:,.3f} kgCO2e in all, {answer['primary_share']:.0%} on primary data, "
        f"allocated by {answer['allocation']}",
        highlight=False,
    )
    table = Table("stage", "source", "activity", "factor", "plant kgCO2e", "product kgCO2e", "per unit", "%", box=None)
    for own in answer["contributions"]:
        table.add_row(
            own["stage"],
            escape(own["source"]),
            own["activity"],
            own["factor"],
            f"{own['plant_kg']:,.3f}",
            f"{own['emission_kg']:,.3f}",
            f"{own['kg_per_unit']:,.6g}",
            f"{own['share_percent']:.1f}",
        )
    out.print(table)
    _print_beside(answer)


def _print_beside(answer: dict[str, Any]) -> None:
    """Notes, holes and the view of CBAM."""
    for note in answer["notes"]:
        out.print(f"{note['zh']} {note['en']}", markup=False, highlight=False)
    if answer["silent_sources"]:
        out.print(f"without data: {', '.join(answer['silent_sources'])}", markup=False, highlight=False)
    cbam = answer["cbam"]
    if cbam:
        out.print(
            f"CBAM {cbam['good']} ({cbam['name']}): {cbam['total']:,.1f} kgCO2e/t = direct {cbam['direct']:,.1f} + "
            f"indirect {cbam['indirect']:,.1f} + precursors {cbam['precursors']:,.1f}; the default is "
            f"{cbam['default_total']:,.0f} ({cbam['of_default_percent']:.1f} % of it). "
            "A view of booked entries, not a declaration.",
            markup=False,
            highlight=False,
        )
