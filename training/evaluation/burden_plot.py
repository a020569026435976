"""The reliability of the burden as a picture: seconds of sound that are expected against those that are annotated.

Draws what `training.metrics.burden` computed; a point is a tenth of the recordings, by what is expected of them.
"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from training.evaluation.plots import FAINT, LINES, MAIN
from training.metrics.burden import WHERE, burden
from training.metrics.estimates import Patients
from training.metrics.streaming import GROUPS

MOST_S = 60.0  # of a minute
LEAST_S = 0.1  # below this the axes are linear
TICKS_S = (0, 0.1, 1, 10, 60)


def burden_figure(title: str, chest: Patients, frame_s: float) -> Figure:
    """One panel for each group, a curve over all time and one in annotated time.

    Args:
        title: over both.
        chest: annotated chest recordings by patient, at least one.
        frame_s: seconds to one score frame.
    """
    figure = Figure(figsize=(5.2 * len(GROUPS), 6.0), layout="constrained")
    figure.suptitle(title, fontsize=11)
    line = np.geomspace(LEAST_S / 10, MOST_S, 100)
    for axis, group in zip(figure.subplots(1, len(GROUPS), squeeze=False)[0], GROUPS, strict=True):
        axis.plot(line, line, color=FAINT, linewidth=0.8, linestyle=":", label="as expected")
        for where, colour, style in zip(WHERE, (MAIN, LINES[1]), ("o-", "s--"), strict=True):
            expected, found = burden(chest, group, where, frame_s).curve()
            axis.plot(expected, found, style, color=colour, markersize=5, label=f"found, {where}")
        for scale in (axis.set_xscale, axis.set_yscale):
            scale("symlog", linthresh=LEAST_S)
        for ticked in (axis.xaxis, axis.yaxis):
            ticked.set_ticks(TICKS_S, [f"{tick:g}" for tick in TICKS_S])
            ticked.set_ticks([], minor=True)
        axis.set(xlim=(0, 1.1 * MOST_S), ylim=(-0.01, 1.1 * MOST_S), aspect="equal")
        axis.set(xlabel="expected, seconds per minute", ylabel="annotated, seconds per minute")
        axis.set_title(f"burden, {group}", fontsize=9)
        axis.grid(color="#eeeeee")
        axis.legend(fontsize=8, loc="upper left")
    return figure
