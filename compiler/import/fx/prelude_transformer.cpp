#include "compiler/import/fx/prelude_text.h"

namespace aitune::fx {

// MultiheadAttention makes the nodes that torch.export makes of it, so that both lower to the same plan.
const std::string_view kTransformerPrelude = R"py(
def float_mask(mask, dtype):
    if mask is None or mask.dtype != torch.bool:
        return mask
    return aten.masked_fill(aten.zeros_like(mask, dtype=dtype), mask, -inf)

def packed_projections(self, query, key, value):
    size = self.embed_dim
    w = self.in_proj_weight
    b = self.in_proj_bias
    if query is key and key is value:
        all = aten.unflatten(aten.linear(query, w, b), -1, [3, size])
        all = aten.contiguous(aten.squeeze(aten.transpose(aten.unsqueeze(all, 0), 0, -2), -2))
        return (aten.select(all, 0, 0), aten.select(all, 0, 1), aten.select(all, 0, 2))
    w_q, w_rest = aten.split_with_sizes(w, [size, size * 2])
    b_q, b_rest = (None, None) if b is None else aten.split_with_sizes(b, [size, size * 2])
    q = aten.linear(query, w_q, b_q)
    if key is value:
        both = aten.unflatten(aten.linear(key, w_rest, b_rest), -1, [2, size])
        both = aten.contiguous(aten.squeeze(aten.transpose(aten.unsqueeze(both, 0), 0, -2), -2))
        return (q, aten.select(both, 0, 0), aten.select(both, 0, 1))
    w_k, w_v = aten.chunk(w_rest, 2)
    b_k, b_v = (None, None) if b is None else aten.chunk(b_rest, 2)
    return (q, aten.linear(key, w_k, b_k), aten.linear(value, w_v, b_v))

def projections(self, query, key, value):
    if self._qkv_same_embed_dim:
        return packed_projections(self, query, key, value)
    b = self.in_proj_bias
    b_q, b_k, b_v = (None, None, None) if b is None else aten.chunk(b, 3)
    return (aten.linear(query, self.q_proj_weight, b_q), aten.linear(key, self.k_proj_weight, b_k), aten.linear(value, self.v_proj_weight, b_v))

def attention_mask(self, key_padding_mask, attn_mask, dtype, batch, heads, source):
    mask = float_mask(attn_mask, dtype)
    if mask is not None and mask.dim() == 2:
        mask = aten.unsqueeze(mask, 0)
    padding = float_mask(key_padding_mask, dtype)
    if padding is None:
        return mask
    padding = aten.view(padding, [batch, 1, 1, source])
    padding = aten.reshape(aten.expand(padding, [-1, heads, -1, -1]), [batch * heads, 1, source])
    return padding if mask is None else mask + padding

def with_one_key_more(mask):
    return None if mask is None else aten.constant_pad_nd(mask, [0, 1], 0.0)

def MultiheadAttention(self, query, key, value, key_padding_mask=None, need_weights=True, attn_mask=None, average_attn_weights=True, is_causal=False):
    if self.training and self.dropout > 0:
        aitune.warn('dropout in training mode is left out; call model.eval() before tracing')
    batched = query.dim() == 3
    same = query is key and key is value
    if not batched:
        if key_padding_mask is not None:
            key_padding_mask = aten.unsqueeze(key_padding_mask, 0)
        query = aten.unsqueeze(query, 1)
        key_ = query if same else aten.unsqueeze(key, 1)
        value = query if same else key_ if key is value else aten.unsqueeze(value, 1)
        key = key_
    elif self.batch_first:
        query = aten.transpose(query, 1, 0)
        key_ = query if same else aten.transpose(key, 1, 0)
        value = query if same else key_ if key is value else aten.transpose(value, 1, 0)
        key = key_
    target, batch, size = query.shape
    source = key.shape[0]
    heads = self.num_heads
    width = size // heads
    shared_mask = key_padding_mask is None and (attn_mask is None or attn_mask.dim() == 2)
    if is_causal and key_padding_mask is None and not need_weights:
        attn_mask = None
    else:
        attn_mask = attention_mask(self, key_padding_mask, attn_mask, query.dtype, batch, heads, source)
        is_causal = False
    q, k, v = projections(self, query, key, value)
    if self.bias_k is not None:
        k = aten.cat([k, aten.repeat(self.bias_k, [1, batch, 1])])
        v = aten.cat([v, aten.repeat(self.bias_v, [1, batch, 1])])
        attn_mask = with_one_key_more(attn_mask)
        source = source + 1
    q = aten.transpose(aten.view(q, [target, batch * heads, width]), 0, 1)
    k = aten.transpose(aten.view(k, [source, batch * heads, width]), 0, 1)
    v = aten.transpose(aten.view(v, [source, batch * heads, width]), 0, 1)
    if self.add_zero_attn:
        nothing = aten.new_zeros(k, [batch * heads, 1, width])
        k = aten.cat([k, nothing], 1)
        v = aten.cat([v, nothing], 1)
        attn_mask = with_one_key_more(attn_mask)
        source = source + 1
    weights = None
    if need_weights:
        scaled = q * math.sqrt(1.0 / float(width))
        turned = aten.transpose(k, -2, -1)
        scores = aten.bmm(scaled, turned) if attn_mask is None else aten.baddbmm(attn_mask, scaled, turned)
        weights = aten.softmax(scores, -1)
        output = aten.transpose(aten.bmm(weights, v), 0, 1)
        output = aten.view(aten.contiguous(output), [target * batch, size])
    else:
        if attn_mask is not None:
            attn_mask = aten.unsqueeze(attn_mask, 0) if shared_mask else aten.view(attn_mask, [batch, heads, -1, source])
        q = aten.view(q, [batch, heads, target, width])
        k = aten.view(k, [batch, heads, source, width])
        v = aten.view(v, [batch, heads, source, width])
        output = aten.scaled_dot_product_attention(q, k, v, attn_mask, 0.0, is_causal)
        output = aten.view(aten.contiguous(aten.permute(output, [2, 0, 1, 3])), [batch * target, size])
    output = aten.linear(output, self.out_proj.weight, self.out_proj.bias)
    output = aten.view(output, [target, batch, size])
    if weights is not None:
        weights = aten.view(weights, [batch, heads, target, source])
        if average_attn_weights:
            weights = aten.mean(weights, [1])
        if not batched:
            weights = aten.squeeze(weights, 0)
    if not batched:
        return (aten.squeeze(output, 1), weights)
    return (aten.transpose(output, 1, 0) if self.batch_first else output, weights)

# ---- what is made of it

def self_attention(layer, x, mask, padding, causal):
    attended = layer.self_attn(x, x, x, attn_mask=mask, key_padding_mask=padding, need_weights=False, is_causal=causal)
    return layer.dropout1(attended[0])

def TransformerEncoderLayer(self, src, src_mask=None, src_key_padding_mask=None, is_causal=False):
    x = src
    if self.norm_first:
        x = x + self_attention(self, self.norm1(x), src_mask, src_key_padding_mask, is_causal)
        normed = self.norm2(x)
        return x + self.dropout2(self.linear2(self.dropout(self.activation(self.linear1(normed)))))
    x = self.norm1(x + self_attention(self, x, src_mask, src_key_padding_mask, is_causal))
    return self.norm2(x + self.dropout2(self.linear2(self.dropout(self.activation(self.linear1(x))))))

def TransformerEncoder(self, src, mask=None, src_key_padding_mask=None, is_causal=None):
    for layer in self.layers:
        src = layer(src, src_mask=mask, src_key_padding_mask=src_key_padding_mask, is_causal=False if is_causal is None else is_causal)
    return src if self.norm is None else self.norm(src)

def cross_attention(layer, x, memory, mask, padding, causal):
    attended = layer.multihead_attn(x, memory, memory, attn_mask=mask, key_padding_mask=padding, need_weights=False, is_causal=causal)
    return layer.dropout2(attended[0])

def TransformerDecoderLayer(self, tgt, memory, tgt_mask=None, memory_mask=None, tgt_key_padding_mask=None, memory_key_padding_mask=None, tgt_is_causal=False, memory_is_causal=False):
    x = tgt
    if self.norm_first:
        x = x + self_attention(self, self.norm1(x), tgt_mask, tgt_key_padding_mask, tgt_is_causal)
        x = x + cross_attention(self, self.norm2(x), memory, memory_mask, memory_key_padding_mask, memory_is_causal)
        normed = self.norm3(x)
        return x + self.dropout3(self.linear2(self.dropout(self.activation(self.linear1(normed)))))
    x = self.norm1(x + self_attention(self, x, tgt_mask, tgt_key_padding_mask, tgt_is_causal))
    x = self.norm2(x + cross_attention(self, x, memory, memory_mask, memory_key_padding_mask, memory_is_causal))
    return self.norm3(x + self.dropout3(self.linear2(self.dropout(self.activation(self.linear1(x))))))

def TransformerDecoder(self, tgt, memory, tgt_mask=None, memory_mask=None, tgt_key_padding_mask=None, memory_key_padding_mask=None, tgt_is_causal=None, memory_is_causal=False):
    causal = False if tgt_is_causal is None else tgt_is_causal
    for layer in self.layers:
        tgt = layer(tgt, memory, tgt_mask=tgt_mask, memory_mask=memory_mask, tgt_key_padding_mask=tgt_key_padding_mask, memory_key_padding_mask=memory_key_padding_mask, tgt_is_causal=causal, memory_is_causal=memory_is_causal)
    return tgt if self.norm is None else self.norm(tgt)

def Transformer(self, src, tgt, src_mask=None, tgt_mask=None, memory_mask=None, src_key_padding_mask=None, tgt_key_padding_mask=None, memory_key_padding_mask=None, src_is_causal=None, tgt_is_causal=None, memory_is_causal=False):
    memory = self.encoder(src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal)
    return self.decoder(tgt, memory, tgt_mask=tgt_mask, memory_mask=memory_mask, tgt_key_padding_mask=tgt_key_padding_mask, memory_key_padding_mask=memory_key_padding_mask, tgt_is_causal=tgt_is_causal, memory_is_causal=memory_is_causal)
)py";

}  // namespace aitune::fx
