"""What the embedded captioners tell of a picture besides the caption."""

import pytest
import torch
from skimage import data

from captioner.models.lite2_views import encode_with_views, views_of
from framesense.models.encoders.efficientnet_lite2 import Encoded, encode_stages, load_encoder, squash


@pytest.fixture(scope="module")
def encoder() -> torch.nn.Module:
    return load_encoder()


@pytest.fixture(scope="module")
def pixels() -> torch.Tensor:
    return torch.stack([squash(picture) for picture in (data.coffee(), data.chelsea())])


@pytest.fixture(scope="module")
def encoded(encoder: torch.nn.Module, pixels: torch.Tensor) -> Encoded:
    with torch.inference_mode():
        return encode_stages(encoder, pixels, torch.float32)


@pytest.mark.parametrize("wanted", [set(), {"features"}, {"visual", "patches"}, {"pooled"}, {"features", "pooled"}])
def test_what_is_wanted_is_given_a_picture(encoded: Encoded, wanted: set[str]) -> None:
    found = views_of(encoded, features="features" in wanted, views="visual" in wanted, pooled="pooled" in wanted)
    assert len(found) == 2
    shapes = {"features": (9, 9, 1280), "visual": (472,), "patches": (17, 17, 64), "pooled": (2992,)}
    for one in found:
        assert {name: array.shape for name, array in one.items()} == {name: shapes[name] for name in wanted}


def test_each_picture_gets_its_own(encoder: torch.nn.Module, pixels: torch.Tensor, encoded: Encoded) -> None:
    second = views_of(encoded, features=True, views=True, pooled=True)[1]
    with torch.inference_mode():
        grid, visual, patches = encode_with_views(encoder, pixels[1:], torch.float32)
    torch.testing.assert_close(torch.from_numpy(second["features"]).flatten(0, 1), grid[0], atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(torch.from_numpy(second["visual"]), visual[0], atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(torch.from_numpy(second["patches"]), patches[0], atol=1e-4, rtol=1e-3)
