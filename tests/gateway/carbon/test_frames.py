"""A frame and an entry's figures are the calculation, and nothing else has a frame."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.carbon.activities import ACTIVITIES
from gateway.carbon.emission import side_recomputed
from gateway.carbon.frames import frame_from, frame_text
from gateway.carbon.ledger import FRAMED, WHOLE, Posting, append, reversal_of, text_of
from gateway.carbon.model import Draft
from tests.gateway.carbon.conftest import MakeDraft

KINDS = ("electricity.purchased", "electricity.exported", "fuel.natural_gas", "fuel.diesel", "heat.purchased")


def given_back(draft: Draft, reverses: int | None) -> dict[str, Any]:
    text = frame_text(draft, reverses)
    assert text is not None
    sign = 1 if reverses is None else -1
    return frame_from(text).calculation(sign * draft.amount_u, sign * draft.emission_g, sign * draft.energy_gce)


@settings(deadline=None)
@given(kind=st.sampled_from(KINDS), amount_u=st.integers(-(10**15), 10**15))
def test_a_calculation_comes_back_as_it_was(kind: str, amount_u: int, make_draft: MakeDraft) -> None:
    draft = make_draft(kind, amount_u / 1_000_000)
    assert given_back(draft, None) == draft.calculation
    assert given_back(reversal_of(draft), 7) == draft.calculation


@settings(deadline=None)
@given(kind=st.sampled_from(KINDS), one=st.integers(0, 10**12), other=st.integers(0, 10**12))
def test_amounts_of_a_source_share_a_frame(kind: str, one: int, other: int, make_draft: MakeDraft) -> None:
    first, second = (make_draft(kind, amount_u / 1_000_000) for amount_u in (one, other))
    assert frame_text(first, None) == frame_text(second, None) == frame_text(reversal_of(second), 1)


def test_sides_follow_from_frame_and_amount(make_draft: MakeDraft) -> None:
    draft = make_draft("electricity.purchased", 12.345678)
    terms = {"EF": {**draft.calculation["terms"]["EF"], "value": "0.4"}}
    side: dict[str, Any] = {"formula": "AD × EF", "terms": terms}
    calculation = {**draft.calculation, "market": side}
    side["emission_g"] = str(side_recomputed(calculation, "market"))
    sided = replace(draft, calculation=calculation)
    assert given_back(sided, None) == calculation
    assert given_back(reversal_of(sided), 3) == calculation
    side["emission_g"] = "1"
    assert frame_text(sided, None) is None, "a figure that does not follow has no frame"


@pytest.mark.parametrize(
    "calculation",
    [{}, {"note": "碳"}, {"amount": "1"}, {"amount": "1", "emission_g": 1}, {"energy": 5}, {"market": "x"}],
)
def test_what_is_anything_else_is_booked_whole(make_draft: MakeDraft, calculation: dict[str, Any]) -> None:
    draft = replace(make_draft("electricity.purchased"), calculation=calculation)
    (entry,) = append(None, [Posting(draft, "automatic")], 1_000)
    assert (frame_text(draft, None), entry.format) == (None, WHOLE)


def test_figures_that_the_calculation_does_not_state_have_no_frame(make_draft: MakeDraft) -> None:
    draft = make_draft("fuel.diesel", 3.0)
    for name in ("amount_u", "emission_g", "energy_gce"):
        changed: dict[str, Any] = {name: getattr(draft, name) + 1}
        assert frame_text(replace(draft, **changed), None) is None
    assert frame_text(draft, 5) is None, "not as if it were a reversal"


def test_a_hash_in_the_second_format_is_what_it_was(make_draft: MakeDraft) -> None:
    """Chains of years stand on this text: it must never change."""
    draft = make_draft("electricity.purchased", 100.0)
    calculation = {"amount": "100", "emission_g": str(draft.emission_g), "sign": 1, "formula": "AD × EF", "note": "碳"}
    fixed = replace(draft, calculation=calculation, factor="f", edition="e", basis="exact", gwp="ar5", provisional=True)
    fixed = replace(fixed, emission_g=53_060, energy_gce=12_290, calculation={**calculation, "emission_g": "53060"})
    (entry,) = append(None, [Posting(fixed, "automatic")], 1_700_000_000_000)
    assert entry.format == FRAMED
    assert text_of(entry) == (
        '{"amount_u":100000000,"booked_at_ms":1700000000000,"coverage_ppm":1000000,"day":"2026-10-05",'
        f'"digest":"{"d" * 64}","emission_g":53060,"energy_gce":12290,"enterprise":"91350500M00000000Y",'
        '"estimated_ppm":0,"format":2,'
        f'"frame":"{FIXED_FRAME}","previous_hash":"{"0" * 64}","reason":"automatic","reverses":null,"scope":2,"seq":1,'
        '"source":"electricity-purchased","unit":"kWh"}'
    )
    assert frame_text(fixed, None) == FIXED_BODY


FIXED_BODY = (
    '{"activity":"electricity.purchased","basis":"exact","calculation":{"formula":"AD × EF","note":"碳","sign":1},'
    '"category":2,"edition":"e","factor":"f","gwp":"ar5","provisional":true,"stage":"production"}'
)
FIXED_FRAME = "0b44b6f3660d03c27f3cd5d8d283e855ace6804f895b6e3deba4247bd0d16657"


@pytest.mark.parametrize("body", ["{}", "[]", '{"calculation":{}}', "not JSON", '"text"', "null"])
def test_what_is_no_frame_is_refused(body: str) -> None:
    with pytest.raises((ValueError, TypeError, AttributeError)):
        frame_from(body)


def test_every_kind_of_activity_has_a_frame(make_draft: MakeDraft) -> None:
    framed = 0
    for kind in KINDS:
        assert kind in ACTIVITIES
        framed += frame_text(make_draft(kind, 7.5), None) is not None
    assert framed == len(KINDS)
