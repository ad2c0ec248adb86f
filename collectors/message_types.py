"""Types that msgspec decodes, worked out before several threads meet them.

msgspec (0.22 and before) works out a type at its first use and keeps the half-made result where other threads find it:
two first uses at once read a null pointer and end the process (SIGSEGV). A type that was worked out by one thread is
safe from then on, and so is everything nested in it.

What stays true: whoever decodes in several threads names its dataclasses and generic types through `worked_out`, and
calls `work_out_structs` once before the threads start. The tests show the crash itself, so that these calls can go when
msgspec is mended.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_lock = threading.Lock()
_known: set[Any] = set()


def worked_out(shape: type[T]) -> type[T]:
    """The same type, which any thread may decode from now on."""
    if shape not in _known:
        with _lock:
            msgspec.json.Decoder(shape)  # making a decoder works out the type and all that is nested in it
            _known.add(shape)
    return shape


def work_out_structs() -> None:
    """Work out every msgspec.Struct of the modules that are imported by now."""
    for shape in _below(msgspec.Struct):
        try:
            worked_out(shape)
        except (TypeError, NameError):
            continue  # made only to be encoded: nobody can decode it


def _below(shape: type) -> Iterator[type]:
    children: list[type] = shape.__subclasses__()
    for child in children:
        yield child
        yield from _below(child)
