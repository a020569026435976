"""The detector of one stream, as `import laennec` has it: any cut, any rate, lost samples, mistakes of a caller."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.api.detect import detect
from edge.api.detector import Detector, load
from edge.api.recording import Event, Recording
from edge.errors import ConfigError, LaennecError, SourceError
from edge.sources.file_search import DEMO_AUDIO
from tests.edge.fakes import LoudnessModel

SOUND, RATE_HZ = soundfile.read(DEMO_AUDIO, dtype="float32", stop=12 * 8000)


def loud() -> Detector:
    return Detector(LoudnessModel())  # type: ignore[arg-type]


def bursts(rate_hz: int) -> NDArray[np.float32]:
    """(N,) half a second of noise at the begin of each of three seconds."""
    noise = 0.05 * np.random.default_rng(1).standard_normal(3 * rate_hz)
    noise[np.arange(3 * rate_hz) % rate_hz >= rate_hz // 2] = 0
    return noise.astype(np.float32)


def output_of(
    detector: Detector, samples: NDArray[np.generic], rate_hz: int, cuts: list[int] | None = None
) -> list[Event]:
    events = [event for part in np.split(samples, cuts or []) for event in detector.push(part, rate_hz)]
    return events + detector.flush()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Recording]:
    """What `detect` finds in the demo as a file at some rate."""
    folder, found = tmp_path_factory.mktemp("sound"), dict[int, Recording]()

    def of(rate_hz: int) -> Recording:
        if rate_hz not in found:
            soundfile.write(folder / f"{rate_hz}.wav", SOUND, rate_hz, subtype="FLOAT")
            found[rate_hz] = detect(folder / f"{rate_hz}.wav")
        return found[rate_hz]

    return of


@settings(max_examples=6, deadline=None)
@given(cuts=st.lists(st.integers(0, len(SOUND)), max_size=40).map(sorted), rate_hz=st.sampled_from([8000, 11025]))
def test_any_cut_gives_the_events_the_quality_and_the_rates_of_the_file(
    cuts: list[int], rate_hz: int, written: Callable[[int], Recording]
) -> None:
    detector, whole = load(), written(rate_hz)
    events = output_of(detector, SOUND, rate_hz, cuts)
    assert tuple(event for event in events if event.kind == "end") == whole.events
    assert whole.events
    assert detector.whole == whole.quality
    assert detector.take_rates()[-1] == whole.respiratory_rate[-1]


@pytest.mark.parametrize("rate_hz", [8000, 16000, 44100])
def test_a_burst_of_each_second_is_an_onset_and_an_end_at_its_seconds(rate_hz: int) -> None:
    events = output_of(loud(), bursts(rate_hz), rate_hz)
    assert [event.kind for event in events] == ["onset", "end"] * 3
    for second, (onset, end) in enumerate(zip(events[::2], events[1::2], strict=True)):
        assert (onset.onset_s, onset.end_s) == (end.onset_s, None)
        assert end.onset_s == pytest.approx(second, abs=0.1)
        assert end.end_s == pytest.approx(second + 0.5, abs=0.1)


@pytest.mark.parametrize("kind", ["int16", "int32", "float64"])
def test_whole_numbers_and_doubles_are_the_same_sound(kind: str) -> None:
    sound = np.round(bursts(8000) * 2**15) / 2**15  # what 16 bits can hold
    full_scale = {"int16": 2**15, "int32": 2**31, "float64": 1}[kind]
    assert output_of(loud(), (sound * full_scale).astype(kind), 8000) == output_of(loud(), sound, 8000)


def test_an_event_ends_where_samples_were_lost() -> None:
    sound = bursts(8000)
    sound[8000 + 2000 : 8000 + 3200] = np.nan
    ends = [event for event in output_of(loud(), sound, 8000) if event.kind == "end"]
    assert [event.end_reason for event in ends][1] == "gap"
    assert ends[1].end_s == pytest.approx(1.25, abs=0.1)


def test_a_rate_is_unknown_once_what_comes_is_lost() -> None:
    detector = load()
    detector.push(soundfile.read(DEMO_AUDIO, dtype="float32", stop=30 * 8000)[0], 8000)
    known = detector.respiratory_rate
    assert known is not None
    assert known.breaths_per_min is not None
    for _ in range(60):
        detector.push(np.full(8000, np.nan), 8000)
    lost = detector.respiratory_rate
    assert lost is not None
    assert (lost.breaths_per_min, lost.confidence, lost.measurable, lost.why) == (None, 0.0, 0.0, "lost sound")


def test_a_detector_that_was_reset_is_as_new() -> None:
    detector = loud()
    first = output_of(detector, bursts(8000), 8000)
    detector.reset()
    assert output_of(detector, bursts(16000), 16000) == output_of(loud(), bursts(16000), 16000)
    detector.reset()
    assert output_of(detector, bursts(8000), 8000) == first
    assert detector.whole.read_s == 3.0


def test_one_detector_hears_one_file_after_the_other(written: Callable[[int], Recording], tmp_path: Path) -> None:
    soundfile.write(tmp_path / "bursts.wav", bursts(8000), 8000)
    detector = load()
    detect(tmp_path / "bursts.wav", detector)
    again = detect(written(8000).path, detector)
    assert (again.events, again.quality) == (written(8000).events, written(8000).quality)
    np.testing.assert_array_equal(again.scores, written(8000).scores)


@pytest.mark.parametrize(
    ("samples", "found"),
    [(np.zeros((8, 2)), "(8, 2) float64"), (np.zeros(8, np.uint8), "(8,) uint8"), (["a"], "(1,) <U1")],
)
def test_what_is_no_sound_of_one_channel_is_refused(samples: NDArray[np.generic], found: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loud().push(samples, 8000)
    assert str(caught.value).startswith("samples: expected (N,) of one channel as float, int16 or int32, found ")
    assert str(caught.value).endswith(found)


def test_another_rate_in_mid_stream_and_one_that_is_too_low_are_refused() -> None:
    detector = loud()
    detector.push(bursts(8000), 8000)
    with pytest.raises(ConfigError, match="expected 8000 as before, found 16000"):
        detector.push(bursts(16000), 16000)
    with pytest.raises(SourceError, match="a rate of 2000 Hz holds sound up to 1000 Hz"):
        loud().push(bursts(2000), 2000)


@pytest.mark.parametrize("rate_hz", [4000.5, "8000", None, float("nan"), 7, 5_000_000])
def test_a_rate_that_cannot_be_is_refused_in_a_callers_words(rate_hz: object) -> None:
    with pytest.raises(ConfigError) as caught:
        loud().push(bursts(8000), rate_hz)  # type: ignore[arg-type]
    assert str(caught.value) == f"rate_hz: expected a whole number of Hz, 100 to 4000000, found {rate_hz!r}"


def test_a_rate_may_be_a_number_of_any_kind() -> None:
    sound = bursts(8000)
    for rate_hz in (8000.0, np.int64(8000), np.float32(8000)):
        assert output_of(loud(), sound, rate_hz) == output_of(loud(), sound, 8000)  # type: ignore[arg-type]


def test_options_of_load_change_what_becomes_an_event(written: Callable[[int], Recording]) -> None:
    labels = {event.label for event in written(8000).events}
    assert labels == {"wheeze", "fine_crackle"}
    for options, expected in (
        ({"classes": ["wheeze"]}, {"wheeze"}),
        ({"thresholds": dict.fromkeys(labels, 0.999)}, set()),
    ):
        events = output_of(load(**options), SOUND, 8000)
        assert {event.label for event in events} == expected
    light = load("light", age="4 years")
    assert light.model.id != load().model.id


@pytest.mark.parametrize(
    ("options", "expected_text"),
    [
        ({"age": 4}, "age: expected text such as '8 months', '4 years' or 'adult', found 4"),
        ({"classes": "wheeze"}, "classes: expected several, such as ['wheeze'], found 'wheeze'"),
        ({"thresholds": 0.5}, "thresholds: expected scores by class, such as {'wheeze': 0.5}, found 0.5"),
        ({"thresholds": {"wheeze": "0.5"}}, "thresholds: wheeze: expected a score above 0 and below 1, found '0.5'"),
        ({"model": 5}, "model: expected the path of a file, found 5"),
        ({"adaptation": 5}, "adaptation: expected the path of a file, found 5"),
        ({"age": "old"}, "age: 'old' is no age; write '8 months'"),
        ({"classes": ["wheez"]}, "class wheez: not in the model, which has "),
        ({"thresholds": {"wheeze": 1.5}}, "thresholds: wheeze: expected a score above 0 and below 1, found 1.5"),
        ({"model": "none.onnx"}, "none.onnx"),
        ({"runtime": "cuda"}, "runtime: 'cuda' is not allowed"),
    ],
)
def test_options_that_cannot_be_are_refused_in_one_line(options: dict[str, object], expected_text: str) -> None:
    with pytest.raises(LaennecError) as caught:
        load(**options)  # type: ignore[arg-type]
    assert expected_text in str(caught.value)
    assert "\n" not in str(caught.value)
