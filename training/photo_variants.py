"""Vary photos in light, colour and weather, and name each variant in words.

What the embedded editor is for is light, colour and weather, and few captions speak of them. So photos are *varied*:
darker and bluer and it is "at night", whiter and hazier and it is "in thick fog". Brightness and casts are brought to
absolute levels, not moved by a factor: what "at night" looks like is a fact about the result. A photo left as it is
gets words for its light, too, read off the picture itself (:func:`read_off`).
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from training.linear_light import (
    LUMINANCE,
    Floats,
    cast,
    contrast,
    expose,
    from_top,
    luminance,
    saturate,
    to_linear,
    to_srgb,
)

Pixels = NDArray[np.uint8]
Random = np.random.Generator


def at_night(x: Floats, chance: Random) -> Floats:
    lamps = np.clip(luminance(x) / max(float(np.quantile(luminance(x), 0.97)), 0.05) - 0.85, 0, 0.5) * 2
    x = saturate(contrast(x, chance.uniform(0.8, 1.2)), chance.uniform(0.4, 0.9))
    x = cast(x, (chance.uniform(0.55, 0.85), 0.8, chance.uniform(1.1, 1.7)), chance.uniform(0.6, 1.0))
    x = expose(x, chance.uniform(0.07, 0.19))
    if chance.random() < 0.3:  # what shone by day shines on, as lamps
        x = x + lamps.astype(np.float32) * np.array([0.5, 0.36, 0.16], np.float32) * np.float32(chance.uniform(0.3, 1))
    return x


def at_dusk(x: Floats, chance: Random) -> Floats:
    x = cast(saturate(x, chance.uniform(0.7, 1.1)), (0.95, 0.8, chance.uniform(1.15, 1.5)), chance.uniform(0.6, 1.0))
    return expose(x, chance.uniform(0.22, 0.34))


def at_sunset(x: Floats, chance: Random) -> Floats:
    x = cast(x, (chance.uniform(1.6, 2.0), 0.95, chance.uniform(0.3, 0.5)), chance.uniform(0.7, 1.0))
    x = x * from_top(x, chance.uniform(0.9, 1.6), 1.0)
    return expose(contrast(x, chance.uniform(1.0, 1.25)), chance.uniform(0.33, 0.5))


def in_daylight(x: Floats, chance: Random) -> Floats:
    x = cast(x, (1.0, 1.0, chance.uniform(0.92, 1.06)), chance.uniform(0.3, 0.7))
    return expose(contrast(x, chance.uniform(0.95, 1.2)), chance.uniform(0.58, 0.72))


def in_sunshine(x: Floats, chance: Random) -> Floats:
    x = cast(x, (1.15, 1.02, chance.uniform(0.75, 0.9)), chance.uniform(0.4, 0.8))
    return expose(
        contrast(saturate(x, chance.uniform(1.05, 1.3)), chance.uniform(1.05, 1.2)), chance.uniform(0.5, 0.63)
    )


def in_warm_light(x: Floats, chance: Random) -> Floats:
    x = cast(x, (chance.uniform(1.35, 1.6), 1.0, chance.uniform(0.4, 0.65)), chance.uniform(0.7, 1.0))
    return expose(x, chance.uniform(0.35, 0.55))


def in_cold_light(x: Floats, chance: Random) -> Floats:
    x = cast(x, (chance.uniform(0.55, 0.8), 0.98, chance.uniform(1.3, 1.7)), chance.uniform(0.7, 1.0))
    return expose(x, chance.uniform(0.35, 0.55))


def by_candle(x: Floats, chance: Random) -> Floats:
    rows = np.linspace(-1, 1, x.shape[0], dtype=np.float32)[:, None, None]
    columns = np.linspace(-1, 1, x.shape[1], dtype=np.float32)[None, :, None]
    at_y, at_x = chance.uniform(-0.4, 0.5), chance.uniform(-0.6, 0.6)
    glow: Floats = np.float32(0.15) + np.exp(
        -((rows - at_y) ** 2 + (columns - at_x) ** 2) / np.float32(chance.uniform(0.4, 0.9))
    )
    x = cast(x, (chance.uniform(1.8, 2.2), 0.9, chance.uniform(0.2, 0.35)), chance.uniform(0.7, 1.0))
    return expose(x * glow, chance.uniform(0.16, 0.28))


def dim(x: Floats, chance: Random) -> Floats:
    return expose(saturate(x, chance.uniform(0.8, 1.0)), chance.uniform(0.16, 0.27), up=False)


def bright(x: Floats, chance: Random) -> Floats:
    return expose(x, chance.uniform(0.57, 0.7), down=False)


def in_fog(x: Floats, chance: Random) -> Floats:
    fog = np.array([0.94, 0.97, 1.0], np.float32) * np.float32(chance.uniform(0.42, 0.65))
    thick = from_top(x, chance.uniform(0.75, 0.95), chance.uniform(0.3, 0.75))
    return saturate(x, 0.6) * (1 - thick) + fog * thick


def in_snow(x: Floats, chance: Random) -> Floats:
    x = cast(saturate(x, chance.uniform(0.25, 0.6)), (0.9, 1.0, chance.uniform(1.05, 1.25)), chance.uniform(0.5, 0.9))
    x = expose(x, chance.uniform(0.5, 0.62))
    white = np.array([0.86, 0.9, 0.97], np.float32) * np.float32(chance.uniform(0.8, 1.0))
    shade = cv2.GaussianBlur(luminance(x), (0, 0), 1.2)[..., None]
    lying = from_top(x, chance.uniform(0.0, 0.35), chance.uniform(0.7, 0.95)) * np.clip(0.35 + 1.4 * shade, 0, 1)
    result: Floats = x * (1 - lying) + white * (0.55 + 0.45 * np.clip(shade * 2, 0, 1)) * lying
    return result


def overcast(x: Floats, chance: Random) -> Floats:
    x = cast(saturate(x, chance.uniform(0.35, 0.65)), (0.93, 1.0, chance.uniform(1.04, 1.15)), chance.uniform(0.5, 0.9))
    return expose(contrast(x, chance.uniform(0.55, 0.8)), chance.uniform(0.34, 0.48))


def black_and_white(x: Floats, chance: Random) -> Floats:
    return contrast(saturate(x, 0.0), chance.uniform(0.9, 1.3))


def sepia(x: Floats, chance: Random) -> Floats:
    brown = np.array([1.3, 1.0, chance.uniform(0.55, 0.7)], np.float32)
    return luminance(contrast(x, chance.uniform(0.7, 1.0))) * brown + np.float32(0.02)


def faded(x: Floats, chance: Random) -> Floats:
    grey = np.float32(chance.uniform(0.2, 0.4))
    return contrast(saturate(x, chance.uniform(0.3, 0.6)), chance.uniform(0.45, 0.65)) * (1 - grey / 2) + grey / 3


def vivid(x: Floats, chance: Random) -> Floats:
    return contrast(saturate(x, chance.uniform(1.6, 2.3)), chance.uniform(1.05, 1.25))


def dull(x: Floats, chance: Random) -> Floats:
    return saturate(contrast(x, chance.uniform(0.8, 1.0)), chance.uniform(0.2, 0.45))


def high_contrast(x: Floats, chance: Random) -> Floats:
    return contrast(x, chance.uniform(1.5, 2.0))


def low_contrast(x: Floats, chance: Random) -> Floats:
    return contrast(x, chance.uniform(0.35, 0.6))


def lit(red: float, green: float, blue: float) -> Callable[[Floats, Random], Floats]:
    """Build a variant in coloured light; luminance is kept dim enough for the colour to be seen."""

    def render(x: Floats, chance: Random) -> Floats:
        white = chance.uniform(0.05, 0.25)
        x = cast(x, (red + white, green + white, blue + white), chance.uniform(0.8, 1.0))
        return expose(x, chance.uniform(0.25, 0.42))

    return render


def in_autumn(x: Floats, chance: Random) -> Floats:
    turn = np.array([[0.75, 0.55, 0.0], [0.2, 0.68, 0.05], [0.1, 0.1, 0.6]], np.float32)  # greens become golden
    return contrast(cast(x @ turn.T, (1.35, 1.0, 0.5), chance.uniform(0.4, 0.8)), chance.uniform(1.0, 1.2))


VARIANTS: dict[str, tuple[Callable[[Floats, Random], Floats], float, tuple[str, ...]]] = {
    "night": (
        at_night,
        3.0,
        (
            "at night",
            "by night",
            "in the dark",
            "in moonlight",
            "a dark night",
            "night time",
            "in darkness",
            "midnight",
        ),
    ),
    "dusk": (at_dusk, 1.0, ("at dusk", "in the evening", "in twilight", "at the blue hour", "before dawn")),
    "sunset": (at_sunset, 1.5, ("at sunset", "at sunrise", "in golden light", "at golden hour", "in evening sun")),
    "daylight": (
        in_daylight,
        2.0,
        (
            "in bright daylight",
            "in daylight",
            "on a bright day",
            "by day",
            "at noon",
            "in the daytime",
            "full of daylight",
        ),
    ),
    "sunshine": (in_sunshine, 1.5, ("in sunshine", "on a sunny day", "in the sun", "sunny", "sunlit")),
    "warm": (
        in_warm_light,
        2.0,
        (
            "in warm light",
            "with warm light",
            "warm light",
            "warm colours",
            "in cosy lamp light",
            "in warm yellow light",
        ),
    ),
    "cold": (
        in_cold_light,
        1.5,
        (
            "in cold light",
            "with cold light",
            "cold blue light",
            "cool colours",
            "in cool white light",
            "in bluish light",
        ),
    ),
    "candle": (by_candle, 1.0, ("by candlelight", "by firelight", "lit by a single lamp", "in the glow of a fire")),
    "dim": (dim, 1.5, ("in dim light", "dimly lit", "dark", "in the shade", "underexposed", "with the lights off")),
    "bright": (bright, 1.5, ("bright", "brightly lit", "light and airy", "in bright light", "with the lights on")),
    "fog": (in_fog, 1.5, ("in fog", "in thick fog", "in the mist", "hazy", "misty", "foggy", "in smoke")),
    "snow": (
        in_snow,
        2.0,
        (
            "in the snow",
            "covered in snow",
            "in winter",
            "with snow on the ground",
            "snowy",
            "under fresh snow",
            "in ice",
        ),
    ),
    "overcast": (overcast, 1.0, ("on a cloudy day", "on a rainy day", "in the rain", "under grey skies", "overcast")),
    "grey": (black_and_white, 1.0, ("in black and white", "black and white photo", "monochrome", "without colour")),
    "sepia": (sepia, 0.7, ("in sepia", "an old photo", "a vintage photo", "an antique photograph")),
    "faded": (faded, 0.7, ("faded", "a faded photo", "washed out", "pale colours", "in pastel colours")),
    "vivid": (vivid, 1.0, ("in vivid colours", "colourful", "in bright colours", "saturated colours")),
    "dull": (dull, 0.7, ("in dull colours", "in muted colours", "almost without colour", "drab")),
    "contrast": (high_contrast, 0.7, ("with high contrast", "in harsh light", "with deep shadows", "dramatic light")),
    "flat": (low_contrast, 0.7, ("with low contrast", "in soft light", "in flat light", "in diffuse light")),
    "red": (lit(1.0, 0.05, 0.05), 0.6, ("in red light", "lit in red", "red colours", "all red")),
    "green": (lit(0.1, 0.9, 0.1), 0.6, ("in green light", "lit in green", "green colours", "all green")),
    "blue": (lit(0.05, 0.2, 1.0), 0.6, ("in blue light", "lit in blue", "blue colours", "all blue")),
    "purple": (lit(0.6, 0.1, 1.0), 0.6, ("in purple light", "in violet neon light", "purple colours")),
    "pink": (lit(1.0, 0.3, 0.6), 0.6, ("in pink light", "in pink neon light", "pink colours")),
    "orange": (lit(1.0, 0.45, 0.08), 0.6, ("in orange light", "orange colours")),
    "yellow": (lit(1.0, 0.85, 0.1), 0.6, ("in yellow light", "yellow colours")),
    "autumn": (in_autumn, 0.8, ("in autumn", "in the fall", "autumn colours")),
}
"""Name → how it is rendered, how often, and how people say it."""

WEIGHTS = np.array([weight for _, weight, _ in VARIANTS.values()])
NAMES = tuple(VARIANTS)


def vary(photo: Pixels, variant: str, chance: Random) -> Pixels:
    """Render an H×W×3 photo in another light, colour or weather."""
    render = VARIANTS[variant][0]
    srgb = to_srgb(render(to_linear(photo.astype(np.float32) / np.float32(255)), chance))
    result: Pixels = np.round(srgb * 255).astype(np.uint8)
    return result


def read_off(photo: Pixels) -> list[str]:
    """Name what a photo's own light may be called: the names of variants that it looks like already; often none."""
    srgb = photo.astype(np.float32) / 255
    level = float((srgb @ LUMINANCE).mean())
    red, green, blue = srgb.reshape(-1, 3).mean(axis=0)
    colourful = float((srgb.max(axis=2) - srgb.min(axis=2)).mean())
    spread = float((srgb @ LUMINANCE).std())
    found = []
    if level < 0.15:
        found.append("night")
    elif level < 0.27:
        found.append("dim")
    elif level > 0.62:
        found.append("bright")
        if abs(red - blue) < 0.06:
            found.append("daylight")
    if colourful < 0.015:
        found.append("grey")
    elif red - blue > 0.17 and red > green:
        found.append("warm")
    elif blue - red > 0.05:
        found.append("cold")
    elif colourful > 0.36:
        found.append("vivid")
    if spread > 0.31:
        found.append("contrast")
    elif spread < 0.13:
        found.append("flat")
    return found
