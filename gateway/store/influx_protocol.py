"""How to speak with an InfluxDB server of any generation. The only file that knows influxdb-client and urllib3.

| server             | write                                      | read                                         |
|--------------------|--------------------------------------------|----------------------------------------------|
| 1.x older than 1.8 | POST /write                                | InfluxQL over POST /query                    |
| 1.8 and later 1.x  | POST /api/v2/write (influxdb-client)       | the same                                     |
| 2.x                | the same                                   | the same; db and rp find the bucket (below)  |
| 3.x                | the same                                   | the same                                     |

InfluxQL is the one language of all of them. On 2.x a query names a database and a retention policy, which a DBRP
mapping leads to a bucket. From 2.4 on the server derives it from the bucket's name, `database` or `database/policy`
(InfluxData, "Database and retention policy mapping"); an older 2.x needs it once by hand:
`influx v1 dbrp create --db NAME --rp autogen --default --bucket-id ID`.

What stays true:
- Writes are synchronous: when `write` returns, the server has confirmed every line. influxdb-client's batching mode
  is not used, because it lost points without an exception.
- Every trouble is one of ours: StoreRefused only if the server says that these very lines are wrong, else
  StoreUnavailable. A refused token is a matter of settings: the readings are fine and are kept.
- Token and password go into one header and into no message.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import msgspec
import urllib3
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException

from collectors.errors import ConfigurationError, StoreError, StoreRefused, StoreUnavailable
from collectors.message_types import worked_out

CONNECT_TIMEOUT_S = 5
ANSWER_TIMEOUT_S = 30
CONNECTIONS = 8
DEFAULT_PORT = 8086
# Rows per piece of an answer, so that neither side holds a long answer as one text.
ROWS_PER_CHUNK = 20_000
# Of a server's complaint, which may repeat every refused line.
MESSAGE_CHARACTERS = 500

_SCHEMES = {"influx": "http", "influxs": "https"}
_KEYS = ("org", "bucket", "token", "user", "password")
_EXAMPLE = "influx://127.0.0.1:8086/?org=my-org&bucket=tanmai&token=…"
# The server understood and refuses these lines: malformed, of another type, too old for the bucket, too many.
_DATA_REFUSED = frozenset({400, 413, 422})
_ADVICE = {
    401: "the token or password is refused: check TANMAI_TIMESERIES",
    403: "the token may not do this: give it read and write access to the bucket",
    404: "the bucket (1.x: database) does not exist: create it, or check bucket= in TANMAI_TIMESERIES",
    429: "the server is overloaded",
}

# Where servers say their version: all generations at /ping, 2.x also at /health, look-alikes such as VictoriaMetrics
# (writes only) at /query.
_PROBES = ("/ping", "/health", "/query?q=SHOW+DATABASES")
_FORM = "application/x-www-form-urlencoded"

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class InfluxAddress:
    """Where the server is and how to be let in."""

    base: str  # http://host:port
    bucket: str  # 1.x: "database" or "database/retention-policy"
    org: str = "-"  # 2.x only; the others want something there and ignore it
    authorization: str = field(default="", repr=False)  # the header's value
    secret: str = field(default="", repr=False)  # token, or user:password

    @property
    def database(self) -> dict[str, str]:
        """Parameters that name the bucket in the 1.x calls."""
        database, _, policy = self.bucket.partition("/")
        return {"db": database, "rp": policy} if policy else {"db": database}


def parse_influx_url(url: str) -> InfluxAddress:
    """`influx://host:8086/?org=…&bucket=…&token=…`; `influxs` for TLS; for 1.x user and password in place of a token.

    Raises ConfigurationError; no message repeats the address, which holds the token.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or DEFAULT_PORT
        query = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError:
        raise ConfigurationError(f"TANMAI_TIMESERIES is not an address: write {_EXAMPLE}") from None
    if parts.scheme not in _SCHEMES or not parts.hostname:
        raise ConfigurationError(f"TANMAI_TIMESERIES needs influx:// or influxs:// and a host: write {_EXAMPLE}")
    unknown = sorted(set(query) - set(_KEYS))
    if unknown or not query.get("bucket"):
        wrong = f"does not know {', '.join(unknown)}" if unknown else "lacks bucket="
        raise ConfigurationError(f"TANMAI_TIMESERIES {wrong}: it takes {', '.join(_KEYS)}, as in {_EXAMPLE}")
    user = query.get("user") or unquote(parts.username or "")
    password = query.get("password") or unquote(parts.password or "")
    login, token = f"{user}:{password}" if user else "", query.get("token", "")
    basic = f"Basic {b64encode(login.encode()).decode()}" if login else ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return InfluxAddress(
        base=f"{_SCHEMES[parts.scheme]}://{host}:{port}",
        bucket=query["bucket"],
        org=query.get("org") or "-",
        authorization=f"Token {token}" if token else basic,
        secret=token or login,
    )


