"""What the doctor says of the second model and of the port of the metrics."""

from __future__ import annotations

import shutil
import socket
from contextlib import closing
from pathlib import Path

import pytest

from edge.commands.demo_broker import free_port
from edge.commands.doctor import model as watching
from edge.commands.doctor.examine import DoctorOptions, examine
from edge.model.model import DEFAULT_PATH, Model, load_model
from edge.node.health import Reports
from edge.node.metrics import MetricsServer
from edge.settings.sections import Metrics
from tests.edge.conftest import wait_for
from tests.edge.wards import settings, ward


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model()


class TestShadow:
    def test_without_one_there_is_no_check(self, tmp_path: Path, model: Model) -> None:
        assert watching.shadow(settings(tmp_path), model) == []

    def test_another_artefact_that_hears_the_same_is_ok(self, tmp_path: Path, model: Model) -> None:
        other = DEFAULT_PATH.with_name("default.cpu-int8.onnx")
        (check,) = watching.shadow(settings(tmp_path, shadow=str(other)), model)
        assert (check.verdict, model.sha256[:12] in check.found) == ("ok", True), check

    def test_the_live_model_itself_compares_nothing(self, tmp_path: Path, model: Model) -> None:
        same = shutil.copy(DEFAULT_PATH, tmp_path / "same.onnx")
        (check,) = watching.shadow(settings(tmp_path, shadow=str(same)), model)
        assert (check.verdict, "it is the live model itself" in check.found) == ("warn", True), check

    def test_one_that_is_missing_or_damaged_fails_with_what_would_happen(self, tmp_path: Path, model: Model) -> None:
        (tmp_path / "damaged.onnx").write_bytes(DEFAULT_PATH.read_bytes()[:-1] + b"0")
        for name in ("none.onnx", "damaged.onnx"):
            (check,) = watching.shadow(settings(tmp_path, shadow=str(tmp_path / name)), model)
            assert (check.verdict, "the live model would work alone" in check.found) == ("fail", True), check


class TestMetrics:
    def test_without_a_port_there_is_no_check(self) -> None:
        assert watching.metrics(Metrics(), is_running=False) == []

    def test_a_free_port_is_ok_and_free_afterwards(self) -> None:
        port = free_port()
        assert [watching.metrics(Metrics(port=port), False)[0].verdict for _ in range(2)] == ["ok", "ok"]
        with closing(socket.create_server(("127.0.0.1", port))):
            (check,) = watching.metrics(Metrics(port=port), is_running=False)
        assert (check.verdict, "metrics.port" in check.advice) == ("fail", True), check

    def test_an_address_that_is_not_of_this_box_fails(self) -> None:
        (check,) = watching.metrics(Metrics(port=free_port(), host="192.0.2.1"), is_running=False)
        assert (check.verdict, "metrics.host" in check.advice) == ("fail", True), check

    @pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
    def test_the_port_of_the_running_service_is_ok_where_it_answers(self, host: str) -> None:
        at = Metrics(port=free_port(), host=host)
        server = MetricsServer(at, lambda: Reports({"uptime_s": 1.0}, {}))
        server.start()
        wait_for(lambda: server.is_healthy, "its thread")
        verdicts = [watching.metrics(at, is_running)[0].verdict for is_running in (True, False)]
        server.stop()
        assert verdicts == ["ok", "fail"]  # without a service, it is somebody else's

    def test_a_service_that_runs_without_its_page_is_a_warning(self) -> None:
        (check,) = watching.metrics(Metrics(port=free_port()), is_running=True)
        assert (check.verdict, "though the service runs" in check.found) == ("warn", True), check


def test_the_doctor_looks_at_both_where_the_settings_name_them(tmp_path: Path) -> None:
    required = {"shadow": str(tmp_path / "none.onnx"), "metrics": {"port": free_port()}}
    verdicts = {check.name: check.verdict for check in examine(DoctorOptions(ward(tmp_path, **required)))}
    assert (verdicts["shadow"], verdicts["metrics"]) == ("fail", "ok")
    assert {"shadow", "metrics"}.isdisjoint(check.name for check in examine(DoctorOptions(ward(tmp_path))))
