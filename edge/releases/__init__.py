"""Signed models on a box: installed, promoted, rolled back."""
