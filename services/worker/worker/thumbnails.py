"""Thumbnails of frames and photos, as they are stored beside a result."""

import cv2
import numpy as np
from numpy.typing import NDArray

from worker.settings import WorkerSettings


def write_thumbnail(picture: NDArray[np.uint8], settings: WorkerSettings) -> bytes:
    """Return a picture (height × width × 3, RGB) as a JPEG, shrunk to ``settings.worker_thumbnail_width`` pixels."""
    height, width = picture.shape[:2]
    if settings.worker_thumbnail_width < width:
        size = (settings.worker_thumbnail_width, max(1, round(height * settings.worker_thumbnail_width / width)))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    options = [cv2.IMWRITE_JPEG_QUALITY, settings.worker_thumbnail_quality]
    encoded, data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), options)
    if not encoded:
        raise RuntimeError(f"OpenCV could not write a JPEG of {picture.shape}")
    return data.tobytes()
