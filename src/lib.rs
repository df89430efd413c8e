//! Egret
