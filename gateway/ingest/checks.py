"""The checks of ingest: form and identity only. What a falling counter means is judged by `gateway.carbon`.

Three tables hold every check, in the order in which they are asked; the first that fails gives the reason:
MESSAGE_CHECKS look at a message as a whole before it is decoded, SIGNATURE_CHECKS (`gateway.ingest.signatures`) at what
its signature is worth, READING_CHECKS at columns of readings, vectorised.
(The form of a payload is checked by `collectors.wire` while it decodes; its reasons stand in the same REASONS.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from collectors.reading import UInt8s
from collectors.wire import MAX_PAYLOAD_BYTES
from gateway.ingest.columns import Cells, Mask
from gateway.ingest.directory import UNKNOWN_DEVICE, UNKNOWN_POINT, Directory
from gateway.ingest.intake import Arrival, IngestLimits
from gateway.ingest.signatures import SIGNATURE_CHECKS, SignatureCheck

NOT_AVAILABLE = 255  # a verdict of `check_readings`: neither good nor bad, there is no reading


@dataclass(frozen=True, slots=True)
class MessageCheck:
    """`fails` gives a sentence that says what is wrong, or None."""

    reason: str
    fails: Callable[[Arrival, Directory], str | None]


@dataclass(frozen=True, slots=True)
class ReadingCheck:
    """`fails` marks the readings that fail; `advice` is told to whoever looks at what was set aside."""

    reason: str
    fails: Callable[[Cells, IngestLimits, int], Mask]
    advice: Callable[[IngestLimits], str]


def _other_enterprise(arrival: Arrival, directory: Directory) -> str | None:
    own = f"{arrival.enterprise}/{arrival.sender}"
    if arrival.credential in ("", own):
        return None
    return f"the credential belongs to {arrival.credential}, the message says {own}: send under your own name"


def _too_large(arrival: Arrival, directory: Directory) -> str | None:
    size = len(arrival.payload)
    return None if size <= MAX_PAYLOAD_BYTES else f"{size} bytes; send at most {MAX_PAYLOAD_BYTES} in one message"


def _unknown_enterprise(arrival: Arrival, directory: Directory) -> str | None:
    if directory.has_enterprise(arrival.enterprise):
        return None
    return f"no enterprise {arrival.enterprise!a} is registered: apply a registry file that holds it"


def _unknown_agent(arrival: Arrival, directory: Directory) -> str | None:
    if arrival.form != "batch" or directory.has_agent(arrival.enterprise, arrival.sender):
        return None
    if arrival.again and directory.has_device(arrival.enterprise, arrival.sender):
        return None  # what was set aside of a device's telemetry is a batch
    return f"enterprise {arrival.enterprise} has no agent {arrival.sender!a}: add it to the registry"


def _unknown_device(arrival: Arrival, directory: Directory) -> str | None:
    if arrival.form != "telemetry" or directory.has_device(arrival.enterprise, arrival.sender):
        return None
    return f"enterprise {arrival.enterprise} has no device {arrival.sender!a}: add it to the registry"


# What one of these looks at beside the registry has to stand in `Marks`.
MESSAGE_CHECKS: tuple[MessageCheck, ...] = (
    MessageCheck("other_enterprise", _other_enterprise),
    MessageCheck("too_large", _too_large),
    MessageCheck("unknown_enterprise", _unknown_enterprise),
    MessageCheck("unknown_agent", _unknown_agent),
    MessageCheck("unknown_device", _unknown_device),
)

READING_CHECKS: tuple[ReadingCheck, ...] = (
    ReadingCheck(
        "unknown_device",
        lambda cells, limits, now_ms: cells.point_id == UNKNOWN_DEVICE,
        lambda limits: "the device is not in the registry: add it, then `tanmai ingest set-aside replay`",
    ),
    ReadingCheck(
        "unknown_point",
        lambda cells, limits, now_ms: cells.point_id == UNKNOWN_POINT,
        lambda limits: "the device has no such point in the registry: add it, then `tanmai ingest set-aside replay`",
    ),
    ReadingCheck(
        "in_future",
        lambda cells, limits, now_ms: cells.at_ms > now_ms + limits.future_ms,
        lambda limits: f"more than {limits.future_ms // 1000} s ahead of the gateway: set the sender's clock",
    ),
    ReadingCheck(
        "too_old",
        lambda cells, limits, now_ms: cells.at_ms < limits.oldest(now_ms),
        lambda limits: limits.too_old(),
    ),
)

CHECKS: tuple[MessageCheck | SignatureCheck | ReadingCheck, ...] = (
    *MESSAGE_CHECKS,
    *SIGNATURE_CHECKS,
    *READING_CHECKS,
)


# All that MESSAGE_CHECKS look at: messages with the same marks pass or fail alike.
Marks = tuple[str, str, str, str, bool, bool]


def marks_of(arrival: Arrival) -> Marks:
    too_large = len(arrival.payload) > MAX_PAYLOAD_BYTES
    return arrival.enterprise, arrival.sender, arrival.form, arrival.credential, arrival.again == "", too_large


def check_message(arrival: Arrival, directory: Directory) -> tuple[str, str] | None:
    """(reason, sentence) of the first check that the message fails, or None."""
    for check in MESSAGE_CHECKS:
        sentence = check.fails(arrival, directory)
        if sentence is not None:
            return check.reason, sentence
    return None


def check_readings(cells: Cells, limits: IngestLimits, now_ms: int) -> UInt8s:
    """Per cell 0 = good, NOT_AVAILABLE, or 1 + the position in READING_CHECKS of the first check that it fails."""
    verdict = np.where(np.isfinite(cells.value), 0, NOT_AVAILABLE).astype(np.uint8)
    for number, check in enumerate(READING_CHECKS, start=1):
        fails = check.fails(cells, limits, now_ms)
        if fails.any():
            verdict[fails & (verdict == 0)] = number
    return verdict
