"""Counts, Dice, matching of objects."""
