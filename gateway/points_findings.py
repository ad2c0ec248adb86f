"""Too many points, as findings: where a registry file was refused for it, and where a registry stands over its quota.

`registry.points_refused`: a file for the enterprise was refused; gone when a file with it is applied.
`registry.points_over_quota`: a quota was lowered under the points that stand; gone when they fit again.

What stays true: the registry that stands is not cut down and its readings are taken: only a file can be refused. Of
each enterprise there is one such finding at a time, as old as the trouble.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Engine

from collectors.clock import HOUR_MS
from collectors.errors import Problem
from gateway.carbon.model import Finding
from gateway.registry.model import Enterprise, Registry
from gateway.registry.quota_checks import TooManyPoints, points_limit
from gateway.store.findings_repository import FindingsRepository, Judged

REFUSED = "registry.points_refused"
STANDING = "registry.points_over_quota"
SUBJECT = "registry"
_LATEST_MS = 2**62

# Name -> what it says, in Chinese and English.
_WORDS = {
    REFUSED: (
        "登记文件列有 {points} 个测点，超出配额 {limit} 个，文件未被采用，原登记继续有效；请提高配额或减少测点。",
        (
            "A registry file with {points} points was refused, the quota is {limit}. What stood before stands: raise "
            "the quota, or name fewer points."
        ),
    ),
    STANDING: (
        "已登记 {points} 个测点，超出配额 {limit} 个；读数照常接收，但新的登记文件会被拒绝。请提高配额或减少测点。",
        (
            "{points} points are registered, the quota is {limit}. Their readings are taken, but the next registry "
            "file will be refused: raise the quota, or name fewer points."
        ),
    ),
}


def keep_refused(engine: Engine, registry: Registry, problems: Iterable[Problem], now_ms: int) -> None:
    """A file was refused: tell the enterprises that had too many points in it, if they are registered."""
    for problem in problems:
        if isinstance(problem, TooManyPoints) and problem.enterprise in registry.enterprises:
            found = problem.enterprise, problem.points, problem.limit
            _replace(engine, REFUSED, [problem.enterprise], [found], now_ms)


def keep_standing(
    engine: Engine, registry: Registry, usual_limit: int, now_ms: int, applied: Iterable[Enterprise] = ()
) -> None:
    """Judge the registry that stands; a file with the enterprises in `applied` was taken just now."""
    _replace(engine, REFUSED, [one.id for one in applied], [], now_ms)
    over = [
        (one.id, points, limit)
        for one in registry.enterprises.values()
        if 0 < (limit := points_limit(one.quota, usual_limit)) < (points := len(one.points()))
    ]
    _replace(engine, STANDING, list(registry.enterprises), over, now_ms)


def _replace(engine: Engine, name: str, judged: list[str], over: Iterable[tuple[str, int, int]], now_ms: int) -> None:
    repository = FindingsRepository(engine)
    found = []
    for enterprise, points, limit in over:
        stood = repository.page(enterprise, 1_000, prefixes=(name,))
        since_ms = next((one.finding.at_ms for one in stood if one.status != "resolved"), now_ms // HOUR_MS * HOUR_MS)
        zh, en = (words.format(points=points, limit=limit) for words in _WORDS[name])
        values = {"points": points, "limit": limit}
        found.append(Finding(name, enterprise, SUBJECT, since_ms, "warning", values, zh, en))
    stretches = [Judged(enterprise, SUBJECT, 0, _LATEST_MS) for enterprise in judged]
    repository.replace_all(stretches, found, now_ms, prefixes=(name,))
