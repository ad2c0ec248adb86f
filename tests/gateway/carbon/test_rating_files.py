"""Policy and benchmark files: wrong ones are refused with every problem, shipped ones say what they are and are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from collectors.errors import ConfigurationError
from collectors.profile import shipped_config_dir
from gateway.carbon.policy import load_policies


def test_every_benchmark_without_an_official_source_says_so() -> None:
    policy = load_policies(shipped_config_dir())["four-colour-demo"]
    assert len(policy.benchmarks) > 10
    for benchmark in policy.benchmarks:
        assert benchmark.derived.zh
        assert benchmark.derived.en
        assert benchmark.demo == benchmark.source.startswith("demo value")
        assert benchmark.demo or benchmark.limit or "公告" in benchmark.source
    assert len(policy.limits) > 150


def written(tmp_path: Path, policy: str, benchmarks: str) -> Path:
    (tmp_path / "rating_policies").mkdir()
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "rating_policies" / "mine.yaml").write_text(policy)
    (tmp_path / "benchmarks" / "means.yaml").write_text(benchmarks)
    return tmp_path


def test_a_wrong_policy_is_refused_with_every_problem(tmp_path: Path) -> None:
    config = written(
        tmp_path,
        """\
policy: mine
title: {zh: 我的, en: mine}
official: maybe
statement: {zh: 无, en: none}
cuts: {green: 1.2, yellow: 0.8, orange: 2}
cuts_source: nowhere
gates: {coverage_min: 9, estimated_share_max: 0.2, days_min: 3}
metrics: [beauty]
benchmarks: [means, elsewhere]
""",
        "edition: means\ntitle: {zh: 均值, en: means}\nsource: me\n",
    )
    with pytest.raises(ConfigurationError) as caught:
        load_policies(config)
    message = str(caught.value)
    for words in ("official", "cuts must grow", "shares from 0 to 1", "metrics[0]"):
        assert words in message


def test_a_benchmark_must_name_a_limit_of_its_unit(tmp_path: Path) -> None:
    row = "metric: energy_intensity, amount: energy, industries: [C], source: s, derived: {zh: 甲, en: a}"
    config = written(
        tmp_path,
        "policy: mine\n",
        f"""\
edition: means
title: {{zh: 均值, en: means}}
source: me
limits:
- {{id: l, standard: GB 1, product: 甲, unit: kgce/t, level_3: 5}}
benchmarks:
- {{id: a, per: t, limit: nothing, {row}}}
- {{id: b, per: m2, limit: l, {row}}}
- {{id: c, per: t, limit: l, mean: 3, {row}}}
""",
    )
    with pytest.raises(ConfigurationError) as caught:
        load_policies(config)
    assert "exactly one of mean and limit" in str(caught.value)
    (config / "benchmarks" / "means.yaml").write_text(
        (config / "benchmarks" / "means.yaml").read_text().split("- {id: c")[0]
    )
    with pytest.raises(ConfigurationError) as caught:
        load_policies(config)
    assert "nothing is no limit" in str(caught.value)
    assert "is given in kgce/t" in str(caught.value)


@pytest.mark.parametrize("name", ["four-colour-k", "four-colour-limits", "four-colour-energy-carbon"])
def test_presets_say_that_they_are_no_official_rule_and_where_their_cuts_come_from(name: str) -> None:
    preset = load_policies(shipped_config_dir())[name].file
    assert preset.official is False
    assert "不是任何地方的官方规则" in preset.statement.zh
    assert "no official local rule" in preset.statement.en
    assert any(word in preset.cuts_source for word in ("Zhejiang", "GB standard"))
