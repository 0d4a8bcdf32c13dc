"""Views of every screen, in three invented shops: toman in English and Persian, dinar in Arabic."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from posd.words import Words, names, quantity

View = dict[str, Any]

SHOPS = {
    "en": ("Narenj Market", "2", "Mina", "Parisa M", "Hamid R"),
    "fa": ("فروشگاه نارنج", "2", "مینا", "پریسا م", "حمید ر"),
    "ar": ("متجر النارنج", "2", "مينا", "زينب ك", "حيدر س"),
}
TOMAN = {"unit": "IRR", "minor_digits": 0, "name": "toman", "factor": 10}
DINAR = {"unit": "IQD", "minor_digits": 0, "name": "dinar", "factor": 1}
GOODS = {
    "en": ("Saffron 1 g", "Black tea 500 g", "Pistachio 250 g", "Date cookies", "Rice 10 kg", "Sugar", "Salt"),
    "fa": ("زعفران ۱ گرمی", "چای سیاه ۵۰۰ گرمی", "پسته ۲۵۰ گرمی", "کلوچه خرمایی", "برنج ۱۰ کیلویی", "شکر", "نمک"),
    "ar": ("زعفران ١ غم", "شاي أسود ٥٠٠ غم", "فستق ٢٥٠ غم", "كليجة بالتمر", "رز ١٠ كغم", "سكر", "ملح"),
}
SILVER = {"en": "Silver", "fa": "نقره‌ای", "ar": "الفضية"}
GOLD = {"en": "Gold", "fa": "طلایی", "ar": "الذهبية"}
READERS = [
    {"id": "msr", "name": "MSR90", "device_class": "msr", "state": "ready", "detail": ""},
    {"id": "scan", "name": "Voyager", "device_class": "scanner", "state": "ready", "detail": ""},
    {"id": "nfc", "name": "ACR122U", "device_class": "smartcard", "state": "ready", "detail": ""},
]


def at(hour: int, minute: int) -> int:
    """Today at that time on this machine's clock, in Unix milliseconds."""
    return int(
        datetime.now().astimezone().replace(hour=hour, minute=minute, second=0, microsecond=0).timestamp() * 1000
    )


def money_of(language: str) -> dict[str, Any]:
    return DINAR if language == "ar" else TOMAN


def scaled(language: str, toman: int) -> int:
    """The same order of price in the shop's own minor units."""
    return toman // 10 // 250 * 250 if language == "ar" else toman * 10


def idle(language: str) -> View:
    shop, till, cashier, member, other = SHOPS[language]

    def sale(kind: str, hour: int, minute: int, name: str | None, toman: int, points: int) -> dict[str, Any]:
        return {
            "sale_id": f"{hour:02}{minute:02}" * 8,
            "kind": kind,
            "at_ms": at(hour, minute),
            "name": name,
            "amount_minor": scaled(language, toman),
            "earned": {"PTS": points} if points else {},
            "queued": False,
        }

    return {
        "version": 1,
        "screen": "idle",
        "shop": {"name": shop, "till": till, "cashier": cashier},
        "language": language,
        "calendar": "gregory" if language == "ar" else "persian",
        "money": money_of(language),
        "link": {"state": "online", "queue": 0, "last_sync_ms": at(14, 28)},
        "readers": READERS,
        "member": None,
        "amount_minor": None,
        "sale": None,
        "recent": [
            sale("sale", 14, 21, member, 486_000, 48),
            sale("sale", 14, 17, None, 92_500, 0),
            sale("refund", 14, 9, other, 214_000, 0),
        ],
        "enrol": None,
        "find": None,
        "done": None,
        "refund": None,
        "lost": None,
        "notice": None,
        "signal": None,
    }


def member_of(language: str, usable: bool = True) -> dict[str, Any]:
    credit = scaled(language, 186_000)
    why = None if usable else Words("quote.why_not.offline").as_json()
    return {
        "member_id": "m1",
        "name": SHOPS[language][3],
        "phone_mask": "0770 *** **34" if language == "ar" else "0912 *** **34",
        "tier": {"code": "silver", "name": SILVER, "rank": 2},
        "path": {
            "next": {"code": "gold", "name": GOLD, "rank": 3},
            "missing_minor": scaled(language, 1_640_000),
            "permille": 727,
        },
        "balances": [
            {"unit": "PTS", "amount": 1284, "usable": 1284 if usable else 500, "why": why},
            {"unit": "CREDIT", "amount": credit, "usable": credit if usable else 0, "why": why},
        ],
        "earn_only": False,
    }


