"""Scores of clips and streams, and what a model answered: computed from answers, without a model."""
