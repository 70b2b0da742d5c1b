//! The weights of a module as one flat vector, in which form they are summed, updated, compared and
//! stored.

use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use half::f16;
use half::slice::HalfFloatSliceExt;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use tracecodec_tensor::{Device, Module, Tensor, Visitor};

use crate::error::Error;

/// Name and shape of one tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    name: String,
    shape: Vec<usize>,
}

impl Entry {
    /// Number of values.
    fn count(&self) -> usize {
        self.shape.iter().product()
    }
}

/// All float tensors of a module in the order of its fields.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Weights {
    entries: Vec<Entry>,
    /// Values of the tensors, concatenated, each row-major. Networks that they are loaded into
    /// share them.
    pub(crate) values: Arc<Vec<f32>>,
}

impl Weights {
    /// The weights of a module.
    pub(crate) fn of(module: &impl Module) -> Self {
        let mut reader = Reader::default();
        module.clone().visit(&mut reader);
        Self {
            entries: reader.entries,
            values: Arc::new(reader.values),
        }
    }

    /// The weights of a module without their values, which are yet to be read.
    pub(crate) fn unread(module: &impl Module) -> Self {
        let mut reader = Reader {
            skips_values: true,
            ..Reader::default()
        };
        module.clone().visit(&mut reader);
        Self {
            entries: reader.entries,
            values: Arc::default(),
        }
    }

    /// The module with these weights, as constants.
    pub(crate) fn load<M: Module>(&self, module: M, device: &Device) -> M {
        self.write(module, device, false)
    }

    /// The module with these weights, whose gradients can be computed.
    pub(crate) fn load_tracked<M: Module>(&self, module: M, device: &Device) -> M {
        self.write(module, &device.differentiating(), true)
    }

    fn write<M: Module>(&self, mut module: M, device: &Device, is_tracked: bool) -> M {
        module.visit(&mut Writer {
            values: &self.values,
            end: 0,
            device,
            is_tracked,
        });
        module
    }

    /// Range of the values of one part of the module: of the tensor with this name, or of all
    /// tensors below the field with this name. `None` if there is no such part.
    pub(crate) fn range(&self, name: &str) -> Option<Range<usize>> {
        let mut end = 0;
        let ranges = self.entries.iter().map(|entry| {
            let start = end;
            end += entry.count();
            (&entry.name, start..end)
        });
        ranges
            .filter(|(full, _)| {
                let below = full.strip_prefix(name);
                below.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            })
            .map(|(_, range)| range)
            .reduce(|first, last| first.start..last.end)
    }

    /// These weights for a module of which tensors may have more rows: each new row is the one that
    /// is `like` rows from the end of the old ones. `None` if anything else differs.
    pub(crate) fn grown(&self, larger: &Self, like: usize) -> Option<Self> {
        if self.entries.len() != larger.entries.len() {
            return None;
        }
        let mut values = Vec::with_capacity(larger.values.len());
        let mut rest = self.values.as_slice();
        for (old, new) in self.entries.iter().zip(&larger.entries) {
            let (mine, after) = rest.split_at(old.count());
            rest = after;
            values.extend_from_slice(mine);
            let width = new.shape[1..].iter().product::<usize>();
            let is_like = old.name == new.name && old.shape[1..] == new.shape[1..];
            if !is_like || new.count() < mine.len() {
                return None;
            }
            let row = mine.len().checked_sub(like * width);
            for _ in old.shape[0]..new.shape[0] {
                values.extend_from_slice(&mine[row?..][..width]);
            }
        }
        Some(Self {
            entries: larger.entries.clone(),
            values: Arc::new(values),
        })
    }

    /// The weights as a safetensors file.
    pub(crate) fn to_bytes(&self, precision: Precision) -> Vec<u8> {
        let bytes = precision.bytes(&self.values);
        let mut rest = bytes.as_slice();
        let views = self.entries.iter().map(|entry| {
            let count = entry.count();
            let (data, after) = rest.split_at(precision.width() * count);
            rest = after;
            let view = TensorView::new(precision.dtype(), entry.shape.clone(), data)
                .expect("the data is as long as the shape says");
            (entry.name.as_str(), view)
        });
        safetensors::serialize(views, None).expect("names and shapes are plain JSON")
    }

    /// Replaces the values with those of a safetensors file that has the same names and shapes.
    pub(crate) fn read(&mut self, bytes: &[u8], path: &Path) -> Result<(), Error> {
        let file = SafeTensors::deserialize(bytes).map_err(|e| Error::format(path, e))?;
        let is_known = |name: &&str| self.entries.iter().any(|entry| entry.name == **name);
        if let Some(surplus) = file.names().into_iter().find(|name| !is_known(name)) {
            let reason = format!("a tensor `{surplus}` that a network of this shape does not have");
            return Err(Error::format(path, reason));
        }
        let count = self.entries.iter().map(Entry::count).sum();
        let mut values = Vec::with_capacity(count);
        for entry in &self.entries {
            file.tensor(&entry.name)
                .ok()
                .filter(|view| view.shape() == entry.shape)
                .and_then(|view| append(&view, &mut values))
                .ok_or_else(|| Error::Tensor {
                    path: path.to_path_buf(),
                    name: entry.name.clone(),
                    shape: entry.shape.clone(),
                })?;
        }
        self.values = Arc::new(values);
        Ok(())
    }
}

