"""Names of PC/SC readers, and patterns for them.

Not ``fnmatch``, for which square brackets mean something: most readers have them in their names.

>>> name_fits("ACS ACR1252 Dual Reader [ACR1252 Dual Reader PICC] 00 00", "ACS ACR1252*[*PICC]*")
True
"""

from __future__ import annotations

import re


def name_fits(name: str, pattern: str) -> bool:
    """Whether ``pattern`` means this name: ``*`` stands for anything, every other character for itself."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name, re.DOTALL) is not None
