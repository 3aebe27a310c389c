"""The pictures of the sample magazine, drawn as small JPEGs: `python -m newsletter.demo.draw` writes them anew."""

import io
import sys
from collections.abc import Mapping
from pathlib import Path

from newsletter.demo.posters import art, design, entertainment, fashion, footwear, gaming, music, tech
from newsletter.demo.sheet import Drawing, Sheet

PICTURES = Path(__file__).parent / "pictures"
DRAWINGS: Mapping[str, Drawing] = {
    name: drawing
    for topic in (design, entertainment, music, fashion, art, tech, footwear, gaming)
    for name, drawing in topic.DRAWINGS.items()
}
# A picture is stored at the best of these qualities at which it is small enough to be committed.
_QUALITIES = (76, 70, 64, 58, 52, 46, 40, 34)
_BYTES = 27_000


def draw(name: str) -> bytes:
    """The JPEG of one drawing, 1200 by 800; the same bytes every time with one version of Pillow."""
    sheet = Sheet()
    DRAWINGS[name](sheet)
    content = b""
    for quality in _QUALITIES:
        stored = io.BytesIO()
        sheet.finished().save(stored, "JPEG", quality=quality, optimize=True, progressive=True)
        content = stored.getvalue()
        if len(content) <= _BYTES:
            break
    return content


def main() -> None:
    """Write every picture into the folder the sample magazine loads them from."""
    PICTURES.mkdir(exist_ok=True)
    for name in DRAWINGS:
        content = draw(name)
        (PICTURES / f"{name}.jpg").write_bytes(content)
        sys.stdout.write(f"{name}.jpg {len(content):,}\n")


if __name__ == "__main__":
    main()
