"""Pictures of figures: groups of bars, as SVG that GitHub and browsers draw on light and on dark."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

WIDTH, LABELS, BAR, GAP, TOP = 760, 210, 11, 9, 58
COLOURS = ("#2f6fde", "#e08a1e", "#9aa4b2")
_STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#24292f}.title{font-weight:600;font-size:14px}"
    ".note{fill:#6e7781}line{stroke:#d1242f;stroke-dasharray:4 3}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.note{fill:#9198a1}}"
)


def bars(
    path: Path,
    title: str,
    groups: Mapping[str, Sequence[float]],
    series: Sequence[str],
    limit: tuple[float, str] | None = None,
) -> None:
    """Draw one group of bars a name, a bar a series. limit: a value that no bar should pass, and what it is."""
    largest = max([value for values in groups.values() for value in values] + ([limit[0]] if limit else []))
    scale = (WIDTH - LABELS - 70) / largest
    step = len(series) * BAR + GAP
    height = TOP + len(groups) * step + 26
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}"'
        f' viewBox="0 0 {WIDTH} {height}" role="img"><style>{_STYLE}</style>',
        f'<text class="title" x="8" y="20">{escape(title)}</text>',
    ]
    for place, name in enumerate(series):
        x = 8 + place * 190
        parts.append(f'<rect x="{x}" y="32" width="11" height="11" fill="{COLOURS[place]}"/>')
        parts.append(f'<text x="{x + 17}" y="42">{escape(name)}</text>')
    for row, (label, values) in enumerate(groups.items()):
        y = TOP + row * step
        middle = y + len(series) * BAR / 2 + 4
        parts.append(f'<text x="{LABELS - 8}" y="{middle:.0f}" text-anchor="end">{escape(label)}</text>')
        for place, value in enumerate(values):
            at, length = y + place * BAR, max(value * scale, 1)
            parts.append(
                f'<rect x="{LABELS}" y="{at}" width="{length:.1f}" height="{BAR - 1}" fill="{COLOURS[place]}"/>'
                f'<text class="note" x="{LABELS + length + 5:.1f}" y="{at + 9}">{value:,.4g}</text>'
            )
    if limit is not None:
        x = LABELS + limit[0] * scale
        parts.append(f'<line x1="{x:.1f}" y1="{TOP - 6}" x2="{x:.1f}" y2="{height - 22}"/>')
        parts.append(f'<text class="note" x="{x:.1f}" y="{height - 8}" text-anchor="end">{limit[1]}</text>')
    path.write_text("\n".join([*parts, "</svg>"]) + "\n")


def lines(
    path: Path, title: str, series: Mapping[str, tuple[Sequence[float], Sequence[float]]], below: str
) -> None:
    """Draw values over something that grows, each line named at its end. series: x and y by name."""
    height, left, right, bottom = 420, 48, 200, 36
    floor, beside = height - bottom, WIDTH - right + 12
    widest = max(x[-1] for x, _ in series.values())
    tallest = max(max(y) for _, y in series.values()) * 1.05
    across, down = (WIDTH - left - right) / widest, (floor - TOP) / tallest
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}"'
        f' viewBox="0 0 {WIDTH} {height}" role="img"><style>{_STYLE}</style>',
        f'<text class="title" x="8" y="20">{escape(title)}</text>',
        f'<text class="note" x="{beside}" y="{floor + 18}">{escape(below)}</text>',
    ]
    for share in (0, 0.25, 0.5, 0.75, 1):
        x, y = widest * share, tallest * share
        at = floor - y * down + 4
        parts.append(f'<text class="note" x="{left - 6}" y="{at:.0f}" text-anchor="end">{y:,.0f}</text>')
        at = left + x * across
        parts.append(f'<text class="note" x="{at:.0f}" y="{floor + 18}" text-anchor="middle">{x:,.0f}</text>')
    label = floor + 14.0
    # From below, so that each name finds room above the one before.
    for place, (name, (xs, ys)) in enumerate(sorted(series.items(), key=lambda item: item[1][1][-1])):
        points = " ".join(
            f"{left + x * across:.1f},{floor - y * down:.1f}" for x, y in zip(xs, ys, strict=True)
        )
        colour = COLOURS[place % len(COLOURS)]
        label = min(label - 14, floor - ys[-1] * down + 4)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
        parts.append(f'<text x="{beside}" y="{label:.0f}" style="fill:{colour}">{escape(name)}</text>')
    path.write_text("\n".join([*parts, "</svg>"]) + "\n")
