"""Old models go; the active one, the one before and one that waits to be promoted never do."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.model.releases.promotions import too_old, without
from tests.edge.signed_releases import Signer, active_id

NAMES = "abcdef"
HISTORIES = st.lists(st.sampled_from([*NAMES, "bundled"]), max_size=12)


def test_the_last_ones_that_were_promoted_stay() -> None:
    created = {name: str(at) for at, name in enumerate("abcd")}
    assert too_old(["a", "b", "c", "d"], created, 2) == ["a", "b"]
    assert too_old(["a", "b", "c", "a"], created, 2) == ["b"], "a runs again, and d is newer: it waits"


def test_one_that_was_never_promoted_goes_once_a_newer_one_runs() -> None:
    assert too_old(["b"], {"a": "1", "b": "2", "c": "3"}, 1) == ["a"]


def test_the_bundled_model_takes_no_place_and_of_those_never_promoted_the_newest_stay() -> None:
    created = {"a": "1", "b": "2", "c": "3", "d": "9"}
    assert too_old(["a", "bundled", "d"], {"a": "1", "d": "9"}, 2) == []
    assert too_old(["d"], created, 2) == ["a", "b"]


def test_what_was_promoted_before_and_after_one_that_goes_is_told_once() -> None:
    assert without(["a", "b", "a", "c"], ["b"]) == ["a", "c"]


@given(HISTORIES, st.integers(0, 4))
def test_what_runs_and_what_a_rollback_returns_to_never_go(history: list[str], keep: int) -> None:
    created = {name: str(at) for at, name in enumerate(NAMES)}
    gone = too_old(history, created, keep)
    left = without(history, gone)
    assert not set(history[-2:]) & set(gone)
    assert not set(left) & set(gone)
    if history:
        assert left[-1] == history[-1]
    if len(history) > 1 and history[-1] != history[-2]:
        assert left[-2] == history[-2], "a rollback returns to the same as before"


def test_a_store_forgets_what_it_removes_and_can_still_go_back(signer: Signer, two: tuple[str, str]) -> None:
    store = signer.store()
    third = store.install(signer.package("c", days=9)).sha256
    store.promote(third)
    assert store.prune(2) == [two[0]]
    assert sorted(one.sha256 for one in store.installed()) == sorted([two[1], third])
    assert not list((signer.folder / "models").glob(".incoming*"))
    store.rollback()
    assert active_id(store) == two[1]


def test_a_model_that_settings_name_stays(signer: Signer, two: tuple[str, str]) -> None:
    store = signer.store()
    named = store.open(two[0]).artefact
    store.promote(store.install(signer.package("c", days=9)).sha256)
    assert store.prune(1, [named]) == []
