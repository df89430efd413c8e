//! Egret's sources and sinks
