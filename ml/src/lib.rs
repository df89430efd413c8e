//! Egret's online learners
