//! Scalar functions that DataFusion does not have: one file each, and a line in [`all`].

mod haversine;

use datafusion_expr::ScalarUDF;
use std::sync::Arc;

/// All functions of this folder.
pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    vec![Arc::new(ScalarUDF::from(haversine::Haversine::new()))]
}
