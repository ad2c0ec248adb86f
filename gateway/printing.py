"""How operations' answers look on a terminal. Only layout: every figure comes from the answer."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.tree import Tree

COLOURS = {"green": "green", "yellow": "yellow", "orange": "dark_orange", "red": "red", "grey": "bright_black"}
# A colour is never the only sign.
COLOUR_WORDS = {
    "green": "绿 green",
    "yellow": "黄 yellow",
    "orange": "橙 orange",
    "red": "红 red",
    "grey": "灰 unrated",
}
CHECK_MARKS = {"ok": "[green]✓[/]", "warning": "[yellow]![/]", "error": "[red]✗[/]"}


PIPED_WIDTH = 200  # columns where nobody's terminal says how wide it is: tables are not to be cut


def console() -> Console:
    """Standard output, as wide as the terminal."""
    return Console(soft_wrap=True, width=None if sys.stdout.isatty() else PIPED_WIDTH)


def registry_diff(out: Console, answer: Mapping[str, Any]) -> None:
    """What an apply changed, or would change."""
    lines: Sequence[str] = answer["diff"]
    for line in lines:
        style = {"+": "green", "-": "red", "~": "yellow"}.get(line[:1])
        out.print(escape(line), style=style, highlight=False)
    if not lines:
        out.print(f"nothing to change; the registry is at version {answer['version']}")
    elif answer["dry_run"]:
        out.print("dry run: nothing was changed; apply it without --dry-run")
    else:
        out.print(f"applied; the registry is at version {answer['version']}")


def tokens(out: Console, answer: Mapping[str, Any]) -> None:
    table = Table("id", "role", "subject", "created", "revoked", box=None)
    for row in answer["items"]:
        table.add_row(row["id"], row["role"], escape(row["subject"]), row["created_at"], row["revoked_at"] or "")
    out.print(table)


def signatures(out: Console, answer: Mapping[str, Any]) -> None:
    heading = f"The newest {answer['of_newest']} batches of each agent"
    table = Table("enterprise", "agent", "signature", "key id", "batches", "newest", title=heading, box=None)
    for row in answer["items"]:
        signature = row["signature"] + (" (required: valid)" if row["required"] else "")
        table.add_row(row["enterprise"], row["agent"], signature, row["key_id"], str(row["batches"]), row["newest"])
    out.print(table)


def set_aside(out: Console, answer: Mapping[str, Any]) -> None:
    table = Table("id", "received", "enterprise", "sender", "reason", "count", "detail", box=None)
    for row in answer["items"]:
        table.add_row(
            str(row["id"]),
            row["received_at"],
            escape(row["enterprise"]),
            escape(row["sender"]),
            row["reason"],
            str(row["count"]),
            escape(row["detail"]),
        )
    out.print(table)
    if not answer["items"]:
        out.print("nothing is set aside")


def rollup(out: Console, answer: Mapping[str, Any]) -> None:
    table = Table("stage", "what was done", box=None)
    for stage, done in answer["stages"].items():
        table.add_row(stage, ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in done.items()))
    out.print(table)


def closed(out: Console, answer: Mapping[str, Any]) -> None:
    for row in answer["closed"]:
        out.print(f"{row['enterprise']} {row['period']} is closed as version {row['version']}", markup=False)
    for row in answer["refused"]:
        out.print(f"{row['enterprise']} {row['period']}: {row['why']}", style="yellow", markup=False)


def account(out: Console, answer: Mapping[str, Any]) -> None:
    """Statement and rating as tables."""
    statement, rating = answer["statement"], answer["rating"]
    out.print(
        f"[bold]{escape(statement['enterprise'])}[/] · {statement['period']} · version {statement['version']} "
        f"({statement['status']})",
        highlight=False,
    )
    if statement["reopened"] is not None:
        act = statement["reopened"]
        out.print(f"reopened by {act['by']} at {act['at']}: {act['why']}", markup=False, highlight=False)
    totals = Table(box=None, show_header=False)
    totals.add_column()
    totals.add_column(justify="right")
    for label, key, unit in (
        ("compliance total, scope 1 + 2", "compliance_kg", "kgCO2e"),
        ("lifecycle total, all stages", "lifecycle_kg", "kgCO2e"),
        ("energy", "energy_kgce", "kgce"),
    ):
        totals.add_row(label, f"{statement[key]:,.3f} {unit}")
    for side in ("location", "market"):
        stated = statement[f"{side}_based"]
        if stated is not None:
            totals.add_row(f"scope 2, {side}-based", f"{stated['scope_2_kg']:,.3f} kgCO2e")
    for label, key in (
        ("coverage", "coverage"),
        ("estimated share", "estimated_share"),
        ("provisional share", "provisional_share"),
    ):
        totals.add_row(label, f"{statement[key]:.1%}")
    quality = statement["quality"]
    if quality is not None:
        totals.add_row("uncertainty", f"± {quality['uncertainty_percent']:.1f} %")
        scores = f"{quality['activity_score']:.1f} activity, {quality['factor_score']:.1f} factor"
        totals.add_row("scores, 1 (best) to 4", scores)
    totals.add_row("findings open", str(statement["findings_open"]))
    out.print(totals)
    if statement["months"]:
        named = (f"{month['period']} version {month['version']} ({month['status']})" for month in statement["months"])
        out.print(f"the sum of {', '.join(named)}", highlight=False)
    out.print(_sources(statement["by_source"]))
    for one in statement["corrections"]:
        out.print(
            f"against version {statement['predecessor']}: {one['source']} {one['emission_kg']:+,.3f} kgCO2e, "
            f"{one['energy_kgce']:+,.3f} kgce, {one['amount']:+,.3f} {one['unit']} ({', '.join(one['reasons'])})",
            markup=False,
            highlight=False,
        )
    if rating is not None:
        _rating(out, rating)


def _sources(lines: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(box=None)
    for name in ("source", "activity"):
        table.add_column(name)
    for name in ("amount", "kgCO2e", "kgce"):
        table.add_column(name, justify="right")
    for name in ("factor", "basis"):
        table.add_column(name)
    for line in lines:
        table.add_row(
            escape(line["source"]),
            line["activity"],
            f"{line['amount']:,.3f} {line['unit']}",
            f"{line['emission_kg']:,.3f}",
            f"{line['energy_kgce']:,.3f}",
            line["factor"],
            line["basis"],
        )
    return table


def _rating(out: Console, rating: Mapping[str, Any]) -> None:
    colour = rating["colour"]
    out.print(f"rating [{COLOURS[colour]}]● {COLOUR_WORDS[colour]}[/] by policy {rating['policy']}", highlight=False)
    for reason in (*rating["reasons"]["zh"], *rating["reasons"]["en"]):
        out.print(f"  {escape(reason)}", highlight=False)
    to_next = rating["to_next"]
    if to_next:
        cuts = [
            f"{to_next[key]:,.0f} {unit}"
            for key, unit in (("cut_kg", "kgCO2e"), ("cut_kgce", "kgce"), ("cut_kwh", "kWh"))
            if to_next[key]
        ]
        percent = "" if to_next["cut_percent"] is None else f" ({to_next['cut_percent']:.1f} %)"
        out.print(f"  to {to_next['colour']}: {' and '.join(cuts)} less{percent} at the same output", highlight=False)
    for influence in rating["influences"]:
        alone = influence["alone_cut_percent"]
        enough = "" if alone is None else f"; {alone:.1f} % less of it alone would be enough"
        out.print(
            f"  {influence['metric']}: {influence['share_percent']:.1f} % is {escape(influence['source'])}{enough}",
            highlight=False,
        )
    for trend in rating["trend"]:
        out.print(
            f"  {trend['metric']}: {trend['change_percent']:+.1f} % since {trend['since']} ({trend['colour']} then)",
            highlight=False,
        )


def trial(out: Console, answer: Mapping[str, Any]) -> None:
    """What a draft policy would do: the named enterprise in full, then the whole park."""
    for row in answer["items"]:
        if row["named"]:
            name = escape(f"{row['name']['zh']} {row['name']['en']}")
            out.print(f"[bold]{name}[/] {answer['period']}", highlight=False)
            _rating(out, row["then"])
    table = Table("enterprise", "", "now", "", f"under {answer['policy']}", "why", box=None)
    for row in answer["items"]:
        now, then = row["now"], row["then"]
        table.add_row(
            row["enterprise"],
            escape(row["name"]["zh"]),
            _mark(now["colour"]),
            "" if now["colour"] == then["colour"] else "→",
            _mark(then["colour"]),
            escape(then["reasons"]["en"][0]),
        )
    out.print(table)
    changed = sum(row["now"]["colour"] != row["then"]["colour"] for row in answer["items"])
    out.print(f"{changed} of {len(answer['items'])} would change their colour; nothing was changed", highlight=False)


def _mark(colour: str) -> str:
    return f"[{COLOURS[colour]}]● {COLOUR_WORDS[colour]}[/]"


def explanation(out: Console, answer: Mapping[str, Any]) -> None:
    """The chain of causes as a tree, from the entry down to registers or records. --json has all of it."""
    entry = answer["entry"]
    tree = Tree(
        f"[bold]entry {escape(answer['id'])}[/] · {entry['day']} · {escape(entry['source'])} · {entry['activity']} · "
        f"[bold]{entry['emission_kg']:,.3f} kgCO2e[/]",
        highlight=False,
    )
    booked = tree.add(f"booked at {entry['booked_at']}, reason {entry['reason']}, scope {entry['scope']}")
    booked.add(f"hash {entry['hash']}")
    booked.add(f"follows {entry['previous_hash']}")
    if entry["reverses"]:
        booked.add(f"takes back {entry['reverses']}")
    if answer["reversed_by"]:
        booked.add(f"taken back by {answer['reversed_by']}")
    computed = tree.add(f"computed as {escape(answer['computed'])}")
    if answer["energy_computed"]:
        computed.add(f"energy {escape(answer['energy_computed'])}")
    if answer["other_computed"]:
        computed.add(f"{answer['other_method']}-based {escape(answer['other_computed'])}")
    quality, grades = entry["quality"], answer["grades"]
    certain = tree.add(f"uncertainty ± {quality['uncertainty_percent']:.1f} %")
    for part in ("activity", "factor"):
        grade = grades[part]
        certain.add(
            f"{part} score {quality[f'{part}_score']:.0f} of 4 (1 is best), ± {grades[f'{part}_percent']:g} %: "
            f"{grade['zh']} {grade['en']}"
        )
    factors = tree.add(f"factor by basis [bold]{entry['basis']}[/]: {escape(answer['basis']['en'])}")
    for one in answer["factors"]:
        branch = factors.add(f"{one['term']} = {one['value']} {one['unit']} · {escape(one['id'] or 'own value')}")
        if one["id"]:
            branch.add(f"edition {one['edition']}, published on {one['published_on']}, confidence {one['confidence']}")
        branch.add(escape(one["source"]))
        if one["note"]:
            branch.add(escape(one["note"]))
    activity = tree.add(
        f"activity {entry['amount']:,} {entry['unit']} · coverage {entry['coverage']:.1%} · "
        f"estimated {entry['estimated_share']:.1%}"
    )
    for point in answer["points"]:
        _grow_point(activity, point)
    if answer["inputs"]:
        behind = activity.add("derived from")
        for point in answer["inputs"]:
            _grow_point(behind, point)
    for record in answer["records"]:
        branch = activity.add(
            f"record {escape(record['id'])}: {record['amount']:,} {record['unit']} from {record['start']} to "
            f"{record['end']} {escape(record['note'])}"
        )
        if record["evidence"]:
            branch.add(f"evidence {record['evidence']}")
    for one in answer["adjustments"]:
        branch = activity.add(
            f"adjustment {one['number']}: {one['emission_kg']:+,.3f} kgCO2e, {one['energy_kgce']:+,.3f} kgce by "
            f"{escape(one['author'])} at {one['asked_at']}: {escape(one['why'])}"
        )
        branch.add(f"evidence {one['evidence']}")
        if one["approved_by"]:
            branch.add(
                f"approved by {escape(one['approved_by'])} at {one['approved_at']}: {escape(one['approved_why'])}"
            )
    _grow_provenance(activity, answer)
    activity.add(f"digest {entry['digest']}")
    out.print(tree)


def _grow_provenance(activity: Tree, answer: Mapping[str, Any]) -> None:
    """Who vouches for the readings, and what of them is missing."""
    if answer["points"]:
        batches = activity.add("signatures of the batches that brought the readings")
        for one in answer["signatures"]:
            key = f" by key {escape(one['key_id'])}" if one["key_id"] else ""
            batches.add(f"{one['batches']} of {escape(one['sender'])}: [bold]{one['words']['en']}[/]{key}")
        if not answer["signatures"]:
            batches.add("no batch of that time is remembered: they are kept for 100 days")
    for one in answer["dropped"]:
        activity.add(f"[bold]{escape(one['words']['en'])}[/]")


def _grow_raw(branch: Tree, raw: Mapping[str, Any]) -> None:
    """Where the raw readings are, unless they are at hand."""
    if raw["place"] == "kept":
        return
    said = branch.add(raw["words"]["en"])
    proof = raw["proof"]
    if proof is not None:
        said.add(f"removed at {raw['removed_at']} by drop {proof['drop']}: {proof['readings']} readings")
        if proof["readings"]:
            said.add(f"from {proof['first']} to {proof['last']}, {proof['lowest']:.12g} to {proof['highest']:.12g}")
        said.add(f"digest {proof['digest']}")


def _grow_point(activity: Tree, point: Mapping[str, Any]) -> None:
    """One point: its hours, its first and last reading, its register."""
    branch = activity.add(
        f"point [bold]{escape(point['point'])}[/] × {point['share']}: {point['amount']:,} {point['unit']} in "
        f"{len(point['hours'])} hours"
    )
    for hour in point["hours"]:
        estimated = f", {hour['estimated']:,} estimated" if hour["estimated"] else ""
        branch.add(f"{hour['start']}  {hour['amount']:,} {point['unit']}, coverage {hour['coverage']:.0%}{estimated}")
    formula = point["formula"]
    if formula is not None:
        computed = branch.add(f"{formula['formula']} of {escape(', '.join(formula['inputs']))}")
        for hour in formula["hours"]:
            computed.add(f"{hour['start']}  {escape(hour['computed'])}")
        return
    readings = branch.add(f"{point['readings']} readings inside; it is counted")
    for name in ("first", "last"):
        reading = point[name]
        if reading is not None:
            word = {"first": "from", "last": "to"}[name]
            readings.add(f"{word} {reading['value']:.12g} at {reading['at']}")
    _grow_raw(branch, point["raw"])
    register = point["register"]
    if register is not None:
        branch.add(
            f"register {register['address']}, function {register['function_code']}, {register['dtype']} "
            f"{register['word_order']} × {register['scale']} of {escape(register['maker'])} "
            f"{escape(register['model'])} (profile {register['profile']})"
        )


def proof(out: Console, answer: Mapping[str, Any]) -> None:
    """Where an entry stands, and how many hashes show it; --json has the hashes."""
    entry, span, day, root = (json.loads(answer[name]) for name in ("entry", "span", "day", "root"))
    hashes = sum(len(answer[name]) for name in ("span_path", "day_path", "history_path"))
    tree = Tree(f"[bold]entry {escape(entry['enterprise'])}-{entry['seq']}[/] · {entry['day']}", highlight=False)
    tree.add(f"stands with entries {span['first_seq']} to {span['last_seq']} of its chain, booked by {day['day']} UTC")
    tree.add(f"under that day's tree {day['tree']} (entries: {day['entries']}, enterprises: {day['spans']})")
    tree.add(f"under the signed root of {root['day']}, history {root['history']} (days: {root['days']})")
    tree.add(f"{hashes} hashes show it; to have them checked: tanmai proof … --json > proof.json")
    out.print(tree)


def verification(out: Console, answer: Mapping[str, Any]) -> None:
    checked = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in answer["checked"].items())
    if answer["ok"]:
        out.print(f"[green]✓[/] proven unchanged: {checked}", highlight=False)
    else:
        found = answer["first_break"]
        where = f"entry {found['entry']}" if found["entry"] else f"{found['enterprise']} {found['period']}".strip()
        out.print(f"[red]✗ first break: {escape(where)}[/]", highlight=False)
        out.print(f"  {escape(found['what'])}", highlight=False)
        out.print(f"  checked until there: {checked}", highlight=False)
    for note in answer["notes"]:
        out.print(f"  {escape(note)}", style="yellow", highlight=False)


def checks(out: Console, rows: Sequence[tuple[str, str, str]]) -> bool:
    """(mark, subject, what was found and what to do) of `tanmai doctor`; False if any is an error."""
    table = Table(box=None, show_header=False)
    for mark, subject, text in rows:
        table.add_row(CHECK_MARKS[mark], escape(subject), escape(text))
    out.print(table)
    return all(mark != "error" for mark, _, _ in rows)


def listing(out: Console, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A plain table, such as the list of meter profiles."""
    table = Table(*header, box=None)
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    out.print(table)
