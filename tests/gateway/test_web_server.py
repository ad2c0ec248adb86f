"""The web server around the application: it starts on a free port, and stops at once without a word."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import pytest
from flask import Flask

from gateway.web_server import WebServer


@pytest.fixture
def app() -> Flask:
    made = Flask("probe")
    made.extensions["go_on"], made.extensions["begun"] = threading.Event(), threading.Event()
    made.add_url_rule("/quick", "quick", lambda: "quick")

    made.add_url_rule("/large/<int:size>", "large", lambda size: b"x" * size)

    @made.get("/slow")
    def slow() -> str:
        made.extensions["begun"].set()
        made.extensions["go_on"].wait(10)
        return "slow"

    return made


@pytest.fixture
def server(app: Flask) -> Iterator[WebServer]:
    one = WebServer(app, "127.0.0.1", 0)
    one.start()
    yield one
    app.extensions["go_on"].set()


def connection(server: WebServer) -> http.client.HTTPConnection:
    address = urlsplit(server.url)
    return http.client.HTTPConnection(str(address.hostname), address.port, timeout=10)


def test_stop_takes_no_time_while_kept_connections_are_open(
    server: WebServer, capfd: pytest.CaptureFixture[str]
) -> None:
    kept = [connection(server) for _ in range(5)]
    for one in kept:
        one.request("GET", "/quick")
        assert one.getresponse().read() == b"quick"
    server.stop()
    assert capfd.readouterr().err == ""
    assert not any(thread.name == "web" and thread.is_alive() for thread in threading.enumerate())
    for one in kept:
        one.close()
    address = urlsplit(server.url)
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((address.hostname, address.port))


def test_stopping_right_after_starting_is_silent(app: Flask, capfd: pytest.CaptureFixture[str]) -> None:
    for _ in range(20):
        server = WebServer(app, "127.0.0.1", 0)
        server.start()
        server.stop()
    assert capfd.readouterr().err == ""


def test_stop_waits_for_what_is_being_served(server: WebServer, app: Flask) -> None:
    with closing(connection(server)) as asked:
        asked.request("GET", "/slow")
        assert app.extensions["begun"].wait(30)  # what is not begun when the server stops is not waited for
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        app.extensions["go_on"].set()
        assert asked.getresponse().read() == b"slow"
        stopping.join(10)


def test_stop_lets_an_answer_out_to_the_last_byte(server: WebServer, app: Flask) -> None:
    size = 1_000_000
    address = urlsplit(server.url)
    server._server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    with closing(socket.socket()) as asked:
        asked.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # most of it waits in the server
        asked.connect((address.hostname, address.port))
        asked.settimeout(10)
        asked.sendall(f"GET /large/{size} HTTP/1.0\r\n\r\n".encode())
        came = asked.recv(4096)
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        stopping.join(0.5)  # time enough to cut it off
        while part := asked.recv(65536):
            came += part
        stopping.join(10)
    assert len(came.partition(b"\r\n\r\n")[2]) == size


def test_a_port_that_is_taken_is_an_os_error(server: WebServer, app: Flask) -> None:
    address = urlsplit(server.url)
    with pytest.raises(OSError, match="in use"):
        WebServer(app, str(address.hostname), address.port or 0)
    server.stop()


def test_an_ipv6_address_stands_in_brackets(app: Flask) -> None:
    try:
        server = WebServer(app, "::1", 0)
    except OSError:
        pytest.skip("this machine has no IPv6")
    server.start()
    assert server.url.startswith("http://[::1]:")
    with closing(connection(server)) as asked:
        asked.request("GET", "/quick")
        assert asked.getresponse().read() == b"quick"
    server.stop()
