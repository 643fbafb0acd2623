"""Scans of images of any size: plan, units of work, refinement, what is stored."""
