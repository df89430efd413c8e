//! What a program as a whole reads.

use super::build::Reads;
use super::places::relations_in_order;
use super::used::{relations_asked_why, relations_read};
use egret_dsl::Program;

/// Facts about the program that must be known before the first statement is planned.
pub(super) fn reads_of(program: &Program) -> Reads {
    Reads { relations: relations_read(program), in_order: relations_in_order(program), why: relations_asked_why(program) }
}
