//! The operators of a graph, created from its plan.

use crate::answers::Lookup;
use crate::operator::GraphOperator;
use crate::reader::GraphReader;
use crate::spec::GraphSpec;
use arrow::datatypes::Field;
use egret_core::{Error, Length, Operator, OperatorFactory, OperatorInfo, Result, StateLayout, StreamSchema};
use egret_operators::knowledge::{KnowledgeJoinFactory, KnowledgeReader, MakeReader};
use std::sync::Arc;

impl GraphSpec {
    /// The factory of the operator that maintains the graph. Input: rows, gathered in one instance. Output: updates, to be broadcast.
    pub fn operator_factory(&self) -> Arc<dyn OperatorFactory> {
        Arc::new(GraphFactory { spec: Arc::new(self.clone()) })
    }

    /// The factory of the operator that adds answers to rows, with the schema of its output. Input 0: rows. Input 1: updates. Output: the
    /// rows with one column for each lookup, named by `names`.
    ///
    /// # Errors
    /// The rows have no event time, a column has another type than the graph's vertices, or a name is taken.
    pub fn reader_factory(
        &self,
        lookups: Vec<Lookup>,
        names: &[String],
        rows: &StreamSchema,
    ) -> Result<(Arc<dyn OperatorFactory>, StreamSchema)> {
        if lookups.len() != names.len() {
            return Err(Error::bug(format!("{} lookups with {} names", lookups.len(), names.len())));
        }
        let (mut fields, mut facts) = (Vec::with_capacity(names.len()), Vec::with_capacity(names.len()));
        for (lookup, name) in lookups.iter().zip(names) {
            self.check_lookup(lookup, rows)?;
            let signature = self.signature(lookup.answer)?;
            fields.push(Field::new(name, self.type_of(signature.answer_type), true));
            let column = rows.arrow().field(lookup.column).name();
            facts.push(format!("{name} = {}.{}({column})", self.name(), signature.name));
        }
        let output = rows.with_fields(fields).map_err(|error| error.context(self.place()))?;
        let spec = Arc::new(self.clone());
        let make: MakeReader = Arc::new(move |_: &OperatorInfo| {
            Ok(Box::new(GraphReader::new(Arc::clone(&spec), lookups.clone())) as Box<dyn KnowledgeReader>)
        });
        let (layout, answers) = (self.state_facts(), names.len());
        Ok((Arc::new(KnowledgeJoinFactory::new(make, output.clone(), self.step_us(), facts, layout, answers)?), output))
    }
}

struct GraphFactory {
    spec: Arc<GraphSpec>,
}

impl OperatorFactory for GraphFactory {
    fn create(&self, _info: &OperatorInfo) -> Result<Box<dyn Operator>> {
        Ok(Box::new(GraphOperator::new(Arc::clone(&self.spec))?))
    }

    fn describe(&self) -> Vec<String> {
        self.spec.describe()
    }

    fn state_layouts(&self) -> Vec<StateLayout> {
        let step = ("version step".to_owned(), Length(self.spec.step_us()).to_string());
        StateLayout::own(self.spec.state_facts().into_iter().chain([step]))
    }
}
