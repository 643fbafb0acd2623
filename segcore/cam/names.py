"""Names of the activation-map methods, for command lines; nothing heavy is imported here."""

from __future__ import annotations

CAM_NAMES = ("occlusion", "grad-cam", "layer-cam", "guided-backprop", "guided-grad-cam", "smooth-guided-grad-cam", "score-cam")
DEAR = ("occlusion", "score-cam")
"""Those that take hundreds of forward calls instead of a gradient; they are calibrated only where asked for."""
GUIDED = ("guided-backprop", "guided-grad-cam", "smooth-guided-grad-cam")
"""Those that guide the gradient through ReLUs; without any they have nothing to guide."""
