"""Program documents: the shipped ones are right, and a wrong one is told everything that is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # comes with openapi-spec-validator, without types
import pytest

from posd.loyalty.programs import (
    TEMPLATES,
    Program,
    document_from_toml,
    in_force,
    parse_program,
    program_from_toml,
)
from posd.loyalty.rules import KINDS, EarnPerAmount, EarnPercent, Redeem, Tiers
from posd.loyalty.schema import program_schema
from posd.loyalty.shape import Problem, keys_of
from posd.loyalty.welcome import welcome_gift
from tests.fakes.shop_programs import NOW_MS, POINTS_RULE, both_on_one_card, program, template, template_text

DOCS = Path(__file__).parents[1] / "docs"


def problems(**changes: Any) -> list[str]:
    """What is wrong with a good document after ``changes``; a change to None leaves the key out."""
    good = {"id": "club", "version": 1, "currency": "IRR", "name": {"en": "Club"}, "rules": [dict(POINTS_RULE)]}
    document = {key: value for key, value in {**good, **changes}.items() if value is not None}
    found = parse_program(document)
    return [str(problem) for problem in found] if isinstance(found, list) else []


def rule_problems(**changes: Any) -> list[str]:
    rule = {key: value for key, value in {**POINTS_RULE, **changes}.items() if value is not None}
    return problems(rules=[rule])


@pytest.mark.parametrize("name", TEMPLATES)
def test_templates_are_programs_and_satisfy_the_schema(name: str) -> None:
    document = document_from_toml(template_text(name))
    jsonschema.Draft202012Validator(program_schema()).validate(document)
    assert isinstance(program_from_toml(template_text(name)), Program)
    assert set(template(name).name) == {"en", "fa", "ar"}


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_document_survives_the_wire(name: str) -> None:
    document = document_from_toml(template_text(name))
    assert isinstance(document, dict)
    assert parse_program(json.loads(json.dumps(document))) == template(name)


def test_templates_say_what_their_comments_promise() -> None:
    points, credit, tiers = both_on_one_card()
    earn, redeem = points.rules[:2]
    assert isinstance(earn, EarnPerAmount)
    assert isinstance(redeem, Redeem)
    assert (earn.earned(99_999), earn.earned(100_000)) == (0, 1)
    assert redeem.value_minor(100) == 100_000
    one_percent, levels = credit.rules[0], tiers.rules[0]
    assert isinstance(one_percent, EarnPercent)
    assert one_percent.earned(12_880_000) == 128_800
    assert isinstance(levels, Tiers)
    assert [level.code for level in levels.levels] == ["bronze", "silver", "gold", "diamond"]


def test_a_good_document_has_no_problems() -> None:
    assert problems() == []


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (problems(curency="IRR"), "curency: unknown key; did you mean 'currency'?"),
        (problems(version=None), "version: is missing"),
        (problems(version=True), "version: must be a whole number, not True"),
        (problems(version=0), f"version: must be from 1 to {2**53 - 1}, not 0"),
        (problems(currency="IRT"), "currency: 'IRT' is not known; did you mean 'IRR'?"),
        (problems(id="My Club"), "id: must be a short name such as 'base' (a-z, 0-9, - and _), not 'My Club'"),
        (problems(id="club\n"), "id: must be a short name such as 'base' (a-z, 0-9, - and _), not 'club\\n'"),
        (problems(name="Club"), 'name: must give a name per language, as in { en = "Club", fa = "باشگاه" }'),
        (problems(name={"fa": " "}), "name.fa: must be a name, not ' '"),
        (problems(name={"Farsi": "باشگاه"}), "name.Farsi: is not a language code such as 'fa'"),
        (problems(name={3: "x"}), "name[3]: is not a language code such as 'fa'"),
        (problems(rules=[]), "rules: must be a list with at least one table"),
        (problems(rules=["earn"]), "rules[0].kind: None is not known; known here: " + ", ".join(sorted(KINDS))),
        (problems(rules=[{"kind": ["redeem"]}]), "rules[0].kind: ['redeem'] is not known; did you mean 'redeem'?"),
        (problems(rules=[dict(POINTS_RULE), dict(POINTS_RULE)]), "two rules have the same id; give each its own"),
        (
            problems(starts_at="2026-03-21"),
            "starts_at: must be like 2026-03-21T00:00:00+03:30 (with the offset), not '2026-03-21'",
        ),
        (
            problems(ends_at=5),
            "ends_at: must be like 2026-03-21T00:00:00+03:30 (with the offset), not 5",
        ),
        (
            problems(starts_at="2026-03-21T00:00:00+03:30", ends_at="2026-03-20T20:30:00Z"),
            "ends_at must be later than starts_at",
        ),
        (rule_problems(kind="earn_per_amont"), "rules[0].kind: 'earn_per_amont' is not known; did you mean"),
        (rule_problems(per_minr=5), "rules[0].per_minr: unknown key; did you mean 'per_minor'?"),
        (rule_problems(earn=1.5), "rules[0].earn: must be a whole number, not 1.5"),
        (rule_problems(rounding="up"), "rules[0].rounding: 'up' is not known"),
        (rule_problems(rounding=None), "rules[0].rounding: is missing"),
        (rule_problems(unit="IRR"), "rules[0].unit: 'IRR' is not known"),
    ],
)
def test_a_problem_names_the_place_and_what_was_meant(found: list[str], expected: str) -> None:
    assert any(expected in problem for problem in found), found


def test_a_document_that_is_no_table_is_a_problem() -> None:
    found = parse_program(["not", "a", "table"])  # type: ignore[arg-type]  # what a broken club could send
    assert isinstance(found, list)
    assert [str(problem) for problem in found] == ["the document: must be a table"]


def test_all_problems_are_told_at_once() -> None:
    assert len(rule_problems(per_minr=5, rounding="up", earn="1")) == 3


@pytest.mark.parametrize(
    ("spend", "worth", "step", "whole"),
    [(1, 1000, 10, True), (100, 500, 100, True), (100, 500, 20, True), (3, 10, 1, False)],
)
def test_a_step_must_be_worth_a_whole_amount(spend: int, worth: int, step: int, whole: bool) -> None:
    rule = {"kind": "redeem", "id": "use", "unit": "PTS", "spend": spend, "worth_minor": worth, "step": step}
    found = problems(rules=[rule])
    assert (found == []) is whole
    assert whole or "not worth a whole amount" in found[0]


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        ([("a", 0), ("a", 5)], "same code"),
        ([("a", 5), ("b", 5)], "lowest first"),
        ([("a", 9), ("b", 5)], "lowest first"),
        ([], "at least one table"),
    ],
)
def test_levels_must_rise(levels: list[tuple[str, int]], message: str) -> None:
    tables = [{"code": code, "from_minor": start, "name": {"en": code}} for code, start in levels]
    rule = {"kind": "tiers", "id": "t", "window_days": 365, "levels": tables}
    assert message in problems(rules=[rule])[0]


@pytest.mark.parametrize(
    ("template_name", "old", "new", "line"),
    [
        ("points_per_amount", "per_minor", "per_minr", 14),
        ("points_per_amount", '"floor"', '"flor"', 16),
        ("points_per_amount", 'unit = "PTS"\nspend', 'unit = "PTZ"\nspend', 21),
        ("tiers", "60_000_000 ", '"6" ', 25),
        ("tiers", 'en = "Gold"', 'en = ""', 26),
        ("tiers", "window_days = 365\n", "", 8),
    ],
)
def test_a_problem_in_toml_names_its_line(template_name: str, old: str, new: str, line: int) -> None:
    text = template_text(template_name)
    assert old in text
    found = program_from_toml(text.replace(old, new))
    assert isinstance(found, list)
    assert line in [problem.line for problem in found], found


def test_keys_in_an_inline_or_named_table_have_their_line() -> None:
    text = 'id = "club"\nversion = 1\ncurrency = "IRR"\n[name]\n"fa" = 5\n[[rules]]\nkind = "tiers"\n'
    found = program_from_toml(text)
    assert isinstance(found, list)
    assert str(found[0]) == "line 5: name.fa: must be a name, not 5"
    assert {problem.line for problem in found[1:]} == {6}


def test_text_that_is_not_toml_is_a_problem() -> None:
    found = program_from_toml("id = ")
    assert isinstance(found, list)
    assert "is not TOML" in str(found[0])
    assert Problem((), "x").where == "the document"


def test_toml_dates_become_text_with_their_offset() -> None:
    text = template_text("tiers").replace("version = 1", "version = 1\nstarts_at = 2026-03-21T00:00:00+03:30")
    document = document_from_toml(text)
    assert isinstance(document, dict)
    assert document["starts_at"] == "2026-03-21T00:00:00+03:30"
    started = program_from_toml(text)
    assert isinstance(started, Program)
    assert started.starts_at == 1_774_038_600_000


def test_of_each_program_the_highest_version_in_force_counts() -> None:
    old = program(dict(POINTS_RULE), version=1)
    new = program(dict(POINTS_RULE), version=2, starts_at="2026-03-21T00:00:00+03:30")
    start = 1_774_038_600_000
    assert in_force([new, old], start - 1) == (old,)
    assert in_force([new, old], start) == in_force([old, new], start) == (new,)


def test_an_ended_version_does_not_bring_the_old_one_back() -> None:
    old = program(dict(POINTS_RULE), version=1)
    ended = program(dict(POINTS_RULE), version=2, ends_at="2026-03-21T00:00:00+03:30")
    end = 1_774_038_600_000
    assert in_force([old, ended], end - 1) == (ended,)
    assert in_force([old, ended], end) == ()


def test_the_welcome_gift_is_the_sum_of_the_programs_in_force() -> None:
    def gift(amount: int, unit: str) -> dict[str, Any]:
        return {"kind": "enrol_gift", "id": f"g{unit.lower()}", "unit": unit, "amount": amount}

    running = [
        program(gift(50, "PTS"), gift(1000, "CREDIT"), id="a"),
        program(gift(20, "PTS"), id="b"),
        program(gift(7, "PTS"), id="c", ends_at="2020-01-01T00:00:00Z"),
    ]
    assert welcome_gift(running, NOW_MS) == {"PTS": 70, "CREDIT": 1000}
    assert welcome_gift([], NOW_MS) == {}


def test_the_published_schema_is_the_one_in_force() -> None:
    assert json.loads((DOCS / "program.schema.json").read_text("utf-8")) == program_schema(), (
        "write json.dumps(program_schema(), indent=2, ensure_ascii=False) there"
    )


def test_the_schema_refuses_what_the_parser_refuses() -> None:
    validator = jsonschema.Draft202012Validator(program_schema())
    document = document_from_toml(template_text("points_per_amount"))
    assert isinstance(document, dict)
    breakages: list[dict[str, Any]] = [{"version": 0}, {"surprise": 1}, {"rules": []}, {"currency": "PTS"}]
    for broken in breakages:
        assert not validator.is_valid({**document, **broken}), broken
        assert isinstance(parse_program({**document, **broken}), list), broken


def test_every_key_is_in_the_owners_page() -> None:
    page = (DOCS / "programs.md").read_text("utf-8")
    tables = {"program": Program, **KINDS}
    missing = [f"{name} {key}" for name, table in tables.items() for key in keys_of(table) if f"`{key}`" not in page]
    assert missing == []
