//! The columns of a stream.

use crate::row_place::{PLACE, PLACE_TYPE};
use crate::weight::{WEIGHT, WEIGHT_TYPE};
use crate::{Error, Result, Subject};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use std::fmt;
use std::sync::Arc;

/// The type of every event time column.
pub const TIME_TYPE: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

/// The columns of a stream and which of them is event time.
///
/// ```
/// use egret_core::StreamSchema;
/// use arrow::datatypes::{DataType, Field};
/// let schema = StreamSchema::new(vec![Field::new("id", DataType::Int64, true), StreamSchema::time_field("at")], Some("at"))?;
/// assert_eq!(schema.event_time(), Some(1));
/// # Ok::<(), egret_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamSchema {
    arrow: SchemaRef,
    event_time: Option<usize>,
}

impl StreamSchema {
    /// Columns, and the name of the event time column.
    ///
    /// # Errors
    /// Two columns have one name; event time is not a column, or not a timestamp in microseconds.
    pub fn new(fields: Vec<Field>, event_time: Option<&str>) -> Result<Self> {
        for (index, field) in fields.iter().enumerate() {
            if fields[..index].iter().any(|other| other.name() == field.name()) {
                let twice = Error::job(format!("two columns are named '{}'", field.name())).help("rename one with AS");
                return Err(twice.about(Subject::Column(field.name().clone())));
            }
        }
        let arrow = Arc::new(Schema::new(fields));
        let event_time = match event_time {
            None => None,
            Some(name) => Some(arrow.index_of(name).map_err(|_| {
                let missing = Error::job(format!("event time '{name}' is not a column of the stream"));
                missing.about(Subject::Column(name.to_owned()))
            })?),
        };
        Self::from_arrow(arrow, event_time)
    }

    /// An Arrow schema, and the index of the event time column.
    ///
    /// # Errors
    /// Event time is not a timestamp in microseconds.
    pub fn from_arrow(arrow: SchemaRef, event_time: Option<usize>) -> Result<Self> {
        if let Some(column) = event_time {
            let field = arrow.field(column);
            if field.data_type() != &TIME_TYPE {
                return Err(Error::job(format!("event time '{}' is {}, not a TIMESTAMP", field.name(), field.data_type()))
                    .help("declare the column as TIMESTAMP")
                    .about(Subject::Column(field.name().clone())));
            }
        }
        Ok(Self { arrow, event_time })
    }

    /// The schema of a union: the same columns, nullable where one of the two is; event time if both have the same column. `None`
    /// if names or types differ.
    pub fn united(&self, other: &Self) -> Option<Self> {
        let (fields, others) = (self.arrow.fields(), other.arrow.fields());
        let same =
            |(field, other): (&Arc<Field>, &Arc<Field>)| field.name() == other.name() && field.data_type() == other.data_type();
        if fields.len() != others.len() || !fields.iter().zip(others).all(same) {
            return None;
        }
        if self == other {
            return Some(self.clone());
        }
        let either = |(field, other): (&Arc<Field>, &Arc<Field>)| {
            field.as_ref().clone().with_nullable(field.is_nullable() || other.is_nullable())
        };
        let fields: Vec<Field> = fields.iter().zip(others).map(either).collect();
        let event_time = self.event_time.filter(|_| self.event_time == other.event_time);
        Some(Self { arrow: Arc::new(Schema::new(fields)), event_time })
    }

    /// A non-null column of the event time type.
    pub fn time_field(name: &str) -> Field {
        Field::new(name, TIME_TYPE, false)
    }

    /// The Arrow schema.
    pub fn arrow(&self) -> &SchemaRef {
        &self.arrow
    }

    /// The index of the event time column.
    pub fn event_time(&self) -> Option<usize> {
        self.event_time
    }

    /// The index of the column of places, if the rows have it: see [`crate::row_place`].
    pub fn place(&self) -> Option<usize> {
        let (column, field) = self.arrow.column_with_name(PLACE)?;
        (*field.data_type() == PLACE_TYPE).then_some(column)
    }

    /// The index of the column of weights, if this is a stream of changes: see [`crate::weight`].
    pub fn weight(&self) -> Option<usize> {
        let (column, field) = self.arrow.column_with_name(WEIGHT)?;
        (*field.data_type() == WEIGHT_TYPE && !field.is_nullable()).then_some(column)
    }

    /// The columns without that of places, which users do not see.
    #[must_use]
    pub fn without_place(&self) -> Self {
        let Some(place) = self.place() else { return self.clone() };
        let columns: Vec<usize> = (0..self.arrow.fields().len()).filter(|column| *column != place).collect();
        self.project(&columns).expect("the columns are those of the schema")
    }

    /// The index of a column.
    ///
    /// # Errors
    /// There is no such column; the message lists those there are.
    pub fn index_of(&self, name: &str) -> Result<usize> {
        self.arrow.index_of(name).map_err(|_| {
            let names: Vec<&str> = self.arrow.fields().iter().map(|field| field.name().as_str()).collect();
            Error::job(format!("there is no column '{name}'"))
                .help(format!("the columns are {}", names.join(", ")))
                .about(Subject::Column(name.to_owned()))
        })
    }

    /// The columns with these indexes; event time stays event time if it is among them.
    ///
    /// # Errors
    /// An index is out of range.
    pub fn project(&self, columns: &[usize]) -> Result<Self> {
        let arrow = Arc::new(self.arrow.project(columns)?);
        let event_time = self.event_time.and_then(|time| columns.iter().position(|&column| column == time));
        Ok(Self { arrow, event_time })
    }

    /// The same columns and some more behind them.
    ///
    /// # Errors
    /// A name is taken.
    pub fn with_fields(&self, more: impl IntoIterator<Item = Field>) -> Result<Self> {
        let fields: Vec<Field> = self.arrow.fields().iter().map(|field| field.as_ref().clone()).chain(more).collect();
        let time = self.event_time.map(|column| self.arrow.field(column).name().clone());
        Self::new(fields, time.as_deref())
    }
}

impl fmt::Display for StreamSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns: Vec<String> =
            self.arrow.fields().iter().map(|field| format!("{} {}", field.name(), field.data_type())).collect();
        write!(f, "({})", columns.join(", "))
    }
}
