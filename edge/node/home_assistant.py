"""A bed as Home Assistant's MQTT integration wants it announced: one retained message per bed, built by pure functions.

Not for states: an entity reads the topics that the node publishes anyway, so that nothing is said twice. Not for a
ward's alarms either, and Home Assistant is no alarm system: it shows.

The announcement is device discovery as Home Assistant documents it (home-assistant.io/integrations/mqtt, "Device
discovery payload"; from 2024.12 on): `<prefix>/device/<node>/<bed>/config` with `device`, `origin` and `components`.
Invariant: what is not known is `unknown` or `unavailable` there and never a value: a template that gives `None` makes
`unknown`, and each entity expires when its topic has not been said for as long as it may last at the broker.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from edge import __version__
from edge.contract.alarms import ALARM_EXPIRY_S
from edge.contract.commands import MAX_PAUSE_S
from edge.contract.fields import Body
from edge.contract.status import HEALTH_EXPIRY_S
from edge.contract.trend import BREATH_EXPIRY_S, TREND_EXPIRY_S
from edge.delivery.alarm_messages import alarm_topic
from edge.delivery.messages import Node
from edge.settings.node import Stream
from edge.settings.sections import HomeAssistant
from edge.ward.alarm_records import Key
from edge.ward.burden import WINDOWS_S

_, BURDEN_S, COVERAGE_S = WINDOWS_S
BATTERY = "battery"  # only a device that reports its battery has this alarm

OF_NODE = "{{ 'online' if value_json.state == 'online' else 'offline' }}"
OF_STREAM = "{{ 'offline' if value_json.state == 'disabled' else 'online' }}"
WINDOW = "(value_json.windows | selectattr('s', 'eq', %d) | first)"
OF_BREATHING = (
    "{%% set found = value_json.breath | default([]) | selectattr('s', 'eq', %d) | list %%}"
    "{%% set share = found[0].sounds[%s].of_time.share if found else None %%}"
    "{{ None if share is none else (share * 100) | round(1) }}"
)
STATE = "{{ value_json.state if value_json.state != 'unknown' else None }}"
REASON = "{{ {'reason': value_json.reason, 'fault': value_json.fault, 'verified': value_json.verified} | tojson }}"
# An alarm counts in mode Operational alone. One that is not watched, or cannot be measured, is not "no problem".
PROBLEM = (
    "{% if value_json.mode != 'Operational' %}None{% elif value_json.signal != 'Off' %}ON"
    "{% elif value_json.validity == 'Vld' and value_json.activation == 'On' %}OFF{% else %}None{% endif %}"
)
# Each press is another command: one with the id of an earlier one, also of another bed, would not be carried out.
ORDER = '{"id": "ha-%s-%s-{{ (now().timestamp() * 1000) | int }}", "by": "Home Assistant"}'


@dataclass(frozen=True)
class Bed:
    """What there is of one bed to announce."""

    stream: str
    groups: tuple[str, ...]
    """Groups of classes that have a burden."""
    conditions: tuple[str, ...]
    """Of its alarms, physiological and technical."""


def beds_of(streams: Iterable[Stream], groups: Iterable[str], keys: Iterable[Key]) -> list[Bed]:
    """The beds of a node, with the alarms that each has.

    Args:
        streams: of its settings.
        groups: of classes of the model.
        keys: of all alarms, those of the node itself among them.
    """
    alarms, kinds = list(keys), tuple(groups)
    return [Bed(each.id, kinds, tuple(key.condition for key in alarms if key.stream == each.id)) for each in streams]


def announcements(node: Node, settings: HomeAssistant | None, beds: Iterable[Bed]) -> Mapping[str, Body]:
    """Topic -> announcement of every bed, to be retained; an empty message there withdraws it.

    Args:
        node: who publishes the states.
        settings: None: nothing is announced.
        beds: of this node.
    """
    if settings is None:
        return {}
    return {_config_topic(node, settings, bed): announcement(node, settings, bed) for bed in beds}


def announcement(node: Node, settings: HomeAssistant, bed: Bed) -> Body:
    """One bed as a device of Home Assistant.

    Args:
        node: who publishes the states.
        settings: whether there are buttons, and in whose name.
        bed: what it has.
    """
    components = _measurements(node, bed) | {f"alarm_{name}": _alarm(node, bed, name) for name in bed.conditions}
    if settings.user is not None:
        components |= {verb: _button(node, bed, verb, settings.user) for verb in ("acknowledge", "pause")}
    name = f"{_node_id(node)}_{bed.stream}"
    return {
        "device": {
            "identifiers": [name],
            "name": f"{node.node} {bed.stream}",
            "manufacturer": "Laennec",
            "model": "not a medical device",
            "sw_version": __version__,
            "suggested_area": node.site,
        },
        "origin": {"name": "Laennec", "sw_version": __version__},
        "availability": [
            {"topic": node.topic("status"), "value_template": OF_NODE},
            {"topic": node.topic("s", bed.stream, "status"), "value_template": OF_STREAM},
        ],
        "availability_mode": "all",
        "qos": 1,
        "components": {key: {"unique_id": f"{name}_{key}", **component} for key, component in components.items()},
    }


def _node_id(node: Node) -> str:
    """One level of a topic; '_' is in no id, so that no two nodes share one."""
    return f"laennec_{node.site}_{node.node}"


def _config_topic(node: Node, settings: HomeAssistant, bed: Bed) -> str:
    return f"{settings.discovery_prefix}/device/{_node_id(node)}/{bed.stream}/config"


def _measurements(node: Node, bed: Bed) -> dict[str, Body]:
    trend, health = node.topic("s", bed.stream, "trend"), node.topic("s", bed.stream, "health")
    found: dict[str, Body] = {
        f"burden_{group}": _measurement(
            f"Burden {group} {BURDEN_S // 60} min",
            (trend, f"{{{{ {WINDOW % BURDEN_S}.groups[{json.dumps(group)}].s_per_min }}}}", TREND_EXPIRY_S),
            "s/min",
            suggested_display_precision=1,
        )
        for group in bed.groups
    }
    found["coverage"] = _measurement(
        f"Coverage {COVERAGE_S // 60} min",
        (trend, f"{{{{ ({WINDOW % COVERAGE_S}.coverage * 100) | round(1) }}}}", TREND_EXPIRY_S),
        "%",
    )
    found["respiratory_rate"] = _measurement(
        "Respiratory rate",
        (node.topic("s", bed.stream, "breath"), "{{ value_json.breaths_per_min }}", BREATH_EXPIRY_S),
        "breaths/min",
        suggested_display_precision=0,
    )
    found |= {
        f"breathing_{group}": _measurement(
            f"Breathing with {group} sounds {COVERAGE_S // 60} min",
            (trend, OF_BREATHING % (COVERAGE_S, json.dumps(group)), TREND_EXPIRY_S),
            "%",
            suggested_display_precision=0,
        )
        for group in bed.groups
    }
    found["quality"] = _quality(health)
    if BATTERY in bed.conditions:
        found[BATTERY] = _measurement(
            "Battery",
            (health, "{{ value_json.device.battery_percent }}", HEALTH_EXPIRY_S),
            "%",
            device_class="battery",
            entity_category="diagnostic",
        )
    return found


def _quality(health: str) -> Body:
    """The state of the stream, by the topic of its health."""
    return {
        "platform": "sensor",
        "name": "Quality",
        "state_topic": health,
        "value_template": STATE,
        "device_class": "enum",
        "options": ["ok", "degraded", "lost", "disabled"],
        "json_attributes_topic": health,
        "json_attributes_template": REASON,
        "expire_after": HEALTH_EXPIRY_S,
    }


def _measurement(name: str, source: tuple[str, str, int], unit: str, **more: Any) -> Body:
    """A sensor of a number; `source`: topic, template of the value, and for how many seconds one counts."""
    topic, template, expiry_s = source
    return {
        "platform": "sensor",
        "name": name,
        "state_topic": topic,
        "value_template": template,
        "unit_of_measurement": unit,
        "state_class": "measurement",
        "expire_after": expiry_s,
        **more,
    }


def _alarm(node: Node, bed: Bed, condition: str) -> Body:
    """An alarm: a problem or none; all that its message says are attributes, also in mode Test."""
    topic = alarm_topic(node, Key(bed.stream, condition))
    return {
        "platform": "binary_sensor",
        "name": f"Alarm {condition}",
        "device_class": "problem",
        "state_topic": topic,
        "value_template": PROBLEM,
        "json_attributes_topic": topic,
        "expire_after": ALARM_EXPIRY_S,
    }


def _button(node: Node, bed: Bed, verb: str, user: str) -> Body:
    """A command for all alarms of the bed. A person is not known to it: `by` says only that it was Home Assistant."""
    name = {"acknowledge": "Acknowledge alarms", "pause": f"Pause sound {MAX_PAUSE_S:.0f} s"}[verb]
    return {
        "platform": "button",
        "name": name,
        "command_topic": node.topic("s", bed.stream, "cmd", verb, user),
        "command_template": ORDER % (verb, bed.stream),
        "retain": False,
    }
