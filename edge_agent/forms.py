"""In which form a batch travels: the smallest that the gateway reads, by what it said on this connection. No I/O.

What stays true:
- Plain JSON until a receipt of this connection names more (`reads`), and always on MQTT 3.1.1, where nothing says what
  the bytes are.
- A packed batch that a gateway cannot read is not given up: from then on this connection speaks plain JSON, the answer
  is passed over, and the batch is sent again. Only what was refused as plain JSON is refused.

Limit: MAX_PACKED batch ids are remembered; beyond, all are forgotten, and a late refusal of one of them counts.
"""

from __future__ import annotations

from collectors.wire import Receipt, find_batch_id
from collectors.wire_forms import FORMS, JSON, Form

SMALLEST_PACKED_BYTES = 256  # below, packing saves next to nothing
MAX_PACKED = 10_000
BEST_FIRST = (
    "json+zstd",
    "msgpack+zstd",
    "msgpack",
    "json",
)  # by size; docs/decisions/0011-forms-on-the-wire.md has the figures
WANTED_FORMS = ("auto", *FORMS)


class FormChoice:
    """Of one line; not thread-safe."""

    def __init__(self, wanted: str = "auto") -> None:
        self._wanted = tuple(FORMS[name] for name in (BEST_FIRST if wanted == "auto" else (wanted,)))
        self._packed: set[str] = set()  # batches that went out in another form than JSON
        self._may_pack = False
        self.form = JSON

    def connected(self, *, may_pack: bool) -> None:
        """A new connection, perhaps to another gateway."""
        self._may_pack = may_pack
        self._packed.clear()
        self.form = JSON

    def form_for(self, payload: bytes) -> Form:
        """The form in which this batch goes out now; the choice is remembered."""
        batch_id = find_batch_id(payload)
        if self.form is JSON or len(payload) < SMALLEST_PACKED_BYTES:
            self._packed.discard(batch_id)
            return JSON
        if len(self._packed) >= MAX_PACKED:
            self._packed.clear()
        self._packed.add(batch_id)
        return self.form

    def heard(self, receipt: Receipt) -> bool:
        """A receipt came in; False = it only says that the gateway does not read our form."""
        if receipt.status == "rejected" and any(one.reason == "undecodable" for one in receipt.reasons):
            if self._packed and receipt.batch in ("", *self._packed):
                self._may_pack = False
                self._packed.discard(receipt.batch)
                self.form = JSON
                return False
        elif self._may_pack:
            reads = frozenset(receipt.reads)
            self.form = next((form for form in self._wanted if form.needs <= reads), JSON)
            self._packed.discard(receipt.batch)
        return True
