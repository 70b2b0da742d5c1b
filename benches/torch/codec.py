"""Speed of the codec's networks in PyTorch, to compare ours with: training, and encoding with
decoding.

    python codec.py [--threads N] [--seconds S] [--layout default|paper] [--compile] [--json]

The shapes are those of `tracecodec train` without a configuration (`default`) and with
`configs/paper.json` (`paper`). Symbols are random, with the vocabularies of the action schema. Only
speed is measured, never quality: that is `accuracy.py`.
"""

import argparse
import json
import time
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

BATCH = 256
LATENT = 64


class Symbol(NamedTuple):
    """One input and output of the networks: a class, or a hexadecimal digit of a quantity."""

    quantity: str
    size: int
    group: str
    active: str
    # Number of the field: both digits of a quantity of 256 classes are one field.
    field: int


def schema():
    """All symbols of the paper's action schema, in the order of its table in docs/formats.md."""
    text = (Path(__file__).parents[2] / "docs/formats.md").read_text()
    symbols = []
    for row in text.partition("<!-- schema:begin -->")[2].partition("<!-- schema:end -->")[0].splitlines():
        if row.startswith("| `"):
            quantity, group, vocabulary, paper, active = (cell.strip(" `") for cell in row.split("|")[1:6])
            if paper == "–":
                continue
            vocabulary = vocabulary if paper == "same" else paper
            count, kind = vocabulary.split()
            digits = int(count) if kind == "digits" else 2 if count == "256" else 1
            size = 16 if digits > 1 else int(count)
            first = symbols[-1].field + 1 if symbols else 0
            for i in range(digits):
                field = first + i if kind == "digits" else first
                symbols.append(Symbol(quantity, size, group, active, field))
    return symbols


SCHEMA = schema()
PROTOCOLS = ["TCP", "UDP", "ICMP", "OTHER"]
PROTO = [symbol.quantity for symbol in SCHEMA].index("proto")


def active(count):
    """1 for each of `count` symbols that has a meaning in packets of a protocol; a row for each
    protocol."""
    table = torch.ones(len(PROTOCOLS), count, dtype=torch.long)
    for i, symbol in enumerate(SCHEMA):
        if symbol.active != "all":
            table[:, i] = torch.tensor([protocol == symbol.active for protocol in PROTOCOLS])
    return table


def of_schema(wanted):
    """Indices of the symbols that a condition holds for."""
    return [i for i, symbol in enumerate(SCHEMA) if wanted(symbol)]


class Default:
    """A residual MLP over summed embeddings. The context is given: it follows from the flow's past."""

    sizes = [symbol.size for symbol in SCHEMA] + [3, 4, 16] + [16] * 4
    details = of_schema(lambda s: s.group in ("TCP", "packet") and s.quantity != "l4_payload_len")
    given = of_schema(lambda s: s.group == "context")
    times = range(len(SCHEMA), len(sizes))
    width = 256


class Paper:
    """A Transformer over one token a field; the latent carries the context."""

    sizes = [symbol.size for symbol in SCHEMA] + [3, 4, 16] + [16] * 3
    details = of_schema(lambda s: s.group in ("TCP", "packet"))
    given = []
    times = range(len(SCHEMA), len(sizes))
    d_model, layers, heads, width = 64, 2, 4, 256


class Residual(nn.Module):
    """`x + W2 relu(W1 norm(x))`."""

    def __init__(self, width):
        super().__init__()
        self.norm = nn.RMSNorm(width, eps=1e-5)
        self.up = nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width)

    def forward(self, x):
        return x + self.down(F.relu(self.up(self.norm(x))))


