"""Settings of the gateway: environment variables, or the same keys in a TOML or YAML file named by TANMAI_SETTINGS.

Each setting stands once in `Settings`; its metadata says the variable, what it is for and whether it is a secret.
The environment wins over the file, the file over the default. An unknown TANMAI_ variable is refused: it is
nearly always a slip. `tanmai doctor` lists them all, with secrets hidden.
"""

from __future__ import annotations

import dataclasses
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from collectors import strict_yaml
from collectors.errors import ConfigurationError, Problem
from collectors.tls import NO_TLS_FILES, TlsFiles, client_context
from gateway.ingest.portion import Portion

# The knowledge shipped beside the packages; the same place in a checkout and in an installed wheel.
SHIPPED_CONFIG_DIR = Path(__file__).resolve().parent.parent / "config"

# A user's password in a URL, and the values of `token=` and `password=`.
_SECRET_IN_URL = re.compile(r"(?<=:)[^:/@\s]+(?=@)|(?<=token=)[^&\s]+|(?<=password=)[^&\s]+")


def _setting(default: Any, variable: str, help_text: str) -> Any:
    return dataclasses.field(default=default, metadata={"variable": variable, "help": help_text})


@dataclass(frozen=True, slots=True)
class Settings:
    data_dir: str = _setting("./var", "TANMAI_DATA_DIR", "where everything that must last is kept")
    http: str = _setting("127.0.0.1:8080", "TANMAI_HTTP", "address of pages and API; port 0 takes a free one")
    mqtt_url: str = _setting(
        "embedded", "TANMAI_MQTT_URL", "embedded (a broker of our own), mqtt(s)://user:password@host:port, or off"
    )
    mqtt_listen: str = _setting(
        "127.0.0.1:1883",
        "TANMAI_MQTT_LISTEN",
        "where the embedded broker listens; port 0 takes a free one and keeps it",
    )
    mqtt_ca_file: str = _setting(
        "", "TANMAI_MQTT_CA_FILE", "certificate authority of an mqtts broker; empty = system's"
    )
    mqtt_cert_file: str = _setting(
        "", "TANMAI_MQTT_CERT_FILE", "our client certificate (PEM), where an mqtts broker asks for one"
    )
    mqtt_key_file: str = _setting("", "TANMAI_MQTT_KEY_FILE", "its key; empty = it stands in the certificate's file")
    broker_admin_url: str = _setting(
        "", "TANMAI_BROKER_ADMIN_URL", "administrator of a mosquitto with the dynamic-security plugin, as an mqtt URL"
    )
    ingest_share: str = _setting(
        "", "TANMAI_INGEST_SHARE", "group of ingest processes among which the broker deals out messages ($share/…)"
    )
    ingest_shard: str = _setting(
        "", "TANMAI_INGEST_SHARD", "1/2 = the first of two ingest processes, for a broker without shared subscriptions"
    )
    timeseries: str = _setting(
        "duckdb", "TANMAI_TIMESERIES", "duckdb, or influx://host:8086/?org=…&bucket=…&token=… (version is detected)"
    )
    database_url: str = _setting(
        "", "TANMAI_DATABASE_URL", "sqlite:///… or postgresql+psycopg://…; empty = SQLite in the data directory"
    )
    config_dir: str = _setting(
        str(SHIPPED_CONFIG_DIR), "TANMAI_CONFIG_DIR", "meter profiles, factors, benchmarks and rating policies"
    )
    profiles_dir: str = _setting("", "TANMAI_PROFILES_DIR", "a further directory of meter profiles of your own")
    rollup_every_s: float = _setting(60.0, "TANMAI_ROLLUP_EVERY_S", "seconds between two roll-ups")
    settle_s: float = _setting(
        600.0, "TANMAI_SETTLE_S", "seconds after local midnight before the day that ended is first booked"
    )
    close_day: int = _setting(
        5, "TANMAI_CLOSE_DAY", "day of the next month on which a month closes by itself; 0 = only by `tanmai close`"
    )
    adjustment_approval_kg: float = _setting(
        0.0,
        "TANMAI_ADJUSTMENT_APPROVAL_KG",
        "kg CO2e or kgce above which an adjustment needs a second person; 0 = every one does",
    )
    quota_readings_per_s: float = _setting(
        0.0, "TANMAI_QUOTA_READINGS_PER_S", "readings a second that an agent or device may send; 0 = no limit"
    )
    quota_bytes_per_s: float = _setting(
        0.0, "TANMAI_QUOTA_BYTES_PER_S", "bytes a second that an agent or device may send; 0 = no limit"
    )
    device_readings_per_s: float = _setting(
        0.0, "TANMAI_DEVICE_READINGS_PER_S", "readings a second of a device, whoever sends them; 0 = no limit"
    )
    enterprise_readings_per_s: float = _setting(
        0.0, "TANMAI_ENTERPRISE_READINGS_PER_S", "readings a second of all senders of an enterprise; 0 = no limit"
    )
    enterprise_bytes_per_s: float = _setting(
        0.0, "TANMAI_ENTERPRISE_BYTES_PER_S", "bytes a second of all senders of an enterprise; 0 = no limit"
    )
    enterprise_points: int = _setting(
        0,
        "TANMAI_ENTERPRISE_POINTS",
        "points that an enterprise may have, unless its quota says another number; 0 = no limit",
    )
    set_aside_days: int = _setting(
        365, "TANMAI_SET_ASIDE_DAYS", "days after which what could not be stored is dropped; 0 = by room only"
    )
    archive_after_days: int = _setting(
        0, "TANMAI_ARCHIVE_AFTER_DAYS", "days after which DuckDB keeps a month in Parquet files; 0 = never"
    )
    raw_retention_days: int = _setting(
        0, "TANMAI_RAW_RETENTION_DAYS", "days for which raw readings are kept once their month is closed; 0 = for ever"
    )
    log_level: str = _setting("info", "TANMAI_LOG_LEVEL", "debug, info, warning or error")

    @property
    def data_path(self) -> Path:
        return Path(self.data_dir).expanduser().resolve()

    @property
    def mqtt_tls(self) -> TlsFiles:
        """Whom to believe at an mqtts broker, and our own certificate."""
        return TlsFiles(self.mqtt_ca_file or None, self.mqtt_cert_file or None, self.mqtt_key_file or None)

    @property
    def config_path(self) -> Path:
        return Path(self.config_dir).expanduser().resolve()

    @property
    def profile_paths(self) -> tuple[Path, ...]:
        """The configuration directory, and the directory of profiles of one's own if there is one."""
        own = (Path(self.profiles_dir).expanduser().resolve(),) if self.profiles_dir else ()
        return (self.config_path, *own)

    @property
    def relational_url(self) -> str:
        return self.database_url or f"sqlite:///{self.data_path / 'tanmai.sqlite'}"


