"""Checks a Tanmai proof without Tanmai: frame -> entry -> span -> day -> history -> signature, or the growth of roots.

    python check_proof.py PROOF.json KEY.pem [--kept ROOT.json]

PROOF.json is what `tanmai proof ENTRY --json`, `GET /api/v1/entries/{entry}/proof` or `GET /api/v1/roots/{day}/growth`
gave; KEY.pem is the public key, from `/.well-known/tanmai-signing-key.pem`, better kept since long ago. With --kept the
root in the proof must be one that you kept yourself (an item of `GET /api/v1/roots`): then a history that was forged
later with the gateway's own key is refused too.

The frame is what an entry's calculation repeats from day to day: formula, factors with their editions, sign, unit. An
entry of format 2 states amount and grams, and names its frame by SHA-256; one of format 1 carries its calculation
whole, and its proof has no frame.

Needs Python 3.11 and, for the signature, the package `cryptography`; nothing of Tanmai. Exit codes: 0 it holds, 1 it
does not, 2 a file cannot be read. Trees are those of RFC 9162, clause 2.1; the signature is a JWS (RFC 7515) with
EdDSA (RFC 8037) whose payload is detached.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any, NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

PROOF_MEMBERS = {
    "entry", "span_path", "span", "span_number", "day_path", "day", "day_number", "history_path", "root", "signature",
}  # fmt: skip
GROWTH_MEMBERS = {"earlier", "later", "path"}
ROOT_MEMBERS = {"day", "root", "signature"}
ENTRY_FORMATS = (1, 2)
FRAMED = 2  # the format whose entries name a frame
HASH = re.compile("[0-9a-f]{64}")


class Refused(Exception):
    """The proof does not hold; the text says where."""


# --- trees ----------------------------------------------------------------------------------------------------------


def leaf_hash(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of_path(leaf: bytes, index: int, size: int, path: list[bytes], what: str) -> bytes:
    """The root that a leaf and its path give (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        raise Refused(f"{what}: place {index} is outside a tree of {size}")
    last, current = size - 1, leaf
    for beside in path:
        if last == 0:
            raise Refused(f"{what}: the path is too long")
        if index % 2 or index == last:
            current = node_hash(beside, current)
            while not index % 2 and index:
                index, last = index // 2, last // 2
        else:
            current = node_hash(current, beside)
        index, last = index // 2, last // 2
    if last:
        raise Refused(f"{what}: the path is too short")
    return current


def check_growth(old_size: int, old_root: bytes, new_size: int, new_root: bytes, path: list[bytes]) -> None:
    """That the tree of the new root grew from that of the old one (RFC 9162, 2.1.4.2)."""
    if not 0 < old_size <= new_size:
        raise Refused(f"a history of {new_size} days did not grow from one of {old_size}")
    if old_size == new_size:
        if path or old_root != new_root:
            raise Refused("two histories of the same days differ")
        return
    hashes = path if old_size & (old_size - 1) else [old_root, *path]
    index, last = old_size - 1, new_size - 1
    while index % 2:
        index, last = index // 2, last // 2
    old = new = hashes[0] if hashes else b""
    for beside in hashes[1:]:
        if last == 0:
            raise Refused("growth: the path is too long")
        if index % 2 or index == last:
            old, new = node_hash(beside, old), node_hash(beside, new)
            while not index % 2 and index:
                index, last = index // 2, last // 2
        else:
            new = node_hash(new, beside)
        index, last = index // 2, last // 2
    if last or (old, new) != (old_root, new_root):
        raise Refused("the later root did not grow from the earlier one: the history was changed")


# --- reading what was given -----------------------------------------------------------------------------------------


def members(value: Any, names: set[str], what: str) -> dict[str, Any]:
    if not isinstance(value, dict) or value.keys() != names:
        raise Refused(f"{what} must have exactly {', '.join(sorted(names))}")
    return value


def inner(text: Any, what: str) -> dict[str, Any]:
    """The members of a text that is hashed or signed."""
    try:
        value = json.loads(text)
        text.encode()
    except (TypeError, ValueError) as error:
        raise Refused(f"{what} is no JSON text: {error}") from error
    if not isinstance(value, dict):
        raise Refused(f"{what} is no JSON object")
    return value


def number(value: Any, what: str) -> int:
    if type(value) is not int:
        raise Refused(f"{what} must be a whole number")
    return value


def hash_bytes(value: Any, what: str) -> bytes:
    if not isinstance(value, str) or not HASH.fullmatch(value):
        raise Refused(f"{what} must be a SHA-256 hash in hex")
    return bytes.fromhex(value)


def path_of(value: Any, what: str) -> list[bytes]:
    if not isinstance(value, list):
        raise Refused(f"{what} must be a list of hashes")
    return [hash_bytes(one, what) for one in value]


# --- the checks -----------------------------------------------------------------------------------------------------


def check_signature(key: Ed25519PublicKey, text: str, signature: Any) -> None:
    """That the key's owner signed this text as a daily root."""
    header, dots, value = str(signature).partition("..")
    try:
        stated = json.loads(decoded(header))
        key.verify(decoded(value), f"{header}.{encoded(text.encode())}".encode())
    except (InvalidSignature, ValueError) as error:
        raise Refused("the signature does not belong to the root, or was made with another key") from error
    if not dots or stated.get("alg") != "EdDSA" or stated.get("typ") != "tanmai-root":
        raise Refused("the signature was not made under a daily root")


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if encoded(data) != text:
        raise ValueError("not the one way to write these bytes")
    return data


def signed_root(key: Ed25519PublicKey, text: Any, signature: Any) -> dict[str, Any]:
    root = inner(text, "root")
    check_signature(key, text, signature)
    if root.get("format") != 1:
        raise Refused(f"format {root.get('format')} of roots is newer than this script")
    return root


def check_frame(entry: dict[str, Any], text: Any) -> None:
    """That the proof shows the frame that the entry names, and none with an entry that carries its calculation."""
    form = number(entry.get("format"), "format")
    if form not in ENTRY_FORMATS:
        raise Refused(f"format {form} of entries is newer than this script")
    if (form == FRAMED) != (text is not None):
        raise Refused(f"an entry of format {form} with{'out' if text is None else ''} a frame beside it")
    if form == FRAMED:
        inner(text, "frame")
        if hashlib.sha256(text.encode()).hexdigest() != entry.get("frame"):
            raise Refused("the frame is not the one that the entry names: frame or entry was changed")


def check_entry(proof: dict[str, Any], key: Ed25519PublicKey) -> str:
    """Walk from the entry to the signature; gives what was shown, as a sentence."""
    entry, span, day = (inner(proof[name], name) for name in ("entry", "span", "day"))
    root = signed_root(key, proof["root"], proof["signature"])

    check_frame(entry, proof.get("frame"))
    entry_hash = hashlib.sha256(proof["entry"].encode()).digest()
    first, last = number(span.get("first_seq"), "first_seq"), number(span.get("last_seq"), "last_seq")
    seq = number(entry.get("seq"), "seq")
    if entry.get("enterprise") != span.get("enterprise"):
        raise Refused("the entry is not of the enterprise that the span is of")
    entries = path_of(proof["span_path"], "span_path")
    reached = root_of_path(leaf_hash(entry_hash), seq - first, last - first + 1, entries, "entry in span")
    if reached != hash_bytes(span.get("entries"), "entries"):
        raise Refused("the entry does not lead to its span: entry, span or span_path was changed")
    if seq == last and span.get("head") != entry_hash.hex():
        raise Refused("the entry is the last of its span, but not the head of the chain that the span states")

    place, spans = number(proof["span_number"], "span_number"), number(day.get("spans"), "spans")
    leaf = leaf_hash(proof["span"].encode())
    reached = root_of_path(leaf, place, spans, path_of(proof["day_path"], "day_path"), "span in day")
    if reached != hash_bytes(day.get("tree"), "tree"):
        raise Refused("the span does not lead to its day: span, day, span_number or day_path was changed")

    place, days = number(proof["day_number"], "day_number"), number(root.get("days"), "days")
    leaf = leaf_hash(proof["day"].encode())
    reached = root_of_path(leaf, place, days, path_of(proof["history_path"], "history_path"), "day in history")
    if reached != hash_bytes(root.get("history"), "history"):
        raise Refused("the day does not lead to the root: day, root, day_number or history_path was changed")
    return (
        f"entry {entry['enterprise']}-{seq} (hash {entry_hash.hex()}) was booked by the end of {day['day']} UTC and "
        f"stands under the signed root of {root['day']}"
    )


def check_roots(growth: dict[str, Any], key: Ed25519PublicKey) -> str:
    """That a later root holds all that an earlier one held; gives that as a sentence."""
    roots = []
    for name in ("earlier", "later"):
        given = members(growth[name], ROOT_MEMBERS, name)
        root = signed_root(key, given["root"], given["signature"])
        if root.get("day") != given["day"]:
            raise Refused(f"{name}: the day is not that of the signed root")
        roots.append((number(root.get("days"), "days"), hash_bytes(root.get("history"), "history")))
    check_growth(*roots[0], *roots[1], path_of(growth["path"], "path"))
    return f"the root of {growth['later']['day']} holds all that the root of {growth['earlier']['day']} held"


def check(document: Any, key: Ed25519PublicKey, kept: Any = None) -> str:
    """What the document shows; raises Refused if it does not hold."""
    if isinstance(document, dict) and document.keys() == GROWTH_MEMBERS:
        shown = check_roots(document, key)
        roots = [document[name]["root"] for name in ("earlier", "later")]
    else:
        with_frame = {"frame"} if isinstance(document, dict) and "frame" in document else set()
        shown = check_entry(members(document, PROOF_MEMBERS | with_frame, "the proof"), key)
        roots = [document["root"]]
    if kept is not None and members(kept, ROOT_MEMBERS, "the kept root")["root"] not in roots:
        raise Refused("the proof is not under the root you kept; ask for it with that day: --root DAY or ?root=DAY")
    return shown


def read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        stop(2, f"{path}: cannot be read: {error}")


def read_key(path: Path) -> Ed25519PublicKey:
    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError) as error:
        stop(2, f"{path}: cannot be read: {error}")
    if not isinstance(key, Ed25519PublicKey):
        stop(2, f"{path}: is no Ed25519 public key")
    return key


def stop(code: int, text: str) -> NoReturn:
    print(text, file=sys.stderr)
    sys.exit(code)


def main() -> None:
    parser = argparse.ArgumentParser(description="Check a Tanmai proof without Tanmai.")
    parser.add_argument("proof", type=Path, help="proof of an entry, or of the growth between two roots; JSON")
    parser.add_argument("key", type=Path, help="the gateway's public key, PEM")
    parser.add_argument("--kept", type=Path, help="a root that you kept, JSON: it must be the one in the proof")
    given = parser.parse_args()
    document, key = read(given.proof), read_key(given.key)
    if isinstance(document, dict) and {"status", "detail"} <= document.keys():
        stop(2, f"{given.proof}: is no proof but the gateway's refusal to give one: {document['detail']}")
    try:
        shown = check(document, key, None if given.kept is None else read(given.kept))
    except Refused as refused:
        stop(1, f"REFUSED: {refused}")
    print(f"HOLDS: {shown}")


if __name__ == "__main__":
    main()
