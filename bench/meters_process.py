"""Simulated meters in a process of their own. Arguments: one profile per unit, from unit 1 on.

Prints {"port": …} and serves until it is ended.
"""

from __future__ import annotations

import json
import sys
import threading

from collectors.modbus.simulated_meter import SimulatedMeter, SimulatedMeters
from collectors.profile import load_profiles, shipped_config_dir


def main(wanted: list[str]) -> None:
    profiles = load_profiles(shipped_config_dir())
    meters = {unit: SimulatedMeter(profiles[name], lambda point: 1.0) for unit, name in enumerate(wanted, start=1)}
    with SimulatedMeters("127.0.0.1", 0, meters) as server:
        print(json.dumps({"port": server.port}), flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1:])
