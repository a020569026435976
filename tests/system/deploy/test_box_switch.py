"""Releases on a box: made, switched to, judged, gone back from, forgotten. With stand-ins below a root of one's own."""

from __future__ import annotations

import json
import shutil

import pytest

from deploy.box.layout import LISTING
from deploy.box.service import Process
from deploy.devices import DeployError
from deploy.remote import send_command
from tests.deploy.conftest import CONFIG, Box


def test_the_first_release_runs_with_its_settings(box: Box) -> None:
    name = box.install("well")
    assert box.layout.running() == name
    assert (box.health().phase, box.heard()) == ("running", "well")
    assert box.layout.config.read_text() == CONFIG
    assert "config: first" in box.layout.log.read_text()


def test_an_upgrade_keeps_settings_and_events(box: Box) -> None:
    box.install("one")
    (box.layout.state / "outbox.db").write_text("events")
    box.layout.config.write_text("config: edited by hand\n")
    assert box.install("two", config=None).startswith("0002")
    assert box.layout.config.read_text() == "config: edited by hand\n"
    assert (box.layout.state / "outbox.db").read_text() == "events"
    assert box.heard() == "two"


def test_the_same_release_again_is_nothing_to_do_unless_it_is_forced_or_not_healthy(box: Box) -> None:
    first, pid = box.install("one"), _pid(box)
    assert box.install("one") == box.install("one", config=None) == first
    assert _pid(box) == pid, "it was not even restarted"
    second = box.install("one", is_forced=True)
    assert second > first
    box.layout.config.write_text("config: edited by hand\n")
    third = box.install("one")
    assert third > second, "other settings are another release"
    Process(box.layout).stop()
    assert box.install("one") > third


def test_three_releases_are_kept_and_their_files_once(box: Box) -> None:
    names = [box.install(each) for each in ("one", "two", "three", "four")]
    assert box.releases() == names[1:]
    listed = [(box.layout.releases / name / LISTING).read_text().split()[::3] for name in names[1:]]
    assert {path.name for path in box.layout.files.iterdir()} == {digest for each in listed for digest in each}
    one, two = (
        next((box.layout.releases / name).glob("venv/lib/*/site-packages/edge/errors.py")) for name in names[2:]
    )
    assert one.samefile(two)
    compiled = [next(path.parent.glob("__pycache__/errors.*.pyc")) for path in (one, two)]
    assert compiled[0].samefile(compiled[1]), "the same file is compiled once"


def _as_pip_installed_it(box: Box, name: str) -> None:
    """Make a release what it was until 1.0: installed by pip from a store of wheels, a file of its own for each."""
    folder = box.layout.releases / name
    (folder / LISTING).rename(folder / "requirements.lock")
    for path in [path for path in folder.glob("venv/lib/**/*") if path.is_file()]:
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content)
    shutil.rmtree(box.layout.files)
    wheel = next(box.house("one").folder.glob("*.whl"))
    box.layout.wheels.mkdir()
    shutil.copy(wheel, box.layout.wheels)
    record = json.loads((folder / "release.json").read_text())
    (folder / "release.json").write_text(json.dumps({**record, "wheels": [wheel.name]}))


def test_over_a_release_of_wheels_nothing_is_lost_and_it_can_be_gone_back_to(box: Box) -> None:
    first = box.install("one")
    _as_pip_installed_it(box, first)
    box.layout.state.joinpath("outbox.db").write_text("waits")
    second = box.install("two", "config: second\n")
    assert (box.heard(), box.layout.wheels.exists()) == ("two", False)
    assert "wheels" in json.loads((box.layout.releases / second / "release.json").read_text()), "1.0 reads it too"
    assert box.rollback() == first
    assert (box.heard(), box.layout.config.read_text()) == ("one", CONFIG)
    assert box.layout.state.joinpath("outbox.db").read_text() == "waits"
    assert box.rollback(second) == second


