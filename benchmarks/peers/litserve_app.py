"""The same model behind LitServe, batched as its documentation shows: decoded in ``decode_request``, one call each."""

import io
import os
from pathlib import Path
from typing import Any

import litserve
import numpy as np
import torch
from fastapi import Request
from PIL import Image

from benchmarks.gpu import SUBJECTS, Bare, load_bare


class Model(litserve.LitAPI):  # type: ignore[misc, unused-ignore]
    def setup(self, device: str) -> None:
        subject = next(one for one in SUBJECTS.values() if one.service == os.environ["BENCH_SERVICE"])
        dtype = getattr(torch, os.environ["BENCH_DTYPE"])
        place = torch.device(os.environ["BENCH_DEVICE"])
        self.bare: Bare = load_bare(subject, Path(os.environ["BENCH_MODEL"]), place, dtype)

    def decode_request(self, request: Request) -> torch.Tensor:
        """LitServe looks at the annotation, and gives the form itself."""
        form: Any = request
        return self.bare.preprocess(np.asarray(Image.open(io.BytesIO(form["content"].file.read())).convert("RGB")))

    def batch(self, inputs: list[torch.Tensor]) -> torch.Tensor:
        return torch.stack(inputs)

    def predict(self, batch: torch.Tensor) -> list[Any]:
        found: Any = self.bare.run(batch)
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
