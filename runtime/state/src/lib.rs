//! Egret's keyed state
