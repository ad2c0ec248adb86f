"""`tanmai webhooks`: where the change feed is brought to."""

from __future__ import annotations

import click
from rich.markup import escape
from rich.table import Table

from gateway.asking import ask, out


@click.group()
def webhooks() -> None:
    """Bring the change feed to a platform: signed messages, in order, until they are taken."""


@webhooks.command("create")
@click.argument("platform")
@click.argument("url")
@click.option("--after", default=0, show_default=True, help="The receiver has everything up to this change already.")
def create(platform: str, url: str, after: int) -> None:
    """Bring to URL what PLATFORM may see. Prints the secret that signs the messages: it is shown once."""
    answer = ask("webhook_create", platform=platform, url=url, after=after)
    out.print(f"{answer['id']} is created; the first messages go out within seconds", markup=False)
    click.echo(answer["secret"])


@webhooks.command("list")
def show() -> None:
    """List receivers, how far each has come, and what is wrong with it."""
    table = Table("id", "platform", "url", "state", "after", "failures", "next try", "why", box=None)
    for row in ask("webhook_list")["items"]:
        table.add_row(
            row["id"],
            row["platform"],
            escape(row["url"]),
            row["state"],
            str(row["after"]),
            str(row["failures"]),
            row["next_at"] or "",
            escape(row["last_error"]),
        )
    out.print(table)


@webhooks.command("resume")
@click.argument("webhook_id")
def resume(webhook_id: str) -> None:
    """Try a parked or waiting receiver again, from where it stopped."""
    ask("webhook_resume", id=webhook_id)
    out.print(f"{webhook_id} is tried again within seconds", markup=False)


@webhooks.command("delete")
@click.argument("webhook_id")
def delete(webhook_id: str) -> None:
    """Bring nothing there any more."""
    ask("webhook_delete", id=webhook_id)
    out.print(f"{webhook_id} is deleted", markup=False)
