"""Errors cross the socket as what they are."""

import inspect

import pytest

from hark import errors
from hark.control.problems import ERROR_TYPES, error_of, problem_of, sentence_of, status_of
from hark.control.schema import Problem
from hark.errors import HarkError, RefusedError

TREE = [
    value
    for value in vars(errors).values()
    if inspect.isclass(value) and issubclass(value, HarkError)
]


def example_of(error_type: type[HarkError]) -> HarkError:
    if error_type is RefusedError:
        return RefusedError("particulars", code=7, retry_after_ms=50)
    return error_type("particulars")


@pytest.mark.parametrize("error_type", TREE, ids=lambda error_type: error_type.__name__)
def test_an_error_comes_out_as_it_went_in(error_type: type[HarkError]) -> None:
    error = example_of(error_type)
    again = error_of(problem_of(error))
    assert type(again) is error_type
    assert str(again) == str(error)
    assert vars(again) == vars(error)
    assert again.exit_code == error.exit_code
    assert status_of(error) >= 400


@pytest.mark.parametrize("error_type", TREE, ids=lambda error_type: error_type.__name__)
def test_every_error_has_a_sentence_for_people(error_type: type[HarkError]) -> None:
    sentence = sentence_of(example_of(error_type))
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert "  " not in sentence


def test_the_table_of_errors_is_the_tree() -> None:
    # Programs may add errors of their own below the tree; none of ours is missing.
    assert {error_type.__name__ for error_type in TREE} <= set(ERROR_TYPES)


def test_an_error_of_a_later_version_keeps_its_sentence_and_exit_code() -> None:
    problem = Problem(
        error="LaterError", sentence="It is later.", detail="by a year", exit_code=6
    )
    error = error_of(problem)
    assert type(error) is HarkError
    assert (str(error), error.exit_code) == ("It is later. by a year", 6)
