"""POST /api/v1/readings: batches over HTTP, accepted as over MQTT; requests at once share a commit (`SharedCommit`).

The body is one batch, or one per line (NDJSON), plain or compressed with gzip or zstd. The answer is 200 with one
receipt per batch, in order, after the commit: also a line that cannot be read gets its receipt (`rejected`) and is set
aside.

A batch is signed by the header `Tanmai-Signature: KEYID.SIGNATURE`, over its bytes as they stand in the decompressed
body; with NDJSON the header has one signature per line, separated by commas.

What stays true: the sender's identity comes from the token (role device, subject `enterprise/agent`). Errors are
`application/problem+json` (RFC 9457).
Limits: MAX_BODY_BYTES as sent and MAX_DECODED_BYTES after decompression (413), MAX_LINES batches (413), `in_flight`
requests at once and the sender's quota (429 + Retry-After). While a store is away: 503 + Retry-After, and nothing is
receipted.
"""

from __future__ import annotations

import json
import math
import threading
import zlib
from collections.abc import Callable
from typing import Protocol

import msgspec
import zstandard
from flask import Blueprint, Response, g, request
from werkzeug.exceptions import RequestEntityTooLarge

from collectors import clock
from collectors.errors import StoreUnavailable
from collectors.seals import SIGNATURE_HEADER, NoSeal, Signature, seal
from collectors.wire import Receipt, stamped
from gateway.ingest.accept import Opened, commit
from gateway.ingest.http_description import POST_READINGS
from gateway.ingest.intake import Arrival, Intake
from gateway.ingest.shared_commit import SharedCommit
from gateway.ingest.stats import IngestStats
from gateway.registry.model import Registry

MAX_BODY_BYTES = 16 * 1024 * 1024
MAX_DECODED_BYTES = 64 * 1024 * 1024
MAX_LINES = 5_000
IN_FLIGHT = 4
RETRY_AFTER_S = 2
PROBLEM_TYPE = "application/problem+json"
NDJSON_TYPES = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl"})


class Principal(Protocol):
    """Who is asking, as authentication found out."""

    @property
    def role(self) -> str: ...

    @property
    def subject(self) -> str: ...


