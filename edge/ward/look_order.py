"""The command `look`: a person wants to see what one bed sounds like now.

Not a command to alarms: it changes nothing, is in no log, and comes again every some seconds while somebody looks. Not
for carrying it out (`edge.node.looks`).
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from edge.ward.alarm_commands import Order

LOOK = "look"  # its verb
MOST_LOOK_S = 30.0  # at once; a viewer that is gone costs no more


class LookOrder(Order):
    """Show the live spectrogram and the scores of a bed for a while from now; 0 s: no more."""

    duration_s: Annotated[float, Field(ge=0, le=MOST_LOOK_S)] = MOST_LOOK_S
