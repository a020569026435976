"""Laennec at the bedside: chest sound in, wheezes and crackles out, as events over MQTT."""

__version__ = "1.0.0"
