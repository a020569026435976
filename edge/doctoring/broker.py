"""The way to the broker, a step at a time: name, TCP, TLS, user, right to speak in the node's own tree.

Not the session of the running service: this has a client id and a topic of its own (`.../doctor`, not retained, gone
after seconds), so that neither takes the other's place.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import paho.mqtt.client as paho
from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from edge.doctoring import Check, fail, ok, warn
from edge.errors import ConfigError
from edge.mqtt import FIRST_FAILURE, UNSUPPORTED_PROTOCOL, VERSIONS
from edge.mqtt_client import Clients, publish_properties

if TYPE_CHECKING:
    from edge.config import Config

ANSWER_S = 5.0
EXPIRY_S = 5
SOON_S = 30 * 86_400.0  # a certificate that ends within this is told
CERTIFICATES = "give the authority of the broker as mqtt.tls.ca, and a name of its certificate as mqtt.host"
LATER = "events wait on disk until it is there; is the address right? mosquitto runs? a firewall?"


@dataclass
class _Answers:
    """What the broker said in one connection."""

    connack: int | None = None
    connack_text: str = ""
    puback: int | None = None
    puback_text: str = ""
    certificate_ends_s: float | None = None
    """Seconds since 1970; None without TLS."""
    connected: threading.Event = field(default_factory=threading.Event)
    published: threading.Event = field(default_factory=threading.Event)


def broker(config: Config) -> Check:
    """Connect as the node would, publish one message in its tree, and go."""
    settings = config.mqtt
    where = f"{settings.host}:{settings.tcp_port}" + (" with TLS" if settings.tls is not None else "")
    try:
        clients = Clients(settings, f"laennec-{config.node}-doctor")
        socket.getaddrinfo(settings.host, settings.tcp_port)
    except ConfigError as error:
        return fail("broker", str(error), "make it readable for the service, or change mqtt in the configuration")
    except (OSError, UnicodeError) as error:
        return warn("broker", f"{where}: the name is not known ({error})", LATER)
    topic = "/".join((settings.prefix, config.site, config.node, "doctor"))
    answers, version = _converse(clients, paho.MQTTv5, topic), paho.MQTTv5
    if isinstance(answers, _Answers) and answers.connack in (None, UNSUPPORTED_PROTOCOL):
        answers, version = _converse(clients, paho.MQTTv311, topic), paho.MQTTv311
    if isinstance(answers, Check):
        return Check("broker", answers.verdict, f"{where}: {answers.found}", answers.advice)
    return _judged(where, answers, version, topic)


def _converse(clients: Clients, version: MQTTProtocolVersion, topic: str) -> _Answers | Check:
    """One connection; a `Check` where there was none."""
    answers = _Answers()
    client = clients.build(version, (topic, b""))

    def on_connect(_c: object, _u: object, _f: object, reason: ReasonCode, _p: object) -> None:
        answers.connack, answers.connack_text = reason.value, str(reason)
        answers.connected.set()

    def on_publish(_c: object, _u: object, _mid: object, reason: ReasonCode, _p: object) -> None:
        answers.puback, answers.puback_text = reason.value, str(reason)
        answers.published.set()

    def on_disconnect(*_: object) -> None:
        answers.connected.set()
        answers.published.set()

    client.on_connect, client.on_publish, client.on_disconnect = on_connect, on_publish, on_disconnect
    try:
        clients.connect(client)
    except ssl.SSLError as error:
        return fail("broker", f"TLS fails: {error}", f"{CERTIFICATES}; is the clock right?")
    except (OSError, ValueError) as error:
        return warn("broker", f"cannot be reached: {error}", LATER)
    answers.certificate_ends_s = _end_of_certificate(client)
    client.loop_start()
    answers.connected.wait(ANSWER_S)
    if answers.connack is not None and answers.connack < FIRST_FAILURE:
        client.publish(topic, b"{}", 1, properties=publish_properties(client, EXPIRY_S))
        answers.published.wait(ANSWER_S)
    client.disconnect()
    client.loop_stop()
    return answers


def _end_of_certificate(client: paho.Client) -> float | None:
    connection = client.socket()
    if not isinstance(connection, ssl.SSLSocket):
        return None
    certificate = connection.getpeercert() or {}
    return float(ssl.cert_time_to_seconds(str(certificate["notAfter"]))) if "notAfter" in certificate else None


def _judged(where: str, answers: _Answers, version: MQTTProtocolVersion, topic: str) -> Check:
    if answers.connack is None:
        return warn("broker", f"{where}: takes the connection and says nothing", "is it a broker? does it want TLS?")
    if answers.connack >= FIRST_FAILURE:
        advice = "check mqtt.username, the password file, and that the broker knows this node (deploy/mosquitto/setup)"
        return fail("broker", f"{where}: refuses: {answers.connack_text}", advice)
    if answers.puback is None or answers.puback >= FIRST_FAILURE:
        said = answers.puback_text or "no answer"
        return fail("broker", f"{where}: takes no message in {topic} ({said})", "give this user the right in its ACL")
    left_s = None if answers.certificate_ends_s is None else answers.certificate_ends_s - time.time()
    if left_s is not None and left_s < SOON_S:
        found = f"{where}: connected, but its certificate ends in {left_s / 86_400:.0f} days"
        return warn("broker", found, "renew it before that: deploy/mosquitto/setup renew")
    if version == paho.MQTTv311:
        advice = "use a broker that speaks MQTT 5, such as mosquitto 2"
        return warn("broker", f"{where}: connected, but speaks MQTT 3.1.1 only", advice)
    return ok("broker", f"{where}: connected, MQTT {VERSIONS[version]}, takes messages of this node")
