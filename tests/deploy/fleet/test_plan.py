"""What each box of a fleet is told: filled settings, in the right order, or a mistake before any box is touched."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.devices import DeployError
from deploy.fleet import fill, load_fleet, plan
from deploy.rollout import folder_of
from edge.errors import LaennecError

WARD = "site: ${site}\nnode: ${node}\nstreams:\n  - {id: bed1, source: '${microphone}'}\n"
FLEET = """
canary: b
defaults: {device: x86, site: w, config: ward.yaml, values: {microphone: mic:USB}}
boxes: {a: {host: u@a}, b: {host: u@b, port: 2222, values: {microphone: mic:Yeti}}, c: {host: u@c}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ward.yaml").write_text(WARD)
    (tmp_path / "fleet.yaml").write_text(FLEET)
    return tmp_path


def test_every_box_gets_its_own_settings_and_the_canary_is_first(folder: Path) -> None:
    boxes = plan(load_fleet(folder / "fleet.yaml"), folder, folder / "out")
    assert [box.name for box in boxes] == ["b", "a", "c"]
    assert boxes[0].config is not None
    assert boxes[0].config.read_text() == WARD.replace("${site}", "w").replace("${node}", "b").replace(
        "${microphone}", "mic:Yeti"
    )
    assert boxes[0].config.stat().st_mode & 0o777 == 0o600
    assert boxes[0].words("status") == ["status", "--device", "x86", "--host=u@b", "--port=2222"]


def test_settings_are_whole_for_whoever_reads_them_while_another_command_fills_them_again(folder: Path) -> None:
    fleet = load_fleet(folder / "fleet.yaml")
    config = plan(fleet, folder, folder / "out")[0].config
    assert config is not None
    with open(config) as read:
        (folder / "ward.yaml").write_text(WARD + "mode: Test\n")
        plan(fleet, folder, folder / "out")
        assert "mode" not in read.read(), "what a deployment reads just now"
    assert config.read_text().endswith("mode: Test\n")
    assert [path.name for path in config.parent.iterdir()] == ["ward.yaml"]


def test_fleets_whose_files_have_one_name_do_not_share_a_folder(tmp_path: Path) -> None:
    ours, theirs = folder_of(tmp_path / "ours/fleet.yaml"), folder_of(tmp_path / "theirs/fleet.yaml")
    assert ours != theirs
    assert ours == folder_of(tmp_path / "theirs/../ours/fleet.yaml"), "and one fleet keeps its logs in one place"


def test_only_those_that_are_named_are_meant(folder: Path) -> None:
    fleet = load_fleet(folder / "fleet.yaml")
    assert [box.name for box in plan(fleet, folder, folder / "out", ["c", "a"])] == ["c", "a"]
    with pytest.raises(DeployError, match="ONLY: no box is called d; known: a, b, c"):
        plan(fleet, folder, folder / "out", ["d"])


@pytest.mark.parametrize(
    ("ward", "found"),
    [
        (WARD.replace("${node}", "edge-7"), "b: .*: expected node b, as the fleet's file says, found edge-7"),
        (WARD.replace("node: ${node}\n", ""), r"expected node b, .* found none; write  node: \$\{node\}"),
        (WARD.replace("microphone", "mic"), r"nothing is called \$\{mic\}"),
        (WARD.replace("source", "sauce"), "unknown key 'streams"),
    ],
)
def test_settings_that_are_not_those_of_their_box_are_told_before_any_box_is_touched(
    folder: Path, ward: str, found: str
) -> None:
    (folder / "ward.yaml").write_text(ward)
    with pytest.raises(LaennecError) as caught:
        plan(load_fleet(folder / "fleet.yaml"), folder, folder / "out")
    assert re.search(found, str(caught.value))


def test_a_package_is_changed_alone_and_an_artefact_comes_with_the_release(folder: Path) -> None:
    for name in ("bed.model", "bed.onnx"):
        (folder / name).touch()
    (folder / "fleet.yaml").write_text(
        FLEET.replace("u@a", "u@a, model: bed.model").replace("u@c", "u@c, model: bed.onnx")
    )
    first, second, third = plan(load_fleet(folder / "fleet.yaml"), folder, folder / "out")
    assert (first.model, first.artefact) == ("", "")
    assert (second.model, second.artefact) == (str(folder / "bed.model"), "")
    assert (third.model, third.artefact) == ("", str(folder / "bed.onnx"))
    (folder / "bed.model").unlink()
    with pytest.raises(DeployError, match=r"a: model: expected a file, found .*bed.model"):
        plan(load_fleet(folder / "fleet.yaml"), folder, folder / "out")


def test_paths_of_files_are_templates_too(folder: Path) -> None:
    text = FLEET.replace("config: ward.yaml,", "files: {mqtt-password: 'clients/${site}.${node}/p'},")
    (folder / "fleet.yaml").write_text(text)
    box = plan(load_fleet(folder / "fleet.yaml"), folder, folder / "out")[0]
    assert box.files == (f"mqtt-password={folder}/clients/w.b/p",)


VALUES = {"node": "edge-7", "site": "ward-b"}


def test_names_are_replaced_wherever_they_stand() -> None:
    assert fill("node: ${node}\nid: ${site}-${node}\n", VALUES, "x") == "node: edge-7\nid: ward-b-edge-7\n"


def test_a_doubled_dollar_is_the_text_itself() -> None:
    assert fill("$${node} $5 $node", VALUES, "x") == "${node} $5 $node"


@pytest.mark.parametrize("name", ["nod", "", "node.x", "__class__", "node "])
def test_a_name_that_the_box_does_not_have_is_an_error_with_its_line(name: str) -> None:
    with pytest.raises(DeployError) as caught:
        fill(f"a: 1\nb: ${{{name}}}\n", VALUES, "edge-7: ward.yaml")
    assert str(caught.value).startswith(f"edge-7: ward.yaml, line 2: nothing is called ${{{name}}}")
    assert "known: node, site" in str(caught.value)


def test_the_closest_name_is_suggested() -> None:
    with pytest.raises(DeployError) as caught:
        fill("${nodes}", VALUES, "x")
    assert "(did you mean ${node}?)" in str(caught.value)


@given(st.text(alphabet="ab $}\n", max_size=40))
def test_text_without_a_place_stays_as_it_is(text: str) -> None:
    assert fill(text, VALUES, "x") == text
