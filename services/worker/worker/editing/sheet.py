"""A contact sheet: the pictures of a series side by side, labelled with what differs between them.

Two layouts. With both rows and columns it is a table, with the photo itself in the corner or at the head of its row.
With only one of them, or sorted by agreement, the pictures flow like text, each with its own label and, where there are
several photos, beside the photo it was made of.
"""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from framesense.schemas.edits import EditedImage, SheetOrder
from worker.editing.agreement import score_of

GAP, LINE = 12, 18
"""Pixels between pictures; of a line of text."""
INK, FAINT, PAPER, MARK = (20, 24, 31), (96, 104, 116), (255, 255, 255), (22, 122, 72)
TITLE_SIZE, TEXT_SIZE = 20, 14
ELLIPSIS = "…"

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True)
class Shown:
    """One finished picture and its thumbnail, a JPEG."""

    image: EditedImage
    thumbnail: bytes


@dataclass(frozen=True)
class Sheet:
    """What a contact sheet shows. ``photos``: a thumbnail of each photo, none where pictures are made from words alone;
    ``note``: what to know of the model."""

    title: str
    subtitle: str
    note: str | None
    photos: Sequence[bytes]
    pictures: Sequence[Shown]
    rows: Sequence[str]
    columns: Sequence[str]
    best: int | None
    order: SheetOrder


def draw_sheet(sheet: Sheet, *, cell: int) -> bytes:
    """PNG. ``cell``: the longest side of a picture on it, in pixels."""
    is_table = bool(sheet.rows and sheet.columns) and sheet.order is SheetOrder.GRID
    return (_Table if is_table else _Flow)(sheet, cell).png()


class _Page:
    """A sheet of paper with a heading, on which pictures and captions are put."""

    def __init__(self, sheet: Sheet, cell: int) -> None:
        self._sheet = sheet
        thumbnails = [shown.thumbnail for shown in sheet.pictures] + list(sheet.photos)
        sizes = [_open(jpeg, cell).size for jpeg in thumbnails]
        self._width, self._height = max(size[0] for size in sizes), max(size[1] for size in sizes)
        # Narrow pictures still leave room for what stands below them.
        self._width = max(self._width, 150)
        self._cell = cell
        self._title, self._text = _font(TITLE_SIZE), _font(TEXT_SIZE)

    def _paper(self, width: int, height: int) -> None:
        self._image = Image.new("RGB", (width, height), PAPER)
        self._draw = ImageDraw.Draw(self._image)

    def _heading(self, room: int) -> int:
        """Draws it; where the rest begins."""
        y = GAP
        for line in _wrapped(self._sheet.title, self._title, room - 2 * GAP, lines=2):
            self._draw.text((GAP, y), line, INK, self._title)
            y += 26
        for text in (self._sheet.subtitle, self._sheet.note or ""):
            for line in _wrapped(text, self._text, room - 2 * GAP, lines=3):
                self._draw.text((GAP, y), line, FAINT, self._text)
                y += LINE
        return y + GAP

    def _heading_height(self, room: int) -> int:
        self._paper(room, 400)
        return self._heading(room)

    def _put(self, jpeg: bytes, x: int, y: int, *, marked: bool = False) -> None:
        """Centred in its place."""
        picture = _open(jpeg, self._cell)
        left = x + (self._width - picture.width) // 2
        self._image.paste(picture, (left, y))
        if marked:
            edge = (left - 4, y - 4, left + picture.width + 3, y + picture.height + 3)
            self._draw.rectangle(edge, outline=MARK, width=4)

    def _caption(self, text: str, x: int, y: int, *, colour: tuple[int, int, int] = FAINT, lines: int = 1) -> None:
        for number, line in enumerate(_wrapped(text, self._text, self._width, lines=lines)):
            self._draw.text((x, y + number * LINE), line, colour, self._text)

    def _figures(self, shown: Shown, x: int, y: int) -> None:
        best = shown.image.index == self._sheet.best
        self._caption(figures(shown.image, best=best), x, y, colour=MARK if best else FAINT)

    def png(self) -> bytes:
        raise NotImplementedError


