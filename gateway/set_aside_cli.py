"""`tanmai ingest set-aside`: what could not be stored, looked at and taken in again."""

from __future__ import annotations

import base64
import json
import sys
from typing import Any

import click

from gateway import printing
from gateway.asking import ask, out

_enterprise = click.option("--enterprise", help="Only this enterprise.")
_reason = click.option("--reason", help="Only this reason, such as unknown_device.")


@click.group("set-aside")
def set_aside() -> None:
    """What came in and could not be stored: kept with its bytes and the reason."""


@set_aside.command("list")
@_enterprise
@_reason
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000))
@click.option("--after", default=0, help="Go on after this id.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def set_aside_list(enterprise: str | None, reason: str | None, limit: int, after: int, as_json: bool) -> None:
    """List it in the order it came."""
    answer = ask("set_aside_list", enterprise=enterprise, reason=reason, limit=limit, after=after)
    if as_json:
        click.echo(json.dumps(answer, ensure_ascii=False, indent=2))
    else:
        printing.set_aside(out, answer)


@set_aside.command("show")
@click.argument("entry", metavar="ID", type=int)
@click.option("--raw", is_flag=True, help="Only its bytes, as they came, for a file or a program.")
def set_aside_show(entry: int, raw: bool) -> None:
    """Show one of them: whose it is, what is wrong, what to do, and its content."""
    found = ask("set_aside_show", id=entry)
    payload = base64.b64decode(found["payload"]) if found["encoding"] == "base64" else found["payload"].encode()
    if raw:
        click.echo(payload, nl=sys.stdout.isatty())
        return
    for name in ("received_at", "enterprise", "sender", "batch", "reason", "detail", "count"):
        out.print(f"{name.replace('_', ' ')}: {found[name]}", markup=False, highlight=False)
    out.print(f"content ({len(payload)} bytes):\n{_readable(payload)}", markup=False, highlight=False)


@set_aside.command("replay")
@click.argument("ids", metavar="[ID]...", nargs=-1, type=int)
@_enterprise
@_reason
def replay(ids: tuple[int, ...], enterprise: str | None, reason: str | None) -> None:
    """Take in again what may be right by now: all that a mended registry lets in, one reason, or the named ones."""
    answer = ask("set_aside_accept", enterprise=enterprise, reason=reason, ids=list(ids))
    out.print(f"{answer['readings']} readings stored out of {answer['messages']} that were set aside; ", end="")
    out.print(f"{answer['left']} stay set aside: nothing has changed for them")


def _readable(payload: bytes) -> str:
    """JSON with its lines set out, other text as it is, anything else as a hex dump."""
    try:
        text = payload.decode()
        document: Any = json.loads(text)
    except UnicodeDecodeError:
        return _hex_dump(payload)
    except ValueError:
        return text if text.isprintable() or "\n" in text else _hex_dump(payload)
    return json.dumps(document, ensure_ascii=False, indent=1)


def _hex_dump(payload: bytes) -> str:
    lines = []
    for start in range(0, len(payload), 16):
        part = payload[start : start + 16]
        letters = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        lines.append(f"{start:08x}  {part.hex(' '):<47}  {letters}")
    return "\n".join(lines)
