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


def test_several_seeds_are_their_mean_and_an_interval_draws_them_too() -> None:
    both = mean_of([_share("AUC", [0.0, 1.0]), _share("AUC", [1.0, 0.5])])
    assert both.of(np.array([1, 1])) == pytest.approx((0.5 + 0.75) / 2)
    drawn = {both.of(np.array([times, 0])) for times in range(2, 40)}
    assert drawn == {0.0, 0.5, 1.0}, "of the first patient: by either seed, or by both"


def test_a_difference_that_seeds_do_not_agree_on_is_not_shown_and_one_of_the_same_seeds_is() -> None:
    def trained(*seeds: float) -> Metric:
        return mean_of([_share("AUC", [0.4 + seed, 0.5 + seed] * 20) for seed in seeds])

    base, same, other = trained(0.0, 0.2, 0.4), trained(0.05, 0.25, 0.45), trained(0.3, 0.1, 0.3)
    paired, unlike = same.less(base).bounds, other.less(base).bounds
    assert paired is not None
    assert unlike is not None
    assert (paired.low, paired.high) == pytest.approx((0.05, 0.05)), "each draw of seeds counts for both sides"
    assert unlike.low < 0 < unlike.high, "by seed +.3, -.1 and -.1"


def test_what_is_written_holds_the_table_and_every_number(tmp_path: Path) -> None:
    rows = {"base": {"AUC": _share("AUC", [0.5, 0.7])}, "changed": {"AUC": _share("AUC", [0.6, 0.8])}}
    text = written({"youngest": rows}, tmp_path, ("AUC",))
    assert (tmp_path / "ablation.md").read_text() == text
    assert "| changed | +0.100 [+0.100, +0.100] |" in text
    fields = json.loads((tmp_path / "ablation.json").read_text())["youngest"]
    assert fields["changed"]["AUC"]["value"] == pytest.approx(0.7)
