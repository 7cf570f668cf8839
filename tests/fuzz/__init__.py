"""Hypothesis and hostile input."""
