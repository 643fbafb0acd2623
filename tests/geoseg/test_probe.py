import time, json
def test_it(tells, tell_chips, tell_model):
    f=json.loads((tell_model/"bundle.json").read_text())["facts"]
    print({k:v for k,v in f["tuning"].items()}); print(f["metrics"], f["outline"], f["scan"], f["calibration"])
    print([s["fold"] for s in f["sites"]])
