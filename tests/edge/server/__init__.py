"""Tests of edge/server."""
