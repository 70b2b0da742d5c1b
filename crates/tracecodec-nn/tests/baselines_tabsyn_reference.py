"""Reference numbers for `baseline::tabsyn::tests` and `baseline::plateau::tests`: loss and gradients
of a small TabSyn-VAE in float64, and the rates of `ReduceLROnPlateau`, by PyTorch.

    pip install torch numpy && python baselines_tabsyn_reference.py
"""

import numpy as np
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)

NUMBERS, CODES, ROWS = 2, [5, 40, 3], 3
TOKEN, HIDDEN, LAYERS, BETA = 4, 128, 2, 0.5
COLUMNS = NUMBERS + len(CODES)

numbers = torch.tensor([[0.5 * i - 0.7 * row for i in range(NUMBERS)] for row in range(ROWS)])
codes = torch.tensor([[(7 * i + 3 * row) % size for i, size in enumerate(CODES)] for row in range(ROWS)])
noise = torch.tensor([k % 3 - 1.0 for k in range(ROWS * COLUMNS * TOKEN)]).reshape(ROWS, COLUMNS, TOKEN)


class Reader:
    """Hands out the flat weights in the order in which the Rust module visits them."""

    def __init__(self, flat):
        self.flat, self.at = flat, 0

    def take(self, *shape):
        start, self.at = self.at, self.at + int(np.prod(shape))
        return self.flat[start : self.at].reshape(shape)


def norm(w, x):
    return F.layer_norm(x, [TOKEN], w.take(TOKEN), w.take(TOKEN))


def linear(w, x, out):
    return x @ w.take(x.shape[-1], out) + w.take(out)


def transformer(w, x):
    for layer in range(LAYERS):
        q, k, v = linear(w, norm(w, x) if layer else x, 3 * TOKEN).chunk(3, -1)
        x = x + F.softmax(q @ k.transpose(1, 2) / np.sqrt(TOKEN), -1) @ v
        x = x + linear(w, F.relu(linear(w, norm(w, x), HIDDEN)), TOKEN)
    return x


def tokenizer(w):
    factors = torch.cat([torch.ones(ROWS, 1), numbers], 1)
    weighted = w.take(NUMBERS + 1, TOKEN) * factors[:, :, None]
    offsets = torch.tensor(np.cumsum([0] + CODES[:-1]))
    embedded = F.embedding(codes + offsets, w.take(sum(CODES), TOKEN))
    bias = torch.cat([torch.zeros(1, TOKEN), w.take(COLUMNS, TOKEN)])
    return torch.cat([weighted, embedded], 1) + bias


def objective(flat):
    w = Reader(flat)
    tokens = tokenizer(w)
    mu, log_var = transformer(w, tokens), transformer(w, tokens)
    z = mu[:, 1:] + torch.exp(0.5 * log_var[:, 1:]) * noise
    h = transformer(w, z)
    mse = ((h[:, :NUMBERS] * w.take(NUMBERS, TOKEN)).sum(-1) - numbers).pow(2).mean()
    heads = w.take(TOKEN + 1, sum(CODES)).split(CODES, 1)
    ce = sum(
        F.cross_entropy(h[:, NUMBERS + i] @ head[:TOKEN] + head[TOKEN], codes[:, i]) for i, head in enumerate(heads)
    ) / len(CODES)
    kl = -0.5 * (1 + log_var - mu.pow(2) - log_var.exp()).mean()
    assert w.at == flat.numel(), (w.at, flat.numel())
    return mse + ce + BETA * kl


def count():
    try:
        objective(torch.zeros(1_000_000))
    except AssertionError as surplus:
        return surplus.args[0][0]


k = torch.arange(count(), dtype=torch.float64)
flat = (0.3 * torch.sin(1.3 * k + 0.5)).requires_grad_()
loss = objective(flat)
loss.backward()
print(len(k), "weights; loss:", round(loss.item(), 5))
print("    |gradient|:", round(flat.grad.norm().item(), 5))
print("    gradient · cos:", round((flat.grad @ torch.cos(k)).item(), 5))

LOSSES = [3.0, 2.0, 1.9999, 2.5, 2.1, 1.0, 0.99995, 1.2, float("nan"), 1.1, 1.3, 0.5, 0.5, 0.4]


def rates(initial, factor, patience, losses):
    optimiser = torch.optim.Adam([torch.zeros(1, requires_grad=True)], lr=initial)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser, factor=factor, patience=patience)
    for loss in losses:
        scheduler.step(loss)
        yield optimiser.param_groups[0]["lr"]


print("rates:", list(rates(1e-3, 0.9, 2, LOSSES)))
print("rates:", list(rates(1e-3, 0.95, 1, LOSSES)))
print("last of many rates:", list(rates(2e-7, 0.9, 0, [1.0] * 20))[-1])
