"""Whom a model serves, and what is written down about it.

    loans   applications for a mortgage that people decided, with their caveats
    cards   model card and data card, made from the artefacts and refused when something was not said
"""
