"""One till for the whole run: booting takes half a minute where there is no KVM."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite("tests.vm.samples")

from tests.vm import image  # noqa: E402
from tests.vm.till import SEATS, PosdTill  # noqa: E402


@pytest.fixture(scope="session")
def till() -> Iterator[PosdTill]:
    with tempfile.TemporaryDirectory(prefix="posd-vm-") as folder:
        opened = PosdTill(image.till_image(), Path(folder), SEATS)
        try:
            opened.open_shop()
            yield opened
        finally:
            opened.close()
            print("\n" + "\n".join(f"{what}: {seconds:.1f} s" for what, seconds in opened.timings.items()))
