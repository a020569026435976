"""Listening to beds of a node: only where the settings allow it, told to everybody, muted, and over by itself."""

from __future__ import annotations

import json
import threading
from base64 import b64decode
from typing import Any

import numpy as np
import pytest

from edge.clips.voice_mute import VoiceMute
from edge.contract.fields import Body, seconds_of
from edge.contract.live import MAX_LISTENERS
from edge.delivery.mqtt_client import Incoming
from edge.node.inbox import NewPatient
from edge.node.live_sound import MOST_BEDS, ORDERS, WAITING, NodeListening
from edge.settings.node import parse_config
from edge.types import Block, Gap
from tests.edge.clips.test_voice_mute import block, noise, word_at
from tests.edge.conftest import wait_for
from tests.edge.fakes import LoudnessModel
from tests.edge.node.looking import Desk
from tests.edge.streaming import NODE, RATE_HZ, Driven, Published, Script

pytestmark = pytest.mark.usefixtures("patient")

TOPIC = "laennec/v1/ward/node/s/{}/cmd/listen/{}"
FOLLOWERS = 4  # of a stream to which nobody listens


class Ward:
    """Some beds of one node and who listens to them; the thread works as in a node."""

    now_s = 1000.0

    def __init__(self, beds: int = 1, ward: bool = True, of_beds: dict[str, bool] | None = None) -> None:
        own = of_beds or {}
        streams = [
            {
                "id": f"bed{k + 1}",
                "source": "script",
                "pace": False,
                **({"listen": own[f"bed{k + 1}"]} if f"bed{k + 1}" in own else {}),
            }
            for k in range(beds)
        ]
        config = parse_config({"streams": streams, "listen": ward}, "test")
        self.desk = Desk()
        self.listening = NodeListening(config, RATE_HZ, NODE, self.desk, lambda: self.now_s)  # type: ignore[arg-type]
        self.streams = [Driven(each, Script(), Published(), LoudnessModel()) for each in config.streams]
        self.gone: set[str] = set()  # beds whose patient had agreed, and is gone
        self.listening.join(self.streams, self.gone.__contains__)

    def order(self, stream: str = "bed1", user: str = "board", by: str = "nurse K", **body: Any) -> Body:
        """Give the command; its answer."""
        assert self.desk.subscription is not None
        payload = json.dumps({"id": "l1", "by": by, **body}).encode()
        self.desk.subscription.on_message(Incoming(TOPIC.format(stream, user), payload, correlation=b"c"))
        return self.desk.answers[-1]

    def listen(self, stream: str = "bed1", **body: Any) -> None:
        """Listen, and wait until the bed is followed."""
        assert self.order(stream, **body)["ok"]
        bed = next(each for each in self.streams if each.id == stream)
        wait_for(lambda: len(bed.observers) > FOLLOWERS, "somebody who follows the bed")

    def feed(self, *items: Block | Gap) -> None:
        for item in items:
            self.streams[0].feed(item)

    def sound(self, count: int) -> list[Body]:
        """So many messages of sound, once they are there."""
        return wait_for(lambda: self.desk.sent if len(self.desk.sent) >= count else None, f"{count} pieces")

    def ended(self) -> None:
        wait_for(lambda: self.listening.thread is None, "the end of the thread")


def pcm_of(body: Body) -> Any:
    return np.frombuffer(b64decode(body["pcm"]), "<i2")


def people(state: Body) -> list[str]:
    return [each["by"] for each in state["listeners"]]


def test_while_nobody_listens_there_is_no_thread_no_follower_no_sound_and_no_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = threading.active_count()
    some, calls = Ward(), []
    monkeypatch.setattr(VoiceMute, "push", lambda *_: calls.append("mute") or [])
    monkeypatch.setattr(NodeListening, "_put", lambda *_: calls.append("put"))
    some.feed(block(noise(30.0)))
    assert (some.listening.thread, threading.active_count()) == (None, before)
    assert len(some.streams[0].observers) == FOLLOWERS
    assert (calls, some.desk.sent, some.desk.states) == ([], [], [])
    assert some.listening._waiting.qsize() == 0
    assert some.listening.health() == {"beds": 0, "sent": 0, "muted_s": 0.0, "dropped": {}}


