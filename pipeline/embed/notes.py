"""What an embedder says of a question that it cannot read at once. Nothing is cut in silence."""

from __future__ import annotations


def too_long(tokens: int, budget: int, model: str = "the model") -> tuple[str, ...]:
    """A line for a question of more tokens than a model reads at once, else none.

    >>> too_long(9, 10)
    ()
    """
    if tokens <= budget:
        return ()
    return (f"the query has {tokens} tokens, {model} reads {budget} at once: its vector is a mean over parts",)
