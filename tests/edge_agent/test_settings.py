"""A configuration file is right, or every problem in it is said at once and nothing starts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from collectors.errors import ConfigurationError
from edge_agent.settings import connection_of, load_settings

GOOD = """\
agent: {enterprise: 91350500M00000000Y, id: edge-1}
gateway: {mqtt: "mqtt://127.0.0.1:1884"}
buses:
- {id: bus-1, driver: modbus-tcp, host: 127.0.0.1, port: 5020}
devices:
- {id: incomer-1, bus: bus-1, unit: 1, profile: eastron-sdm630, points: [power, energy_import], every_s: 60}
- {id: feeder-2, bus: bus-1, unit: 2, profile: eastron-sdm630}
"""

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(text: str) -> Path:
        path = tmp_path / "edge.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write_file


def problems_of(path: Path) -> dict[str, str]:
    """Key -> message of every problem."""
    with pytest.raises(ConfigurationError) as caught:
        load_settings(path)
    assert all(problem.file == str(path) and problem.line > 0 for problem in caught.value.problems)
    return {problem.key: problem.message for problem in caught.value.problems}


def test_good_file_is_read_with_defaults_and_everything_looked_up(write: Write, tmp_path: Path) -> None:
    settings = load_settings(write(GOOD))
    incomer, feeder = settings.devices
    assert {spec.point for spec in incomer.registers} == {"energy_import", "power"}
    assert [spec.point for spec in feeder.registers] == list(feeder.profile.points)
    assert (incomer.every_ms, feeder.every_ms) == (60_000, 60_000)
    assert settings.buffer_path == tmp_path / "edge-buffer.sqlite"
    assert settings.status_path.parent == tmp_path
    assert settings.buffer_limits.max_bytes == 512 * 2**20


def test_all_problems_are_reported_at_once_with_line_and_key(write: Write) -> None:
    path = write(
        """\
