"""The registry as it is kept: one JSON document per park and enterprise, and numbers for points.

What stays true:
- A file is applied whole or not at all, in turn; each change makes the next version, and what changed is kept with it.
- Applying the same file again changes nothing.
- A point keeps its number for good, also when it leaves the registry and comes back, and so does the quantity behind
  the number: a series never mixes units.
- A snapshot is consistent, frozen, and shared until the version grows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, func, select

from collectors.errors import ConfigurationError, Problem
from collectors.message_types import worked_out
from gateway.registry.diff import RegistryDiff, lines_between
from gateway.registry.loading import RegistryFile
from gateway.registry.model import DERIVED, Derived, Device, Enterprise, Park, Point, Registry
from gateway.store.canonical_json import canonical
from gateway.store.database import Bind, reading, take_turns, upsert, writing
from gateway.store.schema import points as points_table
from gateway.store.schema import registry_documents, registry_versions
from gateway.store.timeseries import PointRef

Document = dict[str, Any]
Documents = dict[str, dict[str, Document]]  # "parks" | "enterprises" -> id -> document

_KINDS = {"park": "parks", "enterprise": "enterprises"}  # as stored -> as written in files and diffs
_VERSION = select(func.coalesce(func.max(registry_versions.c.version), 0))  # asked with every request and commit

PointName = tuple[str, str, str]  # enterprise, device, point


class RegistryRepository:
    """The one registry of a database. Safe to share between threads."""

    def __init__(self, bind: Bind) -> None:
        self._bind = bind
        self._newest: Registry | None = None

    def snapshot(self) -> Registry:
        """The registry of now; the same object as long as nothing was applied."""
        cached = self._newest
        with reading(self._bind) as connection:
            version = _version(connection)
            if cached is not None and cached.version == version:
                return cached
            documents = _documents(connection)
            numbers = _numbers(connection)
        self._newest = _registry(version, documents, {name: number for name, (number, _) in numbers.items()})
        return self._newest

    def ref(self, point_id: int) -> PointRef:
        """Who a number is, of points that left the registry too; KeyError if it was never given.

        A number is never another point's: the database is asked about those only that are not known yet.
        """
        known = None if self._newest is None else self._newest.refs_by_id.get(point_id)
        found = known or self.snapshot().refs_by_id.get(point_id)
        return self.former()[point_id] if found is None else found

    def former(self) -> dict[int, PointRef]:
        """Number -> point, of instruments' points that are no longer in the registry: their readings may be there."""
        registered = self.snapshot().refs_by_id
        query = select(points_table).where(points_table.c.device != DERIVED).order_by(points_table.c.point_id)
        with reading(self._bind) as connection:
            rows = [row for row in connection.execute(query) if row.point_id not in registered]
        return {
            row.point_id: PointRef(row.point_id, row.enterprise, row.device, row.point, row.quantity) for row in rows
        }

    def apply(self, file: RegistryFile, now_ms: int, *, dry_run: bool = False) -> RegistryDiff:
        """Make the stored registry say what the file says; a dry run only tells what that would change.

        Raises ConfigurationError, and changes nothing, if a park would be missing or a point would change its quantity.
        """
        with writing(self._bind) as connection:
            take_turns(connection, registry_versions)
            stood, version = _documents(connection), _version(connection)
            wanted = _merged(stood, file)
            numbers = _numbers(connection)
            problems = [*_missing_parks(wanted), *_changed_quantities(file.enterprises, numbers)]
            if problems:
                raise ConfigurationError(problems)
            lines = tuple(lines_between(stood, wanted))
            if not lines or dry_run:
                return RegistryDiff(version, lines)
            _store(connection, stood, wanted)
            _number(connection, file.enterprises, numbers)
            row = {"version": version + 1, "applied_at_ms": now_ms, "diff": "\n".join(lines)}
            connection.execute(registry_versions.insert(), row)
            return RegistryDiff(version + 1, lines)


def _version(connection: Connection) -> int:
    return int(connection.execute(_VERSION).scalar_one())


