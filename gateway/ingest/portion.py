"""Which messages a process takes, when several share the load. Pure.

| setting                    | who gets a message                                                              |
|----------------------------|---------------------------------------------------------------------------------|
| neither                    | this process: it is the only one                                                |
| TANMAI_INGEST_SHARE=city   | one member of the group `city`; the broker deals them out (`$share/city/…`)     |
| TANMAI_INGEST_SHARD=1/2    | all processes, and each keeps the enterprises that fall to it: for any broker   |

What stays true: with either, every message is taken by exactly one process while all of them run; status messages,
which brokers keep for plain subscriptions only, are taken by all members of a group (writing one twice changes
nothing). An enterprise falls to the same shard everywhere and always (CRC-32 of its id).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

_GROUP = re.compile(r"[0-9A-Za-z_-]{1,64}\Z")
_SHARD = re.compile(r"([0-9]{1,3})/([0-9]{1,3})\Z")
SHARED_KINDS = frozenset({"readings", "telemetry"})


@dataclass(frozen=True, slots=True)
class Portion:
    """A part of all messages; by default all of them."""

    group: str = ""  # of a shared subscription; "" = a plain one
    shard: int = 1  # 1 … shards
    shards: int = 1

    @classmethod
    def of(cls, share: str, shard: str) -> Portion:
        """From the two settings; ValueError says what is wrong with them."""
        if share and shard:
            raise ValueError("name a group (TANMAI_INGEST_SHARE) or a shard (TANMAI_INGEST_SHARD), not both")
        if share and not _GROUP.match(share):
            raise ValueError(f"{share!r} is no name of a group: use up to 64 letters, digits, - and _")
        if not shard:
            return cls(group=share)
        numbers = _SHARD.match(shard)
        if numbers is None or not 1 <= int(numbers[1]) <= int(numbers[2]):
            raise ValueError(f"{shard!r} is no shard: write 1/2 for the first of two")
        return cls(shard=int(numbers[1]), shards=int(numbers[2]))

    @property
    def is_whole(self) -> bool:
        return not self.group and self.shards == 1

    def filters(self, kinds: Sequence[str]) -> list[str]:
        """The topic filters to subscribe to."""
        return [self._filter(kind) for kind in kinds]

    def stale_filters(self, kinds: Sequence[str]) -> list[str]:
        """Filters that a session may still hold from before it joined the group: they would bring everything."""
        return [plain_filter(kind) for kind in kinds if self.group and kind in SHARED_KINDS]

    def takes(self, enterprise: str) -> bool:
        """Whether messages of an enterprise are for this process."""
        return self.shards == 1 or crc32(enterprise.encode("utf-8", "replace")) % self.shards == self.shard - 1

    def _filter(self, kind: str) -> str:
        plain = plain_filter(kind)
        return f"$share/{self.group}/{plain}" if self.group and kind in SHARED_KINDS else plain


WHOLE = Portion()


def plain_filter(kind: str) -> str:
    """All senders' messages of a kind."""
    return f"tanmai/v1/+/+/{kind}"
