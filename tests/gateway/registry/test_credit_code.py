"""Unified Social Credit Codes (GB 32100-2015)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.registry.credit_code import ALPHABET, check_character, problem_of

# Codes of listed companies, as they stand in their public filings: Tencent, Huawei, Alibaba, Baidu.
PUBLISHED = ("9144030071526726XG", "914403001922038216", "91330100799655058B", "91110000802100433B")

forms = st.from_regex(rf"[{ALPHABET}]{{2}}[0-9]{{6}}[{ALPHABET}]{{9}}", fullmatch=True)


@pytest.mark.parametrize("code", PUBLISHED)
def test_published_codes_are_right(code: str) -> None:
    assert problem_of(code) is None


@given(forms, st.integers(0, 16), st.sampled_from(ALPHABET))
def test_one_mistyped_character_is_always_found(first: str, place: int, typed: str) -> None:
    code = first + check_character(first)
    assert problem_of(code) is None
    mistyped = code[:place] + typed + code[place + 1 :]
    assert (problem_of(mistyped) is None) == (mistyped == code)


@given(forms, st.integers(0, 15))
def test_two_neighbours_swapped_are_always_found(first: str, place: int) -> None:
    code = first + check_character(first)
    swapped = code[:place] + code[place + 1] + code[place] + code[place + 2 :]
    assert (problem_of(swapped) is None) == (swapped == code)


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("", "has 0"),
        (PUBLISHED[0][:-1], "has 17"),
        (PUBLISHED[0].lower(), "no credit code"),
        ("91I40300715267260G", "no credit code"),
        ("9144A30071526726XG", "no credit code"),
        ("9144030071526726XH", "should be G"),
        ("９144030071526726XG", "no credit code"),
    ],
)
def test_what_is_wrong_is_said(code: str, says: str) -> None:
    assert says in str(problem_of(code))


def test_only_seventeen_characters_have_a_check_character() -> None:
    with pytest.raises(ValueError, match="17"):
        check_character("1")
