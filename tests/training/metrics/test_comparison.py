"""A table of variants: the base with its intervals, the others as paired differences over the same patients."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from training.metrics.comparison import mean_of, table, written
from training.metrics.estimates import Metric


def _share(name: str, values: list[float]) -> Metric:
    """The mean of what the patients have."""
    return Metric(name, len(values), lambda weights: float(weights @ np.array(values) / weights.sum()), "")


def test_the_table_has_the_base_with_intervals_and_of_the_others_the_paired_difference() -> None:
    base = {"AUC": _share("AUC", [0.5, 0.7, 0.9]), "AP": _share("AP", [0.5] * 3)}
    better = {"AUC": _share("AUC", [0.6, 0.8, 1.0]), "AP": _share("AP", [0.4] * 3)}
    lines = table({"base": base, "changed": better}, ("AP", "AUC", "nothing of the kind")).splitlines()
    assert lines[0] == "| variant | AP | AUC |"
    assert lines[2].startswith("| base | 0.500 [0.500, 0.500] | 0.700 [0.5")
    assert lines[3] == "| changed | -0.100 [-0.100, -0.100] | +0.100 [+0.100, +0.100] |"
    assert len(lines) == 4


def test_several_seeds_are_their_mean_for_every_draw_of_patients() -> None:
    both = mean_of([_share("AUC", [0.0, 1.0]), _share("AUC", [1.0, 0.5])])
    assert both.of(np.array([1, 1])) == pytest.approx((0.5 + 0.75) / 2)
    assert both.of(np.array([2, 0])) == pytest.approx((0.0 + 1.0) / 2)


def test_what_is_written_holds_the_table_and_every_number(tmp_path: Path) -> None:
    rows = {"base": {"AUC": _share("AUC", [0.5, 0.7])}, "changed": {"AUC": _share("AUC", [0.6, 0.8])}}
    text = written({"youngest": rows}, tmp_path, ("AUC",))
    assert (tmp_path / "ablation.md").read_text() == text
    assert "| changed | +0.100 [+0.100, +0.100] |" in text
    fields = json.loads((tmp_path / "ablation.json").read_text())["youngest"]
    assert fields["changed"]["AUC"]["value"] == pytest.approx(0.7)
