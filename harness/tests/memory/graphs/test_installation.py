from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from harness.memory import graphs
from harness.observation import Attestation


@pytest.fixture
def own_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CUDAGraph", "graph", "graph_pool_handle", "is_current_stream_capturing"):
        monkeypatch.setattr(torch.cuda, name, getattr(torch.cuda, name))


@pytest.mark.usefixtures("own_cuda")
def test_torch_s_names_are_the_recorder_s_and_each_is_told() -> None:
    device = SimpleNamespace(__name__="torch.elsewhere")
    told = graphs.install(device)
    seen = list[bool]()
    made, x = torch.cuda.CUDAGraph(), torch.ones(2)
    with torch.cuda.graph(made, pool=torch.cuda.graph_pool_handle()):
        seen.append(torch.cuda.is_current_stream_capturing())
        y = x + 1
    made.replay()
    assert y.tolist() == [2, 2] and seen == [True] and not torch.cuda.is_current_stream_capturing()
    assert device.CUDAGraph is graphs.CUDAGraph
    assert {f"torch.{name}.graph: the recorder's" for name in ("cuda", "elsewhere")} <= set(told)
    assert "torch.Tensor.tolist while a graph is captured" in told
    attested = Attestation(tree="", root="", patches=told)
    assert attested.emulated == ("CUDA graphs, recorded and replayed on the CPU",)
