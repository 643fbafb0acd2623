"""Networks by name, and weights from local files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from segcore._compat import import_timm
from segcore.errors import BundleError, ConfigError, InputError
from segcore.nets.classifier import build_classifier

timm = import_timm()


def store(path: Path, arch: str, *, bands: int, classes: int) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = timm.create_model(arch, in_chans=bands, num_classes=classes).state_dict()
    save_file(state, path)
    return state


@pytest.mark.parametrize(("arch", "bands"), [("resnet18", 1), ("densenet121", 3), ("mobilenetv3_small_100", 4)])
def test_two_logits_for_any_number_of_bands(arch: str, bands: int) -> None:
    model = build_classifier(arch, bands=bands).eval()
    assert model(torch.zeros(2, bands, 64, 64)).shape == (2, 2)


def test_the_same_generator_state_gives_the_same_network() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        first = build_classifier("resnet10t", bands=1).state_dict()
        torch.manual_seed(5)
        second = build_classifier("resnet10t", bands=1).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_an_unknown_name_lists_its_neighbours() -> None:
    with pytest.raises(ConfigError, match=r"'resnt34' is not there\. Close names: .*resnet34"):
        build_classifier("resnt34", bands=1)


def test_nonsense_and_remote_names_are_refused() -> None:
    with pytest.raises(ConfigError, match="for example resnet34"):
        build_classifier("hf-hub:§§§", bands=1)
    with pytest.raises(ConfigError, match=r"got 'nosuch'"):
        build_classifier("resnet18.nosuch", bands=1)
    with pytest.raises(ConfigError, match="at least one band"):
        build_classifier("resnet18", bands=0)


def test_a_file_of_the_same_sizes_is_loaded_whole(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    state = store(path, "resnet18", bands=1, classes=2)
    loaded = build_classifier("resnet18", bands=1, weights=path).state_dict()
    assert loaded.keys() == state.keys()
    assert all(torch.equal(loaded[name], state[name]) for name in state)


@pytest.mark.parametrize("classes", [5, 0])
def test_another_head_and_band_count_are_adapted(tmp_path: Path, classes: int) -> None:
    path = tmp_path / "w.safetensors"
    state = store(path, "resnet18", bands=3, classes=classes)
    loaded = build_classifier("resnet18", bands=1, weights=str(path)).state_dict()
    torch.testing.assert_close(loaded["conv1.weight"], state["conv1.weight"].sum(dim=1, keepdim=True))
    assert loaded["fc.weight"].shape == (2, 512)
    assert torch.equal(loaded["layer4.1.conv2.weight"], state["layer4.1.conv2.weight"])


def test_more_bands_keep_the_answer_to_grey_images(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    store(path, "resnet18", bands=1, classes=2)
    grey = torch.linspace(-1, 1, 64 * 64).reshape(1, 1, 64, 64)
    one = build_classifier("resnet18", bands=1, weights=path).eval()
    four = build_classifier("resnet18", bands=4, weights=path).eval()
    torch.testing.assert_close(four(grey.expand(1, 4, 64, 64)), one(grey), rtol=1e-4, atol=1e-5)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    store(path, "resnet18", bands=1, classes=7)
    with pytest.raises(BundleError, match="does not hold weights of resnet34"):
        build_classifier("resnet34", bands=1, weights=path)


def test_a_file_that_lacks_a_layer_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    state = store(path, "resnet18", bands=1, classes=7)
    save_file({name: value for name, value in state.items() if not name.startswith("layer3")}, path)
    with pytest.raises(BundleError, match="does not hold weights of resnet18"):
        build_classifier("resnet18", bands=1, weights=path)


@pytest.mark.parametrize("content", [b"", b"not safetensors at all", b"\xff" * 64])
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    with pytest.raises(BundleError, match="must be a safetensors file"):
        build_classifier("resnet18", bands=1, weights=path)


def test_only_safetensors_are_read(tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    torch.save({}, path)
    with pytest.raises(InputError, match=r"a \.safetensors file, got"):
        build_classifier("resnet18", bands=1, weights=path)
    with pytest.raises(InputError, match="not there"):
        build_classifier("resnet18", bands=1, weights=tmp_path / "none.safetensors")


def test_a_hub_out_of_reach_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_args: Any, **_options: Any) -> None:
        raise ConnectionError("no route\nto host")

    monkeypatch.setattr(timm, "create_model", unreachable)
    with pytest.raises(InputError, match=r"could not be downloaded \(ConnectionError\).*local \.safetensors file") as caught:
        build_classifier("resnet18", bands=1, weights="imagenet")
    assert "\n" not in str(caught.value)


def test_a_network_without_pretrained_weights_says_so() -> None:
    without = next(name for name in timm.list_models("resnet*") if not timm.list_pretrained(name))
    with pytest.raises(InputError, match="has no pretrained weights"):
        build_classifier(without, bands=1, weights="imagenet")
