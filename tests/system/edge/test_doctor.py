"""The doctor: every check can be ok and can find something, nothing is left behind, exit codes are those promised."""

from __future__ import annotations

import json
from pathlib import Path

from jsonschema import validate

from edge.commands.demo_broker import Broker
from tests.edge.commands.doctor import test_doctor
from tests.edge.commands.doctor.test_doctor import doctor
from tests.edge.wards import ward

model = test_doctor.model
mosquitto = test_doctor.mosquitto

SCHEMA = {
    "type": "object",
    "required": ["schema", "software", "verdict", "checks"],
    "properties": {
        "schema": {"const": "laennec.doctor/1"},
        "verdict": {"enum": ["ok", "warn", "fail"]},
        "checks": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "verdict", "found", "advice"],
                "properties": {"verdict": {"enum": ["ok", "warn", "fail"]}},
                "additionalProperties": {"type": "string"},
            },
        },
    },
}


def test_a_well_box_passes_and_hears_the_recording(tmp_path: Path, mosquitto: Broker) -> None:
    done = doctor("--json", "--self-test", "--config", ward(tmp_path, mqtt={"port": mosquitto.port}))
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    report = json.loads(done.stdout)
    validate(report, SCHEMA)
    found = {check["name"]: check for check in report["checks"]}
    names = ("python", "packages", "kernels", "model", "runtime", "configuration", "outbox", "broker", "source bed1")
    assert [found[name]["verdict"] for name in names] == ["ok"] * len(names), found
    assert found["self-test"]["found"] == "8 of 8 synthetic sounds found, 0 false alarms"
    assert not (tmp_path / "state").exists()  # it only looks


def test_what_fails_gives_1_and_what_to_do_and_a_mistake_2(tmp_path: Path) -> None:
    missing = [{"id": "bed1", "source": str(tmp_path / "none.wav")}]
    done = doctor("--config", ward(tmp_path, streams=missing))
    assert done.returncode == 1, done.stdout
    assert "FAIL  source bed1" in done.stdout
    assert "none.wav" in done.stdout
    assert "-> change streams" in done.stdout
    wrong = doctor("--config", tmp_path / "none.yaml")
    assert wrong.returncode == 2
    assert len(wrong.stderr.strip().splitlines()) == 1
