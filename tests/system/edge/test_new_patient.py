"""A new patient at a bed of a whole node: no figure of the one before is retained, and the log says so, once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.delivery.outbox_reading import alarm_log
from edge.ward.alarm_records import Transition
from tests.edge.conftest import Watcher, wait_for
from tests.system.edge.ordering import Staff

BED = "laennec/v1/local/node/s/bed1"
FIGURES = {f"{BED}/trend", f"{BED}/breath"}
ORDER = {"id": "n1", "by": "configure", "age": "8 months"}


@pytest.fixture
def node(watcher: Watcher, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A node whose bed tells its burden twice a second."""
    command = [sys.executable, "-m", "tests.system.edge.node_under_test", str(watcher.port), str(tmp_path / "o.db")]
    environment = {**os.environ, "TREND_S": "0.5"}
    running = subprocess.Popen([*command, "1e6", "pace"], stdout=subprocess.PIPE, text=True, env=environment)
    yield running
    running.kill()
    running.communicate()


@pytest.mark.usefixtures("node")
def test_a_new_patient_begins_with_no_figure_and_with_its_own_age(watcher: Watcher, tmp_path: Path) -> None:
    wait_for(lambda: {topic for topic, _, _ in list(watcher.messages)} >= FIGURES, "figures of the patient before")
    staff = Staff(watcher.port)
    answers = [staff.request("patient", BED, **ORDER) for _ in range(2)]
    refused = staff.request("patient", BED, **{**ORDER, "id": "n2", "age": "900 years"})
    staff.close()
    assert [each["ok"] for each in answers] == [True, True]
    assert (
        answers[0]["conditions"] == answers[1]["conditions"] == ["continuous", "discontinuous", "rate-high", "rate-low"]
    )
    assert refused["reason"].startswith("age: 900 years")
    wait_for(lambda: set(watcher.cleared) >= FIGURES, "no figure")
    alarm = wait_for(lambda: watcher.bodies("alarm/continuous/transition"), "it is told")[0]
    assert (alarm["cause"], alarm["by"], alarm["signal"]) == ("new patient", None, "Off")
    wait_for(lambda: watcher.bodies("/s/bed1/info")[-1].get("age") == "8 months", "the age")
    records = alarm_log(tmp_path / "o.db").records
    made = [each.key.condition for each in records if isinstance(each, Transition) and each.cause == "new patient"]
    assert sorted(made) == ["continuous", "discontinuous", "rate-high", "rate-low"]
