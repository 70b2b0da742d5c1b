"""Speed of the raw-field baselines in PyTorch, to compare ours with: training, and encoding with
decoding.

    python baselines.py --model tvae|tabsyn-vae|goggle|ttvae|ttvae-intended [--modes 4,1,...]
                        [--codes 4,789,...] [--threads N] [--seconds S] [--json]

The networks, objectives, optimisers and batches are the published ones. `--modes` has the modes of each
number, `--codes` the codes of each category; the defaults are those of
`data/train/backbone.pcap.zst`. Rows are random. Only speed is measured, never quality. If it makes
PyTorch faster and changes no result, the published code is not followed: one-hot rows and their codes
are ready before the clock runs, each kernel of TTVAE's divergence is one matrix product, GOGGLE's node
functions are one product instead of a loop and have no gradient, and its convolutions are dense
products instead of messages along edges. `weights` counts all weights of a network, trained or not.
"""

import argparse
import json
import time

import torch
import torch.nn.functional as F
from torch import nn

# Modes of the 6 numeric and codes of the 16 categorical columns, "not applicable" and "rare"
# included.
MODES = [4, 1, 7, 10, 10, 6]
CODES = [4, 789, 3, 5, 6, 4, 4, 6, 660, 942, 9, 12, 1079, 3, 571, 616]

# Rows that are encoded and decoded at a time by every model: as in our program, and as in the
# training of TTVAE.
PIECE = 500


class Hot:
    """Rows as TVAE and TTVAE read them: α and one-hot mode of each number, one-hot code of each
    category."""

    def __init__(self, modes, codes, rows):
        self.groups, self.alphas, columns = [], [], []
        width = 0
        for i, size in enumerate(modes + codes):
            if i < len(modes):
                self.alphas.append(width)
                columns.append(2 * torch.rand(rows, 1) - 1)
                width += 1
            classes = torch.randint(size, (rows,))
            self.groups.append((width, width + size, classes))
            columns.append(F.one_hot(classes, size).float())
            width += size
        self.values = torch.cat(columns, 1)


class OneHot(nn.Module):
    """What TVAE and TTVAE share: the deviation of the numbers, and the reconstruction as a loss and
    as rows."""

    def __init__(self, d):
        super().__init__()
        self.sigma = nn.Parameter(torch.full((d,), 0.1))

    def reconstruction(self, output, rows):
        """Twice the surprise at a row."""
        losses = []
        for at in rows.alphas:
            error = rows.values[:, at] - torch.tanh(output[:, at])
            losses.append((error**2 / (2 * self.sigma[at] ** 2)).sum() + len(output) * torch.log(self.sigma[at]))
        for start, end, classes in rows.groups:
            losses.append(F.cross_entropy(output[:, start:end], classes, reduction="sum"))
        return 2 * sum(losses) / len(output)

    def decoded(self, output, rows):
        classes = [output[:, start:end].argmax(1) for start, end, _ in rows.groups]
        return torch.tanh(output[:, rows.alphas]), torch.stack(classes, 1)

    def constrain(self):
        self.sigma.data.clamp_(0.01, 1.0)


class Tvae(OneHot):
    rows_of_a_step, decay = 500, 1e-5

    def __init__(self, modes, codes):
        self.d = len(modes) + sum(modes + codes)
        super().__init__(self.d)
        self.encoder = nn.Sequential(nn.Linear(self.d, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU())
        self.mu, self.log_var = nn.Linear(128, 128), nn.Linear(128, 128)
        self.decoder = nn.Sequential(nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, self.d))

    def objective(self, rows):
        hidden = self.encoder(rows.values)
        mu, log_var = self.mu(hidden), self.log_var(hidden)
        z = mu + torch.randn_like(mu) * torch.exp(0.5 * log_var)
        kl = -0.5 * (1 + log_var - mu.pow(2) - log_var.exp()).sum()
        return self.reconstruction(self.decoder(z), rows) + kl / len(mu)

    def reconstruct(self, rows):
        return self.decoded(self.decoder(self.mu(self.encoder(rows.values))), rows)


def kernel(a, b):
    """exp(−‖a − b‖² / 2d) of each pair."""
    squares = (a * a).sum(1)[:, None] + (b * b).sum(1)[None]
    return torch.exp(-(squares - 2 * a @ b.T) / (2 * a.shape[1]))


def discrepancy(z, prior):
    """Maximum mean discrepancy of two samples of the same size."""
    n = len(z)
    within = (kernel(z, z).sum() + kernel(prior, prior).sum() - 2 * n) / (n * (n - 1))
    return within - 2 * kernel(z, prior).mean()


