"""What stands behind a proposal: the own open deals, customers that keep buying, and the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from planning_kit.data import Region
from planning_kit.messages import finding, findings_table, shorten, unknown_labels
from planning_kit.messages.amounts import money_text, share_text
from planning_kit.review import closing_ratios, funnel_rates, recurring_accounts

SUGGESTED_COLUMNS = (
    "rep_id",
    "kind",
    "account_id",
    "product_line",
    "opportunity_id",
    "amount",
    "probability",
    "month",
    "reason",
)
DEAL, OVERDUE, CUSTOMER, REST = "open deal", "overdue deal", "customer", "not covered yet"
LEAST_COVERAGE, MOST_COVERAGE = 0.8, 2.0
TOO_LARGE = 2.0  # a single line worth this many times the whole goal
_DAYS_A_MONTH = 30.4375


def suggested_evidence(inputs: Region, goals: Mapping[str, float]) -> pd.DataFrame:
    """Suggest what may stand behind the goals of the coming period.

    Open deals come with the person's own closing ratio and the month they are likely to close: the
    usual months from first contact to the win, after the first contact; a deal older than that is
    overdue and counts in the first month. Deals that would close after the period are left out.
    Customers that keep buying (`planning_kit.review.recurring_accounts`) come with last year's
    amount, less what the open deals with them bring (probability times amount), and the measured
    retention. The rest is the goal less what all of it brings.

    Parameters
    ----------
    inputs
        One region or the company.
    goals
        By ``rep_id``, plan currency; only these people are looked at.

    Returns
    -------
    DataFrame
        By person, what brings most first, the rest last: ``kind``, ``account_id``,
        ``product_line``, ``opportunity_id``, ``amount`` (plan currency), ``probability`` (0 to 1;
        empty: nothing closed yet to measure it by), ``month`` and ``reason``.
    """
    deals = _open_deals(inputs, goals)
    customers = _customers(inputs, goals, deals)
    both = pd.concat([deals, customers], ignore_index=True)
    both["brings"] = both["amount"] * both["probability"]
    backed = both.groupby("rep_id")["brings"].sum()
    rest = pd.DataFrame(
        [
            {"rep_id": rep, "amount": goal - backed.get(rep, 0.0), "kind": REST}
            for rep, goal in goals.items()
            if goal > backed.get(rep, 0.0)
        ],
        columns=["rep_id", "amount", "kind"],
    ).assign(reason="the goal less probability times amount of the lines above")
    found = pd.concat([both, rest], ignore_index=True).assign(last=lambda t: t["kind"] == REST)
    order = ["rep_id", "last", "brings", "account_id", "opportunity_id"]
    found = found.sort_values(order, ascending=[True, True, False, True, True], ignore_index=True)
    return found[list(SUGGESTED_COLUMNS)].astype({"amount": "float64", "probability": "float64"})


def _open_deals(inputs: Region, goals: Mapping[str, float]) -> pd.DataFrame:
    settings, deals = inputs.settings, inputs.opportunities
    deals = deals[deals["outcome"].eq("open") & deals["rep_id"].isin(list(goals))]
    deals = deals[deals["amount"] > 0]
    rates = funnel_rates(inputs).set_index("rep_id")
    usual = rates["prospect_months"].fillna(rates["months_open"])
    months = deals["rep_id"].map(usual).astype("float64")
    start, end = pd.Timestamp(settings.starts_on), pd.Timestamp(settings.ends_on)
    closes = deals["created_on"] + pd.to_timedelta(months * _DAYS_A_MONTH, unit="D")
    overdue = closes < start
    won = deals["rep_id"].map(closing_ratios(inputs).set_index("rep_id")["ratio"])
    found = deals[["rep_id", "account_id", "opportunity_id", "amount"]].assign(
        kind=overdue.map({True: OVERDUE, False: DEAL}),
        product_line=inputs.line_of(deals["product_id"]),
        probability=won.astype("float64"),
        month=closes.mask(closes < start, start)
        .dt.to_period("M")
        .dt.to_timestamp()
        .astype("datetime64[us]"),
    )
    found["reason"] = [
        f"{share_text(ratio, 0)} of the own closed deals are won"
        + (f"; open longer than the usual {m:.1f} months" if late else "")
        for ratio, m, late in zip(found["probability"], months, overdue, strict=True)
    ]
    return found[~(closes > end + pd.Timedelta(days=1))]


def _customers(inputs: Region, goals: Mapping[str, float], deals: pd.DataFrame) -> pd.DataFrame:
    who = ["rep_id", "account_id"]
    kept = recurring_accounts(inputs)
    kept = kept[kept["rep_id"].isin(list(goals))].set_index(who)
    brings = (deals["amount"] * deals["probability"]).groupby([deals[name] for name in who]).sum()
    counted = brings.reindex(kept.index).fillna(0.0)
    kept = kept.assign(amount=kept["amount"] - counted, kind=CUSTOMER).reset_index()
    kept["reason"] = [
        f"bought in {months} months of last year; {share_text(rate, 0)} of such customers buy again"
        for months, rate in zip(kept["months"], kept["retention"], strict=True)
    ]
    names = [*who, "kind", "product_line", "amount", "retention", "reason"]
    found = kept.loc[kept["amount"] > 0, names].rename(columns={"retention": "probability"})
    return found.assign(opportunity_id=pd.Series(pd.NA, found.index, dtype="str"))


def told_evidence(inputs: Region) -> dict[str, list[dict[str, Any]]]:
    """Give the table ``evidence`` of the coming period as evidence of proposals, by person.

    A line without a probability has the person's closing ratio, or 0 where nothing was closed yet.
    """
    settings, rows = inputs.settings, inputs.evidence
    within = rows["starts_on"].between(
        pd.Timestamp(settings.starts_on), pd.Timestamp(settings.ends_on)
    )
    rows = rows[within]
    if rows.empty:
        return {}
    own = rows["rep_id"].map(closing_ratios(inputs).set_index("rep_id")["ratio"]).fillna(0.0)
    rows = rows.assign(probability=rows["probability"].fillna(own))
    told: dict[str, list[dict[str, Any]]] = {}
    for row in rows.to_dict("records"):
        told.setdefault(str(row["rep_id"]), []).append(evidence_line(row))
    return told


def evidence_line(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Turn a row (of the table, of a form) into a line of evidence of an event."""
    product = _text(row.get("product_id")) or _text(row.get("product_line"))
    day = row.get("closes_on")
    line = {
        "account": _text(row.get("account_id")),
        "product": product,
        "opportunity": _text(row.get("opportunity_id")),
        "amount": float(row["amount"]),
        "probability": float(row["probability"]),
        "month": "" if pd.isna(day) else f"{day:%Y-%m}",
        "reason": _text(row.get("reason")),
    }
    return {name: value for name, value in line.items() if value != ""}


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def evidence_problems(
    evidence: pd.DataFrame, inputs: Region, goals: Mapping[str, float]
) -> pd.DataFrame:
    """Say what is odd about evidence, of one person or of many.

    Parameters
    ----------
    evidence
        ``rep_id``, ``account_id``, ``product_line``, ``opportunity_id``, ``amount`` (plan
        currency) and ``probability``; ``product_id`` may be there.
    inputs
        One region or the company: which labels there are, and which deals are still open.
    goals
        By ``rep_id``, plan currency.

    Returns
    -------
    DataFrame
        Findings: labels nobody knows, deals claimed twice, or closed since, lines worth more than
        twice the goal, and coverage (probability times amount over the goal) below 0.8 or above 2.
    """
    names = inputs.names
    rows = [*_unknown(evidence, inputs), *_deal_problems(evidence, inputs)]
    currency = inputs.settings.currency
    for row in evidence.to_dict("records"):
        goal = goals.get(row["rep_id"], 0.0)
        if 0 < TOO_LARGE * goal < row["amount"]:
            message = (
                f"{_what(row)} is {money_text(row['amount'], currency)}, more than twice the goal "
                f"of {money_text(goal, currency)}."
            )
            where = names.get(row["rep_id"], row["rep_id"])
            rows.append(finding("evidence.large", "review", where, message, "Check the amount."))
    brings = (evidence["amount"] * evidence["probability"]).groupby(evidence["rep_id"]).sum()
    for rep_id, backed in brings.items():
        goal = goals.get(str(rep_id), 0.0)
        if goal > 0 and not LEAST_COVERAGE <= backed / goal <= MOST_COVERAGE:
            few = backed < goal
            message = (
                f"the evidence brings {money_text(backed, currency)}, {share_text(backed / goal, 0)}"
                f" of the goal of {money_text(goal, currency)}."
            )
            advice = (
                "Name what the rest is to come from, or lower the proposal."
                if few
                else "The proposal may be too careful, or the probabilities too high."
            )
            where = names.get(str(rep_id), str(rep_id))
            rows.append(finding("evidence.coverage", "review", where, message, advice))
    return findings_table(rows)


