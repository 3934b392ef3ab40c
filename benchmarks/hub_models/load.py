"""Clients over HTTP, spread over processes so that they are no limit themselves.

Imports no torch, since each of these processes would load it.
"""

import asyncio
import multiprocessing
import time
from dataclasses import dataclass

import numpy as np

from benchmarks.service import Asked, Question, ask, photo_files


@dataclass(frozen=True)
class Load:
    """What clients saw: photos a second, and the median and the 99th percentile of the seconds a request took."""

    rate: float
    p50: float
    p99: float


def photos() -> list[bytes]:
    """Return what clients send: JPEG files of 640 × 480."""
    return photo_files(640, quality=75)


def load_on(url: str, question: Question, *, clients: int, requests: int, processes: int) -> Load:
    """Load a server by ``clients`` at once, each sending one photo after the other, ``requests`` in all.

    Each client sends one at least. Raises RuntimeError for an answer that is an error, httpx.TransportError for none.
    """
    processes = min(processes, clients)
    shares = [(clients // processes + (index < clients % processes)) for index in range(processes)]
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        jobs = [(url, question, share, max(share, requests * share // clients)) for share in shares]
        pool.map(_nothing, range(processes))  # imports are done before the clock starts
        results = pool.starmap(_clients, jobs, chunksize=1)
    took = np.concatenate([result.took for result in results])
    span = max(result.ended for result in results) - min(result.began for result in results)
    return Load(len(took) / span, float(np.percentile(took, 50)), float(np.percentile(took, 99)))


def _nothing(index: int) -> None:
    time.sleep(0.2)


def _clients(url: str, question: Question, clients: int, requests: int) -> Asked:
    return asyncio.run(ask(url, question, photos(), clients=clients, requests=requests))
