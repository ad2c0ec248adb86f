"""msgspec's types and threads: the crash that `message_types` is there to prevent, and that it does."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from collectors.message_types import work_out_structs, worked_out

# The annotation of a nested field is evaluated while the outer type is half-made: there one thread waits for the other.
SCRIPT = """
import sys, threading, msgspec
from dataclasses import dataclass
from collectors.message_types import work_out_structs, worked_out

half_made, gone_on = threading.Event(), threading.Event()

def slow():
    half_made.set()
    gone_on.wait(5)
    return int

{kind}
    number: "slow()"

{kind2}
    inner: Inner
    text: str

document = {{"inner": {{"number": 1}}, "text": "x"}}
{preparation}

def second():
    half_made.wait(5)
    msgspec.convert(document, Outer)
    gone_on.set()

other = threading.Thread(target=second)
other.start()
assert msgspec.convert(document, Outer) == Outer(Inner(1), "x")
other.join()
print("both")
"""
KINDS = {
    "dataclass": ("@dataclass\nclass Inner:", "@dataclass\nclass Outer:"),
    "struct": ("class Inner(msgspec.Struct):", "class Outer(msgspec.Struct):"),
}
PREPARED = {"dataclass": "gone_on.set(); worked_out(Outer)", "struct": "gone_on.set(); work_out_structs()"}


def run(kind: str, preparation: str) -> subprocess.CompletedProcess[str]:
    inner, outer = KINDS[kind]
    script = SCRIPT.format(kind=inner, kind2=outer, preparation=preparation)
    root = Path(__file__).resolve().parents[2]
    return subprocess.run(
        [sys.executable, "-c", script], cwd=root, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_type_that_was_worked_out_is_safe_in_threads(kind: str) -> None:
    ended = run(kind, PREPARED[kind])
    assert (ended.returncode, ended.stdout) == (0, "both\n"), ended.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_msgspec_still_crashes_without(kind: str) -> None:
    """If this fails, msgspec has been mended: `collectors.message_types` and its calls can go."""
    assert run(kind, "").returncode == -signal.SIGSEGV


class One(msgspec.Struct):
    number: int


class Other(msgspec.Struct):
    number: int


class Either(msgspec.Struct):
    """Of two untagged structs nobody could tell which one is meant."""

    what: One | Other


def test_structs_that_are_only_encoded_are_passed_over() -> None:
    with pytest.raises(TypeError):
        worked_out(Either)
    work_out_structs()
