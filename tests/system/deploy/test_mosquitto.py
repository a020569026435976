"""The broker that `deploy/mosquitto/setup` makes, asked by real clients: who may speak, where, and only over TLS."""

from __future__ import annotations

import gc
import json
import ssl
import subprocess
import sys
import threading
from pathlib import Path

import paho.mqtt.client as paho
import pytest
import yaml
from paho.mqtt.enums import CallbackAPIVersion

from edge.commands.demo_broker import Broker
from edge.contract import MESSAGES
from edge.contract.status import IngestStatus
from edge.sources.file_search import DEMO_AUDIO
from tests.conftest import HANGS_S
from tests.deploy.mosquitto_setup import needs_mosquitto, setup
from tests.edge.conftest import PATIENCE_S, wait_for

pytestmark = needs_mosquitto
NOT_AUTHORISED = 135
leaves_a_socket = pytest.mark.filterwarnings(  # paho leaves the socket of a failed handshake to the collector
    "ignore::pytest.PytestUnraisableExceptionWarning"
)
OWN, OTHER = "laennec/v1/ward-b/edge-7", "laennec/v1/ward-b/edge-8"


class Client:
    """A client of that broker over TLS, and what it was told."""

    def __init__(
        self, broker: Broker, made: Path, name: str, secret: str | None = None, ca: Path | None = None
    ) -> None:
        self.answers: list[int] = []
        self.messages: list[tuple[str, bytes]] = []
        self.connack: int | None = None
        self._heard = threading.Event()
        self.client = paho.Client(CallbackAPIVersion.VERSION2, client_id=f"test-{name}", protocol=paho.MQTTv5)
        self.client.tls_set(str(ca or made / "ca.pem"))
        if name:
            given = secret or (made / "clients" / name / "mqtt-password").read_text().strip()
            self.client.username_pw_set(name, given)
        self.client.on_connect = lambda _c, _u, _f, reason, _p: self._on_connect(reason.value)
        self.client.on_publish = lambda _c, _u, _m, reason, _p: self._answered(reason.value)
        self.client.on_subscribe = lambda _c, _u, _m, reasons, _p: self._answered(reasons[0].value)
        self.client.on_message = lambda _c, _u, message: self.messages.append((message.topic, message.payload))
        self.client.connect("127.0.0.1", broker.port)
        self.client.loop_start()
        assert self._heard.wait(PATIENCE_S)

    def _on_connect(self, reason: int) -> None:
        self.connack = reason
        self._heard.set()

    def _answered(self, reason: int) -> None:
        self.answers.append(reason)
        self._heard.set()

    def publish(self, topic: str) -> int:
        """The broker's answer to a message."""
        self._heard.clear()
        self.client.publish(topic, b"{}", 1)
        assert self._heard.wait(PATIENCE_S)
        return self.answers[-1]

    def subscribe(self, topic: str) -> int:
        """The broker's answer to a subscription."""
        self._heard.clear()
        self.client.subscribe(topic, 1)
        assert self._heard.wait(PATIENCE_S)
        return self.answers[-1]

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.disconnect()
        self.client.loop_stop()
        if (left := self.client.socket()) is not None:  # whoever was refused was about to try again
            left.close()


def test_a_node_may_write_its_own_topics_and_neither_a_command_nor_any_other(running: Broker, made: Path) -> None:
    with Client(running, made, "ward-b.edge-7") as node:
        for kind in set(MESSAGES) - {IngestStatus}:
            for topic in kind.wire.topics:
                assert node.publish(f"{OWN}/{topic.replace('+', 'bed1')}") < 0x80, topic
        for topic in (f"{OWN}/cmd/pause/nurse-2", f"{OWN}/s/bed1/cmd/acknowledge/nurse-2", f"{OWN}/s/bed1/other"):
            assert node.publish(topic) == NOT_AUTHORISED, topic
        for topic in (f"{OTHER}/s/bed1/event", "laennec/v1/ward-c/edge-7/status", "laennec/v1/ward-b", "$SYS/x", "x"):
            assert node.publish(topic) == NOT_AUTHORISED, topic


