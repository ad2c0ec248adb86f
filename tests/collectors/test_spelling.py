"""Errors say what was probably meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from collectors.errors import ConfigurationError
from collectors.spelling import meant
from collectors.strict_yaml import file_text, parse


def test_a_likely_name_is_given_and_no_unlikely_one() -> None:
    assert meant("energy_imprt", ["power", "energy_import", "energy_export"]) == " (did you mean energy_import?)"
    assert meant("x", ["power", "energy_import"]) == ""
    assert meant("power", []) == ""


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("maker: Acme\nmodel：M3\nid: x\n", "Near it stands ：: YAML's own signs are narrow"),
        ("names: {zh：甲， en: A}\nid x\n", "Near it stands ， ："),
        ("maker: Acme\nmodel:M3\nid: x\n", "A space must stand behind the colon of a key"),
        ("maker: Acme\n\tmodel: M3\n", "indent with spaces"),
    ],
)
def test_signs_that_only_look_right_are_named(text: str, hint: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        parse(text, "park.yaml")
    assert hint in str(refused.value)


def test_other_faults_of_yaml_get_no_hint() -> None:
    with pytest.raises(ConfigurationError) as refused:
        parse("a: {b: 1\nc: d\n", "park.yaml")
    assert "Near it" not in str(refused.value) and "space" not in str(refused.value)


def test_a_file_in_another_encoding_is_refused_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "park.yaml"
    path.write_bytes("id: a\nname: 碳脉\n".encode("gbk"))
    with pytest.raises(ConfigurationError) as refused:
        file_text(path)
    (problem,) = refused.value.problems
    assert problem.line == 2 and "save it as UTF-8" in problem.message
