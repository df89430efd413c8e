//! The functions expressions may use: all of DataFusion's that are compiled in, and our own.

use super::own;
use super::padded::Padded;
use datafusion_expr::{AggregateUDF, ScalarUDF};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

static SCALARS: LazyLock<HashMap<String, Arc<ScalarUDF>>> = LazyLock::new(|| {
    let padded = |function: Arc<ScalarUDF>| match function.name() {
        "lpad" | "rpad" => Arc::new(ScalarUDF::from(Padded(function))),
        _ => function,
    };
    let all = datafusion_functions::all_default_functions().into_iter().map(padded).chain(own::all());
    by_name(all.collect(), |f| f.name(), |f| f.aliases())
});

static AGGREGATES: LazyLock<HashMap<String, Arc<AggregateUDF>>> =
    LazyLock::new(|| by_name(datafusion_functions_aggregate::all_default_aggregate_functions(), |f| f.name(), |f| f.aliases()));

fn by_name<F>(all: Vec<Arc<F>>, name: fn(&F) -> &str, aliases: fn(&F) -> &[String]) -> HashMap<String, Arc<F>> {
    let mut map = HashMap::new();
    for function in all {
        for alias in aliases(&function) {
            map.insert(alias.clone(), Arc::clone(&function));
        }
        map.insert(name(&function).to_owned(), function);
    }
    map
}

/// A scalar function by name.
pub fn scalar_function(name: &str) -> Option<Arc<ScalarUDF>> {
    SCALARS.get(&name.to_ascii_lowercase()).cloned()
}

/// An aggregate function by name.
pub fn aggregate_function(name: &str) -> Option<Arc<AggregateUDF>> {
    AGGREGATES.get(&name.to_ascii_lowercase()).cloned()
}

/// The names of all functions, for suggestions.
pub fn function_names() -> Vec<String> {
    SCALARS.keys().chain(AGGREGATES.keys()).cloned().collect()
}
