"""An adaptation is read only whole, within its bounds, and for the model that it was made for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edge.errors import ModelError
from edge.model.adaptation import Adaptation, load_adaptation
from edge.model.model import Model, load_model
from edge.model.specs import Variant
from tests.edge.adapting import adaptation
from tests.edge.artefacts import nobody_writes


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model()


def _stored(folder: Path, what: Adaptation) -> Path:
    path = folder / "mine.adaptation"
    path.write_text(what.to_text(), encoding="utf-8")
    return path


def test_what_was_kept_is_read_again(tmp_path: Path, model: Model) -> None:
    stored = adaptation(
        device="größer",
        model=model.sha256,
        equaliser_db=(12.0, -30.0, 0.1, 0, 0, 0, 0, 0),
        labelled=30,
        calibration={"continuous": (1.5, -0.3)},
        thresholds={"wheeze": 0.4},
        gain={"event F1": 0.05},
    )
    assert load_adaptation(_stored(tmp_path, stored), model) == stored
    assert any("größer" in line for line in stored.lines())


def test_a_variant_of_the_model_takes_its_adaptation(tmp_path: Path, model: Model) -> None:
    class Int8:
        sha256, variant, groups = "b" * 64, Variant(name="cpu-int8", parent=model.sha256), model.groups
        event_classes = model.event_classes

    path = _stored(tmp_path, adaptation(model=model.sha256))
    assert load_adaptation(path, Int8()).model == model.sha256


def test_that_of_another_model_is_refused_with_what_to_do(tmp_path: Path, model: Model) -> None:
    path = _stored(tmp_path, adaptation())
    with pytest.raises(ModelError) as caught:
        load_adaptation(path, model)
    assert str(caught.value) == (
        f"adaptation {path}: made for model aaaaaaaaaaaa, this one is {model.sha256[:12]}; "
        "run  laennec adapt  again with this model"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"thresholds": {"snore": 0.5}}, "the model has no snore"),
        ({"calibration": {"whistles": (1.0, 0.0)}}, "the model has no whistles"),
        ({"equaliser_db": (12.5, 0, 0, 0, 0, 0, 0, 0)}, "equaliser of 12.5 dB, expected up to 12"),
        ({"equaliser_db": (-31.0, 0, 0, 0, 0, 0, 0, 0)}, "expected 8 numbers within 30"),
        ({"equaliser_db": (float("nan"),) * 8}, "expected 8 numbers"),
        ({"equaliser_db": (0.0,) * 7}, "expected 8 numbers"),
        ({"thresholds": {"wheeze": 1.0}}, "expected numbers between 0 and 1"),
        ({"calibration": {"continuous": (0.0, 0.0)}}, "expected scales above 0"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, model: Model, change: dict[str, Any], message: str) -> None:
    path = _stored(tmp_path, adaptation(**{"model": model.sha256, **change}))
    with pytest.raises(ModelError, match=message) as caught:
        load_adaptation(path, model)
    assert str(caught.value).startswith(f"adaptation {path}: ")


@pytest.mark.parametrize("text", ["", "[]", "{", '{"schema": "laennec.adaptation/2"}', "[" * 50_000])
def test_what_is_no_adaptation_is_refused(tmp_path: Path, model: Model, text: str) -> None:
    path = tmp_path / "x"
    path.write_text(text)
    with pytest.raises(ModelError, match="make"):
        load_adaptation(path, model)


def test_a_change_anywhere_breaks_the_seal(tmp_path: Path, model: Model) -> None:
    path = _stored(tmp_path, adaptation(model=model.sha256))
    fields = json.loads(path.read_text())
    for key, value in (("level_db", -61.0), ("equaliser_db", [1.0] + [0.0] * 7), ("device", "other"), ("more", 1)):
        path.write_text(json.dumps({**fields, key: value}))
        with pytest.raises(ModelError, match="damaged"):
            load_adaptation(path, model)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path, model: Model) -> None:
    with nobody_writes(tmp_path / "pipe"), pytest.raises(ModelError) as caught:
        load_adaptation(tmp_path / "pipe", model)
    assert str(caught.value) == f"adaptation {tmp_path / 'pipe'}: is a pipe or device; give a file"


def test_a_file_that_is_missing_or_too_large_is_refused(tmp_path: Path, model: Model) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        load_adaptation(tmp_path / "none", model)
    (tmp_path / "large").write_bytes(b" " * (1 << 17))
    with pytest.raises(ModelError, match="at most 64 kB"):
        load_adaptation(tmp_path / "large", model)
