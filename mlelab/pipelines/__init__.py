"""The pipelines of chapter 2 that run outside a notebook as well: `flights` on Apache Beam, and `scale`."""
