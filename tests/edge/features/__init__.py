"""Mirrors `edge/features`."""
