//! Reads programs.

use super::{WRONG, report_error};
use egret::Program;
use std::io::Read;
use std::path::Path;

/// Reads the text of a program.
pub(crate) fn read_program(path: &Path) -> Result<Program, u8> {
    let text = if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(path)
    };
    let name = path.display().to_string();
    text.map(|text| Program::new(&name, &text)).map_err(|error| {
        report_error(&format!("{name}: {error}"));
        WRONG
    })
}
