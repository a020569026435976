"""Ratios against peers in one run; `make bench`. Never a test: nothing here fails because a machine is slow."""
