import numpy as np
from skimage.color import hed2rgb, hed_from_rgb

from cellseg.training.stain import HED, jitter_stain


def test_the_stain_vectors_are_those_of_scikit_image():
    np.testing.assert_allclose(np.linalg.inv(HED), hed_from_rgb)


def test_no_strength_is_no_change():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 9, 11), dtype=np.uint8)
    np.testing.assert_allclose(jitter_stain(pixels, 0, np.random.default_rng(1)), pixels, atol=1e-3)


def test_pure_stain_stays_that_stain_in_another_amount():
    """A pixel with haematoxylin alone keeps the direction of its density but for the shift of the other stains."""

    class Scaled:
        def uniform(self, low, high, size):
            return np.array([high, 1.0, 1.0]) if low > 0 else np.zeros(size)

    amounts = np.zeros((1, 1, 3))
    amounts[..., 0] = 0.1
    pixels = 255 * hed2rgb(amounts).transpose(2, 0, 1)
    changed = jitter_stain(pixels, 0.5, Scaled())
    density, after = (-np.log((part + 1) / 256).ravel() for part in (pixels, changed))
    np.testing.assert_allclose(after, 1.5 * density, rtol=1e-2)


def test_values_stay_in_8_bits_and_channels_move_together():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 30, 30), dtype=np.uint8)
    for seed in range(5):
        changed = jitter_stain(pixels, 0.5, np.random.default_rng(seed))
        assert changed.dtype == np.float32
        assert changed.min() >= 0
        assert changed.max() <= 255
