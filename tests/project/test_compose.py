"""docker-compose.yml fits its schema, and every command, setting, path and secret in it exists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from check_jsonschema.builtin_schemas import get_builtin_schema
from click import Command, Context
from click.testing import CliRunner

from collectors.command import tanmai
from edge_agent.settings import load_settings as load_edge_settings
from gateway.settings import NOT_SETTINGS, Settings, load_settings

ROOT = Path(__file__).resolve().parents[2]
OWN_IMAGE = "tanmai:"
VARIABLE = re.compile(r"\$\{(\w+)[^}]*\}")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    return document


@pytest.fixture(scope="module")
def example() -> dict[str, str]:
    """deploy/example.env by variable."""
    lines = (ROOT / "deploy" / "example.env").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def schema_errors(document: dict[str, Any]) -> list[str]:
    schema = get_builtin_schema("vendor.compose-spec")
    return [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(document)]


def own_services(compose: dict[str, Any]) -> dict[str, Any]:
    return {name: one for name, one in compose["services"].items() if one["image"].startswith(OWN_IMAGE)}


def wrong_command(arguments: list[str]) -> str:
    """Why `tanmai <arguments>` is no command line; "" if it is one. Parses, runs nothing."""
    command: Command = tanmai
    context = Context(command)
    rest = arguments
    try:
        while hasattr(command, "resolve_command"):
            _, command, rest = command.resolve_command(context, rest)
            context = Context(command, parent=context)
        command.make_context(command.name, list(rest), parent=context, resilient_parsing=False)
    except Exception as error:  # whatever click has against it
        return f"tanmai {' '.join(arguments)}: {error}"
    return ""


def unknown_settings(environment: dict[str, str]) -> Iterator[str]:
    known = {str(field.metadata["variable"]) for field in Settings.__dataclass_fields__.values()}
    for variable in environment:
        if variable.startswith("TANMAI_") and variable not in known and variable not in NOT_SETTINGS:
            yield variable


def host_paths(service: dict[str, Any]) -> Iterator[str]:
    """Paths of the project that a service mounts."""
    for volume in service.get("volumes", []):
        source = volume.split(":")[0]
        if source.startswith("."):
            yield source


def test_it_fits_the_compose_schema(compose: dict[str, Any]) -> None:
    assert len(compose["services"]) == 9
    assert schema_errors(compose) == []


def test_a_planted_key_breaks_the_schema(compose: dict[str, Any]) -> None:
    spoiled = {**compose, "services": {**compose["services"], "x": {"image": "a", "comand": []}}}
    assert schema_errors(spoiled) != []


def test_production_has_every_part(compose: dict[str, Any]) -> None:
    services = compose["services"]
    servers, roles = {"mosquitto", "influxdb", "postgres"}, {"web", "ingest", "scheduler", "rollup"}
    assert servers | roles | {"edge", "meters"} == set(services)
    assert services["influxdb"]["image"] == "influxdb:2.7"
    assert services["mosquitto"]["image"].startswith("eclipse-mosquitto:2")
    for name, service in services.items():
        assert service["restart"] == "unless-stopped", name
        assert service["healthcheck"]["test"][0] == "CMD", name


def test_what_all_must_share_is_on_one_volume_and_an_ingest_process_keeps_its_name(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for role in ("web", "ingest", "scheduler", "rollup"):
        assert "gateway-keys:/var/lib/tanmai/keys" in services[role]["volumes"], role
    for role in ("web", "scheduler"):
        assert "evidence:/var/lib/tanmai/evidence" in services[role]["volumes"], role
    assert services["ingest"]["hostname"]
    shared = {volume.split(":")[1] for volume in services["web"]["volumes"]} - {"/var/lib/tanmai"}
    owned = next(
        line for line in (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines() if "install --directory" in line
    )
    assert all(path in owned.split() for path in shared), "a volume takes its owner from the folder in the image"


def test_every_command_of_ours_exists(compose: dict[str, Any]) -> None:
    lines = [one["command"] for one in own_services(compose).values() if "entrypoint" not in one]
    lines += [one["healthcheck"]["test"][2:] for one in own_services(compose).values()
              if one["healthcheck"]["test"][1] == "tanmai"]  # fmt: skip
    assert len(lines) >= 5
    assert [wrong_command(line) for line in lines if wrong_command(line)] == []


def test_a_planted_command_is_caught() -> None:
    assert wrong_command(["serve", "--role", "everything"])
    assert wrong_command(["edge", "runn", "--config", "x"])
    assert wrong_command(["serv"])
    assert not wrong_command(["serve", "--role", "web"])


def test_simulated_meters_are_a_module_that_takes_these_arguments(compose: dict[str, Any]) -> None:
    from gateway.demo import serve_meters

    meters = compose["services"]["meters"]
    assert meters["entrypoint"] == ["python", "-m", "gateway.demo.serve_meters"]
    result = CliRunner().invoke(serve_meters.main, [*meters["command"], "--help"])
    assert result.exit_code == 0
    context = serve_meters.main.make_context("meters", list(meters["command"]))
    assert context.params["enterprise"] == meters["command"][0]
    serve_meters.meters_for(meters["command"][0], "127.0.0.1", 0)


def test_every_setting_exists_and_is_accepted(compose: dict[str, Any], example: dict[str, str]) -> None:
    for name in ("web", "ingest", "scheduler"):
        environment = compose["services"][name]["environment"]
        assert list(unknown_settings(environment)) == []
        filled = {key: VARIABLE.sub(lambda found: example[found.group(1)], str(v)) for key, v in environment.items()}
        load_settings(filled)
    assert list(unknown_settings({"TANMAI_DATA_DRI": "x"})) == ["TANMAI_DATA_DRI"]


def test_every_path_exists(compose: dict[str, Any]) -> None:
    paths = [path for service in compose["services"].values() for path in host_paths(service)]
    assert len(paths) >= 2
    assert [path for path in paths if not (ROOT / path).exists()] == []
    for script in ("start.sh", "healthy.sh", "accounts.sh", "mosquitto.conf"):
        assert (ROOT / "deploy" / "mosquitto" / script).is_file()


def test_every_named_volume_and_network_is_declared(compose: dict[str, Any]) -> None:
    used = {volume.split(":")[0] for one in compose["services"].values() for volume in one.get("volumes", [])}
    assert {name for name in used if not name.startswith(".")} == set(compose["volumes"])
    networks = {name for one in compose["services"].values() for name in one["networks"]}
    assert networks == set(compose["networks"])


def test_secrets_come_from_the_env_file_and_nothing_in_it_is_unused(example: dict[str, str]) -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    used = set(VARIABLE.findall(text))
    assert used == set(example)
    assert all(f"${{{variable}:?}}" in text for variable in used), "a missing secret must stop the start"
    secrets = [variable for variable in example if variable.endswith(("PASSWORD", "TOKEN"))]
    assert len(secrets) >= 6
    assert all(example[variable] == "change-me" for variable in secrets)


def test_our_containers_are_not_root_and_write_only_where_they_must(compose: dict[str, Any]) -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert dockerfile.rindex("USER tanmai") > dockerfile.rindex("FROM ")
    assert len(own_services(compose)) == 6
    for name, service in own_services(compose).items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name


def test_agent_reaches_the_broker_and_nothing_else_inside(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert services["edge"]["networks"] == ["plant"]
    assert {name for name, one in services.items() if "plant" in one["networks"]} == {"edge", "meters", "mosquitto"}


def test_every_file_the_image_copies_exists() -> None:
    lines = re.findall(r"^COPY (?!--from)(.+)$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    sources = [source for line in lines for source in line.split()[:-1]]
    assert len(sources) >= 7
    assert [source for source in sources if not (ROOT / source).exists()] == []
    assert re.findall(r"requirements/\w+\.txt", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
    for path in re.findall(r"requirements/\w+\.txt", (ROOT / "Dockerfile").read_text(encoding="utf-8")):
        assert (ROOT / path).is_file()


def test_agent_configuration_is_one_that_agents_accept(compose: dict[str, Any]) -> None:
    settings = load_edge_settings(ROOT / "deploy" / "edge.yaml")
    assert settings.gateway.password_env in compose["services"]["edge"]["environment"]
    assert settings.buses[0].host in compose["services"]
    assert str(settings.buses[0].port) in compose["services"]["meters"]["command"]
    assert settings.agent.enterprise == compose["services"]["meters"]["command"][0]
