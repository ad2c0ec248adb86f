"""The ledger on disk only grows, never forks, and gives back what it took."""

from __future__ import annotations

import hashlib
import itertools
import threading
from dataclasses import replace
from datetime import date

import pytest
from sqlalchemy import Engine, text

from collectors.errors import StoreRefused
from gateway.carbon.model import Draft, Entry
from gateway.store.database import writing
from gateway.store.ledger_repository import ZERO_HASH, ChainMoved, LedgerRepository

PLANT = "91350500M00000000Y"
OTHER = "91350500M00000001W"


def draft(day: int = 1, source: str = "grid-power", enterprise: str = PLANT, amount_u: int = 5_000_000) -> Draft:
    return Draft(
        enterprise=enterprise,
        source=source,
        day=date(2026, 10, day),
        activity="electricity.purchased",
        scope=2,
        stage="production",
        category=2,
        amount_u=amount_u,
        unit="kWh",
        factor="grid.national.2023",
        edition="mee-nbs-grid-2023",
        basis="exact",
        gwp="ar5",
        emission_g=amount_u // 2,
        energy_gce=-3,
        provisional=True,
        coverage_ppm=999_999,
        estimated_ppm=1,
        digest="ab" * 32,
        calculation={"formula": "AD × EF", "terms": {"EF": ["0.5306", "kgCO2/kWh"]}, "share": 0.1, "none": None},
    )


def chained(drafts: list[Draft], head: Entry | None = None) -> list[Entry]:
    """Entries of one enterprise that follow each other; the hash stands in for the real one."""
    entries: list[Entry] = []
    seq, previous = (head.seq, head.hash) if head else (0, ZERO_HASH)
    for own in drafts:
        seq += 1
        digest = hashlib.sha256(f"{previous}{seq}{own}".encode()).hexdigest()
        entries.append(Entry(own, seq, "automatic", None, 1_790_000_000_000 + seq, previous, digest))
        previous = digest
    return entries


def test_what_is_read_is_what_was_appended(engine: Engine) -> None:
    ledger = LedgerRepository(engine)
    entries = chained([draft(1), draft(2, amount_u=-(2**62)), draft(3, amount_u=2**62)])
    ledger.append(entries)
    assert list(ledger.chain(PLANT)) == entries
    assert ledger.newest(PLANT) == entries[-1]
    assert ledger.entry(PLANT, 2) == entries[1]
    assert ledger.entry(PLANT, 4) is None
    assert ledger.newest(OTHER) is None
    assert ledger.enterprises() == [PLANT]


def test_chain_is_walked_whole_whatever_the_chunk(engine: Engine) -> None:
    ledger = LedgerRepository(engine)
    entries = chained([draft(day) for day in range(1, 8)])
    ledger.append(entries)
    for chunk in (1, 3, 7, 100):
        assert list(ledger.chain(PLANT, chunk)) == entries


def test_one_append_holds_several_chains_or_none(engine: Engine) -> None:
    ledger = LedgerRepository(engine)
    good = chained([draft(enterprise=PLANT)])
    gap = [replace(entry, seq=2) for entry in chained([draft(enterprise=OTHER)])]
    with pytest.raises(ChainMoved, match=f"{OTHER}-2"):
        ledger.append(good + gap)
    assert ledger.enterprises() == []
    ledger.append(good + chained([draft(enterprise=OTHER)]))
    assert ledger.enterprises() == [PLANT, OTHER]


@pytest.mark.parametrize("spoil", [{"seq": 3}, {"seq": 1}, {"previous_hash": "f" * 64}])
def test_entry_that_does_not_follow_the_head_is_refused(engine: Engine, spoil: dict[str, object]) -> None:
    ledger = LedgerRepository(engine)
    ledger.append(chained([draft(1)]))
    follower = chained([draft(2)], ledger.newest(PLANT))[0]
    with pytest.raises(ChainMoved):
        ledger.append([replace(follower, **spoil)])  # type: ignore[arg-type]
    ledger.append([follower])


def test_writers_from_the_same_head_cannot_fork_the_chain(engine: Engine) -> None:
    ledger = LedgerRepository(engine)
    ledger.append(chained([draft(1)]))
    head = ledger.newest(PLANT)
    start = threading.Barrier(4)
    outcomes: list[str] = []

    def append(source: str) -> None:
        mine = chained([draft(2, source), draft(3, source)], head)
        start.wait(30)
        try:
            ledger.append(mine)
            outcomes.append("appended")
        except ChainMoved:
            outcomes.append("moved")

    writers = [threading.Thread(target=append, args=(f"source-{number}",)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert sorted(outcomes) == ["appended", "moved", "moved", "moved"]
    walked = list(ledger.chain(PLANT))
    assert [entry.seq for entry in walked] == [1, 2, 3]
    assert all(later.previous_hash == earlier.hash for earlier, later in itertools.pairwise(walked))


def test_standing_are_neither_reversals_nor_reversed(engine: Engine) -> None:
    ledger = LedgerRepository(engine)
    ledger.append(chained([draft(1), draft(2), draft(2, "burners")]))
    first, second, burners = ledger.chain(PLANT)
    reversal = chained([replace(second.draft, amount_u=-second.draft.amount_u)], burners)[0]
    reversal = replace(reversal, reverses=second.seq, reason="late-data")
    corrected = chained([draft(2, amount_u=7)], reversal)[0]
    ledger.append([reversal, corrected])
    october = date(2026, 10, 1), date(2026, 11, 1)
    assert ledger.standing(PLANT, None, *october) == [first, burners, corrected]
    assert ledger.standing(PLANT, {"grid-power"}, *october) == [first, corrected]
    assert ledger.standing(PLANT, None, date(2026, 10, 1), date(2026, 10, 2)) == [first]
    assert ledger.standing(PLANT, [], *october) == []
    assert ledger.reversal_of(PLANT, second.seq) == reversal
    assert ledger.reversal_of(PLANT, first.seq) is None


def test_an_entry_is_taken_back_at_most_once(engine: Engine) -> None:
    ledger = LedgerRepository(engine)
    ledger.append(chained([draft(1)]))
    reversal = replace(chained([draft(1)], ledger.newest(PLANT))[0], reverses=1)
    ledger.append([reversal])
    again = replace(chained([draft(1)], reversal)[0], reverses=1)
    with pytest.raises(StoreRefused, match="taken back twice") as caught:
        ledger.append([again])
    assert not isinstance(caught.value, ChainMoved)


def test_pages_follow_each_other_without_gap(engine: Engine) -> None:
    ledger = LedgerRepository(engine)
    entries = chained([draft(day) for day in (1, 9, 2, 3, 8, 4)])
    ledger.append(entries)
    wanted = [entry for entry in entries if entry.draft.day < date(2026, 10, 8)]
    paged: list[Entry] = []
    while page := ledger.entries(PLANT, date(2026, 10, 1), date(2026, 10, 8), paged[-1].seq if paged else 0, 2):
        assert len(page) <= 2
        paged += page
    assert paged == wanted


@pytest.mark.parametrize("statement", ["UPDATE ledger_entries SET emission_g = 0", "DELETE FROM ledger_entries"])
def test_entries_cannot_be_changed_or_deleted(engine: Engine, statement: str) -> None:
    LedgerRepository(engine).append(chained([draft(1)]))
    with pytest.raises(StoreRefused, match="ledger_entries only grows"), writing(engine) as connection:
        connection.execute(text(statement))
