"""What was heard in a recording, as a picture and as a table."""

from __future__ import annotations

import sys
from statistics import median

import pytest

from edge.api.detect import detect
from edge.api.recording import Recording
from edge.errors import ConfigError
from edge.sources.file_search import DEMO_AUDIO


@pytest.fixture(scope="module")
def recording() -> Recording:
    return detect(DEMO_AUDIO)


def test_the_table_has_a_row_for_each_event(recording: Recording) -> None:
    pytest.importorskip("pandas", reason="pandas is not installed; `make dev` brings it")
    table = recording.to_dataframe()
    assert list(table["label"]) == [event.label for event in recording.events]
    assert list(table["end_s"] > table["onset_s"]) == [True] * len(table)
    assert list(table.columns) == [
        "label",
        "onset_s",
        "end_s",
        "score",
        "mean",
        "threshold",
        "end_reason",
        "verified",
    ]


def test_the_picture_has_the_events_of_its_stretch_and_belongs_to_no_window(recording: Recording) -> None:
    figure = recording.plot(from_s=10.5, to_s=18.0)
    strip = figure.axes[0]
    assert [label.get_text() for label in strip.get_yticklabels()] == ["wheeze", "fine crackle"]
    assert figure.axes[1].get_xlim() == pytest.approx((10.5, 18.0))
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()


def test_the_breathing_of_a_recording_is_of_all_of_it_and_its_rate_the_median_of_those_that_are_known(
    recording: Recording,
) -> None:
    assert recording.breathing is not None
    known = [each.breaths_per_min for each in recording.respiratory_rate if each.breaths_per_min is not None]
    assert recording.breathing.breaths_per_min == pytest.approx(median(known), rel=0.05)
    assert recording.breathing.window_s == round(recording.quality.read_s)
    wheezes = {each.group: each.of_time.share for each in recording.breathing.groups}["continuous"]
    times_s = [event.end_s - event.onset_s for event in recording.events if event.label == "wheeze" and event.end_s]
    assert wheezes is not None
    assert 0 < wheezes < 1
    assert wheezes * recording.breathing.breathing_s == pytest.approx(sum(times_s), rel=1.0)


@pytest.mark.parametrize(("method", "package"), [("plot", "matplotlib"), ("to_dataframe", "pandas")])
def test_without_its_package_it_says_in_one_line_what_to_install(
    method: str, package: str, recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError) as caught:
        getattr(recording, method)()
    assert str(caught.value) == f"{package} is not installed; run  {sys.executable} -m pip install {package}"
