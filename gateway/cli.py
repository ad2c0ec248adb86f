"""The gateway's commands. Each is thin: it asks an operation, prints the answer, and chooses the exit code.

Exit codes: 0 fine, 1 a check, a store or the server failed, 2 usage or configuration: nothing was done.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import click

from collectors.strict_yaml import file_text
from gateway import printing
from gateway.asking import ask, ask_watched, out
from gateway.set_aside_cli import replay, set_aside
from gateway.settings import load_settings

ROLES = ("all", "ingest", "web", "scheduler", "rollup")
TOKEN_ROLES = ("device", "enterprise", "park", "platform", "admin")


_file = click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
_json = click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")


def _print_json(answer: dict[str, Any]) -> None:
    click.echo(json.dumps(answer, ensure_ascii=False, indent=2))


@click.command()
@click.option("--role", type=click.Choice(ROLES), default="all", show_default=True, help="Which part runs here.")
def serve(role: str) -> None:
    """Run the gateway until Ctrl-C or SIGTERM."""
    from gateway.serving import run

    run(load_settings(os.environ), role)


@click.group()
def registry() -> None:
    """Parks, enterprises, devices, points, sources and products."""


@registry.command("apply")
@_file
@click.option("--dry-run", is_flag=True, help="Show what would change, change nothing.")
def registry_apply(file: Path, dry_run: bool) -> None:
    """Apply a registry file: all of it, or nothing if anything in it is wrong."""
    answer = ask("registry_apply", text=file_text(file), file=str(file), dry_run=dry_run)
    printing.registry_diff(out, answer)


@registry.command("show")
@click.argument("enterprise", required=False)
def registry_show(enterprise: str | None) -> None:
    """Print what is registered, in the form of a registry file."""
    click.echo(ask("registry_show", enterprise=enterprise)["text"], nl=False)


@click.group()
def token() -> None:
    """Tokens: who may post, read and operate."""


@token.command("create")
@click.argument("role", type=click.Choice(TOKEN_ROLES))
@click.argument("subject", default="")
def token_create(role: str, subject: str) -> None:
    """Make a token; it is shown once and only its hash is kept.

    SUBJECT: device ENTERPRISE/AGENT, enterprise ENTERPRISE, park PARK, platform its name, admin nothing.
    """
    click.echo(ask("token_create", role=role, subject=subject)["token"])


@token.command("list")
def token_list() -> None:
    """List tokens; secrets are not known here."""
    printing.tokens(out, ask("token_list"))


@token.command("revoke")
@click.argument("token_id")
def token_revoke(token_id: str) -> None:
    """Revoke a token by its id, at once."""
    ask("token_revoke", id=token_id)
    out.print(f"{token_id} is revoked", markup=False)


@click.group()
def ingest() -> None:
    """What came in."""


ingest.add_command(set_aside)
ingest.add_command(replay, "accept-again")  # its name until 0.1


@ingest.command("signatures")
@click.option("--enterprise", help="Only this enterprise.")
@_json
def ingest_signatures(enterprise: str | None, as_json: bool) -> None:
    """Show whose signatures the newest batches of each agent carried, and what they were worth."""
    answer = ask("ingest_signatures", enterprise=enterprise)
    _print_json(answer) if as_json else printing.signatures(out, answer)


@click.command()
@click.option("--until", help="Take this for now: a time with zone, such as 2026-11-01T00:10:00+08:00.")
@_json
def rollup(until: str | None, as_json: bool) -> None:
    """Do everything that is due, once, and say what was done."""
    answer = ask("rollup", until=until)
    _print_json(answer) if as_json else printing.rollup(out, answer)


@click.command()
@click.argument("period")
@click.option("--enterprise", help="Only this enterprise.")
def close(period: str, enterprise: str | None) -> None:
    """Close a month, or the ended months of a quarter or year: freeze and sign. Later changes make new versions."""
    printing.closed(out, ask("close", period=period, enterprise=enterprise))


@click.command()
@click.argument("enterprise")
@click.argument("period")
@_json
def account(enterprise: str, period: str, as_json: bool) -> None:
    """Statement and rating of an enterprise for a day, month, quarter or year."""
    answer = ask("account", enterprise=enterprise, period=period)
    _print_json(answer) if as_json else printing.account(out, answer)


@click.command()
@click.argument("entry")
@_json
def explain(entry: str, as_json: bool) -> None:
    """Walk an entry back to its factor, hours, readings and registers."""
    answer = ask("explain", entry=entry)
    _print_json(answer) if as_json else printing.explanation(out, answer)


@click.command()
@click.argument("entry")
@click.option("--root", help="Prove under the root of this later UTC day, such as 2026-11-01.")
@_json
def proof(entry: str, root: str | None, as_json: bool) -> None:
    """Show that an entry stands under a signed daily root. tools/check_proof.py checks what --json prints."""
    answer = ask("proof", entry=entry, root=root)
    _print_json(answer) if as_json else printing.proof(out, answer)


@click.command()
@click.option("--enterprise", help="Only this enterprise.")
@click.option("--period", help="Compare with the readings of this period only; the chain is always walked whole.")
@click.option("--workers", type=int, help="Processes that check books; as many as processors unless given.")
@_json
def verify(enterprise: str | None, period: str | None, workers: int | None, as_json: bool) -> None:
    """Walk the hash chains, recompute entries from the readings, and check the sums. Exit 1 names the first break."""
    answer = ask_watched("verify", "enterprises checked", enterprise=enterprise, period=period, workers=workers)
    _print_json(answer) if as_json else printing.verification(out, answer)
    sys.exit(0 if answer["ok"] else 1)


@click.command()
def doctor() -> None:
    """What is configured, reachable, wrong, and what to do."""
    from gateway.doctor import examine

    settings = load_settings(os.environ)
    sys.exit(0 if printing.checks(out, examine(settings)) else 1)
