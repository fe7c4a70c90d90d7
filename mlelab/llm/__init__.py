"""A small language model that runs here, in numpy: no key, no network, no GPU.

    from mlelab import llm
    model = llm.load()                                          # SmolLM2-135M-Instruct; once a process
    llm.answer(model, "What is the capital of France?")         # 'The capital of France is Paris.'
    llm.answer(model, "...", choose=my_choice, attention=my_causal_attention)

`model.py` is the model, from the file to the logits; `decoding.py` goes from logits to text. Both are written to be
read in one sitting.
"""

from .decoding import answer, generate, greedy, next_token, pieces
from .model import Cache, Model, ModelMissing, causal_attention, each_head, load

__all__ = ["Cache", "Model", "ModelMissing", "answer", "causal_attention", "each_head", "generate", "greedy", "load",
           "next_token", "pieces"]
