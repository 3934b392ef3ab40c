"""``framesense COMMAND`` or ``python -m framesense.cli COMMAND``: arguments in, an exit status out."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from framesense.access.keys import KeysUnreadableError
from framesense.cli import keys
from framesense.cli.download import DownloadLimits, download
from framesense.cli.resize import resize
from framesense.schemas.access import Scope


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status.

    0: all done; 1: some files failed, and are named in the manifest, or there is no such key; 2: it could not be begun.
    """
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        return int(options.run(options))
    except (OSError, ValueError, KeysUnreadableError) as error:
        logging.error("framesense: %s", error)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="framesense", description="Prepares photo sets, and makes keys.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser(
        "resize",
        help="bring a folder of photos to one longest side",
        description="Writes every photo of FOLDER, upright and shrunk, to the same place under OUT, and "
        "OUT/manifest.csv. Photos that are done already are left alone.",
    )
    command.add_argument("folder", type=Path, metavar="FOLDER")
    command.add_argument("out", type=Path, metavar="OUT")
    command.add_argument("--longest-side", type=_positive, default=640, metavar="PIXELS", help="default: 640")
    command.add_argument("--quality", type=_positive, default=90, help="of the JPEGs, 1 to 100; default: 90")
    command.add_argument("--processes", type=_positive, default=os.cpu_count() or 1, help="default: one a core")
    command.set_defaults(run=_resize)

    command = commands.add_parser(
        "download",
        help="fetch the photos of some hotels of a Hotels-50K style CSV",
        description="Samples hotels of CSV (image_id,hotel_id,image_url,…) and fetches their photos to "
        "OUT/HOTEL/IMAGE.jpg, and OUT/manifest.csv. Run it again to go on. Private addresses are never fetched from.",
    )
    command.add_argument("csv", type=Path, metavar="CSV")
    command.add_argument("out", type=Path, metavar="OUT")
    command.add_argument("--hotels", type=_positive, required=True, metavar="N", help="how many to sample")
    command.add_argument("--seed", type=int, default=0, help="of the sample; default: 0")
    command.add_argument("--images-per-hotel", type=_positive, metavar="N", help="at most; default: all")
    command.add_argument("--workers", type=_positive, default=8, help="downloads at a time; default: 8")
    command.add_argument("--retries", type=int, default=3, help="default: 3")
    command.add_argument("--max-bytes", type=_positive, default=32 * 1024**2, help="of one photo; default: 32 MiB")
    command.add_argument("--timeout", type=float, default=30, help="seconds of silence; default: 30")
    command.set_defaults(run=_download)

    _add_keys(commands)
    return parser


def _add_keys(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "keys",
        help="make, list and revoke the keys of the gateway",
        description="Changes the file of keys, which the gateway reads again at once. The file is KEYS_FILE, or else "
        "keys.json in DATA_DIR, of the environment or of .env here.",
    )
    parser.add_argument("--file", type=Path, help="another file of keys")
    actions = parser.add_subparsers(required=True, metavar="ACTION")

    action = actions.add_parser("add", help="make a key, and show it once")
    action.add_argument("name", metavar="NAME", help="whose it is, or what for")
    action.add_argument(
        "--scope",
        action="append",
        type=Scope,
        choices=list(Scope),
        help="read, submit (which includes read) or admin (everything); default: submit",
    )
    action.add_argument("--jobs", type=_positive, metavar="N", help="most unfinished jobs at once")
    action.add_argument("--requests", type=_positive, metavar="N", help="most requests a minute")
    action.add_argument("--bytes", type=_positive, metavar="N", help="most bytes stored")
    action.set_defaults(run=keys.add)

    action = actions.add_parser("list", help="list the keys: ids, names, scopes, limits")
    action.set_defaults(run=keys.show)

    action = actions.add_parser("revoke", help="make a key useless, and end its sessions")
    action.add_argument("id", metavar="ID", help="as `list` shows it")
    action.set_defaults(run=keys.revoke)


def _resize(options: argparse.Namespace) -> int:
    done = resize(
        options.folder,
        options.out,
        longest_side=options.longest_side,
        quality=options.quality,
        processes=options.processes,
    )
    logging.info("%d resized, %d done before, %d failed: %s", done.made, done.before, done.failed, done.manifest)
    return 1 if done.failed else 0


def _download(options: argparse.Namespace) -> int:
    limits = DownloadLimits(max_bytes=options.max_bytes, timeout=options.timeout, retries=options.retries)
    done = download(
        options.csv,
        options.out,
        hotels=options.hotels,
        seed=options.seed,
        images_per_hotel=options.images_per_hotel,
        workers=options.workers,
        limits=limits,
    )
    logging.info("%d fetched, %d there before, %d failed: %s", done.made, done.before, done.failed, done.manifest)
    return 1 if done.failed else 0


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive whole number")
    return number


if __name__ == "__main__":
    sys.exit(main())
