"""Accounts at a mosquitto of your own, through its dynamic-security plugin.

The plugin takes commands as JSON on `$CONTROL/dynamic-security/v1` and answers on `…/response`
(mosquitto.org/documentation/dynamic-security). Each agent becomes a client with a role of its own; both carry the name
`enterprise/agent`, and what we made is marked, so that clients made by others are left alone.

What stays true: every call is idempotent and returns only when the broker has answered. The plugin makes its own hash
and takes the password itself, so an account can be made only while the token is at hand: when it is issued.
Limits: one connection per call; ANSWER_S for an answer, then StoreUnavailable.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import paho.mqtt.client as mqtt
import structlog
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from collectors.errors import StoreRefused, StoreUnavailable
from collectors.tls import advice_on, client_context
from gateway.broker.accounts import BrokerAccount, agent_account, gateway_account
from gateway.broker.address import BrokerAddress

CONTROL = "$CONTROL/dynamic-security/v1"
ANSWER_S = 10.0
MARK = "made by tanmai"

log = structlog.get_logger(__name__)

Command = dict[str, Any]

# What the plugin says when a thing is there already, or is not there.
_EXISTS = ("already exists",)
_ABSENT = ("not found",)


class DynamicSecurity:
    """The administrator's side. Raises StoreUnavailable (try later) or StoreRefused (the broker says no)."""

    def __init__(self, administrator: BrokerAddress) -> None:
        self._administrator = administrator

    def put_agent(self, enterprise: str, agent: str, password: str) -> None:
        """Let an agent in with this password, and with no other from now on."""
        self._put(agent_account(enterprise, agent, ""), password)

    def put_gateway(self, username: str, password: str) -> None:
        """Let a gateway in, alone or as a member of a group that shares its subscriptions."""
        account = gateway_account("", username)
        shared = tuple(f"$share/+/{topic}" for topic in account.subscribe)  # the plugin compares the filter as it came
        self._put(replace(account, subscribe=(*account.subscribe, *shared)), password)

    def remove(self, username: str) -> None:
        """Shut an account out; its connection ends at once."""
        answers = self._ask(
            [{"command": "deleteClient", "username": username}, {"command": "deleteRole", "rolename": username}]
        )
        _demand(answers, but=_ABSENT)

    def accounts(self) -> set[str]:
        """The accounts that we made."""
        (answer,) = self._ask([{"command": "listClients", "verbose": True, "count": -1, "offset": 0}])
        _demand([answer])
        clients = answer["data"]["clients"]
        return {client["username"] for client in clients if client.get("textname") == MARK}

    def keep_only(self, usernames: Iterable[str]) -> list[str]:
        """Shut out the accounts of ours that are not named; gives them."""
        gone = sorted(self.accounts() - set(usernames))
        for username in gone:
            self.remove(username)
        return gone

    def _put(self, account: BrokerAccount, password: str) -> None:
        role = {"rolename": account.username, "textname": MARK, "acls": _acls(account)}
        client = {"username": account.username, "textname": MARK, "roles": [{"rolename": account.username}]}
        first = self._ask(
            [{"command": "createRole"} | role, {"command": "createClient", "password": password} | client]
        )
        _demand(first, but=_EXISTS)
        again: list[Command] = []
        if "error" in first[0]:
            again.append({"command": "modifyRole"} | role)
        if "error" in first[1]:
            again.append({"command": "modifyClient", "password": password} | client)
        if again:
            _demand(self._ask(again))
        log.info("broker.account_put", username=account.username)

    def _ask(self, commands: Sequence[Command]) -> list[dict[str, Any]]:
        """Send commands and give their answers, in order."""
        exchange = _Exchange(self._administrator, commands)
        return exchange.run()


class _Exchange:
    """One connection: subscribe, ask, hear, go."""

    def __init__(self, administrator: BrokerAddress, commands: Sequence[Command]) -> None:
        # Every administrator hears every answer: the marks tell ours.
        marks = [secrets.token_hex(8) for _ in commands]
        self._administrator = administrator
        self._marks = marks
        self._request = json.dumps(
            {"commands": [command | {"correlationData": mark} for command, mark in zip(commands, marks, strict=True)]}
        )
        self._answers: dict[str, dict[str, Any]] = {}
        self._problem = ""
        self._done = threading.Event()

    def run(self) -> list[dict[str, Any]]:
        address = self._administrator
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2, f"tanmai-admin-{secrets.token_hex(4)}", reconnect_on_failure=False
        )
        client.suppress_exceptions = True  # what is no answer of ours must not end the network thread
        if address.username is not None:
            client.username_pw_set(address.username, address.password)
        if address.tls:
            client.tls_set_context(client_context(address.files))
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        try:
            client.connect(address.host, address.port)
        except OSError as error:
            raise StoreUnavailable(f"{address!r} cannot be reached: {advice_on(error) or error}") from error
        client.loop_start()
        try:
            answered = self._done.wait(ANSWER_S)
        finally:
            client.disconnect()
            client.loop_stop()
        if self._problem:
            raise StoreRefused(f"{address!r} {self._problem}: check the administrator in TANMAI_BROKER_ADMIN_URL")
        if not answered:
            raise StoreUnavailable(f"{address!r} did not answer: is mosquitto's dynamic-security plugin loaded?")
        return [self._answers[mark] for mark in self._marks]

    def _on_connect(self, client: mqtt.Client, _data: Any, _flags: Any, code: ReasonCode, _properties: Any) -> None:
        if code.is_failure:
            self._problem = f"refuses us ({code})"
            self._done.set()
            return
        client.subscribe(f"{CONTROL}/response", 1)

    def _on_subscribe(
        self, client: mqtt.Client, _data: Any, _mid: int, codes: list[ReasonCode], _properties: Any
    ) -> None:
        if any(code.is_failure for code in codes):
            self._problem = "does not let us administer it"
            self._done.set()
            return
        client.publish(CONTROL, self._request, qos=1)

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        for answer in json.loads(message.payload)["responses"]:
            mark = answer.get("correlationData")
            if mark in self._marks:
                self._answers[mark] = answer
        if len(self._answers) == len(self._marks):
            self._done.set()


def _acls(account: BrokerAccount) -> list[dict[str, Any]]:
    def allow(kind: str, topic: str) -> dict[str, Any]:
        return {"acltype": kind, "topic": topic, "allow": True, "priority": 0}

    sends = [allow("publishClientSend", topic) for topic in account.publish]
    hears = [allow(kind, topic) for topic in account.subscribe for kind in ("subscribePattern", "publishClientReceive")]
    return sends + hears


def _demand(answers: Iterable[dict[str, Any]], but: Sequence[str] = ()) -> None:
    """Raise StoreRefused for an error that is none of the expected ones."""
    for answer in answers:
        error = str(answer.get("error", ""))
        if error and not any(expected in error.lower() for expected in but):
            raise StoreRefused(f"the broker refuses {answer.get('command')}: {error}")
