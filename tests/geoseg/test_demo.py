import json

import pyogrio
import pytest

from geoseg import demo
from geoseg.train import SiteTraining
from segcore.train.loop import TrainConfig


@pytest.mark.slow
def test_the_demo_leaves_what_it_promises(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "TRAINING", SiteTraining(arch="test_resnet", members=1, budget="small", augment="flip"))
    monkeypatch.setattr(demo, "LOOP", TrainConfig(epochs=1))
    metrics = demo.run_demo(tmp_path / "demo", threads=1)
    assert json.loads((tmp_path / "demo" / "metrics.json").read_text()) == metrics
    assert {path.name for path in (tmp_path / "demo").iterdir()} == {"CHIPS", "MODEL", "OUT", "RUN", "preview.png", "metrics.json"}
    assert set(metrics) == {"classifier", "outlines", "scan", "judged_on"}
    assert metrics["outlines"]["points"] == 43
    sites = json.loads((tmp_path / "demo" / "MODEL" / "bundle.json").read_text())["facts"]["sites"]
    assert len(sites) == 115
    assert max(site["col"] for site in sites) < demo.UNSEEN_FROM
    outlines = pyogrio.read_dataframe(tmp_path / "demo" / "OUT" / "outlines.gpkg", layer="outlines")
    assert outlines.geometry.is_valid.all()
    assert outlines["point_id"].is_unique
