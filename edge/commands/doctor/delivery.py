"""Checks of the outbox, the folder of clips (rights, what lies in them, room) and the broker.

The broker a step at a time: name, TCP, TLS, user, right to publish in the node's own topics.

Not for what the running service reports itself (its `health` topic), nor for what is in clips (`laennec replay`).
Nothing of the outbox is created, locked or written. At the broker the doctor has a client id and a topic of its own
(`.../doctor`, not retained, expires after seconds), so it does not take over the session of the service. Where the
broker lets the node read its own topics, as that of `deploy/mosquitto/setup` does, the retained `status` and `health`
show whether another box has the same name.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import paho.mqtt.client as paho

from edge.clips.folder import SOUND
from edge.commands.doctor import Check, fail, ok, warn
from edge.commands.doctor.box import LEAST_DISK_MB, UNWRITABLE, existing, unwritable
from edge.contract import MAX_BYTES
from edge.contract.message import AnyPart, decode, read
from edge.contract.status import NodeHealth, NodeStatus
from edge.delivery.database import refuse_other_files
from edge.delivery.messages import Node
from edge.delivery.mqtt_client import ClientFactory
from edge.delivery.one_off_session import OneOffSession
from edge.delivery.outbox_reading import DamagedError, ExclusiveLockError, open_read_only, outbox_of, waiting
from edge.delivery.session import FIRST_FAILURE, VERSIONS
from edge.delivery.tls import certificate_ends_s
from edge.errors import ConfigError, SourceError
from edge.node.health import box_fingerprint
from edge.settings.node import SERVICE_STATE, Config
from edge.settings.sections import ClipSettings

if TYPE_CHECKING:
    from edge.settings.broker import Tls

MANY = 100  # waiting messages; a broker that keeps up leaves a few
LONG_S = 600.0  # a message that has waited longer means that the broker is away or refuses it


def outbox(config: Config) -> list[Check]:
    """Checks of the file, of what waits in it and in those of former names of this node, and of the disks."""
    path = outbox_of(config)
    checks = [_file(path), *_room(config, path)]
    if config.outbox.path is None:
        checks += [check for other in sorted(path.parent.glob("outbox-*.db")) for check in _former(other, path)]
    return checks


def is_running(path: Path) -> bool:
    """Whether a service has this outbox locked, and so may have the microphones open."""
    lock = path.with_name(path.name + ".lock")
    try:
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False  # not there, or not for this user
    return False


def _file(path: Path) -> Check:
    """Whether the service can open it or has it open, and what waits in it."""
    running = is_running(path)
    if not running and (problem := unwritable(path)) is not None:
        return fail("outbox", problem, UNWRITABLE.format("outbox.path"))
    whose = f"{path}: in use by the running service" if running else str(path)
    if not os.path.exists(path):
        return ok("outbox", f"{whose}; nothing waits")
    try:
        refuse_other_files(path)
        with open_read_only(path) as db:
            if (result := db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
                raise DamagedError(f"outbox {path}: is damaged: {result}")
            return _backlog(whose, *waiting(db))
    except ExclusiveLockError:
        found = f"{whose}, alone (disk full at the start, or blocks below 4 kB): what waits cannot be counted here"
        return warn("outbox", found, "free space there; the node's `health` topic has the numbers")
    except DamagedError as error:
        advice = "the next start moves it aside and begins a new one: what waits in it is not delivered; check the disk"
        return warn("outbox", str(error), advice)
    except (ConfigError, SourceError) as error:
        return fail("outbox", str(error), "change outbox.path, or what lies there")


def _backlog(whose: str, number: int, oldest_s: float) -> Check:
    if number == 0:
        return ok("outbox", f"{whose}; nothing waits")
    found = f"{whose}; {number} message{' waits' if number == 1 else 's wait'}, the oldest for {_shown(oldest_s)}"
    if number > MANY or oldest_s > LONG_S:
        return warn("outbox", found, "is the service running, and does the broker take its messages (`broker`)?")
    return ok("outbox", found)


def _room(config: Config, path: Path) -> list[Check]:
    """The disks of the outbox and of installed models."""
    folder, models = (existing(each) for each in (path.parent, config.models.store_path))
    free_mb, facts = shutil.disk_usage(folder).free / 1e6, os.statvfs(folder)
    has_mb = path.stat().st_size / 1e6 if os.path.isfile(path) else 0.0
    has_no_inodes = bool(facts.f_files) and not facts.f_favail
    found = f"{folder}: {free_mb:.0f} MB free" + has_no_inodes * ", and no file can be made (no inodes)"
    if facts.f_flag & os.ST_RDONLY:
        checks = [fail("disk", f"{folder}: is mounted read-only", "did the disk fail? dmesg; else mount it writable")]
    elif free_mb < LEAST_DISK_MB or has_no_inodes:
        advice = "free space there; what is decided waits in memory only, and a power cut loses it"
        checks = [fail("disk", found, advice)]
    elif free_mb < config.outbox.max_mb - has_mb:
        found += f", and the outbox may grow by {config.outbox.max_mb - has_mb:.0f} MB"
        checks = [warn("disk", found, "free space there, or lower outbox.max_mb")]
    else:
        checks = [ok("disk", found)]
    if (
        models.stat().st_dev != folder.stat().st_dev
        and (free_mb := shutil.disk_usage(models).free / 1e6) < LEAST_DISK_MB
    ):
        checks.append(warn("disk", f"{models}: {free_mb:.0f} MB free", "free space there; no model can be installed"))
    return checks


def _former(other: Path, path: Path) -> list[Check]:
    """What waits in the outbox of a former name of the node, which the service does not send any more."""
    if other == path or is_running(other):
        return []
    with suppress(ConfigError, SourceError), open_read_only(other) as db:
        number, oldest_s = waiting(db)
        if number:
            found = f"{other}: {number} messages of another node name wait, the oldest for {_shown(oldest_s)}"
            advice = f"laennec resend --config FILE --outbox {other} --since 30d sends its events; then remove it"
            return [warn("outbox", found, advice)]
    return []


def _shown(age_s: float) -> str:
    for unit, size_s in (("days", 86_400.0), ("h", 3600.0), ("min", 60.0)):
        if age_s >= 2 * size_s:
            return f"{age_s / size_s:.0f} {unit}"
    return f"{age_s:.0f} s"


def clips(config: Config, settings: ClipSettings) -> Check:
    """Look at the folder of the section `clips`, as this user.

    Args:
        config: the settings.
        settings: their section `clips`.
    """
    path = _folder_of(config, settings)
    if os.path.exists(path) and not os.path.isdir(path):
        return fail("clips", f"{path}: is not a folder, so no clip is kept", "give another clips.path")
    if (problem := unwritable(path)) is not None:
        return fail("clips", f"{problem}, so no clip is kept", UNWRITABLE.format("clips.path"))
    folder = existing(path)
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        found = f"{folder}: is mounted read-only, so no clip is kept"
        return fail("clips", found, "did the disk fail? dmesg; else mount it writable")
    files, has_mb = _content(path)
    free_mb, may_grow_mb = shutil.disk_usage(folder).free / 1e6, max(settings.max_mb - has_mb, 0.0)
    held = f"{files} clip{'' if files == 1 else 's'}, {has_mb:.1f} of {settings.max_mb:g} MB"
    found = f"{path}: {held}; {free_mb:.0f} MB free"
    if free_mb < LEAST_DISK_MB + may_grow_mb:
        found += f", and clips may take {may_grow_mb:.0f} MB more"
        return warn("clips", found, "free space there, or lower clips.max_mb")
    return ok("clips", found)


def _folder_of(config: Config, settings: ClipSettings) -> Path:
    """That of the settings; on a box whose user has none, that of its service."""
    path = config.clips_path()
    of_service = SERVICE_STATE / path.name
    is_missing = settings.path is None and not os.path.exists(path)
    return of_service if is_missing and os.path.exists(of_service) else path


def _content(path: Path) -> tuple[int, float]:
    """How many clips are there, and how much everything in the folder takes, MB."""
    if not os.path.isdir(path):
        return 0, 0.0
    with os.scandir(path) as entries:
        sizes = {entry.name: entry.stat().st_size for entry in entries if entry.is_file()}
    return sum(name.endswith(SOUND) for name in sizes), sum(sizes.values()) / 1e6


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
        if (problem := clients.diagnose(error)) is not None:
            return fail("broker", f"{where}: TLS fails: {problem.found}", problem.advice)
        return warn("broker", f"{where}: cannot be reached: {error}", LATER)
    if (problem := clients.diagnose()) is not None:
        return fail("broker", f"{where}: TLS fails: {problem.found}", problem.advice)
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
    if (problem := _problem_in_topics(where, session, node)) is not None:
        return problem
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


def _problem_in_topics(where: str, session: OneOffSession, node: Node) -> Check | None:
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
