"""BERT's layers without transformers."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import torch

from pipeline.embed.builtin.bert import SHORT, Bert, one_thread


@pytest.mark.models
def test_states_are_those_of_transformers():
    """Every layer, every bias, positions and padding: random weights, texts of several lengths in one batch."""
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    config = BertConfig(vocab_size=50, hidden_size=24, num_hidden_layers=3, num_attention_heads=4, intermediate_size=40)
    theirs = BertModel(config, add_pooling_layer=False).eval()
    for weight in theirs.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    ours = Bert({name: weight.detach() for name, weight in theirs.state_dict().items()}, 4, config.layer_norm_eps)
    words, mask = torch.randn(3, 60, 24), torch.ones(3, 60, dtype=torch.long)
    mask[1, 20:] = mask[2, 1:] = 0
    assert words.shape[0] * words.shape[1] > SHORT

    for texts, length in ((3, 60), (1, 60), (1, 1)):
        with torch.inference_mode():
            wanted = theirs(inputs_embeds=words[:texts, :length], attention_mask=mask[:texts, :length])
        found = ours.states(words[:texts, :length], mask[:texts, :length])
        seen = mask[:texts, :length].bool()
        torch.testing.assert_close(found[seen], wanted.last_hidden_state[seen], atol=2e-5, rtol=1e-4)


def test_threads_are_as_before_after_several_went_in_at_once():
    """A thread that starts while others are inside does not take their number for its own."""
    usual, inside = torch.get_num_threads(), Barrier(4)
    torch.set_num_threads(3)

    def enter(_: int) -> tuple[int, int]:
        inside.wait()
        with one_thread:
            within = torch.get_num_threads()
            inside.wait()
        return within, torch.get_num_threads()

    try:
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(enter, range(4)))
        after = torch.get_num_threads()
    finally:
        torch.set_num_threads(usual)

    assert found == [(1, 3)] * 4
    assert after == 3
