"""Whom to record: a choice reaches whoever follows, also one that was made before anybody did."""

from egress_recorder.capture.choice import Choice, Users


def test_a_choice_is_told() -> None:
    told: list[Users] = []
    choice = Choice(("a",))
    choice.follow(told.append)
    assert told == []
    choice.choose(("b",))
    choice.choose(())
    assert told == [("b",), ()]


def test_a_choice_that_nobody_followed_yet_is_told_once_somebody_does() -> None:
    told: list[Users] = []
    choice = Choice(())
    choice.choose(("a",))
    choice.choose(("b",))
    choice.follow(told.append)
    assert told == [("b",)]
