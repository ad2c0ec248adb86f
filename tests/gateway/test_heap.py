"""What the C library is told about memory that was given back."""

from __future__ import annotations

import subprocess
import sys

from gateway.heap import ARENAS

# Each thread takes memory while all others hold theirs, and glibc writes down how many heaps it has.
_THREADS = """
import ctypes, os, sys, threading
from gateway.heap import keep_little
understood = keep_little() if sys.argv[1] == "told" else None
barrier = threading.Barrier(12)
def take():
    held = [b"x" * 5000 for _ in range(100)]
    barrier.wait(30)
    del held
threads = [threading.Thread(target=take) for _ in range(12)]
for one in threads: one.start()
for one in threads: one.join(30)
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
file = libc.fdopen(1, b"w")
libc.malloc_info(0, ctypes.c_void_p(file))
libc.fflush(ctypes.c_void_p(file))
sys.stderr.write(f"{understood}")
"""


def heaps(how: str) -> tuple[int, str]:
    done = subprocess.run([sys.executable, "-c", _THREADS, how], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.count("<heap nr="), done.stderr


def test_threads_share_a_few_arenas_where_the_library_is_asked_to() -> None:
    own, _ = heaps("not told")
    shared, understood = heaps("told")
    assert own > ARENAS  # or else nothing is shown
    assert (shared, understood) == (ARENAS, "True")