def test_who_listens_hears_the_bed_and_everybody_is_told_before_the_first_sound() -> None:
    some = Ward()
    some.listen(by="nurse K")
    (state,) = some.desk.states
    assert (people(state), state["topic"], state["expiry_s"]) == (
        ["nurse K"],
        "laennec/v1/ward/node/s/bed1/listening",
        90,
    )
    (person,) = state["listeners"]
    assert seconds_of(person["until"]) - seconds_of(person["since"]) == pytest.approx(60, abs=5)
    whole = block(noise(10.0))
    some.feed(whole)
    got = some.sound(15)
    assert {body["topic"] for body in got} == {"laennec/v1/ward/node/s/bed1/sound"}
    required = np.clip(np.rint(whole.samples * 32768), -32767, 32767).astype(np.int16)
    for body in got[:15]:
        first = body["sample"]["first"]
        assert (pcm_of(body) == required[first : first + 4096]).all()
        assert (body["silent"], body["expiry_s"]) == ([], 5)
    assert some.listening.health()["beds"] == 1


def test_a_spoken_stretch_leaves_as_zeros_and_says_why() -> None:
    some = Ward()
    some.listen()
    some.feed(block(word_at(6.0)))
    got = some.sound(18)
    muted = [body for body in got if any(each["why"] == "speech" for each in body["silent"])]
    assert {body["sample"]["first"] // 4096 for body in muted} == {10, 11, 12, 13, 14}  # 5 to 7.7 s
    for body in muted:
        for each in body["silent"]:
            assert not pcm_of(body)[each["from"] : each["to"]].any()
    assert 1.5 < some.listening.health()["muted_s"] < 2.5


def test_it_ends_with_its_time_the_thread_with_it_and_nothing_is_kept() -> None:
    some = Ward()
    some.listen(duration_s=30)
    some.feed(block(noise(5.0)))
    some.sound(4)
    some.now_s += 29
    some.feed(block(noise(5.0), 5 * RATE_HZ))
    count = len(some.sound(15))  # all of ten seconds: none is still on its way
    some.now_s += 1.1
    some.ended()
    assert people(some.desk.states[-1]) == []
    assert len(some.streams[0].observers) == FOLLOWERS
    some.feed(block(noise(5.0), 10 * RATE_HZ))
    assert (len(some.desk.sent), some.listening._waiting.qsize()) == (count, 0)
    some.listen()
    some.feed(block(noise(4.0), 15 * RATE_HZ))
    later = some.sound(count + 1)[count]
    assert later["sample"]["first"] >= 16 * RATE_HZ, "nothing of when nobody listened"


def test_asking_again_goes_on_and_0_s_ends_it_for_that_person_alone() -> None:
    some = Ward()
    some.listen(by="nurse K")
    some.now_s += 50
    some.listen(by="Dr. L")
    assert some.order(by="nurse K")["ok"]
    some.now_s += 55
    assert some.listening.health()["beds"] == 1
    wait_for(lambda: people(some.desk.states[-1]) == ["Dr. L", "nurse K"], "both")
    since = [each["since"] for each in some.desk.states[-1]["listeners"]]
    assert since[1] <= since[0], "nurse K has listened since the first request"
    assert some.order(by="nurse K", duration_s=0)["ok"]
    wait_for(lambda: people(some.desk.states[-1]) == ["Dr. L"], "one")
    assert some.order(by="Dr. L", duration_s=0)["ok"]
    some.ended()
    assert people(some.desk.states[-1]) == []


def test_off_by_default_and_a_bed_has_the_last_word() -> None:
    some = Ward(3, ward=False, of_beds={"bed2": True, "bed3": False})
    refused = some.order("bed1")
    assert (refused["ok"], "`listen: true`" in refused["reason"], "SAFETY.md" in refused["reason"]) == (
        False,
        True,
        True,
    )
    assert some.order("bed2")["ok"]
    assert not some.order("bed3")["ok"]
    assert some.order("bed7")["reason"] == "no bed 'bed7' here; there are bed1, bed2, bed3"
    assert [bool(some.listening.refusal(f"bed{k}")) for k in (1, 2, 3)] == [True, False, True]
    some.listening.stop()
    off = Ward(ward=False)
    assert not off.listening.is_possible
    assert not off.order()["ok"]
    assert off.listening.thread is None


def test_a_new_patient_ends_it_and_where_the_one_before_had_agreed_it_stays_off() -> None:
    some = Ward(ward=False, of_beds={"bed1": True})
    some.listen()
    some.feed(block(noise(5.0)))
    some.sound(4)
    some.gone.add("bed1")
    some.streams[0].arrive(NewPatient(None))
    some.streams[0].settle()
    some.streams[0].assess()
    some.ended()
    count = len(some.desk.sent)
    some.feed(block(noise(5.0), 5 * RATE_HZ))
    assert "the patient who agreed is gone" in some.order()["reason"]
    assert (len(some.desk.sent), people(some.desk.states[-1])) == (count, [])
    of_ward = Ward()
    of_ward.listen()
    of_ward.streams[0].arrive(NewPatient(None))
    of_ward.streams[0].settle()
    of_ward.streams[0].assess()
    of_ward.ended()
    of_ward.listen()
    of_ward.listening.stop()


def test_few_beds_and_few_people_at_once() -> None:
    some = Ward(MOST_BEDS + 1)
    for number in range(1, MOST_BEDS + 1):
        assert some.order(f"bed{number}", user=f"u{number}")["ok"]
    assert "beds of this node are listened to already" in some.order(f"bed{MOST_BEDS + 1}")["reason"]
    answers = [some.order("bed1", user="w", by=f"nurse {k}") for k in range(MAX_LISTENERS)]
    assert [answer["ok"] for answer in answers] == [True] * (MAX_LISTENERS - 1) + [False]
    wait_for(lambda: people(some.desk.states[-1]) if some.desk.states else None, "who listens")
    some.listening.stop()
    some.ended()
    assert {state["topic"]: people(state) for state in some.desk.states}.popitem()[1] == []


def test_who_leaves_while_it_is_published_that_they_listen_is_not_said_to_listen_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    some = Ward()
    publish = some.listening._publish_listeners

    def leave(*args: object) -> None:
        publish(*args)  # type: ignore[arg-type]
        for bed in some.listening._beds.values():
            bed.people = ()

    monkeypatch.setattr(some.listening, "_publish_listeners", leave)
    assert some.order()["ok"]
    some.ended()
    assert [people(state) for state in some.desk.states] == [["nurse K"], []]


@pytest.mark.parametrize(
    ("body", "reason"),
    [({"duration_s": 61}, "duration_s"), ({"by": ""}, "by"), ({"for": 3}, "for"), ({"id": "no id"}, "id")],
)
def test_a_mistake_is_answered_with_what_is_wrong_and_starts_nothing(body: dict[str, Any], reason: str) -> None:
    some = Ward()
    answer = some.order(**body)
    assert (answer["ok"], answer["reason"].split(":")[0]) == (False, reason)
    assert some.listening.thread is None


def test_who_asks_all_the_time_is_refused() -> None:
    some = Ward()
    reasons = [some.order("bed7")["reason"] for _ in range(ORDERS + 1)]
    assert "commands a minute" in reasons[-1]
    assert "commands a minute" not in reasons[-2]


def test_what_the_connection_does_not_take_is_dropped_and_counted_by_its_cause() -> None:
    some = Ward()
    some.listen()
    some.desk.refusal = "slow broker"
    some.feed(block(noise(4.0)))
    wait_for(lambda: some.listening.health()["dropped"].get("slow broker", 0) >= 3, "what was dropped")
    assert (some.listening.health()["sent"], some.desk.sent) == (0, [])
    some.listening.stop()


def test_a_thread_that_hangs_costs_sound_which_is_counted_and_the_scoring_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    some, go = Ward(), threading.Event()
    monkeypatch.setattr(VoiceMute, "push", lambda *_: go.wait(60) and [])
    some.listen()
    for second in range(WAITING + 20):
        some.feed(block(noise(1.0), second * RATE_HZ))
    assert some.streams[0].decided > WAITING * RATE_HZ
    assert some.listening.health()["dropped"]["queue full"] >= 15
    go.set()
    some.listening.stop()


def test_an_error_of_one_block_is_counted_and_the_next_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    some = Ward()
    some.listen()
    with monkeypatch.context() as broken:
        broken.setattr(VoiceMute, "push", lambda *_: 1 / 0)
        some.feed(block(noise(1.0)))
        wait_for(lambda: some.listening.health()["dropped"].get("error"), "the error")
    before = len(some.desk.sent)
    some.feed(block(noise(5.0), RATE_HZ))
    some.sound(4)
    some.listening.stop()
    assert (some.listening.health()["dropped"]["error"], len(some.desk.sent) > before) == (1, True)