def member(language: str) -> View:
    return {**idle(language), "screen": "member", "member": member_of(language), "sale": sale_of(language, 0, ())}


def sale_of(language: str, total: int, on: tuple[str, ...] = ("CREDIT",)) -> dict[str, Any]:
    """A quote: points pay ten toman each, credit pays itself; one point for each 10,000 toman paid, and 1 % credit."""
    unit = money_of(language)["unit"]
    credit, points_value = min(scaled(language, 186_000), total), min(scaled(language, 12_840), total)
    values = {"PTS": (1284 if total else 0, points_value), "CREDIT": (credit, credit)}
    used = [
        {"unit": u, "spent": values[u][0], "value_minor": values[u][1]} for u in ("PTS", "CREDIT") if u in on and total
    ]
    saves = sum(values[u][1] for u in ("PTS", "CREDIT") if u in on and total)
    paid, per = total - saves, scaled(language, 10_000)
    gained = {"PTS": paid // per, "CREDIT": paid // 100}
    why = Words(
        "quote.why.base",
        {"earned": quantity(paid // per, "PTS"), "amount": quantity(per, unit), "rate": quantity(1, "PTS")},
    )
    hint = Words(
        "quote.why_not.short_by", {"missing": quantity(scaled(language, 12_000), unit), "reward": REWARD[language]}
    )
    return {
        "total_minor": total,
        "payable_minor": paid,
        "saves_minor": saves,
        "options": [
            {"unit": u, "on": u in on, "possible": values[u][0], "value_minor": values[u][1], "why_not": None}
            for u in ("PTS", "CREDIT")
        ],
        "redemptions": used,
        "earnings": [{"unit": u, "earned": gained[u], "why": why.as_json()} for u in ("PTS",) if total and gained[u]],
        "hints": [hint.as_json()] if total else [],
    }


REWARD = {"en": "a 5% voucher", "fa": "بن ۵ درصدی", "ar": "قسيمة ٥٪"}


def amount(language: str) -> View:
    total = scaled(language, 1_288_000)
    return {**member(language), "screen": "amount", "amount_minor": total, "sale": sale_of(language, total)}


def amount_alone(language: str) -> View:
    total = scaled(language, 1_288_000)
    sale = {**sale_of(language, total, ()), "options": [], "earnings": [], "hints": []}
    return {**idle(language), "screen": "amount", "amount_minor": total, "sale": sale}


def done(language: str) -> View:
    quote = sale_of(language, scaled(language, 1_288_000))
    name, unit = SHOPS[language][3], "PTS"
    earned = quote["earnings"][0]["earned"]
    credit = quote["redemptions"][0]["spent"]
    receipt = [
        Words("receipt.club", {"shop": SHOPS[language][0]}),
        Words("receipt.member", {"member": name, "tier": names(SILVER)}),
        Words("receipt.earned", {"earned": quantity(earned, unit)}),
        Words(
            "receipt.used", {"spent": quantity(credit, "CREDIT"), "value": quantity(credit, money_of(language)["unit"])}
        ),
        Words("receipt.balance", {"balance": quantity(1284 + earned, unit)}),
        Words("receipt.balance", {"balance": quantity(0, "CREDIT")}),
    ]
    return {
        **idle(language),
        "screen": "done",
        "done": {
            "sale_id": "07" * 16,
            "kind": "sale",
            "at_ms": at(14, 28),
            "total_minor": quote["total_minor"],
            "payable_minor": quote["payable_minor"],
            "earned": {unit: earned},
            "spent": {"CREDIT": credit},
            "balances": {unit: 1284 + earned, "CREDIT": 0},
            "receipt": [words.as_json() for words in receipt],
            "receipt_code": "9F3A 77C1",
            "queued": False,
            "can_undo": True,
            "name": name,
        },
    }


def enrol(language: str) -> View:
    return {
        **idle(language),
        "screen": "enrol",
        "enrol": {"card": True, "medium": "barcode", "tail": "7719", "gift": {"PTS": 100}, "problem": None},
    }


def find(language: str) -> View:
    return {**idle(language), "screen": "find", "find": {"problem": Words("member.not_found").as_json()}}


def bank(language: str) -> View:
    return {**idle(language), "screen": "bank"}


def lost(language: str) -> View:
    gone = {**READERS[0], "state": "lost"}
    return {**idle(language), "screen": "lost", "readers": [gone, *READERS[1:]], "lost": gone}


def refund(language: str, lines: int = 4) -> View:
    def line(n: int, sold: int, back: int, toman: int, returned: int = 0) -> dict[str, Any]:
        price = scaled(language, toman)
        return {
            "n": n,
            "name": GOODS[language][n - 1],
            "quantity_milli": sold,
            "returned_milli": returned,
            "chosen_milli": back,
            "amount_minor": price,
            "refund_minor": price * back // sold,
        }

    shown = [
        line(1, 2000, 1000, 168_000),
        line(2, 1000, 0, 95_000),
        line(3, 1000, 1000, 136_000),
        line(4, 3000, 0, 87_000, returned=3000),
        line(5, 1500, 0, 700_000),
        line(6, 1000, 0, 40_000),
        line(7, 1000, 0, 12_000),
    ][:lines]
    return {
        **idle(language),
        "screen": "refund",
        "refund": {
            "sale_id": "07" * 16,
            "at_ms": at(14, 21),
            "name": SHOPS[language][3],
            "lines": shown,
            "pay_back_minor": scaled(language, 213_400),
            "taken_back": {"PTS": 21},
            "given_back": {"CREDIT": 0},
            "warnings": [],
        },
    }


def fault(language: str) -> View:
    notice = {"words": Words("till.stopped", {"code": "QHDZ"}).as_json(), "tone": "stop", "code": "QHDZ"}
    return {**idle(language), "screen": "fault", "notice": notice}


def offline(view: View) -> View:
    """The same screen with the club away; nothing can be used, and what is booked waits."""
    changed = {**view, "link": {"state": "offline", "queue": 37, "last_sync_ms": at(14, 2)}}
    if view["member"]:
        changed["member"] = member_of(view["language"], usable=False)
    if view["done"]:
        changed["done"] = {**view["done"], "queued": True}
    return changed


SCREENS = {
    "idle": idle,
    "member": member,
    "amount": amount,
    "amount_alone": amount_alone,
    "done": done,
    "enrol": enrol,
    "find": find,
    "bank": bank,
    "lost": lost,
    "refund": refund,
    "fault": fault,
}


LONG_NAMES = {
    "en": "Christopher-Alexander W",
    "fa": "سیدمحمدحسین‌علی‌اکبر موسوی‌نژاد",
    "ar": "عبد الرحمن بن عبد العزيز آل",
}


def crowded(language: str) -> View:
    """The most that a quote screen has to carry: a long name, large figures, both switches, two earnings, a hint."""
    total, unit = scaled(language, 987_654_320), money_of(language)["unit"]
    person = member_of(language)
    person["name"] = LONG_NAMES[language]
    person["balances"] = [
        {"unit": "PTS", "amount": 1_234_567, "usable": 1_000_000, "why": Words("quote.why_not.offline").as_json()},
        {
            "unit": "CREDIT",
            "amount": scaled(language, 123_456_780),
            "usable": scaled(language, 123_456_780),
            "why": None,
        },
    ]
    quote = sale_of(language, total, ("PTS", "CREDIT"))
    cashback = {
        "unit": "CREDIT",
        "earned": scaled(language, 9_876_540),
        "why": Words(
            "quote.why.base",
            {
                "earned": quantity(scaled(language, 9_876_540), "CREDIT"),
                "amount": quantity(scaled(language, 100), unit),
                "rate": quantity(scaled(language, 1), "CREDIT"),
            },
        ).as_json(),
    }
    return {
        **amount(language),
        "member": person,
        "amount_minor": total,
        "sale": {**quote, "earnings": [*quote["earnings"], cashback]},
    }


def noticed(view: View) -> View:
    """A line over the screen, of the longest kind, with a code."""
    words = Words("till.stopped", {"code": "QHDZ"}).as_json()
    return {**view, "notice": {"words": words, "tone": "stop", "code": "QHDZ"}}


def earn_only(language: str) -> View:
    view = member(language)
    why = Words("quote.why_not.plastic_number").as_json()
    person = {**view["member"], "earn_only": True}
    person["balances"] = [{**held, "usable": 0, "why": why} for held in person["balances"]]
    return {**view, "member": person}


def long_refund(language: str) -> View:
    return refund(language, lines=7)


STRESS = {"crowded": crowded, "earn_only": earn_only, "long_refund": long_refund}
