import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from geoseg.scene import RasterOptions
from geoseg.views import names_of, open_views
from segcore.errors import BundleError, ConfigError
from segcore.progress import Silent
from segcore.train.bundle import load_bundle, save_bundle
from segcore.windows import Window


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["/runs/small"], ["small"]),
        (["/runs/small", "/runs/large"], ["small", "large"]),
        (["/a/MODEL", "/b/MODEL"], ["a/MODEL", "b/MODEL"]),
        (["/x/a/MODEL", "/y/a/MODEL", "/y/b/MODEL"], ["x/a/MODEL", "y/a/MODEL", "y/b/MODEL"]),
        (["/MODEL", "/a/MODEL"], ["/MODEL", "a/MODEL"]),
    ],
)
def test_names_are_as_long_as_they_must_be(paths, names):
    assert names_of([Path(path) for path in paths]) == names


@pytest.mark.parametrize("again", ["MODEL", "copy"])
def test_one_model_twice_is_refused_also_as_a_copy(tells, tell_model, tmp_path, again):
    other = tell_model if again == "MODEL" else shutil.copytree(tell_model, tmp_path / again)
    with pytest.raises(ConfigError, match=f"each model is named once; .*{again} is the same as {tell_model}"):
        open_views(tells.raster, [tell_model, other], RasterOptions(), progress=Silent())


def test_no_model_is_refused(tells):
    with pytest.raises(ConfigError, match="at least one model"):
        open_views(tells.raster, [], RasterOptions(), progress=Silent())


def changed(model, folder, **facts):
    """A copy of the model with other facts."""
    bundle = load_bundle(model, "site-classifier")
    save_bundle(replace(bundle, facts={**bundle.facts, **facts}), folder)
    return folder


def test_models_of_one_pixel_size_share_a_scene_and_others_have_their_own(tells, tell_model, tmp_path):
    alike, wide = changed(tell_model, tmp_path / "alike", seed=99), changed(tell_model, tmp_path / "wide", pixel_size=4.0)
    views = open_views(tells.raster, [tell_model, alike, wide], RasterOptions(), progress=Silent())
    assert [view.name for view in views] == ["MODEL", "alike", "wide"]
    assert views[0].scene is views[1].scene
    assert [view.scene.grid.pixel_size for view in views] == [2.0, 2.0, 4.0]
    point = tells.grid.to_map([(100.5, 60.5)])
    assert [view.places(point)[0] for view in views] == [(100, 60), (100, 60), (50, 30)]


def test_each_model_has_its_own_contrast(tells, tell_model, tmp_path):
    stretch = load_bundle(tell_model, "site-classifier").facts["stretch"]
    bright = changed(tell_model, tmp_path / "bright", stretch={**stretch, "low": [0.0], "high": [1.0]})
    views = open_views(tells.raster, [tell_model, bright], RasterOptions(), progress=Silent())
    first, second = (view.image.read(Window(0, 0, 50, 50)) for view in views)
    assert first.min() < first.max()
    assert (second == 255).all()


def test_other_bands_are_refused(tells, tell_model, write_raster):
    raster = write_raster(np.ones((3, 40, 40), np.uint8))
    with pytest.raises(BundleError, match="Choose them with --bands"):
        open_views(raster, [tell_model], RasterOptions(bands=(1, 2, 3)), progress=Silent())
