"""The `tanmai` command: lazy, friendly, and exact in its exit codes."""

from __future__ import annotations

import importlib
import subprocess
import sys
from importlib.metadata import EntryPoint

import click
import pytest
from click.testing import CliRunner

from collectors import command
from collectors.errors import ConfigurationError, Problem, StoreUnavailable


@click.command()
def probe() -> None:
    """Answers for the test."""
    click.echo("probed")


@click.command()
def misconfigured() -> None:
    """Finds its configuration wrong."""
    raise ConfigurationError([Problem("is missing", "edge.yaml", 3, "agent.id"), Problem("is no port", "edge.yaml", 9)])


@click.command()
def late() -> None:
    """Imports what it needs only when it runs."""
    importlib.import_module("no_such_library.inside")


@click.command()
def broken() -> None:
    """Lacks a module of this program."""
    importlib.import_module("gateway.no_such_module")


@click.command()
def storeless() -> None:
    """Finds its database away."""
    raise StoreUnavailable("the database is away: start it")


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands that exist, and one whose module does not."""
    found = {
        name: EntryPoint(name, target, command.GROUP)
        for name, target in {
            "probe": "tests_of_command:probe",
            "misconfigured": "tests_of_command:misconfigured",
            "storeless": "tests_of_command:storeless",
            "late": "tests_of_command:late",
            "broken": "tests_of_command:broken",
            "edge": "no_such_module_anywhere:edge",
        }.items()
    }
    monkeypatch.setitem(sys.modules, "tests_of_command", sys.modules[__name__])
    monkeypatch.setattr(command, "_commands", lambda: found)


@pytest.mark.usefixtures("commands")
def test_a_subcommand_runs() -> None:
    result = CliRunner().invoke(command.tanmai, ["probe"])

    assert (result.exit_code, result.output) == (0, "probed\n")


@pytest.mark.usefixtures("commands")
def test_help_lists_all_commands_also_those_that_are_not_installed() -> None:
    result = CliRunner().invoke(command.tanmai, ["--help"])

    assert result.exit_code == 0
    assert "Answers for the test." in result.output
    assert "edge           (not installed)" in result.output


@pytest.mark.usefixtures("commands")
def test_a_command_that_is_not_installed_says_what_to_install() -> None:
    result = CliRunner().invoke(command.tanmai, ["edge", "run", "--config", "x"])

    assert result.exit_code == 2
    assert "needs the module no_such_module_anywhere" in result.output
    assert "pip install 'tanmai[edge]'" in result.output


@pytest.mark.usefixtures("commands")
def test_a_library_that_is_missed_only_while_a_command_runs_is_named_as_well() -> None:
    result = CliRunner().invoke(command.tanmai, ["late"])

    assert result.exit_code == 2
    assert "“late” needs the module no_such_library" in result.output
    assert "pip install 'tanmai[gateway]'" in result.output


@pytest.mark.usefixtures("commands")
def test_a_module_of_ours_that_is_missed_is_a_mistake_of_ours() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"gateway\.no_such_module"):
        CliRunner().invoke(command.tanmai, ["broken"], catch_exceptions=False)


@pytest.mark.usefixtures("commands")
def test_an_unknown_command_is_answered_with_a_guess() -> None:
    near = CliRunner().invoke(command.tanmai, ["prob"])
    far = CliRunner().invoke(command.tanmai, ["xyzzy"])

    assert near.exit_code == far.exit_code == 2
    assert "Did you mean “probe”?" in near.output
    assert "`tanmai --help` lists the commands." in far.output


@pytest.mark.usefixtures("commands")
def test_a_wrong_configuration_prints_every_problem_and_exits_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["tanmai", "misconfigured"])

    with pytest.raises(SystemExit) as ended:
        command.main()

    assert ended.value.code == 2
    assert capsys.readouterr().err == "edge.yaml:3: agent.id: is missing\nedge.yaml:9: is no port\n"


@pytest.mark.usefixtures("commands")
def test_what_fails_on_purpose_is_one_line_and_exits_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["tanmai", "storeless"])

    with pytest.raises(SystemExit) as ended:
        command.main()

    assert ended.value.code == 1
    assert capsys.readouterr().err == "the database is away: start it\n"


def test_the_door_opens_without_the_rooms() -> None:
    """Asking for the version imports no subcommand: an agent's machine has no gateway."""
    script = (
        "import sys; sys.argv = ['tanmai', '--version']\n"
        "from collectors.command import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "loaded = {name.partition('.')[0] for name in sys.modules}\n"
        "assert not loaded & {'gateway', 'edge_agent', 'flask', 'pandas', 'pymodbus', 'duckdb'}, loaded\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("tanmai, version")
