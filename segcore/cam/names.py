"""Names of the activation-map methods, for command lines; nothing heavy is imported here."""

from __future__ import annotations

CAM_NAMES = ("grad-cam", "layer-cam", "guided-backprop", "guided-grad-cam", "smooth-guided-grad-cam")
