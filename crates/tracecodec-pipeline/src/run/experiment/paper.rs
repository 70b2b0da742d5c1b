//! The paper's own numbers (arXiv 2605.29941, Tables 3 to 5 and 9 to 12), to stand beside those of
//! an experiment. Its captures are CICIDS2017 Monday and MAWI 202004071400.

/// A row of one of the paper's tables: a method on both of the paper's captures, a number a column.
pub(super) struct Row<const N: usize> {
    pub(super) method: &'static str,
    pub(super) cicids: [f64; N],
    pub(super) mawi: [f64; N],
}

const fn row<const N: usize>(method: &'static str, cicids: [f64; N], mawi: [f64; N]) -> Row<N> {
    Row {
        method,
        cicids,
        mawi,
    }
}

/// Where the paper has no number.
const NONE: f64 = f64::NAN;

/// Tables 3 and 10: TCP events, count, protocols, inter-arrival times, flow count, flow durations.
pub(super) const FIDELITY: &[Row<6>] = &[
    row(
        "Oracle",
        [2.85, 0.0, 0.0, 0.04, 0.0, 0.01],
        [1.79, 0.0, 0.0, 0.01, 0.0, 0.0],
    ),
    row(
        "Raw oracle",
        [0.002, 0.42, 0.42, 0.13, 0.09, 0.64],
        [0.063, 0.0, 0.0, 0.0, 0.0, 0.0],
    ),
    row(
        "TraceCodec",
        [14.51, 0.0, 0.0, 0.84, 0.03, 9.23],
        [2.54, 0.0, 0.0, 9.57, 0.06, 2.62],
    ),
    row(
        "TVAE",
        [72.73, 37.83, 5.16, 14.83, 25.19, 45.36],
        [51.53, 12.05, 6.38, 40.05, 90.51, 28.44],
    ),
    row(
        "TabSyn-VAE",
        [66.74, 2.97, 0.62, 1.08, 46.32, 34.76],
        [54.66, 28.11, 6.76, 5.95, 76.07, 10.72],
    ),
    row("GOGGLE", [NONE; 6], [NONE; 6]),
    row(
        "TTVAE",
        [53.19, 37.65, 5.34, 14.40, 104.98, 51.03],
        [51.49, 21.35, 13.25, 2.73, 81.92, 16.56],
    ),
];

/// Table 9: invalid rows, accuracy of categories, error of numbers.
pub(super) const ROWS: &[Row<3>] = &[
    row("TVAE", [37.46, 71.68, 4.12e8], [12.07, 79.95, 1.75e8]),
    row("TabSyn-VAE", [2.39, 84.74, 2.79e7], [28.12, 87.36, 1.46e7]),
    row("GOGGLE", [100.0, NONE, NONE], [100.0, NONE, NONE]),
    row("TTVAE", [37.28, 65.99, 2.57e8], [21.37, 73.18, 4.86e7]),
];

/// Tables 5 and 11: accuracy of actions, TCP events, inter-arrival times, flow count, flow
/// durations, rate.
pub(super) const ABLATION: &[Row<6>] = &[
    row(
        "TraceCodec",
        [99.73, 13.79, 0.59, 0.40, 8.41, 167.91],
        [98.75, 2.31, 0.38, 0.07, 0.25, 249.38],
    ),
    row(
        "w/o KL",
        [99.58, 14.57, 0.49, 0.41, 8.64, 5222.77],
        [99.50, 3.33, 0.34, 0.04, 0.17, 5829.68],
    ),
    row(
        "w/o fine timing",
        [99.77, 12.89, 13.37, 0.40, 5.90, 152.41],
        [99.05, 2.81, 8.36, 0.07, 0.41, 141.66],
    ),
    row(
        "w/o TCP state cues",
        [99.95, 138.85, 0.51, 0.40, 8.10, 94.22],
        [99.67, 115.29, 0.32, 0.04, 0.19, 71.40],
    ),
];

/// Tables 4 and 12: usable suffixes, coverage, and the coverage-adjusted distances of inter-arrival
/// times, packet sizes, packets a flow, session durations.
pub(super) const INTERFACE: &[Row<6>] = &[
    row(
        "TraceCodec",
        [100.0, 100.0, 13.00, 18.85, 39.35, 40.44],
        [98.44, 100.0, 5.38, 1.42, 4.33, 5.12],
    ),
    row(
        "TVAE",
        [0.0, 63.18, 41.07, 49.76, 64.80, 57.75],
        [7.03, 85.69, 40.22, 16.60, 39.21, 41.04],
    ),
    row(
        "TabSyn-VAE",
        [7.03, 98.29, 16.09, 25.59, 42.99, 42.59],
        [10.94, 62.30, 43.33, 40.38, 45.22, 46.95],
    ),
];