def test_a_node_hears_of_itself_what_it_needs_and_nothing_of_the_others(running: Broker, made: Path) -> None:
    with Client(running, made, "ward-b.edge-7") as node, Client(running, made, "ward-b.edge-8") as other:
        node.subscribe("laennec/v1/#")
        node.subscribe(f"{OTHER}/#")
        assert other.publish(f"{OTHER}/s/bed1/event") < 0x80
        assert node.publish(f"{OWN}/s/bed1/event") < 0x80  # its answer comes behind anything delivered before
        assert node.publish(f"{OWN}/status") < 0x80
        wait_for(lambda: node.messages, "its own status")
        assert [topic for topic, _ in node.messages] == [f"{OWN}/status"]


def test_a_node_hears_the_events_of_its_own_self_test_and_of_no_other(running: Broker, made: Path) -> None:
    with Client(running, made, "ward-b.edge-7") as node, Client(running, made, "ward-b.edge-8") as other:
        for tree in (OWN, OTHER):
            node.subscribe(f"{tree}/s/self-test/event")
        assert other.publish(f"{OTHER}/s/self-test/event") < 0x80
        assert node.publish(f"{OWN}/s/self-test/event") < 0x80
        assert other.publish(f"{OWN}/s/self-test/event") == NOT_AUTHORISED
        wait_for(lambda: node.messages, "its own event")
        assert [topic for topic, _ in node.messages] == [f"{OWN}/s/self-test/event"]
        assert node.publish(f"{OWN}/s/bed1/shadow") < 0x80


def test_a_reader_hears_every_node_and_may_say_nothing(running: Broker, made: Path) -> None:
    with Client(running, made, "board") as board, Client(running, made, "ward-b.edge-8") as node:
        assert board.subscribe("laennec/v1/#") < 0x80
        assert node.publish(f"{OTHER}/s/bed1/event") < 0x80
        wait_for(lambda: board.messages, "the event")
        assert board.publish(f"{OTHER}/s/bed1/event") == NOT_AUTHORISED
        assert [topic for topic, _ in board.messages] == [f"{OTHER}/s/bed1/event"]


def test_an_ingester_hears_every_node_and_says_of_itself_alone(running: Broker, made: Path) -> None:
    with Client(running, made, "db1") as ingester, Client(running, made, "ward-b.edge-8") as node:
        assert ingester.subscribe("$share/ward/laennec/v1/+/+/s/+/event") < 0x80
        assert node.publish(f"{OTHER}/s/bed1/event") < 0x80
        wait_for(lambda: ingester.messages, "the event")
        assert ingester.publish("laennec/v1/ingest/db1") < 0x80
        for topic in ("laennec/v1/ingest/db2", f"{OTHER}/s/bed1/event", f"{OTHER}/cmd/pause/db1"):
            assert ingester.publish(topic) == NOT_AUTHORISED, topic


def test_staff_may_give_the_commands_that_were_named_and_only_in_their_own_name(running: Broker, made: Path) -> None:
    with Client(running, made, "nurse-2") as staff, Client(running, made, "ward-b.edge-7") as node:
        assert staff.subscribe("laennec/v1/#") < 0x80
        assert node.subscribe(f"{OWN}/s/+/cmd/+/+") < 0x80
        for topic in (f"{OWN}/s/bed1/cmd/acknowledge/nurse-2", f"{OTHER}/cmd/pause/nurse-2"):
            assert staff.publish(topic) < 0x80, topic
        others = ("s/bed1/cmd/limit/nurse-2", "s/bed1/cmd/acknowledge/board", "cmd/inactivate/nurse-2", "cmd/pause")
        for topic in (*others, "s/bed1/alarm/continuous", "s/bed1/result/pause/nurse-2", "status"):
            assert staff.publish(f"{OWN}/{topic}") == NOT_AUTHORISED, topic
        wait_for(lambda: node.messages, "the command")
        assert [topic for topic, _ in node.messages] == [f"{OWN}/s/bed1/cmd/acknowledge/nurse-2"]


