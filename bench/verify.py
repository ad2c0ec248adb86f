"""Chains of a year checked: hashes, links, figures from their own calculation, and reversals.

Entries are made of those that the roll-up made, each with another amount, and chained anew. `verify` is one process
with nothing but chains; its limit is reading the rows and SHA-256 of the texts, and nothing else. `verify.all` is what
`tanmai verify` does with books: as many processes as there are processors, their start included.
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
from gateway.carbon.emission import decimal_text, recomputed
from gateway.carbon.model import Draft
from gateway.carbon.quick_chain import QuickChecks
from gateway.scheduler.book_workers import Books, processors, reports_of
from gateway.scheduler.changed_rules import EVER
from gateway.store.columns import take_readings
from gateway.store.ledger_repository import LedgerRepository
from gateway.store.ledger_rows import LedgerRows
from gateway.wiring import House

DAYS = 365
TARGET_PER_S = 200_000


def run(bench: Bench) -> Iterator[Figure]:
    house = _booked(bench.fresh("verify"), bench.scale.chains)
    ours, both, hashed, together = [], [], [], []
    for _ in range(bench.scale.runs):
        ours.append(_checked_per_s(house))
        read, sha256 = _read_per_s(house), _hashed_per_s(house)
        hashed.append(sha256)
        both.append(1 / (1 / read + 1 / sha256))
        together.append(_by_processes_per_s(house))
    house.close()
    limits = {"read and sha256": median_of(both), "sha256": median_of(hashed)}
    yield figure_of("verify", median_of(ours), "entries/s", limits, Target(TARGET_PER_S, "least", "figure"))
    yield figure_of("verify.all", median_of(together), "entries/s")


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
        drafts = [_on(replace(entry.draft, enterprise=enterprise.id), day) for day in range(DAYS) for entry in booked]
        book.append(ledger.append(None, [ledger.Posting(draft, "automatic") for draft in drafts], ROLLED_UP_MS))
    return house


def _on(draft: Draft, day: int) -> Draft:
    """The same on another day, with another amount and its figures."""
    amount_u = draft.amount_u + day * 1_234_567
    calculation = {**draft.calculation, "amount": decimal_text(amount_u)}
    emission_g, energy_gce = recomputed(calculation)
    calculation["emission_g"] = str(emission_g)
    if "energy" in calculation:
        calculation["energy"] = {**calculation["energy"], "energy_gce": str(energy_gce)}
    return replace(
        draft, day=date(2025, 1, 1) + timedelta(days=day), amount_u=amount_u, emission_g=emission_g,
        energy_gce=energy_gce, calculation=calculation,
    )  # fmt: skip


def _checked_per_s(house: House) -> float:
    rows, quick, entries = LedgerRows(house.engine), QuickChecks(), 0
    started_s = monotonic_s()
    for enterprise in LedgerRepository(house.engine).enterprises():
        held = quick.booked(enterprise, rows.rows(enterprise), rows.body_of)
        if held is None:
            raise BenchFailed(f"the chain of {enterprise} does not hold")
        entries += len(held)
    return entries / (monotonic_s() - started_s)


def _by_processes_per_s(house: House) -> float:
    names = LedgerRepository(house.engine).enterprises()
    books = Books(house.engine.url.render_as_string(hide_password=False), house.settings.data_dir, *EVER)
    started_s, entries = monotonic_s(), 0
    for report in reports_of(books, names, processors()):
        if report.chain is not None:
            raise BenchFailed(f"{report.chain.entry} of {report.enterprise}: {report.chain.what}")
        entries += report.entries
    return entries / (monotonic_s() - started_s)


def _read_per_s(house: House) -> float:
    rows, entries = LedgerRows(house.engine), 0
    started_s = monotonic_s()
    for enterprise in LedgerRepository(house.engine).enterprises():
        entries += sum(1 for _ in rows.rows(enterprise))
    return entries / (monotonic_s() - started_s)


def _hashed_per_s(house: House) -> float:
    book = LedgerRepository(house.engine)
    chain = next(iter(reversed(book.enterprises())))
    texts = [ledger.text_of(entry).encode() for entry in book.chain(chain)]
    started_s = monotonic_s()
    for text in texts:
        hashlib.sha256(text).hexdigest()
    return len(texts) / (monotonic_s() - started_s)
