"""Self-critical training on two views of a photo."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from captioner.models.show_attend_tell import END, Decoder
from tests.support.tiny_decoder import SIZES
from training.caption_batches import Batch
from training.self_critical import Reward, sample
from training.two_views import agreements, two_view_loss

CAPTIONS = [[[5, 6, 7, 8, END]], [[9, 10, 11, 12, END]]]


def test_a_caption_is_compared_with_those_of_the_other_view() -> None:
    reward = Reward(CAPTIONS, 1.0)
    one, other = CAPTIONS[0][0], CAPTIONS[1][0]
    assert agreements([one, one, one, one], reward) == pytest.approx([10, 10, 10, 10])
    first, second, third, fourth = agreements([one, other, one, one], reward)
    assert (first, second) == pytest.approx((10, 0), abs=1e-6)
    assert third == fourth == pytest.approx(5)


def likeness_of_views(agreement: float) -> float:
    """Train on two views that differ, and tell how similar the captions are that are drawn for either."""
    torch.manual_seed(0)
    decoder, reward = Decoder(SIZES), Reward(CAPTIONS, bleu_weight=1.0)
    batch = Batch([0, 1], torch.randn(4, 9, 12), [])
    optimiser = torch.optim.Adam(decoder.parameters(), 1e-2)
    for _ in range(40):
        loss, _ = two_view_loss(decoder, batch, reward, 4, agreement)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    decoder.eval()
    drawn = sample(decoder, decoder.remember(batch.features), 32, 10)
    return float(np.mean([agreements(drawn[row] + drawn[row + 1], reward) for row in (0, 2)]))


def test_rewarded_agreement_makes_the_views_agree() -> None:
    assert likeness_of_views(1.0) > likeness_of_views(0.0) + 1


def test_the_reward_of_people_s_captions_counts_as_well() -> None:
    torch.manual_seed(0)
    decoder, reward = Decoder(SIZES), Reward(CAPTIONS, bleu_weight=1.0)
    batch = Batch([0, 1], torch.randn(4, 9, 12), [])
    optimiser, rewards = torch.optim.Adam(decoder.parameters(), 1e-2), []
    for _ in range(80):
        loss, figures = two_view_loss(decoder, batch, reward, 4, 0.1)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        rewards.append(figures["reward"])
    assert np.mean(rewards[-10:]) > 2 * np.mean(rewards[:10]) + 0.1
