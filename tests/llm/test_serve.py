"""The model as the generator of the local cloud."""

import json

import jsonschema
import numpy as np
import pytest

from mlelab.llm.serve import SmolLM2
from mlelab.vertex.compute.generator import Settings

CITY = {"type": "object", "required": ["city", "airports"],
        "properties": {"city": {"type": "string", "maxLength": 20}, "airports": {"type": "integer"},
                       "kind": {"enum": ["hub", "spoke"]}}}


@pytest.fixture(scope="module")
def generator(model):
    return SmolLM2()


def said(generator, question, settings, most=30):
    steps = generator.generate(generator.prompt([("user", question)]), settings)
    return [step for step, _ in zip(steps, range(most))]


def test_a_greedy_answer_and_its_chances(generator):
    steps = said(generator, "What is the capital of France?", Settings(temperature=0, logprobs=3), most=9)
    assert "Paris" in "".join(step.text for step in steps)
    for step in steps:
        chances = [one.log_probability for one in step.best]
        assert step.best[0] == step.chosen and chances == sorted(chances, reverse=True)
        assert 0 < np.exp(chances).sum() <= 1 + 1e-6


def test_the_seed_decides(generator):
    texts = ["".join(step.text for step in said(generator, "Name a city.", Settings(1.0, 1.0, seed=seed), most=5))
             for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


def test_one_candidate_left_is_greedy(generator):
    best, one = (said(generator, "Name a city.", settings, most=5)
                 for settings in (Settings(temperature=0), Settings(temperature=2, top_p=1, top_k=1)))
    assert [step.chosen for step in best] == [step.chosen for step in one]


@pytest.mark.parametrize("settings, expected", [
    (Settings(0), [100, 100, 100, 100]), (Settings(0, frequency_penalty=1.5), [100, 101, 100, 102]),
    (Settings(0, presence_penalty=1.5), [100, 101, 100, 100])])
def test_penalties_push_out_what_was_said(generator, monkeypatch, settings, expected):
    logits = np.full(len(generator._model.tokens), -9, np.float32)
    logits[100:103] = 3, 2, 1
    monkeypatch.setattr(generator._model, "logits", lambda tokens, cache: logits.copy())
    assert [step.chosen.token for step in said(generator, "x", settings, most=4)] == expected


@pytest.mark.parametrize("temperature", [0, 1.5])
def test_a_schema_is_followed_to_its_end(generator, temperature):
    steps = said(generator, "Tell me about Rome.", Settings(temperature, seed=4, schema=CITY), most=80)
    found = json.loads("".join(step.text for step in steps))
    jsonschema.validate(found, CITY)


def test_tokens_are_bytes(generator):
    text = "Zürich 東京\t\N{AIRPLANE}"
    pairs = generator.tokens(text)
    assert b"".join(data for _, data in pairs) == text.encode()
    assert generator._model.decode([token for token, _ in pairs]) == text


def test_several_answers_come_side_by_side(generator):
    prompt = generator.prompt([("user", "Count to five.")])
    alone = [step.chosen.token for step, _ in zip(generator.generate(prompt, Settings(temperature=0)), range(3))]
    two = [generator.generate(prompt, Settings(temperature=0)) for _ in range(2)]
    turns = [(next(two[0]).chosen.token, next(two[1]).chosen.token) for _ in range(3)]
    assert turns == list(zip(alone, alone))