class Series(msgspec.Struct, Generic[Row]):
    """One series, or a piece of one, of an answer."""

    values: list[Row] = []
    tags: dict[str, str] = {}


class _Result(msgspec.Struct, Generic[Row]):
    series: list[Series[Row]] = []
    error: str = ""


class _Answer(msgspec.Struct, Generic[Row]):
    results: list[_Result[Row]] = []
    error: str = ""


class InfluxServer:
    """One server and its generation, found out at the first call. Safe to call from any thread."""

    def __init__(self, address: InfluxAddress) -> None:
        self._address = address
        self._headers = {"Authorization": address.authorization} if address.authorization else {}
        self._pool = urllib3.PoolManager(
            maxsize=CONNECTIONS,
            retries=False,  # repeating is the caller's decision; redirects would carry the token elsewhere
            timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=ANSWER_TIMEOUT_S),
        )
        self._client = InfluxDBClient(
            url=address.base,
            token=address.secret or "-",
            org=address.org,
            timeout=(CONNECT_TIMEOUT_S * 1000, ANSWER_TIMEOUT_S * 1000),
            connection_pool_maxsize=CONNECTIONS,
        )
        self._v2_writer = self._client.write_api(write_options=SYNCHRONOUS)
        self._version = ""  # "" until found out, and again after trouble: the server may come back as another

    def version(self) -> str:
        """What the server calls itself, such as 1.6.7~rc0 or 2.7.11; asks it every time."""
        for probe in _PROBES:
            version = _version_of(self._exchange("GET", probe))
            if version:
                return version
        raise StoreUnavailable(f"{self._address.base} answers, but not as InfluxDB does: check TANMAI_TIMESERIES")

    def write(self, lines: bytes) -> None:
        """Line protocol with times in milliseconds; the server has confirmed every line on return."""
        if has_v2_write(self._known_version()):
            with self._translated():
                self._v2_writer.write(self._address.bucket, record=lines, write_precision="ms")  # type: ignore[arg-type]
        else:
            parameters = urlencode({**self._address.database, "precision": "ms"})
            self._exchange("POST", f"/write?{parameters}", lines)

    def query(self, influxql: str, row: Any) -> Iterator[Series[Any]]:
        """Series of one InfluxQL statement, in pieces in the server's order; times are epoch milliseconds.

        `row` is the type of a row, such as tuple[int, float]: what the server sends is checked against it.
        """
        self._known_version()
        shape = worked_out(_Answer[row])
        form = {"q": influxql, "epoch": "ms", "chunked": "true", "chunk_size": str(ROWS_PER_CHUNK)}
        body = urlencode({**self._address.database, **form}).encode()
        with self._translated():
            response = self._send("POST", "/query", body, _FORM, streamed=True)
            try:
                self._raise_for_status(response)
                for line in response:
                    yield from self._series(line, shape)
            finally:
                response.drain_conn()  # what is left of an answer given up would be taken for the next one
                response.release_conn()

    def delete(self, influxql: str) -> None:
        """Run a DELETE. Raises StoreRefused for another generation than 1.x, which has none in InfluxQL."""
        version = self._known_version()
        if not version.startswith("1."):
            raise StoreRefused(
                self._named(f"version {version} cannot delete by point: let the server's own retention drop readings")
            )
        body = urlencode({"q": influxql, **self._address.database}).encode()
        with self._translated():
            response = self._send("POST", "/query", body, _FORM)
            self._raise_for_status(response)
        for line in response.data.splitlines():
            self._series(line, worked_out(_Answer[Any]))

    def close(self) -> None:
        """Close the connections."""
        self._v2_writer.close()  # type: ignore[no-untyped-call]
        self._client.close()  # type: ignore[no-untyped-call]
        self._pool.clear()

    def _known_version(self) -> str:
        if not self._version:
            version = self.version()
            if version.startswith("1."):
                self._create_database()
            self._version = version
        return self._version

    def _create_database(self) -> None:
        """On 1.x a database is made by saying so, and saying it again changes nothing. Buckets are the operator's."""
        name = self._address.database["db"].replace("\\", "\\\\").replace('"', '\\"')
        body = urlencode({"q": f'CREATE DATABASE "{name}"'}).encode()
        with self._translated():
            # Whatever it answers: a user who may not create may still write into what an administrator made, and if
            # the database is missing or the password wrong, the next call says so.
            self._send("POST", "/query", body, _FORM)

    def _series(self, line: bytes, shape: Any) -> list[Series[Any]]:
        answer = _decode(line, shape)
        error = answer.error or next((result.error for result in answer.results if result.error), "")
        if error:
            raise StoreUnavailable(self._named(f"cannot answer: {error}"))
        return [series for result in answer.results for series in result.series]

    def _exchange(self, method: str, target: str, body: bytes = b"") -> urllib3.BaseHTTPResponse:
        with self._translated():
            response = self._send(method, target, body, "text/plain; charset=utf-8")
            self._raise_for_status(response)
            return response

    def _send(
        self, method: str, target: str, body: bytes, content_type: str, streamed: bool = False
    ) -> urllib3.BaseHTTPResponse:
        headers = {**self._headers, "Content-Type": content_type}
        url = self._address.base + target
        return self._pool.request(method, url, body=body, headers=headers, preload_content=not streamed)

    def _raise_for_status(self, response: urllib3.BaseHTTPResponse) -> None:
        if response.status >= 300:
            raise self._trouble(response.status, response.data)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Errors of urllib3 and influxdb-client, named after what the caller should do."""
        try:
            yield
        except ApiException as error:
            self._version = ""
            raise self._trouble(error.status or 0, (error.body or error.reason or "")) from None
        except urllib3.exceptions.HTTPError as error:
            self._version = ""
            reason = _REASONS.get(type(error), type(error).__name__)
            raise StoreUnavailable(self._named(f"does not answer: {reason}. Is it running there?")) from None
        except StoreUnavailable:
            self._version = ""
            raise

    def _trouble(self, status: int, answer: bytes | str) -> StoreError:
        text = _message(answer)
        if status in _DATA_REFUSED:
            return StoreRefused(self._named(f"refuses these lines (HTTP {status}): {text}"))
        advice = _ADVICE.get(status, "try again later, and look into the server's log if it stays")
        return StoreUnavailable(self._named(f"HTTP {status} {text}: {advice}"))

    def _named(self, what: str) -> str:
        """A message with the server's name and without the token, should the server repeat it."""
        text = f"InfluxDB at {self._address.base}, bucket {self._address.bucket}: {what}"
        return text.replace(self._address.secret, "…") if self._address.secret else text


