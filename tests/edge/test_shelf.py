"""Which model is in force changes in one step or not at all, and only to a model that somebody trusted has signed."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from edge.errors import ConfigError, ModelError
from edge.manifest import parse_manifest
from edge.model import DEFAULT_PATH
from edge.package import members, tar
from edge.promotions import PROMOTED
from edge.shelf import Shelf
from edge.variants import siblings
from export.sign import new_key, read_private
from tests.edge.releases import Signer, edited

ROOT = Path(__file__).parents[2]


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    """A workstation whose key the box trusts."""
    return Signer(tmp_path)


@pytest.fixture
def two(signer: Signer) -> tuple[str, str]:
    """Two releases on the shelf, the older promoted first and the newer now in force."""
    shelf = signer.shelf()
    older, newer = (shelf.install(signer.package(f"day{days}", days)).sha256 for days in (0, 1))
    shelf.promote(older)
    shelf.promote(newer)
    return older, newer


def _in_force(shelf: Shelf) -> str:
    release = shelf.in_force()
    return release.sha256 if release else "bundled"


def _leftovers(folder: Path) -> list[str]:
    return [path.name for path in (folder / "shelf").iterdir() if path.name.startswith(".incoming")]


def test_a_box_that_never_had_a_shelf_has_the_bundled_model_and_makes_no_folder(signer: Signer) -> None:
    assert signer.shelf().in_force() is None
    assert signer.shelf().standings() == []
    assert not (signer.folder / "shelf").exists()


def test_what_is_installed_is_not_in_force_before_it_is_promoted(signer: Signer) -> None:
    shelf = signer.shelf()
    release = shelf.install(signer.package("a"))
    assert (_in_force(shelf), [s.sha256 for s in shelf.standings()]) == ("bundled", [release.sha256])
    shelf.promote(release.sha256)
    assert _in_force(shelf) == release.sha256
    assert release.artefact.read_bytes() == DEFAULT_PATH.read_bytes()


def test_a_folder_is_installed_as_a_file_is(signer: Signer, tmp_path: Path) -> None:
    release = signer.shelf().install(signer.package("a"))
    elsewhere = Shelf(tmp_path / "elsewhere", signer.keys)
    assert elsewhere.install(release.folder).sha256 == release.sha256


def test_variants_come_along_and_are_found(signer: Signer) -> None:
    signer.add_variant()
    release = signer.shelf().install(signer.package("a"))
    assert siblings(release.artefact) == {"cpu-int8": release.folder / "bed.cpu-int8.onnx"}


def test_rollback_goes_back_step_by_step_to_the_bundled_model(signer: Signer, two: tuple[str, str]) -> None:
    shelf = signer.shelf()
    seen = [_in_force(shelf)]
    for _ in range(2):
        shelf.rollback()
        seen.append(_in_force(shelf))
    assert seen == [two[1], two[0], "bundled"]
    with pytest.raises(ConfigError, match="nothing to go back to"):
        shelf.rollback()


def test_the_bundled_model_can_be_promoted_and_taken_back(signer: Signer, two: tuple[str, str]) -> None:
    shelf = signer.shelf()
    shelf.promote("bundled")
    assert shelf.in_force() is None
    shelf.rollback()
    assert _in_force(shelf) == two[1]


def test_promoting_what_is_in_force_leaves_the_way_back(signer: Signer, two: tuple[str, str]) -> None:
    shelf = signer.shelf()
    shelf.promote(two[1])
    shelf.rollback()
    assert _in_force(shelf) == two[0]


def test_an_older_release_is_promoted_only_when_asked_for_by_name(signer: Signer, two: tuple[str, str]) -> None:
    shelf = signer.shelf()
    with pytest.raises(ModelError, match=f"older than the model in force.*laennec model promote {two[0][:12]}"):
        shelf.promote(two[0], older=False)
    assert _in_force(shelf) == two[1]
    shelf.promote(two[0][:8])
    assert _in_force(shelf) == two[0]


@pytest.mark.parametrize("wanted", ["", "zz", "../keys"])
def test_an_id_that_names_no_release_says_where_to_look(signer: Signer, two: tuple[str, str], wanted: str) -> None:
    with pytest.raises(ConfigError, match="see `laennec model list`"):
        signer.shelf().promote(wanted)
    assert _in_force(signer.shelf()) == two[1]


def _unsigned(signer: Signer) -> Path:
    folder = signer.shelf().install(signer.package("x")).folder
    shutil.copytree(folder, signer.folder / "package")
    (signer.folder / "package" / "manifest.sig").unlink()
    return signer.folder / "package"


def _changed(signer: Signer, at: float) -> Path:
    path = signer.package("changed")
    content = bytearray(path.read_bytes())
    content[int(len(content) * at)] ^= 1
    path.write_bytes(content)
    return path


def _wrongly_signed(signer: Signer) -> Path:
    trusted = signer.private
    new_key(signer.folder / "stranger.pem")
    signer.private = signer.folder / "stranger.pem"
    path = signer.package("stranger")
    signer.private = trusted
    return path


def _cut(signer: Signer) -> Path:
    path = signer.package("cut")
    path.write_bytes(path.read_bytes()[:500_000])
    return path


def _expired(signer: Signer) -> Path:
    signer.private = signer.folder / "brief.pem"
    signer.trust(new_key(signer.private, expires=date(2026, 11, 21)))
    return signer.package("late", days=1)


def _other_schema(signer: Signer) -> Path:
    """Signed, so the workstation once had a version that made such models; here by hand."""
    return _resigned(
        signer, edited(DEFAULT_PATH, signer.folder / "bed2.onnx", features={"schema": "laennec.features/9"})
    )


def _resigned(signer: Signer, artefact: Path) -> Path:
    """A package whose files are what its manifest says, but whose model is not."""
    parts = {member.name: member.file.read(1 << 30) for member in members(signer.package("good"))}
    manifest = parse_manifest(parts["manifest.json"])
    content = artefact.read_bytes()
    file = manifest.files["bed.onnx"].model_copy(
        update={"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    )
    text = manifest.model_copy(update={"files": {"bed.onnx": file}}).canonical()
    key = read_private(signer.private)
    path = signer.folder / "resigned.model"
    path.write_bytes(tar({"manifest.json": text, "manifest.sig": key.sign(text), "bed.onnx": content}))
    return path


REFUSED = {
    "unsigned": (_unsigned, r"manifest.sig: cannot be read .*is this a signed release"),
    "bare": (lambda s: s.artefact, "not a package"),
    "stranger": (_wrongly_signed, "signature: expected one by first.pub.pem"),
    "manifest": (lambda s: _changed(s, 0.0004), "signature|damaged"),
    "file": (lambda s: _changed(s, 0.5), "bed.onnx: damaged: expected sha256"),
    "cut": (_cut, "cut short"),
    "expired": (_expired, "brief.pub.pem, which expired after 2026-11-21"),
    "newer": (lambda s: s.package("n", needs="9.0.0"), "needs Laennec 9.0.0 or newer"),
    "schema": (_other_schema, "resigned.model: .*laennec.features"),
    "card": (lambda s: _resigned(s, edited(DEFAULT_PATH, s.folder / "b.onnx", card={"id": "other"})), "manifest says"),
    "missing": (lambda s: s.folder / "none.model", "cannot be read"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_must_not_come_is_refused_in_one_line_and_leaves_nothing(signer: Signer, case: str) -> None:
    make, message = REFUSED[case]
    package = make(signer)
    before = [s.sha256 for s in signer.shelf().standings()]
    with pytest.raises(ModelError, match=message) as caught:
        signer.shelf().install(package)
    assert "\n" not in str(caught.value)
    assert [s.sha256 for s in signer.shelf().standings()] == before
    assert not _leftovers(signer.folder)


def test_an_older_release_under_the_name_of_the_promoted_one_is_refused(signer: Signer, two: tuple[str, str]) -> None:
    shelf = signer.folder / "shelf"
    shutil.rmtree(shelf / two[1])
    shutil.copytree(shelf / two[0], shelf / two[1])
    with pytest.raises(ModelError, match=f"expected release {two[1][:12]}, found {two[0][:12]}"):
        signer.shelf().in_force()


@pytest.mark.parametrize("harm", ["flip", "cut", "remove", "extra", "folder"])
def test_a_promoted_release_that_was_damaged_is_refused_and_never_replaced(
    signer: Signer, two: tuple[str, str], harm: str
) -> None:
    folder = signer.folder / "shelf" / two[1]
    artefact = folder / "bed.onnx"
    content = bytearray(artefact.read_bytes())
    content[1000] ^= 1
    {
        "flip": lambda: artefact.write_bytes(content),
        "cut": lambda: artefact.write_bytes(content[:-1]),
        "remove": artefact.unlink,
        "extra": lambda: (folder / "bed.trt-int8.onnx").write_bytes(content),
        "folder": lambda: shutil.rmtree(folder),
    }[harm]()
    with pytest.raises(ModelError, match=r"the promoted model is refused: .*laennec model rollback"):
        signer.shelf().in_force()
    assert [(s.sha256, s.in_force) for s in signer.shelf().standings() if s.fault] == [(two[1], True)]


def test_a_damaged_release_is_repaired_by_installing_it_again(signer: Signer, two: tuple[str, str]) -> None:
    (signer.folder / "shelf" / two[1] / "bed.onnx").write_bytes(b"")
    signer.shelf().install(signer.folder / "day1.model")
    assert _in_force(signer.shelf()) == two[1]
    assert not _leftovers(signer.folder)


def test_a_damaged_release_can_be_left_by_rollback_but_not_reached(signer: Signer, two: tuple[str, str]) -> None:
    (signer.folder / "shelf" / two[1] / "bed.onnx").write_bytes(b"")
    signer.shelf().rollback()
    with pytest.raises(ModelError, match=r"bed.onnx: expected \d+ bytes, found 0"):
        signer.shelf().promote(two[1])
    assert _in_force(signer.shelf()) == two[0]


def test_a_way_back_that_is_damaged_is_not_taken(signer: Signer, two: tuple[str, str]) -> None:
    (signer.folder / "shelf" / two[0] / "bed.onnx").write_bytes(b"")
    with pytest.raises(ModelError):
        signer.shelf().rollback()
    assert _in_force(signer.shelf()) == two[1]


def test_a_key_that_is_taken_away_takes_its_models_with_it(signer: Signer, two: tuple[str, str]) -> None:
    new_key(signer.folder / "second.pem")
    signer.trust(signer.folder / "second.pub.pem")
    assert _in_force(signer.shelf()) == two[1]
    (signer.keys / "first.pub.pem").unlink()
    with pytest.raises(ModelError, match=r"signature: expected one by second.pub.pem"):
        signer.shelf().in_force()


def test_a_laennec_that_was_rolled_back_refuses_a_model_for_the_newer_one(signer: Signer) -> None:
    package = signer.package("new", needs="9.0.0")
    parts = {member.name: member.file.read(1 << 30) for member in members(package)}
    name = hashlib.sha256(parts["manifest.json"]).hexdigest()
    (signer.folder / "shelf" / name).mkdir(parents=True)
    for part, content in parts.items():
        (signer.folder / "shelf" / name / part).write_bytes(content)
    (signer.folder / "shelf" / PROMOTED).write_text(f"{name}\n")
    with pytest.raises(ModelError, match=r"refused: .*needs Laennec 9.0.0 or newer"):
        signer.shelf().in_force()


@pytest.mark.parametrize("content", [b"\0" * 40, b"../../etc\n", b"a" * 63 + b"\n", b"x" * 100_000])
def test_a_damaged_promotion_is_refused(signer: Signer, two: tuple[str, str], content: bytes) -> None:
    (signer.folder / "shelf" / PROMOTED).write_bytes(content)
    with pytest.raises(ModelError, match="promoted: damaged"):
        signer.shelf().in_force()


def _killed(signer: Signer, *command: str) -> list[dict[str, object]]:
    """What was left after a kill at each step, and at the end after none."""
    run = subprocess.run(
        [sys.executable, "-m", "tests.edge.shelf_under_test", signer.folder / "shelf", signer.keys, *command],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return [json.loads(line) for line in run.stdout.splitlines()]


@pytest.mark.system
def test_a_kill_at_any_step_of_install_changes_nothing_or_everything(signer: Signer) -> None:
    shelf = signer.shelf()
    old = shelf.install(signer.package("old")).sha256
    shelf.promote(old)
    left = _killed(signer, "install", str(signer.package("new", 1)))
    assert len(left) > 20
    assert {record["in_force"] for record in left} == {old}
    assert not [record for record in left if record["damaged"]]
    assert [len(record["whole"]) for record in left] == sorted(len(record["whole"]) for record in left)  # type: ignore[arg-type]
    assert len(left[-1]["whole"]) == 2  # type: ignore[arg-type]
    assert not _leftovers(signer.folder)


@pytest.mark.system
@pytest.mark.parametrize("command", ["promote", "rollback"])
def test_a_kill_at_any_step_of_a_flip_leaves_the_old_or_the_new(
    signer: Signer, two: tuple[str, str], command: str
) -> None:
    left = _killed(signer, command, *([two[0]] if command == "promote" else []))
    in_force = [record["in_force"] for record in left]
    flip = in_force.index(two[0])
    assert flip > 3
    assert in_force == [two[1]] * flip + [two[0]] * (len(left) - flip)
    assert not [record for record in left if record["damaged"]]


@pytest.mark.system
def test_a_kill_at_any_step_of_a_repair_leaves_it_refused_or_repaired(signer: Signer) -> None:
    shelf = signer.shelf()
    release = shelf.install(signer.package("a"))
    shelf.promote(release.sha256)
    release.artefact.write_bytes(b"")
    left = _killed(signer, "install", str(signer.folder / "a.model"))
    faults = [bool(record["fault"]) for record in left]
    assert faults == sorted(faults, reverse=True)
    assert (faults[0], faults[-1], left[-1]["in_force"]) == (True, False, release.sha256)


@pytest.mark.system
def test_two_processes_that_install_and_promote_at_once_both_end_well(signer: Signer) -> None:
    packages = [signer.package(f"p{days}", days) for days in range(2)]
    code = "import sys; from pathlib import Path; from edge.shelf import Shelf; s = Shelf(*map(Path, sys.argv[1:3])); "
    code += "r = s.install(Path(sys.argv[3])); s.promote(r.sha256)"
    line = [sys.executable, "-c", code, signer.folder / "shelf", signer.keys]
    running = [subprocess.Popen([*line, package], cwd=ROOT) for package in (*packages, packages[0])]
    assert [process.wait() for process in running] == [0, 0, 0]
    shelf = signer.shelf()
    assert len(shelf.standings()) == 2
    assert not [s for s in shelf.standings() if s.fault]
    assert _in_force(shelf) in {s.sha256 for s in shelf.standings()}


def test_everything_is_on_the_disk_before_it_has_its_name(signer: Signer, monkeypatch: pytest.MonkeyPatch) -> None:
    package, steps, fsync, rename, replace = signer.package("a"), list[str](), os.fsync, os.rename, os.replace

    def synced(handle: int) -> None:
        steps.append(Path(os.readlink(f"/proc/self/fd/{handle}")).name)
        fsync(handle)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "rename", lambda *names: (steps.append("rename"), rename(*names)))
    monkeypatch.setattr(os, "replace", lambda *names: (steps.append("replace"), replace(*names)))
    release = signer.shelf().install(package)
    assert steps[:3] == ["manifest.json", "manifest.sig", "bed.onnx"]
    assert steps[3].startswith(".incoming-")
    assert steps[4:] == ["rename", "shelf"]
    steps.clear()
    signer.shelf().promote(release.sha256)
    assert steps == [".incoming-promoted", "replace", "shelf"]


def test_a_full_disk_is_told_and_leaves_the_old_one(signer: Signer, two: tuple[str, str]) -> None:
    package = signer.package("third", 2)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, before[1]))  # as a full disk does: a write that fails midway
    try:
        with pytest.raises(ConfigError, match=r"models.path: .* cannot be written .*the model in force stays"):
            signer.shelf().install(package)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert _in_force(signer.shelf()) == two[1]
    assert not _leftovers(signer.folder)


def test_a_shelf_that_the_service_may_not_write_is_still_read(signer: Signer) -> None:
    old = os.umask(0o077)
    try:
        release = signer.shelf().install(signer.package("a"))
        signer.shelf().promote(release.sha256)
    finally:
        os.umask(old)
    shelf = signer.folder / "shelf"
    modes = {path.name: path.stat().st_mode & 0o777 for path in (shelf, *shelf.rglob("[!.]*"))}
    assert {mode for name, mode in modes.items() if name in (release.sha256, "shelf")} == {0o755}
    assert {mode for name, mode in modes.items() if name not in (release.sha256, "shelf")} == {0o644}
