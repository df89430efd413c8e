//! Selects the events of one key from all that a pattern reads.

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, StringArray, new_null_array};
use arrow::compute::{CastOptions, cast_with_options, filter_record_batch};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use egret::core::key::encode_key;
use egret::core::{Batch, Committable, Epoch, Error, Result, Sink, SinkContext, SinkWriter, StreamSchema};
use egret::dsl::suggest;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The greatest number of a key's events that are examined.
const EVENTS_MAX: usize = 1_000_000;

/// The greatest number of keys remembered, to list some if the requested one has no events.
const KEYS_MAX: usize = 100_000;

/// The greatest number of keys listed.
const KEYS_SHOWN: usize = 5;

/// The key whose events are wanted.
#[derive(Debug)]
pub(super) struct WantedKey {
    columns: Vec<usize>,
    names: Vec<String>,
    cells: Vec<ArrayRef>,
    encoded: Vec<u8>,
}

impl WantedKey {
    /// Parses a key from texts: one for each column, or one with commas for all.
    ///
    /// # Errors
    /// There are more or fewer values than columns, or one is not of its column's type.
    pub(super) fn parse(texts: &[String], schema: &StreamSchema, columns: &[usize]) -> Result<Self> {
        let names: Vec<String> = columns.iter().map(|&column| schema.arrow().field(column).name().clone()).collect();
        let values = match (texts, columns.len()) {
            ([], 0) => Vec::new(),
            (_, 0) => {
                return Err(Error::job("the pattern has no PARTITION BY, so there are no keys").help("leave --key away"));
            }
            ([], _) => {
                let help =
                    format!("say which: --key {}", names.iter().map(|name| format!("<{name}>")).collect::<Vec<_>>().join(","));
                return Err(Error::job(format!("the pattern looks at every {} for itself", names.join(", "))).help(help));
            }
            ([one], 1) => vec![one.clone()],
            ([one], _) => split(one),
            (many, _) => many.to_vec(),
        };
        if values.len() != columns.len() {
            return Err(Error::job(format!(
                "the key has {} values, and the pattern is partitioned by {}",
                values.len(),
                names.join(", ")
            ))
            .help("write one value for each column, with commas between; a value with a comma stands in double quotes"));
        }
        let cells = values.iter().zip(columns).map(|(value, &column)| cell(value, schema, column)).collect::<Result<Vec<_>>>()?;
        let mut encoded = Vec::new();
        encode_key(&cells, 0, &mut encoded)?;
        Ok(Self { columns: columns.to_vec(), names, cells, encoded })
    }

    /// The names and values of its columns.
    pub(super) fn columns(&self) -> impl Iterator<Item = (&str, &ArrayRef)> {
        self.names.iter().map(String::as_str).zip(&self.cells)
    }

    /// The key as text: `card = 7`.
    pub(super) fn show(&self) -> Result<String> {
        let one = |(name, cell): (&str, &ArrayRef)| Ok(format!("{name} = {}", show(std::slice::from_ref(cell), 0)?));
        Ok(self.columns().map(one).collect::<Result<Vec<_>>>()?.join(", "))
    }
}

/// Splits `a,"b,c"` into its values.
fn split(text: &str) -> Vec<String> {
    let (mut values, mut value, mut quoted) = (Vec::new(), String::new(), false);
    for char in text.chars() {
        match char {
            '"' => quoted = !quoted,
            ',' if !quoted => values.push(std::mem::take(&mut value)),
            char => value.push(char),
        }
    }
    values.push(value);
    values
}

fn cell(text: &str, schema: &StreamSchema, column: usize) -> Result<ArrayRef> {
    let field = schema.arrow().field(column);
    let data_type = field.data_type();
    let is_text = matches!(data_type, arrow::datatypes::DataType::Utf8);
    if !is_text && text.eq_ignore_ascii_case("null") {
        return Ok(new_null_array(data_type, 1));
    }
    let written: ArrayRef = Arc::new(StringArray::from(vec![text]));
    let options = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(&written, data_type, &options).map_err(|_| {
        Error::job(format!("'{text}' cannot be a value of the key column '{}', whose type is {data_type}", field.name()))
    })
}

