"""Chinese sentences in `config/` have Chinese punctuation."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

CONFIG = Path(__file__).parents[2] / "config"
HALF_WIDTH = re.compile(r"[\u4e00-\u9fff][,;:?!]|[,;:?!][\u4e00-\u9fff]")


def chinese(value: object) -> list[str]:
    """All texts under a key `zh`, however deep."""
    if isinstance(value, dict):
        own = [text for key, text in value.items() if key == "zh" and isinstance(text, str)]
        return own + [text for part in value.values() for text in chinese(part)]
    return [text for part in value for text in chinese(part)] if isinstance(value, list) else []


def test_no_half_width_punctuation_beside_chinese_characters() -> None:
    texts = {
        text: path.relative_to(CONFIG)
        for path in sorted(CONFIG.rglob("*.yaml"))
        for text in chinese(yaml.load(path.read_text(encoding="utf-8"), yaml.BaseLoader))
    }
    assert len(texts) > 150
    assert {text: path for text, path in texts.items() if HALF_WIDTH.search(text)} == {}


@pytest.mark.parametrize("planted", ["标准煤,吨", "超出;请提高", "注意:没有"])
def test_a_planted_one_is_found(planted: str) -> None:
    assert HALF_WIDTH.search(planted)
