"""The protocol with servers that cannot be installed here (2.x, 3.x) or misbehave, played by a small HTTP server."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from collectors.errors import StoreRefused, StoreUnavailable
from gateway.store import influx_protocol
from gateway.store.influx_protocol import InfluxServer, has_v2_write, parse_influx_url

TOKEN = "hidden-token"
ROW = tuple[int, float | None, int | None]


@dataclass
class Request:
    method: str
    path: str
    query: dict[str, list[str]]
    authorization: str
    body: bytes


@dataclass
class Played:
    """What the played server answers, by path, and what it was asked."""

    port: int = 0
    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)

    def last(self, path: str) -> Request:
        return next(request for request in reversed(self.requests) if request.path == path)


def handler_for(played: Played) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            authorization = self.headers.get("Authorization", "")
            played.requests.append(Request(self.command, parts.path, parse_qs(parts.query), authorization, body))
            status, headers, content = played.answers.get(parts.path, (404, {}, b"404 page not found\n"))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = answer  # noqa: N815 - names of http.server

        def log_message(self, *_: object) -> None:
            """Keep the tests' output clean."""

    return Handler


@pytest.fixture
def played() -> Iterator[Played]:
    played = Played()
    with ThreadingHTTPServer(("127.0.0.1", 0), handler_for(played)) as server:
        played.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield played
        server.shutdown()
        thread.join()


@pytest.fixture
def server(played: Played) -> Iterator[InfluxServer]:
    url = f"influx://127.0.0.1:{played.port}/?org=my+org&bucket=plant/year&token={TOKEN}"
    opened = InfluxServer(parse_influx_url(url))
    yield opened
    opened.close()


def says(version: str) -> tuple[int, dict[str, str], bytes]:
    return 204, {"X-Influxdb-Version": version}, b""


VERSIONS: list[tuple[str, dict[str, tuple[int, dict[str, str], bytes]], str]] = [
    ("1.6.7", {"/ping": says("1.6.7~rc0")}, "1.6.7~rc0"),
    ("2.7", {"/ping": says("v2.7.11")}, "2.7.11"),
    (
        "2.x by health",
        {"/ping": (204, {}, b""), "/health": (200, {}, b'{"status":"pass","version":"v2.0.9"}')},
        "2.0.9",
    ),
    ("3.x by body", {"/ping": (200, {}, b'{"version":"3.2.1","revision":"abc"}')}, "3.2.1"),
]


@pytest.mark.parametrize(("answers", "version"), [row[1:] for row in VERSIONS], ids=[row[0] for row in VERSIONS])
def test_each_generation_is_recognised(
    played: Played, server: InfluxServer, answers: dict[str, tuple[int, dict[str, str], bytes]], version: str
) -> None:
    played.answers = answers
    assert server.version() == version
    assert played.requests[0].authorization == f"Token {TOKEN}"  # 3.x answers /ping to known callers only


def test_a_stranger_is_not_taken_for_influxdb(played: Played, server: InfluxServer) -> None:
    played.answers = dict.fromkeys(("/ping", "/health", "/query"), (200, {}, b"<html>hello</html>"))
    with pytest.raises(StoreUnavailable, match="not as InfluxDB does"):
        server.version()


@pytest.mark.parametrize(
    ("version", "expected"),
    [("1.6.7~rc0", False), ("1.7.11", False), ("1.8.0", True), ("1.11.8", True), ("2.7.11", True), ("3.0.1", True)],
)
def test_v2_writes_begin_with_1_8(version: str, expected: bool) -> None:
    assert has_v2_write(version) is expected


@pytest.mark.parametrize("version", ["1.8.10", "v2.7.11", "3.2.1"])
def test_newer_servers_get_v2_writes_with_bucket_and_organisation(
    played: Played, server: InfluxServer, version: str
) -> None:
    played.answers = {"/ping": says(version), "/api/v2/write": (204, {}, b"")}
    server.write(b"reading,point=a value=1.0,quality=0i 5")
    request = played.last("/api/v2/write")
    assert request.query == {"org": ["my org"], "bucket": ["plant/year"], "precision": ["ms"]}
    assert request.body == b"reading,point=a value=1.0,quality=0i 5"
    assert request.authorization == f"Token {TOKEN}"


def test_older_servers_get_plain_writes_with_database_and_policy(played: Played, server: InfluxServer) -> None:
    played.answers = {"/ping": says("1.7.11"), "/query": (200, {}, b"{}"), "/write": (204, {}, b"")}
    server.write(b"reading value=1.0 5")
    assert played.last("/write").query == {"db": ["plant"], "rp": ["year"], "precision": ["ms"]}
    assert b"CREATE+DATABASE+%22plant%22" in played.last("/query").body


