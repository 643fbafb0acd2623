"""From a map to a mask."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from segcore.cam.smooth import smooth
from segcore.crf import CrfConfig, refine
from segcore.errors import ConfigError, ShapeError
from segcore.pipeline.refine import Refining, decide, smoothed
from segcore.windows import Window, block_grid

NOTHING = CrfConfig(smooth_weight=0.0, appearance_weight=0.0)
CAREFUL = CrfConfig(smooth_sigma=2.0, appearance_sigma=10.0, iterations=3)


def scene(seed, bands=1, shape=(40, 50)):
    rng = np.random.default_rng(seed)
    return rng.random(shape, dtype=np.float32), rng.integers(0, 256, (bands, *shape)).astype(np.uint8)


def test_without_a_crf_the_threshold_decides():
    values = np.array([[0.0, 0.39, 0.4, 0.41, 1.0]], dtype=np.float32)
    mask = decide(values, np.zeros((1, 1, 5), np.uint8), Refining(smooth=0, threshold=0.4))
    assert mask.dtype == bool
    assert mask.tolist() == [[False, False, True, True, True]]


@given(seed=st.integers(0, 99), threshold=st.floats(0.01, 0.99))
@settings(max_examples=30, deadline=None)
def test_a_crf_without_weights_is_the_threshold(seed, threshold):
    values, image = scene(seed)
    values[0, :2] = 0, 1
    values = np.where(np.abs(values - threshold) < 1e-6, 0, values)
    expected = decide(values, image, Refining(smooth=0, threshold=threshold))
    assert np.array_equal(decide(values, image, Refining(smooth=0, threshold=threshold, crf=NOTHING)), expected)


def test_the_crf_starts_where_the_threshold_is_an_even_chance():
    values, image = scene(1)
    p = values.astype(np.float64).clip(1e-6, 1 - 1e-6)
    even = 0.7 * p / (0.7 * p + 0.3 * (1 - p))  # odds of the threshold 0.3 become 1
    q = refine(torch.from_numpy(even.astype(np.float32)), torch.from_numpy(image[0]), CAREFUL, origin=(3, 4)).numpy()
    found = decide(values, image, Refining(smooth=0, threshold=0.3, crf=CAREFUL), origin=(3, 4))
    clear = np.abs(q - 0.5) > 1e-4
    assert np.array_equal(found[clear], q[clear] >= 0.5)
    assert 0 < found.mean() < 1


def test_several_bands_guide_by_their_mean():
    values, image = scene(2, bands=3)
    image[:] = image // 3 * 3
    mean = np.repeat(image.astype(int).sum(axis=0, keepdims=True) // 3, 1, axis=0).astype(np.uint8)
    refining = Refining(smooth=0, threshold=0.5, crf=CAREFUL)
    assert np.array_equal(decide(values, image, refining), decide(values, mean, refining))


def test_several_bands_guide_by_the_weights_that_are_kept():
    values, image = scene(2, bands=3)
    refining = Refining(smooth=0, threshold=0.5, crf=CAREFUL)
    alone = decide(values, image[1:2], refining)
    assert not np.array_equal(alone, decide(values, image, refining))
    assert np.array_equal(alone, decide(values, image, replace(refining, bands=(0.0, 1.0, 0.0))))
    inverted = np.stack([image[0], 255 - image[1], image[2]])
    assert np.array_equal(alone, decide(values, inverted, replace(refining, bands=(0.0, -1.0, 0.0))))


@pytest.mark.parametrize("backend", ["grid", "pydensecrf"])
def test_a_block_of_three_bands_with_its_halo_is_the_whole(backend):
    if backend == "pydensecrf":
        pytest.importorskip("pydensecrf.densecrf")
    rng = np.random.default_rng(5)
    image = np.stack([gaussian_filter(rng.standard_normal((260, 280)), 5) for _ in range(3)])
    image[:, :, :140] *= [[[1]], [[0.1]], [[0.5]]]  # the first component of a block is not that of the whole
    image = (128 + 100 * image / np.abs(image).max((1, 2), keepdims=True)).astype(np.uint8)
    logit = gaussian_filter(rng.standard_normal((260, 280)), 5)
    values = (1 / (1 + np.exp(-2 * logit / logit.std()))).astype(np.float32)
    crf = CrfConfig(smooth_sigma=2.0, appearance_sigma=12.0, appearance_weight=10.0, iterations=3, backend=backend)
    refining = Refining(smooth=0, threshold=0.5, crf=crf, bands=(0.5, 0.3, -0.2))
    whole, tiled = decide(values, image, refining), np.zeros((260, 280), bool)
    assert (whole != (values >= 0.5)).mean() > 0.02
    for core in block_grid((260, 280), 100):
        read = core.grow(refining.halo).overlap(Window(0, 0, 260, 280))
        mask = decide(values[read.slices], image[:, *read.slices], refining, origin=(read.row, read.col))
        tiled[core.slices] = mask[core.shift(-read.row, -read.col).slices]
    assert (whole != tiled).mean() <= 0.001


def test_pydensecrf_sees_all_bands():
    pytest.importorskip("pydensecrf.densecrf")
    values, image = scene(2, bands=3)
    refining = Refining(smooth=0, threshold=0.5, crf=replace(CAREFUL, backend="pydensecrf", appearance_weight=10.0))
    q = refine(torch.from_numpy(values.clip(1e-6, 1 - 1e-6)), torch.from_numpy(image), refining.crf, origin=(3, 4)).numpy()
    found = decide(values, image, replace(refining, bands=(1.0, 0.0, 0.0)), origin=(3, 4))
    clear = np.abs(q - 0.5) > 1e-4
    assert np.array_equal(found[clear], q[clear] >= 0.5)
    assert not np.array_equal(found, decide(values, image[:1], refining, origin=(3, 4)))


def test_the_crf_follows_an_edge_of_the_image():
    image = np.zeros((1, 40, 40), np.uint8)
    image[:, :, 20:] = 200
    values = np.full((40, 40), 0.3, np.float32)
    values[:, 16:] = 0.7  # the map is 4 px off
    mask = decide(values, image, Refining(smooth=0, threshold=0.5, crf=CrfConfig(appearance_weight=10, appearance_sigma=10.0)))
    assert np.array_equal(mask, image[0] > 0)


@pytest.mark.parametrize("sigma", [0.0, 0.05, 0.9, 3.3])
def test_smoothing_equals_the_one_of_the_maps(sigma):
    values, _ = scene(3)
    found = smoothed(values, sigma)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, smooth(torch.from_numpy(values)[None].double(), sigma)[0].numpy(), atol=1e-6)


@given(seed=st.integers(0, 99), sigma=st.floats(0.3, 4), top=st.integers(0, 60), left=st.integers(0, 60), size=st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_a_block_with_its_halo_has_the_bytes_of_the_whole(seed, sigma, top, left, size):
    values, _ = scene(seed, shape=(90, 100))
    values[20:70, 20:70] = 0.6
    halo = Refining(smooth=sigma, threshold=0.5).halo
    rows, cols = (slice(max(0, start - halo), start + size + halo) for start in (top, left))
    core = smoothed(values[rows, cols], sigma)[top - rows.start :, left - cols.start :][:size, :size]
    assert np.array_equal(core, smoothed(values, sigma)[top : top + size, left : left + size])


def test_the_halo_by_hand():
    assert Refining(smooth=0, threshold=0.5).halo == 0
    assert Refining(smooth=2.1, threshold=0.5).halo == 9
    assert Refining(smooth=2.1, threshold=0.5, crf=CAREFUL).halo == 9 + CAREFUL.halo
    assert CAREFUL.halo >= 30


def test_scaling_changes_lengths_only():
    scaled = Refining(smooth=2, threshold=0.4, crf=CAREFUL).scaled(1.5)
    assert scaled == Refining(smooth=3, threshold=0.4, crf=CAREFUL.scaled(1.5))
    assert Refining(smooth=2, threshold=0.4).scaled(0.5) == Refining(smooth=1, threshold=0.4)


def test_settings_come_back_from_json_and_old_ones_have_the_grid():
    refining = Refining(smooth=2, threshold=0.4, crf=CAREFUL, bands=(0.75, -0.25))
    values = json.loads(json.dumps(asdict(refining.scaled(2.0).scaled(0.5))))
    assert Refining(**{**values, "crf": CrfConfig(**values["crf"])}) == refining
    del values["bands"], values["crf"]["backend"]
    assert Refining(**{**values, "crf": CrfConfig(**values["crf"])}) == replace(refining, bands=())


@pytest.mark.parametrize("bands", [(0.0, 0.0), (np.nan, 1.0), [1.0, np.inf]])
def test_weights_that_make_no_band_are_refused(bands):
    with pytest.raises(ConfigError, match="as many weights"):
        Refining(smooth=0, threshold=0.5, bands=bands)


def test_weights_for_other_bands_are_refused():
    values, image = scene(2, bands=3)
    with pytest.raises(ConfigError, match=r"3 band\(s\) need as many weights"):
        decide(values, image, Refining(smooth=0, threshold=0.5, crf=CAREFUL, bands=(0.5, 0.5)))


@pytest.mark.parametrize("values", [{"threshold": 0.0}, {"threshold": 1.0}, {"threshold": np.nan}, {"smooth": -1.0}, {"smooth": np.inf}])
def test_values_out_of_range_are_refused(values):
    with pytest.raises(ConfigError):
        Refining(**{"smooth": 0.0, "threshold": 0.5, **values})


@pytest.mark.parametrize("crf", [None, NOTHING])
def test_maps_that_do_not_fit_are_refused(crf):
    refining = Refining(smooth=0, threshold=0.5, crf=crf)
    values, image = scene(4)
    with pytest.raises(ShapeError, match="like its image"):
        decide(values[:-1], image, refining)
    values[3, 3] = np.nan
    with pytest.raises(ShapeError, match="holds numbers"):
        decide(values, image, refining)
