"""A model as a folder: bundle.json says what it is, safetensors hold the weights. No pickle is ever read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from segcore.errors import BundleError, InputError
from segcore.files import fresh_dir, read_json, sha256, write_json

FORMAT = 1
"""Version of the folder's layout."""
KINDS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "site-classifier": frozenset(
            {"arch", "bands", "classes", "window", "pixel_size", "stretch", "calibration", "outline", "scan", "tuned_on", "split", "sites"}
        ),
        "segmenter": frozenset({"net", "options", "channels", "classes", "target", "pixel_size_um", "normalise", "patch", "metrics"}),
    }
)
"""Kind of bundle -> facts it must state."""

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A trained model: JSON facts, several members (one set of named tensors each), other named tensors.

    Raises:
        BundleError: the kind is unknown, a fact is missing, or there is no member.
    """

    kind: str
    facts: Mapping[str, Any]
    """JSON values; at least those that KINDS lists for the kind."""
    members: Sequence[Tensors]
    """Weights of each network of the ensemble."""
    tensors: Tensors = field(default_factory=dict)
    """Any other named tensors."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """As segcore.provenance.collect makes it."""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise BundleError(f"a model is one of {', '.join(sorted(KINDS))}; this one says {self.kind!r}. A newer geocellseg may know it.")
        missing = sorted(KINDS[self.kind] - set(self.facts))
        if missing:
            raise BundleError(f"a {self.kind} states {', '.join(missing)}; this one does not. Train it again.")
        if not self.members:
            raise BundleError("a model holds at least one network; this one holds none. Train it again.")


def save_bundle(bundle: Bundle, path: Path, *, overwrite: bool = False) -> None:
    """Write a bundle as a new folder, whole or not at all.

    Raises:
        OutputError: path exists and overwrite is off, path is no bundle, or it cannot be written.
        ValueError: the facts or the provenance hold NaN or an infinity.
    """
    with fresh_dir(path, overwrite=overwrite, replaces="bundle.json") as folder:
        files = {f"member-{i}.safetensors": dict(member) for i, member in enumerate(bundle.members)}
        if bundle.tensors:
            files["tensors.safetensors"] = dict(bundle.tensors)
        for name, tensors in files.items():
            (folder / name).write_bytes(save({key: value.detach().cpu().contiguous().clone() for key, value in tensors.items()}))
        content = {
            "format": FORMAT,
            "kind": bundle.kind,
            "members": len(bundle.members),
            "files": {name: sha256(folder / name) for name in files},
            "facts": dict(bundle.facts),
            "provenance": dict(bundle.provenance),
        }
        write_json(folder / "bundle.json", content)


def load_bundle(path: Path, kind: str) -> Bundle:
    """Read a bundle of the wanted kind; every file is checked against the digest that bundle.json states.

    Raises:
        BundleError: no bundle, another kind or layout, a file missing, cut short, altered, or not safetensors.
    """
    content = _read_content(path)
    if content.get("kind") != kind:
        raise BundleError(f"a {kind} is needed here; {path} is a {content.get('kind')!r}. Choose another model.")
    try:
        files: dict[str, str] = dict(content["files"])
        if not (isinstance(content["members"], int) and 0 <= content["members"] <= len(files)):
            raise ValueError("members")
        names = [f"member-{i}.safetensors" for i in range(content["members"])]
        loaded = {name: _load_tensors(path / name, files[name]) for name in (*names, *(n for n in files if n == "tensors.safetensors"))}
        return Bundle(
            kind=kind,
            facts=dict(content["facts"]),
            members=[loaded[name] for name in names],
            tensors=loaded.get("tensors.safetensors", {}),
            provenance=dict(content["provenance"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, BundleError):
            raise
        raise BundleError(
            f"{path / 'bundle.json'} lacks or garbles {error}; the folder is not a whole model. Copy or train it again."
        ) from error


def bundle_hash(path: Path) -> str:
    """sha256 of bundle.json, which names the digest of every other file: identifies the model.

    Raises:
        BundleError: no bundle, or of another layout.
    """
    _read_content(path)
    return sha256(path / "bundle.json")


def _read_content(path: Path) -> dict[str, Any]:
    if not (path / "bundle.json").is_file():
        raise BundleError(f"a model is a folder with bundle.json; {path} is none. Pass what `train` wrote.")
    try:
        content = read_json(path / "bundle.json")
    except InputError as error:
        raise BundleError(str(error)) from error
    if content.get("format") != FORMAT:
        raise BundleError(f"this geocellseg reads models of layout {FORMAT}; {path} has {content.get('format')!r}. Train it again.")
    return content


def _load_tensors(path: Path, digest: str) -> dict[str, Tensor]:
    if not path.is_file():
        raise BundleError(f"{path} belongs to the model, but is not there. Copy the whole folder.")
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise BundleError(f"{path} must be a safetensors file; it is damaged or something else ({error}). Copy the model again.") from error
    if sha256(path) != digest:
        raise BundleError(f"{path} is not the file that bundle.json describes. Copy the whole folder again.")
    return tensors
