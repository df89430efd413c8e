//! Egret's engine: runs a job graph on timely dataflow
