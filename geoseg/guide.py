"""How several bands guide the CRF of a model: weights measured once, on its training chips."""

from __future__ import annotations

import math

import numpy as np

from geoseg.chipset import FLAG_VALID, ChipSet
from segcore.crf.components import principal_weights

_PIXELS = 1_000_000
"""About as many pixels are looked at, spread over all chips."""


def guide_weights(chips: ChipSet) -> tuple[float, ...]:
    """First principal component of the bands over the valid pixels of a chip set, one weight a band; () for one band.

    Measured anew for each block of a scan it would make the blocks show; so the model keeps it.
    """
    count, bands, edge, _ = chips.chips.shape
    if bands == 1:
        return ()
    step = max(1, math.ceil(math.sqrt(count / _PIXELS) * edge))
    seen = [chips.chips[i, :, ::step, ::step][:, chips.flags[i, ::step, ::step] & FLAG_VALID > 0] for i in range(count)]
    pixels = np.concatenate(seen, axis=1)
    return principal_weights(pixels) if pixels.size else ()