class Ttvae(OneHot):
    """As published, the rows of a batch are one sequence, and the divergence is of μ + ε s, with the s of the last number and one ε for
    all; as intended, each row is a sequence of one, and the divergence is of the latents."""

    rows_of_a_step, decay = 500, 1e-5

    def __init__(self, modes, codes, is_published):
        self.d = len(modes) + sum(modes + codes)
        super().__init__(self.d)
        self.is_published = is_published
        options = dict(d_model=128, nhead=8, dim_feedforward=1028, dropout=0.1)
        self.input = nn.Linear(self.d, 128)
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(**options), 2, enable_nested_tensor=False)
        self.mu, self.log_var = nn.Linear(128, 32), nn.Linear(128, 32)
        self.latent = nn.Linear(32, 128)
        self.decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(**options), 2)
        self.output = nn.Linear(128, self.d)

    def encode(self, rows):
        x = self.input(rows.values)
        memory = self.encoder(x if self.is_published else x[None])
        return memory, self.mu(memory), self.log_var(memory)

    def decode(self, z, memory):
        return self.output(self.decoder(self.latent(z), memory)).flatten(0, -2)

    def objective(self, rows):
        memory, mu, log_var = self.encode(rows)
        z = mu + torch.randn_like(mu) * torch.exp(0.5 * log_var)
        output = self.decode(z, memory)
        compared = mu + torch.randn(1) * self.sigma[rows.alphas[-1]] if self.is_published else z.flatten(0, -2)
        return self.reconstruction(output, rows) + discrepancy(compared, torch.randn_like(compared))

    def reconstruct(self, rows):
        memory, mu, _ = self.encode(rows)
        return self.decoded(self.decode(mu, memory), rows)


class Numbered:
    """Rows of normal scores for the numbers and codes for the categories: what TabSyn-VAE reads."""

    def __init__(self, modes, codes, rows):
        self.numbers = torch.randn(rows, len(modes))
        self.codes = torch.stack([torch.randint(size, (rows,)) for size in codes], 1)


class Layer(nn.Module):
    """Attention with one head and no output projection, then the feed-forward part. The first layer
    has no first norm."""

    def __init__(self, is_first):
        super().__init__()
        self.norm_0 = nn.Identity() if is_first else nn.LayerNorm(4)
        self.query, self.key, self.value = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)
        self.feed_forward = nn.Sequential(nn.LayerNorm(4), nn.Linear(4, 128), nn.ReLU(), nn.Linear(128, 4))

    def forward(self, x):
        normed = self.norm_0(x)
        scores = self.query(normed) @ self.key(normed).transpose(1, 2) / 2
        x = x + F.softmax(scores, -1) @ self.value(normed)
        return x + self.feed_forward(x)


class TabSyn(nn.Module):
    rows_of_a_step, decay = 4096, 0

    def __init__(self, modes, codes):
        super().__init__()
        self.d = len(modes) + sum(codes)
        self.numbers = len(modes)
        self.weight = nn.Parameter(torch.rand(1 + len(modes), 4) - 0.5)
        self.embedding = nn.Embedding(sum(codes), 4)
        self.bias = nn.Parameter(torch.rand(len(modes) + len(codes), 4) - 0.5)
        transformer = lambda: nn.Sequential(Layer(True), Layer(False))
        self.encoder_mu, self.encoder_log_var, self.decoder = transformer(), transformer(), transformer()
        self.number_heads = nn.Parameter(torch.rand(len(modes), 4) - 0.5)
        self.code_heads = nn.ModuleList(nn.Linear(4, size) for size in codes)
        self.register_buffer("offsets", torch.tensor([0, *codes[:-1]]).cumsum(0))

    def tokens(self, rows):
        factors = F.pad(rows.numbers, (1, 0), value=1.0)
        x = torch.cat([self.weight * factors[:, :, None], self.embedding(rows.codes + self.offsets)], 1)
        return x + F.pad(self.bias, (0, 0, 1, 0))

    def decode(self, z):
        h = self.decoder(z)
        numbers = (h[:, : self.numbers] * self.number_heads).sum(-1)
        return numbers, [head(h[:, self.numbers + i]) for i, head in enumerate(self.code_heads)]

    def objective(self, rows):
        """With a β of 0.01."""
        tokens = self.tokens(rows)
        mu, log_var = self.encoder_mu(tokens), self.encoder_log_var(tokens)
        z = mu + torch.randn_like(mu) * torch.exp(0.5 * log_var)
        numbers, logits = self.decode(z[:, 1:])
        ce = sum(F.cross_entropy(column, rows.codes[:, i]) for i, column in enumerate(logits)) / len(logits)
        kl = -0.5 * (1 + log_var - mu.pow(2) - log_var.exp()).mean()
        return F.mse_loss(numbers, rows.numbers) + ce + 0.01 * kl

    def reconstruct(self, rows):
        numbers, logits = self.decode(self.encoder_mu(self.tokens(rows))[:, 1:])
        return numbers, torch.stack([column.argmax(1) for column in logits], 1)

    def constrain(self):
        pass


class Standardised:
    """Rows of a number for each column: what GOGGLE reads."""

    def __init__(self, modes, codes, rows):
        self.values = torch.randn(rows, len(modes) + len(codes))


