"""Names of the CRF backends, for command lines; nothing heavy is imported here."""

from __future__ import annotations

BACKEND_NAMES = ("grid", "pydensecrf")
