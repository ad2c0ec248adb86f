"""A place for worlds that is thrown away after each test."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """In memory where the machine has such a place: a simulated kill loses no more there than on a disk."""
    memory = Path("/dev/shm")
    if not memory.is_dir():
        yield tmp_path
        return
    made = Path(tempfile.mkdtemp(prefix="tanmai-world-", dir=memory))
    yield made
    shutil.rmtree(made)
