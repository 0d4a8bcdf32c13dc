"""The sheet that a reader scans to be calibrated: one page A4 with one Code 128 symbol, as SVG or PDF.

The SVG explains itself in English, Persian and Arabic; the PDF in English, because the fonts that every PDF reader has
carry no Arabic script.
"""

from __future__ import annotations

from xml.sax.saxutils import escape

from posd.cards import code128
from posd.cards.calibration import SHEET_TEXT

MODULE_MM = 0.4
"""The narrowest bar. The symbol is 84 mm wide: cheap scanners read it, and 300 dpi print it sharply."""
_WIDTH_MM, _HEIGHT_MM = 210, 297
_BAR_TOP_MM, _BAR_MM = 48, 26
_MARGIN_MM = 30

TITLE = "Keyboard calibration"
COMMAND = "posd readers calibrate"
STEPS = {
    "en": (
        "1. Run this command on the till.",
        "2. Scan the code above once.",
        "3. Put the lines that posd prints into the reader's table of the configuration.",
    ),
    "fa": (
        "۱. این دستور را روی صندوق اجرا کنید.",
        "۲. کد بالا را یک بار اسکن کنید.",
        "۳. سطرهایی را که posd چاپ می‌کند در جدول این دستگاه در پیکربندی بنویسید.",
    ),
    "ar": (
        "١. شغّل هذا الأمر على جهاز البيع.",
        "٢. امسح الرمز أعلاه مرة واحدة.",
        "٣. ضع الأسطر التي يطبعها posd في جدول هذا القارئ ضمن ملف الإعداد.",
    ),
}
_RIGHT_TO_LEFT = ("fa", "ar")


def bars() -> list[tuple[float, float]]:
    """Left edge and width of each bar in millimetres from the left edge of the page."""
    widths = code128.widths(SHEET_TEXT)
    at_mm = (_WIDTH_MM - sum(widths) * MODULE_MM) / 2
    placed = []
    for n, width in enumerate(widths):
        if n % 2 == 0:
            placed.append((round(at_mm, 3), round(width * MODULE_MM, 3)))
        at_mm += width * MODULE_MM
    return placed


def svg() -> str:
    """The sheet as an SVG document; its user unit is the millimetre."""
    path = "".join(f"M{x:g} {_BAR_TOP_MM}h{width:g}v{_BAR_MM}h-{width:g}z" for x, width in bars())
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH_MM}mm" height="{_HEIGHT_MM}mm"'
        f' viewBox="0 0 {_WIDTH_MM} {_HEIGHT_MM}" font-family="Vazirmatn, Noto Sans Arabic, Noto Sans, sans-serif">',
        f'<rect width="{_WIDTH_MM}" height="{_HEIGHT_MM}" fill="#fff"/>',
        _text(TITLE, 105, 32, 'font-size="7" font-weight="600" text-anchor="middle"'),
        f'<path d="{path}" shape-rendering="crispEdges"/>',
        _text(SHEET_TEXT.replace("\x1d", "␝"), 105, 80, 'font-size="3.4" text-anchor="middle" fill="#555"'),
        _text(COMMAND, 105, 102, 'font-size="6" text-anchor="middle" font-family="monospace"'),
    ]
    y_mm = 124
    for language, steps in STEPS.items():
        to_left = language in _RIGHT_TO_LEFT
        x_mm, direction = (_WIDTH_MM - _MARGIN_MM, "rtl") if to_left else (_MARGIN_MM, "ltr")
        for step in steps:
            lines.append(_text(step, x_mm, y_mm, f'font-size="4.2" direction="{direction}" xml:lang="{language}"'))
            y_mm += 9
        y_mm += 8
    return "\n".join([*lines, "</svg>", ""])


def pdf() -> bytes:
    """The sheet as a PDF of one page."""
    unit = 72 / 25.4
    rectangles = "".join(
        f"{x * unit:.3f} {(_HEIGHT_MM - _BAR_TOP_MM - _BAR_MM) * unit:.3f} {width * unit:.3f} {_BAR_MM * unit:.3f} re\n"
        for x, width in bars()
    )
    texts = [(TITLE, "F1", 20, 32), (COMMAND, "F2", 16, 102)]
    texts += [(step, "F1", 12, 124 + 9 * n) for n, step in enumerate(STEPS["en"])]
    written = "".join(
        f"BT /{font} {size} Tf {_MARGIN_MM * unit:.3f} {(_HEIGHT_MM - y_mm) * unit:.3f} Td ({text}) Tj ET\n"
        for text, font, size, y_mm in texts
    )
    content = f"{rectangles}f\n{written}".encode("ascii")
    font = "<< /Type /Font /Subtype /Type1 /BaseFont /{} >>"
    page = f"/MediaBox [0 0 {_WIDTH_MM * unit:.2f} {_HEIGHT_MM * unit:.2f}] /Contents 6 0 R"
    return _pdf_file(
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R {page} /Resources << /Font << /F1 4 0 R /F2 5 0 R >> >> >>".encode(),
        font.format("Helvetica").encode(),
        font.format("Courier").encode(),
        b"<< /Length %d >>\nstream\n%sendstream" % (len(content), content),
    )


def _pdf_file(*objects: bytes) -> bytes:
    """Numbered objects, the first of them the catalog, with the table of where they stand (ISO 32000-1, 7.5)."""
    document, places = b"%PDF-1.4\n", b""
    for number, body in enumerate(objects, 1):
        places += b"%010d 00000 n \n" % len(document)
        document += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    count = len(objects) + 1
    table = b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R >>\n" % (count, places, count)
    return document + table + b"startxref\n%d\n%%%%EOF\n" % len(document)


def _text(text: str, x_mm: float, y_mm: float, attributes: str) -> str:
    return f'<text x="{x_mm:g}" y="{y_mm:g}" {attributes}>{escape(text)}</text>'
