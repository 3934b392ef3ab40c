"""Batches of a few fixed sizes: what goes in comes out, whatever its size, and no other size reaches the network."""

import pytest
import torch

from framesense.serving.compiled_batches import StaticBatches, compiled, sizes_up_to


@pytest.mark.parametrize(("largest", "sizes"), [(1, [1]), (2, [1, 2]), (6, [1, 2, 4, 6]), (32, [1, 2, 4, 8, 16, 32])])
def test_sizes(largest: int, sizes: list[int]) -> None:
    assert sizes_up_to(largest) == sizes


def test_any_batch_is_run_in_fixed_sizes() -> None:
    seen = []

    def run(batch: torch.Tensor) -> tuple[torch.Tensor, ...]:
        seen.append(len(batch))
        return 2 * batch, batch.sum(1)

    static = StaticBatches(run, [1, 4, 8])
    for count in (1, 2, 4, 7, 8, 9, 20):
        batch = torch.arange(3.0 * count).reshape(count, 3)
        double, total = static(batch)
        assert torch.equal(double, 2 * batch)
        assert torch.equal(total, batch.sum(1))
    assert set(seen) == {1, 4, 8}


def test_every_size_is_compiled_while_warming_up() -> None:
    shapes = []

    def backend(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> object:
        shapes.extend(tuple(one.shape) for one in inputs if one.dim() == 2 and not isinstance(one, torch.nn.Parameter))
        return graph.forward

    torch._dynamo.reset()
    network = torch.nn.Linear(3, 2).eval().requires_grad_(False)
    static = compiled(lambda batch: (network(batch),), 4, backend=backend)
    with torch.inference_mode():
        static.warm_up(torch.zeros(1, 3))
        assert sorted(shape[0] for shape in shapes) == [1, 2, 4]
        shapes.clear()
        batch = torch.randn(3, 3)
        assert torch.allclose(static(batch)[0], network(batch), atol=1e-6)
    assert shapes == []
