"""Bulk accounts as Parquet say what the JSON says, to those who may see it, and leave nothing behind."""

from __future__ import annotations

import json
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from collectors.errors import StoreRefused
from gateway.api.account_tables import COLUMNS, PARQUET
from gateway.store.duckdb_tables import parquet_file
from tests.gateway.seeded_park import SeededPark

PATH = "/api/v1/accounts?period=2026-10"


def read_back(content: bytes, tmp_path: Path) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """Types by column, and rows, as a reader of Parquet sees them."""
    file = tmp_path / "accounts.parquet"
    file.write_bytes(content)
    with duckdb.connect() as engine:
        table = engine.execute(f"SELECT * FROM read_parquet('{file}')")
        assert table.description is not None
        names = [column[0] for column in table.description]
        types = {column[0]: str(column[1]) for column in table.description}
        return types, [dict(zip(names, row, strict=True)) for row in table.fetchall()]


def ndjson(park: SeededPark, path: str, role: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in park.get(path, role, Accept="application/x-ndjson").text.splitlines()]


@pytest.mark.parametrize("role", ["platform", "park", "admin"])
def test_parquet_says_what_ndjson_says(seeded_park: SeededPark, tmp_path: Path, role: str) -> None:
    response = seeded_park.get(PATH, role, Accept=PARQUET)
    assert (response.status_code, response.content_type) == (200, PARQUET)
    assert "accounts-2026-10.parquet" in response.headers["Content-Disposition"]
    types, rows = read_back(response.data, tmp_path)
    items = ndjson(seeded_park, PATH, role)
    assert list(types) == list(COLUMNS)
    assert types["compliance_kg"] == "DECIMAL(18,3)" and types["version"] == "INTEGER"
    assert [row["enterprise"] for row in rows] == [item["enterprise"] for item in items] != []
    for row, item in zip(rows, items, strict=True):
        assert row["name_zh"] == item["name"]["zh"]
        _compare(row, item)


def _compare(row: dict[str, Any], item: dict[str, Any]) -> None:
    own, rating = item["statement"], item["rating"]
    if own is None:
        assert {row[name] for name in ("period", "version", "compliance_kg", "coverage", "hash")} == {None}
        return
    for name in ("period", "version", "status", "coverage", "provisional_share", "findings_open", "hash", "signature"):
        assert row[name] == own[name], name
    for name in ("compliance_kg", "lifecycle_kg", "energy_kgce"):
        assert row[name] == Decimal(str(own[name])), name
    assert row["scope_2_kg"] == Decimal(str(own["by_scope"].get("2", 0)))
    assert row["stage_production_kg"] == Decimal(str(own["by_stage"].get("production", 0)))
    assert (row["colour"], row["rating_version"]) == (rating["colour"], rating["version"])


def test_pages_of_parquet_link_to_the_next(seeded_park: SeededPark, tmp_path: Path) -> None:
    response = seeded_park.get(f"{PATH}&limit=1", Accept=PARQUET)
    assert len(read_back(response.data, tmp_path)[1]) == 1
    page: Any = seeded_park.get(f"{PATH}&limit=1").json
    assert f"cursor={page['next']}" in response.headers["Link"]


def test_roles_and_periods_are_refused_as_for_json(seeded_park: SeededPark) -> None:
    assert seeded_park.get(PATH, "enterprise", Accept=PARQUET).status_code == 403
    assert seeded_park.get(PATH, None, Accept=PARQUET).status_code == 401
    assert seeded_park.get("/api/v1/accounts?period=2026-10-05", Accept=PARQUET).status_code == 400


def test_nothing_is_left_on_disk(seeded_park: SeededPark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    response = seeded_park.get(PATH, Accept=PARQUET)
    assert response.data[:4] == b"PAR1"
    assert list(tmp_path.iterdir()) == []


def test_no_rows_are_a_table_without_rows(tmp_path: Path) -> None:
    with parquet_file(COLUMNS, []) as file:
        types, rows = read_back(file.read(), tmp_path)
    assert list(types) == list(COLUMNS) and rows == []


def test_cells_come_back_as_they_were(tmp_path: Path) -> None:
    kinds = {"text": "VARCHAR", "kg": "DECIMAL(18, 3)", "count": "INTEGER"}
    given: list[dict[str, object]] = [
        {"text": "'甲' \"乙\"\n\\,{}", "kg": "999999999999999.999", "count": -1},
        {"text": "", "kg": "-0.001", "count": 2**31 - 1},
        {"kg": "0.000"},
    ]
    with parquet_file(kinds, given) as file:
        _, rows = read_back(file.read(), tmp_path)
    assert rows == [
        {"text": "'甲' \"乙\"\n\\,{}", "kg": Decimal("999999999999999.999"), "count": -1},
        {"text": "", "kg": Decimal("-0.001"), "count": 2**31 - 1},
        {"text": None, "kg": Decimal("0.000"), "count": None},
    ]


def test_a_value_that_does_not_fit_its_column_is_refused() -> None:
    with pytest.raises(StoreRefused, match="Parquet"):
        parquet_file({"count": "INTEGER"}, [{"count": "many"}])
