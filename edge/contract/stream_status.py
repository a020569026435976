"""How one stream (bed) is: status, info, health, and a second model beside the live one; all retained."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from edge.contract.fields import (
    Absent,
    BootId,
    Count,
    Id,
    Made,
    Number,
    Rate,
    Seconds,
    Sha256,
    Share,
    Text,
    Texts,
    Time,
)
from edge.contract.message import Message, Part, Wire
from edge.contract.status import HEALTH_EXPIRY_S

StreamState = Literal["ok", "degraded", "lost", "disabled", "unknown"]


class StreamStatus(Message):
    """State of one stream (bed), published when it changes.

    It counts only while the node's own status counts (schema laennec.status/1) and has the same boot_id: one of an
    earlier process is of a bed that the node may not have any more. Else the bed is unknown, never silent. An empty
    message says that the stream was taken out of the settings.
    """

    wire: ClassVar[Wire] = Wire("laennec.stream/1", ("s/+/status",), "state of one bed, and why", retained=True)

    state: Literal["ok", "degraded", "lost", "disabled"] = Field(
        description="ok; degraded: the stream is more than 2 s behind, or sound is left out because the box is too "
        "slow, or much of the sound cannot be judged, or it is not like what the model knows (verified is false), or "
        "for 10 s there was almost none (below -90 dBFS rms), as of an input that is muted or unplugged; lost: no "
        "sound arrives, or the stream failed; disabled: nobody listens any more.",
    )
    reason: Text = Field(
        description="Why, for a person; empty for ok. Of disabled: `stopped` (the node was stopped) or `end of source` "
        "(a file has ended).",
    )
    verified: bool | None = Field(
        None,
        description="Whether the last half minute sounds like what the model was trained on: level, noise floor, "
        "spectrum. false: state is degraded and reason says how it differs; that no event comes then says nothing "
        "about the patient. null: not judged.",
    )
    gain_db: Annotated[int, Field(ge=-40, le=30)] | Absent = Field(
        None,
        description="What is added to the level of the stream so that it is one that the model knows, dB; 0 for a "
        "stream that is scored as it is. Published when it has moved by 3 dB.",
    )
    since: Time
    boot_id: BootId
    ts: Made


class Tracking(Part):
    """What a sound of a class must be to become an event, beside its threshold."""

    keep: float = Field(
        gt=0, le=1, description="An event lasts while the score stays above this share of its threshold."
    )
    minimum_s: float = Field(gt=0, description="How long it must last, seconds.")
    quiet_s: float = Field(gt=0, description="How long it must be quiet to be over, seconds.")


class Adapted(Part):
    """How the stream's device is brought to what the model knows; null: it is scored as it is."""

    device: Text = Field(description="Name of the kind of device.")
    made: Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")] = Field(description="Day.")
    equaliser_db: Annotated[list[float], Field(min_length=8, max_length=8)] = Field(
        description="Added to each of eight groups of bands, from low to high, dB."
    )
    labelled: Count = Field(
        description="Labelled recordings that its calibration and thresholds were chosen on; 0: the model's own."
    )


class StreamInfo(Message):
    """What one stream of a node is and looks for; published at each start."""

    wire: ClassVar[Wire] = Wire("laennec.stream-info/1", ("s/+/info",), "what one bed is and looks for", retained=True)

    boot_id: BootId
    rate: Rate
    classes: list[Text] = Field(description="Classes that raise events.")
    thresholds: dict[Text, Share] = Field(description="Score from which a class raises an event, by class.")
    tracking: dict[Text, Tracking] | Absent = None
    update_s: Annotated[float, Field(ge=1)] | Absent = Field(
        None, description="While a sound lasts, it is published again after so many seconds of it."
    )
    adaptation: Adapted | None = None
    age: Text | Absent = Field(
        None,
        description="Of the patient, as the settings or a command `patient` have it: `8 months`, `4 years`, `adult`.",
    )
    listen: bool | Absent = Field(
        None, description="Whether people may listen to it (laennec.sound/1), by the settings and since a new patient."
    )


class Coverage(Part):
    """How much of the last hour was measured; absent before the first sound.

    What was not is unknown, never quiet.
    """

    s: Number = Field(description="Length, seconds.")
    share: Share = Field(description="Measured seconds / elapsed seconds.")
    measured_s: Seconds
    missing_s: dict[Text, Seconds] = Field(description="Seconds that were not measured, by cause, as in laennec.trend.")


