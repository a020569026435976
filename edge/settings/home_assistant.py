"""The section `home_assistant` of the settings: whether the beds announce themselves to Home Assistant. Absent: no.

Not for what is announced (`edge.neighbours.home_assistant`), and not for rights: the broker says who may write there
(`deploy/mosquitto/setup node ... home-assistant`).

    home_assistant: {user: home-assistant}
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from edge.settings.mqtt import PREFIX_PATTERN
from edge.settings.section import Section

USER_PATTERN = r"^[A-Za-z0-9._-]{1,64}$"


class HomeAssistant(Section):
    """A retained message for each bed, from which Home Assistant makes a device with its entities."""

    discovery_prefix: Annotated[str, Field(pattern=PREFIX_PATTERN, max_length=64)] = "homeassistant"
    """First levels of the topics that Home Assistant looks at, as it is set there."""
    user: Annotated[str, Field(pattern=USER_PATTERN)] | None = None
    """Home Assistant's user at the broker, in whose name its buttons give commands; None: there are no buttons."""
