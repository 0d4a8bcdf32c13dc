"""The JSON Schema of a program document, made from the same annotations that check it (`docs/program.schema.json`)."""

from __future__ import annotations

from typing import Any

from posd.loyalty.programs import Program
from posd.loyalty.shape import table_schema


def program_schema() -> dict[str, Any]:
    """JSON Schema 2020-12. What it cannot say (distinct ids, a step worth a whole amount, rising levels) is checked by
    `posd.loyalty.programs.parse_program`."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "posd program",
        **table_schema(Program),
    }
