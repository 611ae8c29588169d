"""The page is one file that needs nothing from elsewhere, and knows every state, every event and every verb there is."""

from __future__ import annotations

import re
from typing import get_args

from actors.gateway.control import VERBS
from actors.gateway.routes import PAGE, POLICY
from messages.supervision import ActorStatus, Decision, History, State

SOURCE = PAGE.read_text()


def names(constant: str) -> list[str]:
    [found] = re.findall(rf"const {constant} = (?:new Set\()?\[(.*?)\]", SOURCE, re.DOTALL)
    return re.findall(r'"(\w+)"', found)


def test_the_page_follows_every_event_there_is() -> None:
    events = set(get_args(Decision.model_fields["event"].annotation))
    assert set(names("EVENTS")) == events
    assert set(names("LOUD")) <= events


def test_every_state_has_its_colour() -> None:
    [style] = re.findall(r"<style>(.*?)</style>", SOURCE, re.DOTALL)
    assert [state for state in get_args(State) if not re.search(rf"\.{state}\b[^{{}}]*{{ color:", style)] == []


def test_the_page_offers_the_verbs_there_are() -> None:
    [offered] = re.findall(r"function actions\(actor\) {(.*?)\n}", SOURCE, re.DOTALL)
    assert set(VERBS) <= set(re.findall(r'"(\w+)"', offered))


def test_the_page_needs_nothing_from_elsewhere() -> None:
    assert re.findall(r"https?://|@import|url\(|<script [^>]*src|<link [^>]*stylesheet", SOURCE) == []
    assert "innerHTML" not in SOURCE and "insertAdjacentHTML" not in SOURCE, "what an actor says is text, never markup"


def test_a_browser_lets_the_page_have_all_that_it_brings_along() -> None:
    brings = {"style-src": "<style>", "script-src": "<script>", "connect-src": "fetch(", "img-src data:": 'rel="icon" href="data:'}
    assert [source for source, mark in brings.items() if mark not in SOURCE or source not in POLICY] == []


def test_where_a_row_has_no_buttons_the_panel_has_them() -> None:
    assert "table .acts { display: none; }" in SOURCE and "buttons(acts, actor)" in SOURCE


def test_the_page_reads_no_field_that_an_answer_does_not_have() -> None:
    read = set(re.findall(r"\bactor\.(\w+)", SOURCE))
    assert read <= set(ActorStatus.model_fields) | set(History.model_fields)