agent: {enterprise: "a/b", id: edge-1}
gateway: {mqtt: "http://127.0.0.1:1883", resend_after_s: 0}
buffer: {max_mib: 0, colour: red}
buses:
- {id: bus-1, driver: modbus-tpc, host: 127.0.0.1, port: 70000}
- {id: bus-1, driver: modbus-tcp, host: 127.0.0.1}
- {id: idle, driver: modbus-tcp, host: 127.0.0.1, baud: 9600}
- {id: cable, driver: modbus-rtu, path: /dev/ttyUSB0, port: 502, parity: mark, bytesize: 7, baud: 110}
- {id: text, driver: modbus-ascii, host: 127.0.0.1}
- {id: again, driver: modbus-rtu, path: /dev/ttyUSB0}
devices:
- {id: incomer-1, bus: bus-9, unit: 300, profile: eastron-sdm630, points: [steam, power, power], every_s: often}
- {id: incomer-1, bus: bus-1, profile: nobody-knows}
- {id: "inc.omer", bus: bus-1, profile: eastron-sdm630, points: []}
- {id: a, bus: cable, profile: eastron-sdm630}
- {id: b, bus: text, profile: eastron-sdm630}
- {id: c, bus: again, profile: eastron-sdm630}
"""
    )
    problems = problems_of(path)
    expected = {
        "agent.enterprise": "letters, digits",
        "gateway.mqtt": "mqtt://host:port",
        "gateway.resend_after_s": "1 to 3600",
        "buffer.max_mib": "1 to",
        "buffer.colour": "unknown key",
        "buses[0].driver": "known are modbus-tcp",
        "buses[0].port": "1 to 65535",
        "buses[0].id": "used 2 times",
        "buses[1].id": "used 2 times",
        "buses[2].id": "no device is on bus idle",
        "buses[2].port": "127.0.0.1:502 is bus bus-1 already",
        "buses[3].port": "means nothing to modbus-rtu; it takes baud, bytesize, parity, path, stopbits",
        "buses[3].parity": "none, even, odd",
        "buses[3].bytesize": "RTU needs 8 bits",
        "buses[3].baud": "300 to 4e+06",
        "buses[4]": "modbus-ascii needs path",
        "buses[4].host": "means nothing to modbus-ascii",
        "buses[5].path": "/dev/ttyUSB0 is bus cable already",
        "devices[0].id": "used 2 times",
        "devices[1].id": "used 2 times",
        "devices[0].bus": "no bus bus-9",
        "devices[0].unit": "0 to 255",
        "devices[0].points[0]": "no point steam; it has",
        "devices[0].points[2]": "stands here twice",
        "devices[0].every_s": "must be a number",
        "devices[1].profile": "no profile nobody-knows; known are",
        "devices[2].id": "letters, digits",
        "devices[2].points": "is empty",
    }
    assert problems.keys() == expected.keys()
    for key, part in expected.items():
        assert part in problems[key], key


@pytest.mark.parametrize(
    "text", ["", "[]", "agent", "agent: 1\ndevices: {a: 1}\nbuses: x\ngateway: [1]", "devices: [1, [2], null]"]
)
def test_file_of_another_shape_is_refused_without_a_crash(write: Write, text: str) -> None:
    with pytest.raises(ConfigurationError):
        load_settings(write(text))


def test_missing_file_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_settings(tmp_path / "nothing.yaml")


@pytest.mark.parametrize(
    "url", ["mqtt://", "mqtt://h:0", "mqtt://h:99999", "mqtt://h:x", "tcp://h:1", "mqtt://h/path", "127.0.0.1:1883"]
)
def test_address_that_is_no_broker_is_refused(write: Write, url: str) -> None:
    assert "gateway.mqtt" in problems_of(write(GOOD.replace("mqtt://127.0.0.1:1884", url)))


def test_password_in_the_address_is_refused_and_not_repeated(write: Write) -> None:
    problems = problems_of(write(GOOD.replace("mqtt://127", "mqtt://me:s3cret@127")))
    assert "password_file" in problems["gateway.mqtt"]
    assert "s3cret" not in str(problems)


def test_profiles_of_an_extra_folder_are_known(write: Write, tmp_path: Path) -> None:
    shipped = Path(__file__).parents[2] / "config" / "meter_profiles" / "eastron-sdm630.yaml"
    (tmp_path / "own").mkdir()
    text = shipped.read_text(encoding="utf-8").replace("id: eastron-sdm630", "id: own-meter", 1)
    (tmp_path / "own" / "own-meter.yaml").write_text(text, encoding="utf-8")
    settings = load_settings(write(GOOD.replace("eastron-sdm630", "own-meter") + "profiles_dir: own\n"))
    assert settings.devices[0].profile.id == "own-meter"


def test_password_comes_from_a_file_or_the_environment(write: Write, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("tm_1_abc\n")
    from_file = load_settings(write(GOOD.replace('1884"', '1884", password_file: token')))
    connection = connection_of(from_file, {})
    assert (connection.username, connection.password) == ("91350500M00000000Y/edge-1", "tm_1_abc")
    from_env = load_settings(write(GOOD.replace('1884"', '1884", password_env: TOKEN, username: me')))
    connection = connection_of(from_env, {"TOKEN": "tm_2_def"})
    assert (connection.username, connection.password) == ("me", "tm_2_def")
    assert "tm_2_def" not in repr(connection)
    without = connection_of(load_settings(write(GOOD)), {})
    assert (without.username, without.password) == (None, None)
    assert without.client_id == "tanmai-91350500M00000000Y-edge-1"


@pytest.mark.parametrize("extra", ["password_file: absent", "password_file: empty", "password_env: UNSET"])
def test_password_that_is_not_there_is_a_configuration_error(write: Write, tmp_path: Path, extra: str) -> None:
    (tmp_path / "empty").write_text("\n")
    settings = load_settings(write(GOOD.replace('1884"', f'1884", {extra}')))
    with pytest.raises(ConfigurationError, match=r"gateway\.password"):
        connection_of(settings, {})


def test_two_places_for_the_password_are_refused(write: Write) -> None:
    problems = problems_of(write(GOOD.replace('1884"', '1884", password_file: a, password_env: B')))
    assert "not both" in problems["gateway.password_env"]
