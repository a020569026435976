"""The tables of the outbox, and what is asked of them: the SQL of `edge.delivery.store`."""

from __future__ import annotations

from edge.delivery import alarm_table, minutes
from edge.delivery.priority import CAUSES, EXPIRED, MessagePriority

MAX_SEQ = 1 << 62  # above every seq
EVICT_ROWS = 64  # rows removed at once when the bound is reached
OPEN_EVENTS = 256  # more than last at once on one box; what is older than so many is never going to end
NOTE_S = 10.0  # how much time a note in `operation` may stand for; a week of it is 1 MB
SCHEMA = """
CREATE TABLE event(id TEXT NOT NULL, rev INTEGER NOT NULL, seq INTEGER NOT NULL UNIQUE, body TEXT NOT NULL,
                   written_s REAL NOT NULL, PRIMARY KEY(id, rev));
CREATE TABLE outbox(seq INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, body TEXT, -- NULL: see event
                    expiry_s INTEGER NOT NULL, written_s REAL NOT NULL);
"""
LATER_TABLES = f"""
CREATE TABLE IF NOT EXISTS operation(seq INTEGER PRIMARY KEY, operating_s REAL NOT NULL);
CREATE TABLE IF NOT EXISTS told(alarm TEXT PRIMARY KEY, rev INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS priority(seq INTEGER PRIMARY KEY, priority INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS given(node TEXT PRIMARY KEY, seq INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS read_in(file TEXT PRIMARY KEY, was TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS least ON priority(priority, seq);
CREATE TRIGGER IF NOT EXISTS forget AFTER DELETE ON outbox BEGIN DELETE FROM priority WHERE seq = OLD.seq; END;
{alarm_table.SCHEMA}{minutes.SCHEMA}
"""
GREATEST = {"operation": ("seq", "operating_s"), "told": ("alarm", "rev"), "given": ("node", "seq")}  # key, number
MOVED = ("event", "outbox", "operation", "told", "alarm", "alarm_state", "alarm_command", "minute", "read_in")
RANK = f"""
INSERT INTO priority SELECT seq, CASE WHEN body IS NULL THEN {MessagePriority.EVENT:d} ELSE {MessagePriority.GAP:d} END
    FROM outbox WHERE seq NOT IN (SELECT seq FROM priority)
"""
DELETE = "DELETE FROM outbox WHERE seq = ?"
ENTRY = "SELECT seq, topic, coalesce(outbox.body, event.body), expiry_s, id, rev FROM outbox"
WAITING = f"{ENTRY} LEFT JOIN event USING(seq) WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?"
EARLIER = f"{ENTRY} JOIN event USING(seq) WHERE id = ? AND rev < ? ORDER BY rev"
# Of each event without an end the last that was said.
OPEN = """
FROM event AS last WHERE (rev = 1 OR instr(body, '"type":"update"'))
    AND rev = (SELECT max(rev) FROM event WHERE id = last.id) ORDER BY seq
"""
UNFINISHED = f"SELECT seq, body {OPEN}"
ENDED_BY_RESTART = """
SELECT seq FROM outbox JOIN event USING(seq) WHERE rev > 1 AND instr(event.body, '"end_reason":"restart"') ORDER BY seq
"""
# Of events what waits, and what was said last unless both onset and end were delivered from here.
COPIED = f"""
SELECT seq, id, rev, event.body, event.written_s, topic, expiry_s, coalesce(priority, {MessagePriority.EVENT:d})
    FROM event LEFT JOIN outbox USING(seq) LEFT JOIN priority USING(seq)
    WHERE outbox.seq IS NOT NULL OR (rev = (SELECT max(rev) FROM event AS later WHERE later.id = event.id) AND NOT (
        rev > 1 AND EXISTS(SELECT 1 FROM event AS onset WHERE onset.id = event.id AND onset.rev = 1)))
    ORDER BY seq DESC LIMIT ?
"""
COPIED_OTHERS = """
SELECT seq, NULL, NULL, body, written_s, topic, expiry_s, priority FROM outbox JOIN priority USING(seq)
    WHERE body IS NOT NULL ORDER BY priority DESC, seq DESC LIMIT ?
"""
# An event that is open stays: the next process would not know that it must end it.
DELIVERED = f"""
SELECT seq FROM event WHERE seq NOT IN (SELECT seq FROM outbox)
    AND seq NOT IN (SELECT seq {OPEN} DESC LIMIT {OPEN_EVENTS}) ORDER BY seq LIMIT ?
"""
OLDEST_OF = "SELECT seq FROM priority WHERE priority = {:d} ORDER BY seq LIMIT ?"
# What goes first when there is no room: the log of delivered events, then what is worth least, the oldest of it first.
EVICTIONS = (
    ("delivered", DELIVERED),
    *((CAUSES[each], OLDEST_OF.format(each)) for each in sorted(MessagePriority)),
)
EXPIRIES = (
    (EXPIRED, "DELETE FROM outbox WHERE seq <= ?"),
    ("delivered", "DELETE FROM event WHERE seq <= ? AND seq NOT IN (SELECT seq FROM outbox)"),
)
