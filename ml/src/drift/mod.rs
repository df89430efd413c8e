//! Detectors of drift: whether what a stream of numbers, or of errors, is drawn from has changed.
//!
//! | detector | reads | fires when |
//! | --- | --- | --- |
//! | [`Adwin`] | any numbers | two parts of its window, which grows while nothing changes, differ in their means |
//! | [`PageHinkley`] | any numbers | the sum of distances from the mean has moved far from its extreme |
//! | [`Ddm`] | errors, 1 or 0 | the share of errors is well above its least |
//! | [`Eddm`] | errors, 1 or 0 | errors come closer together |
//! | [`HddmA`] | numbers from 0 to 1 | the mean is above that of the best beginning, by Hoeffding's bound |
//! | [`HddmW`] | numbers from 0 to 1 | as HDDM-A, with means that forget |
//! | [`Fhddm`] | hits, 1 or 0 | the share of hits in a window is well below its highest |
//! | [`Kswin`] | any numbers | the newest numbers are distributed otherwise than those before |
//!
//! After a drift a detector begins anew with the next value. [`Adwin`] alone can also go on with what it kept: see [`Adwin::update`].

mod adwin;
mod ddm;
mod detector;
mod eddm;
mod fhddm;
mod hddm_a;
mod hddm_w;
mod kswin;
mod page_hinkley;

pub use adwin::Adwin;
pub use ddm::Ddm;
pub use detector::{DriftDetector, LARGEST, Verdict};
pub use eddm::Eddm;
pub use fhddm::Fhddm;
pub use hddm_a::HddmA;
pub use hddm_w::HddmW;
pub use kswin::Kswin;
pub use page_hinkley::PageHinkley;
