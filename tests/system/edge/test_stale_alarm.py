"""An alarm of a node that died is not there for ever: the broker forgets what nobody says again."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from edge.commands.demo_broker import Broker
from tests.edge.conftest import Watcher, wait_for

ALARM = "s/bed1/alarm/continuous"
DYING = """
import sys
from edge.node import alarms
alarms.ALARM_EXPIRY_S = 3  # of 120
alarms.REFRESH_S = 1.0  # of 30
from tests.system.edge.alarms_under_test import main
main(*sys.argv[1:])
"""


def retained(port: int) -> list[str]:
    """The signal of the alarm that somebody finds who comes now."""
    newcomer = Watcher(port)
    newcomer.catch_up()
    newcomer.close()
    return [body["signal"] for topic, is_retained, body in newcomer.messages if topic.endswith(ALARM) and is_retained]


def test_a_retained_alarm_stays_while_its_node_lives_and_vanishes_when_it_died(broker: Broker, tmp_path: Path) -> None:
    watcher = Watcher(broker.port)
    command = [sys.executable, "-c", DYING, str(broker.port), str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as node:
        assert node.stdin is not None
        node.stdin.write("20\n")
        node.stdin.flush()
        wait_for(lambda: [body for body in watcher.bodies(ALARM) if body["signal"] == "On"], "the alarm")
        reported = len(watcher.bodies(ALARM))
        wait_for(lambda: len(watcher.bodies(ALARM)) >= reported + 5, "the same alarm again and again")
        wait_for(lambda: retained(broker.port) == ["On"], "it stands there for whoever comes")
        node.send_signal(signal.SIGKILL)
    wait_for(lambda: retained(broker.port) == [], "nothing: whoever comes now knows that it is unknown")
    watcher.close()
