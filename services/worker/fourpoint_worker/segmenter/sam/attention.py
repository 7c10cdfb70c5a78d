"""The image encoder's attention with its relative positions, as one fused call.

Source: decomposed relative positions (Li et al., MViTv2, 2022), as Segment Anything's encoder has them.
"""

import torch
from segment_anything.modeling import ImageEncoderViT
from torch import Tensor, nn
from torch.nn import functional


class FusedAttention(nn.Module):
    """What the encoder's own attention computes, without a matrix of scores in memory.

    The relative positions become an additive bias of `scaled_dot_product_attention`, which adds them inside
    the kernel. Their tables are looked up once, when the module is made, and not at every call.
    """

    def __init__(self, attention: nn.Module, side: int):
        """attention: the module whose weights are taken over. side: tokens along the side of its square."""
        super().__init__()
        self.heads: int = attention.num_heads
        self.qkv = attention.qkv
        self.proj = attention.proj
        steps = torch.arange(side)
        apart = steps[:, None] - steps[None, :] + side - 1
        # (query, key, features): how a query looks for keys so many rows, or columns, away.
        self.register_buffer("rows", attention.rel_pos_h.detach()[apart], persistent=False)
        self.register_buffer("columns", attention.rel_pos_w.detach()[apart], persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """(batch, side, side, width) to the same."""
        batch, height, width, features = tokens.shape
        qkv = self.qkv(tokens).view(batch, height * width, 3, self.heads, -1)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        seen = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=self._bias(query, height, width)
        )
        return self.proj(seen.transpose(1, 2).reshape(batch, height, width, features))

    def _bias(self, query: Tensor, height: int, width: int) -> Tensor:
        """(batch, heads, queries, keys): what the way from a query to a key adds to its score."""
        square = query.view(*query.shape[:2], height, width, -1)
        rows = torch.einsum("bnhwc,hkc->bnhwk", square, self.rows)
        columns = torch.einsum("bnhwc,wkc->bnhwk", square, self.columns)
        bias = rows[..., :, None] + columns[..., None, :]
        return bias.flatten(4).flatten(2, 3)


def fuse_attention(encoder: ImageEncoderViT) -> None:
    """Put `FusedAttention` in the place of every block's attention."""
    side = encoder.pos_embed.shape[1]
    for block in encoder.blocks:
        block.attn = FusedAttention(block.attn, block.window_size or side)
