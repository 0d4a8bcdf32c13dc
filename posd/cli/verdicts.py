"""What one check of `posd doctor` found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum


class Verdict(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Check:
    """``fix``: a command to paste, or what to do; empty where nothing is wrong."""

    section: str
    name: str
    status: Verdict
    detail: str
    fix: str = ""

    def as_json(self) -> dict[str, str]:
        return asdict(self)
