//! The Egret language