class _Table(_Page):
    def png(self) -> bytes:
        sheet, row_labels = self._sheet, _label_width(self._sheet.rows, self._text)
        own_photos = len(sheet.photos) > 1
        left = GAP + row_labels + GAP
        first = left + (self._width + GAP if sheet.photos else 0)
        wide = first + len(sheet.columns) * (self._width + GAP)
        head = self._heading_height(wide)
        row_height = self._height + 6 + LINE + GAP
        label_lines = 2
        top = head + label_lines * LINE + 6
        self._paper(wide, top + len(sheet.rows) * row_height)
        self._heading(wide)
        for number, label in enumerate(sheet.columns):
            self._caption(label, first + number * (self._width + GAP), head, colour=INK, lines=label_lines)
        if sheet.photos:
            self._caption("photo", left, head, colour=INK)
        by_place = {(shown.image.row, shown.image.column): shown for shown in sheet.pictures}
        for number, label in enumerate(sheet.rows):
            y = top + number * row_height
            for index, line in enumerate(_wrapped(label, self._text, row_labels, lines=4)):
                self._draw.text((GAP, y + index * LINE), line, INK, self._text)
            if own_photos or (sheet.photos and number == 0):
                self._put(sheet.photos[number if own_photos else 0], left, y)
            for place, column in enumerate(sheet.columns):
                shown = by_place[label, column]
                x = first + place * (self._width + GAP)
                self._put(shown.thumbnail, x, y, marked=shown.image.index == sheet.best)
                self._figures(shown, x, y + self._height + 6)
        return _encoded(self._image)


class _Flow(_Page):
    def png(self) -> bytes:
        sheet = self._sheet
        pictures = list(sheet.pictures)
        if sheet.order is SheetOrder.AGREEMENT:
            pictures.sort(key=lambda shown: -_sortable(shown.image))
        shared = sheet.photos[0] if len(sheet.photos) == 1 else None
        beside = self._width + GAP if len(sheet.photos) > 1 else 0
        count, unit = len(pictures) + (shared is not None), beside + self._width + GAP
        across = max(1, min(count, round(math.sqrt(1.4 * count * self._height / unit)) or 1))
        wide = GAP + max(across * unit, 2 * (self._width + GAP))
        top, step = self._heading_height(wide), self._height + 6 + 3 * LINE + GAP
        self._paper(wide, top + math.ceil(count / across) * step)
        self._heading(wide)
        places = [(GAP + i % across * unit, top + i // across * step) for i in range(count)]
        below = self._height + 6
        if shared is not None:
            x, y = places.pop(0)
            self._put(shared, x, y)
            self._caption("photo", x, y + below, colour=INK)
        for (x, y), shown in zip(places, pictures, strict=True):
            if beside and shown.image.photo_index is not None:
                self._put(sheet.photos[shown.image.photo_index], x, y)
                self._caption("photo", x, y + below, colour=INK)
            self._put(shown.thumbnail, x + beside, y, marked=shown.image.index == sheet.best)
            label = ", ".join(part for part in (shown.image.row, shown.image.column) if part)
            self._caption(label, x + beside, y + below, colour=INK, lines=2)
            self._figures(shown, x + beside, y + below + 2 * LINE)
        return _encoded(self._image)


def figures(image: EditedImage, *, best: bool) -> str:
    """What stands below a picture: "best: match +0.041, rest 0.002"."""
    said = []
    if image.agreement is not None:
        said.append(f"match {image.agreement.gain:+.3f}")
    if image.change is not None and image.change.region < 1:
        said.append(f"rest {image.change.outside:.3f}")
    elif image.change is not None:
        said.append(f"changed {image.change.inside:.3f}")
    return ("best: " if best else "") + ", ".join(said)


def _sortable(image: EditedImage) -> float:
    """Pictures that were not compared with words come last."""
    score = score_of(image)
    return -math.inf if score is None else score


def _open(jpeg: bytes, cell: int) -> Image.Image:
    image = Image.open(io.BytesIO(jpeg)).convert("RGB")
    image.thumbnail((cell, cell))
    return image


def _font(size: int) -> Font:
    """The one that Pillow carries: the same letters on every machine."""
    return ImageFont.load_default(size)


def _label_width(labels: Sequence[str], font: Font) -> int:
    return int(min(180, max(font.getlength(label) for label in labels)) + 1)


def _wrapped(text: str, font: Font, room: int, *, lines: int) -> list[str]:
    """At most so many lines; words that do not fit are broken, and what is left over ends in an ellipsis."""
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


def _fitting(text: str, font: Font, room: int) -> int:
    """How many letters fit into so many pixels, at least one."""
    low, high = 1, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if font.getlength(text[:middle]) <= room else (low, middle - 1)
    return low


def _encoded(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG", compress_level=6)
    return stream.getvalue()
