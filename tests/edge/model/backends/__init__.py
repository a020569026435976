"""Mirrors `edge.model.backends`."""