def test_live_spectrograms_are_for_those_who_may_look_alone(running: Broker, made: Path) -> None:
    look = f"{OWN}/s/bed1/cmd/look"
    with (
        Client(running, made, "nurse-3") as looks,
        Client(running, made, "nurse-2") as staff,
        Client(running, made, "board") as reader,
        Client(running, made, "ha") as ha,
        Client(running, made, "ward-b.edge-7") as node,
    ):
        for each in (looks, staff, reader, ha):
            assert each.subscribe("laennec/v1/#") < 0x80
        assert looks.publish(f"{look}/nurse-3") < 0x80
        assert staff.publish(f"{look}/nurse-2") == reader.publish(f"{look}/board") == NOT_AUTHORISED
        assert looks.publish(f"{look}/nurse-2") == looks.publish(f"{OWN}/s/bed1/mel") == NOT_AUTHORISED
        assert node.publish(f"{OWN}/s/bed1/mel") < 0x80
        assert node.publish(f"{OWN}/s/bed1/event") < 0x80
        for each in (looks, staff, reader, ha):
            wait_for(
                lambda each=each: any(topic.endswith("/event") for topic, _ in each.messages), "the event behind it"
            )
        received = [[topic.rsplit("/", 1)[1] for topic, _ in each.messages] for each in (looks, staff, reader, ha)]
        assert "mel" in received[0]
        assert not any("mel" in topics for topics in received[1:])


def test_live_sound_is_for_those_who_may_listen_alone_and_who_listens_is_told_to_everybody(
    running: Broker, made: Path
) -> None:
    listen = f"{OWN}/s/bed1/cmd/listen"
    with (
        Client(running, made, "nurse-4") as listens,
        Client(running, made, "nurse-3") as looks,
        Client(running, made, "board") as reader,
        Client(running, made, "db1") as ingester,
        Client(running, made, "ward-b.edge-7") as node,
    ):
        everybody = (listens, looks, reader, ingester)
        for each in everybody:
            assert each.subscribe("laennec/v1/#") < 0x80
        assert listens.publish(f"{listen}/nurse-4") < 0x80
        assert looks.publish(f"{listen}/nurse-3") == reader.publish(f"{listen}/board") == NOT_AUTHORISED
        assert listens.publish(f"{OWN}/s/bed1/sound") == NOT_AUTHORISED
        assert node.publish(f"{OWN}/s/bed1/sound") < 0x80
        assert node.publish(f"{OWN}/s/bed1/listening") < 0x80
        for each in everybody:
            wait_for(lambda each=each: any(topic.endswith("/listening") for topic, _ in each.messages), "who listens")
        received = [any(topic.endswith("/sound") for topic, _ in each.messages) for each in everybody]
        assert received == [True, False, False, False]


def test_a_node_announces_its_own_beds_where_its_setup_says_so_and_home_assistant_hears_it(
    running: Broker, made: Path
) -> None:
    own, other = (f"homeassistant/device/laennec_ward-b_edge-{number}/bed1/config" for number in (9, 7))
    with (
        Client(running, made, "ward-b.edge-9") as node,
        Client(running, made, "ward-b.edge-7") as unknown,
        Client(running, made, "ha") as ha,
    ):
        assert ha.subscribe("homeassistant/#") < 0x80
        assert unknown.publish(other) == NOT_AUTHORISED
        assert node.publish(other) == NOT_AUTHORISED
        assert node.publish(own) < 0x80
        wait_for(lambda: ha.messages, "the announcement")
        assert [topic for topic, _ in ha.messages] == [own]
        assert ha.publish(own) == NOT_AUTHORISED
        assert ha.publish("homeassistant/status") < 0x80
        assert ha.publish(f"{OWN}/s/bed1/cmd/acknowledge/ha") < 0x80
        assert ha.publish(f"{OWN}/s/bed1/cmd/pause/ha") == NOT_AUTHORISED


