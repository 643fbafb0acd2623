"""The training loop and the bundle it ends in."""
