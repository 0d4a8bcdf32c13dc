"""How much the property tests try: `make fuzz` takes the profile ``fuzz``, everything else the usual hundred."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.fakes.apdu_watch"]

settings.register_profile("fuzz", max_examples=10_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
