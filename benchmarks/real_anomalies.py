"""``python -m benchmarks.real_anomalies --clips DIR``: real footage in which some frames are odd, by the patch signal.

DIR holds mp4 files of one fixed camera and ``odd.csv`` (``clip,frames,odd_from,odd_to``: the clip's name without .mp4,
how many frames it has, the first and the last odd one, counted from 0). Every frame is scored, against two kinds of
normal footage:

- *other clips*: the normal frames of all clips but the one that is scored;
- *same clip*: the first half of the frames before the clip's first odd one, where these are LEAST_PREFIX or more; all
  later frames are scored.

Prints the frame AUC of each clip, their mean, and the AUC over all frames together.
"""

import argparse
import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.novelty_bench import auroc
from captioner.models.lite2_views import encode_with_views
from framesense.models.encoders.efficientnet_lite2 import load_encoder, squash
from framesense.models.spec import choose_dtype
from framesense.novelty.normal_footage import NormalFootage
from framesense.novelty.patches import Grid, PackedGrids, PatchMemory, frame_score
from worker.videos.frames import open_video

BATCH, MEMORY, LEAST_PREFIX = 16, 64, 30
Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Clip:
    """n frames: which of them are odd, and what the product stores of them."""

    name: str
    odd: NDArray[np.bool_]
    packed: PackedGrids

    def looks(self, index: int) -> Grid:
        return self.packed[index]

    def motion(self, index: int) -> Grid:
        assert self.packed.motion is not None
        motion: Grid = self.packed.motion[index].astype(np.float32)
        return motion


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, required=True, help="a folder of mp4 files with odd.csv")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    clips = list(read_clips(options.clips))
    print(" | ".join(["| normal footage, compared", *(clip.name for clip in clips), "mean", "all frames |"]))
    print("| --- " * (len(clips) + 3) + "|")
    for motion in (False, True):
        compared = "looks and motion" if motion else "looks alone"
        print(_row(f"other clips, {compared}", clips, [other_clips(clips, clip, motion=motion) for clip in clips]))
        print(_row(f"same clip, {compared}", clips, [same_clip(clip, motion=motion) for clip in clips]))
    print(_row("none: the frames before, looks", clips, [frames_before(clip) for clip in clips]))


def read_clips(folder: Path) -> Iterator[Clip]:
    """Read clips as the worker and the embedded captioner see them, every frame.

    Raises ValueError where odd.csv does not fit.
    """
    dtype = choose_dtype("auto", torch.device("cpu"))
    encoder = load_encoder().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for row in csv.DictReader((folder / "odd.csv").read_text().splitlines()):
        video = open_video(folder / f"{row['clip']}.mp4", max_pixels=2**30)
        interval = video.timeline.duration / len(video.timeline.times)
        samples, grids, motions = video.moving_samples(round(interval, 6)), [], []
        while batch := list(islice(samples, BATCH)):
            with torch.inference_mode():
                seen = encode_with_views(encoder, torch.stack([squash(frame.picture) for frame in batch]), dtype)[2]
            grids.append(seen.float().numpy())
            motions += [frame.motion for frame in batch if frame.motion is not None]
        packed = PackedGrids.pack(np.concatenate(grids), np.stack(motions))
        if len(packed) != int(row["frames"]):
            raise ValueError(f"{row['clip']}.mp4 has {len(packed)} frames, odd.csv says {row['frames']}")
        places = np.arange(len(packed))
        odd = (places >= int(row["odd_from"])) & (places <= int(row["odd_to"]))
        yield Clip(row["clip"], odd, packed)


def other_clips(clips: Sequence[Clip], scored: Clip, *, motion: bool) -> Scores:
    frames = [(clip, int(i)) for clip in clips if clip is not scored for i in np.flatnonzero(~clip.odd)]
    return _scores(frames, scored, motion=motion)


def same_clip(clip: Clip, *, motion: bool) -> Scores:
    """Score a clip against its own normal footage.

    NaN for the frames that are the normal footage; for all where these are too few, or no other frame is normal.
    """
    prefix = int(np.argmax(clip.odd))
    scores = np.full(len(clip.odd), np.nan)
    if prefix >= LEAST_PREFIX:
        half = prefix // 2
        scores[half:] = _scores([(clip, index) for index in range(half)], clip, motion=motion)[half:]
    return scores


def frames_before(clip: Clip) -> Scores:
    memory, scores = PatchMemory(MEMORY), []
    for index in range(len(clip.odd)):
        scores.append(frame_score(memory.distances(clip.looks(index))))
        memory.remember(clip.looks(index))
    return np.array(scores)


def _scores(normal: Sequence[tuple[Clip, int]], scored: Clip, *, motion: bool) -> Scores:
    motions = [clip.motion(index) if motion else None for clip, index in normal]
    footage = NormalFootage.build([clip.looks(index) for clip, index in normal], motions)
    maps = (footage.distances(scored.looks(i), scored.motion(i)) for i in range(len(scored.odd)))
    return np.array([frame_score(found) for found in maps])


def _row(name: str, clips: Sequence[Clip], scores: Sequence[Scores]) -> str:
    """Write a row of the table, as Markdown."""
    known = [~np.isnan(one) for one in scores]
    single = [auroc(c.odd[k], s[k]) if k.any() else np.nan for c, k, s in zip(clips, known, scores, strict=True)]
    odd = np.concatenate([clip.odd[k] for clip, k in zip(clips, known, strict=True)])
    everything = auroc(odd, np.concatenate([one[k] for one, k in zip(scores, known, strict=True)]))
    cells = ["–" if np.isnan(value) else f"{value:.3f}" for value in [*single, float(np.nanmean(single)), everything]]
    return f"| {name} | " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
