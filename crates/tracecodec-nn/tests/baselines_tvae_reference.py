"""Reference numbers for `baseline::{tvae, ttvae}::tests`: loss and gradients of TVAE and TTVAE as
published, on one-hot rows, by PyTorch in float64.

    pip install torch && python baselines_tvae_reference.py
"""

import numpy as np
import torch
from torch import nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy, one_hot, relu

torch.set_default_dtype(torch.float64)

WIDTH, HIDDEN, HEADS, LATENT, FACTOR = 128, 1028, 8, 32, 2
ROWS, DENSE = 4, 64
TABLES = {"numbers and categories": ([3, 2], [70, 4, 90, 3]), "categories alone": ([], [70, 4])}
SIGMAS = [0.2, 0.35]


class Table:
    """Rows with made-up values, one-hot."""

    def __init__(self, modes, codes):
        self.modes, self.groups = modes, modes + codes
        row = torch.arange(ROWS)
        self.numbers = [0.9 * torch.sin(row + 2.0 * i + 0.3) for i in range(len(modes))]
        classes = [(row + i) % size for i, size in enumerate(modes)]
        classes += [(7 * i + 3 * row + 60) % size for i, size in enumerate(codes)]
        self.hot = [one_hot(c, size).double() for c, size in zip(classes, self.groups)]
        columns = [part for pair in zip((n[:, None] for n in self.numbers), self.hot) for part in pair]
        self.rows = torch.cat(columns + self.hot[len(modes) :], 1)


class Reader:
    """Hands out the flat weights in the order in which the Rust module visits them."""

    def __init__(self, flat):
        self.flat, self.at = flat, 0

    def take(self, *shape):
        start, self.at = self.at, self.at + int(np.prod(shape))
        return self.flat[start : self.at].reshape(shape)

    def linear(self, d_input, d_output):
        return {"weight": self.take(d_input, d_output).T, "bias": self.take(d_output)}

    def norm(self):
        return {"weight": self.take(WIDTH), "bias": self.take(WIDTH)}

    def input(self, table):
        """Linear(D, 128). The weights have bias, numbers and small groups first, then the large groups;
        here they are put back into the order of the columns."""
        bias, numbers = self.take(1, WIDTH), list(self.take(len(table.modes), WIDTH))
        small = iter([self.take(size, WIDTH) for size in table.groups if size <= DENSE])
        large = iter([self.take(size, WIDTH) for size in table.groups if size > DENSE])
        rows = []
        for i, size in enumerate(table.groups):
            rows += [numbers[i][None]] if i < len(numbers) else []
            rows += [next(small if size <= DENSE else large)]
        return {"weight": torch.cat(rows).T, "bias": bias[0]}

    def output(self, table):
        """Linear(128, D) and s. The weights have the numbers first, then the groups; here they are put
        back into the order of the columns."""
        count = len(table.modes)
        alpha, alpha_bias, sigma = self.take(WIDTH, count), self.take(count), self.take(count)
        width = sum(table.groups)
        weights = self.take(WIDTH, width).split(table.groups, 1)
        biases = self.take(width).split(table.groups)
        weight, bias, s = [], [], []
        for i, size in enumerate(table.groups):
            if i < count:
                weight, bias, s = weight + [alpha[:, [i]]], bias + [alpha_bias[[i]]], s + [sigma[[i]]]
            weight, bias, s = weight + [weights[i]], bias + [biases[i]], s + [torch.full([size], 0.1)]
        return {"weight": torch.cat(weight, 1).T, "bias": torch.cat(bias)}, torch.cat(s)

    def attention(self):
        parts = [self.linear(WIDTH, WIDTH) for _ in range(4)]
        return {
            "in_proj_weight": torch.cat([part["weight"] for part in parts[:3]]),
            "in_proj_bias": torch.cat([part["bias"] for part in parts[:3]]),
            "out_proj.weight": parts[3]["weight"],
            "out_proj.bias": parts[3]["bias"],
        }

    def layer(self, attentions):
        layer = {}
        for i, name in enumerate(attentions):
            layer |= prefixed(name, self.attention()) | prefixed(f"norm{i + 1}", self.norm())
        layer |= prefixed("linear1", self.linear(WIDTH, HIDDEN)) | prefixed("linear2", self.linear(HIDDEN, WIDTH))
        return layer | prefixed(f"norm{len(attentions) + 1}", self.norm())

    def layers(self, attentions):
        first, second = self.layer(attentions), self.layer(attentions)
        return prefixed("layers.0", first) | prefixed("layers.1", second)


def prefixed(name, weights):
    return {f"{name}.{key}": value for key, value in weights.items()}


def apply(linear, x):
    return x @ linear["weight"].T + linear["bias"]


