"""What somebody probably meant: a name like one that exists, or signs that YAML does not know and that look right.

One likely name says more than a list of all; the messages of errors give both.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

# Signs of a Chinese keyboard that stand where YAML's own should, and a key without the space behind its colon.
_WIDE_SIGNS = frozenset("：，｛｝［］【】“”‘’＃\u3000")
_NO_SPACE = re.compile(r"[\s-]*[A-Za-z_]\w*:[^\s/]")


def meant(word: str, known: Iterable[str]) -> str:
    """ " (did you mean power?)", to stand behind the word; "" if no known name is like it."""
    likely = difflib.get_close_matches(word, sorted(known), 3)
    near = [_likeness(word, one) for one in likely]
    best = sorted(one for one, own in zip(likely, near, strict=True) if own == near[0])  # float: float32 or float64
    return f" (did you mean {' or '.join(best)}?)" if best else ""


def _likeness(word: str, known: str) -> float:
    return difflib.SequenceMatcher(None, known, word).ratio()


def yaml_hint(text: str, line: int) -> str:
    """What may be the matter near a line that YAML does not understand: signs that look right and are not."""
    near = text.splitlines()[max(0, line - 3) : line]
    wide = sorted({sign for own in near for sign in _WIDE_SIGNS.intersection(own.partition("#")[0])})
    if wide:
        return f". Near it stands {' '.join(wide)}: YAML's own signs are narrow, : , {{ }} [ ]"
    if any(own.lstrip(" ").startswith("\t") for own in near):
        return ": indent with spaces"
    if any(_NO_SPACE.match(own) for own in near):
        return ". A space must stand behind the colon of a key"
    return ""
