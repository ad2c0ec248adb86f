"""The Unified Social Credit Code of legal entities, 统一社会信用代码 (GB 32100-2015).

18 characters: registering department and kind (2), administrative division (6 digits, GB/T 2260), organisation code
(9), check character (1). The alphabet leaves out I, O, S, V and Z. The check character is 31 minus the weighted sum
modulo 31 with weights 3^(i-1) mod 31, i from 1.
"""

from __future__ import annotations

import re

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
LENGTH = 18
_FORM = re.compile(rf"[{ALPHABET}]{{2}}[0-9]{{6}}[{ALPHABET}]{{10}}\Z")
_WEIGHTS = tuple(pow(3, place, 31) for place in range(LENGTH - 1))


def check_character(first: str) -> str:
    """The 18th character that belongs to the first 17; raises ValueError for characters outside the alphabet."""
    if len(first) != LENGTH - 1:
        raise ValueError(f"needs {LENGTH - 1} characters, not {len(first)}")
    total = sum(ALPHABET.index(character) * weight for character, weight in zip(first, _WEIGHTS, strict=True))
    return ALPHABET[-total % 31]


def problem_of(code: str) -> str | None:
    """What is wrong with a code, in a sentence, or None."""
    if len(code) != LENGTH:
        return f"a credit code has {LENGTH} characters, this has {len(code)}"
    if not _FORM.match(code):
        return (
            f"no credit code (GB 32100-2015): 2 characters, 6 digits of the division, 10 characters, all of {ALPHABET}"
        )
    fitting = check_character(code[:-1])
    if code[-1] != fitting:
        return f"check character (GB 32100-2015) does not fit: a character is mistyped, or the last should be {fitting}"
    return None
