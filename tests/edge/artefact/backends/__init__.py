"""Mirrors `edge.artefact.backends`."""
