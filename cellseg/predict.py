"""A trained segmenter: probabilities and objects of images of any size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cellseg.image import Instances
from cellseg.instances import label_slabs, split_touching
from cellseg.training.normalise import Normalisation, read_normalisation
from segcore.device import choose_device
from segcore.errors import BundleError, ConfigError, InputError, SegError, ShapeError
from segcore.io.memory import MemoryImage
from segcore.io.protocol import ImageSource
from segcore.nets.build import build_net, config_from
from segcore.stitch import Stitcher
from segcore.train.bundle import Bundle, bundle_hash, load_bundle
from segcore.windows import GridConfig, Window, window_grid

WINDOW, OVERLAP, MARGIN = 512, 0.125, 32
"""Edge of a window in pixels, the share that its neighbour blends with, and the pixels around it that the network sees too."""
_BITS = {"bool": 1, "int8": 8, "uint8": 8, "int16": 16, "uint16": 16}
"""Pixel types that tell the range of values; wider whole numbers and fractions may hold any."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Segmenter:
    """A bundle of kind segmenter, ready for use."""

    path: Path
    digest: str
    """sha256 that identifies the whole bundle."""
    facts: Mapping[str, Any]
    network: nn.Module
    """float32 (B, C, H, W) -> logits (B, 2, H, W); in eval mode, where it shall compute."""
    normalise: Normalisation
    window: int = WINDOW
    """Edge of a window in pixels: memory grows with its square."""
    grid: int = 1
    """Windows are read from multiples of it on, as the poolings of the network have it."""

    @property
    def target(self) -> str:
        """The class that it finds."""
        return str(self.facts["target"])

    @property
    def channels(self) -> int:
        """Channels that it reads."""
        return len(self.normalise.mean)

    @property
    def pixel_size_um(self) -> tuple[float, ...] | None:
        """Edges (Y, X) of the pixels that it learnt from, in micrometres; None where nobody knew."""
        size = self.facts["pixel_size_um"]
        return None if size is None else tuple(size)

    def predict(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Probability of the target, 0..1: pixels (C, H, W) -> (H, W), or (C, D, H, W) -> (D, H, W), plane by plane.

        Pixels are of the type and range of those that it learnt from.

        Raises:
            InputError: other channels.
            ShapeError: other axes.
        """
        if pixels.ndim not in (3, 4):
            raise ShapeError(f"an image is (C, H, W) and a volume (C, D, H, W), got {pixels.shape}. For one channel write pixels[None].")
        if pixels.ndim == 4:
            return np.stack([self.predict(pixels[:, z]) for z in range(pixels.shape[1])])
        return np.concatenate([part for _, part in self.strips(MemoryImage(pixels))])

    def segment(self, pixels: NDArray[Any], *, threshold: float = 0.5, split: bool = False) -> Instances:
        """Objects of the target, ids from 1, of the shape of `predict`: connected pixels of at least the threshold.

        Cells of a volume connect through its planes. split: cut clumps at their necks, as split_touching.

        Raises:
            ConfigError: the threshold is outside 0..1.
            InputError, ShapeError: as predict.
        """
        require_threshold(threshold)
        probability = self.predict(pixels)
        out = np.zeros(probability.shape, dtype=np.int32)
        label_slabs([probability >= threshold], out)
        if split:
            split_touching(out)
        return out

    def windows(self, shape: tuple[int, int]) -> list[Window]:
        """Where the network looks in an image (H, W), row by row; a strip begins with each row."""
        whole = Window(0, 0, *shape)
        return [own.overlap(whole) or own for own in window_grid(shape, GridConfig(window=self.window, overlap=OVERLAP))]

    def strips(self, source: ImageSource) -> Iterator[tuple[Window, NDArray[np.float32]]]:
        """Probabilities of an image of any size, strip by strip from above: (full-width window, (h, W) in 0..1).

        Windows overlap and are blended; each is computed once, and no more than a row of windows is in memory.

        Raises:
            InputError: other channels, or the file is damaged.
        """
        require_channels(self, source.shape[0], source.name)
        return self._blended(source, self.windows(source.shape[1:]))

    def _blended(self, source: ImageSource, windows: list[Window]) -> Iterator[tuple[Window, NDArray[np.float32]]]:
        """The strips between the tops of the windows; a strip is whole once the windows that begin in it are done."""
        _, height, width = source.shape
        tops = sorted({own.row for own in windows})
        ends = [*tops[1:], height]
        strips: dict[int, Stitcher] = {}
        for top, end in zip(tops, ends, strict=True):
            for own in (own for own in windows if own.row == top):
                found = self._window(source, own)
                for start, stop in zip(tops, ends, strict=True):
                    if top <= start < own.row + own.height:
                        strips.setdefault(start, Stitcher(1, Window(start, 0, stop - start, width))).add(own, found)
            yield Window(top, 0, end - top, width), strips.pop(top).result()[0]

    def _window(self, source: ImageSource, window: Window) -> NDArray[np.float32]:
        """Probability (1, height, width) of a window; the network sees MARGIN pixels around it too, where the image has them.

        What it sees begins on the network's grid, or poolings would pair other pixels than they do in the whole image.
        """
        seen = self._seen(window, source.shape[1:])
        pixels = torch.from_numpy(self.normalise.apply(source.read(seen)))[None]
        with torch.inference_mode():
            logits = self.network(pixels.to(next(self.network.parameters()).device))
            probability = logits.float().softmax(dim=1)[0, 1:].cpu().numpy()
        if not np.isfinite(probability).all():
            raise InputError(f"pixels are finite numbers; {source.name} has NaN or an infinity near row {window.row}. Replace them.")
        inside: NDArray[np.float32] = probability[:, *window.shift(-seen.row, -seen.col).slices]
        return inside

    def _seen(self, window: Window, shape: tuple[int, int]) -> Window:
        wide = window.grow(MARGIN).overlap(Window(0, 0, *shape)) or window
        up, left = wide.row % self.grid, wide.col % self.grid
        return Window(wide.row - up, wide.col - left, wide.height + up, wide.width + left)


def load_segmenter(path: Path | str, *, device: str = "auto") -> Segmenter:
    """Read a bundle of kind segmenter.

    Raises:
        BundleError: no such bundle, damaged, or its weights and settings do not fit together.
        ConfigError: an unknown device, or no GPU.
    """
    folder = Path(path)
    where = choose_device(device)
    bundle = load_bundle(folder, "segmenter")
    network = _network(bundle, folder)
    size = bundle.facts["pixel_size_um"]
    if size is not None and not (isinstance(size, list) and len(size) == 2 and all(isinstance(edge, (int, float)) for edge in size)):
        raise BundleError(f"a segmenter says the two edges of a pixel, or none; {folder} has {size!r:.80}. Train it again.")
    return Segmenter(
        path=folder,
        digest=bundle_hash(folder),
        facts=bundle.facts,
        network=network.to(where).eval(),
        grid=cast("int", network.grid),
        normalise=read_normalisation(bundle.facts["normalise"], bundle.facts["channels"]),
    )


def require_channels(segmenter: Segmenter, channels: int, name: str) -> None:
    """Refuse images of other channels than the segmenter learnt from.

    Raises:
        InputError: the channels differ.
    """
    if channels != segmenter.channels:
        raise InputError(
            f"{segmenter.path.name} reads {segmenter.channels} channel(s); {name} has {channels}. Choose another model, or convert it."
        )


def require_pixel_type(segmenter: Segmenter, pixel_type: str, name: str) -> None:
    """Refuse images of another range of values than the segmenter learnt from, as far as their pixel types tell.

    Raises:
        InputError: both types are whole numbers of at most 16 bits, and their bits differ.
    """
    known = segmenter.facts.get("pixel_type")
    here, there = _BITS.get(pixel_type), _BITS.get(str(known))
    if here and there and here != there:
        raise InputError(
            f"a model reads the range of values that it learnt from; {segmenter.path.name} learnt from {known}, {name} is {pixel_type}. "
            f"Rescale the image to that range and save it as {known}, or choose another model."
        )


def require_threshold(threshold: float) -> None:
    """Refuse what is no probability.

    Raises:
        ConfigError: the threshold is outside 0..1.
    """
    if not 0 <= threshold <= 1:
        raise ConfigError(f"a threshold is a probability, 0 to 1, got {threshold:g}. Leave it out for 0.5.")


def _network(bundle: Bundle, path: Path) -> nn.Module:
    """The network with its weights; nothing is built that the weights could not fill."""
    facts, weights = bundle.facts, bundle.members[0]
    try:
        if facts["options"].get("depth", 0) > len(weights):  # or a stranger's bundle would have us build layers for hours
            raise ValueError("its weights are those of another network")
        config = config_from(facts["net"], facts["options"])
        with torch.device("meta"):
            hollow = build_net(config, channels=facts["channels"], classes=len(facts["classes"]))
        shapes = {name: tuple(own.shape) for name, own in hollow.state_dict().items()}
        if len(facts["classes"]) != 2 or not isinstance(facts["target"], str) or shapes != {n: tuple(w.shape) for n, w in weights.items()}:
            raise ValueError("its weights are those of another network")
        with torch.random.fork_rng(devices=[]):
            network = build_net(config, channels=facts["channels"], classes=2)
        network.load_state_dict(dict(weights))
    except (SegError, AttributeError, TypeError, ValueError, KeyError, RuntimeError) as error:
        raise BundleError(f"{path} is no segmenter that can be built: {str(error).rstrip('.')}. Train it again.") from error
    return network
