"""Names of the segmentation networks, for command lines; nothing heavy is imported here."""

from __future__ import annotations

NET_NAMES = ("unet", "segnet", "msd")
