"""Tokens: shown once, kept as hashes, ended at once."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import Engine, text

from collectors.errors import ConfigurationError
from gateway.access import ROLES, Access
from gateway.store.database import reading
from gateway.store.token_repository import TokenRepository

PLANT = "91350500M00000000L"
SUBJECTS = {
    "device": f"{PLANT}/edge-1",
    "enterprise": PLANT,
    "park": "quanzhou-demo",
    "platform": "finance",
    "admin": "",
}


@pytest.fixture
def access(engine: Engine) -> Access:
    return Access(TokenRepository(engine), lambda password: f"broker:{len(password)}")


@pytest.mark.parametrize("role", ROLES)
def test_token_says_who_is_calling(access: Access, role: str) -> None:
    token = access.issue(role, SUBJECTS[role], 1000)
    principal = access.authenticate(token)
    assert principal is not None
    assert (principal.role, principal.subject) == (role, SUBJECTS[role])
    assert f"tm_{principal.token_id}_" in token
    assert principal.enterprise == (PLANT if role in ("device", "enterprise") else None)
    assert principal.agent == ("edge-1" if role == "device" else None)


def test_secret_is_nowhere_in_the_database(access: Access, engine: Engine) -> None:
    secret = access.issue("device", SUBJECTS["device"], 1000).split("_")[2]
    with reading(engine) as connection:
        kept = str(connection.execute(text("SELECT * FROM tokens")).all())
    assert "broker:84" in kept
    assert secret not in kept


def test_only_devices_are_known_to_the_broker(access: Access) -> None:
    for role in ROLES:
        access.issue(role, SUBJECTS[role], 1000)
    assert {token.role for token in access.tokens() if token.broker_hash} == {"device"}


def test_tokens_are_never_alike(access: Access) -> None:
    tokens = {access.issue("admin", "", 1000) for _ in range(20)}
    assert len({token.split("_")[1] for token in tokens}) == len({token.split("_")[2] for token in tokens}) == 20
    assert all(re.fullmatch(r"tm_[0-9a-f]{16}_[0-9a-f]{64}", token) for token in tokens)


def test_any_other_text_is_nobody(access: Access) -> None:
    token = access.issue("admin", "", 1000)
    other = access.issue("admin", "", 1000)
    head, own_id, secret = token.split("_")
    spoiled = f"{secret[:-1]}{'0' if secret[-1] != '0' else '1'}"
    wrong = [
        "",
        "tm_",
        secret,
        f"{head}_{own_id}_",
        f"{head}_{own_id}_{spoiled}",
        f"{token} ",
        f"{token}\n",
        token.upper(),
    ]
    wrong += [f"{head}_{own_id}_{other.split('_')[2]}", f"{head}_{'0' * 16}_{secret}", f"{head}_{own_id}_{secret}é"]
    assert [access.authenticate(text) for text in wrong] == [None] * len(wrong)
    assert access.authenticate(token) is not None


def test_revoked_token_is_nobody_at_once(access: Access) -> None:
    token, other = access.issue("admin", "", 1000), access.issue("park", "quanzhou-demo", 1001)
    principal = access.authenticate(token)
    assert principal is not None
    assert access.revoke(principal.token_id, 2000)
    assert not access.revoke(principal.token_id, 3000)
    assert not access.revoke("0" * 16, 3000)
    assert access.authenticate(token) is None
    assert access.authenticate(other) is not None
    assert [(listed.role, listed.revoked_at_ms) for listed in access.tokens()] == [("admin", 2000), ("park", None)]


def test_tokens_in_force_can_be_listed_by_role(access: Access, engine: Engine) -> None:
    for agent in ("edge-1", "edge-2"):
        access.issue("device", f"{PLANT}/{agent}", 1000)
    access.issue("admin", "", 1000)
    first = next(token for token in access.tokens() if token.subject.endswith("edge-1"))
    access.revoke(first.id, 2000)
    assert [token.subject for token in TokenRepository(engine).tokens("device", revoked=False)] == [f"{PLANT}/edge-2"]


@pytest.mark.parametrize(
    ("role", "subject"),
    [
        ("root", ""),
        ("admin", "me"),
        ("device", PLANT),
        ("device", f"{PLANT}/"),
        ("device", f"{PLANT}/a/b"),
        ("device", f"{PLANT}/#"),
        ("enterprise", "steel mill"),
        ("park", ""),
        ("platform", "+"),
    ],
)
def test_subject_that_cannot_be_one_is_refused(access: Access, role: str, subject: str) -> None:
    with pytest.raises(ConfigurationError):
        access.issue(role, subject, 1000)
    assert access.tokens() == []