def has_v2_write(version: str) -> bool:
    """Whether this generation takes /api/v2/write: 1.8 and later."""
    numbers = re.match(r"(\d+)\.(\d+)", version)
    return numbers is not None and (int(numbers[1]), int(numbers[2])) >= (1, 8)


def _version_of(response: urllib3.BaseHTTPResponse) -> str:
    """From the header (1.x, 2.x, 3.x at /ping) or a JSON body (3.x at /ping, 2.x at /health)."""
    version = response.headers.get("X-Influxdb-Version", "")
    if not version:
        try:
            version = msgspec.json.decode(response.data, type=_About).version
        except msgspec.DecodeError:
            return ""
    return version.removeprefix("v")


def _decode(line: bytes, shape: Any) -> _Answer[Any]:
    """One piece of an answer. Go prints negative zero as -0, which JSON readers take for the integer 0."""
    try:
        if b",-0," in line:
            answer: _Answer[Any] = msgspec.convert(json.loads(line, parse_int=_integer_or_negative_zero), shape)
        else:
            answer = msgspec.json.decode(line, type=shape)
        return answer
    except (msgspec.DecodeError, ValueError) as error:
        raise StoreUnavailable(f"InfluxDB gave an answer that cannot be read: {error}") from error


def _integer_or_negative_zero(digits: str) -> int | float:
    return -0.0 if digits == "-0" else int(digits)


def _message(answer: bytes | str) -> str:
    """The server's own words: {"error": …} (1.x, 3.x), {"message": …} (2.x), or the first line."""
    text = answer.decode(errors="replace") if isinstance(answer, bytes) else answer
    try:
        words = msgspec.json.decode(text, type=_Complaint)
    except msgspec.DecodeError:
        return text.strip().partition("\n")[0][:MESSAGE_CHARACTERS]
    return (words.error or words.message)[:MESSAGE_CHARACTERS]


class _About(msgspec.Struct):
    version: str = ""


class _Complaint(msgspec.Struct):
    error: str = ""
    message: str = ""


_REASONS: dict[type[Exception], str] = {
    urllib3.exceptions.NewConnectionError: "connection refused",
    urllib3.exceptions.NameResolutionError: "its name is unknown",
    urllib3.exceptions.ConnectTimeoutError: f"no connection within {CONNECT_TIMEOUT_S} s",
    urllib3.exceptions.ReadTimeoutError: f"no answer within {ANSWER_TIMEOUT_S} s",
    urllib3.exceptions.ProtocolError: "the connection broke",
    urllib3.exceptions.SSLError: "the TLS certificate is not accepted",
}
