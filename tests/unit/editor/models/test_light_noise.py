"""Noise with light added to it, and the way back."""

from __future__ import annotations

import pytest
import torch

from editor.models.light_noise import LightNoise


def test_the_noise_and_the_way_back() -> None:
    light = LightNoise(32, 2, {"brightness": 0.5, "ramp": 0.3, "colour": 0.2})
    white = torch.randn(500, 12, 16, 16, generator=torch.Generator().manual_seed(0))
    noise = light.colour(white)
    assert torch.allclose(light.whiten(noise), white, atol=1e-5)
    pixels = torch.nn.functional.pixel_shuffle(noise, 2)
    brightness = pixels.mean(dim=(1, 2, 3))
    assert float(brightness.std()) == pytest.approx(0.5, rel=0.1)
    ramp = torch.linspace(-1, 1, 32).view(1, 1, 32, 1)
    assert float((pixels * ramp).mean(dim=(1, 2, 3)).std() / ramp.square().mean().sqrt()) == pytest.approx(0.3, rel=0.1)
    warmth = (pixels[:, 0] - pixels[:, 2]).mean(dim=(1, 2))
    # two directions of colour at 0.2 for a pixel's three channels: of red − blue, (1, 0, −1)·√(3/2)·0.2
    assert float(warmth.std()) == pytest.approx(0.2 * 3**0.5 * 2**0.5, rel=0.1)
    assert float(pixels.std()) == pytest.approx((1 + 0.25 + 0.09 + 2 * 0.04) ** 0.5, rel=0.03)


def test_noise_with_nothing_added_is_white() -> None:
    light = LightNoise(16, 1, {"brightness": 0.0, "ramp": 0.0, "colour": 0.0})
    white = torch.randn(2, 3, 16, 16)
    assert torch.allclose(light.colour(white), white, atol=1e-6)
