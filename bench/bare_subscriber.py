"""The limit of MQTT ingest: a paho client that acknowledges and counts, and does nothing else. Arguments: PORT COUNT.

Prints {"ready": true} once it is subscribed, and {"at_s": …, "cpu_s": …} when it has counted COUNT messages: the time
on the monotonic clock, and the CPU seconds it took since.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from bench.processes import used_cpu_s
from collectors.clock import monotonic_s


def main(port: int, count: int) -> None:
    seen = 0
    before_s = 0.0
    client = mqtt.Client(CallbackAPIVersion.VERSION2, "bench-bare", clean_session=True)

    def on_message(_client: mqtt.Client, _data: Any, _message: mqtt.MQTTMessage) -> None:
        nonlocal seen
        seen += 1
        if seen == count:
            print(json.dumps({"at_s": monotonic_s(), "cpu_s": used_cpu_s() - before_s}), flush=True)

    def on_connect(_client: mqtt.Client, *_: Any) -> None:
        client.subscribe("tanmai/v1/+/+/readings", 1)

    def on_subscribe(_client: mqtt.Client, *_: Any) -> None:
        nonlocal before_s
        before_s = used_cpu_s()
        print(json.dumps({"ready": True}), flush=True)

    client.on_message = on_message
    client.on_connect = on_connect
    client.on_subscribe = on_subscribe
    client.connect("127.0.0.1", port)
    client.loop_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
