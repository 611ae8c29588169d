"""Our supervisor does what OTP's does, scenario by scenario: `otp25.txt` is what a real one answered.

`python benchmarks/otp/compare.py` asks a real one again, where Erlang is installed.
"""

from __future__ import annotations

import pytest

from tests.otp.comparison import CHOSEN, compared, recorded
from tests.otp.ours import Line, cases, played

pytestmark = pytest.mark.looptime

CASES = dict(cases())


@pytest.mark.parametrize("name", CASES)
async def test_our_supervisor_answers_and_acts_as_otps_does(name: str) -> None:
    otp = [line for line in recorded() if line.case == name]
    verdicts = compared(otp, await played(name, CASES[name]))
    assert [(verdict.otp, verdict.ours.answer) for verdict in verdicts if not verdict.equal and not verdict.why] == []


async def test_every_difference_that_was_chosen_is_still_there() -> None:
    ours = [line for name, lines in CASES.items() if name.startswith(tuple(difference.case for difference in CHOSEN)) for line in await played(name, lines)]
    otp = [line for line in recorded() if line.case in {line.case for line in ours}]
    assert {verdict.why for verdict in compared(otp, ours) if not verdict.equal} == {difference.why for difference in CHOSEN}


async def test_the_record_holds_every_case_and_no_other() -> None:
    assert list(dict.fromkeys(line.case for line in recorded())) == list(CASES)


@pytest.mark.parametrize("ours", [Line("a", "which", "a:down"), Line("a", "stop", "a:up"), Line("b", "which", "a:up")])
async def test_another_answer_is_found_and_another_line_is_refused(ours: Line) -> None:
    otp = Line("a", "which", "a:up")
    if (ours.case, ours.line) == (otp.case, otp.line):
        [verdict] = compared([otp], [ours])
        assert not verdict.equal and not verdict.why
    else:
        with pytest.raises(ValueError, match="not the same scenarios"):
            compared([otp], [ours])
    with pytest.raises(ValueError, match="not the same scenarios"):
        compared([otp, otp], [otp])
