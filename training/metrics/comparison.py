"""Variants of a training beside their base: differences paired by seed and patient, with intervals, as a table.

Not for training them (`training.detector.ablation`, `training.clips.comparison`).
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.loop.checkpoint import whole_file
from training.metrics.estimates import Estimate, Metric
from training.metrics.intervals import Weights

WHOLE = "whole"  # in `comparison.json`: the recipe with all of its parts


def written(found: Mapping[str, Mapping[str, Mapping[str, Metric]]], folder: Path, shown: Sequence[str]) -> str:
    """Tables as text; with every number in `ablation.md` and `ablation.json` of the folder.

    Args:
        found: metrics by who is held out, variant and name; the base is the first variant.
        folder: where both files are written.
        shown: names of the metrics that the tables show.
    """
    parts, fields = [], {}
    for held_out, rows in found.items():
        parts.append(f"Held out: {held_out}\n\n{table(rows, shown)}")
        fields[held_out] = {
            name: {key: asdict(metric.estimate()) for key, metric in metrics.items()} for name, metrics in rows.items()
        }
    text = "\n".join(parts)
    with whole_file(folder / "ablation.md") as draft:
        draft.write_text(text)
    with whole_file(folder / "ablation.json") as draft:
        draft.write_text(json.dumps(fields, indent=1))
    return text


def mean_of(metrics: Sequence[Metric]) -> Metric:
    """One metric of several trainings on the same patients, each with its seed: its mean over them.

    Its interval draws seeds as well as patients; a difference draws the same of both sides, so it is paired by both.
    """

    def of(weights: Weights) -> float | None:
        values = [value for metric in metrics if (value := metric.of(weights)) is not None]
        return float(np.average(values, weights=_seeds(weights, len(values)))) if len(values) == len(metrics) else None

    exact = [metric.exact for metric in metrics if metric.exact is not None]
    return replace(metrics[0], of=of, exact=sum(exact) / len(exact) if exact else None, hours=0.0)


def _seeds(patients: Weights, number: int) -> NDArray[np.int64]:
    """(number,) how often each seed counts: once for the patients as they are, else drawn, alike for a draw of them."""
    if np.all(patients == 1):
        return np.ones(number, np.int64)
    return np.random.default_rng(zlib.crc32(patients.tobytes())).multinomial(number, np.full(number, 1 / number))


def table(rows: Mapping[str, Mapping[str, Metric]], shown: Sequence[str]) -> str:
    """Markdown: the base with its intervals, and of every other variant the difference from it, paired by patient."""
    base = next(iter(rows.values()))
    names = [name for name in shown if name in base]
    lines = ["| variant | " + " | ".join(names) + " |", "|" + "---|" * (len(names) + 1)]
    for variant, metrics in rows.items():
        cells = []
        for name in names:
            if metrics is base:
                cells.append(_cell(metrics[name].estimate(), ""))
            else:
                cells.append(_cell(metrics[name].less(base[name]), "+") if name in metrics else "-")
        lines.append(f"| {variant} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(found: Estimate, sign: str) -> str:
    if found.value is None:
        return "-"
    digits = 1 if "per hour" in found.name else 3
    bounds = found.bounds
    between = f" [{bounds.low:{sign}.{digits}f}, {bounds.high:{sign}.{digits}f}]" if bounds else ""
    return f"{found.value:{sign}.{digits}f}{between}"
