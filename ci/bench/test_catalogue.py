"""The catalogue's row asks the database, not a cache."""

from __future__ import annotations

from catalogue import SIZES, questions

LONGEST = 128 * 1024  # bytes that one variable may have, on Linux


def test_no_question_is_asked_twice() -> None:
    asked = [path for which in range(6 * len(SIZES)) for path in questions(which)]
    assert len(set(asked)) == len(asked)


def test_all_questions_of_a_run_fit_into_what_wrk_is_told() -> None:
    assert len("PATHS=" + " ".join(questions(100))) < LONGEST
