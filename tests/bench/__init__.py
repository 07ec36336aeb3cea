"""Ours against the limits."""
