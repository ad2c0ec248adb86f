"""Chains of a year checked: hashes, links, figures from their own calculation, and reversals.

Entries are copies of one that the roll-up made, chained anew. The limit is what SHA-256 alone takes over the same
texts with the rows at hand; the figure is taken of one processor.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from bench.figure import Figure, Target, figure_of, median_of
from bench.plant import ROLLED_UP_MS, a_day, open_house, rolled_up_plants
from bench.processes import BenchFailed
from bench.scale import Bench
from collectors.clock import monotonic_s
from gateway.carbon import ledger
from gateway.carbon.quick_chain import QuickChecks
from gateway.store.columns import take_readings
from gateway.store.ledger_repository import LedgerRepository
from gateway.store.ledger_texts import LedgerTexts
from gateway.wiring import House

DAYS = 365
TARGET_PER_S = 200_000


def run(bench: Bench) -> Iterator[Figure]:
    house = _booked(bench.fresh("verify"), bench.scale.chains)
    ours, hashed = [], []
    for _ in range(bench.scale.runs):
        ours.append(_checked_per_s(house))
        hashed.append(_hashed_per_s(house))
    house.close()
    limits = {"sha256": median_of(hashed)}
    yield figure_of("verify", median_of(ours), "entries/s", limits, Target(TARGET_PER_S, "least", "figure"))


def _booked(data_dir: Path, chains: int) -> House:
    """A house whose enterprises have a year of entries each."""
    house = open_house(data_dir, rolled_up_plants(chains))
    first, *others = house.registry().enterprises.values()
    points = [point.point_id for point in first.points()]
    for columns in a_day(house):
        house.timeseries.append(take_readings(columns, np.isin(columns.point_id, points)))
    house.pipeline.run(ROLLED_UP_MS)
    book = LedgerRepository(house.engine)
    booked = list(book.chain(first.id))
    for enterprise in others:
        drafts = [
            replace(entry.draft, enterprise=enterprise.id, day=date(2025, 1, 1) + timedelta(days=day))
            for day in range(DAYS)
            for entry in booked
        ]
        book.append(ledger.append(None, [ledger.Posting(draft, "automatic") for draft in drafts], ROLLED_UP_MS))
    return house


def _checked_per_s(house: House) -> float:
    texts, quick, entries = LedgerTexts(house.engine, ledger.FORMAT), QuickChecks(), 0
    started_s = monotonic_s()
    for enterprise in LedgerRepository(house.engine).enterprises():
        held = quick.booked(texts.lines(enterprise))
        if held is None:
            raise BenchFailed(f"the chain of {enterprise} does not hold")
        entries += len(held)
    return entries / (monotonic_s() - started_s)


def _hashed_per_s(house: House) -> float:
    book = LedgerRepository(house.engine)
    chain = next(iter(reversed(book.enterprises())))
    texts = [ledger.text_of(entry).encode() for entry in book.chain(chain)]
    started_s = monotonic_s()
    for text in texts:
        hashlib.sha256(text).hexdigest()
    return len(texts) / (monotonic_s() - started_s)
