"""Which model is active changes in one step, to one that is installed, and back."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.errors import ConfigError, ModelError
from edge.model.model import DEFAULT_PATH
from edge.model.releases.store import ModelStore
from edge.model.runtime import find_variants
from tests.edge.signed_releases import Signer, active_id


def test_a_box_that_never_had_a_model_store_has_the_bundled_model_and_makes_no_folder(signer: Signer) -> None:
    assert signer.store().active() is None
    assert signer.store().installed() == []
    assert not (signer.folder / "models").exists()


def test_what_is_installed_is_not_active_before_it_is_promoted(signer: Signer) -> None:
    store = signer.store()
    release = store.install(signer.package("a"))
    assert (active_id(store), [s.sha256 for s in store.installed()]) == ("bundled", [release.sha256])
    store.promote(release.sha256)
    assert active_id(store) == release.sha256
    assert release.artefact.read_bytes() == DEFAULT_PATH.read_bytes()


def test_a_folder_is_installed_as_a_file_is(signer: Signer, tmp_path: Path) -> None:
    release = signer.store().install(signer.package("a"))
    elsewhere = ModelStore(tmp_path / "elsewhere", signer.keys)
    assert elsewhere.install(release.folder).sha256 == release.sha256


def test_variants_come_along_and_are_found(signer: Signer) -> None:
    signer.add_variant()
    release = signer.store().install(signer.package("a"))
    (variant,) = find_variants(release.artefact)[1:]
    assert (variant.variant.name, variant.path) == ("cpu-int8", release.folder / "bed.cpu-int8.onnx")


def test_rollback_goes_back_step_by_step_to_the_bundled_model(signer: Signer, two: tuple[str, str]) -> None:
    store = signer.store()
    seen = [active_id(store)]
    for _ in range(2):
        store.rollback()
        seen.append(active_id(store))
    assert seen == [two[1], two[0], "bundled"]
    with pytest.raises(ConfigError, match="nothing to go back to"):
        store.rollback()


def test_the_bundled_model_can_be_promoted_and_taken_back(signer: Signer, two: tuple[str, str]) -> None:
    store = signer.store()
    store.promote("bundled")
    assert store.active() is None
    store.rollback()
    assert active_id(store) == two[1]


def test_promoting_what_is_active_leaves_the_way_back(signer: Signer, two: tuple[str, str]) -> None:
    store = signer.store()
    store.promote(two[1])
    store.rollback()
    assert active_id(store) == two[0]


def test_an_older_release_is_promoted_only_when_asked_for_by_name(signer: Signer, two: tuple[str, str]) -> None:
    store = signer.store()
    with pytest.raises(ModelError, match=f"older than the active model.*laennec model promote {two[0][:12]}"):
        store.promote(two[0], older=False)
    assert active_id(store) == two[1]
    store.promote(two[0][:8])
    assert active_id(store) == two[0]


@pytest.mark.parametrize("required", ["", "zz", "../keys"])
def test_an_id_that_names_no_release_says_where_to_look(signer: Signer, two: tuple[str, str], required: str) -> None:
    with pytest.raises(ConfigError, match="see `laennec model list`"):
        signer.store().promote(required)
    assert active_id(signer.store()) == two[1]
