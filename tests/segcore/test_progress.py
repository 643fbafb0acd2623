import pytest

from segcore.progress import spoken


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "0 s"), (89, "89 s"), (90, "1.5 min"), (5399, "90.0 min"), (5400, "1.5 h"), (100_000, "27.8 h")]
)
def test_durations_in_the_unit_that_people_use(seconds, words):
    assert spoken(seconds) == words