def _documents(connection: Connection) -> Documents:
    found: Documents = {name: {} for name in _KINDS.values()}
    query = select(registry_documents).order_by(registry_documents.c.kind, registry_documents.c.id)
    for row in connection.execute(query):
        found[_KINDS[row.kind]][row.id] = msgspec.json.decode(row.document)
    return found


def _numbers(connection: Connection) -> dict[PointName, tuple[int, str]]:
    """Every point that ever was -> its number and quantity."""
    return {
        (row.enterprise, row.device, row.point): (row.point_id, row.quantity)
        for row in connection.execute(select(points_table))
    }


def _merged(stood: Documents, file: RegistryFile) -> Documents:
    parks = stood["parks"] | {park.id: _document(park) for park in file.parks}
    enterprises = stood["enterprises"] | {enterprise.id: _document(enterprise) for enterprise in file.enterprises}
    return {
        "parks": {key: value for key, value in parks.items() if key not in file.retired_parks},
        "enterprises": {key: value for key, value in enterprises.items() if key not in file.retired_enterprises},
    }


def _document(thing: Park | Enterprise) -> Document:
    """Just as it comes back from its JSON text, so that the two compare."""
    return dict(msgspec.json.decode(msgspec.json.encode(thing)))


def _missing_parks(wanted: Documents) -> list[Problem]:
    return [
        Problem(f"would be left without its park {document['park']}: move or retire it too", key=f"enterprises.{own}")
        for own, document in wanted["enterprises"].items()
        if document["park"] not in wanted["parks"]
    ]


def _changed_quantities(enterprises: Iterable[Enterprise], numbers: dict[PointName, tuple[int, str]]) -> list[Problem]:
    problems = []
    for enterprise in enterprises:
        for point in enterprise.every_point():
            known = numbers.get((enterprise.id, point.device, point.id))
            if known is not None and known[1] != point.quantity:
                message = f"was {known[1]} and cannot become {point.quantity}: its readings stay; give it a new id"
                problems.append(Problem(message, key=f"enterprises.{enterprise.id}.{point.device}.{point.id}"))
    return problems


def _store(connection: Connection, stood: Documents, wanted: Documents) -> None:
    rows = []
    for kind, name in _KINDS.items():
        table = registry_documents.c
        for gone in stood[name].keys() - wanted[name].keys():
            connection.execute(delete(registry_documents).where(table.kind == kind, table.id == gone))
        rows += [
            {"kind": kind, "id": own, "document": canonical(document)}
            for own, document in wanted[name].items()
            if stood[name].get(own) != document
        ]
    upsert(connection, registry_documents, rows)


def _number(
    connection: Connection, enterprises: Iterable[Enterprise], numbers: dict[PointName, tuple[int, str]]
) -> None:
    new = [
        {"enterprise": enterprise.id, "device": point.device, "point": point.id, "quantity": point.quantity}
        for enterprise in enterprises
        for point in enterprise.every_point()
        if (enterprise.id, point.device, point.id) not in numbers
    ]
    if new:
        connection.execute(points_table.insert(), new)


def _registry(version: int, documents: Documents, numbers: dict[PointName, int]) -> Registry:
    parks = {own: msgspec.convert(document, worked_out(Park)) for own, document in documents["parks"].items()}
    enterprises = {
        own: _numbered(msgspec.convert(document, worked_out(Enterprise)), numbers)
        for own, document in documents["enterprises"].items()
    }
    return Registry(version, parks, enterprises)


def _numbered(enterprise: Enterprise, numbers: dict[PointName, int]) -> Enterprise:
    def numbered(point: Point) -> Point:
        return dataclasses.replace(point, point_id=numbers[enterprise.id, point.device, point.id])

    def with_points(device: Device) -> Device:
        return dataclasses.replace(device, points=tuple(numbered(point) for point in device.points))

    def derived_with_points(derived: Derived) -> Derived:
        return dataclasses.replace(derived, points=tuple(numbered(point) for point in derived.points))

    return dataclasses.replace(
        enterprise,
        devices=tuple(with_points(device) for device in enterprise.devices),
        derived=tuple(derived_with_points(derived) for derived in enterprise.derived),
    )
