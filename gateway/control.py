"""How a command reaches the gateway's operations: through a running server, or directly when none runs.

A server writes `DATA_DIR/control.json` (mode 0600): its address and a token made anew at each start. Whoever may read
the data directory may operate it, so the file is as strong as the data it guards. A file left behind by a killed
server is ignored, also when another server has its port by now: that one does not know the token.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import secrets
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from collectors.errors import ConfigurationError, Problem, TanmaiError
from gateway.settings import Settings

PROBE_TIMEOUT_S = 3.0
# A first roll-up of years of data takes minutes; the server's own work has its own limits.
CALL_TIMEOUT_S = 3600.0


class OperationFailed(TanmaiError):
    """An operation was refused; the message is meant for the person who asked."""

    def __init__(self, message: str, *, check_failed: bool = False) -> None:
        super().__init__(message)
        self.check_failed = check_failed  # True: something is broken; False: it was asked for what cannot be


class CallOperation(Protocol):
    """`call("rollup", until="…")` -> the operation's answer as JSON values; raises OperationFailed."""

    def __call__(self, name: str, /, **arguments: Any) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class ControlFile:
    """Address and token of the server that owns a data directory."""

    url: str
    token: str

    def write(self, data_path: Path) -> None:
        write_private(data_path / "control.json", json.dumps({"url": self.url, "token": self.token}))

    @classmethod
    def read(cls, data_path: Path) -> ControlFile | None:
        try:
            document = json.loads((data_path / "control.json").read_text(encoding="utf-8"))
            return cls(str(document["url"]), str(document["token"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def answers(self) -> bool:
        """Whether the server that wrote this file runs: only it knows the token."""
        request = urllib.request.Request(f"{self.url}/api/v1/operations", headers=self.headers)
        try:
            with urllib.request.urlopen(request, timeout=PROBE_TIMEOUT_S) as reply:  # our own loopback
                return bool(reply.status == 200)
        except (OSError, http.client.HTTPException, ValueError):
            return False

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read; whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def kept_secret(path: Path) -> str:
    """A random secret that is made once and kept, readable by its owner only."""
    if not path.exists():
        write_private(path, secrets.token_urlsafe(32))
    return path.read_text(encoding="utf-8").strip()


@contextlib.contextmanager
def operations(settings: Settings) -> Iterator[CallOperation]:
    """The operations of the gateway that owns this data directory."""
    control = ControlFile.read(settings.data_path)
    if control is not None and control.answers():
        yield RemoteOperations(control)
        return
    from gateway.wiring import build  # heavy: databases and frames, not needed beside a running server

    house = build(settings)
    try:
        yield house.operations.call
    finally:
        house.close()


@dataclass(frozen=True, slots=True)
class RemoteOperations:
    """Calls `POST /api/v1/operations/<name>` of a running server."""

    control: ControlFile

    def __call__(self, name: str, /, **arguments: Any) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{self.control.url}/api/v1/operations/{name}",
            data=json.dumps(arguments).encode(),
            headers={**self.control.headers, "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=CALL_TIMEOUT_S) as reply:
                answer = json.load(reply)
        except urllib.error.HTTPError as error:
            raise _failure(error) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise OperationFailed(
                f"the server at {self.control.url} did not answer: {error}. Try again, or look at its log.",
                check_failed=True,
            ) from error
        if not isinstance(answer, dict):
            raise OperationFailed(f"the server at {self.control.url} gave no answer to {name}", check_failed=True)
        return answer


def _failure(error: urllib.error.HTTPError) -> TanmaiError:
    """The error that the operation would have raised here."""
    try:
        problem: Mapping[str, Any] = json.load(error)
    except ValueError:
        problem = {}
    if problem.get("errors"):
        return ConfigurationError([Problem(**one) for one in problem["errors"]])
    message = str(problem.get("detail") or problem.get("title") or f"the server answered {error.code}")
    return OperationFailed(message, check_failed=error.code >= 500 or bool(problem.get("check_failed")))
