"""The forms in which a batch may travel: JSON or MessagePack, plain or packed with zstd.

The bytes themselves say which form they have: JSON text begins with none of the first bytes of the others. An MQTT 5
content type says the same to those who look in from outside, but a broker drops it towards a listener that speaks
3.1.1, so it decides nothing (docs/decisions/0011-forms-on-the-wire.md).

What stays true: what is unpacked never exceeds the limit it was given, whatever the bytes claim.
Limits: one zstd frame a message; no dictionaries. The names of forms are those on the wire: never rename one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import zstandard

from collectors.errors import WireError

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"  # RFC 8878, clause 3.1.1
ZSTD_LEVEL = 3
MAX_WINDOW_BYTES = 8 * 1024 * 1024  # what every reader should take (RFC 8878, clause 3.1.1.1.2)
# A map with at most 15 entries, or one with more (MessagePack specification, "map format family").
_MSGPACK_MAPS = frozenset({*range(0x80, 0x90), 0xDE, 0xDF})

# What this version reads beside plain JSON: said on every receipt, so that senders know.
READS = ("msgpack", "zstd")


@dataclass(frozen=True, slots=True)
class Form:
    """How the bytes of a batch are made of its JSON."""

    name: str
    content_type: str
    needs: frozenset[str]  # out of READS: what the reader must know
    pack: Callable[[bytes], bytes]


def unpacked(payload: bytes, limit_bytes: int) -> bytes:
    """The payload without its zstd packing, if it has one; raises WireError beyond the limit or if it is damaged."""
    if not payload.startswith(ZSTD_MAGIC):
        return payload
    try:
        claimed = zstandard.frame_content_size(payload)
        if claimed > limit_bytes:  # where a frame claims a size the library goes by that, not by the limit
            raise _too_large(limit_bytes)
        try:
            return _CODECS.decompressor.decompress(payload, max_output_size=limit_bytes, allow_extra_data=False)
        except zstandard.ZstdError:
            if claimed < 0 and _exceeds(payload, limit_bytes):
                raise _too_large(limit_bytes) from None
            raise
    except zstandard.ZstdError as error:
        raise WireError("undecodable", f"the bytes are no zstd frame: {error}") from error


def _exceeds(payload: bytes, limit_bytes: int) -> bool:
    """Whether a frame that claims no size unpacks to more than the limit."""
    with zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW_BYTES).stream_reader(payload) as reader:
        return len(reader.read(limit_bytes + 1)) > limit_bytes


def _too_large(limit_bytes: int) -> WireError:
    return WireError("too_large", f"unpacked, the message exceeds {limit_bytes} bytes; send smaller batches")


def is_msgpack(payload: bytes) -> bool:
    """Whether the bytes are a MessagePack map, by the first of them."""
    return bool(payload) and payload[0] in _MSGPACK_MAPS


class _Codecs(threading.local):
    """One pair per thread: they are costly to make and must not be shared."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(ZSTD_LEVEL)
        self.decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW_BYTES)


_CODECS = _Codecs()


def _to_msgpack(payload: bytes) -> bytes:
    return msgspec.msgpack.encode(msgspec.json.decode(payload))


def _to_zstd(payload: bytes) -> bytes:
    return _CODECS.compressor.compress(payload)


JSON = Form("json", "application/json", frozenset(), lambda payload: payload)
FORMS: dict[str, Form] = {
    form.name: form
    for form in (
        JSON,
        Form("msgpack", "application/msgpack", frozenset({"msgpack"}), _to_msgpack),
        Form("json+zstd", "application/json+zstd", frozenset({"zstd"}), _to_zstd),
        Form(
            "msgpack+zstd",
            "application/msgpack+zstd",
            frozenset({"msgpack", "zstd"}),
            lambda payload: _to_zstd(_to_msgpack(payload)),
        ),
    )
}
