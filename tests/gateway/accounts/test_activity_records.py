"""Promises of the intake of activity records: amounts that cannot be summed do not stand under one source."""

from __future__ import annotations

import pytest

from gateway.accounts.activity_records import check_records
from gateway.registry.model import Enterprise, Name, Source

PLANT = "91350505M00000019R"


def enterprise(unit: str | None) -> Enterprise:
    burner = Source("burner", "fuel.natural_gas", 1, "production", records=True, unit=unit)
    return Enterprise(PLANT, Name("厂", "Plant"), "park", "C3130", sources=(burner,))


@pytest.mark.parametrize(
    ("own", "taken", "refused"),
    [
        (None, ("Nm3", "1e4Nm3"), "m3"),  # the activity's first unit decides where the registry says none
        ("m3", ("m3", "1e4m3"), "Nm3"),
        ("1e4Nm3", ("Nm3", "1e4Nm3"), "m3"),
    ],
)
def test_a_source_takes_volumes_as_metered_or_normal_volumes_and_never_both(
    own: str | None, taken: tuple[str, ...], refused: str
) -> None:
    def outcome(unit: str) -> list[str]:
        record = {"id": unit, "source": "burner", "from": "2026-10-01", "to": "2026-11-01", "amount": 1, "unit": unit}
        return [error.message for error in check_records([record], enterprise(own))[1]]

    assert [outcome(unit) for unit in taken] == [[]] * len(taken)
    assert outcome(refused) == [f"must be {' or '.join(taken)} for source burner"]
