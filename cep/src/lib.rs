//! Egret's pattern engine
