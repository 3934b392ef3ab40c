"""The cases of each kind. Everything that differs between the parts of the bench is in MATERIAL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np

from benchmarks.moments.cases import Case, Event, Kind, Part
from benchmarks.moments.footage import HEIGHT, WIDTH, Clip, Pan, Picture, Shot, noisy, packaged_clip, photo, still

SIZES = (0.03, 0.06, 0.1, 0.15, 0.25, 0.4)
"""Heights of pasted objects, of the picture's height."""
NOISE = 2.0


@dataclass(frozen=True)
class Material:
    """``objects``: photo, and top, left, bottom, right of what is cut out of it, pixels."""

    seed: int
    hosts: tuple[str, ...]
    guests: tuple[str, ...]
    objects: tuple[tuple[str, int, int, int, int], ...]
    clips: tuple[Clip, ...]
    texts: tuple[str, ...]


MATERIAL = {
    Part.DEVELOPMENT: Material(
        seed=1,
        hosts=("clock_motion", "brick", "motorcycle_left", "camera", "grass"),
        guests=("astronaut", "chelsea", "cell", "motorcycle_left", "camera"),
        objects=(("astronaut", 0, 130, 180, 320), ("chelsea", 70, 100, 230, 340)),
        clips=(Clip(packaged_clip("bigbuckbunny"), 2.3, 4.0), Clip(packaged_clip("bikes"), 4.5, 5.4)),
        texts=("page",),
    ),
    Part.VALIDATION: Material(
        seed=2,
        hosts=("coffee", "rocket", "gravel", "coins", "horse"),
        guests=("retina", "hubble_deep_field", "rocket", "coffee", "ihc"),
        objects=(("coffee", 40, 190, 280, 440), ("rocket", 20, 270, 380, 400), ("ihc", 0, 0, 256, 256)),
        clips=(Clip(packaged_clip("carphone_pristine"), 0.3, 1.8), Clip(packaged_clip("bikes"), 8.6, 9.6)),
        texts=("text",),
    ),
    Part.HELD_OUT: Material(
        seed=3,
        hosts=(
            "aitzgorri_by_Aitzol_Berasategi",
            "Wine_by_Jakkub_Mede",
            "life_by_Aitzol_Berasategi",
            "Bridge_by_Sander_Klootwijk",
            "greentock_by_Peter_Nerlich",
        ),
        guests=(
            "sunset_by_Aitzol_Berasategi",
            "friends_by_Aitzol_Berasategi",
            "seeding_by_Clements_Engelhardt",
            "Dragonfly_by_Bolly",
            "Picture_1A_by_freespace",
        ),
        objects=(
            ("friends_by_Aitzol_Berasategi", 343, 304, 611, 519),
            ("Picture_0B_by_freespace", 354, 621, 759, 1050),
            ("free_by_Peter_Nerlich", 720, 615, 966, 840),
        ),
        clips=(Clip(packaged_clip("bigbuckbunny"), 0.2, 2.0), Clip(packaged_clip("bikes"), 5.7, 7.3)),
        texts=("moon",),
    ),
}


def cases(part: Part) -> Iterator[Case]:
    """Yield all generated cases of a part, the same ones each time."""
    material = MATERIAL[part]
    for make in (fixed, cuts, splices, gradual, quiet):
        yield from make(material)


# ------------------------------------------------------------------------------------------------------ fixed cameras


