"""The web server of one process: waitress in a thread of its own. The only file that knows it.

What stays true: the port is bound when the constructor returns; `stop` lets requests that are being served end and
their answers out, each within STOP_S, and returns when the port is free. Everything the server's loop owns is closed
by the loop itself: closed from outside, the loop would wait on a number that is no longer a socket, or on somebody
else's.
Limits: WEB_THREADS requests at once, CONNECTION_LIMIT connections, bodies of MAX_BODY_BYTES (calls check their own).
What of an answer a slow caller has not taken yet waits in memory up to ANSWER_BYTES a connection, beyond in a file.
"""

from __future__ import annotations

import socket
import threading
from typing import Any

from flask import Flask
from waitress import create_server, wasyncore
from waitress.trigger import trigger

from collectors.clock import monotonic_s

WEB_THREADS = 8
CONNECTION_LIMIT = 256
MAX_BODY_BYTES = 64 * 1024 * 1024
ANSWER_BYTES = 2 * 1024 * 1024  # a page of 500 accounts is 1.2 MB
STOP_S = 5.0


class WebServer:
    """Serves an application from `start` to `stop`."""

    def __init__(self, app: Flask, host: str, port: int) -> None:
        """Bind; raises OSError if the address cannot be had. Port 0: any free one."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family)
        named = f"[{host}]" if ":" in host else host
        self.url = f"http://{named}:{listening.getsockname()[1]}"
        self._loop_owns: dict[int, Any] = {}
        self._server = create_server(
            app,
            map=self._loop_owns,
            sockets=[listening],
            threads=WEB_THREADS,
            connection_limit=CONNECTION_LIMIT,
            max_request_body_size=MAX_BODY_BYTES,
            outbuf_overflow=ANSWER_BYTES,
            asyncore_use_poll=True,  # `select` knows no file number beyond 1023, and the stores hold many
            ident=None,
        )
        self._thread = threading.Thread(target=self._server.run, name="web", daemon=True)

    def start(self) -> None:
        """Serve from now on."""
        self._thread.start()

    def stop(self) -> None:
        """End what is being served, then close everything."""
        self._server.task_dispatcher.shutdown(timeout=STOP_S)
        self._let_answers_out()
        wake = next(one for one in self._loop_owns.values() if isinstance(one, trigger))
        with wake.lock:  # until the pipe is written to: the loop, awake for another reason, would close it before
            wake.thunks.append(lambda: wasyncore.close_all(self._loop_owns, ignore_all=True))
            wake.pull_trigger()
        self._thread.join(STOP_S)

    def _let_answers_out(self) -> None:
        """The loop sends what was answered; a caller that does not read is waited for no longer than STOP_S."""
        deadline_s = monotonic_s() + STOP_S
        while monotonic_s() < deadline_s and any(
            getattr(one, "total_outbufs_len", 0) for one in list(self._loop_owns.values())
        ):
            self._thread.join(0.01)
