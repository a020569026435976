"""What a box was measured to sustain is known at the next start, and more than that is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edge.node.capacity import FEW, read_capacity, save_capacity, warning
from tests.edge.small_graph import SPEC, small_artefact, small_model


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of this test alone."""
    monkeypatch.setenv("CACHE_DIRECTORY", str(tmp_path))


def test_a_number_is_kept_for_its_model_alone() -> None:
    save_capacity(small_model(), 40)
    assert read_capacity(small_model()) == 40
    assert read_capacity(small_model(replace(SPEC, bands=9))) is None


def test_more_streams_than_were_sustained_are_warned_about() -> None:
    model = small_model()
    save_capacity(model, 70)
    assert warning(model, 70) == ""
    assert warning(model, 71) == "streams=71 capacity=70 effect=no_headroom repair=fewer_streams_or_another_box"
    assert "effect=sound_will_be_left_out" in warning(model, 101)


def test_the_light_model_is_named_where_it_would_sustain_the_beds(tmp_path: Path) -> None:
    model, light = small_model(), tmp_path / "light.onnx"
    light.write_bytes(small_artefact(replace(SPEC, bands=9)))
    save_capacity(model, 70)
    unknown = warning(model, 80, light)
    assert unknown == "streams=80 capacity=70 effect=no_headroom repair=fewer_streams_or_another_box"
    save_capacity(small_model(replace(SPEC, bands=9)), 200)
    assert warning(model, 70, light) == ""
    assert warning(model, 80, light) == (
        "streams=80 capacity=70 effect=no_headroom capacity_of_light=200 repair=set_model_light"
    )
    assert warning(model, 201, light).endswith("capacity_of_light=200 repair=fewer_streams_or_another_box")


def test_many_streams_on_a_box_that_was_not_measured_are_told_how() -> None:
    assert warning(small_model(), FEW) == ""
    assert warning(small_model(), FEW + 1) == f"streams={FEW + 1} capacity=unknown repair=run_laennec_bench"