class Device(Part):
    """Only of a stream from a microcontroller; what is not known is null."""

    id: Text
    measurable: bool = Field(description="Whether its sound can be judged now.")
    conditions: Texts = Field(description="What is wrong with it, for a person.")
    rate_hz: float | None = Field(None, description="Measured rate, Hz.")
    ppm: float | None = Field(None, description="Its clock against the declared rate, parts per million.")
    clock_ms: float | None = Field(None, description="How far the quickest packets lie from the line of its clock, ms.")
    lost: Share | None = Field(None, description="Share of the sound of the last 10 s that was lost.")
    masked: Share | None = Field(None, description="Share of it that cannot be judged, lost or not.")
    dropped_s: float | None = Field(None, description="Sound that this machine was too slow for, seconds.")
    battery_percent: Annotated[int | float, Field(ge=0, le=100)] | None = None
    contact: Annotated[int | float, Field(ge=0, le=254)] | None = Field(
        None, description="Skin contact, 0 (none) to 254 (full)."
    )
    motion_mg: int | float | None = Field(None, description="Motion, thousandths of g.")
    rssi_dbm: int | float | None = Field(None, description="Received signal strength, dBm.")
    firmware: Text | None = Field(None, description="Version that it runs.")


class StreamHealth(Message):
    """How one stream is, since the start of the node, every 30 s.

    With MQTT 3.1.1 nothing expires, so compare its `ts`. state, reason, verified and gain_db are as in
    laennec.stream/1; unknown before the first sound.
    """

    wire: ClassVar[Wire] = Wire(
        "laennec.stream-health/1",
        ("s/+/health",),
        "counters of one bed, every 30 s",
        retained=True,
        expiry_s=HEALTH_EXPIRY_S,
    )

    ts: Made
    boot_id: BootId
    state: StreamState
    reason: Text
    verified: bool | None
    gain_db: int | Absent = None
    fault: Text | None = Field(
        None,
        description="What is wrong with the sound of the last seconds, as a cause in coverage.missing_s; null: nothing "
        "is known to be.",
    )
    heard_s: Seconds = Field(description="Sound that arrived, seconds.")
    measurable_s: Seconds = Field(description="Sound that could be judged, seconds.")
    lost_s: Seconds = Field(description="Sound that was announced as lost, seconds.")
    concealed_s: Seconds = Field(description="Sound that stood in for what was lost, seconds; judged, never received.")
    left_out_s: Seconds = Field(
        description="Of what was lost, sound that was not scored because the box was too slow, seconds."
    )
    lag_s: Seconds = Field(
        description="Sound that arrived and is not decided, seconds; up to 1.1 s are the model's chunk and lookahead. "
        "More than 2: the stream is degraded.",
    )
    gaps: Count
    events: Count = Field(description="Events that began.")
    rtf: Seconds | None = Field(description="Computing time per second of sound; null before the first sound.")
    coverage: Coverage | Absent = None
    device: Device | Absent = None


class Compared(Part):
    """A model that is compared."""

    id: Text
    sha256: Sha256


class Agreement(Part):
    """Events that were judged.

    Two are of one sound if they are of one group and overlap, or are less than 0.5 s apart.
    """

    both: Count = Field(description="Events of the live model with one of the other.")
    only_live: Count = Field(description="Events of the live model alone.")
    only_shadow: Count = Field(description="Events of the other alone.")
    not_compared: Count = Field(description="Events of either where the other did not get the sound.")


class ShadowMessage(Message):
    """What a second model, which only listens, makes of a bed, beside the live one, since the start of the node.

    No event and no alarm comes of it. Every 30 s where the settings name a second model. With MQTT 3.1.1 nothing
    expires, so compare its `ts`.
    """

    wire: ClassVar[Wire] = Wire(
        "laennec.shadow/1",
        ("s/+/shadow",),
        "what a second model finds beside the live one",
        retained=True,
        expiry_s=HEALTH_EXPIRY_S,
    )

    ts: Made
    boot_id: BootId
    stream: Id
    live: Compared = Field(description="The model whose events are published.")
    shadow: Compared = Field(description="The model that is compared with it.")
    groups: dict[Text, Agreement] = Field(description="By group of classes.")
    heard_s: Seconds = Field(description="Sound that the second model was given, seconds.")
    measurable_s: Seconds = Field(description="Sound that it could judge, seconds.")
    left_out_s: Seconds = Field(
        description="Sound that there was no time for, seconds: it is left out before any bed waits."
    )
    failure: Text = Field(description="Why it scores this bed no more; empty if it does.")
    rtf: Seconds | None = Field(description="Its computing time per second of sound; null before the first sound.")
