"""Everything in `config/` that a gateway needs, loaded together, so that all faults are told at once."""

from __future__ import annotations

from typing import Any

from collectors.errors import ConfigurationError, Problem
from collectors.profile import MeterProfile, load_profiles
from gateway.carbon.factors import FactorBook
from gateway.carbon.methods import MethodFile, load_methods
from gateway.carbon.policy import Policy, load_policies
from gateway.settings import Settings


def load_knowledge(
    settings: Settings,
) -> tuple[dict[str, MeterProfile], FactorBook, dict[str, Policy], dict[str, MethodFile]]:
    """Profiles, factors, policies and methods; ConfigurationError with the problems of all of them."""
    problems: list[Problem] = []
    loaded: list[Any] = []
    for load in (
        lambda: load_profiles(*settings.profile_paths),
        lambda: FactorBook.load(settings.config_path),
        lambda: load_policies(settings.config_path),
    ):
        try:
            loaded.append(load())
        except ConfigurationError as error:
            problems += error.problems
    if problems:
        raise ConfigurationError(problems)
    profiles, factors, policies = loaded
    methods = load_methods(settings.config_path, factors.fuel_sets, factors.gwp_sets)
    return profiles, factors, policies, methods
