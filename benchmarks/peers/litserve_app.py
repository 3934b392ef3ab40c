"""The same model behind LitServe, batched as its documentation shows: decoded in ``decode_request``, one call each."""

import os
from pathlib import Path
from typing import Any

import litserve
import torch
from fastapi import Request

from benchmarks.hub_models.bare import Bare, load_bare


class Model(litserve.LitAPI):  # type: ignore[misc, unused-ignore]
    def setup(self, device: str) -> None:
        dtype = getattr(torch, os.environ["BENCH_DTYPE"])
        place = torch.device(os.environ["BENCH_DEVICE"])
        folder = Path(os.environ["BENCH_MODEL"])
        self.bare: Bare = load_bare(os.environ["BENCH_SERVICE"], folder, place, dtype)

    def decode_request(self, request: Request) -> torch.Tensor:
        """Read the form, which LitServe gives by the annotation."""
        form: Any = request
        return self.bare.prepare(form["content"].file.read())

    def batch(self, inputs: list[torch.Tensor]) -> torch.Tensor:
        return torch.stack(inputs)

    def predict(self, batch: torch.Tensor) -> list[Any]:
        found = self.bare.run(batch)
        return [{"text": one.text} if hasattr(one, "text") else {"embedding": one.tolist()} for one in found]

    def unbatch(self, output: list[Any]) -> list[Any]:
        return output

    def encode_response(self, output: Any) -> Any:
        return output


if __name__ == "__main__":
    api = Model(max_batch_size=int(os.environ["BENCH_MAX_BATCH"]), batch_timeout=0.02)
    device = "cuda" if os.environ["BENCH_DEVICE"].startswith("cuda") else "cpu"
    server = litserve.LitServer(api, accelerator=device, devices=1, timeout=600)
    server.run(host="127.0.0.1", port=int(os.environ["BENCH_PORT"]), generate_client_file=False)
