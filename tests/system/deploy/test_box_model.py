"""Another model alone: promoted, judged, kept or gone back from; with stand-ins for models as for Laennec."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from deploy.devices import DeployError
from deploy.release import part_of
from deploy.remote import send_command
from tests.deploy.conftest import Box, until
from tests.deploy.killed import run_until
from tests.system.deploy.test_undo import start_again


def _package(folder: Path, text: str) -> Path:
    path = folder / f"{text}.model"
    path.write_text(text)
    return path


def _id(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def change(box: Box, package: Path | None = None, required: str = "", **more: object) -> dict[str, object]:
    """What came of it."""
    part = part_of(package) if package else None
    parts = {part: package} if part and package else None
    return send_command(box.target, "model", parts, **{"part": part, "model": required, "hold_s": 0.3, **more})


def _refusal(box: Box, package: Path | None = None, required: str = "") -> str:
    with pytest.raises(DeployError) as caught:
        change(box, package, required)
    return str(caught.value)


def _active(box: Box) -> str:
    return str(send_command(box.target, "status")["model"]["id"])


def _left_over(box: Box) -> list[str]:
    found = [path.name for path in box.layout.base.iterdir() if "model-trial" in path.name]
    return [*found, *(["before"] if box.layout.before.is_symlink() else [])]


def test_a_model_changes_alone_and_stays(box: Box, tmp_path: Path) -> None:
    name = box.install("one")
    reported = change(box, _package(tmp_path, "better"))
    assert (reported["is_new"], reported["model"]) == (True, _id("better")[:12])
    assert isinstance(reported["deaf_s"], float)
    assert _active(box) == _id("better")
    assert box.releases() == [name], "no release was made"
    assert _left_over(box) == []
    assert not change(box, _package(tmp_path, "better"))["is_new"], "it is the active one already"
    assert change(box, required="bundled")["is_new"]
    assert _active(box) == "bundled"


def test_a_model_with_which_it_does_not_stay_up_is_gone_back_from(box: Box, tmp_path: Path) -> None:
    box.install("one")
    change(box, _package(tmp_path, "better"))
    output = _refusal(box, _package(tmp_path, "sick"))
    assert f"model {_id('sick')[:12]} was not healthy" in output
    assert "laennec: sick" in output
    assert (_active(box), box.heard(), _left_over(box)) == (_id("better"), "one", [])


def test_a_model_that_the_doctor_refuses_never_runs(box: Box, tmp_path: Path) -> None:
    box.install("one")
    pid = (box.layout.run / "standin").read_text()
    assert f"model {_id('deaf')[:12]} was not taken: laennec doctor" in _refusal(box, _package(tmp_path, "deaf"))
    assert (box.layout.run / "standin").read_text() == pid, "nobody was deaf for it"
    assert (_active(box), _left_over(box)) == ("b" * 64, [])


def test_a_package_that_the_box_refuses_changes_nothing(box: Box, tmp_path: Path) -> None:
    box.install("one")
    pid = (box.layout.run / "standin").read_text()
    assert "found 'unsigned'" in _refusal(box, _package(tmp_path, "unsigned"))
    assert "expected the first digits of one model id" in _refusal(box, required="abc")
    assert (box.layout.run / "standin").read_text() == pid, "it was not even restarted"
    assert _left_over(box) == []


def test_old_models_go_and_the_one_before_stays(box: Box, tmp_path: Path) -> None:
    box.install("one")
    for text in ("a", "b", "c"):
        change(box, _package(tmp_path, text), hold_s=0.0, keep=2)
    left = {path.name for path in (box.layout.state / "models").iterdir() if path.is_dir()}
    assert left == {_id("b"), _id("c")}


def test_cut_off_at_any_step_the_model_that_was_good_comes_back_by_itself(box: Box, tmp_path: Path) -> None:
    box.install("one")
    change(box, _package(tmp_path, "better"))
    send_command(box.target, "model", model="bundled", hold_s=0.0)
    store = box.layout.state / "models"
    (store / _id("sick")).mkdir()
    (store / _id("sick") / "bed.onnx").write_text("sick")
    request = {"command": "model", "model": _id("sick")[:12], "hold_s": 60.0, "part": None}
    step, finished, undone = 0, 0, 0
    while not finished:
        step += 3
        finished = run_until(box, step, request, refusal="was not healthy")
        undone += (store / "promoted").read_text().split()[-1] == _id("sick")
        start_again(box)
        until(lambda: box.heard() == "one", box.health)
        assert (store / "promoted").read_text().split()[-1] == "bundled"
    assert step > 10, "a change is many steps"
    assert undone > 0, "the promotion was seen from both sides"
    box.install("two", is_forced=True)
    assert _left_over(box) == []
