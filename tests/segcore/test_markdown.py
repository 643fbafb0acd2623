from segcore.markdown import escaped, table_lines


def test_a_table_has_a_head_and_a_rule():
    rows = [["map", "layer", "Dice"], ["layer-cam", "layer1", "0.69"]]
    assert list(table_lines(rows, left=2)) == ["| map | layer | Dice |", "|---|---|---:|", "| layer-cam | layer1 | 0.69 |"]
    assert list(table_lines([["map"]])) == ["| map |", "|---|"]


def test_text_from_data_is_text():
    assert escaped("a*b|c\n<d> & [e]") == r"a\*b\|c &lt;d&gt; &amp; \[e\]"
    assert escaped("plain name 7") == "plain name 7"
