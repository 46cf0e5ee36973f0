"""Batch norms multiplied into the convolutions before them, for inference."""

from __future__ import annotations

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_conv_bn_weights

from yolact_ros.model.backbone import DeformConv


def fold_batch_norm(model: nn.Module) -> nn.Module:
    """
    Multiply the batch norms of a network in eval mode into the convolutions before them.

    The model is changed in place: its state dict has other keys afterwards.

    :returns: the same model.
    """
    for parent in model.modules():
        for name, norm in list(parent.named_children()):
            if not isinstance(norm, nn.BatchNorm2d):
                continue
            conv_name = str(int(name) - 1) if name.isdigit() else name.replace('bn', 'conv')
            conv = getattr(parent, conv_name)
            setattr(parent, conv_name, _fold(conv, norm))
            setattr(parent, name, nn.Identity())
    return model


def _fold(conv: nn.Conv2d | DeformConv, norm: nn.BatchNorm2d) -> nn.Module:
    """Return the convolution with the batch norm in its weight and bias."""
    if isinstance(conv, nn.Conv2d):
        return fuse_conv_bn_eval(conv, norm)
    conv.weight, conv.bias = fuse_conv_bn_weights(
        conv.weight, conv.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight,
        norm.bias)
    return conv
