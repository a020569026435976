"""Topics: made of names that were looked at, read back as they were made, and nothing else is one."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.contract.fields import ID_PATTERN
from edge.contract.topics import TopicNames, is_topic, make_topic, read_topic
from edge.delivery.messages import Node

IDS = st.from_regex(ID_PATTERN, fullmatch=True).filter(lambda name: not name.endswith("\n"))
BAD = ["lost\n", "bed\x7f", "bed\uffff", "a/b", "+", "#", "", "\0", "Bed", "b" * 33, "bed 1", "bed\ud800"]


@given(IDS, IDS, IDS)
def test_what_is_made_of_ids_is_read_as_them(site: str, node: str, stream: str) -> None:
    topic = make_topic("laennec/v1", site, node, "s", stream, "alarm", "signal-lost")
    assert read_topic("laennec/v1", topic) == TopicNames(site, node, stream, ("alarm", "signal-lost"))
    assert is_topic(topic)


@given(st.text())
def test_a_text_is_a_level_only_if_a_broker_takes_it(text: str) -> None:
    with suppress(ValueError):
        topic = make_topic("laennec/v1", "ward", "node", text)
        assert topic.isprintable()
        assert not set(topic.removeprefix("laennec/v1/ward/node/")) & set("/+#")


@pytest.mark.parametrize("name", BAD)
def test_a_name_that_is_no_id_makes_no_topic(name: str) -> None:
    for names in ((name, "node", "s", "bed", "event"), ("ward", name, "health"), ("ward", "node", "s", name, "event")):
        with pytest.raises(ValueError, match="expected") as caught:
            make_topic("laennec/v1", *names)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("user", ["nurse\n", "a+b", "", "a b", "n\x85", "x" * 81])
def test_a_user_that_cannot_be_a_level_makes_no_topic(user: str) -> None:
    with pytest.raises(ValueError, match="expected a level"):
        make_topic("laennec/v1", "ward", "node", "result", "pause", user)


@pytest.mark.parametrize(
    "topic",
    [
        "laennec/v1/ward/node",
        "laennec/v1/ward/node/s",
        "laennec/v1/ward/node/s/bed",
        "laennec/v1/ward/node/",
        "other/ward/node/health",
        "laennec/v1/ward/node/s/bed\n/event",
        "laennec/v1/ward/node/health\n",
    ],
)
def test_what_names_too_little_or_is_not_of_the_contract_is_not_read(topic: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        read_topic("laennec/v1", topic)


def test_a_stored_topic_that_is_none_any_more_has_no_present_one() -> None:
    node = Node("laennec/v1", "ward", "node", "Test", "0badcafe")
    assert node.current_topic("laennec/v1/ward/node/s/bed\x01/event") is None
    assert node.current_topic("laennec/v1/old/node/s/bed1/event") == "laennec/v1/ward/node/s/bed1/event"
