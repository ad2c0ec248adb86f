"""The pages: park overview, enterprise account, device health, the way back of an entry, the API's description.

Server-rendered; scripts only draw charts. What a caller may not see answers like what does not exist.
"""

from __future__ import annotations

from flask import abort, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from gateway.access import Principal, visible_enterprises
from gateway.accounts.findings import runs_of
from gateway.accounts.periods import Period, parse_period
from gateway.api.auth import enterprise_or_404 as visible_enterprise
from gateway.api.auth import park_or_404, parts
from gateway.api.openapi import specification
from gateway.dashboard import words
from gateway.dashboard.frame import blueprint, own_park, page_for
from gateway.dashboard.pages import (
    daily_chart,
    ended_sources,
    health_summary,
    history_months,
    incomplete_days,
    looked_back_from,
    month_choices,
    monthly_chart,
    nothing_measured,
    source_names,
    sources_chart,
    stage_shares,
)
from gateway.registry.model import Enterprise

ENTRIES_SHOWN = 20
FINDINGS_SHOWN = 30


@blueprint.get("/")
@page_for("park", "enterprise", "platform", "admin")
def home() -> ResponseReturnValue:
    """The page that fits the caller."""
    principal: Principal = g.principal
    if principal.role == "enterprise":
        return redirect(url_for("dashboard.enterprise", enterprise=principal.subject))
    own = own_park()
    return redirect(url_for("dashboard.enterprises") if own is None else url_for("dashboard.park", park=own.id))


@blueprint.get("/parks")
@page_for("park", "admin")
def park_of_choice() -> ResponseReturnValue:
    """The overview of the park chosen, for the month that was shown."""
    chosen = request.args.get("park")
    if not chosen:
        return redirect(url_for("dashboard.home"))
    return redirect(url_for("dashboard.park", park=chosen, period=request.args.get("period")))


@blueprint.get("/parks/<park>")
@page_for("park", "admin")
def park(park: str) -> ResponseReturnValue:
    """Park overview."""
    known, now_ms = park_or_404(park), parts().clock()
    members = [own for own in parts().registry().enterprises.values() if own.park == known.id]
    period, choices = _period(members, known.timezone)
    reader = parts().reader
    load = reader.load(known.id, now_ms)
    return render_template(
        "dashboard/park.html",
        park=reader.park_overview(known.id, period, now_ms),
        ranking=reader.ranking(known.id, period, now_ms),
        siblings=list(parts().registry().parks.values()) if g.principal.role == "admin" else [],
        period=period.text,
        choices=choices,
        unofficial=any(not rating.official for rating in reader.ratings([own.id for own in members], period).values()),
        load={
            "start_ms": load.start_ms,
            "step_ms": load.step_ms,
            "series": [{"zh": own.zh, "en": own.en, "power_kw": own.power_kw} for own in load.series],
            "timezone": known.timezone,
            "address": url_for("parks.show_load", park=known.id),
            "nothing": nothing_measured(),
        },
    )


@blueprint.get("/enterprises")
@page_for("park", "platform", "admin")
def enterprises() -> ResponseReturnValue:
    """Every enterprise that the caller may see, worst first."""
    visible = list(visible_enterprises(parts().registry(), g.principal).values())
    timezone = parts().registry().park_of(visible[0].id).timezone if visible else "Asia/Shanghai"
    period, choices = _period(visible, timezone)
    ranking = parts().reader.board(visible, period, parts().clock())
    return render_template("dashboard/enterprises.html", ranking=ranking, period=period.text, choices=choices)


