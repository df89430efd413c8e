//! Test tools of Egret: harness, table literals
