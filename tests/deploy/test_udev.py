"""The rules as udev would read them: by udevadm where it can, by udev(7)'s grammar everywhere."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "deploy" / "udev"
FILES = sorted([*FOLDER.glob("*.rules"), *FOLDER.glob("*.example")])
TOKEN = re.compile(r'(?P<key>[A-Z_]+)(?:\{(?P<part>[^}]+)\})?(?P<operator>==|!=|\+=|:=|-=|=)"(?P<value>[^"]*)"')
MATCHED = {"ACTION", "KERNEL", "SUBSYSTEM", "SUBSYSTEMS", "ATTR", "ATTRS", "ENV", "TEST", "KERNELS", "DRIVERS", "TAGS"}
ASSIGNED = {"GROUP", "MODE", "OWNER", "ATTR", "ENV", "SYMLINK", "TAG", "LABEL", "GOTO"}  # nothing that runs a program

Rule = list[tuple[str, str | None, str, str]]


def rules(text: str) -> list[Rule]:
    """Each line as (key, part in braces, operator, value); a line that is none raises ValueError."""
    found = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        rule: Rule = []
        for token in line.split(", "):
            match = TOKEN.fullmatch(token)
            if match is None:
                raise ValueError(f"not a rule of udev(7): {token!r} in {line!r}")
            key, operator = match["key"], match["operator"]
            if key not in (MATCHED if operator in ("==", "!=") else ASSIGNED):
                raise ValueError(f"{key}{operator}: unknown, or runs a program")
            rule.append((key, match["part"], operator, match["value"]))
        found.append(rule)
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_line_is_a_rule_and_every_jump_has_its_label(path: Path) -> None:
    found = rules(path.read_text())
    assert found
    labels = {value for rule in found for key, _, _, value in rule if key == "LABEL"}
    jumps = {value for rule in found for key, _, _, value in rule if key == "GOTO"}
    assert jumps <= labels


@pytest.mark.parametrize(
    "wrong",
    ['SUBSYSTEM="sound" GROUP="audio"', 'SUBSYSTEM="sound", GROUP="audio"', 'RUN+="/bin/sh"', "GROUP=audio", 'X=="1"'],
)
def test_what_is_no_rule_is_found(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"not a rule|unknown") as caught:
        rules(wrong)
    assert wrong.split('"')[0].rstrip("+=") in str(caught.value), "it is named"


def test_every_vendor_has_its_source_in_the_line_above() -> None:
    lines = (FOLDER / "70-laennec.rules").read_text().splitlines()
    named = [number for number, line in enumerate(lines) if "ATTR{idVendor}" in line]
    assert len(named) == 4
    for number in named:
        assert re.match(r"# .*\(.*[/,].*\)$", lines[number - 1]), lines[number]
        assert re.match(r'ATTR\{idVendor\}=="[0-9a-f]{4}", (ATTR\{idProduct\}=="[0-9a-f]{4}", )?ENV', lines[number])


def test_the_rules_that_need_the_names_of_78_come_behind_it() -> None:
    for path in FILES:
        if "ID_SERIAL_SHORT" in path.read_text():
            assert path.name > "78-sound-card.rules"


def test_names_of_cards_are_such_as_alsa_takes() -> None:
    found = rules((FOLDER / "81-beds.rules.example").read_text())
    names = [value for rule in found for key, part, _, value in rule if (key, part) == ("ATTR", "id")]
    assert names
    assert all(re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,14}", name) for name in names)


@pytest.mark.needs("udevadm")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_udevadm_takes_the_file(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / path.name.removesuffix(".example")
    shutil.copy(path, copy)
    done = subprocess.run(["udevadm", "verify", str(copy)], capture_output=True, text=True, timeout=60)
    if "nrecognized" in done.stderr or "Unknown" in done.stderr:
        pytest.skip("this udevadm cannot verify a file (older than 254)")
    assert done.returncode == 0, done.stdout + done.stderr
