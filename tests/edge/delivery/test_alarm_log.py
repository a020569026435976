"""The log of alarms: whole after any death, small, and silent about nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.delivery.alarm_log import AlarmLog, before, parse
from edge.ward.alarm_commands import Acknowledge
from edge.ward.alarm_records import Key, Record, Rule, to_line
from edge.ward.alarms import Alarms

