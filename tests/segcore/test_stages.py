"""A scan with evidence that is a plain function of pixels."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from segcore.crf.config import CrfConfig
from segcore.errors import ConfigError, RunError
from segcore.io.memory import MemoryImage
from segcore.pipeline import stages
from segcore.pipeline.plan import UNIT, Plan
from segcore.pipeline.refine import Refining
from segcore.pipeline.runner import SerialRunner
from segcore.pipeline.stages import Scan
from segcore.pipeline.store import NODATA
from segcore.progress import Silent
from segcore.stitch import taper
from segcore.windows import GridConfig, Window

SHAPE, EDGE = (190, 230), 32
GATE = 0.5


class Brightness:
    """Two members that judge by the mean grey value, and a map that is the image, weighed by the window's own mean."""

    members, channels = 2, ("grey",)

    def __init__(self, steps=None):
        self.screened, self.explained, self.steps = [], [], steps

    def screen(self, windows):
        self.screened.append(windows.clone())
        mean = windows.double().mean(dim=(1, 2, 3)) / 255
        return torch.stack([mean, mean**2 + 0.3], dim=1).float()

    def maps(self, windows):
        self.explained.append(windows.clone())
        values = windows.float().mean(dim=1, keepdim=True) / 255
        if self.steps:
            return (values > 0.55).float() * self.steps
        return (values * (0.5 + values.mean(dim=(2, 3), keepdim=True))).clamp(0, 1)


class Shuffled:
    def __init__(self, seed):
        self.seed = seed

    def map(self, function, units):
        return SerialRunner().map(function, np.random.default_rng(self.seed).permutation(list(units)).tolist())


class Counted:
    """A serial runner that keeps which units it was given."""

    def __init__(self):
        self.asked = []

    def map(self, function, units):
        self.asked.append(list(units))
        return SerialRunner().map(function, units)


@pytest.fixture(scope="module")
def image():
    """Bright hills on dark ground; the upper left corner is nodata, 0, as is a band at the right."""
    noise = gaussian_filter(np.random.default_rng(0).normal(size=SHAPE), 12)
    grey = np.clip(128 + 60 * noise / noise.std(), 1, 255).astype(np.uint8)
    valid = np.ones(SHAPE, dtype=bool)
    valid[:80, :90] = valid[:, 225:] = False
    return MemoryImage(np.where(valid, grey, 0), valid)


def a_plan(**changes):
    values = {
        "shape": (1, *SHAPE),
        "region": Window(0, 0, *SHAPE),
        "grid": GridConfig(window=EDGE),
        "channels": ("grey",),
        "gate": GATE,
        "refining": Refining(smooth=0.0, threshold=0.4),
        "block": 100,
    }
    return Plan(**{**values, **changes})


def run(plan, image, folder, evidence=None, runner=None):
    scan = Scan(plan, image, evidence or Brightness(), folder)
    scan.run(runner or SerialRunner(), Silent())
    return scan


def whole(scan, name):
    out = np.full(SHAPE, 99, dtype=np.uint8)
    for number, block in enumerate(scan.plan.blocks):
        out[block.slices] = getattr(scan.blocks.load(number), name)
    return out


