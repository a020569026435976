"""A second model beside the live one: compared, and harmless however it fails. Each block is heard before the next."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.contract.fields import Body
from edge.node import model_comparison as shadow_module
from edge.node.engine import Engine
from edge.node.inbox import End
from edge.node.model_comparison import MOST_SLOW, Shadow, ShadowBed, open_shadow
from edge.node.stream import NodeStream
from edge.settings.node import Stream, parse_config
from edge.types import Block, Chunk, Gap, Scores
from tests.edge.artefacts import fp32
from tests.edge.conftest import SCHEMAS
from tests.edge.fakes import Answer, Bursts, LoudnessModel
from tests.edge.small_graph import SPEC, small_model
from tests.edge.streaming import NODE, RATE_HZ, Published, made_ready, samples_of, sound

BURSTS = [(second + 0.5, second + 1.0) for second in range(1, 20, 2)]  # ten, s
ALL = {"continuous": {"both": 10, "only_live": 0, "only_shadow": 0, "not_compared": 0}}
WALL_S = 1.8e9


class Changed(LoudnessModel):
    """A model that hears as the other, but for what a test changes; it counts what it scores."""

    sha256 = "c" * 64
    calls = 0

    def change(self, scores: Scores, state: NDArray[np.float32]) -> Answer:
        return scores, state

    def score(self, chunk: Chunk, state: NDArray[np.float32]) -> Answer:
        self.calls += 1
        return self.change(*super().score(chunk, state))


class Deaf(Changed):
    def change(self, scores: Scores, state: NDArray[np.float32]) -> Answer:
        return Scores(scores.start, 0 * scores.values, scores.valid), state


class Fails(Changed):
    def change(self, scores: Scores, state: NDArray[np.float32]) -> Answer:
        raise RuntimeError("out of memory")


class NotNumbers(Changed):
    def change(self, scores: Scores, state: NDArray[np.float32]) -> Answer:
        return Scores(scores.start, scores.values + np.float32(np.nan), scores.valid), state + np.float32(np.nan)


class NonsenseShape(Changed):
    def change(self, scores: Scores, state: NDArray[np.float32]) -> Answer:
        return Scores(scores.start - 7, scores.values[:, :1], scores.valid[:0]), state[:1]


class Slow(Changed):
    def change(self, scores: Scores, state: NDArray[np.float32]) -> Answer:
        time.sleep(2 * shadow_module.SLOW_S)
        return scores, state


class Bed:
    """A bed that is heard by one model, or by two."""

    def __init__(self, other: LoudnessModel | None = None) -> None:
        made_ready()
        live = LoudnessModel()
        # At full speed: of a source in real time a machine that is slow would leave sound out.
        settings = Stream(id="bed1", source="bursts", pace=False)
        self.published, source = Published(), Bursts(0, pace=False)
        self.stream = NodeStream(settings, source, live, NODE, self.published)  # type: ignore[arg-type]
        self.engine = Engine(live, [self.stream], ["normal"])  # type: ignore[arg-type]
        if other is not None:
            self.shadow = ShadowBed(self.stream, settings, source, (live, other), NODE)  # type: ignore[arg-type]
            self.engine.spare = self.spare = Shadow([self.shadow], other, ["normal"])  # type: ignore[arg-type]

    def feed(self, *items: Block | Gap | End) -> Bed:
        """These, one after the other, until neither model has anything to do."""
        for item in items:
            self.stream.arrive(item)
            self.engine.wake(0)
            self.turn()
        return self

    def turn(self) -> None:
        while not self.stream.is_closed:
            spare = self.engine.spare
            if not self.engine.is_due() and (spare is None or not spare.is_due()):
                return
            self.engine.turn(0.0)

    def body(self) -> Body:
        """What is published of the comparison, when all that can be is compared."""
        self.shadow.compare()
        body = self.shadow.body(NODE, WALL_S)
        SCHEMAS["laennec.shadow/1"].validate(body)
        return body

    def found(self) -> list[Any]:
        """Its published events, without their random ids."""
        return samples_of(self.published.events())


def blocks(whole: Block, length_s: float = 0.1) -> list[Block]:
    cut = round(length_s * RATE_HZ)
    starts = range(0, len(whole.samples), cut)
    return [Block(whole.start + at, whole.samples[at : at + cut], whole.valid[at : at + cut]) for at in starts]


@pytest.fixture
def bursts() -> list[Block]:
    """Ten bursts in 30 s, and 8 s of silence behind them."""
    return blocks(sound(30.0, *BURSTS))


def alone(items: Sequence[Block]) -> list[Any]:
    return Bed().feed(*items).found()


def test_two_models_that_hear_the_same_agree_on_every_event(bursts: list[Block]) -> None:
    bed = Bed(Changed()).feed(*bursts)
    assert bed.body()["groups"] == {**ALL, "discontinuous": dict.fromkeys(ALL["continuous"], 0)}
    assert bed.found() == alone(bursts), "nothing of the other is published"


def test_what_a_deaf_model_misses_is_of_the_live_one_alone(bursts: list[Block]) -> None:
    bed = Bed(Deaf()).feed(*bursts)
    assert bed.body()["groups"]["continuous"] == {"both": 0, "only_live": 10, "only_shadow": 0, "not_compared": 0}


def test_both_hear_the_same_gaps(bursts: list[Block]) -> None:
    lost = Gap(bursts[100].start, bursts[120].start, "device lost")
    items = [*bursts[:100], lost, *bursts[120:]]
    bed = Bed(Changed()).feed(*items)
    counts = bed.body()["groups"]["continuous"]
    assert (counts["only_live"], counts["only_shadow"], counts["not_compared"]) == (0, 0, 0)
    assert counts["both"] == sum(kind == "onset" for kind, *_ in alone(items))


@pytest.mark.parametrize("other", [Fails, NotNumbers, NonsenseShape])
def test_a_model_that_fails_or_gives_no_numbers_leaves_the_live_one_as_it_is(
    bursts: list[Block], other: type[Changed]
) -> None:
    bed = Bed(other()).feed(*bursts)
    assert bed.found() == alone(bursts)
    assert bed.stream.failure == ""
    assert not bed.stream.is_closed
    assert bed.body()["stream"] == "bed1", "it goes on being told of"


def test_a_model_that_failed_says_why_and_nothing_more_is_compared(bursts: list[Block]) -> None:
    model = Fails()
    body = Bed(model).feed(*bursts).body()
    assert body["failure"] == "internal error: RuntimeError('out of memory')"
    assert body["groups"]["continuous"] == {"both": 0, "only_live": 0, "only_shadow": 0, "not_compared": 10}
    assert model.calls == 1, "it is not asked again"


def test_a_model_that_is_too_slow_is_given_up_before_the_beds_wait_long(
    bursts: list[Block], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shadow_module, "SLOW_S", 0.01)
    model = Slow()
    bed = Bed(model).feed(*bursts)
    assert model.calls == MOST_SLOW
    assert "for which the beds would wait" in bed.body()["failure"]
    assert bed.found() == alone(bursts)


def test_an_error_where_the_two_meet_is_the_others_alone(bursts: list[Block], monkeypatch: pytest.MonkeyPatch) -> None:
    bed = Bed(Changed())
    monkeypatch.setattr(bed.shadow.stream, "arrive", lambda _item: 1 / 0)
    bed.feed(*bursts)
    assert bed.found() == alone(bursts)
    assert "ZeroDivisionError" in bed.body()["failure"]


def test_while_the_live_model_has_work_the_other_waits_and_what_it_has_no_time_for_is_counted(
    bursts: list[Block],
) -> None:
    model = Changed()
    bed = Bed(model)
    monopolised = bed.engine.spare
    bed.engine.spare = None  # there is always a chunk of a bed that is due
    bed.feed(*bursts[:150])
    assert model.calls == 0
    assert bed.found() == alone(bursts[:150])
    bed.engine.spare = monopolised
    bed.feed(*bursts[150:])
    body = bed.body()
    assert 10.0 < body["left_out_s"] < 12.0, "15 s, of which its inbox keeps 4"
    counts = body["groups"]["continuous"]
    assert counts["only_live"] == counts["only_shadow"] == 0, "what it was not given is no disagreement"
    assert counts["both"] + counts["not_compared"] == 10
    assert counts["not_compared"] >= 4


def test_no_chunk_of_the_other_is_scored_while_one_of_a_bed_is_due(bursts: list[Block]) -> None:
    scored: list[str] = []

    class Noted(LoudnessModel):
        name = "live"

        def score(self, chunk: Chunk, state: NDArray[np.float32]) -> Answer:
            scored.append(self.name)
            return super().score(chunk, state)

    class Other(Noted):
        name = "shadow"

    bed = Bed(Other())
    bed.engine._model = Noted()  # type: ignore[assignment]
    for block in bursts[:40]:  # 4 s at once: some 20 chunks of each model
        bed.stream.arrive(block)
    bed.engine.wake(0)
    bed.turn()
    assert scored == sorted(scored), "all of the live model first"
    assert scored.count("shadow") == scored.count("live") > 10


def test_a_device_that_begins_anew_is_compared_from_there(bursts: list[Block]) -> None:
    bed = Bed(Changed()).feed(*bursts, Gap(bursts[-1].stop, bursts[-1].stop, "restart", restart=True))
    both = bed.body()["groups"]["continuous"]["both"]
    bed.feed(*bursts)
    counts = bed.body()["groups"]["continuous"]
    assert (both, counts["both"], counts["only_live"], counts["only_shadow"]) == (10, 20, 0, 0)


def _config(path: Path, **keys: Any) -> Any:
    return parse_config({"streams": [{"id": "bed1", "source": "x", **keys}], "shadow": str(path)}, "test")


def test_a_shadow_is_opened_by_its_path_and_none_is_there_by_default(tmp_path: Path) -> None:
    live = small_model()
    model = open_shadow(_config(fp32(tmp_path)), live)
    assert model is not None
    assert model.id == "small"
    assert open_shadow(parse_config({"streams": [{"id": "bed1", "source": "x"}]}, "test"), live) is None


@pytest.mark.parametrize(
    ("content", "keys", "expected"),
    [
        (b"no model", {}, "shadow=off"),
        (None, {"thresholds": {"stridor": 0.5}}, "the model has no event class 'stridor'"),
    ],
)
def test_a_shadow_that_cannot_hear_the_beds_is_one_line_and_the_live_model_works_alone(
    tmp_path: Path, lines: pytest.LogCaptureFixture, content: bytes | None, keys: dict[str, Any], expected: str
) -> None:
    path = fp32(tmp_path)
    if content is not None:
        path.write_bytes(content)
    assert open_shadow(_config(path, **keys), small_model()) is None
    (record,) = [each for each in lines.records if each.levelname == "ERROR"]
    assert record.getMessage().startswith("shadow=off reason=")
    assert expected in record.getMessage()
    assert "\n" not in record.getMessage()


def test_a_shadow_for_another_rate_is_refused(tmp_path: Path, lines: pytest.LogCaptureFixture) -> None:
    class Faster(LoudnessModel):
        rate_hz = 2 * SPEC.rate_hz

    assert open_shadow(_config(fp32(tmp_path)), Faster()) is None  # type: ignore[arg-type]
    assert f"expected a model for {2 * SPEC.rate_hz} Hz" in lines.text
