//! The contract of connectors: what every source and every sink must keep, whatever lies behind it.
//!
//! A connector takes part with a harness: what puts rows into the other system, or looks at what is there. `suite!` makes a test of
//! each clause for each harness.
#![allow(clippy::unwrap_used)]

mod files;
mod peer;
mod sink;
mod sockets;
mod source;
mod support;

use files::{Files, Output};
use sockets::Sockets;

/// Tests of all clauses of a suite for a harness.
macro_rules! suite {
    ($name:ident, $of:ident, $make:expr, [$($clause:ident),* $(,)?]) => {
        mod $name {
            use super::*;
            $(#[test]
            fn $clause() {
                $of::$clause(&|| Box::new($make));
            })*
        }
    };
}

macro_rules! source_suite {
    ($name:ident, $make:expr) => {
        suite!(
            $name,
            source,
            $make,
            [
                splits_have_their_rows_in_order,
                reading_goes_on_from_any_position,
                foreign_positions_are_refused,
                a_slow_reader_is_not_flooded,
                a_peer_may_go_and_come_back,
                rows_are_read_as_they_come,
                complete_checkpoints_are_told,
                bad_rows_become_letters_once,
                columns_are_chosen,
            ]
        );
    };
}

macro_rules! sink_suite {
    ($name:ident, $make:expr) => {
        suite!(
            $name,
            sink,
            $make,
            [
                rows_show_with_their_commit,
                without_checkpoints_all_shows_at_the_end,
                recovery_publishes_what_is_prepared_and_nothing_else,
                each_row_shows_once_whatever_dies,
            ]
        );
    };
}

source_suite!(files_as_source, Files::new());
source_suite!(socket_lines_as_source, Sockets::new("lines"));
source_suite!(socket_lengths_as_source, Sockets::new("length"));
sink_suite!(json_file_as_sink, Output::new("json", false));
sink_suite!(csv_file_as_sink, Output::new("csv", false));
sink_suite!(parts_as_sink, Output::new("json", true));
sink_suite!(socket_lines_as_sink, Sockets::new("lines"));
sink_suite!(socket_lengths_as_sink, Sockets::new("length"));
