"""Activation maps: right against oracles, fast against peers, quiet over empty ground.

The last line is one JSON object. Errors are relative to the oracle's maximum, of the worst network; networks have running
statistics from data and logits near +-3. Speeds are best times of both sides taken in turn in one process, float32, 2 threads.

- gradcam_max_err: Grad-CAM against captum on vgg16, resnet34, densenet121 and efficientnet_b0.
- guided_functional_relu_err: guided backpropagation of a network of functional ReLUs against one that overrides each.
- scorecam_s: Score-CAM on the 64 channels of resnet18's layer1, one 96 px image; beside the package grad-cam and torchcam.
- smooth_guided_over_forward: smoothed Guided Grad-CAM over a no-grad forward of the same batch, 16 windows of 128 px; the
  larger of resnet34 and densenet121.
- occlusion_speedup_vs_captum: one 128 px window, resnet18, windows of 16 px at stride 8, against captum as it comes;
  occlusion_speedup_vs_captum_best: against captum with the best of several perturbations_per_eval.
- empty_window_hotspots_*: share of 200 windows of 128 px of the relief's right quarter, free of sites and ignored objects,
  in which last-stage Grad-CAM passes half of its scale: calibrated, and scaled window by window (minmax). Other maps, and
  the same behind the model's gate, are printed. Needs --model, a bundle such as the one that `make demo` leaves.

Data: --data, $GEOCELLSEG_DATA or ../shared/data; exit 3 where data, model or a peer is missing.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from segcore._compat import import_timm
from segcore.cam.gradient import grad_cam, upsample
from segcore.cam.guided import guided_gradient, smooth_guided_grad_cam
from segcore.cam.layers import default_layer
from segcore.cam.occlusion import occlusion
from segcore.cam.score_cam import score_cam
from segcore.cam.scores import class_probability, class_score

BORDER, WINDOW, WINDOWS = 5760, 128, 200
ARCHS = ("vgg16", "resnet34", "densenet121", "efficientnet_b0")
PROBABILITY = class_probability(1)
Figures = dict[str, float]


def lively(arch: str, size: int) -> nn.Module:
    """A network whose running statistics come from data, and whose logits are near +-3."""
    torch.manual_seed(1)
    model = import_timm().create_model(arch, num_classes=2, in_chans=1)
    images = textures(12, size, seed=9)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # plain average
    with torch.no_grad():
        model.train()(images)
        logits = model.eval()(images)
        head = model.get_classifier()
        head.weight *= 3 / logits.std(dim=0)[:, None]
        head.bias.copy_(-(3 / logits.std(dim=0)) * (logits - head.bias).mean(dim=0))
    return model


def textures(count: int, size: int, *, seed: int = 0) -> Tensor:
    noise = torch.randn(count, 1, size, size, generator=torch.Generator().manual_seed(seed))
    return 4 * functional.avg_pool2d(noise, 5, stride=1, padding=2)


def error(ours: Tensor, oracle: Tensor) -> float:
    if not oracle.abs().max() > 0:
        raise RuntimeError("an oracle of zeros proves nothing")
    return float((ours - oracle).abs().max() / oracle.abs().max())


def gradcam_error(size: int) -> Figures:
    from captum.attr import LayerGradCam

    errors, images = {}, textures(2, size)
    for arch in ARCHS:
        model = lively(arch, size)
        layer = default_layer(model)
        explainer, oracles = LayerGradCam(model, model.get_submodule(layer)), []
        for index in (0, 1):
            raw = explainer.attribute(images.clone(), target=index, relu_attributions=True).detach()
            oracles.append(upsample(raw[:, 0], images))
        index = int(oracles[1].max() > oracles[0].max())  # the class that has a map at all
        errors[arch] = error(grad_cam(model, images, layer, class_score(index)), oracles[index])
    print("Grad-CAM against captum:", ", ".join(f"{arch} {value:.1e}" for arch, value in errors.items()))
    return {"gradcam_max_err": max(errors.values())}


class _Override(torch.autograd.Function):
    """A ReLU written out, forward and guided backward."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        ctx.save_for_backward(values)
        return values * (values > 0)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (values,) = ctx.saved_tensors
        return grad * (values > 0) * (grad > 0)


