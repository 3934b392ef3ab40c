"""Draw a contact sheet: the pictures of a series side by side, labelled with what differs between them.

Two layouts. With both rows and columns it is a table, with the photo itself in the corner or at the head of its row.
With only one of them, or sorted by agreement, the pictures flow like text, each with its own label and, where there are
several photos, beside the photo it was made of.
"""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

from PIL import Image, ImageDraw, ImageFont

from framesense.schemas.edits import EditedImage, SheetOrder
from worker.edits.prompt_similarity import score_of

GAP, LINE = 12, 18
"""Pixels between pictures; of a line of text."""
INK, FAINT, PAPER, MARK = (20, 24, 31), (96, 104, 116), (255, 255, 255), (22, 122, 72)
TITLE_SIZE, TEXT_SIZE = 19, 13
ELLIPSIS = "…"


@dataclass(frozen=True)
class SheetPicture:
    """One finished picture and its thumbnail, a JPEG."""

    image: EditedImage
    thumbnail: bytes


@dataclass(frozen=True)
class Sheet:
    """The content of a contact sheet.

    ``photos``: a thumbnail of each photo, none where pictures are made from words alone; ``note``: what to know of the
    model.
    """

    title: str
    subtitle: str
    note: str | None
    photos: Sequence[bytes]
    pictures: Sequence[SheetPicture]
    rows: Sequence[str]
    columns: Sequence[str]
    best: int | None
    order: SheetOrder


def draw_sheet(sheet: Sheet, *, cell: int) -> bytes:
    """Draw a contact sheet as PNG. ``cell``: the longest side of a picture on it, in pixels."""
    is_table = bool(sheet.rows and sheet.columns) and sheet.order is SheetOrder.GRID
    return (_Table if is_table else _Flow)(sheet, cell).png()


class _Page:
    """A sheet of paper with a heading, on which pictures and captions are put."""

    def __init__(self, sheet: Sheet, cell: int) -> None:
        self._sheet = sheet
        self._pictures = {picture.image.index: _open(picture.thumbnail, cell) for picture in sheet.pictures}
        self._photos = [_open(jpeg, cell) for jpeg in sheet.photos]
        # Narrow pictures still leave room for what stands below them.
        self._width = max([150, *(picture.width for picture in [*self._pictures.values(), *self._photos])])
        self._title, self._text = _font(TITLE_SIZE), _font(TEXT_SIZE)

    def png(self) -> bytes:
        raise NotImplementedError

    def _paper(self, width: int, height: int) -> None:
        self._image = Image.new("RGB", (width, height), PAPER)
        self._draw = ImageDraw.Draw(self._image)

    def _heading(self, room: int) -> int:
        """Draw the heading; return where the rest begins, in pixels from the top."""
        y = GAP
        for line in _wrapped(self._sheet.title, self._title, room - 2 * GAP, lines=2):
            self._draw.text((GAP, y), line, INK, self._title)
            y += 26
        for text in (self._sheet.subtitle, self._sheet.note or "", self._legend()):
            for line in _wrapped(text, self._text, room - 2 * GAP, lines=3):
                self._draw.text((GAP, y), line, FAINT, self._text)
                y += LINE
        return y + GAP

    def _legend(self) -> str:
        """Explain the figures below the pictures, as far as there are any."""
        images = [picture.image for picture in self._sheet.pictures]
        parts = []
        if any(image.agreement for image in images):
            parts.append("match: by how much picture and words agree better than before")
        if any(image.change for image in images):
            parts.append("changed, rest: mean change where it was to change, and elsewhere, from 0 to 1")
        return "; ".join(parts)

    def _heading_height(self, room: int) -> int:
        self._paper(room, 400)
        return self._heading(room)

    def _put(self, picture: Image.Image, x: int, y: int, *, marked: bool = False) -> None:
        """Paste a picture, centred in its place."""
        left = x + (self._width - picture.width) // 2
        self._image.paste(picture, (left, y))
        if marked:
            edge = (left - 4, y - 4, left + picture.width + 3, y + picture.height + 3)
            self._draw.rectangle(edge, outline=MARK, width=4)

    def _put_image(self, image: EditedImage, x: int, y: int) -> None:
        self._put(self._pictures[image.index], x, y, marked=image.index == self._sheet.best)

    def _caption(
        self,
        text: str,
        x: int,
        y: int,
        *,
        colour: tuple[int, int, int] = INK,
        room: int | None = None,
        lines: int = 1,
    ) -> None:
        for number, line in enumerate(_wrapped(text, self._text, room or self._width, lines=lines)):
            self._draw.text((x, y + number * LINE), line, colour, self._text)

    def _figures(self, image: EditedImage, x: int, y: int) -> None:
        best = image.index == self._sheet.best
        self._caption(figures(image, best=best), x, y, colour=MARK if best else FAINT)


