"""From light to grey values: point-spread function, illumination, background, camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cellseg.simulate.lattice import Floats
from segcore.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Optics:
    """A confocal microscope and its camera."""

    pixel_um: tuple[float, float, float] = (0.2, 0.125, 0.125)
    """Edges of a voxel (z, y, x)."""
    blur_um: tuple[float, float, float] = (0.55, 0.2, 0.2)
    """Standard deviations of the point-spread function, a Gaussian: axial light spreads further."""
    haze: float = 0.3
    """Light from out of focus, as a share of the light of the cells around."""
    haze_um: float = 2.5
    """How far it comes from (standard deviation)."""
    depth_um: float = 60.0
    """Depth at which 1/e of the light is left."""
    shading: float = 0.14
    """Uneven illumination: standard deviation as a share."""
    background: float = 5.5
    """Photons of a voxel where there is nothing, on average."""
    unevenness: float = 0.3
    """Standard deviation of the background, as a share."""
    uneven_um: float = 25.0
    """Length over which illumination and background change."""
    offset: float = 400.0
    """Grey value of darkness."""
    gain: float = 100.0
    """Grey values a photon."""
    read_noise: float = 120.0
    """Standard deviation of the camera's own noise, grey values."""

    def __post_init__(self) -> None:
        for name in ("pixel_um", "blur_um"):
            value = getattr(self, name)
            if len(value) != 3 or not min(value) > 0:
                raise ConfigError(f"{name} is three lengths (z, y, x) > 0 in micrometres, got {value}.")
        for name in ("haze_um", "depth_um", "uneven_um", "gain"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} is > 0, got {getattr(self, name)}.")
        for name in ("haze", "shading", "background", "unevenness", "offset", "read_noise"):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"{name} is >= 0, got {getattr(self, name)}.")

    @property
    def margin(self) -> tuple[int, int, int]:
        """Voxels beyond a cell that its blurred light reaches (three standard deviations)."""
        z, y, x = (int(3 * blur / pixel) + 1 for blur, pixel in zip(self.blur_um, self.pixel_um, strict=True))
        return z, y, x

    def blur(self, light: Floats) -> Floats:
        """Light (D, H, W) through the point-spread function; what leaves the box is lost."""
        for axis, (blur, pixel) in enumerate(zip(self.blur_um, self.pixel_um, strict=True)):
            light = ndimage.gaussian_filter1d(light, blur / pixel, axis=axis, mode="constant", truncate=3.0)
        return light

    def expose(self, photons: Floats, rng: np.random.Generator) -> NDArray[np.uint16]:
        """Grey values of a plane of expected photons (H, W): Poisson noise, gain, read noise, 16 bits."""
        grey = rng.poisson(photons).astype(np.float32)
        grey *= np.float32(self.gain)
        noise = rng.standard_normal(grey.shape, dtype=np.float32)
        noise *= np.float32(self.read_noise)
        grey += noise
        grey += np.float32(self.offset)
        return np.asarray(np.rint(grey.clip(0, 65535)), dtype=np.uint16)
