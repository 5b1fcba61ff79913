"""The page for operators says what the program declares, and nothing else."""

from tools.recorded_page import PAGE, page


def test_page_of_what_is_recorded_is_the_one_that_the_declarations_give() -> None:
    assert PAGE.read_text("utf-8") == page(), "run `python tools/recorded_page.py`"
