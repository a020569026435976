"""Looks at beds: pictures and scores of the same sound, for as long as somebody looks, whatever happens to it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from edge.delivery.mqtt_client import Incoming
from edge.model.model import load_model
from edge.node import live_view as looks
from edge.node import spectrogram_tiles as stream_mel
from edge.node.live_view import WAITING
from edge.node.spectrogram_tiles import SEGMENT_S
from edge.types import Block, Gap
from tests.edge.fakes import LoudnessModel
from tests.edge.node.looking import TOPIC, Looking, assert_shows_the_demo, demo_sound, joined, mel_of, scores_of
from tests.edge.streaming import RATE_HZ, clock_s, sound

pytestmark = pytest.mark.usefixtures("patient")

COLUMN = LoudnessModel.score_hop_samples


@pytest.fixture
def looking() -> Looking:
    some = Looking()
    assert some.order()["ok"]
    return some


@pytest.fixture(autouse=True)
def _segments_of_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a chunk decides is sent at once."""
    monkeypatch.setattr(stream_mel, "SEGMENT_S", 0.0)


def test_scores_are_those_of_laennec_detect_and_levels_those_of_the_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_mel, "SEGMENT_S", SEGMENT_S)
    model = load_model()
    some = Looking(model)
    some.order()
    sound, cut = demo_sound(), 4000
    some.feed(*(Block(k, sound.samples[k : k + cut], sound.valid[k : k + cut]) for k in range(0, 30 * RATE_HZ, cut)))
    reported = some.desk.sent[1]  # the first has no column of before somebody looked
    assert (reported["classes"], reported["thresholds"]) == (list(model.event_classes), model.thresholds)
    assert (reported["sample"]["column"], reported["bands"], reported["columns"]) == (256, 48, 16)
    assert len(some.desk.sent) > 55
    assert_shows_the_demo(some.desk.sent, model)


@pytest.mark.parametrize("cut", [123, 800, 5000, 16_000])
def test_any_cut_of_the_sound_gives_the_same_columns_and_scores(cut: int) -> None:
    whole, pieces = Looking(), Looking()
    noise = sound(6.0, (0.5, 2.0), (3.0, 5.5))
    for some, length in ((whole, 2000), (pieces, cut)):
        some.order()
        some.feed(
            *(Block(k, noise.samples[k : k + length], noise.valid[k : k + length]) for k in range(0, 48_000, length))
        )
        some.close()
    (first, mel, scores), (other, mel2, scores2) = joined(whole.desk.sent), joined(pieces.desk.sent)
    assert first == other
    assert (mel == mel2).all()
    assert (scores == scores2).all()
    assert len(mel) == 48_000 // COLUMN - 1  # all but the first, whose window begins before the sound


