"""Names of device nodes that stay: a link by port or by role instead of a number that changes with every start."""

from __future__ import annotations

from pathlib import Path

LINK_FOLDERS = ("/dev/posd", "/dev/input/by-path", "/dev/serial/by-path", "/dev/input/by-id", "/dev/serial/by-id")
"""Where udev puts links, the firmest first: a role given by our rules, then the port, then model and serial."""


def stable_address(node: Path) -> str:
    """The best link to ``node``, or the node itself where udev made none."""
    for folder in LINK_FOLDERS:
        for link in sorted(Path(folder).glob("*")):
            if link.resolve() == node:
                return str(link)
    return str(node)


def same_node(one: str, other: str) -> bool:
    """Whether two addresses mean the same device, whatever links they go through."""
    return Path(one).resolve() == Path(other).resolve()
