"""A fleet of four roots on this machine: some at once, a canary first; a sick one as the canary, and as the third."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from deploy.box.layout import BoxLayout
from deploy.box.service import Process
from deploy.rollout import folder_of
from deploy.tools import PROJECT
from export.sign import new_key
from tests.deploy.conftest import House

NAMES = ("edge-1", "edge-2", "edge-3", "edge-4")
# What a node takes, and the stand-in too; `mode` is read by nobody here and tells settings apart.
WARD = "site: ${site}\nnode: ${node}\nmode: Test\nstreams: [{id: bed1, source: '${source}'}]\n"


@dataclass
class Fleet:
    """Four roots, their file, and make."""

    folder: Path
    house: Callable[..., House]
    boxes: dict[str, str] = field(default_factory=lambda: dict.fromkeys(NAMES, "mic:USB"))

    def layout(self, name: str) -> BoxLayout:
        return BoxLayout(str(self.folder / name))

    def write(self, behaviour: str, more: str = "", ward: str = WARD) -> None:
        """The file, for a wheelhouse of stand-ins that behave so."""
        (self.folder / "ward.yaml").write_text(ward)
        folder = self.house(behaviour).folder
        lines = [
            f"  {name}: {{root: {self.folder / name}, values: {{source: '{source}'}}}}\n"
            for name, source in self.boxes.items()
        ]
        (self.folder / "fleet.yaml").write_text(
            f"at_once: 2\nhealthy_s: 0.3\n{more}\ndefaults: {{device: local, site: ward-b, config: ward.yaml, "
            f"wheelhouse: {folder}, files: {{mqtt-password: 'secrets/${{node}}'}}}}\nboxes:\n{''.join(lines)}"
        )

    def run(self, command: str, *words: str) -> subprocess.CompletedProcess[str]:
        """What make calls, with the Python that reads settings."""
        argv = [
            sys.executable,
            "-m",
            "deploy.rollout",
            command,
            "--fleet",
            str(self.folder / "fleet.yaml"),
            *words,
        ]
        return subprocess.run(argv, cwd=PROJECT, env=dict(os.environ), capture_output=True, text=True, check=False)

    def running(self) -> list[str]:
        return [self.layout(name).running() for name in NAMES]


@pytest.fixture
def fleet(fast_folder: Path, tmp_path: Path, standin: Callable[..., House]) -> Iterator[Fleet]:
    fleet = Fleet(tmp_path, standin)
    yield fleet
    for name in NAMES:
        Process(fleet.layout(name)).stop()


def _line(output: str, name: str) -> list[str]:
    """The words of a box's line in the table."""
    return next(line for line in output.splitlines() if line.startswith(f"{name}  ")).split()


def test_a_sick_canary_stops_a_fleet_before_it_began_and_a_sick_third_leaves_the_rest_as_it_was(fleet: Fleet) -> None:
    fleet.write("ends")
    done = fleet.run("deploy")
    assert done.returncode == 2
    assert "edge-1: FAILED" in done.stdout
    assert "not touched: edge-2, edge-3, edge-4" in done.stdout
    assert "edge-1: 0001-" in done.stderr
    assert fleet.running() == [""] * 4
    assert not fleet.layout("edge-2").base.exists(), "not even asked to change"

    fleet.write("one")
    done = fleet.run("deploy")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[0] == "edge-1: deploy begins"
    assert "edge-1: done in" in done.stdout.split("edge-2: deploy begins")[0], "the canary is alone"
    assert all(fleet.running())
    words = _line(done.stdout, "edge-3")
    assert words[1] == "ward-b/edge-3"
    assert words[2] == fleet.running()[2]
    assert (words[4], words[6], words[-1]) == ("bundled", "running", "s"), words

    before = fleet.running()
    fleet.boxes["edge-3"] = "mic:sick"
    fleet.write("one")
    text = (fleet.folder / "fleet.yaml").read_text().replace("at_once: 2", "at_once: 1")  # else the fourth may be begun
    (fleet.folder / "fleet.yaml").write_text(text)
    done = fleet.run("deploy")
    assert done.returncode == 2
    assert "edge-3: FAILED" in done.stdout
    assert "laennec: sick" in done.stderr
    assert "not touched: edge-4" in done.stdout
    assert fleet.running() == before
    assert "mic:sick" not in fleet.layout("edge-3").config.read_text()
    assert "(file: " in " ".join(_line(done.stdout, "edge-3")), "its settings are not those of the file"


