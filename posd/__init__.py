"""posd: loyalty at the till. See docs/ for the people it serves and docs/design.md for the house plan."""

__version__ = "0.1.0"
