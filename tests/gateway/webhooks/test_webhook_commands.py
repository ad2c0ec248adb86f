"""The commands and operations: what is refused, and what is shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.webhooks.cli import webhooks


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TANMAI_DATA_DIR", str(tmp_path / "var"))

    def invoked(*words: str):
        return CliRunner().invoke(webhooks, list(words))

    return invoked


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://platform.example/x", "https only"),
        ("ftp://127.0.0.1/x", "https only"),
        ("https://user:word@platform.example/x", "without a user name"),
        ("https://", "write https://host/path"),
        ("https://[::1", "no address"),
    ],
)
def test_an_address_that_accounts_must_not_go_to_is_refused(run, url: str, why: str) -> None:
    answer = run("create", "quanzhou", url)
    assert answer.exit_code == 2
    assert why in " ".join(answer.output.split())


def test_a_webhook_is_made_listed_resumed_and_deleted_and_its_secret_is_shown_once(run) -> None:
    made = run("create", "quanzhou", "https://platform.example/tanmai", "--after", "7")
    webhook, secret = made.output.split()[0], made.output.split()[-1]
    assert made.exit_code == 0, made.output
    assert secret.startswith("whsec_")
    listed = run("list").output
    assert webhook in listed
    assert "fine" in listed
    assert secret not in listed
    assert run("resume", webhook).exit_code == 0
    assert run("delete", webhook).exit_code == 0
    again = run("delete", webhook)
    assert again.exit_code == 2
    assert "tanmai webhooks list" in again.output
    assert run("create", "no spaces here", "https://platform.example/").exit_code == 2
    assert run("create", "q", "https://platform.example/", "--after", "-1").exit_code == 2
