"""Accounts in the words of each broker."""

from __future__ import annotations

import pytest

from gateway.broker.accounts import (
    agent_account,
    gateway_account,
    mosquitto_acl,
    mosquitto_passwords,
    nats_subject,
    nats_users,
    password_hash,
)


@pytest.mark.parametrize(
    ("topic", "subject"),
    [
        ("tanmai/v1/E/edge-1/readings", "tanmai.v1.E.edge-1.readings"),
        ("tanmai/v1/E/+/telemetry", "tanmai.v1.E.*.telemetry"),
        ("tanmai/v1/#", "tanmai.v1.>"),
        ("a.b/c", "a//b.c"),
    ],
)
def test_topic_is_spelled_as_nats_does(topic: str, subject: str) -> None:
    assert nats_subject(topic) == subject


@pytest.mark.parametrize("name", ["", "a/b", "+", "edge+1", "#", "a b", "a\nb", "a:b", 'a"b', "x" * 65])
def test_name_that_could_widen_an_account_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be part of a topic"):
        agent_account("91350500M00000000Y", name, "hash hash")
    with pytest.raises(ValueError, match="cannot be part of a topic"):
        agent_account(name, "edge-1", "hash hash")


def test_hash_fits_its_column_and_is_salted() -> None:
    first, second = password_hash("secret"), password_hash("secret")
    assert first != second
    assert len(first) <= 256
    assert "secret" not in first


def test_files_name_every_account() -> None:
    accounts = [gateway_account("$7$x $2b$y"), agent_account("E", "edge-1", "$7$a $2b$b")]
    assert mosquitto_passwords(accounts) == "tanmai-gateway:$7$x\nE/edge-1:$7$a\n"
    acl = mosquitto_acl(accounts)
    assert "user E/edge-1\ntopic write tanmai/v1/E/edge-1/readings\n" in acl
    assert "topic read tanmai/v1/E/edge-1/receipts" in acl
    assert '"password": "$2b$b"' in nats_users(accounts)
