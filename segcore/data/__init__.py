"""Pixels on their way to a network: contrast, variants of a chip, input scaling."""
