//! Egret's streaming graph algorithms
