"""Pictures of ours: fetched, checked, re-encoded, served from /media/<hash>."""

import hashlib
import io
import struct
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from PIL import Image, ImageOps, UnidentifiedImageError
from sqlalchemy import exists, select
from sqlalchemy.exc import IntegrityError

from newsletter import clock, db, errors, fetching, settings
from newsletter.articles.models import Article, Picture, Rendition

log = structlog.get_logger()

_QUALITY = 82
_SMALLEST = 48  # pixels of a side; smaller ones are counters, icons and smileys
_SMALLEST_LOGO = 24
# Twice what the head of a page and a mail show.
_LOGO = (960, 96)
_YOUNG = timedelta(days=1)
_FORMATS = ("JPEG", "PNG", "GIF", "WEBP")


@dataclass(frozen=True)
class Encoded:
    """One size of a picture as bytes; width and height in pixels."""

    label: str
    width: int
    height: int
    content: bytes


def fetch_missing(limit: int = 20) -> int:
    """Fetch the pictures articles name and we do not have, newest first; how many were got. Owns its transactions.

    One that cannot be had is tried again after settings.picture_retry while its article is younger than a day.
    """
    articles = waiting(clock.now(), limit=limit)
    urls = select(Article.id, Article.picture_url).where(Article.id.in_(articles)).order_by(Article.id.desc())
    found = db.session.execute(urls).all()
    db.session.commit()
    return sum(_fetch(article_id, url) for article_id, url in found)


def waiting(now: datetime, *, limit: int = 1) -> list[int]:
    """Ids of articles whose picture is to be fetched, newest first."""
    failed = exists().where(Picture.source_url == Article.picture_url, ~Picture.renditions.any())
    failed_lately = failed.where(Picture.created_at > now - settings.current().picture_retry)
    query = (
        select(Article.id)
        .where(Article.picture_id.is_(None), Article.picture_url != "", Article.withdrawn_at.is_(None))
        .where(~failed_lately, ~failed | (Article.seen_at > now - _YOUNG))
    )
    return list(db.session.scalars(query.order_by(Article.id.desc()).limit(limit)))


def adopt(content: bytes, *, source_url: str | None = None) -> Picture:
    """Keep a picture's bytes; raises BadInput, in words for an editor, for what is none. Flushes."""
    return store(encode(content), source_url=source_url)


def encode(content: bytes) -> list[Encoded]:
    """A picture's bytes as JPEGs of the two sizes, never larger than it is; raises BadInput. No database."""
    present = settings.current()
    upright = _flat(_opened(content, smallest=_SMALLEST))
    return [_sized(upright, "wide", present.picture_wide), _sized(upright, "small", present.picture_small)]


def store(encoded: list[Encoded], *, source_url: str | None = None) -> Picture:
    """Keep what `encode` made, once per source address; flushes."""
    picture = _at(source_url)
    if picture is None:
        picture = Picture(source_url=source_url, created_at=clock.now())
        try:
            with db.session.begin_nested():
                db.session.add(picture)
        except IntegrityError:
            # Another process fetched the same picture at this moment.
            picture = _at(source_url) or picture
    if not picture.renditions:
        picture.created_at = clock.now()
        picture.renditions = [_rendition(each) for each in encoded]
    db.session.flush()
    return picture


def encode_logo(content: bytes) -> Encoded:
    """The magazine's logo as a PNG, what is transparent in it with it; raises BadInput. No database."""
    logo = _opened(content, smallest=_SMALLEST_LOGO).convert("RGBA")
    logo.thumbnail(_LOGO, Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    logo.save(buffer, "PNG", optimize=True)
    return Encoded("logo", logo.width, logo.height, buffer.getvalue())


def keep_logo(logo: Encoded) -> str:
    """Keep what `encode_logo` made; its hash. Flushes."""
    return store([logo]).renditions[0].hash


def kind_of(content: bytes) -> str:
    """The media type of bytes we made."""
    return "image/png" if content.startswith(b"\x89PNG") else "image/jpeg"


def address(picture: Picture | None, label: str) -> tuple[str, int, int] | None:
    """The absolute address, width and height in pixels of a picture's "wide" or "small" size; None without one."""
    for rendition in picture.renditions if picture else ():
        if rendition.label == label:
            return f"{settings.current().base_url}/media/{rendition.hash}", rendition.width, rendition.height
    return None


def content_of(digest: str) -> bytes:
    """The bytes of a hash; raises NotFound."""
    found = db.session.scalar(select(Rendition.content).filter_by(hash=digest).limit(1))
    if found is None:
        raise errors.NotFound("There is no such picture.")
    return found


def _fetch(article_id: int, url: str) -> bool:
    encoded: list[Encoded] = []
    had = _at(url)
    is_here = had is not None and bool(had.renditions)
    db.session.commit()
    if not is_here:
        try:
            encoded = encode(fetching.get(url, accept="image/*", limit=settings.current().picture_bytes).content)
        except errors.NewsletterError as error:
            log.info("picture_refused", article_id=article_id, reason=error.message)
    # Without renditions it is the note that, and when, it could not be had.
    picture, article = store(encoded, source_url=url), db.session.get(Article, article_id)
    if picture.renditions and article is not None and article.picture_url == url:
        article.picture = picture
    is_got = bool(picture.renditions)
    db.session.commit()
    return is_got


def _at(source_url: str | None) -> Picture | None:
    return db.session.scalars(select(Picture).filter_by(source_url=source_url)).first() if source_url else None


def _rendition(encoded: Encoded) -> Rendition:
    return Rendition(
        hash=hashlib.sha256(encoded.content).hexdigest(),
        label=encoded.label,
        width=encoded.width,
        height=encoded.height,
        content=encoded.content,
    )


def _opened(content: bytes, *, smallest: int) -> Image.Image:
    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as opened:
            if opened.width * opened.height > settings.current().picture_pixels:
                raise errors.BadInput("The picture has too many pixels.", field="picture")
            if min(opened.size) < smallest:
                raise errors.BadInput("The picture is too small to be shown.", field="picture")
            opened.load()
            return ImageOps.exif_transpose(opened)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise errors.BadInput("The picture has too many pixels.", field="picture") from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, struct.error):
        raise errors.BadInput("This is not a picture we can read (JPEG, PNG, GIF or WebP).", field="picture") from None


def _flat(image: Image.Image) -> Image.Image:
    """The picture in RGB, what was transparent on white: JPEG knows no transparency."""
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        layer = image.convert("RGBA")
        paper = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(paper, layer).convert("RGB")
    return image.convert("RGB")


def _sized(image: Image.Image, label: str, width: int) -> Encoded:
    sized = image.copy()
    # thumbnail never enlarges. What is much taller than wide would be a column of its own in a mail.
    sized.thumbnail((width, width * 3 // 2), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    sized.save(buffer, "JPEG", quality=_QUALITY, optimize=True, progressive=True)
    return Encoded(label, sized.width, sized.height, buffer.getvalue())
