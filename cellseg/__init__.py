"""Masks of cells from few good and many poor annotations."""
