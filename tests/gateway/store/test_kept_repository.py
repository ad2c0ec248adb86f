"""Small facts are kept one by one and together, each under its own key."""

from __future__ import annotations

from sqlalchemy import Engine

from gateway.store.kept_repository import KeptRepository


def test_what_is_kept_together_is_found_one_by_one_and_the_other_way_round(engine: Engine) -> None:
    kept = KeptRepository(engine)
    kept.put_all("ended.", {"a": "1", "b": "2"})
    kept.put("ended.b", "3")
    kept.put("endedXc", "4")  # the dot is a dot
    assert kept.get("ended.a") == "1"
    assert kept.under("ended.") == {"a": "1", "b": "3"}
    kept.put_all("ended.", {})
    assert kept.under("nothing.") == {}
