"""Dense CRF: speed against pydensecrf, accuracy against brute force, tiles against the whole.

The last line is one JSON object. Figures: time of pydensecrf / ours at 2048 x 2048 px, 5 iterations, one CPU thread each,
set-up included (best of the runs, taken in turn); share of labels equal to brute force and mean |dQ| (worst of the
scenes); share of labels equal to pydensecrf on smooth 512 px scenes (all of them, and the worst); share of labels that
change when a scene is cut into 256 px blocks read with CrfConfig.halo (worst); the same share and |dQ| for three bands
on our backend pydensecrf, beside brute force. Where CUDA is found, also pydensecrf / ours on the GPU. --quick takes fewer
and smaller scenes but for the speed. --full adds the peak memory of a fresh process that refines a scene of 30,000 x 30,000
px in blocks, each made from its absolute coordinates and read with its halo: of the scene itself nothing is ever held.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from segcore.crf import REFERENCE, CrfConfig, refine
from segcore.windows import Window, block_grid

Scene = tuple[Tensor, Tensor]
LARGE, BLOCK = 30_000, 1024
"""Edges in pixels of the scene and of the blocks whose memory is measured."""
CRATERS = 400
"""Distance in pixels between the round things that the large scene shows."""


def scene(height: int, width: int, seed: int, grain: float = 10.0) -> Scene:
    """A probability and a smooth image with a little noise, both (height, width)."""
    rng = np.random.default_rng(seed)
    image = gaussian_filter(rng.standard_normal((height, width)), 12)
    image = (255 * (image - image.min()) / np.ptp(image) + rng.normal(0, 4, (height, width))).clip(0, 255)
    logit = gaussian_filter(rng.standard_normal((height, width)), grain)
    probability = 1 / (1 + np.exp(-1.5 * (logit - logit.mean()) / logit.std()))
    return torch.tensor(probability, dtype=torch.float32), torch.tensor(image, dtype=torch.float32)


def normalised(features: np.ndarray) -> np.ndarray:
    """D^-1/2 K D^-1/2 of features (D, N) already divided by their sigmas, (N, N) float32."""
    features = features.astype(np.float32)
    norms = (features**2).sum(0)
    kernel = features.T @ features
    kernel -= 0.5 * norms
    kernel -= 0.5 * norms[:, None]
    np.exp(kernel, out=kernel)
    scale = kernel.sum(1, dtype=np.float64).astype(np.float32) ** -0.5
    kernel *= scale
    kernel *= scale[:, None]
    return kernel


def brute_force(probability: Tensor, image: Tensor, config: CrfConfig) -> Tensor:
    """Mean field with full N x N kernels; image (H, W) or (C, H, W)."""
    p = probability.double().numpy().reshape(-1).clip(1e-5, 1 - 1e-5)
    place = np.indices(probability.shape).reshape(2, -1) - np.array(probability.shape)[:, None] / 2
    grey = image.double().numpy().reshape(-1, probability.numel()) - 127
    kernel = config.appearance_weight * normalised(np.concatenate([place / config.appearance_sigma, grey / config.intensity_sigma]))
    kernel += config.smooth_weight * normalised(place / config.smooth_sigma)
    q = np.stack([1 - p, p])
    energy = -np.log(q)
    for _ in range(config.iterations):
        q = np.exp(-energy + q.astype(np.float32) @ kernel)
        q /= q.sum(0)
    return torch.from_numpy(q[1].reshape(probability.shape))


def pydensecrf(probability: Tensor, image: Tensor, config: CrfConfig) -> Tensor:
    """The same CRF on the permutohedral lattice, with one band as the only colour."""
    from pydensecrf.densecrf import DenseCRF2D

    height, width = probability.shape
    row, col = np.indices(probability.shape, dtype=np.float32) / np.float32(config.appearance_sigma)
    features = np.stack([col, row, image.numpy() / np.float32(config.intensity_sigma)]).reshape(3, -1)
    unary = -torch.stack([1 - probability, probability]).clamp(1e-5, 1).log().reshape(2, -1)
    model = DenseCRF2D(width, height, 2)
    model.setUnaryEnergy(np.ascontiguousarray(unary.numpy()))
    model.addPairwiseGaussian(sxy=config.smooth_sigma, compat=config.smooth_weight)
    model.addPairwiseEnergy(np.ascontiguousarray(features), compat=config.appearance_weight)
    return torch.from_numpy(np.array(model.inference(config.iterations))[1].reshape(height, width))


def tiled(probability: Tensor, image: Tensor, config: CrfConfig) -> Tensor:
    """The scene in blocks of 256 px, each read with its halo and refined at its own origin."""
    whole = Window(0, 0, *probability.shape)
    result = torch.empty_like(probability)
    for core in block_grid((whole.height, whole.width), 256):
        read = core.grow(config.halo).overlap(whole)
        refined = refine(probability[read.slices], image[read.slices], config, origin=(read.row, read.col))
        result[core.slices] = refined[core.shift(-read.row, -read.col).slices]
    return result


def equal_labels(a: Tensor, b: Tensor) -> float:
    return ((a > 0.5) == (b > 0.5)).double().mean().item()


def seconds(call: Callable[[], Tensor]) -> float:
    start = time.perf_counter()
    call().cpu()
    return time.perf_counter() - start


def speed(size: int, runs: int) -> dict[str, float]:
    """Best time of each side, in turn, on one thread."""
    probability, image = scene(size, size, seed=0)
    ours, theirs = [], []
    for _ in range(runs):
        ours.append(seconds(lambda: refine(probability, image, REFERENCE)))
        theirs.append(seconds(lambda: pydensecrf(probability, image, REFERENCE)))
    print(f"{size} x {size} px, 5 iterations: ours {min(ours):.2f} s, pydensecrf {min(theirs):.2f} s")
    figures = {f"speedup_vs_pydensecrf_{size}": min(theirs) / min(ours)}
    if torch.cuda.is_available():
        on_gpu = probability.cuda(), image.cuda()
        gpu = min(seconds(lambda: refine(*on_gpu, REFERENCE)) for _ in range(3 * runs))
        print(f"the same on {torch.cuda.get_device_name()}: ours {gpu:.4f} s")
        figures[f"gpu_speedup_vs_pydensecrf_{size}"] = min(theirs) / gpu
    return figures


def accuracy(shape: tuple[int, int], seeds: int) -> dict[str, float]:
    equal, distance = [], []
    for seed in range(seeds):
        probability, image = scene(*shape, seed=seed, grain=4.0)
        expected = brute_force(probability, image, REFERENCE)
        refined = refine(probability, image, REFERENCE)
        equal.append(equal_labels(refined, expected))
        distance.append((refined - expected).abs().mean().item())
    return {"argmax_vs_brute": min(equal), "mean_dq_vs_brute": max(distance)}


def agreement(seeds: int) -> dict[str, float]:
    scenes = [scene(512, 512, seed=seed) for seed in range(seeds)]
    shares = [equal_labels(refine(*s, REFERENCE), pydensecrf(*s, REFERENCE)) for s in scenes]
    return {"agreement_vs_pydensecrf": sum(shares) / seeds, "agreement_vs_pydensecrf_worst_scene": min(shares)}


def tiling(size: int, seeds: int) -> dict[str, float]:
    scenes = [scene(size, size, seed=seed) for seed in range(seeds)]
    return {"tiled_disagreement": max(1 - equal_labels(refine(*s, REFERENCE), tiled(*s, REFERENCE)) for s in scenes)}


def three_bands(shape: tuple[int, int], seeds: int) -> dict[str, float]:
    """Our backend pydensecrf on three bands, beside brute force."""
    config = replace(REFERENCE, backend="pydensecrf")
    equal, distance = [], []
    for seed in range(seeds):
        probability, image = scene(*shape, seed=seed, grain=4.0)
        bands = torch.stack([image, *(scene(*shape, seed=seed + 100 * band)[1] for band in (1, 2))])
        expected = brute_force(probability, bands, REFERENCE)
        refined = refine(probability, bands, config)
        equal.append(equal_labels(refined, expected))
        distance.append((refined - expected).abs().mean().item())
    return {"argmax_vs_brute_three_bands_pydensecrf": min(equal), "mean_dq_vs_brute_three_bands_pydensecrf": max(distance)}


def large_scene(window: Window) -> Scene:
    """A window of a scene without end, the same whatever window asks: rings on waves with grain, and a map that is a little off."""
    row = torch.arange(window.row, window.row + window.height, dtype=torch.float64)[:, None]
    col = torch.arange(window.col, window.col + window.width, dtype=torch.float64)
    waves = torch.sin(row / 97 + 2 * torch.sin(col / 231)) + torch.sin(col / 83 + 2 * torch.sin(row / 197))
    grain = torch.sin(12.9898 * row + 78.233 * col).mul_(43758.5453).frac_()
    place = [torch.remainder(axis + 20 * torch.sin(axis / 1009), CRATERS) - CRATERS / 2 for axis in (row, col)]
    distance = torch.hypot(*torch.broadcast_tensors(*place))
    ring = torch.exp(-(((distance - 60) / 8) ** 2))
    image = (110 + 30 * waves + 60 * ring + 8 * grain).clamp_(0, 255)
    probability = torch.sigmoid((70 - torch.hypot(place[0] - 9, place[1] + 6)) / 12 + waves)
    return probability.float(), image.float()


def refine_large(size: int) -> dict[str, float]:
    """Refine a scene of size x size in blocks, counting the site pixels; peak memory of this process."""
    torch.set_num_threads(1)
    whole, sites, start = Window(0, 0, size, size), 0, time.perf_counter()
    for core in block_grid((size, size), BLOCK):
        read = core.grow(REFERENCE.halo).overlap(whole)
        refined = refine(*large_scene(read), REFERENCE, origin=(read.row, read.col))
        sites += int((refined[core.shift(-read.row, -read.col).slices] > 0.5).sum())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {"peak_gb": peak / 1e9, "minutes": (time.perf_counter() - start) / 60, "site_share": sites / size**2}


def memory(size: int) -> dict[str, float]:
    """Peak memory of a fresh process. Ask before this process grows: on Linux a child begins with its parent's peak."""
    done = subprocess.run([sys.executable, __file__, "--large", str(size)], stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    print(
        f"{size} x {size} px in blocks of {BLOCK} px with a halo of {REFERENCE.halo} px: peak {found['peak_gb']:.2f} GB, "
        f"{found['minutes']:.1f} min on one thread, {found['site_share']:.1%} site"
    )
    return {f"peak_gb_{size}": found["peak_gb"]}


def machine() -> str:
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}"


