"""Results on disk."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from segcore.errors import OutputError, RunError
from segcore.pipeline.store import BlockResult, Store, UnitResult


def a_unit(passed=2):
    rng = np.random.default_rng(0)
    return UnitResult(
        scores=np.array([[0.5, np.nan], [0.25, 1.0]], dtype=np.float32),
        passed=np.arange(passed, dtype=np.int64),
        maps=rng.integers(0, 256, (passed, 1, 4, 5)).astype(np.uint8),
    )


def a_block():
    rng = np.random.default_rng(1)
    return BlockResult(**{name: rng.integers(0, 256, (3, 7)).astype(np.uint8) for name in ("activation", "score", "mask")})


@pytest.mark.parametrize("result", [a_unit(), a_unit(passed=0), a_block()])
def test_round_trip(tmp_path, result):
    store = Store(tmp_path / "deep" / "er", type(result))
    assert not store.has(12)
    store.save(12, result)
    assert store.has(12)
    assert [path.name for path in store.folder.iterdir()] == ["0000012.safetensors"]
    loaded = store.load(12)
    for name in type(result).__slots__:
        kept, own = getattr(loaded, name), getattr(result, name)
        assert kept.dtype == own.dtype
        assert np.array_equal(kept, own, equal_nan=own.dtype.kind == "f")


def test_turned_arrays_are_kept_by_value(tmp_path):
    block = a_block()
    turned = BlockResult(activation=block.activation.T, score=block.score.T, mask=block.mask[::-1].T)
    store = Store(tmp_path, BlockResult)
    store.save(0, turned)
    assert np.array_equal(store.load(0).mask, block.mask[::-1].T)


def test_the_same_result_has_the_same_bytes(tmp_path):
    store = Store(tmp_path, UnitResult)
    store.save(1, a_unit())
    store.save(2, a_unit())
    assert store.path(1).read_bytes() == store.path(2).read_bytes()


def test_a_missing_result_is_said(tmp_path):
    with pytest.raises(RunError, match=r"0000003\.safetensors belongs to the run but cannot be read"):
        Store(tmp_path, UnitResult).load(3)


@pytest.mark.parametrize("keep", [0, 5, 30, -1])
def test_a_result_cut_short_is_said(tmp_path, keep):
    store = Store(tmp_path, UnitResult)
    store.save(0, a_unit())
    store.path(0).write_bytes(store.path(0).read_bytes()[:keep])
    with pytest.raises(RunError, match=r"Delete it and pass --resume"):
        store.load(0)


def test_a_result_of_another_kind_is_said(tmp_path):
    Store(tmp_path, BlockResult).save(0, a_block())
    with pytest.raises(RunError, match="cannot be read"):
        Store(tmp_path, UnitResult).load(0)
    Store(tmp_path, BlockResult).path(1).write_bytes(save({"activation": np.zeros(3)}))
    with pytest.raises(RunError, match="cannot be read"):
        Store(tmp_path, BlockResult).load(1)


def test_a_full_disk_leaves_no_half_result(tmp_path, monkeypatch):
    def full(self, data):
        self.open("wb").close()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    store = Store(tmp_path, UnitResult)
    with pytest.raises(OutputError, match="is full"):
        store.save(0, a_unit())
    assert not store.has(0)
    assert list(tmp_path.iterdir()) == []