def load_settings(environment: Mapping[str, str]) -> Settings:
    """Settings from the environment and the file that TANMAI_SETTINGS names; ConfigurationError with all problems."""
    problems: list[Problem] = []
    fields = {str(field.metadata["variable"]): field for field in dataclasses.fields(Settings)}
    given = _from_file(environment["TANMAI_SETTINGS"]) if environment.get("TANMAI_SETTINGS") else {}
    places = dict.fromkeys(given, environment.get("TANMAI_SETTINGS", ""))
    for name, value in environment.items():
        if name.startswith("TANMAI_") and name not in ("TANMAI_SETTINGS", *NOT_SETTINGS):
            given[name] = value
            places[name] = "environment"
    values: dict[str, Any] = {}
    for name, text in given.items():
        if name not in fields:
            known = ", ".join(sorted(fields))
            problems.append(Problem(f"no such setting; known are {known}", places[name], key=name))
            continue
        field = fields[name]
        convert: Callable[[str], Any] = type(field.default)
        try:
            values[field.name] = convert(text)
        except ValueError:
            wanted = "a whole number" if isinstance(field.default, int) else "a number"
            problems.append(Problem(f"must be {wanted}, not {text!r}", places[name], key=name))
    settings = Settings(**values)
    problems += [
        Problem(message, places.get(variable, "default"), key=variable) for variable, message in _wrong(settings)
    ]
    if problems:
        raise ConfigurationError(problems)
    return settings


SHORTEST_RETENTION_DAYS = 40

# Variables beginning with TANMAI_ that other parts read: never a slip of ours.
NOT_SETTINGS = ("TANMAI_AGENT_PASSWORD",)


def _wrong_tls(settings: Settings) -> list[tuple[str, str]]:
    if settings.mqtt_key_file and not settings.mqtt_cert_file:
        return [("TANMAI_MQTT_KEY_FILE", "needs TANMAI_MQTT_CERT_FILE, the certificate of this key")]
    if settings.mqtt_tls == NO_TLS_FILES:
        return []
    try:
        client_context(settings.mqtt_tls)
    except ConfigurationError as error:
        return [("TANMAI_MQTT_CERT_FILE" if settings.mqtt_cert_file else "TANMAI_MQTT_CA_FILE", str(error))]
    return []


def _from_file(name: str) -> dict[str, str]:
    path = Path(name)
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".toml":
            return {key: str(value) for key, value in tomllib.loads(text).items()}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError([Problem(f"cannot be read: {error}", name)]) from error
    return strict_yaml.loads(text, dict[str, str], name)


