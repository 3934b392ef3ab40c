"""Read and cut untrusted videos in a process of its own: ``python -m framesense.media.tool``.

A decoder that crashes, hangs or eats memory takes only this process with it: see :mod:`framesense.media.isolated`,
which starts it. It prints JSON; what cannot be done ends with status 1 and a reason on standard error.
"""

import argparse
import resource
import sys
from collections.abc import Sequence
from pathlib import Path

from framesense.media.clips import ClipError, copy_stream, cut_clip, join_clips
from framesense.media.probe import probe_video
from framesense.media.stretches import Stretch


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out one command; return the process's exit status."""
    options = _parser().parse_args(arguments)
    resource.setrlimit(resource.RLIMIT_CPU, (options.cpu_seconds, options.cpu_seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if options.command == "probe":
        print(probe_video(options.source, options.stream).model_dump_json())  # noqa: T201 - what it is there for
        return 0
    stretch = getattr(options, "stretch", [])
    stretches = [Stretch(start, end) for start, end in zip(stretch[::2], stretch[1::2], strict=True)]
    try:
        if options.command == "select":
            copy_stream(options.source, options.target, number=options.stream)
        elif options.command == "cut":
            cut_clip(options.source, options.target, stretches[0], number=options.stream)
        else:
            join_clips(options.source, options.target, stretches, number=options.stream, stamped=options.stamped)
    except ClipError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="framesense.media.tool", description=__doc__)
    parser.add_argument("--cpu-seconds", type=int, default=60, help="after which the process is ended")
    parser.add_argument("--stream", type=int, help="number of the picture that is meant, without it the main one")
    commands = parser.add_subparsers(dest="command", required=True)
    probe = commands.add_parser("probe", help="print what the file says of itself")
    probe.add_argument("source", type=Path)
    cut = commands.add_parser("cut", help="write one stretch as an MP4, copied where key frames allow")
    join = commands.add_parser("join", help="write several stretches as one MP4, encoded anew")
    for command, count in ((cut, 2), (join, "+")):
        command.add_argument("source", type=Path)
        command.add_argument("target", type=Path)
        command.add_argument("stretch", type=float, nargs=count, help="seconds: start end [start end …]")
    select = commands.add_parser("select", help="write one of several pictures by itself, with the sound")
    select.add_argument("source", type=Path)
    select.add_argument("target", type=Path)
    join.add_argument("--stamped", action="store_true", help="draw each frame's time into its corner")
    return parser


if __name__ == "__main__":
    sys.exit(main())