def files(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def done(image, tmp_path_factory):
    return run(a_plan(), image, tmp_path_factory.mktemp("done"))


def test_windows_without_data_never_reach_the_evidence(done, image):
    seen = torch.cat(done.evidence.screened)
    assert seen.dtype == torch.uint8
    assert (seen.amax(dim=(1, 2, 3)) > 0).all()
    empty = [own for own in done.plan.windows if not image.mask(own).any()]
    assert len(empty) >= 4
    listed = [window for window, _ in done.scores()]
    assert listed == [own for own in done.plan.windows if own not in empty]
    stored = np.concatenate([done.units.load(unit).scores for unit in done.plan.units])
    assert [bool(np.isnan(own).all()) for own in stored] == [own in empty for own in done.plan.windows]


def test_batches_are_always_padded(done):
    assert {len(own) for own in done.evidence.screened} == {UNIT}
    assert len(done.plan.windows) % UNIT  # the last unit is not full


def test_scores_are_those_of_the_windows(done, image):
    for window, score in list(done.scores())[::7]:
        mean = image.read(window).mean() / 255
        assert score == pytest.approx([mean, mean**2 + 0.3], abs=1e-6)


def test_windows_below_the_gate_have_no_maps(done):
    passed = []
    for unit in done.plan.units:
        result = done.units.load(unit)
        expected = np.flatnonzero(result.scores.mean(axis=1, dtype=np.float64) >= GATE)  # NaN is below
        assert result.passed.tolist() == expected.tolist()
        assert result.maps.shape == (len(expected), 1, EDGE, EDGE)
        passed += [len(expected)]
    assert sum(passed) == done.explained() == sum(len(own) for own in done.evidence.explained)
    assert 0 < done.explained() < len(list(done.scores()))


def test_maps_are_those_of_the_evidence(done, image):
    unit = next(unit for unit in done.plan.units if len(done.units.load(unit).passed))
    result = done.units.load(unit)
    windows = [done.plan.unit_windows(unit)[i] for i in result.passed]
    expected = Brightness().maps(torch.from_numpy(np.stack([image.read(own) for own in windows])))
    assert np.array_equal(result.maps, np.rint(expected.numpy() * 255))


def test_blending_equals_the_plain_way(done, image):
    total, weight, score = (np.zeros(SHAPE) for _ in range(3))
    for window, own in done.scores():
        rows, cols = window.slices
        pixels = torch.from_numpy(image.read(window)[None])
        value = np.rint(Brightness().maps(pixels).numpy()[0, 0] * 255) / 255 if own.mean() >= GATE else 0.0
        weight[rows, cols] += taper(EDGE, EDGE)
        total[rows, cols] += taper(EDGE, EDGE) * value  # a map that is absent counts as 0
        score[rows, cols] += taper(EDGE, EDGE) * own.mean()
    blended, scores = total / np.maximum(weight, 1e-9), score / np.maximum(weight, 1e-9)
    valid = image.valid
    assert np.abs(whole(done, "activation")[valid] / 254 - blended[valid]).max() <= 0.5 / 254 + 1e-5
    assert np.abs(whole(done, "score")[valid] / 254 - scores[valid]).max() <= 0.5 / 254 + 1e-5
    clear = valid & (np.abs(blended - 0.4) > 1e-5)
    assert np.array_equal(whole(done, "mask")[clear], blended[clear] >= 0.4)
    for name in ("activation", "score", "mask"):
        assert (whole(done, name)[~valid] == NODATA).all()
    assert 0.05 < (whole(done, "mask")[valid] == 1).mean() < 0.9


@pytest.mark.parametrize(("smooth", "steps"), [(0.0, None), (2.5, None), (2.5, 0.6)])
def test_blocks_of_any_size_give_the_same_bytes(image, tmp_path, smooth, steps):
    """With steps the map has plateaus that lie exactly on the threshold: there a last bit would show."""
    threshold = steps or 0.4
    made = {}
    for block in (64, 100, 256):
        plan = a_plan(block=block, refining=Refining(smooth=smooth, threshold=threshold))
        scan = run(plan, image, tmp_path / str(block), Brightness(steps))
        made[block] = {name: whole(scan, name) for name in ("activation", "score", "mask")}
    for name in ("activation", "score", "mask"):
        assert np.array_equal(made[64][name], made[256][name])
        assert np.array_equal(made[100][name], made[256][name])
    assert (made[256]["mask"] == 1).any()


def test_blocks_with_a_crf_differ_in_a_thousandth_at_most(image, tmp_path):
    refining = Refining(smooth=1.0, threshold=0.4, crf=CrfConfig(smooth_sigma=1.5, appearance_sigma=8.0, iterations=3))
    masks = [whole(run(a_plan(block=block, refining=refining), image, tmp_path / str(block)), "mask") for block in (64, 100, 256)]
    assert (masks[0] != masks[2]).mean() <= 0.001
    assert (masks[1] != masks[2]).mean() <= 0.001
    plain = whole(run(a_plan(refining=Refining(smooth=1.0, threshold=0.4)), image, tmp_path / "plain"), "mask")
    assert (plain != masks[2]).mean() > 0.001  # the CRF does something


def test_the_crf_hangs_on_the_scene(image, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(stages, "decide", lambda values, _image, _refining, *, origin: asked.append((origin, values.shape)) or values > 0.4)
    refining = Refining(smooth=0.0, threshold=0.4, crf=CrfConfig(smooth_weight=0.0, appearance_sigma=5.0))
    assert refining.halo == 17  # 3.3 sigma
    run(a_plan(refining=refining), image, tmp_path)
    rows, cols = [(0, 117), (83, 107)], [(0, 117), (83, 134), (183, 47)]
    assert asked == [((row, col), (height, width)) for row, height in rows for col, width in cols]


def test_the_order_of_units_does_not_matter(done, image, tmp_path):
    run(done.plan, image, tmp_path / "a", runner=Shuffled(1))
    assert files(tmp_path / "a") == files(done.units.folder.parent)


def test_a_run_goes_on_where_it_stopped_and_ends_in_the_same_bytes(done, image, tmp_path):
    first = run(done.plan, image, tmp_path)
    before = files(tmp_path)
    for path in (first.units.path(0), first.units.path(3), first.blocks.path(1)):
        path.unlink()
    (first.units.folder / ".0000000.1234abcd.safetensors").write_bytes(b"half")  # what kill -9 leaves
    runner, evidence = Counted(), Brightness()
    run(done.plan, image, tmp_path, evidence, runner)
    assert runner.asked == [[0, 3], [1]]
    assert len(evidence.screened) == sum(1 for unit in (0, 3) if not np.isnan(first.units.load(unit).scores).all())
    (first.units.folder / ".0000000.1234abcd.safetensors").unlink()
    assert files(tmp_path) == before == files(done.units.folder.parent)


def test_a_region_has_the_bytes_of_the_whole(done, image, tmp_path):
    region = Window(90, 60, 70, 110)
    part = run(a_plan(region=region), image, tmp_path)
    for name in ("activation", "score", "mask"):
        assert np.array_equal(whole(part, name)[region.slices], whole(done, name)[region.slices])
    assert len(part.plan.windows) < len(done.plan.windows) / 2


def test_activation_across_blocks(done):
    expected = np.pad(whole(done, "activation"), 10, constant_values=NODATA)
    for window in (Window(-10, -10, 40, 300), Window(95, 95, 10, 10), Window(80, 190, 120, 50), Window(0, 0, *SHAPE)):
        assert np.array_equal(done.activation(window), np.pad(expected, 100, constant_values=NODATA)[window.shift(110, 110).slices])


def test_an_image_without_data_asks_nobody(tmp_path):
    evidence = Brightness()
    empty = MemoryImage(np.zeros((1, *SHAPE), np.uint8), np.zeros(SHAPE, dtype=bool))
    scan = run(a_plan(), empty, tmp_path, evidence)
    assert evidence.screened == evidence.explained == list(scan.scores()) == []
    assert (whole(scan, "mask") == NODATA).all()
    assert (whole(scan, "score") == NODATA).all()


def test_an_image_smaller_than_a_window(tmp_path):
    white = MemoryImage(np.full((10, 12), 255, np.uint8))
    scan = run(a_plan(shape=(1, 10, 12), region=Window(0, 0, 10, 12)), white, tmp_path)
    ((window, score),) = scan.scores()
    assert window == Window(0, 0, EDGE, EDGE)
    assert score[0] == pytest.approx(10 * 12 / EDGE**2)
    assert scan.blocks.load(0).mask.shape == (10, 12)


def test_steps_are_told(image, tmp_path):
    class Heard(Silent):
        steps, lines = [], []

        def step(self, task, done, total):
            self.steps.append((task, done, total))

        def say(self, line):
            self.lines.append(line)

    plan = a_plan(block=16)
    Scan(plan, image, Brightness(), tmp_path).run(SerialRunner(), Heard())
    units, blocks = len(plan.units), len(plan.blocks)
    assert Heard.steps == [("windows", i + 1, units) for i in range(units)] + [("blocks", i + 1, blocks) for i in range(blocks)]
    assert [line.split(", about")[0] for line in Heard.lines] == [f"blocks: {blocks} units to do"]


@pytest.mark.parametrize("method", ["screen", "maps"])
def test_answers_that_are_no_numbers_stop_the_run(image, tmp_path, method):
    """Otherwise windows with NaN would pass for windows without data, and the scan would find nothing, quietly."""
    evidence = Brightness()
    answer = getattr(evidence, method)
    setattr(evidence, method, lambda windows: answer(windows) * np.nan)
    with pytest.raises(RunError, match="must be numbers"):
        run(a_plan(), image, tmp_path, evidence)


def test_image_and_evidence_keep_to_the_plan(image, tmp_path):
    with pytest.raises(ConfigError, match="keeps to its plan"):
        Scan(a_plan(shape=(3, *SHAPE)), image, Brightness(), tmp_path)
    with pytest.raises(ConfigError, match="keeps to its plan"):
        Scan(a_plan(channels=("grad-cam",)), image, Brightness(), tmp_path)


@pytest.mark.parametrize("window", [32, 400, 1000])
def test_maps_in_memory_are_bounded(tmp_path, window):
    plan = a_plan(shape=(1, 2000, 2000), region=Window(0, 0, 2000, 2000), grid=GridConfig(window=window))
    scan = Scan(plan, MemoryImage(np.zeros((2000, 2000), np.uint8)), Brightness(), tmp_path)
    assert scan._load_unit.cache_info().maxsize * UNIT * window**2 <= 260e6
