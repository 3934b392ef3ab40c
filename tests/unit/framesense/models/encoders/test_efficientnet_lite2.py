"""One pass of EfficientNet-Lite2: the features that timm's own pass gives, and statistics of its stages."""

from typing import Any, cast

import numpy as np
import pytest
import torch
from skimage import data

from framesense.models.encoders.efficientnet_lite2 import (
    FEATURE_SIZE,
    POOLED_SIZE,
    STAGE_CHANNELS,
    Encoded,
    encode_stages,
    encoder_name,
    load_encoder,
    normalise,
    squash,
)


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


def test_the_last_features_and_the_stages_are_those_of_timm(
    encoder: torch.nn.Module, pixels: torch.Tensor, encoded: Encoded
) -> None:
    with torch.inference_mode():
        net, prepared = cast(Any, encoder), normalise(pixels, torch.device("cpu"))
        last, stages = net.forward_intermediates(prepared, indices=[2, 3, 4])
    torch.testing.assert_close(encoded.last, last)
    assert tuple(stage.shape[1] for stage in encoded.stages) == STAGE_CHANNELS
    for ours, theirs in zip((encoded.stages[place] for place in (2, 4, 6)), stages, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_the_grid_goes_row_by_row(encoded: Encoded) -> None:
    assert encoded.grid.shape == (2, 81, FEATURE_SIZE)
    torch.testing.assert_close(encoded.grid[1, 9 * 2 + 5], encoded.last[1, :, 2, 5])


def test_pooled_features_are_means_and_standard_deviations(encoded: Encoded) -> None:
    pooled = encoded.pooled().numpy()
    assert pooled.shape == (2, POOLED_SIZE)
    expected = [encoded.last.double().mean((2, 3)).numpy()]
    for stage in encoded.stages:
        places = stage.double().flatten(2).numpy()
        expected += [places.mean(axis=2), places.std(axis=2, ddof=1)]
    np.testing.assert_allclose(pooled, np.concatenate(expected, axis=1), rtol=1e-3, atol=1e-5)


def test_half_precision_is_pooled_in_whole(encoder: torch.nn.Module, pixels: torch.Tensor, encoded: Encoded) -> None:
    with torch.inference_mode():
        half = encode_stages(encoder, pixels, torch.bfloat16)
    pooled = half.pooled()
    assert half.stages[0].dtype == torch.bfloat16 and pooled.dtype == torch.float32
    cosine = torch.nn.functional.cosine_similarity(pooled, encoded.pooled())
    assert cosine.min() > 0.99, "the same pictures"


def test_the_name_stands_for_weights_and_size() -> None:
    assert encoder_name().startswith("efficientnet-lite2@")
    assert encoder_name() == encoder_name(260) != encoder_name(224)
