"""Average the weights of decoders that were trained on from the same one (Wortsman et al., 2022, "Model soups").

    python -m training.average --out models/captioner-show-attend-tell runs/a/self-critical-1 runs/b/self-critical-2 ...

Self-critical training soon fits the training photos; runs of it that differ in seed, rate, dropout or reward err in
different ways, and their mean describes new photos better than most of them at no cost at run time.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch

from captioner.models.show_attend_tell import load_decoder, save_decoder


def average(folders: Sequence[Path], out: Path) -> None:
    """Write to ``out`` the mean of the decoders in ``folders``.

    Raises:
        ValueError: they differ in vocabulary or sizes.
    """
    decoder, vocabulary, config = load_decoder(folders[0])
    states = [decoder.state_dict()]
    for folder in folders[1:]:
        other, words, other_config = load_decoder(folder)
        if words != vocabulary or other_config["decoder"] != config["decoder"]:
            raise ValueError(f"{folder} and {folders[0]} differ in vocabulary or sizes")
        states.append(other.state_dict())
    decoder.load_state_dict({name: torch.stack([state[name] for state in states]).mean(0) for name in states[0]})
    save_decoder(out, decoder, vocabulary, image_size=config["image_size"], length_penalty=config["length_penalty"])


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", help="folders with a decoder each")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(argv)
    average(options.folders, options.out)
    print(f"the mean of {len(options.folders)} decoders is in {options.out}")


if __name__ == "__main__":
    main()
