"""Carry a change seen in a small picture to the large photo that the small one was made of.

The small network sees a photo as 32 × 32 pixels and paints them anew. Laid over the photo, its picture would be a
blur; the plain difference, enlarged, bleeds over edges and puts a veil over what is dark. So the change is taken to be
a function of the colour that was there: *edited − photo ≈ A · photo + c · brightness² + b*, with a 3 × 3 matrix A and
vectors b and c, fitted by ridge regression to the whole picture (c bends the curve: brighter, and black stays black).
What is then left is fitted once more by an A and a b around every place, under a Gaussian window (the guided filter of
He, Sun and Tang, 2013, with the change as its input and the small photo as its guide). They vary slowly; enlarged and
applied to the photo at its full size (fast guided filter; He and Sun, 2015, arXiv:1505.00996), they carry the change
along the photo's own edges, and its detail stays: where nothing can be said of a change from the colours, A is nearly
zero and the photo is only shifted by b.

Pure numpy and OpenCV; knows nothing of models.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]

WINDOW = 3.0
"""Sigma of the window that A and b are fitted under, in pixels of the small picture."""
RIDGE = 0.004
"""What is added to the variance of the colours under the window: the larger, the nearer is A to zero."""
LOCAL = 0.7
"""How much counts of what the places add to the whole picture's change. Less than all: what words of light do is alike
everywhere, and a good part of what the places add is chance."""
STRIPE_PIXELS = 1 << 19
"""Of the large photo, enlarged at a time: 12 floats each."""


@dataclass(frozen=True)
class LocalChange:
    """A change as a function of colour (sRGB, 0 to 1) at each place of an h × w grid."""

    matrices: Floats
    """h × w × 3 × 3: of a colour's change, how much comes of each of the colour's channels (the last axis)."""
    shifts: Floats
    """h × w × 3."""
    bend: Floats
    """3: what the square of brightness, the mean of the channels, adds everywhere."""


def shrink(photo: Pixels, side: int) -> Floats:
    """Shrink H × W × 3 sRGB bytes to side × side × 3, 0 to 1.

    Each pixel is the mean of those it covers (or, of a photo smaller than that, a blend of the nearest).
    """
    height, width = photo.shape[:2]
    shrinks = height >= side and width >= side
    small = cv2.resize(
        photo.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    )
    return (small / 255).astype(np.float32)


def fit(
    photo: Floats, change: Floats, window: float = WINDOW, ridge: float = RIDGE, local: float = LOCAL
) -> LocalChange:
    """Fit an affine function of the photo's colours to a change: everywhere, then around each place.

    Args:
        photo: h × w × 3, 0 to 1.
        change: h × w × 3: what is to be added to it.
        window: sigma of the Gaussian window in pixels.
        ridge: added to the variances, in squared units of colour.
        local: how much counts of what the places add to the whole, 0 to 1.
    """
    if photo.shape != change.shape or photo.ndim != 3 or photo.shape[2] != 3:
        raise ValueError(f"photo and change are h × w × 3 alike, not {photo.shape} and {change.shape}")
    matrix, shift, bend = _fit_whole(photo, change, ridge)
    everywhere = photo @ matrix.T + _brightness(photo) ** 2 * bend + shift
    matrices, shifts = _fit_places(photo, change - everywhere, window, ridge)
    return LocalChange(matrix + np.float32(local) * matrices, shift + np.float32(local) * shifts, bend)


def _brightness(photo: Floats) -> Floats:
    """Return the brightness of a photo: … × 3 → … × 1."""
    brightness: Floats = photo.mean(axis=-1, keepdims=True)
    return brightness


def _fit_whole(photo: Floats, change: Floats, ridge: float) -> tuple[Floats, Floats, Floats]:
    """Fit one colour change to the whole photo: a 3 × 3 matrix, 3 shifts and 3 numbers of the bend."""
    known = np.concatenate([photo, _brightness(photo) ** 2], axis=-1).reshape(-1, 4).astype(np.float64)
    wanted = change.reshape(-1, 3).astype(np.float64)
    apart, moved = known - known.mean(axis=0), wanted - wanted.mean(axis=0)
    solved = np.linalg.solve(apart.T @ apart / len(apart) + ridge * np.eye(4), apart.T @ moved / len(apart))
    shift = wanted.mean(axis=0) - known.mean(axis=0) @ solved
    return solved[:3].T.astype(np.float32), shift.astype(np.float32), solved[3].astype(np.float32)


def _fit_places(photo: Floats, change: Floats, window: float, ridge: float) -> tuple[Floats, Floats]:
    """Fit a colour change around each place: h × w × 3 × 3 matrices and h × w × 3 shifts."""

    def mean(values: Floats) -> Floats:
        flat = values.reshape(*values.shape[:2], -1).astype(np.float32)
        planes = [cv2.GaussianBlur(np.ascontiguousarray(flat[..., i]), (0, 0), window) for i in range(flat.shape[2])]
        return np.stack(planes, axis=-1).reshape(values.shape).astype(np.float32)

    photo_mean, change_mean = mean(photo), mean(change)
    variance = mean(photo[..., :, None] * photo[..., None, :]) - photo_mean[..., :, None] * photo_mean[..., None, :]
    together = mean(photo[..., :, None] * change[..., None, :]) - photo_mean[..., :, None] * change_mean[..., None, :]
    solved = np.linalg.solve(variance.astype(np.float64) + ridge * np.eye(3), together.astype(np.float64))
    matrices = solved.transpose(0, 1, 3, 2).astype(np.float32)
    shifts = change_mean - np.einsum("yxij,yxj->yxi", matrices, photo_mean)
    return mean(matrices), mean(shifts.astype(np.float32))


def spline_weights(large: int, small: int) -> Floats:
    """Return a large × small matrix of spline weights.

    Each row says how ``small`` values, evenly spread, make up one of ``large`` values.

    Uniform cubic B-spline: smooth to its second derivative, so that no grid shows in what is enlarged; values beyond
    the ends are those at the ends. Rows sum to 1.
    """
    places = (np.arange(large) + 0.5) * small / large - 0.5
    first = np.floor(places).astype(int)
    t = places - first
    pieces = ((1 - t) ** 3 / 6, (3 * t**3 - 6 * t**2 + 4) / 6, (-3 * t**3 + 3 * t**2 + 3 * t + 1) / 6, t**3 / 6)
    weights = np.zeros((large, small), np.float32)
    rows = np.arange(large)
    for offset, piece in enumerate(pieces):
        np.add.at(weights, (rows, np.clip(first + offset - 1, 0, small - 1)), piece.astype(np.float32))
    return weights


def apply(photo: Pixels, change: LocalChange) -> Pixels:
    """Apply a change to an H × W × 3 photo.

    It works in stripes, so that a photo of 50 megapixels takes no more memory than itself.
    """
    height, width = photo.shape[:2]
    rows, columns = change.shifts.shape[:2]
    down, across = spline_weights(height, rows), spline_weights(width, columns)
    coefficients = np.concatenate([change.matrices.reshape(rows, columns, 9), change.shifts], axis=-1)
    result = np.empty_like(photo)
    stripe = max(1, STRIPE_PIXELS // width)
    for top in range(0, height, stripe):
        part = photo[top : top + stripe].astype(np.float32) / np.float32(255)
        tall = np.tensordot(down[top : top + stripe], coefficients, axes=(1, 0))  # h × columns × 12
        planes = [tall[..., i] @ across.T for i in range(12)]
        squared = _brightness(part)[..., 0] ** 2
        for channel in range(3):
            changed = part[..., channel] + planes[9 + channel] + change.bend[channel] * squared
            for source in range(3):
                changed += planes[3 * channel + source] * part[..., source]
            result[top : top + stripe, :, channel] = np.clip(changed * 255 + 0.5, 0, 255).astype(np.uint8)
    return result


def carry(photo: Pixels, before: Floats, after: Floats, window: float = WINDOW, ridge: float = RIDGE) -> Pixels:
    """Apply the change from ``before`` to ``after``, h × w × 3 each, 0 to 1, to a photo.

    ``before`` is the photo made small, or what a network made of it: a picture whose colours, place by place, are about
    those of the photo. The function that takes its colours to those of ``after`` is applied to the photo's.
    """
    return apply(photo, fit(before, (after - before).astype(np.float32), window, ridge))