def test_rollback_goes_to_the_release_before_and_by_name_forward_again(box: Box) -> None:
    first, second = box.install("one"), box.install("two")
    assert send_command(box.target, "rollback", release="", hold_s=0.1)["running"] == first
    assert box.heard() == "one"
    assert send_command(box.target, "rollback", release=second, hold_s=0.1)["status"] == "two"


def test_rollback_goes_to_what_ran_before_and_not_to_what_was_gone_back_from(box: Box) -> None:
    first, second = box.install("one"), box.install("bad")
    send_command(box.target, "rollback", release="", hold_s=0.1)
    third = box.install("three")
    assert first < second < third
    assert send_command(box.target, "rollback", release="", hold_s=0.1)["running"] == first


def test_rollback_without_an_older_release_says_which_there_are(box: Box) -> None:
    name = box.install("one")
    with pytest.raises(DeployError) as caught:
        send_command(box.target, "rollback", release="", hold_s=0.1)
    assert str(caught.value).endswith(f"expected a release older than {name}, found {name} alone")


@pytest.mark.parametrize("behaviour", ["ends", "ends soon"])
def test_a_release_that_does_not_stay_up_is_gone_back_from(box: Box, behaviour: str) -> None:
    first = box.install("one")
    error = box.refusal(behaviour, config="config: second\n")
    assert "was not healthy" in str(error)
    assert "laennec: " in str(error), "its last words are told"
    assert error.state == f"{first} is current and its service is ready (one)"
    assert box.releases() == [first]
    assert box.layout.config.read_text() == CONFIG
    assert not box.layout.trial.exists()


def test_a_first_release_that_does_not_stay_up_leaves_nothing(box: Box) -> None:
    error = box.refusal("ends")
    assert error.state == "nothing is deployed"
    assert not box.layout.current.is_symlink()
    assert not box.layout.config.exists()
    assert not box.releases()
    assert box.health().phase == "stopped"


def test_an_artefact_of_another_feature_spec_is_refused_before_anything_is_switched(box: Box) -> None:
    first = box.install("one")
    pid = _pid(box)
    error = box.refusal("other spec")
    assert "expected a hop of 10 ms, found 20 ms" in str(error)
    assert box.releases() == [first]
    assert _pid(box) == pid, "the old release was not even stopped"


def test_a_mistake_in_the_settings_is_told_before_anything_is_compiled_under_the_name_that_was_given(
    box: Box, capsys: pytest.CaptureFixture[str]
) -> None:
    first = box.install("one")
    capsys.readouterr()
    assert str(box.refusal("two", config="sight: x\n")).endswith("laennec: CONFIG: unknown key 'sight'")
    assert "compiling" not in capsys.readouterr().out
    box.layout.config.write_text("sight: x\n")
    assert f"laennec: {box.layout.config}: unknown key" in str(box.refusal("two", config=None))
    assert (box.releases(), box.health().phase) == ([first], "running")


def _pid(box: Box) -> int:
    return int((box.layout.run / "standin").read_text().split()[0])


def test_undeploy_leaves_settings_and_events_unless_told_otherwise(box: Box) -> None:
    box.install("well")
    (box.layout.state / "events").touch()
    stored = send_command(box.target, "undeploy", purge=False)["kept"]
    assert stored == [str(box.layout.config.parent), str(box.layout.state)]
    assert box.health().phase == "stopped"
    assert not box.layout.current.is_symlink()
    assert send_command(box.target, "undeploy", purge=True)["kept"] == []
    assert not list(box.layout.root.rglob("*laennec*"))


def test_undeploy_leaves_what_others_put_beside_it(box: Box) -> None:
    box.install("well")
    for empty in ("srv", "var/log/others"):
        (box.layout.root / empty).mkdir(parents=True)
    (box.layout.base / ".current.new").symlink_to("nowhere")  # a deployment was killed
    (box.layout.base / "trial.json.part").touch()
    send_command(box.target, "undeploy", purge=True)
    left = {str(path.relative_to(box.layout.root)) for path in box.layout.root.rglob("*")}
    assert {"opt", "srv", "var/lib", "var/log", "var/log/others"} <= left
    assert not list(box.layout.root.rglob("*laennec*"))
