"""The questions that the thesis leaves open, written before their runs (docs/questions.md): what each asks, what the
thesis expects, and which cells answer it. Data only: `claims.questions` judges, `figures.questions` draws."""

from bnstudy.questions.catalogue import Question, find, registry

__all__ = ["Question", "find", "registry"]
