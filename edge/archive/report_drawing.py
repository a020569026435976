"""The picture of a survey of an archive. Knows matplotlib, an extra; not where the numbers come from.

A bar stands for all recordings of its kind together: their burden, expected seconds of sound in a measurable minute.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edge.archive.survey import Survey, Tally
from edge.errors import ConfigError
from edge.pictures.drawing import GROUP_COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZE_IN, DOTS_PER_IN = (14.0, 9.0), 120
MOST_BARS = 40  # ages or sites; more have no room for their names


def draw_survey(survey: Survey, path: Path) -> None:
    """Burden by patient, age and site, and what was not measured.

    Raises:
        ImportError: matplotlib is not installed.
        ConfigError: the file cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(SIZE_IN, DOTS_PER_IN, layout="constrained")
    (patients, ages), (sites, missing) = figure.subplots(2, 2)
    _draw_patients(patients, survey)
    _draw_bars(ages, survey.groups, {f"{age}": survey.ages[age] for age in sorted(survey.ages)}, "age, years")
    _draw_bars(sites, survey.groups, {name: survey.sites[name] for name in sorted(survey.sites)}, "site")
    _draw_missing(missing, survey)
    try:
        figure.savefig(path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror or error}); make room there") from None


def _draw_patients(ax: Axes, survey: Survey) -> None:
    for group, colour in zip(survey.groups, GROUP_COLOURS, strict=False):
        burdens = [burden for each in survey.patients.values() if (burden := each.burden(group)) is not None]
        ax.plot(range(1, len(burdens) + 1), sorted(burdens, reverse=True), color=colour, label=group)
    _finish(ax, f"burden by patient ({len(survey.patients)})", "patients, the highest first", bool(survey.patients))


def _draw_bars(ax: Axes, groups: Sequence[str], tallies: Mapping[str, Tally], what: str) -> None:
    shown = dict(list(tallies.items())[:MOST_BARS])
    width = 0.8 / max(1, len(groups))
    for number, (group, colour) in enumerate(zip(groups, GROUP_COLOURS, strict=False)):
        places = [place + width * (number - (len(groups) - 1) / 2) for place in range(len(shown))]
        heights = [each.burden(group) or 0.0 for each in shown.values()]
        ax.bar(places, heights, width, color=colour, label=group)
    labels = [f"{name}\n({each.recordings})" for name, each in shown.items()]
    ax.set_xticks(range(len(shown)), labels, fontsize=7)
    _finish(ax, f"burden by {what.partition(',')[0]}", f"{what} (recordings)", bool(shown))


def _draw_missing(ax: Axes, survey: Survey) -> None:
    parts = {"measured": survey.whole.measured_s, **dict(survey.missing_s.most_common())}
    ax.barh(
        [cause.replace("_", " ") for cause in parts], [seconds / 3600 for seconds in parts.values()], color="#808080"
    )
    ax.invert_yaxis()
    ax.set_xlabel("hours")
    ax.set_title("what was measured, and why the rest was not", loc="left", fontsize=10)


def _finish(ax: Axes, title: str, x: str, has_any: bool) -> None:
    ax.set_title(title, loc="left", fontsize=10)
    ax.set_xlabel(x)
    ax.set_ylabel("s/min")
    if has_any:
        ax.legend(fontsize=8)
    else:
        ax.text(0.5, 0.5, "the names do not say", ha="center", transform=ax.transAxes)
