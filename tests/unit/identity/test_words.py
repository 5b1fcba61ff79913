import pytest
from hypothesis import given
from hypothesis import strategies as st

from hark.errors import RecoveryWordsError
from hark.identity.root import Root
from hark.identity.words import RootSeed, seed_of, words_of

WORDS = words_of(RootSeed(bytes(range(32))))


@given(st.binary(min_size=32, max_size=32))
def test_words_and_seeds_roundtrip(raw: bytes) -> None:
    words = words_of(RootSeed(raw))
    assert len(words.split()) == 24
    assert seed_of(words) == raw


def test_case_and_white_space_do_not_matter() -> None:
    assert seed_of("\n " + WORDS.upper().replace(" ", " \t\n") + " ") == bytes(range(32))


def test_a_word_that_is_not_in_the_list_is_named_by_place_and_spelling() -> None:
    words = WORDS.split()
    words[4], words[20] = "kryptonite", "zzz"
    with pytest.raises(RecoveryWordsError, match=r"5: kryptonite, 21: zzz"):
        seed_of(" ".join(words))


@pytest.mark.parametrize("count", [0, 1, 12, 23, 25])
def test_another_number_of_words_is_said(count: int) -> None:
    with pytest.raises(RecoveryWordsError, match=f"{count} words instead of 24"):
        seed_of(" ".join((WORDS + " " + WORDS).split()[:count]))


def test_two_swapped_words_are_noticed_but_not_named() -> None:
    words = WORDS.split()
    words[0], words[1] = words[1], words[0]
    with pytest.raises(RecoveryWordsError, match="one is wrong or swapped") as caught:
        seed_of(" ".join(words))
    assert words[0] not in str(caught.value)


def test_the_words_alone_rebuild_the_account_id() -> None:
    first, again = Root.from_seed(seed_of(WORDS)), Root.from_seed(RootSeed(bytes(range(32))))
    assert first.account_id == again.account_id
    assert first.genesis == again.genesis
