"""Metrics are totals of the whole program, in the form that scrapers read."""

from hark.supernode.counters import METRICS, Counters, prometheus_text, total


def test_total_adds_parts_and_knows_what_was_never_counted() -> None:
    one, other = Counters(), Counters()
    one.add("links_accepted")
    one.add("links_accepted", 2)
    other.add("links_accepted", 4)
    other.set("links_open", 3)
    values = total([one.values, other.values])
    assert values["links_accepted"] == 7
    assert values["links_open"] == 3
    assert set(values) == {metric.name for metric in METRICS}
    assert values["checkpoints"] == 0


def test_text_has_a_type_for_each_number_and_no_labels() -> None:
    text = prometheus_text({"links_open": 5})
    assert "# TYPE hark_supernode_links_open gauge\nhark_supernode_links_open 5\n" in text
    assert "hark_supernode_links_accepted_total 0\n" in text
    assert "{" not in text
    assert text.count("# TYPE") == len(METRICS)
