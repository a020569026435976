"""Which box is which DEVICE, and what is said of one that is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from deploy.box.examine import Facts, Python, facts, l4t_of
from deploy.box.layout import BoxLayout
from deploy.devices import DeployError, choose_python, describe


def _refusal(device: str, box: Facts, needs_systemd: bool = True) -> str:
    with pytest.raises(DeployError) as caught:
        choose_python(device, box, 1_790_000_000.0, needs_systemd)
    return str(caught.value)


def test_a_jetson_gives_the_python_that_its_tensorrt_is_built_for(jetson: Facts) -> None:
    newer = Python("/usr/local/bin/python3.12", "3.12.4", "", False, True)
    box = replace(jetson, pythons=(newer, *jetson.pythons))
    assert choose_python("jetson", box, jetson.clock_s, True).version == "3.10.12"
    assert "L4T 36.4.3" in describe(box)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"machine": "x86_64", "board": "", "l4t": ""}, "this looks like DEVICE=x86"),
        ({"board": "Raspberry Pi 5 Model B Rev 1.0", "l4t": ""}, "this looks like DEVICE=rpi"),
        ({"machine": "armv7l", "l4t": ""}, "a 64-bit system is needed"),
        ({"l4t": "35.4.1"}, "expected JetPack 6 or 7"),
        ({"pythons": ()}, "expected Python 3.10"),
        ({"glibc": ""}, "a C library that is not glibc"),
        ({"glibc": "2.27"}, "found glibc 2.27"),
        ({"has_systemd": False}, "give ROOT=DIR"),
        ({"may_administrate": False}, "root or sudo without a password"),
    ],
)
def test_what_does_not_fit_is_named_with_what_was_found(
    jetson: Facts, change: dict[str, object], expected: str
) -> None:
    message = _refusal("jetson", replace(jetson, **change))  # type: ignore[arg-type]
    assert expected in message
    assert "expected" in message


def test_a_jetson_is_no_raspberry_pi_and_no_pc(jetson: Facts) -> None:
    assert "this looks like DEVICE=jetson" in _refusal("rpi", jetson)
    assert "this looks like DEVICE=jetson" in _refusal("x86", jetson)


def test_a_clock_in_1970_is_refused_with_how_to_set_it(jetson: Facts) -> None:
    message = _refusal("jetson", replace(jetson, clock_s=42.0))
    assert "found 1970-01-01 00:00 UTC there" in message
    assert "sudo date -u -s @1790000000" in message


def test_below_a_root_neither_systemd_nor_administration_is_asked_for(jetson: Facts) -> None:
    box = replace(jetson, has_systemd=False, may_administrate=False)
    assert choose_python("jetson", box, box.clock_s, needs_systemd=False).tensorrt == "10.3.0"


def test_the_facts_of_a_jetson_are_read_from_its_files(tmp_path: Path) -> None:
    for name, text in {
        "etc/os-release": 'NAME="Ubuntu"\nPRETTY_NAME="Ubuntu 22.04.5 LTS"\n',
        "etc/nv_tegra_release": "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64\n",
        "proc/device-tree/model": "NVIDIA Jetson Orin Nano Developer Kit\0",
        "run/systemd/system/x": "",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = facts(BoxLayout(str(tmp_path)), tmp_path)
    assert (found.system, found.l4t) == ("Ubuntu 22.04.5 LTS", "36.4.3")
    assert found.board == "NVIDIA Jetson Orin Nano Developer Kit"
    assert found.has_systemd


def test_this_machine_has_a_python_for_a_release(tmp_path: Path) -> None:
    found = facts(BoxLayout(str(tmp_path)))
    assert choose_python("local", found, found.clock_s, needs_systemd=False).has_venv
    assert found.free_mb > 0


@pytest.mark.parametrize("text", ["", "# R36", "REVISION:", "# KERNEL_VARIANT: oot REVISION: 4"])
def test_a_release_file_that_says_something_else_is_no_jetson(text: str) -> None:
    assert l4t_of(text) == ""
