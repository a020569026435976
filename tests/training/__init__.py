"""Mirrors `training`."""
