"""Tests of edge.server.board."""