def _what(row: Mapping[Any, Any]) -> str:
    said = [_text(row.get(n)) for n in ("opportunity_id", "account_id", "product_line")]
    return " / ".join(filter(None, said)) or "a line without a label"


def _unknown(evidence: pd.DataFrame, inputs: Region) -> Iterable[dict[str, str]]:
    known: dict[str, Iterable[Any]] = {
        "account_id": [*inputs.accounts["account_id"], *inputs.opportunities["account_id"]],
        "product_id": inputs.products["product_id"],
        "product_line": inputs.products["product_line"],
        "opportunity_id": inputs.opportunities["opportunity_id"],
    }
    for name, labels in known.items():
        there = {str(label) for label in labels if label == label}
        if not there or name not in evidence:
            continue  # no such table: nothing to compare with
        strange = evidence[evidence[name].notna() & ~evidence[name].isin(there)]
        for rep_id, given in strange[name].groupby(strange["rep_id"]):
            where = inputs.names.get(str(rep_id), str(rep_id))
            message = f"{name}: {unknown_labels(given, there)}"
            advice = "Write it as the table does; a new customer is as it should be."
            yield finding("evidence.label", "review", where, message, advice)


def _deal_problems(evidence: pd.DataFrame, inputs: Region) -> Iterable[dict[str, str]]:
    deals = inputs.opportunities.set_index("opportunity_id")
    currency = inputs.settings.currency
    for deal, rows in evidence.dropna(subset="opportunity_id").groupby("opportunity_id"):
        people = [inputs.names.get(r, r) for r in rows["rep_id"].unique()]
        amount = money_text(rows["amount"].max(), currency)
        if len(rows) > 1:
            message = f"{deal} ({amount}) is claimed {len(rows)} times: {shorten(people)}."
            advice = "Keep one line; a shared deal is counted once, or by parts."
            yield finding("evidence.twice", "fail", ", ".join(people), message, advice)
        outcome = deals["outcome"].get(deal, "open")
        if outcome != "open":
            day = deals["closed_on"].get(deal)
            when = "" if pd.isna(day) else f" on {day:%Y-%m-%d}"
            message = f"{deal} ({amount}) is {outcome} already{when}."
            advice = "Take the line out: it is no part of what is still to come."
            yield finding("evidence.closed", "fail", ", ".join(people), message, advice)
