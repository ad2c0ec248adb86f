"""What can be said about a profile without a meter: does it load, how is it read, what should its reader know.

The answers of `tanmai profiles list|show|check`. Pure but for reading the files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from collectors.errors import ConfigurationError, Problem
from collectors.modbus.plan import ReadBlock, cycle_s, plan_reads
from collectors.profile import MeterProfile, load_profile
from collectors.quantities import QUANTITIES


@dataclass(frozen=True, slots=True)
class ProfileCheck:
    """One file: either a profile and its plan, or problems."""

    path: Path
    profile: MeterProfile | None
    problems: tuple[Problem, ...]
    remarks: tuple[str, ...]  # true and worth knowing, but no reason to refuse the file
    blocks: tuple[ReadBlock, ...]  # the requests that read every register
    cycle_s: float  # modelled seconds for them on the profile's serial line

    @property
    def ok(self) -> bool:
        return not self.problems


def check_profile(path: Path) -> ProfileCheck:
    """Everything about one profile file; never raises for what stands in it."""
    try:
        profile = load_profile(path)
    except ConfigurationError as error:
        return ProfileCheck(path, None, tuple(error.problems), (), (), 0.0)
    blocks = plan_reads(profile, profile.timing)
    return ProfileCheck(path, profile, (), _remarks(profile), blocks, cycle_s(blocks, profile.timing))


def check_profiles(directories: Sequence[Path]) -> list[ProfileCheck]:
    """All *.yaml files of the directories, sorted by path within each."""
    return [check_profile(path) for directory in directories for path in sorted(directory.glob("*.yaml"))]


def _remarks(profile: MeterProfile) -> tuple[str, ...]:
    counters = [spec for spec in profile.registers if QUANTITIES[spec.quantity].kind == "counter"]
    remarks = {
        "has no counter: usage can only be integrated from gauges": not counters,
        "rests on a single source (source.confirmed_by is empty)": not profile.source.confirmed_by,
        "has no notes: say what conflicts between sources, or that nothing does": not profile.notes,
    }
    return tuple(remark for remark, holds in remarks.items() if holds)
