//! `haversine(latitude, longitude, latitude, longitude)`: the great-circle distance between two places, in kilometres.
//!
//! Arguments are in degrees; the Earth is a sphere of radius 6371.0088 km, the mean radius of the IUGG. The haversine formula (R.
//! W. Sinnott, *Virtues of the Haversine*, Sky and Telescope 68, 1984) is accurate for small distances. The result differs from
//! the distance on the ellipsoid by at most 0.5 %.

use arrow::array::{Array, AsArray, Float64Array};
use arrow::datatypes::{DataType, Float64Type};
use datafusion_common::Result;
use datafusion_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};
use std::sync::Arc;

/// The mean radius of the Earth, in kilometres.
const RADIUS_KM: f64 = 6371.0088;

/// The function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Haversine {
    signature: Signature,
}

impl Haversine {
    /// The function, for four columns of numbers.
    pub(super) fn new() -> Self {
        Self { signature: Signature::exact(vec![DataType::Float64; 4], Volatility::Immutable) }
    }
}

/// The distance between two places given in degrees; `NaN` if a number is not finite.
fn distance_km(from: [f64; 2], to: [f64; 2]) -> f64 {
    let [from_latitude, from_longitude, to_latitude, to_longitude] = [from[0], from[1], to[0], to[1]].map(f64::to_radians);
    let half_square = |difference: f64| (difference / 2.0).sin().powi(2);
    let h = half_square(to_latitude - from_latitude)
        + from_latitude.cos() * to_latitude.cos() * half_square(to_longitude - from_longitude);
    // Rounding may give slightly more than 1 for antipodes; `clamp` keeps NaN.
    2.0 * RADIUS_KM * h.clamp(0.0, 1.0).sqrt().asin()
}

impl ScalarUDFImpl for Haversine {
    fn name(&self) -> &str {
        "haversine"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns = ColumnarValue::values_to_arrays(&args.args)?;
        let numbers: Vec<&Float64Array> = columns.iter().map(|column| column.as_primitive::<Float64Type>()).collect();
        let of_row = |row: usize| {
            let at = |column: usize| numbers[column].is_valid(row).then(|| numbers[column].value(row));
            Some(distance_km([at(0)?, at(1)?], [at(2)?, at(3)?]))
        };
        let rows = numbers.first().map_or(0, |column| column.len());
        Ok(ColumnarValue::Array(Arc::new((0..rows).map(of_row).collect::<Float64Array>())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_tables() {
        let (berlin, paris, sydney) = ([52.52, 13.405], [48.8566, 2.3522], [-33.8688, 151.2093]);
        assert!((distance_km(berlin, paris) - 877.5).abs() < 0.5);
        assert!((distance_km(paris, sydney) - 16_960.0).abs() < 15.0);
        assert!((distance_km([0.0, 0.0], [0.0, 180.0]) - std::f64::consts::PI * RADIUS_KM).abs() < 1e-6);
        assert!((distance_km([0.0, 179.5], [0.0, -179.5]) - std::f64::consts::PI * RADIUS_KM / 180.0).abs() < 1e-6);
        assert_eq!(distance_km(berlin, berlin), 0.0);
        assert!(distance_km([f64::NAN, 0.0], berlin).is_nan());
        assert!(distance_km([f64::INFINITY, 0.0], berlin).is_nan());
    }
}
