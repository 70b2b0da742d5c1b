"""Reference numbers for `baseline::encoding`, computed by scikit-learn 1.9.

    pip install scikit-learn && python encodings_reference.py
"""

import warnings

import numpy as np
from sklearn.mixture import BayesianGaussianMixture
from sklearn.preprocessing import QuantileTransformer, StandardScaler

warnings.simplefilter("ignore")

i = np.arange(1000)
# Each column, and the numbers that are encoded.
COLUMNS = {
    "tied": (np.where(i % 3 == 0, i * 7919 % 10007, 0), [0, 1, 3198.3, 9997, 12345]),
    "wide": (np.where(i % 4 == 0, 0, i * 2654435761 % 2**32), [0, 1, 1432576090, 4e9, 5e9]),
    "times": (i * 7919 % 1000 * 10 ** (i % 9), [0, 7274, 832842000, 99.4e9, 1e12]),
    "steps": (i[:962] * 7919 % 1009 // 70 * 700, [0, 700, 4200, 9100, 10000]),
    "few": (i * i % 7 * 100, [0, 100, 150, 200, 400]),
    "constant": (np.full(1000, 4e9), [0, 4e9, 4e9 + 1]),
    "short": (i[:6] * i[:6], [0, 1, 7.5, 20, 25]),
}
SCORES = [-6, -1, 0, 0.5, 6]


class FromLabels(BayesianGaussianMixture):
    """A mixture that starts at given responsibilities, not where k-means ends."""

    def _initialize_parameters(self, X, *_, **__):
        distinct, place = np.unique(X[:, 0], return_inverse=True)
        self._initialize(X, np.eye(self.n_components)[place * self.n_components // len(distinct)])


def column(values):
    return np.asarray(values, dtype=float)[:, None]


def show(name, values):
    print(f"    {name}: [{', '.join(f'{float(value):.10e}' for value in np.ravel(values))}]")


for name, (values, numbers) in COLUMNS.items():
    x, numbers = column(values), column(numbers)
    print(name)
    mixture = FromLabels(
        n_components=min(10, len(x)),
        weight_concentration_prior_type="dirichlet_process",
        weight_concentration_prior=0.001,
        n_init=1,
    ).fit(x)
    show("weights", mixture.weights_)
    show("means", mixture.means_)
    show("variances", mixture.covariances_)
    for responsibilities in mixture.predict_proba(numbers):
        show("responsibilities", responsibilities)
    count = max(min(len(x) // 30, 1000), 10)
    quantiles = QuantileTransformer(output_distribution="normal", n_quantiles=count, subsample=10**9).fit(x)
    show("scores", quantiles.transform(numbers))
    show("from scores", quantiles.inverse_transform(column(SCORES)))
    scaler = StandardScaler().fit(x)
    show("mean, deviation", [scaler.mean_, scaler.scale_])
    show("standardised", scaler.transform(numbers))