def noise(width, shift):
    return torch.tensor([[float((2 * row + i + shift) % 3 - 1) for i in range(width)] for row in range(ROWS)])


def reconstruction(table, out, s):
    """The terms of the loss before the factor, summed, and the s of the last number."""
    at, total, last = 0, 0.0, None
    for i, hot in enumerate(table.hot):
        if i < len(table.numbers):
            last = s[at]
            total = total + ((table.numbers[i] - torch.tanh(out[:, at])) ** 2 / (2 * last**2)).sum()
            total, at = total + ROWS * torch.log(last), at + 1
        size = hot.shape[1]
        total, at = total + cross_entropy(out[:, at : at + size], hot.argmax(1), reduction="sum"), at + size
    assert at == out.shape[1]
    return total, last


def tvae(flat, table):
    w = Reader(flat)
    x = relu(apply(w.input(table), table.rows))
    x = relu(apply(w.linear(WIDTH, WIDTH), x))
    mu, log_var = apply(w.linear(WIDTH, WIDTH), x), apply(w.linear(WIDTH, WIDTH), x)
    x = mu + noise(WIDTH, 0) * torch.exp(0.5 * log_var)
    x = relu(apply(w.linear(WIDTH, WIDTH), x))
    x = relu(apply(w.linear(WIDTH, WIDTH), x))
    last, s = w.output(table)
    kl = -0.5 * (1 + log_var - mu**2 - log_var.exp()).sum()
    return w, FACTOR / ROWS * reconstruction(table, apply(last, x), s)[0] + kl / ROWS


def kernel(a, b):
    return torch.exp(-((a[:, None] - b[None]) ** 2).sum(-1) / (2 * LATENT))


def mmd(z, prior):
    off = 1 - torch.eye(ROWS)
    within = lambda x: (kernel(x, x) * off).sum() / (ROWS * (ROWS - 1))
    return within(z) + within(prior) - 2 * kernel(z, prior).sum() / ROWS**2


def stack(decoder):
    options = dict(d_model=WIDTH, nhead=HEADS, dim_feedforward=HIDDEN, dropout=0.0)
    if decoder:
        return nn.TransformerDecoder(nn.TransformerDecoderLayer(**options), 2)
    return nn.TransformerEncoder(nn.TransformerEncoderLayer(**options), 2, enable_nested_tensor=False)


def ttvae(flat, table, published):
    w = Reader(flat)
    # PyTorch reads [rows, 128] as one sequence of rows, and [1, rows, 128] as a batch of sequences
    # of one row each.
    shape = (ROWS, WIDTH) if published else (1, ROWS, WIDTH)
    x = apply(w.input(table), table.rows).reshape(shape)
    memory = functional_call(stack(False), w.layers(["self_attn"]), (x,))
    h = memory.reshape(ROWS, WIDTH)
    mu, log_var = apply(w.linear(WIDTH, LATENT), h), apply(w.linear(WIDTH, LATENT), h)
    z = mu + noise(LATENT, 0) * torch.exp(0.5 * log_var)
    x = apply(w.linear(LATENT, WIDTH), z).reshape(shape)
    x = functional_call(stack(True), w.layers(["self_attn", "multihead_attn"]), (x, memory))
    last, s = w.output(table)
    total, std = reconstruction(table, apply(last, x.reshape(ROWS, WIDTH)), s)
    if published and std is None:
        z = mu + noise(LATENT, 1) * log_var
    elif published:
        z = mu + noise(LATENT, 1)[0, 0] * std
    return w, FACTOR / ROWS * total + mmd(z, noise(LATENT, 2))


def report(name, objective, table):
    reader, _ = objective(torch.zeros(10_000_000), table)
    count, scale = reader.at, 0.1
    k = torch.arange(float(count))
    flat = scale * torch.sin(1.3 * k + 0.5)
    if table.modes:
        # s stands before the weights of the groups.
        end = count - (WIDTH + 1) * sum(table.groups)
        flat[end - len(SIGMAS) : end] = torch.tensor(SIGMAS)
    flat.requires_grad_()
    _, loss = objective(flat, table)
    (gradient,) = torch.autograd.grad(loss, flat)
    print(f"{name}: {count} weights; loss {loss:.4f}, |gradient| {gradient.norm():.4f},", end=" ")
    print(f"gradient · cos {gradient @ torch.cos(k):.4f}")


for name, sizes in TABLES.items():
    table = Table(*sizes)
    report(f"TVAE, {name}", tvae, table)
    for variant in ["published", "intended"]:
        report(f"TTVAE as {variant}, {name}", lambda flat, table: ttvae(flat, table, variant == "published"), table)
