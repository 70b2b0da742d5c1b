"""Speed of the flow-matching generator's network in PyTorch, to compare ours with: training, and
sampling.

    python flow_matching.py [--threads N] [--seconds S] [--channels C] [--compile] [--json]

The shape is that of `tracecodec generator train --backbone flow-matching` without a configuration.
Windows are random. Only speed is measured, never quality.
"""

import argparse
import json
import time

import torch
from codec import Attention
from torch import nn
from torch.nn import functional as F

PREFIX, SUFFIX, WIDTH, LAYERS, HEADS, RATIO = 128, 128, 128, 4, 4, 4
BATCH = 16
TIME_FEATURES = 64
EVALUATIONS = 16


class Block(Attention):
    """A pre-norm Transformer block whose feed-forward part is `RATIO` times as wide inside."""

    def __init__(self):
        super().__init__(WIDTH, HEADS)
        self.feed_forward.up = nn.Linear(WIDTH, RATIO * WIDTH)
        self.feed_forward.down = nn.Linear(RATIO * WIDTH, WIDTH)

    def packed(self, x):
        """Query, key and value of each token: [windows, heads, tokens, width of a head] each."""
        windows, tokens, _ = x.shape
        packed = self.query_key_value(self.norm(x)).view(windows, tokens, 3, HEADS, WIDTH // HEADS)
        return packed.permute(2, 0, 3, 1, 4)

    def finish(self, x, query, key, value):
        attended = F.scaled_dot_product_attention(query, key, value)
        return self.feed_forward(x + self.output(attended.transpose(1, 2).reshape(x.shape)))

    def remembered(self, x):
        """Output for tokens that attend to each other, and what tokens after them attend to."""
        query, key, value = self.packed(x)
        return self.finish(x, query, key, value), (key, value)

    def after(self, memory, x):
        """Output for tokens that attend to those before them as well as to each other."""
        query, *own = self.packed(x)
        return self.finish(x, query, *(torch.cat(both, 2) for both in zip(memory, own)))


class Velocity(nn.Module):
    """Velocities of the suffix from all rows, their roles and places, and the flow time. The prefix sees
    itself alone."""

    def __init__(self, channels):
        super().__init__()
        self.input = nn.Linear(channels, WIDTH)
        self.position = nn.Parameter(0.1 * torch.randn(PREFIX + SUFFIX, WIDTH))
        self.role = nn.Embedding(3, WIDTH)
        self.time = nn.Sequential(nn.Linear(TIME_FEATURES, WIDTH), nn.SiLU(), nn.Linear(WIDTH, WIDTH))
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
        self.norm = nn.RMSNorm(WIDTH, eps=1e-5)
        self.output = nn.Linear(WIDTH, channels)
        self.register_buffer("frequencies", 10_000.0 ** (-torch.arange(TIME_FEATURES // 2) / (TIME_FEATURES // 2)))

    def read(self, prefix):
        """What the suffixes attend to in each block: it does not depend on the flow time."""
        tokens = self.input(prefix) + self.role.weight[0] + self.position[:PREFIX]
        memories = []
        for block in self.blocks[:-1]:
            tokens, memory = block.remembered(tokens)
            memories.append(memory)
        return [*memories, self.blocks[-1].packed(tokens)[1:]]

    def velocities(self, memories, suffix, t):
        phases = 1000.0 * t[:, None] * self.frequencies
        condition = self.time(torch.cat([phases.sin(), phases.cos()], 1))
        tokens = self.input(suffix) + self.role.weight[1] + self.position[PREFIX:] + condition[:, None]
        for block, memory in zip(self.blocks, memories):
            tokens = block.after(memory, tokens)
        return self.output(self.norm(tokens))

    def forward(self, prefix, suffix, t):
        return self.velocities(self.read(prefix), suffix, t)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--channels", type=int, default=66)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    network = Velocity(arguments.channels)
    compiled = torch.compile if arguments.compile else lambda function: function
    forward, read, velocities = (compiled(f) for f in (network.forward, network.read, network.velocities))
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3, fused=True)
    x = torch.randn(BATCH, PREFIX + SUFFIX, arguments.channels)

    def step():
        t = torch.sigmoid(torch.randn(BATCH))
        noise = torch.randn(BATCH, SUFFIX, arguments.channels)
        path = (1 - t)[:, None, None] * noise + t[:, None, None] * x[:, PREFIX:]
        loss = ((forward(x[:, :PREFIX], path, t) - (x[:, PREFIX:] - noise)) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()

    @torch.no_grad()
    def sample():
        memories, suffix = read(x[:1, :PREFIX]), x[:1, PREFIX:]
        for evaluation in range(EVALUATIONS):
            velocity = velocities(memories, suffix, torch.full((1,), evaluation / EVALUATIONS))
            suffix = suffix + velocity / EVALUATIONS

    def rate(work, count):
        for _ in range(3):
            work()
        start, done = time.perf_counter(), 0
        while time.perf_counter() - start < arguments.seconds:
            work()
            done += count
        return done / (time.perf_counter() - start)

    result = {
        "compiled": arguments.compile,
        "weights": sum(p.numel() for p in network.parameters()),
        "train": rate(step, BATCH),
        "sample": rate(sample, SUFFIX),
    }
    print(json.dumps(result) if arguments.json else result)


if __name__ == "__main__":
    main()