class GraphConvolution(nn.Module):
    """Weighted edges, normalised by the numbers of edges at both ends."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(inputs, outputs)))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x, graph):
        edges = (graph > 0).float()
        paths = graph / torch.sqrt(edges.sum(1, keepdim=True) * edges.sum(0))
        return paths.T @ (x @ self.weight) + self.bias


class Goggle(nn.Module):
    """As published: the node functions stay as they were drawn."""

    rows_of_a_step = 32

    def __init__(self, modes, codes):
        super().__init__()
        self.d = len(modes) + len(codes)
        self.encoder = nn.Sequential(nn.Linear(self.d, 64), nn.ReLU())
        self.mu, self.log_var = nn.Linear(64, self.d), nn.Linear(64, self.d)
        self.graph = nn.Parameter(torch.zeros(self.d, self.d))
        drawn = lambda inputs: nn.Parameter((2 * torch.rand(self.d, inputs, 64) - 1) / (1 + self.d) ** 0.5, requires_grad=False)
        self.nodes, self.node_biases = drawn(1 + self.d), drawn(1)
        self.first, self.second = GraphConvolution(64, 32), GraphConvolution(32, 1)
        self.register_buffer("own", torch.eye(self.d))

    def adjacency(self):
        """With the threshold that training has from step 51 on."""
        graph = torch.sigmoid(self.graph) * (1 - self.own) + self.own
        return F.threshold(graph, 0.1, 0.0)

    def decode(self, z, graph):
        inputs = torch.cat([z.T[:, :, None], self.own[:, None].expand(-1, len(z), -1)], 2)
        features = torch.tanh(torch.baddbmm(self.node_biases, inputs, self.nodes)).transpose(0, 1)
        return self.second(torch.tanh(self.first(features, graph)), graph).squeeze(2)

    def objective(self, rows):
        hidden = self.encoder(rows.values)
        mu, log_var = self.mu(hidden), self.log_var(hidden)
        z = mu + torch.randn_like(mu) * torch.exp(0.5 * log_var)
        graph = self.adjacency()
        kl = -0.5 * (1 + log_var - mu.pow(2) - log_var.exp()).sum()
        return F.mse_loss(self.decode(z, graph), rows.values, reduction="sum") + 0.1 * kl + 0.1 * graph.mean()

    def reconstruct(self, rows):
        return self.decode(self.mu(self.encoder(rows.values)), self.adjacency())

    def constrain(self):
        pass


# Network and rows of each model.
MODELS = {
    "tvae": (Tvae, Hot),
    "tabsyn-vae": (TabSyn, Numbered),
    "goggle": (Goggle, Standardised),
    "ttvae": (lambda *sizes: Ttvae(*sizes, is_published=True), Hot),
    "ttvae-intended": (lambda *sizes: Ttvae(*sizes, is_published=False), Hot),
}


def optimisers(network):
    """Those that take turns."""
    if not isinstance(network, Goggle):
        return [torch.optim.Adam(network.parameters(), lr=1e-3, weight_decay=network.decay, fused=True)]
    others = [weight for name, weight in network.named_parameters() if name != "graph" and weight.requires_grad]
    return [
        torch.optim.Adam(others, lr=5e-3, weight_decay=1e-3, fused=True),
        torch.optim.Adam([network.graph], lr=5e-3, fused=True),
    ]


def rate(work, rows, seconds):
    """Rows a second, after a warm-up; `work` takes the number of its call."""
    work(0), work(1)
    start, calls = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        work(calls)
        calls += 1
    return rows * calls / (time.perf_counter() - start)


def main():
    sizes = lambda text: [int(size) for size in text.split(",")]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=MODELS, required=True)
    parser.add_argument("--modes", type=sizes, default=MODES, help="of each number; TabSyn-VAE and GOGGLE only count the numbers")
    parser.add_argument("--codes", type=sizes, default=CODES, help="of each category")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(args.threads)

    make_network, make_rows = MODELS[args.model]
    network = make_network(args.modes, args.codes)
    turns = optimisers(network)
    batch = make_rows(args.modes, args.codes, network.rows_of_a_step)
    piece = make_rows(args.modes, args.codes, PIECE)

    def step(number):
        optimiser = turns[number % len(turns)]
        optimiser.zero_grad()
        network.objective(batch).backward()
        optimiser.step()
        network.constrain()

    @torch.inference_mode()
    def reconstruct(_):
        network.reconstruct(piece)

    measured = {
        "model": args.model,
        "d": network.d,
        "weights": sum(weight.numel() for weight in network.parameters()),
        "train": rate(step, network.rows_of_a_step, args.seconds),
    }
    network.eval()
    measured["reconstruct"] = rate(reconstruct, PIECE, args.seconds)
    if args.json:
        print(json.dumps(measured))
    else:
        print(f"{args.model}, D = {measured['d']:,}, {measured['weights']:,} weights, {args.threads} threads")
        print(f"    training    {measured['train']:8,.0f} rows/s")
        print(f"    reconstruct {measured['reconstruct']:8,.0f} rows/s")


if __name__ == "__main__":
    main()