@blueprint.get("/enterprises/<enterprise>")
@page_for("park", "platform", "enterprise", "admin")
def enterprise(enterprise: str) -> ResponseReturnValue:
    """Enterprise account."""
    known, reader = visible_enterprise(enterprise), parts().reader
    timezone = parts().registry().park_of(known.id).timezone
    period, choices = _period([known], timezone)
    statement = reader.statement(known.id, period, parts().clock())
    if statement is None:
        abort(404)
    rating, names, months = reader.rating(known.id, period), source_names(known), history_months(period)
    before = request.args.get("before", type=int)
    ended = ended_sources(known, reader.booked_days(known.id, looked_back_from(period), period.end))
    entries = reader.newest_entries(known.id, period, before_seq=before, limit=ENTRIES_SHOWN + 1)
    older = entries[ENTRIES_SHOWN - 1].seq if len(entries) > ENTRIES_SHOWN else None
    return render_template(
        "dashboard/enterprise.html",
        enterprise=known,
        statement=statement,
        rating=rating,
        reasons=() if rating is None else rating.reasons.en if words.is_english() else rating.reasons.zh,
        period=period.text,
        choices=choices,
        timezone=timezone,
        stage_shares=stage_shares(statement),
        source_names=names,
        charts={
            "sources": sources_chart(statement, names),
            "monthly": monthly_chart(months, reader.history(known.id, months)),
            "daily": daily_chart(period, reader.daily(known.id, period), ended),
        },
        incomplete=incomplete_days(ended),
        entries=entries[:ENTRIES_SHOWN],
        more_entries=older
        and url_for(".enterprise", enterprise=known.id, period=period.text, before=older, _anchor="entries"),
        findings=runs_of(reader.open_findings(known.id, period, limit=FINDINGS_SHOWN)),
    )


@blueprint.get("/devices")
@page_for("park", "enterprise", "admin")
def devices_of_chosen() -> ResponseReturnValue:
    """The device page of the enterprise chosen, or of the first one."""
    visible = visible_enterprises(parts().registry(), g.principal)
    chosen = request.args.get("enterprise", "")
    if chosen not in visible and not visible:
        return redirect(url_for("dashboard.home"))
    return redirect(url_for("dashboard.devices", enterprise=chosen if chosen in visible else next(iter(visible))))


@blueprint.get("/enterprises/<enterprise>/devices")
@page_for("park", "enterprise", "admin")
def devices(enterprise: str) -> ResponseReturnValue:
    """Device health."""
    known = visible_enterprise(enterprise)
    health = parts().reader.device_health(known.id, parts().clock())
    return render_template(
        "dashboard/devices.html",
        enterprise=known,
        siblings=list(visible_enterprises(parts().registry(), g.principal).values()),
        health=health,
        findings=runs_of(parts().reader.open_findings(known.id, None, limit=FINDINGS_SHOWN)),
        timezone=parts().registry().park_of(known.id).timezone,
        **health_summary(health),
    )


@blueprint.get("/entries/<entry>")
@page_for("park", "platform", "enterprise", "admin")
def entry(entry: str) -> ResponseReturnValue:
    """From an entry back to the registers."""
    enterprise_id, _dash, seq = entry.rpartition("-")
    known = visible_enterprise(enterprise_id)
    explained = (
        parts().reader.explain(known.id, int(seq)) if seq.isascii() and seq.isdigit() and len(seq) < 10 else None
    )
    if explained is None:
        abort(404)
    return render_template(
        "dashboard/entry.html",
        enterprise=known,
        explained=explained,
        source_names=source_names(known),
        timezone=parts().registry().park_of(known.id).timezone,
    )


@blueprint.get("/docs")
def docs() -> ResponseReturnValue:
    """The API's calls, out of its own description."""
    return render_template("dashboard/docs.html", document=specification(parts().version))


# --- inside ---------------------------------------------------------------------------------------------------------


def _period(enterprises: list[Enterprise], timezone: str) -> tuple[Period, list[str]]:
    """The month asked for, else the newest with a colour or at least a statement; and the months to choose from."""
    reader, ids = parts().reader, [own.id for own in enterprises]
    months = reader.months(ids)
    current = reader.current_month(timezone, parts().clock()).text
    asked = request.args.get("period")
    try:
        period = parse_period(asked or reader.first_shown_month(ids, timezone, parts().clock()))
    except ValueError:
        abort(400)
    if period.kind != "month":
        abort(400)
    return period, month_choices(months, current, period.text)
