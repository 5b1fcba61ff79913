import re

from hark.crypto.labels import Label


def test_every_label_is_a_word_a_version_and_a_nul() -> None:
    for label in Label:
        assert re.fullmatch(rb"hark/[a-z][a-z0-9-]*/[1-9][0-9]*\0", label), label


def test_no_label_is_the_beginning_of_another() -> None:
    for one in Label:
        assert [other for other in Label if other.startswith(one)] == [one]


def test_no_label_stands_twice_in_the_table() -> None:
    # An equal value would make an enum alias, which iteration leaves out.
    assert len(Label.__members__) == len(list(Label))
