"""Prompt-to-Prompt as usually implemented on diffusers, with materialised attention maps: the peer of bench/unet.ts.

An attention processor computes a layer's probabilities, passes them to a controller, and multiplies them with the values. Like the authors' code, the
controller replaces the target's cross-attention with the source's, mapped through a [tokens, tokens] matrix, and its self-attention up to 16x16 with
the source's, and keeps every map of up to 32x32 queries for the run's mean.
"""
import torch


class MaterialisedAttention:
    """A diffusers attention processor: softmax(Q K^T) as a tensor, through the controller, times V."""

    def __init__(self, controller):
        self.controller = controller

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, **_):
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        query = attn.head_to_batch_dim(attn.to_q(hidden_states))
        key = attn.head_to_batch_dim(attn.to_k(context))
        value = attn.head_to_batch_dim(attn.to_v(context))
        logits = torch.einsum("bid,bjd->bij", query, key) * attn.scale
        probs = self.controller(logits.softmax(dim=-1), encoder_hidden_states is not None, attn.heads)
        return attn.to_out[0](attn.batch_to_head_dim(torch.bmm(probs, value)))


class EditController:
    """Rows: the unconditional ones if there are any, then the source's and each target's. Maps are [rows x heads, queries, keys]."""

    def __init__(self, mapper, prompts=2, self_queries=16**2, store_queries=32**2):
        self.mapper = mapper
        self.prompts = prompts
        self.injects = True
        self.self_queries = self_queries
        self.store_queries = store_queries
        self.stored = []
        self.sums = []

    def __call__(self, probs, is_cross, heads):
        conditional = probs[-self.prompts * heads:]
        unconditional = probs[:-self.prompts * heads]
        if probs.shape[1] <= self.store_queries:
            self.stored.append(conditional.clone())
        if not self.injects:
            return probs
        source, targets = conditional[:heads], conditional[heads:]
        if is_cross:
            targets = torch.einsum("hqw,wn->hqn", source, self.mapper).repeat(self.prompts - 1, 1, 1)
        elif probs.shape[1] <= self.self_queries:
            targets = source.repeat(self.prompts - 1, 1, 1)
        return torch.cat([unconditional, source, targets])

    def end_of_step(self):
        if self.sums:
            for total, map_ in zip(self.sums, self.stored):
                total += map_
        else:
            self.sums = self.stored
        self.stored = []


def control(unet, tokens, prompts=2):
    """Gives the UNet an edit's controller, and returns it."""
    controller = EditController(torch.eye(tokens), prompts)
    unet.set_attn_processor(MaterialisedAttention(controller))
    return controller
