"""`python -m gateway.demo.serve_meters ENTERPRISE`: only the simulated meters of one demo enterprise, for a deployment
that wants something to read. The same meters run inside `tanmai demo`.

The counters' anchor is a fixed Monday, so that a restarted container goes on where it was.
"""

from __future__ import annotations

import signal
import threading
from datetime import datetime
from types import FrameType

import click

from collectors.clock import to_ms
from collectors.errors import ConfigurationError
from collectors.modbus.simulated_meter import SimulatedMeters
from collectors.profile import shipped_config_dir
from gateway.demo.plant import Plant
from gateway.demo.scenario import load_scenario
from gateway.demo.site import meters_of

# A Monday, 00:00 in Asia/Shanghai.
ANCHOR = "2026-01-05T00:00:00+08:00"


@click.command()
@click.argument("enterprise")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=5020, show_default=True, type=click.IntRange(0, 65535))
def main(enterprise: str, host: str, port: int) -> None:
    """Serve the simulated meters of one demo enterprise over Modbus TCP until SIGTERM or Ctrl-C."""
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    with meters_for(enterprise, host, port) as meters:
        click.echo(f"meters of {enterprise} answer on {meters.host}:{meters.port}")
        stop.wait()


def meters_for(enterprise: str, host: str, port: int) -> SimulatedMeters:
    """The meters, not yet started; ConfigurationError for an enterprise that the demo park does not have."""
    scenario = load_scenario(shipped_config_dir())
    sites = {site.enterprise: site for site in scenario.sites}
    if enterprise not in sites:
        raise ConfigurationError(f"the demo park has no enterprise {enterprise}; it has {', '.join(sites)}")
    plant = Plant(scenario, to_ms(datetime.fromisoformat(ANCHOR)))
    return meters_of(plant, sites[enterprise], host, port)


if __name__ == "__main__":
    main()
