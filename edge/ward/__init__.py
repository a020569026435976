"""The ward: from scores and events to figures and alarms that a person can act on. Pure; no thread, I/O or clock."""
