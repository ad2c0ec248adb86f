"""The registry as it is kept: whole changes, lasting numbers, frozen snapshots."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, func, select

from collectors.errors import ConfigurationError
from gateway.registry.dumping import dump_registry
from gateway.registry.feeds import feed_of, written_form
from gateway.registry.file_shape import FeedShape
from gateway.registry.knowledge import Knowledge
from gateway.registry.loading import RegistryFile
from gateway.registry.model import Feed
from gateway.registry.repository import RegistryRepository
from gateway.store.database import reading
from gateway.store.schema import registry_versions

PLANT, EMPTY = "91350500M00000000L", "91350500M00000001P"
Read = Callable[..., RegistryFile]


@pytest.fixture
def repository(engine: Engine) -> RegistryRepository:
    return RegistryRepository(engine)


def test_new_database_has_an_empty_registry(repository: RegistryRepository) -> None:
    registry = repository.snapshot()
    assert (registry.version, registry.parks, registry.enterprises) == (0, {}, {})


def test_what_was_applied_is_the_registry(repository: RegistryRepository, read: Read, good: str) -> None:
    file = read(good)
    diff = repository.apply(file, 1000)
    registry = repository.snapshot()
    assert (diff.version, registry.version) == (1, 1)
    assert diff.lines == ("+ parks.quanzhou-demo", f"+ enterprises.{PLANT}", f"+ enterprises.{EMPTY}")
    assert registry.parks == {park.id: park for park in file.parks}
    for enterprise in file.enterprises:
        kept = registry.enterprises[enterprise.id]
        assert dataclasses.replace(kept, devices=()) == dataclasses.replace(enterprise, devices=())
        unnumbered = [dataclasses.replace(point, point_id=0) for point in kept.points()]
        assert unnumbered == enterprise.points()
    numbers = [point.point_id for point in registry.enterprises[PLANT].points()]
    assert len(set(numbers)) == len(numbers) == 8
    assert 0 not in numbers
    assert registry.refs_by_id[numbers[0]].name == "incomer-1.energy_import"


def test_same_file_again_changes_nothing(engine: Engine, repository: RegistryRepository, read: Read, good: str) -> None:
    repository.apply(read(good), 1000)
    before = repository.snapshot()
    again = repository.apply(read(good), 2000)
    assert (again.version, again.lines) == (1, ())
    assert repository.snapshot() is before
    with reading(engine) as connection:
        assert connection.execute(select(func.count()).select_from(registry_versions)).scalar_one() == 1


def test_dry_run_tells_and_does_nothing(repository: RegistryRepository, read: Read, good: str) -> None:
    diff = repository.apply(read(good), 1000, dry_run=True)
    assert len(diff.lines) == 3
    assert (diff.version, repository.snapshot().version) == (0, 0)


def test_diff_names_what_changed(repository: RegistryRepository, read: Read, good: str) -> None:
    repository.apply(read(good), 1000)
    without_products = "".join(line for line in good.splitlines(True) if not line.startswith("  products: "))
    changed = (
        without_products.replace("rated_power_kw: 800", "rated_power_kw: 900")
        .replace("timezone: Asia/Shanghai", "timezone: Asia/Urumqi")
        .replace("- {id: burners,", "- {id: kiln,")
        .replace("consents: [platform]", "consents: []")
    )
    diff = repository.apply(read(changed), 2000)
    assert diff.version == 2
    assert set(diff.lines) >= {
        '~ parks.quanzhou-demo.timezone: "Asia/Shanghai" -> "Asia/Urumqi"',
        f"~ enterprises.{PLANT}.devices.incomer-1.rated_power_kw: 800.0 -> 900.0",
        f"~ enterprises.{PLANT}.devices.incomer-1.points.power.rated_per_hour: 800.0 -> 900.0",
        f"- enterprises.{PLANT}.products.tile",
        f"- enterprises.{PLANT}.sources.burners",
        f"+ enterprises.{PLANT}.sources.kiln",
        f'~ enterprises.{PLANT}.consents: ["platform"] -> []',
    }


def test_enterprises_not_named_stay(repository: RegistryRepository, read: Read, good: str) -> None:
    repository.apply(read(good), 1000)
    only = good.partition(f"- id: {EMPTY}")[0].replace("C3071", "C3072")
    repository.apply(read(only), 2000)
    registry = repository.snapshot()
    assert set(registry.enterprises) == {PLANT, EMPTY}
    assert registry.enterprises[PLANT].industry == "C3072"


def test_retired_leave_and_come_back_with_their_numbers(repository: RegistryRepository, read: Read, good: str) -> None:
    repository.apply(read(good), 1000)
    before = repository.snapshot().enterprises[PLANT].points()
    diff = repository.apply(read(f"enterprises: [{{id: {PLANT}, retired: true}}]"), 2000)
    assert diff.lines == (f"- enterprises.{PLANT}",)
    assert set(repository.snapshot().enterprises) == {EMPTY}
    repository.apply(read(good), 3000)
    assert repository.snapshot().enterprises[PLANT].points() == before


def test_park_with_enterprises_cannot_retire(repository: RegistryRepository, read: Read, good: str) -> None:
    repository.apply(read(good), 1000)
    with pytest.raises(ConfigurationError, match="without its park quanzhou-demo") as caught:
        repository.apply(read("parks: [{id: quanzhou-demo, retired: true}]"), 2000)
    assert len(caught.value.problems) == 2
    assert repository.snapshot().version == 1


def test_point_cannot_change_its_quantity(repository: RegistryRepository, read: Read, good: str) -> None:
    repository.apply(read(good), 1000)
    other = good.replace("quantity: gas_volume,", "quantity: gas_volume_normal,").replace("C13", "C14")
    with pytest.raises(ConfigurationError, match="was gas_volume and cannot become gas_volume_normal"):
        repository.apply(read(other), 2000)
    assert repository.snapshot().enterprises[EMPTY].industry == "C13"


def test_snapshot_of_another_process_follows(engine: Engine, read: Read, good: str) -> None:
    ours, theirs = RegistryRepository(engine), RegistryRepository(engine)
    assert theirs.snapshot().version == 0
    ours.apply(read(good), 1000)
    assert theirs.snapshot() == ours.snapshot()
    assert theirs.snapshot().version == 1


def test_appliers_take_turns(engine: Engine, read: Read, good: str) -> None:
    files = [read(good.replace("area_km2: 1.8", f"area_km2: {number}")) for number in range(1, 6)]
    versions: list[int] = []

    def apply(file: RegistryFile) -> None:
        versions.append(RegistryRepository(engine).apply(file, 1000).version)

    appliers = [threading.Thread(target=apply, args=(file,)) for file in files]
    for applier in appliers:
        applier.start()
    for applier in appliers:
        applier.join(60)
    assert sorted(versions) == [1, 2, 3, 4, 5]


def test_what_is_shown_reads_back_the_same(
    repository: RegistryRepository, read: Read, good: str, knowledge: Knowledge
) -> None:
    repository.apply(read(good), 1000)
    text = dump_registry(repository.snapshot(), knowledge)
    assert repository.apply(read(text), 2000).lines == ()
    assert "points: [energy_import, {id: power" not in text  # flow lists hold plain values only
    assert "[incomer-1.energy_import, -tenant.energy_import" in text or "- -tenant.energy_import" in text
    assert "share: 0.25" in text


def test_one_enterprise_is_shown_with_its_park(
    repository: RegistryRepository, read: Read, good: str, knowledge: Knowledge
) -> None:
    repository.apply(read(good), 1000)
    file = read(dump_registry(repository.snapshot(), knowledge, [EMPTY]))
    assert [park.id for park in file.parks] == ["quanzhou-demo"]
    assert [enterprise.id for enterprise in file.enterprises] == [EMPTY]


def test_profile_that_is_gone_does_not_hinder_showing(
    repository: RegistryRepository, read: Read, good: str, knowledge: Knowledge
) -> None:
    repository.apply(read(good), 1000)
    text = dump_registry(repository.snapshot(), dataclasses.replace(knowledge, profiles={}))
    assert "profile: meter" in text


@given(st.decimals("0.000001", 1, places=6), st.sampled_from([1, -1]))
def test_every_feed_is_written_as_it_is_read(share: object, sign: int) -> None:
    feed = feed_of(FeedShape("a.b", share, sign))  # type: ignore[arg-type]
    written = written_form(feed)
    assert feed_of(written if isinstance(written, str) else FeedShape(**written)) == feed  # type: ignore[arg-type]


def test_plain_feed_has_its_sign_in_front() -> None:
    assert feed_of("-tenant.energy_import") == Feed("tenant", "energy_import", "-1")
    assert written_form(Feed("tenant", "energy_import", "-1")) == "-tenant.energy_import"
