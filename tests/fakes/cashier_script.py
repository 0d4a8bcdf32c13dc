"""What a till would answer to the page's actions, in a page of code: enough for a whole sale, a join and a search."""

from __future__ import annotations

from typing import Any

from posd.words import Words
from tests.fakes.cashier_views import View, done, enrol, find, idle, member_of, refund, sale_of

KNOWN_PHONE = "09120000034"


def small_till(view: View, action: dict[str, Any]) -> View:
    """The view after ``action``."""
    language = str(view["language"])
    match action["do"]:
        case "amount":
            return _amount(view, action["amount_minor"])
        case "use":
            return _use(view, action["unit"], action["on"])
        case "confirm":
            return _booked(view) if view["screen"] == "amount" else view
        case "back" | "skip":
            return {**idle(language), "recent": view["recent"]}
        case "find_start":
            return {**find(language), "find": {"problem": None}}
        case "find":
            return _found(view, action["phone"])
        case "enrol_start":
            return enrol(language)
        case "enrol":
            return {
                **idle(language),
                "screen": "member",
                "member": member_of(language),
                "sale": sale_of(language, 0, ()),
            }
        case "refund_start":
            return refund(language)
        case "language":
            return idle(action["language"])
        case _:
            return view


def _amount(view: View, amount_minor: int | None) -> View:
    language = str(view["language"])
    if amount_minor is None:
        return {**view, "screen": "member" if view["member"] else "idle", "amount_minor": None, "sale": None}
    base = {**idle(language), "recent": view["recent"], "member": view["member"]}
    return {
        **base,
        "screen": "amount",
        "amount_minor": amount_minor,
        "sale": sale_of(language, amount_minor, _on(view)),
    }


def _on(view: View) -> tuple[str, ...]:
    return tuple(option["unit"] for option in view["sale"]["options"] if option["on"]) if view["sale"] else ()


def _use(view: View, unit: str, on: bool) -> View:
    kept = {*_on(view), unit} if on else {*_on(view)} - {unit}
    return {**view, "sale": sale_of(str(view["language"]), view["amount_minor"] or 0, tuple(kept))}


def _booked(view: View) -> View:
    shown = done(str(view["language"]))
    sale_id = f"{len(view['recent']):032x}"
    figures = {"sale_id": sale_id, "total_minor": view["amount_minor"], "payable_minor": view["sale"]["payable_minor"]}
    booked = {"sale_id": sale_id, "kind": "sale", "at_ms": 0, "name": None, "amount_minor": view["amount_minor"]}
    recent = [{**booked, "earned": {}, "queued": False}, *view["recent"]]
    return {**shown, "done": {**shown["done"], **figures}, "recent": recent}


def _found(view: View, phone: str) -> View:
    if phone != KNOWN_PHONE:
        return {**view, "find": {"problem": Words("member.not_found").as_json()}}
    language = str(view["language"])
    return {**idle(language), "screen": "member", "member": member_of(language), "sale": sale_of(language, 0, ())}
