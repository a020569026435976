"""Which model is in force changes in one step, to one that is on the shelf, and back."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.artefact.model import DEFAULT_PATH
from edge.artefact.variants import siblings
from edge.errors import ConfigError, ModelError
from edge.releases.model_store import Shelf
from tests.edge.signed_releases import Signer, in_force


def test_a_box_that_never_had_a_shelf_has_the_bundled_model_and_makes_no_folder(signer: Signer) -> None:
    assert signer.shelf().in_force() is None
    assert signer.shelf().standings() == []
    assert not (signer.folder / "shelf").exists()


def test_what_is_installed_is_not_in_force_before_it_is_promoted(signer: Signer) -> None:
    shelf = signer.shelf()
    release = shelf.install(signer.package("a"))
    assert (in_force(shelf), [s.sha256 for s in shelf.standings()]) == ("bundled", [release.sha256])
    shelf.promote(release.sha256)
    assert in_force(shelf) == release.sha256
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
    seen = [in_force(shelf)]
    for _ in range(2):
        shelf.rollback()
        seen.append(in_force(shelf))
    assert seen == [two[1], two[0], "bundled"]
    with pytest.raises(ConfigError, match="nothing to go back to"):
        shelf.rollback()


def test_the_bundled_model_can_be_promoted_and_taken_back(signer: Signer, two: tuple[str, str]) -> None:
    shelf = signer.shelf()
    shelf.promote("bundled")
    assert shelf.in_force() is None
    shelf.rollback()
    assert in_force(shelf) == two[1]


def test_promoting_what_is_in_force_leaves_the_way_back(signer: Signer, two: tuple[str, str]) -> None:
    shelf = signer.shelf()
    shelf.promote(two[1])
    shelf.rollback()
    assert in_force(shelf) == two[0]


def test_an_older_release_is_promoted_only_when_asked_for_by_name(signer: Signer, two: tuple[str, str]) -> None:
    shelf = signer.shelf()
    with pytest.raises(ModelError, match=f"older than the active model.*laennec model promote {two[0][:12]}"):
        shelf.promote(two[0], older=False)
    assert in_force(shelf) == two[1]
    shelf.promote(two[0][:8])
    assert in_force(shelf) == two[0]


@pytest.mark.parametrize("wanted", ["", "zz", "../keys"])
def test_an_id_that_names_no_release_says_where_to_look(signer: Signer, two: tuple[str, str], wanted: str) -> None:
    with pytest.raises(ConfigError, match="see `laennec model list`"):
        signer.shelf().promote(wanted)
    assert in_force(signer.shelf()) == two[1]
