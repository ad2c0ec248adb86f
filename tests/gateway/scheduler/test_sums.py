"""Promises of quarters and years: the sum of their months, closed with them, corrected with them, provable."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import event, text

from gateway import create_app
from gateway.accounts.documents import StatementDocument, statement_from
from gateway.control import OperationFailed
from gateway.scheduler.sums_stage import SumsStage
from gateway.signing import Signer
from gateway.store.changes_repository import ChangesRepository
from gateway.store.database import writing
from gateway.store.due_sums_repository import DueSumsRepository
from gateway.store.statements_repository import StatementsRepository, StoredStatement
from tests.gateway.scheduler.plant import ON_BOTH_ENGINES, PLANT, Plant, at, steady

LATE = "2026-07-30 00:00"  # the reading that comes later, and changes July
CHANGE = "UPDATE statements SET"
MONTHS = ("2026-07", "2026-08", "2026-09")


@pytest.fixture
def summer(plant: Plant) -> Plant:
    """July to September are over, October has begun."""
    readings = steady("2026-07-30 00:00", 24 * 64, 0.0, 10.0, every_min=120)
    plant.put("incomer", "energy_import", [one for one in readings if one[0] != at(LATE)])
    plant.roll_up("2026-10-02 08:00")
    return plant


def versions(plant: Plant, period: str = "2026-Q3") -> list[StoredStatement]:
    return StatementsRepository(plant.house.engine).versions(PLANT, period)


def newest(plant: Plant, period: str) -> StatementDocument:
    return statement_from(versions(plant, period)[-1].body)


def close(plant: Plant, period: str, when: str = "2026-10-06 08:00") -> list[tuple[str, str, int]]:
    return plant.house.pipeline.close(period, PLANT, at(when))[0]


def correct_july(plant: Plant, when: str = "2026-10-07 08:00") -> None:
    plant.put("incomer", "energy_import", [(at(LATE), 1.0)])
    plant.roll_up(when)


def verified(plant: Plant) -> dict[str, Any]:
    return plant.house.verifier.run(plant.house.registry(), PLANT, None)


def assert_is_the_sum(document: StatementDocument, months: list[StatementDocument]) -> None:
    for name in ("compliance_kg", "lifecycle_kg", "energy_kgce", "days", "findings_open"):
        assert round(1000 * getattr(document, name)) == sum(round(1000 * getattr(month, name)) for month in months)
    (line,) = document.by_source
    assert round(1000 * line.emission_kg) == sum(round(1000 * month.by_source[0].emission_kg) for month in months)
    assert round(1e6 * line.amount) == sum(round(1e6 * month.by_source[0].amount) for month in months)


@ON_BOTH_ENGINES
def test_a_quarter_follows_its_months_and_is_closed_with_the_last_of_them(summer: Plant) -> None:
    (first,) = versions(summer)
    assert (first.version, first.status, first.signature) == (1, "open", "")
    for month in MONTHS[:2]:
        assert close(summer, month) == [(PLANT, month, 1)]
    assert versions(summer)[0].status == "open"
    assert close(summer, "2026-09") == [(PLANT, "2026-09", 1), (PLANT, "2026-Q3", 1)]
    (closed,) = versions(summer)
    assert closed.status == "closed"
    signer = Signer.of(summer.house.settings.data_path)
    assert signer.signed("tanmai-statement", closed.body, closed.signature)
    months = [versions(summer, month)[-1] for month in MONTHS]
    document = statement_from(closed.body)
    assert [(one.period, one.version, one.hash) for one in document.months] == [
        (one.period, 1, one.hash) for one in months
    ]
    assert_is_the_sum(document, [statement_from(one.body) for one in months])
    (year,) = versions(summer, "2026")
    assert year.status == "open" and len(statement_from(year.body).months) == 4
    assert statement_from(year.body).notes[-1] == "账户始于 2026-07 / the account begins in 2026-07"
    told = [one.kind for one in ChangesRepository(summer.house.engine).after(0, 1000) if one.period == "2026-Q3"]
    assert {"statement", "rating"} == set(told)
    assert verified(summer)["ok"]


@ON_BOTH_ENGINES
def test_a_correction_of_a_closed_month_gives_month_and_quarter_their_next_version(summer: Plant) -> None:
    close(summer, "2026-Q3")
    (first,) = versions(summer)
    correct_july(summer)
    kept, second = versions(summer)
    assert kept == first
    assert (second.version, second.status, second.predecessor) == (2, "closed", 1)
    was, now = statement_from(first.body), statement_from(second.body)
    assert [one.version for one in now.months] == [2, 1, 1]
    (correction,) = now.corrections
    assert (correction.source, correction.reasons) == ("grid", ("late-data",))
    assert round(1000 * correction.emission_kg) == round(1000 * now.lifecycle_kg) - round(1000 * was.lifecycle_kg) != 0
    assert newest(summer, "2026-07").corrections == now.corrections
    summer.roll_up("2026-10-08 08:00")
    assert len(versions(summer)) == 2
    assert verified(summer)["ok"]


def test_reopening_a_month_opens_the_next_version_of_its_quarter_until_the_month_is_closed(summer: Plant) -> None:
    close(summer, "2026-Q3")
    summer.house.pipeline.reopen("2026-07", PLANT, "li.na", "the meter is read again", at("2026-10-08 09:00"))
    assert [(one.version, one.status, one.predecessor) for one in versions(summer)] == [
        (1, "closed", None),
        (2, "open", 1),
    ]
    correct_july(summer, "2026-10-09 08:00")
    assert len(versions(summer)) == 2 and versions(summer)[1].status == "open"
    assert newest(summer, "2026-Q3").corrections[0].reasons == ("late-data",)
    assert verified(summer)["ok"]
    assert close(summer, "2026-07", "2026-10-10 08:00") == [(PLANT, "2026-07", 2), (PLANT, "2026-Q3", 2)]
    assert [one.status for one in versions(summer)] == ["closed", "closed"]
    assert verified(summer)["ok"]


def test_closing_a_quarter_closes_its_ended_months_or_says_what_it_waits_for(summer: Plant) -> None:
    closed, refused = summer.house.pipeline.close("2026", PLANT, at("2026-10-06 08:00"))
    assert closed == [*((PLANT, month, 1) for month in MONTHS), (PLANT, "2026-Q3", 1)]
    assert ("2026-10", "the month has not ended yet") in [(period, why) for _, period, why in refused]
    assert refused[-1] == (PLANT, "2026", "it stays open until these months are closed: 2026-10, 2026-11, 2026-12")
    closed, refused = summer.house.pipeline.close("2026-Q3", PLANT, at("2026-10-06 08:00"))
    assert not closed
    assert refused == [(PLANT, "2026-Q3", "nothing to close: it is closed already, as version 1")]
    with pytest.raises(OperationFailed, match="months, quarters and years are closed"):
        summer.house.operations.call("close", period="2026-09-01")
    with pytest.raises(OperationFailed, match="has not ended yet"):
        summer.house.operations.call("close", period="2099-Q1")


def test_a_crash_between_a_months_version_and_its_quarters_is_repaired_by_the_next_run(
    summer: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    close(summer, "2026-Q3")

    def killed(*_: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(SumsStage, "_summed", killed)
        with pytest.raises(SystemExit):
            correct_july(summer)
    assert len(versions(summer, "2026-07")) == 2 and len(versions(summer)) == 1
    report = verified(summer)
    assert report["ok"] and "due to be summed anew" in report["notes"][0]
    summer.roll_up("2026-10-07 08:01")
    assert [one.version for one in newest(summer, "2026-Q3").months] == [2, 1, 1]
    assert verified(summer)["notes"] == []


@pytest.mark.parametrize(
    ("change", "where", "what"),
    [
        (f"{CHANGE} body = replace(body, '92,', '91,') WHERE period = '2026-Q3'", "2026-Q3", "days"),
        (f"{CHANGE} body = replace(body, '2026-08', '2026-06') WHERE period = '2026-Q3'", "2026-Q3", "not its months"),
        ("DELETE FROM statements WHERE period = '2026-Q3'", "2026-Q3", "it has none"),
        ("DELETE FROM due_sums", "2026", "does not sum version 2 of 2026-07"),
    ],
)
def test_tampering_with_a_quarter_is_named(
    summer: Plant, monkeypatch: pytest.MonkeyPatch, change: str, where: str, what: str
) -> None:
    if "due_sums" in change:
        close(summer, "2026-07", "2026-10-02 08:30")
        monkeypatch.setattr(SumsStage, "run", lambda *_: pytest.fail("stopped here"))
        with pytest.raises(pytest.fail.Exception):
            correct_july(summer, "2026-10-02 09:00")
    with writing(summer.house.engine) as connection:
        connection.execute(text(change))
    report = verified(summer)
    assert not report["ok"]
    assert report["first_break"]["period"] == where and what in report["first_break"]["what"]


def test_a_closed_quarter_is_signed_so_no_figure_of_it_can_be_changed(summer: Plant) -> None:
    close(summer, "2026-Q3")
    with writing(summer.house.engine) as connection:
        connection.execute(
            text("UPDATE statements SET body = replace(body, '2026-Q3', '2026-Q2') WHERE period = '2026-Q3'")
        )
    report = verified(summer)
    assert report["first_break"]["period"] == "2026-Q3" and "signature" in report["first_break"]["what"]


def test_an_enterprise_without_news_costs_one_look_at_an_empty_list(summer: Plant) -> None:
    asked: list[str] = []
    engine, registry = summer.house.engine, summer.house.registry()
    event.listen(engine, "before_cursor_execute", lambda _c, _cursor, statement, *_: asked.append(statement))
    summer.house.pipeline.sums.run(registry, at("2026-10-02 09:00"), {})
    assert len([one for one in asked if one.startswith("SELECT")]) == 1 and "due_sums" in asked[-1]


def test_one_that_cannot_be_summed_holds_up_nobody_else(summer: Plant) -> None:
    marks = DueSumsRepository(summer.house.engine)
    with writing(summer.house.engine) as connection:
        connection.execute(
            text(
                "INSERT INTO statements (enterprise, period, version, status, body, hash, signature, updated_at_ms) "
                "VALUES ('0', '2026-08', 1, 'open', '{}', '', '', 0)"
            )
        )
        connection.execute(text("DELETE FROM statements WHERE period = '2026-Q3'"))
    marks.mark([("0", "2026-08"), (PLANT, "2026-08")])
    failed: dict[str, str] = {}
    summer.house.pipeline.sums.run(summer.house.registry(), at("2026-10-02 09:00"), failed)
    assert list(failed) == ["0"] and marks.of_enterprise("0") and not marks.of_enterprise(PLANT)
    assert len(versions(summer)) == 1


def test_every_call_and_command_that_knows_months_knows_quarters_and_years(summer: Plant) -> None:
    close(summer, "2026-Q3")
    correct_july(summer)
    house = summer.house
    token = house.operations.call("token_create", role="admin", subject="")["token"]
    client = create_app(house.parts(takes_readings=False)).test_client()

    def asked(call: str) -> Any:
        answer = client.get(f"/api/v1/{call}", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 200, answer.text
        return answer.json

    own = f"enterprises/{PLANT}"
    first, second = (asked(f"{own}/account?period=2026-Q3&version={number}") for number in (1, 2))
    assert (first["version"], second["version"], second["predecessor"]) == (1, 2, 1)
    assert asked(f"{own}/account?period=2026-Q3") == second
    assert second["corrections"][0]["reasons"] == ["late-data"]
    history = asked(f"{own}/account/versions?period=2026-Q3")["items"]
    assert [(one["version"], one["predecessor"], one["hash"]) for one in history] == [
        (1, None, first["hash"]),
        (2, 1, second["hash"]),
    ]
    assert [one["reasons"] for one in history] == [[], ["late-data"]]
    assert history[1]["lifecycle_kg"] == second["lifecycle_kg"] != history[0]["lifecycle_kg"]
    assert asked(f"{own}/account?period=2026")["status"] == "open"
    assert asked(f"{own}/account/signed?period=2026-Q3&version=1")["jws"].count(".") == 2
    rated = asked(f"{own}/rating?period=2026-Q3")
    assert (rated["period"], rated["version"]) == ("2026-Q3", 2)
    assert asked("parks/park?period=2026-Q3")["compliance_kg"] == second["compliance_kg"]
    (item,) = (one for one in asked("accounts?period=2026-Q3")["items"] if one["enterprise"] == PLANT)
    assert (item["statement"], item["rating"]["version"]) == (second, 2)
    told = [(one["kind"], one["version"]) for one in asked("changes?limit=200")["items"] if one["period"] == "2026-Q3"]
    assert ("statement", 2) in told and ("rating", 2) in told
    shown = house.operations.call("account", enterprise=PLANT, period="2026-Q3")
    assert (shown["statement"]["version"], shown["rating"]["version"]) == (2, 2)
    assert house.reader.months([PLANT]) == ["2026-10", *reversed(MONTHS)]
