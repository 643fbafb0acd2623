"""Activation maps: where in an image a network sees what it answers. Maps are (B, H, W) float32, >= 0, unscaled."""
