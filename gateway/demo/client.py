"""How the demo talks to its gateway: the same HTTP calls that any device or business system makes.

What stays true: a gateway under pressure (429, 503) is asked again after the time it names, up to `PATIENCE_S`; any
other refusal is raised with what the gateway said.
"""

from __future__ import annotations

import http.client
import json
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any

from collectors.clock import monotonic_s
from collectors.errors import TanmaiError

TIMEOUT_S = 60.0
PATIENCE_S = 300.0
_BUSY = (429, 503)


class Refused(TanmaiError):
    """The gateway did not do what was asked."""


class Stopped(TanmaiError):
    """The demo is being stopped; nothing is wrong."""


@dataclass(frozen=True)
class GatewayClient:
    """Calls of one gateway. `stop` ends waiting early."""

    url: str
    stop: threading.Event = field(default_factory=threading.Event)

    def is_ready(self) -> bool:
        """Whether /readyz says that everything answers."""
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as reply:
                return bool(reply.status == 200)
        except (OSError, http.client.HTTPException):
            return False

    def post(self, path: str, token: str, body: bytes, content_type: str = "application/json") -> dict[str, Any]:
        """POST and give the JSON answer; raises Refused, or Stopped once the demo is being stopped."""
        until_s = monotonic_s() + PATIENCE_S
        headers = {"Authorization": f"Bearer {token}", "Content-Type": content_type}
        while not self.stop.is_set():
            request = urllib.request.Request(self.url + path, data=body, headers=headers)
            try:
                with urllib.request.urlopen(request, timeout=TIMEOUT_S) as reply:
                    answer: dict[str, Any] = json.load(reply)
                    return answer
            except urllib.error.HTTPError as error:
                wait_s = _retry_after_s(error)
                if wait_s is None or monotonic_s() + wait_s > until_s:
                    raise Refused(f"POST {path}: {error.code} {_detail(error)}") from error
            except (OSError, http.client.HTTPException, ValueError) as error:
                raise Refused(f"POST {path}: the gateway did not answer: {error}") from error
            self.stop.wait(wait_s)
        raise Stopped


def _retry_after_s(error: urllib.error.HTTPError) -> float | None:
    """Seconds to wait before asking again; None = asking again would change nothing."""
    if error.code not in _BUSY:
        return None
    text = error.headers.get("Retry-After", "1")
    return float(text) if text.isdigit() else 1.0


def _detail(error: urllib.error.HTTPError) -> str:
    """The problem document (RFC 9457) in words, or the start of whatever came."""
    body = error.read()
    try:
        problem = json.loads(body)
        return str(problem.get("detail") or problem.get("title"))
    except (ValueError, AttributeError):
        return body[:200].decode("utf-8", "replace")
