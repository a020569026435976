"""What `laennec doctor` says of the broker that `deploy/mosquitto/setup` makes."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from edge.commands.demo_broker import Broker
from edge.commands.doctor import delivery as broker_check
from edge.commands.doctor.delivery import broker as look_at_broker
from edge.settings.node import load_config
from tests.deploy.mosquitto_setup import needs_mosquitto, setup
from tests.system.deploy.test_mosquitto import leaves_a_socket, ward

pytestmark = needs_mosquitto


def test_the_doctor_finds_this_broker_well(running: Broker, made: Path, tmp_path: Path) -> None:
    check = look_at_broker(load_config(ward(tmp_path, made, running)))
    assert check.verdict == "ok", check
    assert "with TLS" in check.found


@leaves_a_socket
def test_the_doctor_tells_a_wrong_password_authority_name_and_tree_apart(
    running: Broker, made: Path, tmp_path: Path
) -> None:
    setup(tmp_path / "other", "init", "localhost")
    (tmp_path / "wrong").write_text("wrong\n")
    wrong: dict[str, dict[str, object]] = {
        "refuses": {"password_file": str(tmp_path / "wrong")},
        "TLS fails": {"tls": {"ca": str(tmp_path / "other" / "ca.pem")}},
        "accepts no message": {"site": "ward-c"},
        "speaks TLS": {"tls": None},
    }
    for expected, changed in wrong.items():
        path = ward(tmp_path, made, running, **changed)
        if expected == "speaks TLS":
            path.write_text(path.read_text().replace("  tls: null\n", ""))
        check = look_at_broker(load_config(path))
        gc.collect()  # here, where what paho left is known, and not in whichever test comes next
        assert check.verdict == "fail"
        assert expected in check.found
        assert check.advice


def test_the_doctor_warns_before_the_certificate_ends(
    running: Broker, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker_check, "SOON_S", 6 * 365 * 86_400.0)  # it was made for five years
    check = look_at_broker(load_config(ward(tmp_path, made, running)))
    assert check.verdict == "warn"
    assert "ends in 182" in check.found
    assert "renew" in check.advice
