"""What Home Assistant takes: its documented keys of a device discovery payload, and its templates, rendered by Jinja.

Written from home-assistant.io/integrations/mqtt ("Device discovery payload") and the pages of the MQTT sensor, binary
sensor and button; stricter than Home Assistant, which ignores a key that it does not know.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import jsonschema
from jinja2.sandbox import ImmutableSandboxedEnvironment

COMMON = {
    "unique_id": {"type": "string", "minLength": 1},
    "name": {"type": "string", "minLength": 1},
    "entity_category": {"enum": ["config", "diagnostic"]},
    "icon": {"type": "string"},
    "enabled_by_default": {"type": "boolean"},
    "json_attributes_topic": {"type": "string"},
    "json_attributes_template": {"type": "string"},
}
STATE = {
    **COMMON,
    "state_topic": {"type": "string"},
    "value_template": {"type": "string"},
    "expire_after": {"type": "integer", "minimum": 1},
    "force_update": {"type": "boolean"},
}
SENSOR = {
    **STATE,
    "platform": {"const": "sensor"},
    "unit_of_measurement": {"type": "string"},
    "device_class": {"enum": ["enum", "battery"]},
    "options": {"type": "array", "items": {"type": "string"}},
    "state_class": {"enum": ["measurement", "total", "total_increasing"]},
    "suggested_display_precision": {"type": "integer", "minimum": 0},
}
BINARY_SENSOR = {
    **STATE,
    "platform": {"const": "binary_sensor"},
    "device_class": {"enum": ["problem"]},
    "payload_on": {"type": "string"},
    "payload_off": {"type": "string"},
}
BUTTON = {
    **COMMON,
    "platform": {"const": "button"},
    "command_topic": {"type": "string"},
    "retain": {"type": "boolean"},
    "command_template": {"type": "string"},
    "payload_press": {"type": "string"},
}
AVAILABILITY = {
    "type": "object",
    "required": ["topic"],
    "additionalProperties": False,
    "properties": {
        key: {"type": "string"} for key in ("topic", "value_template", "payload_available", "payload_not_available")
    },
}
TEXTS = ("name", "manufacturer", "model", "model_id", "hw_version", "sw_version", "serial_number", "suggested_area")


def _platform(keys: dict[str, Any], *needed: str) -> dict[str, Any]:
    return {"required": ["platform", "unique_id", *needed], "properties": keys, "additionalProperties": False}


DISCOVERY = jsonschema.Draft202012Validator(
    {
        "type": "object",
        "required": ["device", "origin", "components"],
        "additionalProperties": False,
        "properties": {
            "device": {
                "type": "object",
                "required": ["identifiers"],
                "additionalProperties": False,
                "properties": {
                    "identifiers": {"type": "array", "minItems": 1, "items": {"type": "string"}},
                    **{key: {"type": "string"} for key in TEXTS},
                },
            },
            "origin": {
                "type": "object",
                "required": ["name"],
                "additionalProperties": False,
                "properties": {key: {"type": "string"} for key in ("name", "sw_version", "support_url")},
            },
            "availability": {"type": "array", "minItems": 1, "items": AVAILABILITY},
            "availability_mode": {"enum": ["all", "any", "latest"]},
            "qos": {"enum": [0, 1, 2]},
            "components": {
                "type": "object",
                "propertyNames": {"pattern": "^[a-zA-Z0-9_-]+$"},
                "additionalProperties": {
                    "oneOf": [
                        _platform(SENSOR, "state_topic"),
                        _platform(BINARY_SENSOR, "state_topic"),
                        _platform(BUTTON, "command_topic"),
                    ]
                },
            },
        },
    }
)

JINJA = ImmutableSandboxedEnvironment()
JINJA.globals["now"] = lambda: datetime(2027, 1, 15, 8, 0, 0, 250_000, timezone.utc)


def render(template: str, body: dict[str, Any] | None = None) -> str:
    """What a template makes of a message; `None` is `unknown` there, as nothing else is."""
    return JINJA.from_string(template).render(value_json=body).strip()
