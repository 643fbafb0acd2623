"""Which slices of volumes to annotate well."""

from __future__ import annotations

from collections.abc import Sequence

from segcore.errors import ConfigError


def equidistant_slices(volumes: Sequence[int], wanted: int) -> list[tuple[int, int]]:
    """Slices spread evenly over volumes (Vădineanu, Leiden thesis, ch. 3).

    Each volume is cut into `wanted` sections of one thickness; section k comes from volume k mod V, as its middle slice.

    Args:
        volumes: depth of each volume, in slices.
        wanted: number of slices.

    Returns:
        (number of the volume, number of the slice), each once, in the order of the sections.

    Raises:
        ConfigError: no volume, a depth below 1, or more or fewer slices than there are.
    """
    if not volumes or min(volumes) < 1:
        raise ConfigError(f"slices are chosen from volumes of at least one slice each, got the depths {list(volumes)}.")
    found = [(k % len(volumes), (2 * k + 1) * volumes[k % len(volumes)] // (2 * wanted)) for k in range(wanted)]
    if wanted < 1 or len(set(found)) < wanted:
        raise ConfigError(f"sections hold at least one slice; volumes of the depths {list(volumes)} do not give {wanted}. Ask for fewer.")
    return found
