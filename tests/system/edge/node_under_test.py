"""A node in a process of its own: the real service on noise bursts, so that tests may kill it."""

from __future__ import annotations

import os
import sys
from contextlib import closing
from pathlib import Path

from edge.commands import stop_on_signals
from edge.delivery import dispatch, unstored
from edge.delivery.outbox import Outbox
from edge.detector.warm import warm_up
from edge.log import setup
from edge.node import alarms as alarm_service
from edge.node import clips as node_clips
from edge.node import inbox, service, trends
from edge.node import live_view as looks
from edge.node import scheduling as shedding
from edge.node.service import Service
from edge.settings.node import parse_config
from tests.edge.fakes import Bursts, LoudnessModel

PATIENCE_S = 60.0  # for an orderly end; that it takes two seconds where something hangs is tested with `hanging_node`


def take_time_to_end() -> None:
    """On a busy machine an end within two seconds may leave what it had to say on the disk, where no test sees it."""
    service.STREAMS_END_S = service.CLOSE_S = service.LAST_DELIVERY_S = PATIENCE_S
    service.UNREACHED_S = service.DRAIN_S = PATIENCE_S
    dispatch.STOPPED_S = alarm_service.STOPPED_S = node_clips.STOPPED_S = PATIENCE_S


def leave_nothing_out() -> None:
    """A busy machine is late, but neither sound nor pictures are left out for that."""
    inbox.LIMIT_S = shedding.MOST_WORK_S = PATIENCE_S
    unstored.MOST = looks.WAITING = 10_000


def main(port: str, outbox: str, seconds: str, pace: str) -> None:
    """Run until the bursts end or a signal comes."""
    setup()
    take_time_to_end()
    warm_up()  # as `laennec run`: else the sound of the first seconds is decided at once
    dispatch.STATUS_EXPIRY_S = int(os.environ.get("STATUS_EXPIRY_S", dispatch.STATUS_EXPIRY_S))
    trends.TREND_S = float(os.environ.get("TREND_S", trends.TREND_S))
    mqtt = {"port": int(port), "reconnect_min_s": 0.1, "reconnect_max_s": 0.5, "will_delay_s": 0}
    bed = {"id": "bed1", "source": "bursts", "pace": pace == "pace", "update_s": 1}
    tree = {"node": "node", "streams": [bed], "mqtt": mqtt}
    if "LIMIT" in os.environ:  # s/min
        tree["alarms"] = {"burden": {"continuous": {"limit_s_per_min": float(os.environ["LIMIT"])}}}
    if "CLIPS" in os.environ:  # folder
        tree["clips"] = {"path": os.environ["CLIPS"], "pre_s": 8, "post_s": 1, "longest_s": 12, "memory_s": 30}
    tree["look"] = "LOOK" in os.environ
    if tree["look"]:
        leave_nothing_out()
    config = parse_config(tree, "test")
    store = Outbox(Path(outbox), config.outbox.max_mb, config.outbox.max_age_h)
    gap_at_s = float(os.environ["GAP_AT_S"]) if "GAP_AT_S" in os.environ else None
    sound = Bursts(float(seconds), pace == "pace", None, gap_at_s, period_s=int(os.environ.get("PERIOD_S", 1)))
    with stop_on_signals() as stop, closing(store):
        service = Service(config, LoudnessModel(), [sound], store)  # type: ignore[arg-type]
        print("ready", flush=True)
        print(service.run(stop).totals, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
