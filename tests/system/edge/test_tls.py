"""Every way in which TLS fails has its own line, in the log of a node and in the doctor; real brokers refuse."""

from __future__ import annotations

import gc
import logging
import os
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.commands.demo_broker import Broker
from edge.commands.doctor.delivery import broker as look_at_broker
from edge.delivery import mqtt_client, tls
from edge.delivery.session import MqttSession
from edge.settings.broker import Mqtt, Tls
from tests.edge.conftest import wait_for
from tests.edge.delivery import test_tls
from tests.edge.delivery.test_tls import Files
from tests.edge.wards import settings as ward_settings

files = test_tls.files
pytestmark = pytest.mark.filterwarnings(  # paho leaves the socket of a failed handshake to the collector
    "ignore::pytest.PytestUnraisableExceptionWarning"
)

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Those sockets go in the test that left them."""
    yield
    gc.collect()


@pytest.fixture(params=list(VERSIONS))
def version(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The highest TLS version that the client speaks."""

    def limited(required: Tls) -> ssl.SSLContext:
        context = tls.make_context(required)
        context.maximum_version = VERSIONS[request.param]
        return context

    monkeypatch.setattr(mqtt_client, "make_context", limited)
    return str(request.param)


def serving(files: Files, pair: str = "good", asks: bool = False) -> Broker:
    lines = ["allow_anonymous true", f"certfile {files.pairs[pair].cert}", f"keyfile {files.pairs[pair].key}"]
    lines += [f"cafile {files.ours.file}", "require_certificate true"] if asks else []
    return Broker("mosquitto", settings="\n".join([*lines, *["user root"] * (os.geteuid() == 0)]))


@pytest.fixture
def answered(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Callable[..., tuple[str, Any]]]:
    """What a node logs, and what the doctor finds, of settings that do not work."""
    links: list[MqttSession] = []

    def send_request(port: int, **settings: Any) -> tuple[str, Any]:
        mqtt = {"host": "localhost", "port": port, "reconnect_min_s": 0.1, **settings}
        caplog.set_level(logging.WARNING, "edge")
        links.append(MqttSession(Mqtt.model_validate(mqtt), "test", lambda _: ("t", b""), lambda _: None))
        links[-1].start()
        reported = ("broker=untrusted", "broker=unreachable", "broker=unanswering")
        ours = f"host=localhost:{port}"
        lines = wait_for(
            lambda: [line for line in caplog.messages if ours in line and any(word in line for word in reported)],
            "a line",
        )
        return lines[0], look_at_broker(ward_settings(tmp_path, mqtt=mqtt))

    yield send_request
    for link in links:
        link.stop()


@pytest.mark.parametrize(
    ("certificate", "found", "advice"),
    [
        (None, "wants a client certificate, and mqtt.tls.cert is not set", "as mqtt.tls.cert, its key as mqtt.tls.key"),
        ("old", "old.crt has expired", "get a new one"),
        ("future", "future.crt is not good", "not valid yet"),
        ("alien", "alien.crt is of an authority that it does not know", "get one from the broker's authority"),
    ],
)
def test_a_client_certificate_that_the_broker_does_not_take(
    certificate: str | None,
    found: str,
    advice: str,
    version: str,
    files: Files,
    answered: Callable[..., tuple[str, Any]],
) -> None:
    own = files.pairs[certificate] if certificate else None
    mine = {"cert": str(own.cert), "key": str(own.key)} if own else {}
    with serving(files, asks=True) as broker:
        line, check = answered(broker.port, tls={"ca": str(files.ours.file), **mine})
    assert (found in line, advice in line, "broker=untrusted" in line) == (True, True, True), line
    assert (check.verdict, found in check.found, advice in check.advice) == ("fail", True, True), check


@pytest.mark.parametrize(
    ("certificate", "ca", "found", "advice"),
    [
        ("other name", "ours", "is not for localhost", "as mqtt.host"),
        ("old", "ours", "has expired by the clock of this box, 20", "setup renew"),
        ("future", "ours", "is not valid yet by the clock of this box, 20", "set the clock"),
        ("alien", "ours", "is not trusted", "ours.pem is not of this broker's authority"),
        ("good", None, "is not trusted", "as mqtt.tls.ca"),
    ],
)
def test_a_certificate_of_the_broker_that_is_not_taken_here(
    certificate: str, ca: str | None, found: str, advice: str, files: Files, answered: Callable[..., tuple[str, Any]]
) -> None:
    with serving(files, certificate) as broker:
        line, check = answered(broker.port, tls={"ca": str(files.ours.file)} if ca else {})
    assert (found in line, advice in line, "broker=untrusted" in line) == (True, True, True), line
    assert (check.verdict, found in check.found, advice in check.advice) == ("fail", True, True), check


def test_tls_to_a_plain_port_and_plain_to_a_tls_port_are_told_apart(
    files: Files, answered: Callable[..., tuple[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    with Broker("mosquitto") as broker:
        line, check = answered(broker.port, tls={"ca": str(files.ours.file)})
        assert "most likely it is a plain port" in line
        assert "most likely it is a plain port" in check.found
    for asks in (False, True):
        caplog.clear()
        with serving(files, asks=asks) as broker:
            line, check = answered(broker.port)
        assert f"port {broker.port} speaks TLS, and mqtt.tls is not set" in line
        assert f"port {broker.port} speaks TLS, and mqtt.tls is not set" in check.found
        assert check.verdict == "fail"


def test_a_good_client_certificate_is_taken(version: str, files: Files, tmp_path: Path) -> None:
    good = files.pairs["good"]
    mine = {"ca": str(files.ours.file), "cert": str(good.cert), "key": str(good.key)}
    with serving(files, asks=True) as broker:
        check = look_at_broker(ward_settings(tmp_path, mqtt={"host": "localhost", "port": broker.port, "tls": mine}))
    assert check.verdict == "ok", check


def test_a_client_certificate_that_ends_soon_is_told_before(files: Files, tmp_path: Path) -> None:
    soon = files.pairs["soon"]
    mine = {"ca": str(files.ours.file), "cert": str(soon.cert), "key": str(soon.key)}
    with serving(files, asks=True) as broker:
        check = look_at_broker(ward_settings(tmp_path, mqtt={"host": "localhost", "port": broker.port, "tls": mine}))
    assert (check.verdict, "soon.crt ends in 25 days" in check.found) == ("warn", True), check
