"""The list of what is wrong."""

from __future__ import annotations

import logging

import pytest

from calico_dcos.troubles import Source, Troubles


def test_a_trouble_keeps_the_time_since_when_it_is_there_whatever_is_said_of_it() -> None:
    now = 100.0
    troubles = Troubles(lambda: now)
    troubles.tell(Source.ROSTER, "refused", "set a principal")
    now = 200.0
    troubles.tell(Source.ROSTER, "nothing answers")

    (trouble,) = troubles.list_all()
    assert (trouble.words, trouble.remedy, trouble.since) == ("nothing answers", "", 100.0)


def test_a_trouble_that_is_over_is_not_listed_and_begins_anew() -> None:
    now = 100.0
    troubles = Troubles(lambda: now)
    troubles.tell(Source.STORE, "away")
    troubles.end(Source.STORE)
    assert troubles.list_all() == ()
    now = 200.0
    troubles.tell(Source.STORE, "away")
    assert troubles.list_all()[0].since == 200.0


def test_what_stops_everything_comes_first_and_is_the_reason_for_not_being_healthy() -> None:
    troubles = Troubles(lambda: 1.0)
    troubles.tell(Source.WEBHOOK, "status 500")
    assert troubles.find_stopping() is None
    troubles.tell(Source.SUBSCRIPTION, "refused: 401", "set a secret", stops_all=True)

    assert [trouble.source for trouble in troubles.list_all()] == [Source.SUBSCRIPTION, Source.WEBHOOK]
    assert troubles.find_stopping() == "refused: 401; set a secret"


def test_the_same_trouble_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    troubles = Troubles(lambda: 1.0)
    for _ in range(100):
        troubles.tell(Source.BLOCKER, "nothing answers")
    troubles.end(Source.BLOCKER)
    troubles.end(Source.BLOCKER)
    assert len(caplog.records) == 2
