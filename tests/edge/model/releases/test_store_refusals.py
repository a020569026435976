"""A model that nobody trusted has signed, or that was damaged since, is refused in one line and never replaced."""

from __future__ import annotations

import hashlib
import shutil
from datetime import date
from pathlib import Path

import pytest

from edge.errors import ModelError
from edge.model.model import DEFAULT_PATH
from edge.model.releases.manifest import parse_manifest
from edge.model.releases.promotions import PROMOTED
from edge.model.releases.release import members, tar
from export.sign import new_key, read_private
from tests.edge.broken_graphs import greedy, not_a_number
from tests.edge.signed_releases import Signer, active_id, edited, leftovers


def _unsigned(signer: Signer) -> Path:
    folder = signer.store().install(signer.package("x")).folder
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
    "not a number": (
        lambda s: s.package("n", artefact=not_a_number(s.artefact, s.folder / "n.onnx")),
        "gives no numbers",
    ),
    "greedy": (
        lambda s: s.package("g", artefact=greedy(s.artefact, s.folder / "g.onnx", 40)),
        r"g.model: g.onnx: onnxruntime \S+ cannot run the graph: it asks for more memory than there is; at most 1024",
    ),
    "missing": (lambda s: s.folder / "none.model", "cannot be read"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_must_not_come_is_refused_in_one_line_and_leaves_nothing(signer: Signer, case: str) -> None:
    make, message = REFUSED[case]
    package = make(signer)
    before = [s.sha256 for s in signer.store().installed()]
    with pytest.raises(ModelError, match=message) as caught:
        signer.store().install(package)
    assert "\n" not in str(caught.value)
    assert [s.sha256 for s in signer.store().installed()] == before
    assert not leftovers(signer.folder)


def test_an_older_release_under_the_name_of_the_promoted_one_is_refused(signer: Signer, two: tuple[str, str]) -> None:
    store = signer.folder / "models"
    shutil.rmtree(store / two[1])
    shutil.copytree(store / two[0], store / two[1])
    with pytest.raises(ModelError, match=f"expected model {two[1][:12]}, found {two[0][:12]}"):
        signer.store().active()


@pytest.mark.parametrize("harm", ["flip", "cut", "remove", "extra", "folder"])
def test_a_promoted_release_that_was_damaged_is_refused_and_never_replaced(
    signer: Signer, two: tuple[str, str], harm: str
) -> None:
    folder = signer.folder / "models" / two[1]
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
        signer.store().active()
    assert [(s.sha256, s.is_active) for s in signer.store().installed() if s.fault] == [(two[1], True)]


def test_a_damaged_release_is_repaired_by_installing_it_again(signer: Signer, two: tuple[str, str]) -> None:
    (signer.folder / "models" / two[1] / "bed.onnx").write_bytes(b"")
    signer.store().install(signer.folder / "day1.model")
    assert active_id(signer.store()) == two[1]
    assert not leftovers(signer.folder)


def test_a_damaged_release_can_be_left_by_rollback_but_not_reached(signer: Signer, two: tuple[str, str]) -> None:
    (signer.folder / "models" / two[1] / "bed.onnx").write_bytes(b"")
    signer.store().rollback()
    with pytest.raises(ModelError, match=r"bed.onnx: expected \d+ bytes, found 0"):
        signer.store().promote(two[1])
    assert active_id(signer.store()) == two[0]


def test_a_way_back_that_is_damaged_is_not_taken(signer: Signer, two: tuple[str, str]) -> None:
    (signer.folder / "models" / two[0] / "bed.onnx").write_bytes(b"")
    with pytest.raises(ModelError):
        signer.store().rollback()
    assert active_id(signer.store()) == two[1]


def test_a_key_that_is_taken_away_takes_its_models_with_it(signer: Signer, two: tuple[str, str]) -> None:
    new_key(signer.folder / "second.pem")
    signer.trust(signer.folder / "second.pub.pem")
    assert active_id(signer.store()) == two[1]
    (signer.keys / "first.pub.pem").unlink()
    with pytest.raises(ModelError, match=r"signature: expected one by second.pub.pem"):
        signer.store().active()


def test_a_laennec_that_was_rolled_back_refuses_a_model_for_the_newer_one(signer: Signer) -> None:
    package = signer.package("new", needs="9.0.0")
    parts = {member.name: member.file.read(1 << 30) for member in members(package)}
    name = hashlib.sha256(parts["manifest.json"]).hexdigest()
    (signer.folder / "models" / name).mkdir(parents=True)
    for part, content in parts.items():
        (signer.folder / "models" / name / part).write_bytes(content)
    (signer.folder / "models" / PROMOTED).write_text(f"{name}\n")
    with pytest.raises(ModelError, match=r"refused: .*needs Laennec 9.0.0 or newer"):
        signer.store().active()


@pytest.mark.parametrize("content", [b"\0" * 40, b"../../etc\n", b"a" * 63 + b"\n", b"x" * 100_000])
def test_a_damaged_promotion_is_refused(signer: Signer, two: tuple[str, str], content: bytes) -> None:
    (signer.folder / "models" / PROMOTED).write_bytes(content)
    with pytest.raises(ModelError, match="promoted: damaged"):
        signer.store().active()
