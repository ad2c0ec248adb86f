"""Leave retained messages at the broker: connect, publish, hear that the broker has them, go.

Limits: one connection per call; ANSWER_S for the whole of it, then StoreUnavailable. QoS 1.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from collectors import clock
from collectors.errors import StoreUnavailable
from collectors.tls import advice_on, client_context
from gateway.broker.address import BrokerAddress

ANSWER_S = 10.0


def leave_retained(address: BrokerAddress, messages: Mapping[str, bytes]) -> None:
    """Publish messages by topic; returns when the broker has acknowledged all. Raises StoreUnavailable."""
    if not messages:
        return
    refusals: list[str] = []

    def on_connect(client: mqtt.Client, _data: Any, _flags: Any, code: ReasonCode, _properties: Any) -> None:
        if code.is_failure:
            refusals.append(str(code))

    client = mqtt.Client(
        CallbackAPIVersion.VERSION2, f"tanmai-configs-{secrets.token_hex(4)}", reconnect_on_failure=False
    )
    client.suppress_exceptions = True
    client.on_connect = on_connect
    if address.username is not None:
        client.username_pw_set(address.username, address.password)
    if address.tls:
        client.tls_set_context(client_context(address.files))
    try:
        client.connect(address.host, address.port)
    except OSError as error:
        raise StoreUnavailable(f"{address!r} cannot be reached: {advice_on(error) or error}") from error
    client.loop_start()
    try:
        sent = [client.publish(topic, payload, qos=1, retain=True) for topic, payload in messages.items()]
        deadline_s = clock.monotonic_s() + ANSWER_S
        for one in sent:
            try:
                one.wait_for_publish(max(0.0, deadline_s - clock.monotonic_s()))
            except (RuntimeError, ValueError) as error:
                raise StoreUnavailable(f"{address!r} did not take a message: {error}") from error
        if refusals or not all(one.is_published() for one in sent):
            why = refusals[0] if refusals else f"no answer within {ANSWER_S:g} s"
            raise StoreUnavailable(f"{address!r} did not take a message: {why}")
    finally:
        client.disconnect()
        client.loop_stop()
