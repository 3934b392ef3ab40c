"""ICC profiles (ICC.1:2001) small enough to read, and the same conversions in plain numpy to compare with."""

import struct

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# The columns are the red, green and blue primaries in CIE XYZ, adapted to D50 (Bradford).
SRGB = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]])
DISPLAY_P3 = np.array([[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]])
ADOBE_RGB = np.array([[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]])
ADOBE_GAMMA = 563 / 256
D50 = np.array([0.9642, 1.0, 0.8249])


def srgb_to_linear(values: Floats) -> Floats:
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(values: Floats) -> Floats:
    values = np.clip(values, 0, 1)
    return np.where(values <= 0.0031308, values * 12.92, 1.055 * values ** (1 / 2.4) - 0.055)


def xyz_to_srgb(xyz: Floats) -> NDArray[np.uint8]:
    """XYZ relative to D50, … × 3."""
    return np.rint(255 * linear_to_srgb(xyz @ np.linalg.inv(SRGB).T)).astype(np.uint8)


def lab_to_srgb(lab: Floats) -> NDArray[np.uint8]:
    """CIE L*a*b* relative to D50, … × 3."""
    y = (lab[..., 0] + 16) / 116
    f = np.stack([y + lab[..., 1] / 500, y, y - lab[..., 2] / 200], axis=-1)
    return xyz_to_srgb(np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * D50)


def rgb_profile(primaries: Floats, gamma: float | None = None) -> bytes:
    """A display's profile; ``gamma``: None for sRGB's curve."""
    curve = _curve(gamma)
    tags = {b"wtpt": _xyz(D50)}
    for name, column in zip((b"r", b"g", b"b"), primaries.T, strict=True):
        tags |= {name + b"XYZ": _xyz(column), name + b"TRC": curve}
    return _profile(b"mntr", b"RGB ", b"XYZ ", tags)


def grey_profile(gamma: float) -> bytes:
    return _profile(b"mntr", b"GRAY", b"XYZ ", {b"wtpt": _xyz(D50), b"kTRC": _curve(gamma)})


def cmyk_profile(corners: Floats) -> bytes:
    """A press's profile: the Lab colour of each overprint of full inks, 2 × 2 × 2 × 2 × 3 in the order C, M, Y, K."""
    ramp = bytes(range(256))
    grid = np.rint(corners.reshape(-1, 3) * [2.55, 1, 1] + [0, 128, 128]).astype(np.uint8).tobytes()
    identity = struct.pack(">9i", *(65536 if index % 4 == 0 else 0 for index in range(9)))
    table = b"mft1" + bytes(4) + bytes((4, 3, 2, 0)) + identity + ramp * 4 + grid + ramp * 3
    return _profile(b"prtr", b"CMYK", b"Lab ", {b"wtpt": _xyz(D50), b"A2B0": table})


def _curve(gamma: float | None) -> bytes:
    if gamma is not None:
        return b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    values = np.rint(65535 * srgb_to_linear(np.linspace(0, 1, 1024))).astype(">u2")
    return b"curv" + bytes(4) + struct.pack(">I", len(values)) + values.tobytes()


def _xyz(values: Floats) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(float(value) * 65536) for value in values))


def _profile(kind: bytes, colours: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    text = b"test\0"
    tags = {b"desc": b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(78), **tags}
    directory, body, at = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        content += bytes(-len(content) % 4)
        directory += struct.pack(">4sII", name, at + len(body), len(content))
        body += content
    date = struct.pack(">6H", 2026, 1, 1, 0, 0, 0)
    illuminant = struct.pack(">3i", *(round(float(value) * 65536) for value in D50))
    header = struct.pack(">I4sI4s4s4s", at + len(body), bytes(4), 0x02400000, kind, colours, connection)
    header += date + b"acsp" + bytes(28) + illuminant
    return header.ljust(128, b"\0") + directory + body