def _wrong(settings: Settings) -> list[tuple[str, str]]:
    """(variable, what is wrong) of values that have the right type but cannot be used."""
    wrong: list[tuple[str, str]] = []
    for variable, text in (("TANMAI_HTTP", settings.http), ("TANMAI_MQTT_LISTEN", settings.mqtt_listen)):
        try:
            split_address(text)
        except ValueError as error:
            wrong.append((variable, str(error)))
    if settings.mqtt_url not in ("embedded", "off") and urlsplit(settings.mqtt_url).scheme not in ("mqtt", "mqtts"):
        wrong.append(("TANMAI_MQTT_URL", "must be embedded, off, or an address such as mqtt://user:password@host:1883"))
    wrong += _wrong_tls(settings)
    if settings.timeseries != "duckdb" and urlsplit(settings.timeseries).scheme not in ("influx", "influxs"):
        wrong.append(("TANMAI_TIMESERIES", "must be duckdb or influx://host:8086/?org=…&bucket=…&token=…"))
    if settings.database_url and not settings.database_url.startswith(("sqlite:///", "postgresql+psycopg://")):
        wrong.append(("TANMAI_DATABASE_URL", "must begin with sqlite:/// or postgresql+psycopg://"))
    wrong += _wrong_portion(settings)
    if not settings.config_path.is_dir():
        wrong.append(("TANMAI_CONFIG_DIR", f"{settings.config_path} is not a directory"))
    if settings.rollup_every_s < 1:
        wrong.append(("TANMAI_ROLLUP_EVERY_S", "must be at least 1"))
    if settings.settle_s < 0:
        wrong.append(("TANMAI_SETTLE_S", "must not be negative"))
    if not 0 <= settings.close_day <= 28:
        wrong.append(("TANMAI_CLOSE_DAY", "must be 0 to 28"))
    for field in dataclasses.fields(settings):
        if field.name.endswith("_per_s") and getattr(settings, field.name) < 0:
            wrong.append((field.metadata["variable"], "must not be negative; 0 = no limit"))
    if not 0 <= settings.adjustment_approval_kg < float("inf"):
        wrong.append(("TANMAI_ADJUSTMENT_APPROVAL_KG", "must be a number that is not negative; 0 = every one"))
    if settings.enterprise_points < 0:
        wrong.append(("TANMAI_ENTERPRISE_POINTS", "must not be negative; 0 = no limit"))
    if settings.set_aside_days < 0:
        wrong.append(("TANMAI_SET_ASIDE_DAYS", "must not be negative; 0 = no limit"))
    if settings.archive_after_days < 0:
        wrong.append(("TANMAI_ARCHIVE_AFTER_DAYS", "must not be negative; 0 = never"))
    if settings.raw_retention_days != 0 and settings.raw_retention_days < SHORTEST_RETENTION_DAYS:
        least = f"0 = for ever, or at least {SHORTEST_RETENTION_DAYS}: months close first, and readings come late"
        wrong.append(("TANMAI_RAW_RETENTION_DAYS", f"must be {least}"))
    if settings.log_level not in ("debug", "info", "warning", "error"):
        wrong.append(("TANMAI_LOG_LEVEL", "must be debug, info, warning or error"))
    return wrong


def _wrong_portion(settings: Settings) -> list[tuple[str, str]]:
    """Several ingest processes need servers that several may write to."""
    variable = "TANMAI_INGEST_SHARE" if settings.ingest_share else "TANMAI_INGEST_SHARD"
    try:
        portion = Portion.of(settings.ingest_share, settings.ingest_shard)
    except ValueError as error:
        return [(variable, str(error))]
    if portion.is_whole:
        return []
    needed = {
        "TANMAI_MQTT_URL": (urlsplit(settings.mqtt_url).scheme in ("mqtt", "mqtts"), "a broker that all reach"),
        "TANMAI_TIMESERIES": (settings.timeseries != "duckdb", "influx://…: a DuckDB file belongs to one process"),
        "TANMAI_DATABASE_URL": (settings.database_url.startswith("postgresql"), "PostgreSQL, shared by all of them"),
    }
    return [
        (variable, f"several ingest processes need {what}: set {name}")
        for name, (fine, what) in needed.items()
        if not fine
    ]


def split_address(text: str) -> tuple[str, int]:
    """ "127.0.0.1:8080" -> ("127.0.0.1", 8080); ValueError says what is wrong."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"must be host:port, such as 127.0.0.1:8080, not {text!r}")
    return host.strip("[]"), int(port)


def described(settings: Settings) -> list[tuple[str, str, str]]:
    """(variable, value with secrets hidden, help) of every setting."""
    return [
        (str(f.metadata["variable"]), hide_secrets(str(getattr(settings, f.name))), str(f.metadata["help"]))
        for f in dataclasses.fields(Settings)
    ]


def hide_secrets(text: str) -> str:
    """Passwords and tokens inside a URL replaced by ***."""
    return _SECRET_IN_URL.sub("***", text)