def test_a_reader_may_give_no_command(running: Broker, made: Path) -> None:
    with Client(running, made, "board") as board:
        assert board.publish(f"{OWN}/s/bed1/cmd/acknowledge/board") == NOT_AUTHORISED


@pytest.mark.parametrize(("name", "secret"), [("ward-b.edge-7", "wrong"), ("nobody", "x"), ("", None)])
def test_whoever_does_not_know_a_password_is_refused(
    name: str, secret: str | None, running: Broker, made: Path
) -> None:
    with Client(running, made, name, secret) as client:
        assert client.connack in (NOT_AUTHORISED, 134)


def test_plain_text_is_refused(running: Broker) -> None:
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    answered, closed = threading.Event(), threading.Event()
    client.on_connect = lambda *_: answered.set()
    client.on_disconnect = lambda *_: closed.set()
    client.connect("127.0.0.1", running.port)
    client.loop_start()
    assert closed.wait(PATIENCE_S)
    client.disconnect()
    client.loop_stop()
    assert not answered.is_set()


@leaves_a_socket
def test_a_broker_with_a_certificate_of_another_authority_is_not_believed(
    running: Broker, made: Path, tmp_path: Path
) -> None:
    setup(tmp_path / "other", "init", "localhost", "127.0.0.1")
    with pytest.raises(ssl.SSLCertVerificationError):
        Client(running, made, "ward-b.edge-7", ca=tmp_path / "other" / "ca.pem")
    gc.collect()  # here, where what paho left is known, and not in whichever test comes next
    assert (tmp_path / "other/ca.pem").read_bytes() != (made / "ca.pem").read_bytes()


def ward(folder: Path, made: Path, broker: Broker, **mqtt: object) -> Path:
    """Settings of edge-7 as `setup node` says them."""
    client = made / "clients" / "ward-b.edge-7"
    settings = {
        "host": "localhost",
        "port": broker.port,
        "username": "ward-b.edge-7",
        "password_file": str(client / "mqtt-password"),
        "tls": {"ca": str(client / "ca.pem")},
    }
    stream = {"id": "bed1", "source": str(DEMO_AUDIO), "pace": False}
    path = folder / "ward.yaml"
    site = mqtt.pop("site", "ward-b")
    tree = {"site": site, "node": "edge-7", "streams": [stream], "mqtt": {**settings, **mqtt}}
    path.write_text(yaml.safe_dump({**tree, "outbox": {"path": str(folder / "outbox.db")}}))
    return path


def reported(board: Client) -> set[tuple[str, str]]:
    """Labels and types of the events that came."""
    events = [json.loads(payload) for topic, payload in list(board.messages) if topic == f"{OWN}/s/bed1/event"]
    return {(event["label"], event["type"]) for event in events}


def test_a_run_delivers_its_events_over_tls(running: Broker, made: Path, tmp_path: Path) -> None:
    with Client(running, made, "board") as board:
        board.subscribe(f"{OWN}/#")
        command = [sys.executable, "-m", "edge", "run", "--config", str(ward(tmp_path, made, running))]
        done = subprocess.run(command, capture_output=True, text=True, timeout=HANGS_S)
        assert done.returncode == 0, done.stderr
        assert "broker=connected" in done.stderr
        assert "messages wait" not in done.stderr
        required = {(label, kind) for label in ("wheeze", "fine_crackle") for kind in ("onset", "end")}
        wait_for(lambda: reported(board) >= required, "all kinds of events")
        assert reported(board) == required


def test_a_run_that_does_not_trust_the_broker_says_so_and_keeps_its_events(
    running: Broker, made: Path, tmp_path: Path
) -> None:
    setup(tmp_path / "other", "init", "localhost")
    path = ward(tmp_path, made, running, tls={"ca": str(tmp_path / "other" / "ca.pem")})
    command = [sys.executable, "-m", "edge", "run", "--config", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANGS_S)
    assert done.returncode == 2, done.stderr
    assert "broker=untrusted" in done.stderr
    assert "is not of this broker's authority" in done.stderr
    assert "the next run delivers them" in done.stderr