def measure(quick: bool) -> dict[str, float]:
    torch.set_num_threads(1)
    figures = speed(2048, 2 if quick else 5)
    figures |= accuracy((40, 50), 2) if quick else accuracy((100, 100), 4)
    figures |= three_bands((40, 50), 2) if quick else three_bands((100, 100), 4)
    figures |= agreement(2 if quick else 8)
    return figures | (tiling(768, 1) if quick else tiling(1024, 6))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--quick", action="store_true", help="fewer runs and scenes, and smaller ones but for the speed")
    mode.add_argument("--full", action="store_true", help=f"also the memory of {LARGE} x {LARGE} px; takes long")
    mode.add_argument(
        "--large", type=int, metavar="SIZE", help="nothing but the memory and time of SIZE x SIZE px in this process, as JSON"
    )
    given = parser.parse_args()
    if given.large:
        print(json.dumps(refine_large(given.large)))
        return
    if find_spec("pydensecrf") is None:
        print("the speed is a ratio to pydensecrf, which is not installed; run: pip install 'geocellseg[crf]'", file=sys.stderr)
        sys.exit(3)
    figures = (memory(LARGE) if given.full else {}) | measure(given.quick)
    figures = {key: round(value, 5) for key, value in figures.items()}
    print("| figure | value |\n|---|---|")
    for key, value in figures.items():
        print(f"| {key} | {value} |")
    sizes = {"brute_force_px": [40, 50] if given.quick else [100, 100], "tiled_scene_px": 768 if given.quick else 1024}
    if given.full:
        sizes["block_px"] = BLOCK
    name = "quick" if given.quick else "full" if given.full else "default"
    print(json.dumps({"name": "crf", "mode": name, "machine": machine(), "sizes": sizes, "figures": figures}))


if __name__ == "__main__":
    main()