def fixed(material: Material) -> Iterator[Case]:
    """Yield fixed cameras: objects of each size cross the picture or stand in it, up to three times; and one stays."""
    rng = np.random.default_rng([material.seed, 1])
    hosts: list[tuple[str, Shot]] = [(name, still(name)) for name in material.hosts]
    hosts += [(clip.path.stem, clip) for clip in material.clips]
    turn = 0
    for size in SIZES:
        for duration in (8.0, 24.0, 48.0):
            name, host = hosts[turn % len(hosts)]
            thing = material.objects[turn % len(material.objects)]
            turn += 1
            visits = [_visit(rng, start, size) for start in _starts(rng, duration, 4.0)]
            shot = noisy(_with_objects(host, _cut_out(thing, size), visits), NOISE, turn)
            events = tuple(Event(visit.start, visit.end) for visit in visits)
            yield Case(
                Kind.FIXED,
                f"{thing[0]} {size:.0%} before {name}, {duration:g} s",
                f"{size:.0%}",
                duration,
                shot,
                events,
            )
    for number, size in enumerate(SIZES[2:]):
        name, host = hosts[(turn + number) % len(hosts)]
        start = float(rng.uniform(8, 14))
        visit = replace(_visit(rng, start, size, moves=False), end=100.0)
        shot = noisy(_with_objects(host, _cut_out(material.objects[number % 2], size), [visit]), NOISE, 90 + number)
        yield Case(Kind.FIXED, f"{size:.0%} stays before {name}", "stays", 24.0, shot, (Event(start, start + 1),))


@dataclass(frozen=True)
class Visit:
    """An object's middle goes from (y, x) to another, in [0, 1] of the picture."""

    start: float
    end: float
    begin: tuple[float, float]
    finish: tuple[float, float]


def _visit(rng: np.random.Generator, start: float, size: float, *, moves: bool | None = None) -> Visit:
    length = float(rng.uniform(1.2, 3.5))
    y = float(rng.uniform(0.25, 0.8))
    if moves if moves is not None else rng.random() < 0.7:
        left, right = (0.0, y), (1.0, float(np.clip(y + rng.uniform(-0.3, 0.3), 0.1, 0.9)))
        ends = (left, right) if rng.random() < 0.5 else (right, left)
        return Visit(start, start + length, (ends[0][1], ends[0][0]), (ends[1][1], ends[1][0]))
    place = (y, float(rng.uniform(0.2, 0.8)))
    return Visit(start, start + length, place, place)


def _starts(rng: np.random.Generator, duration: float, spacing: float) -> list[float]:
    """Draw the starts of one visit in a short video, up to three in a long one.

    There are at least ``spacing`` seconds from start to start.
    """
    count = 1 if duration < 12 else int(rng.integers(1, 4))
    room = (duration - 4.0 - 2.0) / count
    return [float(2.0 + room * number + rng.uniform(0, max(0.1, room - spacing))) for number in range(count)]


