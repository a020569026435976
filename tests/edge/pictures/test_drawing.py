"""The drawn picture: every column at its seconds, what was not measurable hatched, events above."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.image import imread

from edge.api.recording import drawn
from edge.features import FRONT_ENDS
from edge.model.model import Model
from edge.pictures.drawing import DOTS_PER_IN, WIDTH_IN, draw, hz_ticks, make_figure
from edge.pictures.spectrogram import MOST_COLUMNS, DetectedEvent, band_centres_hz, picture_options
from edge.sources.file_search import DEMO_AUDIO
from tests.edge.detected import detected
from tests.edge.pictures.test_spectrogram import MODEL, RATE_HZ, SPECS, noise, see, tone, written

__all__ = ["tone"]


def test_ticks_stand_at_the_bands_of_their_frequencies() -> None:
    for spec in SPECS.values():
        centres_hz = band_centres_hz(spec)
        places, labels = hz_ticks(centres_hz)
        assert 4 <= len(places) <= 15
        for place, label in zip(places, labels, strict=True):
            assert abs(place - np.argmin(np.abs(centres_hz - float(label)))) <= 0.7


def test_the_picture_has_a_cell_for_each_column_at_its_seconds(tone: Path) -> None:
    picture = see(tone, FRONT_ENDS["log-mel"], from_s=0.5)
    figure = make_figure(picture, None)
    (image,) = figure.axes[0].images
    assert image.get_array().shape == picture.panels[0].values.T.shape
    left, right, *_ = image.get_extent()
    count = len(picture.times_s)
    np.testing.assert_allclose(np.linspace(left, right, 2 * count + 1)[1::2], picture.times_s)
    assert figure.axes[0].get_xlim() == pytest.approx((0.5, 3.0))
    FigureCanvasAgg(figure).draw()
    assert figure.axes[0].get_window_extent().width >= MOST_COLUMNS  # pixels
    assert figure.axes[0].patch.get_hatch()


def test_not_heard_is_never_painted(tmp_path: Path) -> None:
    samples = noise(1)
    samples[4000:] = np.nan
    picture = see(written(tmp_path / "half.wav", samples), FRONT_ENDS["log-mel"])
    (image,) = make_figure(picture, None).axes[0].images
    colours = image.to_rgba(image.get_array())
    late = picture.times_s > 0.53
    assert not colours[:, late, 3].any()
    assert colours[:, picture.times_s < 0.47, 3].all()


def test_where_nothing_was_heard_the_strip_of_events_does_not_say_that_nothing_happened(tmp_path: Path) -> None:
    samples = noise(3)
    samples[RATE_HZ : 2 * RATE_HZ] = np.nan
    figure = make_figure(see(written(tmp_path / "gap.wav", samples), FRONT_ENDS["log-mel"]), [])
    (white,) = figure.axes[0].collections
    spans = [tuple(path.get_extents().intervalx) for path in white.get_paths()]
    np.testing.assert_allclose(spans, [(0.0, 1.0), (2.0, 3.0)], atol=0.04)
    assert figure.axes[0].patch.get_hatch()


def test_silence_is_dark(tmp_path: Path) -> None:
    picture = see(written(tmp_path / "silence.wav", np.zeros(RATE_HZ)), FRONT_ENDS["log-mel"])
    (image,) = make_figure(picture, None).axes[0].images
    assert image.to_rgba(image.get_array())[:, 40, :3].max() < 0.1


def test_events_on_top_have_the_times_that_detect_prints() -> None:
    printed = detected(DEMO_AUDIO, MODEL)
    picture = see(DEMO_AUDIO, FRONT_ENDS["morlet"])
    events = drawn(printed, MODEL, (0.0, picture.to_s))
    assert [(e.label, e.onset_s, e.end_s) for e in events] == [(p.label, p.onset_s, p.end_s) for p in printed]
    assert len(events) >= 4
    strip = make_figure(picture, events).axes[0]
    names = [label.get_text() for label in strip.get_yticklabels()]
    bars = [
        (names[round(bar.get_y() + bar.get_height() / 2)], bar.get_x(), bar.get_x() + bar.get_width())
        for bar in strip.patches  # type: ignore[attr-defined]
    ]
    for (label, onset_s, end_s), event in zip(bars, printed, strict=True):
        assert label == event.label.replace("_", " ")
        assert (onset_s, end_s) == pytest.approx((event.onset_s, event.end_s))


def test_only_events_of_the_part_are_drawn() -> None:
    events = drawn(detected(DEMO_AUDIO, MODEL), MODEL, (10.5, 18.0))
    assert [event.label for event in events] == ["fine_crackle", "wheeze"]
    assert events[0].onset_s < 10.5


def test_events_that_overlap_stand_in_rows_of_their_own_and_groups_differ_in_colour() -> None:
    picture = see(DEMO_AUDIO, FRONT_ENDS["log-mel"], to_s=5.0)
    events = [
        DetectedEvent("wheeze", 0, 1, 3),
        DetectedEvent("fine_crackle", 1, 2, 4),
        DetectedEvent("rhonchus", 0, 2, 3),
    ]
    bars = make_figure(picture, events).axes[0].patches
    assert len({round(bar.get_y(), 3) for bar in bars}) == 3  # type: ignore[attr-defined]
    assert bars[0].get_facecolor() == bars[2].get_facecolor() != bars[1].get_facecolor()


def test_any_name_of_a_file_can_be_a_title(tmp_path: Path) -> None:
    path = written(tmp_path / "a $x^$ \u97f3 \n.wav", noise(1))
    draw(see(path, FRONT_ENDS["log-mel"]), [], tmp_path / "out.png")
    assert imread(tmp_path / "out.png").shape[1] == WIDTH_IN * DOTS_PER_IN


def test_the_model_is_the_front_end_when_none_is_named() -> None:
    model: Model = MODEL
    assert picture_options(DEMO_AUDIO, None, model, None, (0.0, None)).spec == model.spec
