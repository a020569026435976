"""Signed models on a box: how they are checked, installed, promoted and rolled back."""
