"""Which form a batch travels in: what the gateway announced on this connection, and back to JSON without a loss."""

from __future__ import annotations

from typing import Any

import pytest

from collectors.reading import batch_from_readings
from collectors.wire import ReasonCount, Receipt, encode_batch
from edge_agent.forms import FormChoice


@pytest.fixture
def batch(make_readings: Any, now_ms: int) -> bytes:
    return encode_batch(batch_from_readings("01A", now_ms, make_readings(50)))


def said(*reads: str) -> Receipt:
    return Receipt("00", "stored", 1, reads=reads)


def refused(batch: str, reason: str = "undecodable", *reads: str) -> Receipt:
    return Receipt(batch, "rejected", 0, 1, (ReasonCount(reason, 1),), reads=reads)


def packing(*reads: str, wanted: str = "auto") -> FormChoice:
    choice = FormChoice(wanted)
    choice.connected(may_pack=True)
    assert choice.heard(said(*reads))
    return choice


def test_plain_json_until_the_gateway_said_more(batch: bytes) -> None:
    choice = FormChoice()
    choice.connected(may_pack=True)
    assert choice.form_for(batch).name == "json"
    choice.heard(said("msgpack", "zstd"))
    assert choice.form_for(batch).name == "json+zstd"
    choice.connected(may_pack=True)  # perhaps to another gateway
    assert choice.form_for(batch).name == "json"


@pytest.mark.parametrize(
    ("reads", "wanted", "form"),
    [
        ((), "auto", "json"),
        (("zstd",), "auto", "json+zstd"),
        (("msgpack",), "auto", "msgpack"),
        (("msgpack", "zstd", "later"), "auto", "json+zstd"),
        (("msgpack", "zstd"), "msgpack+zstd", "msgpack+zstd"),
        (("zstd",), "msgpack+zstd", "json"),
        (("msgpack", "zstd"), "json", "json"),
    ],
)
def test_best_of_what_both_know(batch: bytes, reads: tuple[str, ...], wanted: str, form: str) -> None:
    assert packing(*reads, wanted=wanted).form_for(batch).name == form


def test_mqtt_311_stays_with_json(batch: bytes) -> None:
    choice = FormChoice()
    choice.connected(may_pack=False)
    choice.heard(said("msgpack", "zstd"))
    assert choice.form_for(batch).name == "json"


def test_small_batch_is_not_packed() -> None:
    assert packing("zstd").form_for(b'{"batch":"01A"}').name == "json"


@pytest.mark.parametrize("named", ["01A", ""])
def test_gateway_that_cannot_read_a_packed_batch_gets_json_and_the_batch_is_not_given_up(
    batch: bytes, named: str
) -> None:
    choice = packing("zstd")
    assert choice.form_for(batch).name == "json+zstd"
    assert not choice.heard(refused(named))
    assert choice.form_for(batch).name == "json"
    choice.heard(said("zstd"))  # a sister gateway says otherwise: one that cannot read it is enough
    assert choice.form_for(batch).name == "json"
    assert choice.heard(refused("01A"))  # refused as JSON: that stands


def test_other_refusals_are_the_batchs_own(batch: bytes) -> None:
    choice = packing("zstd")
    choice.form_for(batch)
    assert choice.heard(refused("01A", "unknown_agent", "zstd"))
    assert choice.heard(refused("01B", "undecodable", "zstd"))
    assert choice.form_for(batch).name == "json+zstd"