class Functional(nn.Module):
    """Six convolutions with a shortcut, rectified by a function."""

    def __init__(self, rectify: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.rectify = rectify
        self.first = nn.Conv2d(1, 16, 3, padding=1)
        self.layers = nn.ModuleList(nn.Conv2d(16, 16, 3, padding=1) for _ in range(5))
        self.head = nn.Linear(16, 2)

    def forward(self, images: Tensor) -> Tensor:
        values = self.rectify(self.first(images))
        for layer in self.layers:
            values = self.rectify(layer(values) + values)
        return self.head(values.mean(dim=(2, 3)))


def guided_error(size: int) -> Figures:
    errors, images = {}, textures(2, size)
    forms: Mapping[str, Callable[[Tensor], Tensor]] = {
        "functional.relu": functional.relu,
        "torch.relu": torch.relu,
        "in place": lambda values: functional.relu(values, inplace=True),
        "clamp": lambda values: values.clamp(min=0),
    }
    for name, form in forms.items():
        torch.manual_seed(2)
        model = Functional(form).eval()
        with torch.no_grad():
            model.head.weight *= 3 / model(images).std()
        reference = Functional(_Override.apply).eval()
        reference.load_state_dict(model.state_dict())
        leaf = images.clone().requires_grad_()
        (oracle,) = torch.autograd.grad(reference(leaf)[:, 1].sum(), leaf)
        errors[name] = error(guided_gradient(model, images, class_score(1)), oracle)
    print("guided backpropagation against overridden ReLUs:", ", ".join(f"{name} {value:.1e}" for name, value in errors.items()))
    return {"guided_functional_relu_err": max(errors.values())}


def best_times(calls: Mapping[str, Callable[[], object]], runs: int) -> dict[str, float]:
    """Best time of each call in seconds, taken in turn."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for run in range(runs + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if run:  # the first one warms up
                times[name].append(time.perf_counter() - start)
    found = {name: min(own) for name, own in times.items()}
    print("  " + ", ".join(f"{name} {1000 * value:.0f} ms" for name, value in found.items()))
    return found


def scorecam_speed(runs: int) -> Figures:
    from pytorch_grad_cam import ScoreCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
    from torchcam.methods import ScoreCAM as TorchScoreCAM

    model, image = lively("resnet18", 96), textures(1, 96)
    theirs = ScoreCAM(model=model, target_layers=[model.layer1])
    theirs.batch_size = 64

    def torchcam() -> object:
        with TorchScoreCAM(model, "layer1", input_shape=(1, 96, 96), batch_size=64) as extractor:
            return extractor(1, model(image))

    def one_by_one() -> None:
        with torch.no_grad():
            for _ in range(64):
                model(image)

    print("Score-CAM, resnet18 layer1, 64 channels, 96 px:")
    found = best_times(
        {
            "ours": lambda: score_cam(model, image, "layer1", PROBABILITY),
            "grad-cam": lambda: theirs(input_tensor=image, targets=[ClassifierOutputTarget(1)]),
            "torchcam": torchcam,
            "64 forwards one by one": one_by_one,
        },
        runs,
    )
    return {
        "scorecam_s": found["ours"],
        "scorecam_speedup_vs_gradcam_package": found["grad-cam"] / found["ours"],
        "scorecam_speedup_vs_torchcam": found["torchcam"] / found["ours"],
    }


def guided_cost(runs: int) -> Figures:
    ratios = {}
    for arch in ("resnet34", "densenet121"):
        model, images = lively(arch, 128), textures(16, 128)
        layer = default_layer(model)

        def forward(model: nn.Module = model, images: Tensor = images) -> object:
            with torch.no_grad():
                return model(images)

        print(f"smoothed Guided Grad-CAM, {arch}, 16 x 128 px:")
        ours = lambda model=model, images=images, layer=layer: smooth_guided_grad_cam(model, images, layer, class_score(1))  # noqa: E731
        found = best_times({"forward": forward, "ours": ours}, runs)
        ratios[arch] = found["ours"] / found["forward"]
    return {"smooth_guided_over_forward": max(ratios.values())}


def occlusion_speed(runs: int) -> Figures:
    from captum.attr import Occlusion

    model, image = lively("resnet18", 128), textures(1, 128)
    theirs = Occlusion(lambda images: model(images).softmax(dim=1)[:, 1])

    def captum(per_eval: int) -> Callable[[], Tensor]:
        return lambda: theirs.attribute(image, sliding_window_shapes=(1, 16, 16), strides=(1, 8, 8), perturbations_per_eval=per_eval)

    def ours() -> Tensor:
        return occlusion(model, image, PROBABILITY, window=16, stride=8)

    print(f"occlusion, resnet18, 128 px, 225 windows of 16 px (against captum: {error(ours(), captum(16)()[:, 0]):.1e}):")
    sizes = (4, 8, 16, 32, 64)
    calls = {"ours": ours, "captum": captum(1), **{f"captum x{size}": captum(size) for size in sizes}}
    found = best_times(calls, runs)
    best = min(found[f"captum x{size}"] for size in sizes)
    return {
        "occlusion_speedup_vs_captum": found["captum"] / found["ours"],
        "occlusion_speedup_vs_captum_best": min(best, found["captum"]) / found["ours"],
    }


def empty_windows(data: Path, path: Path) -> Figures:
    """Share of empty windows with a hotspot, for each map of the model."""
    from geoseg.model import load_model
    from geoseg.scene import RasterOptions, open_scene
    from segcore.data.stretch import StretchedImage
    from segcore.progress import Silent

    model = load_model(path)
    scene = open_scene(data / "raster_pan_u8_2m.tif", RasterOptions(), progress=Silent())
    image = StretchedImage(scene.source, model.stretch_for(scene.source, scene.source.fingerprint))
    windows = torch.from_numpy(np.stack([image.read(own) for own in free_windows(scene, data)]))
    last = model.choose("grad-cam", model.outline.choice)
    table, figures = [], {}
    for choice in model.choices:
        evidence = model.evidence(choice, device="cpu")
        scores = evidence.screen(windows).mean(dim=1)
        maps = torch.cat([evidence.maps(own)[:, 0] for own in windows.split(16)])
        hot = (maps > 0.5).flatten(1).any(dim=1)
        low, high = maps.amin(dim=(1, 2), keepdim=True), maps.amax(dim=(1, 2), keepdim=True)
        stretched = (maps - low) / (high - low).clamp(min=1e-12)
        per_window = (stretched > 0.5).flatten(1).any(dim=1)
        gated = hot & (scores >= model.scan.gate)
        shares = [float(own.float().mean()) for own in (hot, gated, per_window)]
        table.append((str(choice), *shares))
        if choice == last:
            figures = {"empty_window_hotspots_calibrated": shares[0], "empty_window_hotspots_minmax": shares[2]}
    print(f"hotspots in {len(windows)} empty windows (gate {model.scan.gate:g}):")
    print("| map | calibrated | behind the gate | window by window |\n|---|---|---|---|")
    for key, *shares in table:
        print(f"| {key} | " + " | ".join(f"{100 * share:.1f} %" for share in shares) + " |")
    return figures


def free_windows(scene: Any, data: Path) -> list[Any]:
    """200 windows of the right quarter that touch neither a site nor an ignored object, drawn with seed 0."""
    from geoseg.vectors import rasterise, read_polygons
    from segcore.windows import Window

    taken = [read_polygons(data / name, scene.grid.crs) for name in ("site_polygons_expertA_32638.gpkg", "ignore_32638.gpkg")]
    rng, found = np.random.default_rng(0), []
    height, width = scene.grid.height, scene.grid.width
    while len(found) < WINDOWS:
        window = Window(int(rng.integers(0, height - WINDOW)), int(rng.integers(BORDER, width - WINDOW)), WINDOW, WINDOW)
        if scene.source.mask(window).all() and not any(rasterise(own.geometry, scene.grid, window).any() for own in taken):
            found.append(window)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="a bundle, such as demo/MODEL")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("GEOCELLSEG_DATA", "../shared/data")))
    parser.add_argument("--quick", action="store_true", help="fewer runs, smaller images for the errors")
    options = parser.parse_args()
    relief = options.data / "geo" / "relief"
    import_timm()  # before the peers: they need what it mends in torchvision
    missing = [name for name in ("captum", "torchcam", "pytorch_grad_cam") if find_spec(name) is None]
    if missing:
        sys.exit(_absent(f"{', '.join(missing)} not installed; run: pip install 'geocellseg[bench]'"))
    if options.model is None or not (options.model / "bundle.json").is_file() or not relief.is_dir():
        sys.exit(_absent(f"the empty windows need --model, a bundle such as demo/MODEL, and {relief}"))
    warnings.filterwarnings("ignore", category=UserWarning)  # captum and torch explain themselves at each call
    torch.set_num_threads(2)
    runs = 3 if options.quick else 10
    size = 96 if options.quick else 128
    figures = gradcam_error(size) | guided_error(size) | scorecam_speed(runs) | guided_cost(max(2, runs // 2))
    figures |= occlusion_speed(max(2, runs // 3)) | empty_windows(relief, options.model)
    figures = {key: float(f"{value:.4g}") for key, value in figures.items()}
    print("| figure | value |\n|---|---|")
    for key, value in figures.items():
        print(f"| {key} | {value} |")
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}"
    print(json.dumps({"name": "cam", "mode": "quick" if options.quick else "default", "machine": machine, "figures": figures}))


def _absent(text: str) -> int:
    print(text, file=sys.stderr)
    return 3


if __name__ == "__main__":
    main()
