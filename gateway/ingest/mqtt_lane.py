"""The connection under paho: reads and writes in large pieces, and carries readings and receipts past it.

paho makes the connection, opens the session, subscribes, keeps it alive and notices its end. For every packet it reads
it makes several system calls and a dozen objects, which is more than all our own work on a message
(docs/decisions/0013-lane-under-paho.md has the figures). So the lane stands where paho believes its socket to be: it
takes PUBLISH and the PUBACK of our receipts off the stream itself, and gives paho every other byte.

What stays true:
- paho sees a well-formed stream: whole packets in their order, and the end of the connection.
- What is written leaves in the order of writing. Nothing waits for the socket: what it does not take is kept.
- Packet ids of receipts (FIRST_MID and above) are never those of paho, which counts its few subscriptions from 1.

Limits: used by one thread. READ_BYTES a system call; a packet is held until it is whole. At most MAX_RECEIPTS receipts
are on their way: `publish` refuses more.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterable

from gateway.ingest.mqtt_packets import MalformedPacket, Published, acknowledgements, publication, take_packets

READ_BYTES = 256 * 1024
MAX_RECEIPTS = 10_000
FIRST_MID = 1_000
LAST_MID = 0xFFFF

_WOULD_WAIT = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Lane:
    """What paho takes for its socket."""

    def __init__(self, connected: socket.socket, published: Published) -> None:
        self._socket = connected
        self._published = published
        self._in = bytearray()
        self._for_paho = bytearray()
        self._out = bytearray()
        self._ended: bytes | OSError | None = None  # what recv gives paho once everything else was read
        self._under_way: set[int] = set()  # packet ids of receipts
        self._mid = FIRST_MID

    # --- our side ---

    def read(self) -> bool:
        """Read a piece without waiting, and sort it. False = nothing lies ready, or the connection is at its end."""
        if self._ended is not None:
            return False
        try:
            piece = self._socket.recv(READ_BYTES)
        except _WOULD_WAIT:
            return False
        except OSError as error:
            self._ended = error
            return False
        if not piece:
            self._ended = b""
            return False
        self._in += piece
        try:
            self._for_paho += take_packets(self._in, self._published, self._acknowledged)
        except MalformedPacket as error:
            self._ended = ConnectionError(str(error))
        return True

    @property
    def for_paho(self) -> bool:
        """Whether paho has something to read: packets of its own, or the end."""
        return bool(self._for_paho) or self._ended is not None

    @property
    def unsent(self) -> int:
        """Bytes that the socket did not take yet."""
        return len(self._out)

    def pending(self) -> int:
        """Bytes that are here already and that no `select` will report: of TLS, and of paho's packets."""
        below = self._socket.pending() if isinstance(self._socket, ssl.SSLSocket) else 0
        return below + len(self._for_paho)

    def acknowledge(self, mids: Iterable[int]) -> None:
        """PUBACK; leaves with the next `flush`."""
        self._out += acknowledgements(mids)

    def publish(self, topic: bytes, payload: bytes) -> bool:
        """A message of QoS 1; leaves with the next `flush`. False = too many are on their way already."""
        if len(self._under_way) >= MAX_RECEIPTS:
            return False
        while self._mid in self._under_way:
            self._mid = self._mid + 1 if self._mid < LAST_MID else FIRST_MID
        self._under_way.add(self._mid)
        self._out += publication(topic, self._mid, payload)
        self._mid = self._mid + 1 if self._mid < LAST_MID else FIRST_MID
        return True

    def flush(self) -> None:
        """Give the socket what it takes."""
        try:
            while self._out:
                del self._out[: self._socket.send(self._out)]
        except _WOULD_WAIT:
            return
        except OSError as error:
            self._ended = self._ended if self._ended is not None else error

    def _acknowledged(self, mid: int) -> bool:
        if mid not in self._under_way:
            return False
        self._under_way.remove(mid)
        return True

    # --- paho's side ---

    def recv(self, size: int) -> bytes:
        """The next bytes of paho's packets, as a socket that does not block."""
        if not self._for_paho:
            if isinstance(self._ended, OSError):
                raise self._ended
            if self._ended is None:
                raise BlockingIOError
        piece = bytes(self._for_paho[:size])
        del self._for_paho[:size]
        return piece

    def send(self, data: bytes | bytearray) -> int:
        """Takes all of it, and sends what the socket takes."""
        self._out += data
        self.flush()
        return len(data)

    def fileno(self) -> int:
        return self._socket.fileno()

    def setblocking(self, flag: bool) -> None:
        self._socket.setblocking(flag)

    def close(self) -> None:
        self.flush()
        self._socket.close()
