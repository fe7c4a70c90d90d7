"""The model in numpy against another implementation of the same file, and its parts against what they promise."""

import json
import math
import time
from pathlib import Path

import numpy as np
import pytest

from mlelab import llm
from mlelab.llm import model as module
from tests import sampled
from tests.llm.prompts import PROMPTS

REFERENCE = json.loads(Path(__file__).with_name("reference.json").read_text(encoding="utf-8"))
QUESTION = [("user", "What is the capital of France?")]


def tokens_of(model, prompt):
    return model.encode(prompt) if isinstance(prompt, str) else model.chat(prompt)


@pytest.mark.parametrize("number", sampled(range(len(PROMPTS)), sample=range(3)))
def test_logits_are_those_of_another_implementation(model, number):
    kept = REFERENCE["prompts"][number]
    tokens = tokens_of(model, PROMPTS[number])
    assert tokens == kept["tokens"]
    logits = model.logits(tokens)
    places, values = kept["top"] + REFERENCE["sample"], np.array(kept["top_logits"] + kept["sample_logits"])
    ours = logits[places]
    assert np.abs(ours - values).max() < 1e-2
    assert ours @ values / np.linalg.norm(ours) / np.linalg.norm(values) > 0.999
    if kept["top_logits"][0] - kept["top_logits"][1] > 2e-2:
        assert int(logits.argmax()) == kept["top"][0]


def test_the_whole_comparison_was_within_the_same_limits():
    assert REFERENCE["model_sha256"] == module.SHA256 and len(REFERENCE["prompts"]) == len(PROMPTS) >= 20
    for prompt, kept in zip(PROMPTS, REFERENCE["prompts"]):
        assert kept["largest_difference"] < 1e-2 and kept["least_cosine"] > 0.999
        marks = not isinstance(prompt, str) and any("<|" in text for _, text in prompt)
        assert kept["same_tokens"] != marks  # what looks like a mark is text to us, and a mark to transformers


def test_the_answer_is_paris_with_and_without_a_cache(model):
    tokens = model.chat(QUESTION)
    answers = [list(llm.generate(model, tokens, max_tokens=7, cached=cached)) for cached in (True, False)]
    assert answers[0] == answers[1]
    assert "Paris" in model.decode(answers[0])


def test_cached_logits_equal_those_of_the_whole(model):
    tokens, cache = model.chat(QUESTION), llm.Cache()
    model.logits(tokens[:7], cache)
    model.logits(tokens[7:8], cache)
    parts = model.logits(tokens[8:], cache, every=True)
    assert len(cache) == len(tokens)
    np.testing.assert_allclose(parts, model.logits(tokens, every=True)[8:], atol=2e-3)


def one_head(q, k, v):
    """A learner's attention: no broadcasting, no cache in mind."""
    scores = q @ k.T / math.sqrt(q.shape[1])
    scores[np.triu_indices(len(q), 1 + len(k) - len(q), len(k))] = -np.inf
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return (weights / weights.sum(axis=1, keepdims=True)) @ v


def test_another_attention_can_stand_in_its_place(model):
    tokens = model.chat(QUESTION)
    expected = model.logits(tokens)
    np.testing.assert_allclose(model.logits(tokens, attention=llm.each_head(one_head)), expected, atol=2e-3)
    assert "Paris" in llm.answer(model, QUESTION[0][1], attention=llm.each_head(one_head), max_tokens=7)


def without_mask(q, k, v):
    scores = q @ k.swapaxes(-1, -2) / 8
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True) @ v


def without_scale(q, k, v):
    return llm.causal_attention(8 * q, k, v)


def over_the_wrong_axis(q, k, v):
    scores = np.where(np.tri(q.shape[-2], k.shape[-2], k.shape[-2] - q.shape[-2], dtype=bool),
                      q @ k.swapaxes(-1, -2) / 8, -1e9)
    weights = np.exp(scores - scores.max(-2, keepdims=True))
    return weights / weights.sum(-2, keepdims=True) @ v


@pytest.mark.parametrize("wrong", [without_mask, without_scale, over_the_wrong_axis])
def test_a_mistake_in_the_attention_shows(model, wrong):
    tokens = model.chat(QUESTION)
    assert np.abs(model.logits(tokens, attention=wrong) - model.logits(tokens)).max() > 1


def test_a_later_token_changes_nothing_before_it(model):
    tokens = model.chat(QUESTION)
    other = [*tokens[:-1], tokens[-1] + 1]
    np.testing.assert_allclose(model.logits(other, every=True)[:-1], model.logits(tokens, every=True)[:-1], atol=2e-3)


def test_tokens_outside_of_the_window_are_refused(model):
    for tokens in ([], [1] * (model.context + 1)):
        with pytest.raises(ValueError, match="1 to 8192"):
            model.logits(tokens)


@pytest.mark.parametrize("text", ["", "a", "Zürich 東京 ✈️\x00\n\t  x", "<|im_end|>", "3.14159"])
def test_text_comes_back(model, text):
    assert model.decode(model.encode(text)) == text
    assert not set(model.encode(text)) & set(range(17))  # no marks


def test_it_is_loaded_once_and_is_small(model):
    assert llm.load() is model
    assert {w.dtype for w in model.weights.values()} == {np.dtype(np.float32)}
    assert sum(w.nbytes for w in model.weights.values()) < 1.2 * 2**30


def test_another_file_is_refused(tmp_path, monkeypatch):
    (tmp_path / "other_model").mkdir()
    (tmp_path / "other_model" / "__init__.py").write_text("raise RuntimeError('this is never run')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(module, "PACKAGE", "other_model")
    with pytest.raises(llm.ModelMissing, match="is not in this environment"):
        llm.load.__wrapped__()
    (tmp_path / "other_model" / module.FILE).write_bytes(b"GGUF")
    with pytest.raises(llm.ModelMissing, match="is not the file"):
        llm.load.__wrapped__()


@pytest.mark.nightly
def test_tokens_a_second_with_and_without_the_cache(model, budget):
    prompt = model.chat([("user", "Name three causes of flight delays.")])
    rates = {}
    for cached in (True, False):
        steps = llm.generate(model, prompt, max_tokens=41, cached=cached)
        next(steps)
        begun = time.perf_counter()
        rates[cached] = len(list(steps)) / (time.perf_counter() - begun)
    begun = time.perf_counter()
    model.logits(prompt * 8)
    read = 8 * len(prompt) / (time.perf_counter() - begun)
    budget("The language model in numpy:", [
        f"{rates[True]:.1f} tokens/s with the cache, {rates[False]:.1f} without: {rates[True] / rates[False]:.1f} x",
        f"{read:.0f} tokens/s of a prompt"])
    assert rates[True] > 1.5 * rates[False]
