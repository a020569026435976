"""The doctor: every check can be ok and can find something, nothing is left behind, exit codes are those promised."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from edge.commands.demo_broker import Broker
from edge.commands.doctor import Check, box, fail, ok, warn, worst
from edge.commands.doctor import box as software
from edge.commands.doctor import model as artefact
from edge.commands.doctor.delivery import broker as look_at_broker
from edge.commands.doctor.examine import DoctorOptions, as_json, as_line, examine
from edge.delivery.dispatch import Dispatch
from edge.delivery.messages import Node
from edge.delivery.one_off_session import OneOffSession
from edge.delivery.outbox import Outbox
from edge.model.backends.cuda import Gpu
from edge.model.model import DEFAULT_PATH, Model, load_model
from edge.model.runtime import RuntimeFacts
from edge.node.health import box_fingerprint
from edge.settings.node import parse_config
from tests.edge.conftest import PATIENCE_S, wait_for
from tests.edge.fakes import RudeBroker
from tests.edge.server.board import ward_messages as made
from tests.edge.wards import settings


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model()


@pytest.fixture
def mosquitto() -> Iterator[Broker]:
    with Broker("mosquitto") as running:
        yield running


def doctor(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "edge", "doctor", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, timeout=120, env={**os.environ, **environment})


def test_an_invalid_configuration_fails_and_the_rest_is_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "ward.yaml"
    path.write_text("streems: []")
    checks = {check.name: check for check in examine(DoctorOptions(path))}
    assert checks["configuration"].verdict == "fail"
    assert "did you mean 'streams'" in checks["configuration"].found
    assert checks["model"].verdict == "ok"


def test_classes_and_groups_that_the_model_lacks_are_named_together() -> None:
    stream = {"id": "a", "source": "b", "thresholds": {"wheezes": 0.5}}
    config = parse_config({"streams": [stream], "alarms": {"burden": {"whistles": {"limit_s_per_min": 6}}}}, "x")
    check, loaded = artefact.model(None, config)
    assert (check.verdict, loaded is not None) == ("fail", True)
    head, *lines = check.found.splitlines()
    assert head == "settings: 2 mistakes"
    assert [text in line for text, line in zip(("'wheezes'", "'whistles'"), lines, strict=True)] == [True, True]


def test_a_damaged_model_fails_without_a_self_test(tmp_path: Path) -> None:
    damaged = tmp_path / "model.onnx"
    damaged.write_bytes(DEFAULT_PATH.read_bytes()[:-1] + b"0")
    checks = {check.name: check for check in examine(DoctorOptions(model=damaged, self_test=True))}
    assert checks["model"].verdict == "fail"
    assert "damaged" in checks["model"].found or "without" in checks["model"].found
    assert "self-test" not in checks


@pytest.mark.parametrize(
    ("missing", "has_gpu", "advice"),
    [("", True, "set  runtime: tensorrt"), ("no TensorRT", True, "no TensorRT"), ("no NVIDIA driver", False, "")],
)
def test_a_gpu_that_is_not_used_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, missing: str, has_gpu: bool, advice: str
) -> None:
    gpu = Gpu("Orin", "8.7", 8 << 30, "13.2") if has_gpu else None
    facts = RuntimeFacts("1.31.1", gpu, "10.3.0", missing, "fp32", "onnxruntime")
    monkeypatch.setattr("edge.model.runtime.runtime_facts", lambda *_: facts)
    found = artefact.runtime(None, None)[-1]
    assert found.verdict == ("warn" if advice else "ok")
    assert advice in found.advice


def test_a_check_that_breaks_is_told_and_the_others_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks() -> list[Check]:
        raise RuntimeError("no such file")

    monkeypatch.setattr(box, "memory", breaks)
    checks = {check.name: check for check in examine(DoctorOptions())}
    assert checks["memory"].verdict == "fail"
    assert "no such file" in checks["memory"].found
    assert "clock" in checks


def test_the_worst_verdict_counts_and_lines_say_what_to_do() -> None:
    assert worst([]) == "ok"
    assert worst([ok("a", "b"), warn("c", "d", "e")]) == "warn"
    assert worst([warn("c", "d", "e"), fail("f", "g", "h"), ok("a", "b")]) == "fail"
    assert as_line(fail("broker", "refuses", "check it")).splitlines() == [
        "FAIL  broker         refuses",
        "                     -> check it",
    ]
    assert json.loads(as_json([ok("a", "b")]))["checks"] == [{"name": "a", "verdict": "ok", "found": "b", "advice": ""}]


def test_a_package_of_the_wrong_version_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert software.packages().verdict == "ok"
    monkeypatch.setattr(software.metadata, "requires", lambda _: ["numpy>=99", "no-such-thing", "x; extra == 'mic'"])
    check = software.packages()
    assert check.verdict == "fail"
    assert "needs >=99" in check.found
    assert "no-such-thing is missing" in check.found
    assert "x is" not in check.found


class TestBroker:
    @pytest.mark.needs("mosquitto")
    def test_one_that_takes_messages_is_ok(self, tmp_path: Path, mosquitto: Broker) -> None:
        assert look_at_broker(settings(tmp_path, mqtt={"port": mosquitto.port})).verdict == "ok"

    def test_one_that_is_away_is_a_warning_for_events_wait(self, tmp_path: Path) -> None:
        check = look_at_broker(settings(tmp_path))
        assert check.verdict == "warn"
        assert "cannot be reached" in check.found

    def test_a_name_that_nobody_knows_is_told(self, tmp_path: Path) -> None:
        check = look_at_broker(settings(tmp_path, mqtt={"host": "no.such.host.invalid"}))
        assert (check.verdict, "not known" in check.found) == ("fail", True)

    def test_one_that_refuses_the_message_fails(self, tmp_path: Path) -> None:
        rude = RudeBroker("refuse")
        check = look_at_broker(settings(tmp_path, mqtt={"port": rude.port}))
        rude.close()
        assert check.verdict == "fail"
        assert "accepts no message" in check.found
        assert rude.topics == ["laennec/v1/local/n1/doctor"]

    def test_one_that_speaks_3_1_1_only_is_a_warning(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("edge.commands.doctor.delivery.ECHO_S", 0.1)  # nothing is sent back
        rude = RudeBroker("close_v5")
        check = look_at_broker(settings(tmp_path, mqtt={"port": rude.port}))
        rude.close()
        assert (check.verdict, "3.1.1" in check.found) == ("warn", True)

    def test_a_password_that_cannot_be_read_fails(self, tmp_path: Path) -> None:
        mqtt = {"username": "a", "password_file": str(tmp_path / "none")}
        check = look_at_broker(settings(tmp_path, mqtt=mqtt))
        assert (check.verdict, "password_file" in check.found) == ("fail", True)


@pytest.mark.needs("mosquitto")
class TestOtherBoxes:
    """Two boxes with one name, seen from the broker's retained messages."""

    @pytest.fixture(autouse=True)
    def patient(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A machine that is slow is no broker that gives nothing back."""
        monkeypatch.setattr("edge.commands.doctor.delivery.ECHO_S", PATIENCE_S)
        monkeypatch.setattr("edge.delivery.one_off_session.ANSWER_S", PATIENCE_S)
        monkeypatch.setattr(OneOffSession.wait_for_answer, "__defaults__", (PATIENCE_S,))

    def retain(self, broker: Broker, **bodies: dict[str, object]) -> None:
        client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        client.connect("127.0.0.1", broker.port)
        client.loop_start()
        for name, body in bodies.items():
            sent = client.publish(f"laennec/v1/local/n1/{name}", json.dumps(body), 1, retain=True)
            sent.wait_for_publish(PATIENCE_S)
        client.disconnect()
        client.loop_stop()

    @pytest.mark.parametrize(
        ("status", "verdict"),
        [
            ({"state": "online", "box": "0badcafe"}, "fail"),
            ({"state": "online", "box": box_fingerprint()}, "ok"),
            ({"state": "offline", "box": "0badcafe"}, "ok"),
            ({"state": "online"}, "ok"),  # of a version that did not say
        ],
    )
    def test_one_that_is_online_under_this_name_fails(
        self, status: dict[str, Any], verdict: str, tmp_path: Path, mosquitto: Broker
    ) -> None:
        self.retain(mosquitto, status=made.status(**status))
        check = look_at_broker(settings(tmp_path, mqtt={"port": mosquitto.port}))
        assert check.verdict == verdict, check
        assert ("another box (fingerprint 0badcafe" in check.found) == (verdict == "fail")

    def test_what_the_running_service_told_of_rivals_and_refusals_is_said(
        self, tmp_path: Path, mosquitto: Broker
    ) -> None:
        config = settings(tmp_path, mqtt={"port": mosquitto.port})
        self.retain(mosquitto, health=made.health(broker={"refused": 3, "reason": "Not authorized", "rival": ""}))
        check = look_at_broker(config)
        assert (check.verdict, "refuses 3 messages of the running service (Not authorized)" in check.found) == (
            "warn",
            True,
        )
        rival = {"refused": 0, "reason": "", "rival": "is another client called x?"}
        self.retain(mosquitto, health=made.health(broker=rival))
        check = look_at_broker(config)
        assert (check.verdict, "is another client called x?" in check.found) == ("fail", True)

    @pytest.mark.parametrize("odd", ["text", 7, [], {"broker": "ok"}, None])
    def test_odd_messages_in_the_tree_prove_nothing(self, odd: object, tmp_path: Path, mosquitto: Broker) -> None:
        self.retain(mosquitto, status=odd, health=odd)  # type: ignore[arg-type]
        assert look_at_broker(settings(tmp_path, mqtt={"port": mosquitto.port})).verdict == "ok"

    def test_a_tree_that_may_not_be_read_is_no_fault(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("edge.commands.doctor.delivery.ECHO_S", 1.0)  # nothing will come
        (tmp_path / "acl").write_text("topic write laennec/v1/local/n1/#\n")
        lines = ["allow_anonymous true", f"acl_file {tmp_path / 'acl'}", *["user root"] * (os.geteuid() == 0)]
        with Broker("mosquitto", settings="\n".join(lines)) as broker:
            check = look_at_broker(settings(tmp_path, mqtt={"port": broker.port}))
        assert (check.verdict, "it does not let us read" in check.found) == ("ok", True), check

    def test_looking_does_not_disturb_the_session_of_the_service(self, tmp_path: Path, mosquitto: Broker) -> None:
        config = settings(tmp_path, mqtt={"port": mosquitto.port})
        store = Outbox(tmp_path / "o.db", 1, 1)
        service = Dispatch(store, Node("laennec/v1", "local", "n1", "Test", "0badcafe", box_fingerprint()), config.mqtt)
        service.start()
        wait_for(lambda: service.is_connected, "the connection")
        session = service._in_flight.session
        assert look_at_broker(config).verdict == "ok"
        assert service._in_flight.session == session
        service.stop()
        service._thread.join(PATIENCE_S)
        store.close()


class TestBox:
    def test_a_clock_of_1970_or_without_reference_warns(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(box, "is_synchronised", lambda: True)
        assert box.clock().verdict == "ok"
        monkeypatch.setattr(box, "is_synchronised", lambda: False)
        assert box.clock().verdict == "warn"
        monkeypatch.setattr(box.time, "time", lambda: 1000.0)
        assert "cannot be" in box.clock().found

    def test_heat_and_throttling_warn_and_a_box_that_does_not_say_is_silent(self, tmp_path: Path) -> None:
        assert box.temperature(tmp_path, tmp_path / "none") == []
        for number, (milli, name) in enumerate((("45000", "cpu"), ("81000", "gpu"), ("x", "broken"))):
            (tmp_path / f"thermal_zone{number}").mkdir()
            (tmp_path / f"thermal_zone{number}" / "temp").write_text(milli)
            (tmp_path / f"thermal_zone{number}" / "type").write_text(name)
        (tmp_path / "throttled").write_text("50005\n")
        heat, throttling = box.temperature(tmp_path, tmp_path / "throttled")
        assert (heat.verdict, "81 °C" in heat.found, "gpu" in heat.found) == ("warn", True, True)
        assert throttling.verdict == "warn"

    def test_the_power_mode_is_what_nvpmodel_says(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        assert box.power() == []
        program = tmp_path / "nvpmodel"
        program.write_text("#!/bin/sh\necho 'NV Power Mode: 15W'\necho 0\n")
        program.chmod(0o755)
        assert box.power() == [ok("power", "NV Power Mode: 15W 0")]
        program.write_text("#!/bin/sh\nexit 3\n")
        assert box.power()[0].verdict == "warn"

    def test_little_memory_warns(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert box.memory()[0].verdict == "ok"
        monkeypatch.setattr(box, "LEAST_MEMORY_MB", 1e9)
        assert box.memory()[0].verdict == "warn"
