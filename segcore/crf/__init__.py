"""Dense CRF refinement of a foreground probability.

`refine` sharpens a map along the edges of its image under a `CrfConfig`, with one of two backends: `grid`, one band on a
bilateral lattice in pure torch, and `pydensecrf`, any number of bands on the permutohedral lattice. `REFERENCE` is the
setting of tests and benchmarks. Blocks read with `CrfConfig.halo` pixels of context, each at its own `origin`, equal
the whole scene. Not here: several classes, learning the weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from segcore.crf.config import REFERENCE, CrfConfig

if TYPE_CHECKING:
    from segcore.crf.backends import refine

__all__ = ["REFERENCE", "CrfConfig", "refine"]


def __getattr__(name: str) -> Any:
    """`refine` needs torch, and is imported when it is asked for."""
    if name == "refine":
        from segcore.crf.backends import refine

        return refine
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
