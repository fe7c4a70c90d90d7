"""How a token is chosen, and how text comes out."""

import numpy as np
import pytest

from mlelab import llm

CHANCES = np.array([0.5, 0.25, 0.15, 0.1])
LOGITS = np.log(CHANCES).astype(np.float32) + 3


def share(draws, **how):
    rng = np.random.default_rng(7)
    drawn = [llm.next_token(LOGITS, rng=rng, **how) for _ in range(draws)]
    return np.bincount(drawn, minlength=4) / draws


def test_sampling_follows_the_chances():
    assert np.abs(share(4000, temperature=1, top_p=1) - CHANCES).max() < 4 * 0.5 / np.sqrt(4000)


def test_temperature_sharpens_and_flattens():
    for temperature in (0.5, 2):
        expected = CHANCES ** (1 / temperature)
        found = share(4000, temperature=temperature, top_p=1)
        assert np.abs(found - expected / expected.sum()).max() < 4 * 0.5 / np.sqrt(4000)


@pytest.mark.parametrize("top_p, kept", [(0.49, 1), (0.51, 2), (0.74, 2), (0.76, 3), (1, 4)])
def test_the_nucleus_is_the_fewest_tokens_that_reach_top_p(top_p, kept):
    assert list(np.flatnonzero(share(500, temperature=1, top_p=top_p))) == list(range(kept))


def test_temperature_zero_is_greedy_and_the_seed_decides_otherwise():
    assert llm.next_token(LOGITS[::-1], 0, 1, np.random.default_rng()) == 3
    one, two = ([llm.next_token(LOGITS, 1, 1, rng) for _ in range(50)] for rng in map(np.random.default_rng, (1, 1)))
    assert one == two


@pytest.mark.parametrize("temperature, top_p", [(-0.1, 1), (1, 0), (1, 1.01)])
def test_values_outside_are_refused(temperature, top_p):
    with pytest.raises(ValueError, match="top_p"):
        llm.next_token(LOGITS, temperature, top_p, np.random.default_rng())


def test_a_character_of_several_tokens_comes_whole(model):
    text = "Zürich 東京 👩🏽‍✈️!"
    tokens = model.encode(text)
    parts = list(llm.pieces(model, tokens))
    assert "".join(parts) == text and 1 < len(parts) < len(tokens)
    assert not any("\N{REPLACEMENT CHARACTER}" in part for part in parts)
    assert "".join(llm.pieces(model, model.encode("東")[:-1])) == "\N{REPLACEMENT CHARACTER}"


def test_generating_ends_where_it_must(model):
    tokens = model.chat([("user", "What is the capital of France?")])
    assert len(list(llm.generate(model, tokens, max_tokens=3))) == 3
    assert list(llm.generate(model, tokens, max_tokens=0)) == []
    assert list(llm.generate(model, tokens, choose=lambda logits: model.end)) == []
    said = llm.answer(model, "What is the capital of France?", system="You are a parrot.", max_tokens=3,
                      choose=lambda logits: model.encode("!")[0])
    assert said == "!!!"