class _Problem(Exception):
    """The request as a whole cannot be taken."""

    def __init__(self, status: int, name: str, detail: str, retry_after_s: int | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.name = name
        self.detail = detail
        self.retry_after_s = retry_after_s


def http_intake(
    intake: Intake, stats: IngestStats, *, in_flight: int = IN_FLIGHT, now_ms: Callable[[], int] = clock.now_ms
) -> Blueprint:
    """The blueprint; `g.principal` must be set before its view runs (None = anonymous)."""
    blueprint = Blueprint("readings", __name__)
    places = threading.BoundedSemaphore(in_flight)

    def store(opened: Opened) -> list[Receipt]:
        with stats.commit_seconds.time():
            return commit(opened, intake)

    shared = SharedCommit(intake, store)

    @blueprint.post("/api/v1/readings")
    def post_readings() -> Response:
        try:
            sender = _sender()
            if not places.acquire(blocking=False):
                raise _Problem(429, "too-many-requests", f"{in_flight} requests are being stored", RETRY_AFTER_S)
            try:
                return _take(intake, stats, shared, sender, now_ms())
            finally:
                places.release()
        except _Problem as problem:
            return _answer(problem)

    post_readings.__dict__["openapi"] = POST_READINGS  # the web side knows no ingest, and describes what it is given
    return blueprint


def _take(intake: Intake, stats: IngestStats, shared: SharedCommit, sender: tuple[str, str], now_ms: int) -> Response:
    enterprise, agent = sender
    credential = f"{enterprise}/{agent}"
    claimed_enterprise, _, claimed_agent = request.args.get("sender", credential).partition("/")
    arrivals = [
        Arrival(claimed_enterprise, claimed_agent, line, credential=credential)
        for line in _sealed(_lines(_decoded_body()))
    ]
    try:
        directory = intake.directory()
        _refuse_over_quota(intake, directory.registry, stats, sender, now_ms)
        receipts = shared.accept(arrivals, directory, now_ms)
    except StoreUnavailable as error:
        stats.store_waits.inc()
        raise _Problem(503, "store-unavailable", "keep the readings and send them again", RETRY_AFTER_S) from error
    if intake.quotas.are_set:
        brought = sum(receipt.accepted + receipt.set_aside for receipt in receipts)
        size = sum(len(arrival.payload) for arrival in arrivals)
        intake.quotas.charge(enterprise, agent, brought, size, clock.monotonic_s())
    stats.took("http", len(arrivals))
    stats.answered(receipts)
    answer = {"receipts": [stamped(receipt, now_ms) for receipt in receipts]}
    return Response(msgspec.json.encode(answer), content_type="application/json")


def _refuse_over_quota(
    intake: Intake, registry: Registry, stats: IngestStats, sender: tuple[str, str], now_ms: int
) -> None:
    intake.quotas.follow(registry)
    if not intake.quotas.are_set:
        return
    held = intake.quotas.held(*sender, clock.monotonic_s())
    if held is not None:
        stats.held_off.labels("http", held.quota).inc()
        intake.quotas.exceeded(*sender, held, now_ms)
        detail = f"over the quota {held.quota}, {held.limit_per_s:g} a second: send it again later"
        raise _Problem(429, "over-quota", detail, math.ceil(held.wait_s))


def _sender() -> tuple[str, str]:
    """(enterprise, agent) of the token; raises _Problem for anybody who is not a device."""
    principal: Principal | None = g.get("principal")
    if principal is None:
        raise _Problem(401, "unauthorised", "send the header: Authorization: Bearer <token of the agent>")
    enterprise, slash, agent = principal.subject.partition("/")
    if principal.role != "device" or not (enterprise and slash and agent):
        raise _Problem(
            403, "not-a-device", "readings are sent with the token of an agent: tanmai token create device …"
        )
    return enterprise, agent


def _decoded_body() -> bytes:
    """The body, decompressed within its bound."""
    length = request.content_length
    if length is not None and length > MAX_BODY_BYTES:
        raise _too_large(f"the body has {length} bytes")
    request.max_content_length = MAX_BODY_BYTES
    try:
        body = request.get_data(cache=False)
    except RequestEntityTooLarge as error:
        raise _too_large("the body is longer") from error
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    decode = _DECODINGS.get(encoding)
    if decode is None:
        raise _Problem(415, "unsupported-encoding", f"Content-Encoding may be {', '.join(_DECODINGS)}")
    try:
        return decode(body)
    except (zlib.error, zstandard.ZstdError, EOFError) as error:
        raise _Problem(400, "bad-compression", f"the body is not {encoding}: {error}") from error


def _gunzip(body: bytes) -> bytes:
    """All members of a gzip body."""
    decoded = bytearray()
    while body:
        decoder = zlib.decompressobj(wbits=31)
        decoded += decoder.decompress(body, MAX_DECODED_BYTES + 1 - len(decoded))
        if len(decoded) > MAX_DECODED_BYTES:
            raise _too_large(f"the body grows beyond {MAX_DECODED_BYTES} bytes")
        if not decoder.eof:
            raise EOFError("it ends in the middle")
        body = decoder.unused_data
    return bytes(decoded)


def _unzstd(body: bytes) -> bytes:
    with zstandard.ZstdDecompressor(max_window_size=2**27).stream_reader(body, read_across_frames=True) as reader:
        decoded = reader.read(MAX_DECODED_BYTES + 1)
    if len(decoded) > MAX_DECODED_BYTES:
        raise _too_large(f"the body grows beyond {MAX_DECODED_BYTES} bytes")
    return decoded


_DECODINGS: dict[str, Callable[[bytes], bytes]] = {
    "identity": lambda body: body,
    "gzip": _gunzip,
    "zstd": _unzstd,
}


def _lines(body: bytes) -> list[bytes]:
    """The batches in a body: its lines if it is NDJSON, the whole body if not."""
    if not body.strip():
        raise _Problem(400, "empty-body", "send one batch, or one per line as application/x-ndjson")
    if request.mimetype not in NDJSON_TYPES:
        return [body]
    lines = [line for line in body.split(b"\n") if line.strip()]
    if len(lines) > MAX_LINES:
        raise _too_large(f"{len(lines)} batches; send at most {MAX_LINES} in one request")
    return lines


def _sealed(lines: list[bytes]) -> list[bytes]:
    """The batches with their signatures in front of them, if the request brings any."""
    header = request.headers.get(SIGNATURE_HEADER)
    if header is None:
        return lines
    texts = [text.strip() for text in header.split(",")]
    if len(texts) != len(lines):
        detail = f"{SIGNATURE_HEADER} has {len(texts)} signatures, the body {len(lines)} batches: send one for each"
        raise _Problem(400, "wrong-signatures", detail)
    try:
        return [seal(line, Signature.parse(text)) for line, text in zip(lines, texts, strict=True)]
    except NoSeal as error:
        raise _Problem(400, "wrong-signatures", f"{SIGNATURE_HEADER}: {error}") from error


def _too_large(detail: str) -> _Problem:
    return _Problem(413, "too-large", f"{detail}: send smaller parts (at most {MAX_BODY_BYTES} bytes as sent)")


def _answer(problem: _Problem) -> Response:
    document = {
        "type": f"urn:tanmai:problem:{problem.name}",
        "title": problem.name.replace("-", " ").capitalize(),
        "status": problem.status,
        "detail": problem.detail,
        "instance": request.path,
    }
    response = Response(json.dumps(document), problem.status, content_type=PROBLEM_TYPE)
    if problem.retry_after_s is not None:
        response.headers["Retry-After"] = str(problem.retry_after_s)
    if problem.status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="tanmai"'
    return response
