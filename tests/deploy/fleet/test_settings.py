"""fleet.yaml: what it may say, and what is refused before anything else is looked at."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.fleet import load_fleet, merged
from deploy.tools import PROJECT
from edge.errors import ConfigError

BOX = "boxes: {a: {host: u@a, device: x86, site: w}}\n"


def _refusal(folder: Path, text: str) -> str:
    path = folder / "fleet.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_fleet(path)
    return str(caught.value)


def test_the_example_is_a_fleet(tmp_path: Path) -> None:
    fleet = load_fleet(PROJECT / "deploy/fleet.example.yaml")
    ninth = merged(fleet, "edge-9")
    assert (ninth.device, ninth.site, ninth.node, ninth.values) == (
        "rpi",
        "ward-c",
        "edge-9",
        {"microphone": "mic:USB"},
    )
    assert merged(fleet, "edge-8").values == {"microphone": "mic:Yeti"}
    assert ninth.config == PROJECT / "deploy/ward-c.yaml", "beside the file"


def test_every_key_of_the_example_is_one_and_every_key_is_in_the_example(tmp_path: Path) -> None:
    text = (PROJECT / "deploy/fleet.example.yaml").read_text()
    (tmp_path / "fleet.yaml").write_text("".join(_uncommented(line) for line in text.splitlines(keepends=True)))
    fleet = load_fleet(tmp_path / "fleet.yaml")
    assert fleet.model_fields_set == set(type(fleet).model_fields)
    assert fleet.defaults.model_fields_set == set(type(fleet.defaults).model_fields)


def _uncommented(line: str) -> str:
    is_key = line.lstrip().startswith("# ") and ": " in line.split("#")[1] and "  #" in line
    return line.replace("# ", "", 1) if is_key else line


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("boxes: {a: {hots: u@a}}", "unknown key 'boxes.a.hots' (did you mean 'host'?); known here: device, site"),
        (BOX + "at_onec: 3", "unknown key 'at_onec' (did you mean 'at_once'?)"),
        (BOX + "at_once: 0", "at_once: 0 is not allowed: must be at least 1"),
        (BOX + "keep: 1", "keep: 1 is not allowed: must be at least 2"),
        (BOX + "canary: b", "canary: no box is called 'b'"),
        ("boxes: {}", "boxes"),
        ("boxes: {a: {device: x86, site: w}}", "boxes.a.host: missing; give user@box"),
        ("boxes: {a: {host: u@a, site: w}}", "boxes.a.device: missing"),
        ("boxes: {a: {host: u@a, device: x86}}", "boxes.a.site: missing"),
        ("boxes: {a: {host: u@a, device: local, root: /r, site: w}}", "device local is this machine"),
        ("boxes: {a: {host: u@a, device: x86, site: w, values: {node: b}}}", "boxes.a.values.node: every box has this"),
        ("boxes: {a: {host: u@a, device: x86, site: w, values: {m: 'x, y: z'}}}", "a value for a template"),
        ("boxes: {a: {host: u@a, device: x86, site: Ward 3}}", "an id: a-z, 0-9 and '-'"),
        ("boxes: {a: {host: 'u@a, port: 1', device: x86, site: w}}", "user@box, or a name of"),
        ("boxes: {a: {host: '-oProxyCommand=x', device: x86, site: w}}", "user@box, or a name of"),
        ("- a", "expected keys such as `boxes:`"),
    ],
)
def test_a_mistake_names_its_key_and_what_would_be_right(tmp_path: Path, text: str, found: str) -> None:
    assert found in _refusal(tmp_path, text)


def test_two_boxes_that_the_broker_would_take_for_one_are_refused(tmp_path: Path) -> None:
    twice = "defaults: {device: x86, site: w}\nboxes: {a: {host: u@a}, b: {host: u@b, node: a}}"
    assert "boxes.b: has the site and node w/a of a; every box needs its own" in _refusal(tmp_path, twice)
    same = "defaults: {device: x86, site: w}\nboxes: {a: {host: u@a}, b: {host: u@a}}"
    assert "boxes.b: has the host, port and root u@a of a" in _refusal(tmp_path, same)
    port = "defaults: {device: x86, site: w}\nboxes: {a: {host: u@a}, b: {host: u@a, port: 22}}"
    assert "boxes.b: has the host, port and root u@a of a" in _refusal(tmp_path, port)
    root = "defaults: {device: local, site: w}\nboxes: {a: {root: roots/a}, b: {root: ./roots/a/}}"
    assert "boxes.b: has the host, port and root this machine of a" in _refusal(tmp_path, root)


def test_a_root_on_this_machine_begins_at_the_folder_of_the_file_and_one_elsewhere_stays(tmp_path: Path) -> None:
    boxes = "{a: {root: roots/a}, b: {root: ~/b}, c: {device: x86, host: u@c, root: /c/}, d: {device: x86, host: u@d}}"
    (tmp_path / "fleet.yaml").write_text(f"defaults: {{device: local, site: w}}\nboxes: {boxes}")
    fleet = load_fleet(tmp_path / "fleet.yaml")
    found = [merged(fleet, name).root for name in "abcd"]
    assert found == [str(tmp_path / "roots/a"), str(Path("~/b").expanduser()), "/c", None]
