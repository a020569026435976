"""Mirrors `export`."""
