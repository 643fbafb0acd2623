"""Dense CRF refinement of a foreground probability, one band, on a bilateral lattice in pure torch.

`refine` sharpens a map along the edges of its image under a `CrfConfig`; `REFERENCE` is the setting of tests and
benchmarks. Blocks read with `CrfConfig.halo` pixels of context, each at its own `origin`, equal the whole scene.
Not here: several bands at once, several classes, learning the weights.
"""

from segcore.crf.config import REFERENCE, CrfConfig
from segcore.crf.grid import refine

__all__ = ["REFERENCE", "CrfConfig", "refine"]