def _cut_out(thing: tuple[str, int, int, int, int], size: float) -> Picture:
    name, top, left, bottom, right = thing
    part = photo(name)[top:bottom, left:right]
    height = max(4, round(size * HEIGHT))
    width = max(4, round(height * part.shape[1] / part.shape[0]))
    return np.asarray(cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _with_objects(host: Shot, thing: Picture, visits: list[Visit]) -> Shot:
    def at(second: float) -> Picture:
        picture = host(second)
        for visit in visits:
            if visit.start <= second < visit.end:
                share = (second - visit.start) / (visit.end - visit.start)
                y, x = (a + (b - a) * share for a, b in zip(visit.begin, visit.finish, strict=True))
                picture = _pasted(picture, thing, y, x)
        return picture

    return at


def _pasted(picture: Picture, thing: Picture, y: float, x: float) -> Picture:
    """Paste an oval, its middle at (y, x), as far as it is in the picture."""
    height, width = thing.shape[:2]
    top, left = round(y * HEIGHT - height / 2), round(x * WIDTH - width / 2)
    rows, columns = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    alpha = np.clip((1 - np.hypot(rows, columns)) * 8, 0, 1)[..., None]
    inside = slice(max(0, -top), min(height, HEIGHT - top)), slice(max(0, -left), min(width, WIDTH - left))
    changed = picture.copy()
    place = changed[max(0, top) : top + height, max(0, left) : left + width]
    place[:] = (alpha[inside] * thing[inside] + (1 - alpha[inside]) * place).astype(np.uint8)
    return changed


# ----------------------------------------------------------------------------------------------------- edited footage


def _shots(material: Material, rng: np.random.Generator, count: int) -> list[tuple[str, Shot]]:
    """Draw ``count`` different shots: slow pans over photos, stills, clips."""
    names = list(dict.fromkeys([*material.guests, *material.hosts]))
    shots: list[tuple[str, Shot]] = []
    for name in rng.permutation(names):
        speed, zoom = float(rng.uniform(0.01, 0.06)), float(rng.uniform(0, 0.15))
        moving = Pan(str(name), speed, zoom, float(rng.uniform(0, 2)))
        shots.append((str(name), moving if rng.random() < 0.7 else still(str(name))))
    shots += [(clip.path.stem, clip) for clip in material.clips]
    return [shots[index] for index in rng.permutation(len(shots))[:count]]


def _sequence(shots: list[Shot], cuts: list[float]) -> Shot:
    def at(second: float) -> Picture:
        return shots[int(np.searchsorted(cuts, second + 1e-9, side="right"))](second)

    return at


def cuts(material: Material) -> Iterator[Case]:
    """Yield different shots one after another."""
    rng = np.random.default_rng([material.seed, 2])
    for number, (count, shortest, longest) in enumerate(
        [(3, 2, 5), (4, 1.5, 4), (5, 4, 9), (6, 2, 8), (2, 10, 20), (7, 3, 6)]
    ):
        shots = _shots(material, rng, count)
        lengths = rng.uniform(shortest, longest, count)
        times = [round(float(time), 1) for time in np.cumsum(lengths)]
        shot = noisy(_sequence([shot for _, shot in shots], times[:-1]), NOISE, 200 + number)
        name = " | ".join(name for name, _ in shots)
        yield Case(
            Kind.CUTS, name, f"{count} shots", times[-1], shot, tuple(Event(time, time) for time in times[:-1]), crf=23
        )


def splices(material: Material) -> Iterator[Case]:
    """Yield hosts whose place another scene takes for a while; then the host is back."""
    rng = np.random.default_rng([material.seed, 3])
    for number, length in enumerate((0.5, 1.0, 1.5, 2.0, 3.0, 1.0, 2.0, 3.0)):
        (host_name, host), (guest_name, guest) = _shots(material, rng, 2)
        duration = 12.0 if number < 3 else 36.0
        start = round(float(rng.uniform(2, duration - length - 2)), 1)
        shot = noisy(_sequence([host, guest, host], [start, start + length]), NOISE, 300 + number)
        event = Event(start, start + length)
        yield Case(Kind.SPLICES, f"{guest_name} in {host_name}", f"{length:g} s", duration, shot, (event,), crf=28)


def gradual(material: Material) -> Iterator[Case]:
    """Yield dissolves, a fade through black, light that goes out and stays out."""
    rng = np.random.default_rng([material.seed, 4])
    for number, length in enumerate((0.8, 1.5, 3.0, 1.0, 2.0, 3.0, 1.0, 2.5)):
        (first_name, first), (second_name, second) = _shots(material, rng, 2)
        duration, start = 24.0, round(float(rng.uniform(5, 15)), 1)
        if number < 3:
            group, shot = "dissolve", _dissolve(first, second, start, length)
        elif number < 5:
            group, shot = "through black", _through_black(first, second, start, length)
        else:
            group, shot, second_name = "light", _dimmed(first, start, length, 0.3), "darkness"
        event = Event(start, start + length)
        name = f"{first_name} to {second_name} in {length:g} s"
        yield Case(Kind.GRADUAL, name, group, duration, noisy(shot, NOISE, 400 + number), (event,), crf=23)


def _share(second: float, start: float, length: float) -> float:
    return float(np.clip((second - start) / length, 0, 1))


def _dissolve(first: Shot, second: Shot, start: float, length: float) -> Shot:
    def at(time: float) -> Picture:
        share = _share(time, start, length)
        return ((1 - share) * first(time) + share * second(time)).astype(np.uint8)

    return at


def _through_black(first: Shot, second: Shot, start: float, length: float) -> Shot:
    def at(time: float) -> Picture:
        share = _share(time, start, length)
        return (abs(1 - 2 * share) * (first if share < 0.5 else second)(time)).astype(np.uint8)

    return at


def _dimmed(shot: Shot, start: float, length: float, light: float) -> Shot:
    def at(time: float) -> Picture:
        return (shot(time) * (1 - (1 - light) * _share(time, start, length))).astype(np.uint8)

    return at


# -------------------------------------------------------------------------------------------------------------- quiet


def quiet(material: Material) -> Iterator[Case]:
    """Yield videos in which nothing happens."""
    rng = np.random.default_rng([material.seed, 5])
    hosts = material.hosts
    duration = 30.0
    quiet_shots: list[tuple[str, Shot, int | None]] = []
    for number, name in enumerate(hosts):
        speed = float(rng.uniform(0.01, 0.04))
        quiet_shots.append(
            ("slow pan", noisy(Pan(name, speed, 0.02 * number, float(rng.uniform(0, 2))), NOISE, 500 + number), None)
        )
        quiet_shots.append(("sensor noise", noisy(still(name), 3.0 + 3 * number, 510 + number), None))
        quiet_shots.append(("compression", noisy(still(name), 2.0, 520 + number), 30 + 4 * (number % 4)))
        quiet_shots.append(
            ("flicker", noisy(_flicker(still(name), rng.uniform(0.05, 0.25)), NOISE, 530 + number), None)
        )
        quiet_shots.append(
            ("clouds", noisy(_clouds(still(name), int(rng.integers(1000)), 0.3), NOISE, 540 + number), None)
        )
        quiet_shots.append(("leaves", noisy(_leaves(still(name), int(rng.integers(1000))), NOISE, 550 + number), None))
    for number, name in enumerate((*material.texts, *hosts[:2])):
        quiet_shots.append(("screen", _screen(still(name)), 28 if number else None))
    for number, clip in enumerate(material.clips):
        quiet_shots.append(("loop", noisy(clip, NOISE, 560 + number), None))
    for number, (group, shot, crf) in enumerate(quiet_shots):
        yield Case(Kind.QUIET, f"{group} {number}", group, duration, shot, crf=crf)


def _flicker(shot: Shot, depth: float) -> Shot:
    """Light a shot by mains light against the shutter: the whole picture pulses, and a band wanders through it."""
    rows = np.arange(HEIGHT)[:, None, None] / HEIGHT

    def at(second: float) -> Picture:
        pulse, band = np.sin(17.3 * second), np.sin(4 * np.pi * rows + 7.1 * second)
        return np.asarray(shot(second) * (1 - depth * (0.5 + 0.25 * pulse + 0.25 * band)), dtype=np.uint8)

    return at


def _clouds(shot: Shot, seed: int, depth: float) -> Shot:
    """Let soft shadows wander over the picture."""
    rng = np.random.default_rng(seed)
    field = cv2.resize(rng.uniform(0, 1, (6, 24)), (4 * WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)

    def at(second: float) -> Picture:
        left = round(second * 25) % (3 * WIDTH)
        light = 1 - depth * np.clip(field[:, left : left + WIDTH, None], 0, 1)
        return (shot(second) * light).astype(np.uint8)

    return at


def _leaves(shot: Shot, seed: int) -> Shot:
    """Let the upper part of the picture sway by a few pixels, each place in its own time."""
    rng = np.random.default_rng(seed)
    phase = cv2.resize(rng.uniform(0, 6.3, (5, 9)), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    strength = 5 * np.clip(1.2 - 1.6 * rows / HEIGHT, 0, 1)

    def at(second: float) -> Picture:
        gust = 0.6 + 0.4 * np.sin(second * 0.7)
        dx = (strength * gust * np.sin(2.9 * second + phase)).astype(np.float32)
        dy = (0.5 * strength * gust * np.sin(3.7 * second + 2 * phase)).astype(np.float32)
        moved = cv2.remap(shot(second), columns + dx, rows + dy, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        return np.asarray(moved, dtype=np.uint8)

    return at


def _screen(shot: Shot) -> Shot:
    """Show a page on a screen: a cursor blinks, a small clock counts seconds."""

    def at(second: float) -> Picture:
        picture = shot(second).copy()
        if int(second * 2) % 2:
            picture[120:136, 200:203] = 0
        cv2.putText(picture, f"{int(second):02d}", (440, 262), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (30, 30, 30), 1)
        return picture

    return at