REFUSALS = [
    (400, StoreRefused, "refuses these lines"),
    (413, StoreRefused, "refuses these lines"),
    (422, StoreRefused, "refuses these lines"),
    (401, StoreUnavailable, "check TANMAI_TIMESERIES"),
    (403, StoreUnavailable, "read and write access"),
    (404, StoreUnavailable, "does not exist"),
    (429, StoreUnavailable, "overloaded"),
    (500, StoreUnavailable, "server's log"),
    (503, StoreUnavailable, "server's log"),
    (307, StoreUnavailable, "try again later"),
]


@pytest.mark.parametrize("version", ["1.6.7", "2.7.11"])
@pytest.mark.parametrize(("status", "error", "advice"), REFUSALS, ids=[str(row[0]) for row in REFUSALS])
def test_only_wrong_data_is_refused_and_everything_else_can_be_tried_again(
    played: Played, server: InfluxServer, version: str, status: int, error: type[Exception], advice: str
) -> None:
    complaint = f'{{"code":"x","message":"partial write: line 3 of {TOKEN}"}}'.encode()
    answer = (status, {"Content-Type": "application/json", "Location": "http://127.0.0.1:1/"}, complaint)
    played.answers = {"/ping": says(version), "/write": answer, "/api/v2/write": answer}
    with pytest.raises(error, match=advice) as caught:
        server.write(b"reading value=1.0 5")
    assert "partial write: line 3 of …" in str(caught.value)
    assert TOKEN not in str(caught.value)


def test_a_server_that_comes_back_as_another_generation_is_recognised(played: Played, server: InfluxServer) -> None:
    played.answers = {"/ping": says("1.7.11"), "/write": (204, {}, b"")}
    server.write(b"reading value=1.0 5")
    played.answers = {"/ping": says("v2.7.11"), "/write": (503, {}, b""), "/api/v2/write": (204, {}, b"")}
    with pytest.raises(StoreUnavailable):
        server.write(b"reading value=1.0 6")
    server.write(b"reading value=1.0 6")
    assert played.requests[-1].path == "/api/v2/write"


def piece(values: str, rest: str = "") -> bytes:
    return (
        '{"results":[{"statement_id":0,"series":[{"name":"reading","tags":{"point":"a,-0,b"},'
        f'"columns":["time","value","quality"],"values":[{values}]{rest}}}]{rest}}}]}}\n'
    ).encode()


def test_an_answer_in_pieces_is_read_to_its_end(played: Played, server: InfluxServer) -> None:
    pieces = piece("[-5,-0,0],[6,1e+21,1]", ',"partial":true') + piece("[7,null,2]")
    played.answers = {"/ping": says("v2.7.11"), "/query": (200, {}, pieces)}
    series = list(server.query("SELECT 1", ROW))
    assert [one.tags for one in series] == [{"point": "a,-0,b"}] * 2
    assert [row for one in series for row in one.values] == [(-5, 0.0, 0), (6, 1e21, 1), (7, None, 2)]
    assert str(series[0].values[0][1]) == "-0.0"
    form = parse_qs(played.last("/query").body.decode())
    assert form["db"] == ["plant"] and form["rp"] == ["year"] and form["epoch"] == ["ms"] and form["q"] == ["SELECT 1"]


BROKEN: list[tuple[str, tuple[int, dict[str, str], bytes], str]] = [
    ("cut off", (200, {"Content-Length": "9999", "Connection": "close"}, piece("[1,1.0,0]")), "connection broke"),
    ("no JSON", (200, {}, b"<html>proxy</html>"), "cannot be read"),
    ("wrong types", (200, {}, piece('["1970-01-01",1.0,0]')), "cannot be read"),
    ("error", (200, {}, b'{"results":[{"statement_id":0,"error":"timeout"}]}'), "cannot answer: timeout"),
    ("no mapping", (200, {}, b'{"error":"database not found: plant"}'), "cannot answer: database not found"),
    ("locked", (401, {}, b'{"error":"unauthorized"}'), "check TANMAI_TIMESERIES"),
]


@pytest.mark.parametrize(("answer", "says_what"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_an_answer_that_is_not_whole_is_never_taken_for_one(
    played: Played, server: InfluxServer, answer: tuple[int, dict[str, str], bytes], says_what: str
) -> None:
    played.answers = {"/ping": says("v2.7.11"), "/query": answer}
    with pytest.raises(StoreUnavailable, match=says_what):
        list(server.query("SELECT 1", ROW))


def test_a_silent_server_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(influx_protocol, "ANSWER_TIMEOUT_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        server = InfluxServer(parse_influx_url(f"influx://127.0.0.1:{silent.getsockname()[1]}/?bucket=b"))
        with pytest.raises(StoreUnavailable, match="no answer within"):
            server.version()
        server.close()
