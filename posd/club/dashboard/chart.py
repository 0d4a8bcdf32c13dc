"""The bar chart of sales per day, as SVG made here: no script, and the page's own fonts and colours. Pure.

In right-to-left pages time runs from right to left and the amounts stand at the right. Every bar says its numbers to
those who hear the page instead of seeing it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from posd.club.dashboard.figures import Day
from posd.club.dashboard.speech import Scale, Speech

WIDTH, HEIGHT = 640, 330
TOP, BOTTOM = 24, 304
FIRST, LAST = 44, 636
BAR_SHARE_PERMILLE = 620
GAP = 2


@dataclass(frozen=True, slots=True)
class Plot:
    """Where things stand. Coordinates are in tenths of a unit, so that integers suffice."""

    speech: Speech
    days: Sequence[Day]
    scale: Scale
    step_minor: int
    steps: int

    @property
    def top_minor(self) -> int:
        return self.step_minor * self.steps

    def x(self, left: int, width: int = 0) -> str:
        """Mirrored where the page runs from right to left."""
        return _tenths(WIDTH * 10 - left - width if self.speech.direction == "rtl" else left)

    def y(self, amount_minor: int) -> int:
        return BOTTOM * 10 - (BOTTOM - TOP) * 10 * amount_minor // self.top_minor


def sales_chart(speech: Speech, days: Sequence[Day]) -> tuple[Markup, Scale]:
    """The chart and the scale that its title must name."""
    highest = max([day.total_minor for day in days] + [0])
    scale = speech.scale(highest)
    step, steps = grid(highest, scale.divisor)
    plot = Plot(speech, days, scale, step, steps)
    parts = [_line(plot, n) for n in range(steps + 1)] + [_day(plot, n) for n in range(len(days))]
    title = speech.word("chart.title", unit=scale.unit)
    frame = Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>')
    return frame.format(WIDTH, HEIGHT, title, Markup("").join(parts)), scale


def grid(highest_minor: int, divisor: int) -> tuple[int, int]:
    """``(step, steps)``: up to five lines at round amounts (1, 2 or 5 × 10ⁿ of the scale), the last above all bars."""
    step = divisor
    while step >= 10 and step * 3 > max(highest_minor, 1):
        step //= 10
    while True:
        for factor in (1, 2, 5):
            steps = -(-max(highest_minor, 1) // (step * factor))
            if steps <= 4:
                return step * factor, max(steps, 1)
        step *= 10


def _line(plot: Plot, n: int) -> Markup:
    amount = plot.step_minor * n
    y = plot.y(amount)
    line = Markup('<line x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
        plot.x(FIRST * 10), plot.x(LAST * 10), _tenths(y), _tenths(y)
    )
    # Text runs left to right inside the drawing, whatever the page does, so the anchor is mirrored by hand.
    anchor = "start" if plot.speech.direction == "rtl" else "end"
    label = Markup('<text x="{}" y="{}" text-anchor="{}">{}</text>').format(
        plot.x((FIRST - 8) * 10), _tenths(y + 40), anchor, plot.speech.scaled_text(amount, plot.scale)
    )
    return line + label


def _day(plot: Plot, n: int) -> Markup:
    day, slot = plot.days[n], (LAST - FIRST) * 10 // max(len(plot.days), 1)
    width = slot * BAR_SHARE_PERMILLE // 1000
    left = FIRST * 10 + slot * n + (slot - width) // 2
    today = n == len(plot.days) - 1
    # A day on which more came back than was sold without a card has less in total than with cards; bars show the total.
    total_minor = max(day.total_minor, 0)
    carded_y, total_y = plot.y(min(max(day.carded_minor, 0), total_minor)), plot.y(total_minor)
    bars = _bar(plot, left, width, carded_y, BOTTOM * 10, "with") + _bar(
        plot, left, width, total_y, carded_y - GAP * 10, "without today" if today else "without"
    )
    middle = plot.x(left + width // 2)
    name = _text(middle, HEIGHT - 6, plot.speech.day_of_month(day.on), strong=today)
    value = _value(plot, n, middle, total_y)
    return Markup("<g><title>{}</title>{}{}{}</g>").format(_spoken(plot, day), bars, name, value)


def _value(plot: Plot, n: int, middle: str, total_y: int) -> Markup:
    """The amount stands above today's bar and above the highest one."""
    day = plot.days[n]
    is_highest = day.total_minor == max(other.total_minor for other in plot.days)
    if day.total_minor <= 0 or not (n == len(plot.days) - 1 or is_highest):
        return Markup("")
    return _text(middle, total_y // 10 - 6, plot.speech.scaled_text(day.total_minor, plot.scale), strong=True)


def _spoken(plot: Plot, day: Day) -> str:
    return str(
        plot.speech.word(
            "chart.text",
            day=plot.speech.day_of_month(day.on),
            with_card=plot.speech.scaled_text(day.carded_minor, plot.scale),
            without=plot.speech.scaled_text(day.other_minor, plot.scale),
        )
    )


def _bar(plot: Plot, left: int, width: int, top: int, bottom: int, kind: str) -> Markup:
    if bottom <= top:
        return Markup("")
    shape = Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>')
    return shape.format(kind, plot.x(left, width), _tenths(top), _tenths(width), _tenths(bottom - top))


def _text(x: str, y: int, text: str, *, strong: bool) -> Markup:
    shape = Markup('<text class="{}" x="{}" y="{}" text-anchor="middle">{}</text>')
    return shape.format("v" if strong else "", x, y, text)


def _tenths(value: int) -> str:
    return f"{value // 10}.{value % 10}"
