"""What a node publishes of the breath of a bed each 5 s: a pure body.

Not for measuring (`edge.ward.respiratory_rate`).
"""

from __future__ import annotations

from edge.delivery.messages import Body, Node, rfc3339
from edge.ward.respiratory_rate import RateReading

BREATH_S = 5.0  # between two of a bed
BREATH_EXPIRY_S = 20  # four missed, and the last one vanishes from the broker: what is not published is unknown


def breath_body(node: Node, stream: str, reading: RateReading, samples: tuple[int, int], wall_s: float) -> Body:
    """The respiratory rate of one bed.

    Args:
        node: who says so.
        stream: id of the bed.
        reading: the measurement.
        samples: to one score frame, and in a second.
        wall_s: now, seconds since 1970.
    """
    hop_samples, rate_hz = samples
    rate = reading.breaths_per_min
    return {
        "schema": "laennec.breath/1", "mode": node.mode, "stream": stream, "boot_id": node.boot_id,
        "ts": rfc3339(wall_s), "sample": {"rate": rate_hz, "stop": reading.stop * hop_samples},
        "breaths_per_min": None if rate is None else round(rate, 1), "confidence": round(reading.confidence, 3),
        "measurable": round(reading.measurable, 3), "why": reading.why,
    }  # fmt: skip
