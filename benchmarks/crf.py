"""Dense CRF: speed against pydensecrf, accuracy against brute force, tiles against the whole.

The last line is one JSON object. Figures: time of pydensecrf / ours at 2048 x 2048 px, 5 iterations, one CPU thread each,
set-up included (best of the runs, taken in turn); share of labels equal to brute force and mean |dQ| (worst of the
scenes); share of labels equal to pydensecrf on smooth 512 px scenes (all of them, and the worst); share of labels that
change when a scene is cut into 256 px blocks read with CrfConfig.halo (worst). Where CUDA is found, also pydensecrf /
ours on the GPU. --quick takes fewer and smaller scenes but for the speed.
"""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from segcore.crf import REFERENCE, CrfConfig, refine
from segcore.windows import Window, block_grid

Scene = tuple[Tensor, Tensor]


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
    """Mean field with full N x N kernels."""
    p = probability.double().numpy().reshape(-1).clip(1e-5, 1 - 1e-5)
    place = np.indices(probability.shape).reshape(2, -1) - np.array(probability.shape)[:, None] / 2
    grey = image.double().numpy().reshape(1, -1) - 127
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


def machine() -> str:
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer runs and scenes, and smaller ones but for the speed")
    quick = parser.parse_args().quick
    if find_spec("pydensecrf") is None:
        print("the speed is a ratio to pydensecrf, which is not installed; run: pip install 'geocellseg[crf]'", file=sys.stderr)
        sys.exit(3)
    torch.set_num_threads(1)
    figures = speed(2048, 2 if quick else 5)
    figures |= accuracy((40, 50), 2) if quick else accuracy((100, 100), 4)
    figures |= agreement(2 if quick else 8)
    figures |= tiling(768, 1) if quick else tiling(1024, 6)
    figures = {key: round(value, 5) for key, value in figures.items()}
    print("| figure | value |\n|---|---|")
    for key, value in figures.items():
        print(f"| {key} | {value} |")
    sizes = {"brute_force_px": [40, 50] if quick else [100, 100], "tiled_scene_px": 768 if quick else 1024}
    print(json.dumps({"name": "crf", "mode": "quick" if quick else "default", "machine": machine(), "sizes": sizes, "figures": figures}))


if __name__ == "__main__":
    main()
