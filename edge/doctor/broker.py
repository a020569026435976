"""The connection to the broker, a step at a time: name, TCP, TLS, user, right to publish in the node's own topics.

Not the session of the running service: this has a client id and a topic of its own (`.../doctor`, not retained, expires
after seconds), so that neither takes over the other's session. Where the broker lets the node read its own topics, as
that of `deploy/mosquitto/setup` does, its retained `status` and `health` show whether another box has the same name.
"""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

import paho.mqtt.client as paho

from edge.contract import MAX_BYTES
from edge.contract.message import AnyPart, decode, read
from edge.contract.status import NodeHealth, NodeStatus
from edge.delivery.messages import Node
from edge.delivery.mqtt import FIRST_FAILURE, VERSIONS
from edge.delivery.mqtt_client import ClientFactory
from edge.delivery.one_off_session import OneOffSession
from edge.delivery.tls import certificate_ends_s
from edge.doctor import Check, fail, ok, warn
from edge.errors import ConfigError
from edge.node.box_fingerprint import box_fingerprint

if TYPE_CHECKING:
    from edge.settings.config import Config
    from edge.settings.mqtt import Tls

ECHO_S = 3.0  # how long its own message may take to come back, after the retained ones
EXPIRY_S = 5
SOON_S = 30 * 86_400.0  # a certificate that ends within this is reported
LATER = "events wait on disk until it is there; is the address right? mosquitto runs? a firewall?"
OWN_NAME = "give each box its own `node` in its ward.yaml; of a box that is gone, this ends within three minutes"


def broker(config: Config) -> Check:
    """Connect as the node would, publish one message in its topics, read what is retained there, and disconnect."""
    settings = config.mqtt
    where = f"{settings.host}:{settings.tcp_port}" + (" with TLS" if settings.tls is not None else "")
    node = Node(settings.prefix, config.site, config.node, config.mode, "", box_fingerprint())
    try:
        clients = ClientFactory(settings, f"{node.client_id}:doctor")
        socket.getaddrinfo(settings.host, settings.tcp_port)
    except ConfigError as error:
        return fail("broker", str(error), "make it readable for the service, or change mqtt in the configuration")
    except (OSError, UnicodeError) as error:
        found = f"{where}: the name is not known ({error})"
        if getattr(error, "errno", None) == socket.EAI_AGAIN:  # nobody could be asked
            return warn("broker", found, LATER)
        return fail("broker", found, "correct mqtt.host in the configuration (or --host), or the name service")
    try:
        with OneOffSession(clients) as session:
            if session.connack is not None:
                check = _check_session(where, session, node)
                return _own_certificate(where, settings.tls) or check if check.verdict == "ok" else check
    except (OSError, ValueError) as error:
        if (trouble := clients.diagnose(error)) is not None:
            return fail("broker", f"{where}: TLS fails: {trouble.found}", trouble.advice)
        return warn("broker", f"{where}: cannot be reached: {error}", LATER)
    if (trouble := clients.diagnose()) is not None:
        return fail("broker", f"{where}: TLS fails: {trouble.found}", trouble.advice)
    return warn("broker", f"{where}: accepts the connection and sends nothing", "is it a broker?")


def _check_session(where: str, session: OneOffSession, node: Node) -> Check:
    """What the broker allows this node, over a connection that it accepted or refused."""
    if not session.is_accepted:
        advice = "check mqtt.username, the password file, and that the broker knows this node (deploy/mosquitto/setup)"
        return fail("broker", f"{where}: refuses: {session.connack_text}", advice)
    ends_s, topic = session.certificate_ends_s(), node.topic("doctor")
    mid = session.publish(topic, b"{}", EXPIRY_S)
    code, reason = (None if mid is None else session.wait_for_answer(mid)) or (FIRST_FAILURE, "no answer")
    if code >= FIRST_FAILURE:
        advice = "give this user the right in its ACL; are `site` and `node` those that the broker knows?"
        return fail("broker", f"{where}: accepts no message in {topic} ({reason})", advice)
    session.subscribe([node.topic("status"), node.topic("health"), topic])  # some brokers disconnect whoever may not
    session.publish(topic, b"{}", EXPIRY_S)
    is_readable = session.wait_for_message(topic, ECHO_S)
    if (trouble := _trouble_in_topics(where, session, node)) is not None:
        return trouble
    if ends_s is not None and ends_s - time.time() < SOON_S:
        found = f"{where}: connected, but its certificate ends in {(ends_s - time.time()) / 86_400:.0f} days"
        return warn("broker", found, "renew it before that: deploy/mosquitto/setup renew")
    if session.version == paho.MQTTv311:
        advice = "use a broker that speaks MQTT 5, such as mosquitto 2"
        return warn("broker", f"{where}: connected, but speaks MQTT 3.1.1 only", advice)
    alone = "no other box has its name" if is_readable else "it does not let us read whether another box has its name"
    return ok("broker", f"{where}: connected, MQTT {VERSIONS[session.version]}, accepts messages of this node; {alone}")


def _own_certificate(where: str, tls: Tls | None) -> Check | None:
    """Whether the client certificate ends soon."""
    if tls is None or tls.cert is None or (left_s := certificate_ends_s(tls.cert) - time.time()) > SOON_S:
        return None
    found = f"{where}: connected, but the client certificate {tls.cert} ends in {left_s / 86_400:.0f} days"
    return warn("broker", found, "give a new one as mqtt.tls.cert before that")


def _trouble_in_topics(where: str, session: OneOffSession, node: Node) -> Check | None:
    """Trouble that the retained messages of this node show: another box of its name, refused messages."""
    status = _read(NodeStatus, session.received.get(node.topic("status")))
    if status is not None and status.state == "online" and (status.box or node.box) != node.box:
        who = f"{node.site}/{node.node}"
        found = f"{where}: another box (fingerprint {status.box}, this one: {node.box}) is online there as {who}"
        return fail("broker", found, OWN_NAME)
    health = _read(NodeHealth, session.received.get(node.topic("health")))
    if health is not None and health.broker.rival:
        found = f"{where}: the running service is disconnected again and again: {health.broker.rival}"
        return fail("broker", found, OWN_NAME)
    if health is not None and health.broker.refused:
        reported = health.broker
        found = f"{where}: refuses {reported.refused} messages of the running service ({reported.reason})"
        return warn("broker", found, "give this user the right in its ACL; they wait on disk and are tried again")
    return None


def _read(kind: type[AnyPart], payload: bytes | None) -> AnyPart | None:
    """A retained message; None if it is missing or not of the contract, since anybody may have written it."""
    try:
        return read(kind, decode(payload or b"", MAX_BYTES))
    except ValueError:
        return None
