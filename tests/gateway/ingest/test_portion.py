"""Who takes what when several processes share the load."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.errors import ConfigurationError
from gateway.ingest.portion import WHOLE, Portion
from gateway.settings import load_settings

KINDS = ("readings", "telemetry", "status")
CITY_SERVERS = {
    "TANMAI_MQTT_URL": "mqtt://broker",
    "TANMAI_TIMESERIES": "influx://influx:8086/?bucket=readings",
    "TANMAI_DATABASE_URL": "postgresql+psycopg://tanmai@/tanmai",
}


def test_alone_a_process_takes_everything_plainly() -> None:
    assert Portion.of("", "") == WHOLE
    assert WHOLE.is_whole and WHOLE.takes("anybody")
    assert WHOLE.filters(KINDS) == [f"tanmai/v1/+/+/{kind}" for kind in KINDS]
    assert WHOLE.stale_filters(KINDS) == []


def test_a_group_shares_readings_and_telemetry_and_leaves_its_plain_subscriptions() -> None:
    city = Portion.of("city", "")
    assert city.filters(KINDS) == [
        "$share/city/tanmai/v1/+/+/readings",
        "$share/city/tanmai/v1/+/+/telemetry",
        "tanmai/v1/+/+/status",
    ]
    assert city.stale_filters(KINDS) == ["tanmai/v1/+/+/readings", "tanmai/v1/+/+/telemetry"]
    assert city.takes("anybody") and not city.is_whole


@given(enterprise=st.text(max_size=20), shards=st.integers(1, 20))
def test_each_enterprise_falls_to_exactly_one_shard(enterprise: str, shards: int) -> None:
    takers = [Portion.of("", f"{shard}/{shards}").takes(enterprise) for shard in range(1, shards + 1)]
    assert takers.count(True) == 1


def test_an_enterprise_stays_with_its_shard_for_good() -> None:
    assert [Portion.of("", f"{shard}/3").takes("91350500M00000000Y") for shard in (1, 2, 3)] == [False, True, False]


@pytest.mark.parametrize(
    ("share", "shard", "wrong"),
    [
        ("a/b", "", "no name of a group"),
        ("#", "", "no name of a group"),
        ("", "2", "write 1/2"),
        ("", "0/2", "write 1/2"),
        ("", "3/2", "write 1/2"),
        ("", "1/0", "write 1/2"),
        ("city", "1/2", "not both"),
    ],
)
def test_what_cannot_be_a_portion_is_said(share: str, shard: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        Portion.of(share, shard)


@pytest.mark.parametrize("portion", [{"TANMAI_INGEST_SHARE": "city"}, {"TANMAI_INGEST_SHARD": "1/2"}])
def test_several_processes_need_servers_that_several_may_write_to(tmp_path: Path, portion: dict[str, str]) -> None:
    own = {"TANMAI_DATA_DIR": str(tmp_path), **portion}
    assert load_settings(own | CITY_SERVERS)
    with pytest.raises(ConfigurationError) as caught:
        load_settings(own)
    said = str(caught.value)
    assert "a DuckDB file belongs to one process: set TANMAI_TIMESERIES" in said
    assert "PostgreSQL, shared by all of them: set TANMAI_DATABASE_URL" in said
    assert "a broker that all reach: set TANMAI_MQTT_URL" in said
