"""Benchmarks as ratios: all cases take turns in each round, so that noise of a shared machine hits every one alike."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping

Case = Callable[[], float]
"""Runs once and returns a rate (per second)."""


def take_turns(cases: Mapping[str, Case], rounds: int) -> dict[str, list[float]]:
    """The rates of each case, round by round; the order turns from round to round."""
    rates: dict[str, list[float]] = {name: [] for name in cases}
    names = list(cases)
    for number in range(rounds):
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            rates[name].append(cases[name]())
    return rates


def ratio(rates: Mapping[str, list[float]], name: str, base: str) -> float:
    """Median over the rounds of ``name`` / ``base`` within one round."""
    return statistics.median(mine / theirs for mine, theirs in zip(rates[name], rates[base], strict=True))


def show(title: str, rates: Mapping[str, list[float]], base: str) -> None:
    """Print a table: rate, time of one, ratio to ``base``."""
    print(f"\n{title}")
    print(f"{'case':<44}{'per second':>12}{'µs each':>10}{'ratio':>8}")
    for name, values in rates.items():
        rate = statistics.median(values)
        print(f"{name:<44}{rate:>12,.0f}{1e6 / rate:>10,.0f}{ratio(rates, name, base):>8.2f}")