/// A row of key columns as text.
fn show(cells: &[ArrayRef], row: usize) -> Result<String> {
    let options = FormatOptions::default().with_null("null");
    let one = |cell: &ArrayRef| Ok(ArrayFormatter::try_new(cell.as_ref(), &options)?.value(row).to_string());
    Ok(cells.iter().map(one).collect::<Result<Vec<_>>>()?.join(","))
}

/// A sink that keeps the events of a key; clones share them.
#[derive(Clone)]
pub(super) struct KeyEvents {
    key: Arc<WantedKey>,
    shared: Arc<Mutex<Collected>>,
}

/// The events collected so far.
#[derive(Default)]
pub(super) struct Collected {
    /// The events of the key.
    pub(super) rows: Vec<RecordBatch>,
    /// How many events of the key there are.
    pub(super) count: usize,
    /// How many further events of the key came too late.
    pub(super) late: usize,
    /// How many events of all keys there were.
    pub(super) all: usize,
    keys: HashMap<Vec<u8>, (usize, String)>,
}

impl KeyEvents {
    /// For this key; the key of no columns has all events.
    pub(super) fn new(key: Arc<WantedKey>) -> Self {
        Self { key, shared: Arc::default() }
    }

    /// The events collected so far.
    pub(super) fn collected(&self) -> MutexGuard<'_, Collected> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, batch: &Batch) -> Result<()> {
        let mut all = self.collected();
        let cells: Vec<ArrayRef> = self.key.columns.iter().map(|&column| batch.column(column).clone()).collect();
        let (mut mask, mut scratch) = (Vec::with_capacity(batch.num_rows()), Vec::new());
        for row in 0..batch.num_rows() {
            scratch.clear();
            encode_key(&cells, row, &mut scratch)?;
            mask.push(scratch == self.key.encoded);
            all.note(&scratch, &cells, row)?;
        }
        let rows = filter_record_batch(batch.rows(), &BooleanArray::from(mask))?;
        all.all += batch.num_rows();
        if batch.late().is_some() {
            all.late += rows.num_rows();
            return Ok(());
        }
        all.count += rows.num_rows();
        if all.count > EVENTS_MAX {
            return Err(
                Error::job(format!("there are more than {EVENTS_MAX} events of this key")).help("read a part of the input")
            );
        }
        if rows.num_rows() > 0 {
            all.rows.push(rows);
        }
        Ok(())
    }
}

impl Collected {
    fn note(&mut self, encoded: &[u8], cells: &[ArrayRef], row: usize) -> Result<()> {
        if let Some((count, _)) = self.keys.get_mut(encoded) {
            *count += 1;
        } else if self.keys.len() < KEYS_MAX {
            self.keys.insert(encoded.to_vec(), (1, show(cells, row)?));
        }
        Ok(())
    }

    /// Advice about a key without events: keys spelled similarly, and those with the most events.
    pub(super) fn others(&self, texts: &[String]) -> String {
        let wanted = texts.join(",");
        let mut keys: Vec<&(usize, String)> = self.keys.values().collect();
        keys.sort_by(|one, other| other.0.cmp(&one.0).then_with(|| one.1.cmp(&other.1)));
        if keys.is_empty() {
            return "the input has no events at all".into();
        }
        let near = suggest(&wanted, keys.iter().map(|(_, key)| key.as_str()));
        let near = near.map_or_else(String::new, |near| format!("did you mean {near}? "));
        let shown: Vec<String> = keys.iter().take(KEYS_SHOWN).map(|(count, key)| format!("{key} ({count})")).collect();
        let of = if self.keys.len() < KEYS_MAX { format!("{}", self.keys.len()) } else { format!("over {KEYS_MAX}") };
        format!("{near}there are {of} keys; those with the most events are {}", shown.join(", "))
    }
}

impl Sink for KeyEvents {
    fn open(&self, _schema: &StreamSchema, _ctx: &SinkContext) -> Result<Box<dyn SinkWriter>> {
        Ok(Box::new(self.clone()))
    }

    fn describe(&self) -> String {
        "the events of a key".into()
    }
}

impl SinkWriter for KeyEvents {
    fn write(&mut self, batch: &Batch) -> Result<()> {
        self.take(batch)
    }

    fn prepare(&mut self, _epoch: Epoch) -> Result<Vec<Committable>> {
        Ok(Vec::new())
    }

    fn commit(&mut self, _committables: &[Committable]) -> Result<()> {
        Ok(())
    }
}
