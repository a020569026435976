"""The topics of the contract: made and read here alone, from names that are looked at first.

Not for what is said there. A broker ends the connection of whoever publishes to a topic that
holds a control character, and a name that holds '/', '+' or '#' is another topic than it seems; paho looks at '+' and
'#' alone. So no topic is made of a name that is not of the form that the settings have for it.

    <prefix>/<site>/<node>/<level>...                 of a node         sites, nodes and streams are ids (`ID_PATTERN`),
    <prefix>/<site>/<node>/s/<stream>/<level>...      of one of its beds         every other level is a name (`NAME`)
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from edge.contract.fields import ID_PATTERN, SELF_TEST_STREAM

ID_WORDS, NAME_WORDS = "a-z, 0-9 and '-', at most 32", "A-Z, a-z, 0-9, '.', '_' and '-', at most 80"
NAME = r"[A-Za-z0-9._-]{1,80}"  # conditions, verbs and users at the broker; the longest is an id of Home Assistant
OF_BED = "s"

_ID, _NAME, _NAMES = re.compile(ID_PATTERN), re.compile(NAME), re.compile(f"{NAME}(/{NAME})*")


@dataclass(frozen=True)
class Address:
    """A bed, or a node itself, as a topic names it."""

    site: str
    node: str
    stream: str = ""
    """Empty: the node itself."""

    def __str__(self) -> str:
        """As SITE/NODE/STREAM."""
        return f"{self.site}/{self.node}/{self.stream}"


@dataclass(frozen=True)
class TopicNames:
    """What a topic names."""

    site: str
    node: str
    stream: str
    """The bed; empty for the node itself."""
    levels: tuple[str, ...]
    """What is behind that, at least one."""

    @property
    def address(self) -> Address:
        """Whose it is."""
        return Address(self.site, self.node, self.stream)


def is_id(name: object) -> bool:
    """Whether it can be the name of a site, a node or a stream."""
    return isinstance(name, str) and _ID.fullmatch(name) is not None


def is_name(name: str) -> bool:
    """Whether it can be one level of a topic."""
    return _NAME.fullmatch(name) is not None


def is_topic(topic: str) -> bool:
    """Whether every level of it is a name, so that a broker takes it and it is that of nobody else."""
    return _NAMES.fullmatch(topic) is not None


def make_topic(prefix: str, site: str, node: str, *levels: str) -> str:
    """A topic of a node, or with `s` and a stream as first levels of one of its beds.

    Raises:
        ValueError: one of the names cannot stand there; which one, in one line.
    """
    ids = (site, node, *(levels[1:2] if levels[:1] == (OF_BED,) else ()))
    for name in ids:
        if not is_id(name):
            raise ValueError(f"expected ids of site, node and stream ({ID_WORDS}), found {name[:40]!a}")
    for level in levels:
        if not is_name(level):
            raise ValueError(f"expected a level of a topic ({NAME_WORDS}), found {level[:40]!a}")
    return "/".join((prefix, *ids[:2], *levels))


def read_topic(prefix: str, topic: str) -> TopicNames:
    """What a topic names.

    Raises:
        ValueError: it is none that `make_topic` makes; what is wrong, in one line.
    """
    own = topic[len(prefix) + 1 :].split("/") if topic.startswith(f"{prefix}/") else []
    if len(own) < 3:
        raise ValueError(f"expected a topic {prefix}/SITE/NODE/..., found {topic[:128]!a}")
    make_topic(prefix, *own)
    site, node, *levels = own
    stream = levels[1] if levels[0] == OF_BED and len(levels) > 1 else ""
    names = TopicNames(site, node, stream, tuple(levels[2:] if stream else levels))
    if not names.levels or names.levels == (OF_BED,):
        raise ValueError(f"expected more levels behind a bed, found {topic[:128]!a}")
    return names


def is_self_test(topic: str) -> bool:
    """Whether it is of no patient but of the node's own test, which is never counted."""
    return f"/{OF_BED}/{SELF_TEST_STREAM}/" in topic
