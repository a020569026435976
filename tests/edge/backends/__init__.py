"""Mirrors `edge.backends`."""
