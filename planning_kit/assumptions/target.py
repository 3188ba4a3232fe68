"""The target beside what is expected and what was sold, in words that cannot contradict each other."""

from __future__ import annotations

import pandas as pd

from planning_kit.data import Region
from planning_kit.messages.amounts import chance_text, money_text, number_text
from planning_kit.outlook import ChanceOfTarget
from planning_kit.plan import months_between

_HALF = 0.5
_NOT_MEASURED = "how far years fall from it was not measured: usual spreads, not this company's"
_YEAR = 12  # months; other periods have no last year to be compared with
_ALIKE = 0.01  # share within which two amounts are called about the same


def judge_target(
    inputs: Region, chance: ChanceOfTarget, likely: pd.Series
) -> tuple[str, str, str] | None:
    """Say how a target stands to the expectation and to last year, and how often it is reached.

    Parameters
    ----------
    inputs
        A region or the company.
    chance
        Of its target, see `planning_kit.outlook.Outlook.chance`.
    likely
        Everybody's chance of reaching the own goal; empty: without a goal or an expectation.

    Returns
    -------
    tuple of str, or None
        Status, message and advice; ``fail`` where people miss their goals more often than not,
        ``review`` where only the target is, and where no past year could be measured: then it is
        no verdict. None: nothing is expected of anybody.
    """
    people = likely.dropna()
    if chance.probability != chance.probability or people.empty:
        return None
    settings = inputs.settings
    mean = round(float(people.mean()), 2)  # as it is said: no verdict hangs on less than a point
    gap = chance.target - chance.expected
    likely_all = round(chance.probability, 2)
    message = f"{_target_words(inputs, chance)}; {_people_words(people, likely_all)}"
    if not chance.is_measured:
        return "review", f"{message}; {_NOT_MEASURED}", "give two whole years of sales or more"
    if mean >= _HALF and likely_all >= _HALF:
        return "pass", message, ""
    advice = "usual is that 60 to 75 % of the people reach their goals"
    if gap > 0:
        amount = money_text(gap, settings.currency, settings.rounding_unit)
        advice = f"lower the target, or show what brings the {amount} above the expected; {advice}"
    else:
        advice = f"set the target further below the expected: results vary that much; {advice}"
    return "fail" if mean < _HALF else "review", message, advice


def _target_words(inputs: Region, chance: ChanceOfTarget) -> str:
    """Set the target beside the expected and last year's, and say how often it is reached."""
    settings, likely = inputs.settings, round(chance.probability, 2)
    target, expected = chance.target, chance.expected
    amount = money_text(target, settings.currency, settings.rounding_unit)
    last = float(inputs.reviewed_sales()["amount"].sum())
    last_year, this = f"last year's {number_text(last)}", f"the expected {number_text(expected)}"
    first, second = _side(target, expected), _side(target, last)
    reviewed = months_between(settings.review_starts_on, settings.review_ends_on)
    alike = reviewed == months_between(settings.starts_on, settings.ends_on) == _YEAR
    if not alike or last <= 0:
        where = f"{first} {this}"
    elif first == second:
        where = f"{first} {this} and {last_year}"
    else:
        where = f"{first} {this} and {second} {last_year}"
    often = f"reached in {_in_years(chance)}"
    if first == "below" and likely < _HALF:
        often += ": a few very good years make the expected"
    if first == "above" and likely >= _HALF:
        often += ": a few very bad years lower the expected"
    return f"target {amount} is {where}; {often}"


def _side(amount: float, other: float) -> str:
    if abs(amount - other) <= _ALIKE * abs(other):
        return "about"
    return "below" if amount < other else "above"


def _in_years(chance: ChanceOfTarget) -> str:
    """Say a chance in years: no more exactly than a simulation knows, and never as certain."""
    likely, runs = chance.probability, f"{chance.runs:,} simulated years"
    if likely in (0.0, 1.0):
        return f"{'all' if likely else 'none'} of {runs}"
    if likely < 0.005 or likely > 0.995:
        return f"{'fewer than 1' if likely < _HALF else 'more than 99'} of 100 years"
    return f"{likely * 100:.0f} of 100 years"


def _people_words(people: pd.Series, team: float) -> str:
    """Say how people stand to their goals; where it differs from the team's chance, say why."""
    above, mean = int((people >= _HALF).sum()), round(float(people.mean()), 2)
    said = (
        f"{above} of {len(people)} people are more likely to reach their own goal than to miss it "
        f"({chance_text(mean)} on average)"
    )
    if team < _HALF <= mean:
        return f"{said}, yet in most years somebody falls so far short that all together miss it"
    if mean < _HALF <= team:
        return f"{said}, yet in most years somebody is so far above that all together reach it"
    return said