@pytest.mark.parametrize("start", [0, (2**31 // COLUMN - 10) * COLUMN, (2**32 // COLUMN - 10) * COLUMN])
def test_a_column_shows_the_sound_that_its_score_is_of(looking: Looking, start: int) -> None:
    noise = sound(6.0, (2.0, 4.0), start=start)
    looking.feed(noise)
    looking.close()
    first, mel, scores = joined(looking.desk.sent)
    index = np.arange(first, first + len(mel)) - start // COLUMN
    loud = mel.mean(axis=1) > 60
    wheezes = scores[:, looking.desk.sent[0]["classes"].index("wheeze")] == 1 + round(0.9 * 254)
    inside, outside = (index >= 51) & (index < 99), (index < 49) | (index > 101)  # 2 s and 4 s are columns 50 and 100
    assert inside.sum() == 48
    assert loud[inside].all()
    assert wheezes[inside].all()
    assert not loud[outside].any()
    assert not wheezes[outside].any()


def test_lost_sound_is_0_in_columns_and_scores_and_no_index_is_missing(looking: Looking) -> None:
    looking.feed(sound(4.0, (0, 4)), Gap(4 * RATE_HZ, 6 * RATE_HZ, "device lost"))
    looking.feed(sound(4.0, (0, 4), start=6 * RATE_HZ))
    looking.close()
    first, mel, scores = joined(looking.desk.sent)
    index = np.arange(first, first + len(mel))
    lost = (index >= 4 * RATE_HZ // COLUMN) & (index < 6 * RATE_HZ // COLUMN)
    assert lost.sum() == 50
    assert (mel[lost] == 0).all()
    assert (scores[lost] == 0).all()
    # At its edges a column needs some sound of its neighbour.
    assert (mel[~lost] == 0).all(axis=1).sum() <= 3
    assert (mel[~lost] > 0).all(axis=1).sum() >= (~lost).sum() - 3


def test_what_the_detector_bridged_has_scores_and_no_picture(looking: Looking) -> None:
    noise, gap = sound(4.0, (0, 4)), slice(2 * RATE_HZ, 2 * RATE_HZ + 200)  # 25 ms
    looking.feed(Block(0, noise.samples[: gap.start], noise.valid[: gap.start]))
    looking.feed(Block(gap.stop, noise.samples[gap.stop :], noise.valid[gap.stop :]))
    looking.close()
    first, mel, scores = joined(looking.desk.sent)
    at = 2 * RATE_HZ // COLUMN - first
    assert (mel[at] == 0).all()
    assert (scores[at] > 0).all()
    assert (mel[at - 3] > 0).all()


def test_a_sensor_without_contact_is_told_of_as_not_heard_in_few_messages(looking: Looking) -> None:
    looking.feed(sound(2.0, (0, 2)))
    quiet = sound(40.0, start=2 * RATE_HZ)
    quiet.valid[:] = False
    looking.feed(
        *(
            Block(quiet.start + k, quiet.samples[k : k + 200], quiet.valid[k : k + 200])
            for k in range(0, len(quiet.samples), 200)
        )
    )
    looking.feed(sound(3.0, (0, 3), start=42 * RATE_HZ))
    looking.close()
    first, mel, _ = joined(looking.desk.sent)
    assert len(looking.desk.sent) < 48 / 0.2 + 3  # a message for each chunk of 0.2 s
    index = np.arange(first, first + len(mel))
    received = (index < 2 * RATE_HZ // COLUMN) | (index > 42 * RATE_HZ // COLUMN)
    assert (mel[~received] == 0).all(axis=1).sum() >= (~received).sum() - 1
    assert (mel[received] > 0).all(axis=1).sum() >= received.sum() - 1
    assert index[-1] == 45 * RATE_HZ // COLUMN - 1


def test_a_device_that_begins_anew_has_pictures_of_its_new_indices(looking: Looking) -> None:
    looking.feed(sound(3.0, (0, 3), start=80_000), Gap(104_000, 104_000, "device restarted", restart=True))
    looking.feed(sound(3.0, (0, 3)))
    looking.close()
    firsts = [body["sample"]["first"] for body in looking.desk.sent]
    turn = firsts.index(min(firsts))
    before, after = joined(looking.desk.sent[:turn]), joined(looking.desk.sent[turn:])
    assert before[0] == 80_000 // COLUMN + 1
    assert after[0] == 1
    assert len(before[1]) == len(after[1]) == 3 * RATE_HZ // COLUMN - 1


def test_time_is_that_of_the_first_sample(looking: Looking) -> None:
    looking.feed(sound(3.0, (0, 3)))
    tiles = looking.desk.sent
    wall_s = looking.streams[0].timeline.wall_s(tiles[3]["sample"]["first"])
    assert abs(clock_s(tiles[3]["time"]) - wall_s) < 0.05
    assert clock_s(tiles[3]["ts"]) > 0
    assert tiles[3]["expiry_s"] == 5
    assert tiles[3]["topic"] == "laennec/v1/ward/node/s/bed1/mel"


def test_thresholds_and_classes_are_those_of_the_bed() -> None:
    some = Looking(thresholds={"wheeze": 0.4}, classes=("wheeze",))
    some.order()
    some.feed(sound(3.0, (0, 3)))
    assert (some.desk.sent[0]["classes"], some.desk.sent[0]["thresholds"]) == (["wheeze"], {"wheeze": 0.4})
    assert scores_of(some.desk.sent[0]).shape[1] == 1


def test_while_nobody_looks_nothing_is_kept_or_published() -> None:
    some = Looking()
    some.feed(sound(5.0, (0, 5)))
    bed = some.live_views._beds["bed1"]
    assert not some.desk.sent
    assert not bed._blocks
    assert some.live_views.health() == {"beds": 0, "sent": 0, "dropped": {}}


def test_a_look_ends_with_its_time_and_what_was_kept_is_forgotten() -> None:
    some = Looking()
    bed = some.live_views._beds["bed1"]
    some.order(duration_s=10)
    some.feed(sound(2.0, (0, 2)))
    count = len(some.desk.sent)
    assert count > 3
    some.now_s += 9.9
    some.feed(sound(1.0, start=2 * RATE_HZ))
    assert len(some.desk.sent) == count + 5
    some.now_s += 0.2
    some.feed(sound(1.0, start=3 * RATE_HZ))
    assert (len(some.desk.sent), len(bed._blocks), some.live_views.health()["beds"]) == (count + 5, 0, 0)
    some.order()
    some.feed(sound(2.0, start=4 * RATE_HZ))
    assert some.desk.sent[count + 5]["sample"]["first"] >= 4 * RATE_HZ  # nothing of when nobody looked
    assert (mel_of(some.desk.sent[count + 5]) > 0).all()


def test_0_s_ends_the_look_of_one_user_and_not_that_of_another(looking: Looking) -> None:
    looking.order(user="nurse-2")
    assert looking.order(user="board", duration_s=0)["ok"]
    assert looking.live_views.health()["beds"] == 1
    assert looking.order(user="nurse-2", duration_s=0)["ok"]
    assert looking.live_views.health()["beds"] == 0
    looking.feed(sound(2.0))
    assert not looking.desk.sent


def test_at_most_8_beds_are_looked_at_and_the_ninth_is_refused_with_a_reason() -> None:
    some = Looking(beds=9)
    assert [some.order(f"bed{k}")["ok"] for k in range(1, 9)] == [True] * 8
    refused = some.order("bed9")
    assert (refused["ok"], "8 beds" in refused["reason"]) == (False, True)
    assert some.order("bed3")["ok"], "to go on is no new look"
    some.order("bed3", duration_s=0)
    assert some.order("bed9")["ok"]


def test_of_one_bed_no_more_users_are_remembered_than_there_may_be(looking: Looking) -> None:
    answers = [looking.order(user=f"u{k}") for k in range(looks.MOST_USERS)]
    assert [answer["ok"] for answer in answers] == [True] * (looks.MOST_USERS - 1) + [False]
    assert "users look" in answers[-1]["reason"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"duration_s": 31}, "duration_s"),
        ({"duration_s": -1}, "duration_s"),
        ({"by": ""}, "by"),
        ({"for": 3}, "for"),
        ({"id": "no id"}, "id"),
        ({"duration_s": "5"}, "duration_s"),
    ],
)
def test_a_mistake_is_answered_with_what_is_wrong_and_starts_nothing(body: dict[str, Any], reason: str) -> None:
    some = Looking()
    answer = some.order(**body)
    assert (answer["ok"], answer["reason"].split(":")[0]) == (False, reason)
    assert some.live_views.health()["beds"] == 0


def test_an_answer_says_which_command_it_is_of_and_goes_to_its_sender(looking: Looking) -> None:
    answer = looking.order(user="nurse-2", id="x-7")
    assert (answer["id"], answer["verb"], answer["stream"], answer["correlation"]) == ("x-7", "look", "bed1", b"c")
    assert answer["topic"] == "laennec/v1/ward/node/s/bed1/result/look/nurse-2"
    unknown = looking.order("bed7", id="x-8")
    assert (unknown["id"], unknown["reason"]) == ("x-8", "no bed 'bed7' here; there are bed1")


def test_where_the_settings_do_not_allow_it_the_answer_says_so_and_no_stream_is_followed() -> None:
    some = Looking(is_on=False)
    answer = some.order()
    assert (answer["ok"], "look: true" in answer["reason"]) == (False, True)
    assert len(some.streams[0].observers) == 4
    some.feed(sound(3.0))
    assert not some.desk.sent


def test_what_the_connection_does_not_take_is_dropped_and_counted_by_its_cause(looking: Looking) -> None:
    looking.desk.refusal = "slow broker"
    looking.feed(sound(2.0))
    health = looking.live_views.health()
    assert (health["sent"], list(health["dropped"])) == (0, ["slow broker"])
    looking.desk.refusal = ""
    looking.feed(sound(1.0, start=2 * RATE_HZ))
    assert looking.live_views.health()["sent"] == len(looking.desk.sent) == 5
    assert looking.live_views.health()["dropped"] == health["dropped"]


def test_a_thread_that_hangs_costs_pictures_which_are_counted_and_the_scoring_goes_on(looking: Looking) -> None:
    stream = looking.streams[0]
    for second in range(20):
        stream.feed(sound(1.0, (0, 0.5), start=second * RATE_HZ))  # and nobody takes what waits
    assert stream.assess().totals.events == 20
    made = 20 * 5 - 1  # the last chunk waits for the end of its window
    assert looking.live_views.health()["dropped"] == {"queue full": made - looks.WAITING}
    looking.live_views._waiting.get()
    looking.settle()
    assert len(looking.desk.sent) == looks.WAITING - 1


def test_an_error_of_one_picture_is_counted_and_the_next_is_made(
    looking: Looking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking.desk, "publish", lambda *_: 1 / 0)
    looking.feed(sound(1.0))
    monkeypatch.undo()
    looking.feed(sound(1.0, start=RATE_HZ))
    assert looking.live_views.health()["dropped"]["error"] > 0
    assert looking.live_views.health()["sent"] == len(looking.desk.sent) == 5


def test_sound_that_nobody_scores_is_not_kept_for_ever(looking: Looking) -> None:
    bed = looking.live_views._beds["bed1"]
    for second in range(60):
        bed.on_item(sound(1.0, start=second * RATE_HZ))
    assert sum(len(each.samples) for each in bed._blocks) <= stream_mel.STORED_S * RATE_HZ
    assert bed._blocks[-1].stop == 60 * RATE_HZ


def test_a_command_that_has_no_room_is_answered_at_once() -> None:
    looking = Looking()
    assert looking.desk.subscription is not None
    for number in range(WAITING + 1):
        payload = json.dumps({"id": f"l{number}", "by": "a board", "duration_s": 10}).encode()
        looking.desk.subscription.on_message(Incoming(TOPIC.format("bed1", "board"), payload, correlation=b"c"))
    (answer,) = looking.desk.answers
    assert (answer["id"], answer["ok"], answer["correlation"]) == (f"l{WAITING}", False, b"c")
    assert "try again" in answer["reason"]
