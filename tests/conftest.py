"""How much the property tests try: `make fuzz` takes the profile ``fuzz``, everything else the usual hundred. Neither
is on the clock: a busy machine is no bug."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.fakes.apdu_watch"]

settings.register_profile("usual", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("fuzz", settings.get_profile("usual"), max_examples=10_000)
settings.load_profile("usual")