class _Table(_Page):
    def png(self) -> bytes:
        sheet = self._sheet
        by_place = {(picture.image.row, picture.image.column): picture.image for picture in sheet.pictures}
        table = [[by_place[row, column] for column in sheet.columns] for row in sheet.rows]
        # Each row its own photo, or the only one at the head of the first.
        beside = self._photos if len(self._photos) > 1 else [*self._photos, *[None] * len(table)][: len(table)]
        heights = [
            max(picture.height for picture in [*(self._pictures[image.index] for image in images), photo] if picture)
            for images, photo in zip(table, beside, strict=True)
        ]
        labels = _label_width(sheet.rows, self._text)
        left = GAP + labels + GAP
        step = self._width + GAP
        first = left + (step if self._photos else 0)
        wide = first + len(sheet.columns) * step
        head = self._heading_height(wide)
        top = head + 2 * LINE + 6
        self._paper(wide, top + sum(heights) + len(heights) * (6 + LINE + GAP))
        self._heading(wide)
        if self._photos:
            self._caption("photo", left, head)
        for number, label in enumerate(sheet.columns):
            self._caption(label, first + number * step, head, lines=2)
        y = top
        for label, images, photo, height in zip(sheet.rows, table, beside, heights, strict=True):
            self._caption(label, GAP, y, room=labels, lines=4)
            if photo is not None:
                self._put(photo, left, y)
            for number, image in enumerate(images):
                self._put_image(image, first + number * step, y)
                self._figures(image, first + number * step, y + height + 6)
            y += height + 6 + LINE + GAP
        return _encoded(self._image)


class _Flow(_Page):
    def png(self) -> bytes:
        sheet = self._sheet
        images = [picture.image for picture in sheet.pictures]
        if sheet.order is SheetOrder.AGREEMENT:
            images.sort(key=lambda image: -_sortable(image))
        beside = self._width + GAP if len(self._photos) > 1 else 0
        # The only photo comes first, as a picture without an image.
        items: list[EditedImage | None] = [*([None] if len(self._photos) == 1 else []), *images]
        unit, tallest = beside + self._width + GAP, max(picture.height for picture in self._pictures.values())
        across = min(len(items), max(1, round(math.sqrt(1.4 * len(items) * (tallest + 3 * LINE) / unit))))
        lines = [items[start : start + across] for start in range(0, len(items), across)]
        heights = [max(picture.height for item in line for picture in self._of(item)) for line in lines]
        wide = GAP + max(across * unit, 2 * (self._width + GAP))
        y = self._heading_height(wide)
        self._paper(wide, y + sum(heights) + len(heights) * (6 + 3 * LINE + GAP))
        self._heading(wide)
        for line, height in zip(lines, heights, strict=True):
            for number, item in enumerate(line):
                self._item(item, GAP + number * unit, y, beside, y + height + 6)
            y += height + 6 + 3 * LINE + GAP
        return _encoded(self._image)

    def _of(self, item: EditedImage | None) -> list[Image.Image]:
        """Return the pictures of an item: itself, after the photo it was made from where that stands beside it."""
        if item is None:
            return [self._photos[0]]
        photo = [self._photos[item.photo_index or 0]] if len(self._photos) > 1 else []
        return [*photo, self._pictures[item.index]]

    def _item(self, item: EditedImage | None, x: int, y: int, beside: int, below: int) -> None:
        if item is None or beside:
            self._put(self._of(item)[0], x, y)
            self._caption("photo", x, below)
        if item is not None:
            label = ", ".join(part for part in (item.row, item.column) if part)
            self._put_image(item, x + beside, y)
            self._caption(label, x + beside, below, lines=2)
            label_lines = len(_wrapped(label, self._text, self._width, lines=2))
            self._figures(item, x + beside, below + label_lines * LINE)


def figures(image: EditedImage, *, best: bool) -> str:
    """Write the figures below a picture: "best: match +0.041, rest 0.002"."""
    parts = []
    if image.agreement is not None:
        parts.append(f"match {image.agreement.gain:+.3f}".replace("-", "−"))
    if image.change is not None and image.change.region < 1:
        parts.append(f"rest {image.change.outside:.3f}")
    elif image.change is not None:
        parts.append(f"changed {image.change.inside:.3f}")
    return ("best: " if best else "") + ", ".join(parts)


def _sortable(image: EditedImage) -> float:
    """Return the key to sort pictures by; those not compared with words come last."""
    score = score_of(image)
    return -math.inf if score is None else score


def _open(jpeg: bytes, cell: int) -> Image.Image:
    image = Image.open(io.BytesIO(jpeg)).convert("RGB")
    image.thumbnail((cell, cell))
    return image


def _font(size: int) -> ImageFont.FreeTypeFont:
    """Load DejaVu Sans, for its many alphabets: Latin with all accents, Greek, Cyrillic, Arabic.

    It has neither Chinese nor Japanese.
    """
    with resources.as_file(resources.files("worker") / "edits" / "fonts" / "DejaVuSans.ttf") as path:
        return ImageFont.truetype(str(path), size)


def _label_width(labels: Sequence[str], font: ImageFont.FreeTypeFont) -> int:
    return int(min(180, max(font.getlength(label) for label in labels)) + 1)


def _wrapped(text: str, font: ImageFont.FreeTypeFont, room: int, *, lines: int) -> list[str]:
    """Wrap a text into at most so many lines.

    Words that do not fit are broken, and a text that is too long ends in an ellipsis.
    """
    found: list[str] = []
    rest = " ".join(text.split())
    while rest and len(found) < lines:
        taken = _fitting(rest, font, room)
        if taken < len(rest):
            at_space = rest.rfind(" ", 0, taken + 1)
            taken = at_space if at_space > 0 else taken
        found.append(rest[:taken])
        rest = rest[taken:].lstrip()
    if rest:
        last = found[-1]
        found[-1] = last[: _fitting(last + ELLIPSIS, font, room) - 1].rstrip() + ELLIPSIS
    return found


def _fitting(text: str, font: ImageFont.FreeTypeFont, room: int) -> int:
    """Return how many letters fit into so many pixels, at least one."""
    low, high = 1, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if font.getlength(text[:middle]) <= room else (low, middle - 1)
    return low


def _encoded(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG", compress_level=6)
    return stream.getvalue()