def test_settings_and_a_model_reach_every_box_and_all_go_back(fleet: Fleet) -> None:
    fleet.boxes = dict.fromkeys(NAMES[:2], "mic:USB")
    fleet.write("one")
    assert fleet.run("deploy").returncode == 0
    fleet.write("one", ward=WARD.replace("bed1", "${node}-bed"))
    done = fleet.run("configure")
    assert done.returncode == 0, done.stdout + done.stderr
    for name in fleet.boxes:
        assert f"id: {name}-bed" in fleet.layout(name).config.read_text()
    (fleet.folder / "bed.model").write_text("better")
    text = (fleet.folder / "fleet.yaml").read_text().replace("{device:", "{model: bed.model, device:")
    (fleet.folder / "fleet.yaml").write_text(text)
    done = fleet.run("model", "--only", "edge-2")
    assert done.returncode == 0, done.stdout + done.stderr
    output = fleet.run("status")
    assert (output.returncode, _line(output.stdout, "edge-1")[4], _line(output.stdout, "edge-2")[4]) == (
        0,
        "bundled",
        "promoted",
    )
    assert fleet.run("rollback").returncode == 0
    assert [fleet.layout(name).running()[:4] for name in fleet.boxes] == ["0001", "0001"]


def test_a_rollback_that_stopped_says_with_which_boxes_to_go_on(fleet: Fleet) -> None:
    """Told again for all it would take the first one back once more."""
    fleet.boxes = dict.fromkeys(NAMES[:3], "mic:USB")
    fleet.write("one")
    assert fleet.run("deploy").returncode == 0
    fleet.write("two")
    assert fleet.run("deploy", "--only", "edge-1").returncode == 0
    done = fleet.run("rollback")
    assert done.returncode == 2
    for name in ("edge-2", "edge-3"):  # both were begun
        assert f"deploy: {name}: expected a release older than 0001" in done.stderr
    assert 'go on with the others alone: make rollback FLEET=... ONLY="edge-2 edge-3"' in done.stdout
    assert [fleet.layout(name).running()[:4] for name in fleet.boxes] == ["0001"] * 3


def test_a_signed_fleet_and_its_secrets(fleet: Fleet) -> None:
    fleet.boxes = {"edge-1": "mic:USB"}
    public = new_key(fleet.folder / "ward.pem")
    (fleet.folder / "secrets").mkdir()
    (fleet.folder / "secrets/edge-1").write_text("correct horse")
    (fleet.folder / "secrets/edge-1").chmod(0o600)
    fleet.write("one")
    keys = f"files: {{model-keys/ward.pub.pem: {public}, "
    (fleet.folder / "fleet.yaml").write_text((fleet.folder / "fleet.yaml").read_text().replace("files: {", keys))
    done = fleet.run("credentials")
    assert done.returncode == 0, done.stdout + done.stderr
    there = fleet.layout("edge-1").config.parent
    assert [(there / name).stat().st_mode & 0o777 for name in ("mqtt-password", "model-keys/ward.pub.pem")] == [
        0o600,
        0o644,
    ]
    assert "correct horse" not in done.stdout + done.stderr + "".join(
        path.read_text() for path in folder_of(fleet.folder / "fleet.yaml").rglob("*.log")
    )
    done = fleet.run("deploy")
    assert done.returncode == 2
    assert "expected a release signed by ward.pub.pem" in done.stderr
    text = (fleet.folder / "fleet.yaml").read_text()
    (fleet.folder / "fleet.yaml").write_text(f"sign: {fleet.folder / 'ward.pem'}\n{text}")
    done = fleet.run("deploy")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not list(fleet.layout("edge-1").releases.rglob("*password*")), "no secret is in a release"
    (fleet.folder / "secrets/edge-1").write_text("battery staple")
    assert fleet.run("credentials").returncode == 0
    output = (folder_of(fleet.folder / "fleet.yaml") / "edge-1/credentials.log").read_text()
    assert "sudo systemctl restart laennec" in output, "the same release again would be nothing to do"
