"""Learning from the reward of sampled captions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from captioner.models.show_attend_tell import (
    END,
    START,
    UNKNOWN,
    Decoder,
)
from tests.support.tiny_decoder import SIZES
from training import self_critical, show_attend_tell


def test_self_critical_learning_raises_the_reward() -> None:
    torch.manual_seed(0)
    decoder = Decoder(SIZES)
    captions = [[[5, 6, 7, 8, END]], [[9, 10, 11, 12, END]]]
    batch = show_attend_tell.Batch([0, 1], torch.randn(2, 9, 12), captions)
    reward = self_critical.Reward(captions, bleu_weight=1.0)
    optimiser = torch.optim.Adam(decoder.parameters(), 1e-2)
    settings = show_attend_tell.ShowAttendTellRecipe(data=Path("-"), out=Path("-"), samples=8)
    rewards = []
    for _ in range(80):
        loss, figures = show_attend_tell.self_critical_loss(decoder, batch, reward, settings)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        rewards.append(figures["reward"])
    assert np.mean(rewards[-10:]) > 2 * np.mean(rewards[:10]) + 0.1


def test_samples_end_once_and_hold_no_special_word() -> None:
    torch.manual_seed(0)
    decoder = Decoder(SIZES).eval()
    drawn = self_critical.sample(decoder, decoder.remember(torch.randn(4, 9, 12)), 6, 10)
    assert len(drawn) == 4
    for texts in drawn:
        assert len(texts) == 6
        for text in texts:
            assert 1 <= len(text) <= 11 and text[0] != END
            assert END not in text[:-1] and START not in text and UNKNOWN not in text and 0 not in text


def test_advantage_is_over_the_mean_of_the_others() -> None:
    rewards = torch.tensor([[1.0, 2.0, 6.0]])
    torch.testing.assert_close(self_critical.advantages(rewards), torch.tensor([[-3.0, -1.5, 4.5]]))


def test_reward_prefers_a_caption_that_ends() -> None:
    captions = [[[4, 5, 6, 7, 8, END]], [[9, 10, 11, END]]]
    reward = self_critical.Reward(captions, 1.0)
    assert reward(0, [4, 5, 6, 7, 8, END]) > reward(0, [4, 5, 6, 7, 8]) > reward(0, [4, 5, 9]) > reward(0, [9, 10])
    assert reward(0, [4, 5, 6, 7, 8, END]) == pytest.approx(10 + 1)
