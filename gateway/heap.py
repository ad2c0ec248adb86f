"""How the C library keeps memory that was given back; said once, when a gateway starts.

glibc gives threads arenas of their own, up to eight a processor, and what one thread gave back in its arena no other
thread can use; a gateway has thirty threads. It also learns from the first large block that was given back to keep all
such blocks. With both, 60 to 80 MB stood empty under load (docs/decisions/0027-what-a-gateway-holds.md).

Limits: glibc. Other C libraries are left as they are.
"""

from __future__ import annotations

import ctypes

ARENAS = 2
RETURNED_BYTES = 1024 * 1024  # blocks as large go back to the system at once

# <malloc.h>
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8


def keep_little() -> bool:
    """Whether the C library understood."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_M_ARENA_MAX, ARENAS)) and bool(mallopt(_M_MMAP_THRESHOLD, RETURNED_BYTES))