/// Number of bits in which a weight is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// 32 bits, in full precision.
    #[default]
    Full,
    /// 16 bits: half the size, for models that ship with the program.
    Half,
}

impl Precision {
    fn dtype(self) -> Dtype {
        match self {
            Self::Full => Dtype::F32,
            Self::Half => Dtype::F16,
        }
    }

    /// Number of bytes of a weight.
    pub(crate) fn width(self) -> usize {
        match self {
            Self::Full => 4,
            Self::Half => 2,
        }
    }

    fn bytes(self, values: &[f32]) -> Vec<u8> {
        match self {
            Self::Full => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Self::Half => values
                .iter()
                .flat_map(|&x| f16::from_f32(x).to_le_bytes())
                .collect(),
        }
    }
}

/// The numbers of a stored tensor; `None` if it is of another type.
pub(crate) fn numbers(view: &TensorView<'_>) -> Option<Vec<f32>> {
    let mut numbers = Vec::new();
    append(view, &mut numbers).map(|()| numbers)
}

/// Appends the numbers of a stored tensor; `None` if it is of another type.
fn append(view: &TensorView<'_>, numbers: &mut Vec<f32>) -> Option<()> {
    match view.dtype() {
        Dtype::F32 => numbers.extend(floats(view.data())),
        Dtype::F16 => {
            let halves = view.data().as_chunks::<2>().0.iter();
            let halves: Vec<f16> = halves.map(|&half| f16::from_le_bytes(half)).collect();
            let start = numbers.len();
            numbers.resize(start + halves.len(), 0.0);
            halves.convert_to_f32_slice(&mut numbers[start..]);
        }
        _ => return None,
    }
    Some(())
}

/// The little-endian floats in some bytes.
pub(crate) fn floats(bytes: &[u8]) -> impl Iterator<Item = f32> + '_ {
    bytes
        .as_chunks::<4>()
        .0
        .iter()
        .map(|&float| f32::from_le_bytes(float))
}

#[derive(Default)]
struct Reader {
    path: Vec<String>,
    entries: Vec<Entry>,
    values: Vec<f32>,
    skips_values: bool,
}

impl Visitor for Reader {
    fn enter(&mut self, name: &str) {
        self.path.push(name.to_string());
    }

    fn leave(&mut self) {
        self.path.pop();
    }

    fn tensor<const D: usize>(&mut self, name: &str, weight: &mut Tensor<D>) {
        self.path.push(name.to_string());
        self.entries.push(Entry {
            name: self.path.join("."),
            shape: weight.dims().to_vec(),
        });
        self.path.pop();
        if !self.skips_values {
            self.values.extend(weight.clone().into_values());
        }
    }
}

struct Writer<'a> {
    values: &'a Arc<Vec<f32>>,
    /// End of the weights that are written.
    end: usize,
    device: &'a Device,
    is_tracked: bool,
}

impl Visitor for Writer<'_> {
    fn enter(&mut self, _name: &str) {}

    fn leave(&mut self) {}

    fn tensor<const D: usize>(&mut self, _name: &str, weight: &mut Tensor<D>) {
        let shape = weight.dims();
        *weight = Tensor::weight(self.values, self.end, shape, self.device, self.is_tracked);
        self.end += shape.iter().product::<usize>();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_a_file_of_more_tensors_is_refused() {
        let of = |names: &[&str]| Weights {
            entries: names
                .iter()
                .map(|name| Entry {
                    name: name.to_string(),
                    shape: vec![2],
                })
                .collect(),
            values: vec![1.0; 2 * names.len()].into(),
        };
        let file = of(&["first", "second"]).to_bytes(Precision::Full);
        let path = Path::new("weights.safetensors");
        of(&["second", "first"]).read(&file, path).unwrap();
        let refused = of(&["first"]).read(&file, path).unwrap_err().to_string();
        assert!(refused.contains("`second`"), "{refused}");
    }

    #[test]
    fn test_range_of_a_part() {
        let entry = |name: &str, shape: &[usize]| Entry {
            name: name.to_string(),
            shape: shape.to_vec(),
        };
        let weights = Weights {
            entries: vec![
                entry("graph", &[2, 2]),
                entry("graphs.first", &[3]),
                entry("graphs.second.bias", &[5]),
                entry("last", &[1]),
            ],
            values: vec![0.0; 13].into(),
        };
        assert_eq!(weights.range("graph"), Some(0..4));
        assert_eq!(weights.range("graphs"), Some(4..12));
        assert_eq!(weights.range("graphs.second"), Some(7..12));
        assert_eq!(weights.range("las"), None);
    }
}
