"""Others on the same footage, all of its frames: PySceneDetect for cuts, differencing and MOG2 for fixed cameras.

PySceneDetect wants ``opencv-python`` where the project has the headless build, so it is not in the requirements. It
goes into a folder of its own (BSD-3-Clause)::

    python -m pip install --no-deps --target /tmp/peers scenedetect==0.7.2 click platformdirs tqdm
    PYTHONPATH=/tmp/peers python -m benchmarks.moments --only-peers
"""

import importlib.util
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.moments.cases import Case
from benchmarks.moments.footage import FPS, Picture
from benchmarks.moments.scoring import Stretch

SHORTEST = 3
"""Frames of the shortest scene: PySceneDetect's default, 15, would be a second and a half at FPS."""
SHARES = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)
"""Of the picture that has to move; the best one is taken."""
GAP = 5
"""Frames without movement that end an event."""
WARM_UP = 10
"""Frames until a background is learnt."""


def has_scenedetect() -> bool:
    return importlib.util.find_spec("scenedetect") is not None


def scene_cuts(case: Case, detector: str) -> list[Stretch]:
    """Find scene cuts by PySceneDetect.

    ``detector``: AdaptiveDetector or ContentDetector, with its defaults but for the shortest scene.
    """
    import scenedetect  # type: ignore[import-not-found,import-untyped,unused-ignore]

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "footage.mp4"
        _write(case.footage, path)
        configured: Any = getattr(scenedetect, detector)(min_scene_len=SHORTEST)
        scenes = scenedetect.detect(str(path), configured)
    starts = [float(scene[0].seconds) for scene in scenes[1:]]
    return [(start, start) for start in starts]


def _write(pictures: Sequence[Picture], path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "crf": "12"})
        stream.height, stream.width, stream.pix_fmt = *pictures[0].shape[:2], "yuv420p"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def differences(pictures: Sequence[Picture]) -> NDArray[np.float64]:
    """Share of the picture that differs by more than 25 grey levels from the frame before, after a blur."""
    grey = [cv2.GaussianBlur(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), (5, 5), 0) for picture in pictures]
    moved = [float(np.mean(cv2.absdiff(a, b) > 25)) for a, b in pairwise(grey)]
    return np.array([0.0, *moved])


def foreground(pictures: Sequence[Picture]) -> NDArray[np.float64]:
    """Share of the picture that OpenCV's MOG2 calls foreground, specks removed."""
    subtractor = cv2.createBackgroundSubtractorMOG2(history=200, varThreshold=16, detectShadows=False)
    kernel = np.ones((3, 3), np.uint8)
    masks = [cv2.morphologyEx(subtractor.apply(picture), cv2.MORPH_OPEN, kernel) for picture in pictures]
    shares = np.array([float(np.mean(np.asarray(mask) > 0)) for mask in masks])
    shares[:WARM_UP] = 0
    return shares


def stretches(shares: NDArray[np.float64], least: float) -> list[Stretch]:
    """Find the stretches where the share is at least ``least``, gaps of up to GAP frames bridged."""
    moving = np.flatnonzero(shares >= least)
    if not len(moving):
        return []
    parts = np.split(moving, np.flatnonzero(np.diff(moving) > GAP + 1) + 1)
    return [(part[0] / FPS, part[-1] / FPS) for part in parts]
