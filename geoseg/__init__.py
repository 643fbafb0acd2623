"""Site outlines from a raster and a layer of site points.

Out of scope: pixel-wise labels as a requirement, reading attributes of the points, SAM-like prompts.
"""
