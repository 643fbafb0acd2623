import pytest

from cellseg.training.ahead import made_ahead


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_the_order_is_that_of_the_items(workers):
    assert list(made_ahead(lambda n: n * n, range(50), workers)) == [n * n for n in range(50)]


def test_an_error_comes_out_where_its_item_would():
    found = made_ahead(lambda n: 1 // (3 - n), range(10), 2)
    assert [next(found) for _ in range(3)] == [0, 0, 1]
    with pytest.raises(ZeroDivisionError):
        next(found)


def test_only_a_few_are_made_ahead():
    made = []
    found = made_ahead(made.append, range(1000), 1)
    next(found)
    found.close()
    assert 1 <= len(made) <= 9