class Attention(nn.Module):
    """A pre-norm Transformer encoder block."""

    def __init__(self, d_model, heads):
        super().__init__()
        self.heads = heads
        self.norm = nn.RMSNorm(d_model, eps=1e-5)
        self.query_key_value = nn.Linear(d_model, 3 * d_model)
        self.output = nn.Linear(d_model, d_model)
        self.feed_forward = Residual(d_model)

    def forward(self, x):
        rows, tokens, d_model = x.shape
        packed = self.query_key_value(self.norm(x)).view(rows, tokens, 3, self.heads, d_model // self.heads)
        query, key, value = packed.permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(query, key, value)
        return self.feed_forward(x + self.output(attended.transpose(1, 2).reshape(rows, tokens, d_model)))


def table_offsets(sizes):
    """First row of each vocabulary in a packed table."""
    return torch.tensor([0, *sizes[:-1]]).cumsum(0)


class MlpEncoder(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.embedding = nn.EmbeddingBag(sum(shape.sizes), shape.width, mode="sum")
        self.position = nn.Parameter(0.1 * torch.randn(1, shape.width))
        self.blocks = nn.Sequential(Residual(shape.width), Residual(shape.width))
        self.norm = nn.RMSNorm(shape.width, eps=1e-5)
        self.posterior = nn.Linear(shape.width, 2 * LATENT)
        nn.init.normal_(self.embedding.weight, std=len(shape.sizes) ** -0.5)
        self.posterior.bias.data = torch.tensor([0.0, -6.0]).repeat_interleave(LATENT)
        self.register_buffer("offsets", table_offsets(shape.sizes))

    def forward(self, values):
        x = self.embedding(values + self.offsets) + self.position
        return self.posterior(self.norm(self.blocks(x)))


class TransformerEncoder(nn.Module):
    def __init__(self, shape, tokens):
        super().__init__()
        self.embedding = nn.Embedding(sum(shape.sizes), shape.d_model)
        self.position = nn.Parameter(0.1 * torch.randn(max(tokens) + 1, shape.d_model))
        self.blocks = nn.Sequential(*(Attention(shape.d_model, shape.heads) for _ in range(shape.layers)))
        features = self.position.numel()
        self.norm = nn.RMSNorm(features, eps=1e-5)
        self.posterior = nn.Linear(features, 2 * LATENT)
        self.register_buffer("offsets", table_offsets(shape.sizes))
        self.register_buffer("tokens", torch.tensor(tokens))

    def forward(self, values):
        embedded = self.embedding(values + self.offsets)
        position = self.position.expand(len(values), -1, -1)
        x = self.blocks(position.index_add(1, self.tokens, embedded))
        return self.posterior(self.norm(x.flatten(1)))


class Stage(nn.Module):
    """A trunk, and the heads of one stage in one matrix, padded to 16 or 32 classes and sorted by
    that size."""

    def __init__(self, sizes, symbols, width):
        super().__init__()
        self.runs, penalty, column = [], [], 0
        for smaller, size in [(0, 16), (16, 32)]:
            members = [i for i in symbols if smaller < sizes[i] <= size]
            if members:
                self.runs.append((column, size, torch.tensor(members)))
                penalty += [0.0 if c < sizes[i] else -1e9 for i in members for c in range(size)]
                column += size * len(members)
        self.input = nn.Linear(LATENT, width)
        self.block = Residual(width)
        self.norm = nn.RMSNorm(width, eps=1e-5)
        self.heads = nn.Linear(width, column)
        self.register_buffer("penalty", torch.tensor(penalty))

    def forward(self, z, condition=None):
        x = self.input(z)
        x = x if condition is None else x + condition
        return self.heads(self.norm(self.block(x))) + self.penalty

    def segments(self, logits):
        for column, size, members in self.runs:
            yield logits[:, column : column + size * len(members)].reshape(len(logits), len(members), size), members

    def cross_entropy(self, logits, values, mask):
        total = 0.0
        for segment, members in self.segments(logits):
            losses = F.cross_entropy(segment.flatten(0, 1), values[:, members].flatten(), reduction="none")
            total = total + (losses * mask[:, members].flatten()).sum()
        return total

    def write(self, logits, values):
        for segment, members in self.segments(logits):
            values[:, members] = segment.argmax(-1)


class Codec(nn.Module):
    def __init__(self, shape, encoder):
        super().__init__()
        self.encoder = encoder
        late = {*shape.details, *shape.given, *shape.times}
        coarse = [i for i in range(len(shape.sizes)) if i not in late]
        self.conditions = torch.tensor(sorted([*coarse, *shape.given]))
        sizes = [shape.sizes[i] for i in self.conditions]
        self.coarse = Stage(shape.sizes, coarse, shape.width)
        self.condition = nn.EmbeddingBag(sum(sizes), shape.width, mode="sum")
        nn.init.normal_(self.condition.weight, std=len(sizes) ** -0.5)
        self.detail = Stage(shape.sizes, shape.details, shape.width)
        self.time = Stage(shape.sizes, shape.times, shape.width // 2)
        self.register_buffer("offsets", table_offsets(sizes))
        self.register_buffer("active", active(len(shape.sizes)))

    def posterior(self, values):
        mu, log_var = self.encoder(values).chunk(2, 1)
        return mu, log_var.clamp(-20.0, 10.0)

    def conditioned(self, values):
        return self.condition(values[:, self.conditions] + self.offsets)

    def forward(self, values, mask, noise, beta):
        """The objective per packet."""
        mu, log_var = self.posterior(values)
        z = mu + (0.5 * log_var).exp() * noise
        fields = self.coarse.cross_entropy(self.coarse(z), values, mask)
        fields = fields + self.detail.cross_entropy(self.detail(z, self.conditioned(values)), values, mask)
        time = self.time.cross_entropy(self.time(z), values, mask)
        kl = 0.5 * (mu * mu + log_var.exp() - log_var - 1.0).sum()
        return (fields + time + beta * kl) / len(values)

    def round_trip(self, values):
        """The most likely symbols of the mean; given symbols stay."""
        z, _ = self.posterior(values)
        decoded = values.clone()
        self.coarse.write(self.coarse(z), decoded)
        self.time.write(self.time(z), decoded)
        decoded = decoded * self.active[decoded[:, PROTO]]
        self.detail.write(self.detail(z, self.conditioned(decoded)), decoded)
        return decoded


def paper_tokens(shape):
    """Token of each symbol: one a field, and one of all symbols of the time."""
    return [symbol.field for symbol in SCHEMA] + [SCHEMA[-1].field + 1] * len(shape.times)


def codec(layout):
    if layout == "default":
        return Codec(Default, MlpEncoder(Default)), Default.sizes
    return Codec(Paper, TransformerEncoder(Paper, paper_tokens(Paper))), Paper.sizes


def adam_w(model):
    """The optimiser of `tracecodec train`."""
    return torch.optim.AdamW(model.parameters(), lr=6e-3, betas=(0.9, 0.99), weight_decay=0.01, fused=True)


def rate(work, seconds):
    """Packets a second, after a warm-up."""
    for _ in range(5):
        work()
    start, batches = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        work()
        batches += 1
    return BATCH * batches / (time.perf_counter() - start)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    parser.add_argument("--layout", choices=["default", "paper"], default="default")
    parser.add_argument("--compile", action="store_true", help="through torch.compile")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(args.threads)

    model, sizes = codec(args.layout)
    values = torch.stack([torch.randint(size, (BATCH,)) for size in sizes], 1)
    mask, beta = torch.ones(BATCH, len(sizes)), torch.tensor(0.02)
    optimiser = adam_w(model)
    objective = torch.compile(model) if args.compile else model
    round_trip = torch.compile(model.round_trip) if args.compile else model.round_trip

    def step():
        optimiser.zero_grad(set_to_none=True)
        objective(values, mask, torch.randn(BATCH, LATENT), beta).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()

    @torch.inference_mode()
    def encode_decode():
        round_trip(values)

    measured = {
        "layout": args.layout,
        "compiled": args.compile,
        "weights": sum(weight.numel() for weight in model.parameters()),
        "train": rate(step, args.seconds),
        "encode_decode": rate(encode_decode, args.seconds),
    }
    if args.json:
        print(json.dumps(measured))
    else:
        kind = "compiled" if args.compile else "eager"
        print(f"{args.layout}, {kind}, {measured['weights']:,} weights, {args.threads} threads")
        print(f"    training          {measured['train']:8,.0f} packets/s")
        print(f"    encode and decode {measured['encode_decode']:8,.0f} packets/s")


if __name__ == "__main__":
    main()
