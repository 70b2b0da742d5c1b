"""Reference numbers for `baseline::goggle::tests`: loss and gradients of a small GOGGLE in float64,
by PyTorch.

    pip install torch numpy && python baselines_goggle_reference.py
"""

import numpy as np
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)

D, ROWS, WIDTH, ALPHA, BETA = 4, 3, 64, 0.1, 0.1

numbers = torch.tensor([[0.5 * i - 0.7 * row for i in range(D)] for row in range(ROWS)])
noise = torch.tensor([k % 3 - 1.0 for k in range(ROWS * D)]).reshape(ROWS, D)


class Reader:
    """Hands out the flat weights in the order in which the Rust module visits them."""

    def __init__(self, flat):
        self.flat, self.at = flat, 0

    def take(self, *shape):
        start, self.at = self.at, self.at + int(np.prod(shape))
        return self.flat[start : self.at].reshape(shape)


def linear(w, x, out):
    return x @ w.take(x.shape[-1], out) + w.take(out)


def adjacency(graph, iteration):
    a = torch.sigmoid(graph) * (torch.ones(D) - torch.eye(D)) + torch.eye(D)
    return F.threshold(a, 0.1, 0) if iteration > 50 else a


def graph_convolution(w, x, a, out):
    """DGL's convolution with norm='both', edge by edge: degrees are counts of edges."""
    weight, bias = w.take(x.shape[-1], out), w.take(out)
    edges = a.nonzero().tolist()
    out_degree, in_degree = [[sum(edge[end] == node for edge in edges) for node in range(D)] for end in (0, 1)]
    nodes = [torch.zeros(ROWS, x.shape[-1]) for _ in range(D)]
    for i, j in edges:
        nodes[j] = nodes[j] + a[i, j] * x[:, i] / np.sqrt(out_degree[i] * in_degree[j])
    return torch.stack(nodes, 1) @ weight + bias


def objective(flat, iteration, frozen):
    w = Reader(flat)
    h = F.relu(linear(w, numbers, WIDTH))
    mu, log_var = linear(w, h, D), linear(w, h, D)
    z = mu + torch.exp(0.5 * log_var) * noise
    a = adjacency(w.take(D, D), iteration)
    by_latent, by_node, bias = (w.take(D, WIDTH) for _ in range(3))
    if frozen:
        by_latent, by_node, bias = (x.detach() for x in (by_latent, by_node, bias))
    features = []
    for i in range(D):
        # The full function of node i; the rows of the other nodes' codes meet zeros.
        full = torch.zeros(D + 1, WIDTH)
        full = full.index_put((torch.tensor([0, 1 + i]),), torch.stack([by_latent[i], by_node[i]]))
        code = F.one_hot(torch.full((ROWS,), i), D).to(z.dtype)
        features.append(torch.tanh(torch.cat([z[:, i : i + 1], code], 1) @ full + bias[i]))
    x = torch.tanh(graph_convolution(w, torch.stack(features, 1), a, WIDTH // 2))
    x = graph_convolution(w, x, a, 1).reshape(ROWS, D)
    assert w.at == flat.numel(), (w.at, flat.numel())
    kl = -0.5 * (1 + log_var - mu.pow(2) - log_var.exp()).sum()
    cut = int((a == 0).sum())
    return F.mse_loss(x, numbers, reduction="sum") + ALPHA * kl + BETA * a.norm(p=1) / a.numel(), cut


def count():
    try:
        objective(torch.zeros(1_000_000), 0, False)
    except AssertionError as surplus:
        return surplus.args[0][0]


k = torch.arange(count(), dtype=torch.float64)
weights = 0.3 * torch.sin(1.3 * k + 0.5)
graph = (D + 1) * WIDTH + 2 * (WIDTH + 1) * D
# Large enough that some edges fall under the threshold.
weights[graph : graph + D * D] *= 10
for iteration, frozen in [(50, False), (51, False), (51, True)]:
    flat = weights.clone().requires_grad_()
    loss, cut = objective(flat, iteration, frozen)
    loss.backward()
    print("iteration", iteration, "frozen" if frozen else "trained", len(k), "weights,", cut, "edges cut")
    print("    loss:", round(loss.item(), 5))
    print("    |gradient|:", round(flat.grad.norm().item(), 5))
    print("    gradient · cos:", round((flat.grad @ torch.cos(k)).item(), 5))
