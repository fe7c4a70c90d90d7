"""The field's standard terms: each is used where its idea is taught, and stands in the glossary."""

import re
from pathlib import Path

import pytest

BOOK = Path(__file__).resolve().parents[2] / "book"
TERMS = {
    "01_lifecycle": ["recall", "precision", "false positive", "false negative", "base rate", "calibration",
                     "additive smoothing", "target encoding", "lineage", "DAG"],
    "02_data": ["schema evolution", "backfill", "Welford's method", "lineage", "watermark"],
    "04_evaluation": ["reliability diagram", "Platt scaling", "isotonic regression", "log loss", "ROC curve",
                      "precision-recall curve", "sample-ratio mismatch", "CUPED", "sequential test",
                      "minimum detectable effect", "cluster bootstrap"],
    "05_training": ["DDP", "FSDP", "ZeRO", "torchrun", "DeepSpeed", "activation checkpointing", "Hyperband", "ASHA",
                    "Optuna", "Vizier", "Kubeflow Trainer", "successive halving"],
    "05_training_gpu": ["underflow", "loss scaling"],
    "06_deep_learning": ["attention", "automatic differentiation", "backpropagation", "bandit", "batch normalisation",
                         "causal mask", "convolution", "data augmentation", "dropout", "early stopping", "embedding",
                         "fine-tuning", "grouped-query attention", "GRU", "initialisation", "KV cache",
                         "layer normalisation", "learning rate", "logits", "numerical gradient", "over-fitting",
                         "perplexity", "quantile forecast", "recurrent network", "regret", "reinforcement learning",
                         "residual connection", "RMS norm", "rotary positions", "seasonal naive", "spectrogram",
                         "SwiGLU", "Thompson sampling", "tokenizer", "transfer learning", "transformer",
                         "vanishing gradient", "weight decay", "byte-pair encoding"],
    "07_deployment": ["429", "503", "A/A test", "Argo Rollouts", "availability", "BentoML", "circuit breaker",
                      "continuous batching", "design effect", "draining", "dynamic batching", "Flagger", "jitter",
                      "KServe", "latency budget", "Little's law", "load shedding", "M/M/1", "mergeable histogram",
                      "rolling change", "sequential test", "SIGTERM", "signing", "sigstore", "skops", "SPRT",
                      "utilisation", "vLLM"],
    "08_mlops": ["Dagster", "data versioning", "DVC", "environment", "feature lineage", "infrastructure as code",
                 "jitter", "lakeFS", "lineage", "model lineage", "Prefect", "promotion", "tenacity", "Terraform"],
    "09_monitoring": ["covariate shift", "prior-probability shift", "concept shift", "prediction drift", "CBPE",
                      "golden signals", "service level objective", "error budget", "nowcasting", "trace", "span",
                      "OpenTelemetry", "Grafana", "post-mortem"],
    "10_responsible": ["demographic parity", "equalised odds", "equal opportunity", "fairness through unawareness",
                       "l-diversity", "DP-SGD", "adverse action", "counterfactual recourse", "datasheet", "EU AI Act",
                       "GDPR", "NIST AI RMF"],
    "12_architecture": ["architecture decision record", "bottleneck", "Cedar", "data poisoning", "deny by default",
                        "design document", "envelope encryption", "fallback", "half open", "hash chain", "HMAC",
                        "least privilege", "load balancing", "M/M/c", "OpenLineage", "prompt injection", "pseudonym",
                        "retention", "rotation", "SBOM", "service account", "STRIDE", "TLS"],
    "11_generative": ["AI agent", "BM25", "canary (prompt)", "chunking", "Cohen's kappa", "constrained decoding",
                      "context window", "decoding", "embedding search", "grammar", "grounding", "hallucination",
                      "idempotence key", "indirect prompt injection", "KV cache", "LLM-as-a-judge", "LoRA", "MCP",
                      "nucleus sampling", "perplexity", "position bias", "prompt injection", "quantisation",
                      "reciprocal rank fusion", "retrieval-augmented generation", "system message", "token"],
}
TOOLS = {"01_lifecycle": ["DummyClassifier"], "02_data": ["Polars", "Great Expectations", "dbt tests", "DataLoader",
                                                          "Grain", "store_rejects"],
         "04_evaluation": ["statsmodels"],
         "11_generative": ["google-genai", "wordllama", "faiss", "bm25s", "ADK"],
         "05_training": ["HalvingRandomSearchCV"],
         "12_architecture": ["pybreaker", "simpy", "cedarpy", "picklescan", "skops", "safetensors", "cyclonedx-py",
                             "sigstore"]}


def entries() -> dict[str, str]:
    """The glossary: a term, and its definition."""
    text = (BOOK / "reference" / "glossary.md").read_text(encoding="utf-8").partition(":::{glossary}\n")[2]
    return {entry.partition("\n")[0].lower(): entry.partition("\n")[2].strip()
            for entry in text.partition("\n:::")[0].split("\n\n")}


@pytest.mark.parametrize(("page", "term"), [(page, term) for page, terms in TERMS.items() for term in terms])
def test_a_term_is_used_on_its_page_and_defined(page, term):
    prose = re.sub(r"```\{code-cell\}.*?```", "", (BOOK / f"{page}.md").read_text(encoding="utf-8"), flags=re.S)
    assert term.lower().removesuffix("'s method") in prose.lower()
    assert len(entries().get(term.lower(), "").split()) >= 6


@pytest.mark.parametrize(("page", "tool"), [(page, tool) for page, tools in TOOLS.items() for tool in tools])
def test_a_tool_is_named_where_its_work_is_taught(page, tool):
    assert tool in (BOOK / f"{page}.md").read_text(encoding="utf-8")


def test_the_glossary_is_sorted():
    terms = list(entries())
    assert terms == sorted(terms)
