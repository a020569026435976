"""A box below a folder, and stand-ins for Laennec to put on it: those of tests of one module."""

from __future__ import annotations

from tests.deploy import conftest as deploy

fast_folder, standin, box, jetson, made = deploy.fast_folder, deploy.standin, deploy.box, deploy.jetson, deploy.made
