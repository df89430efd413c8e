//! A job that reads from a socket and writes to one, and is killed in between.

#[allow(dead_code)]
#[path = "../../connectors/tests/contract/peer.rs"]
mod peer;

use egret::connectors::socket::Framing;
use peer::Peer;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

fn run(folder: &Path, dies_at: Option<&str>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_egret"));
    let args =
        ["run", "job.egret", "--checkpoints", "state", "--checkpoint-interval", "5ms", "--workers", "2", "--restart", "none"];
    command.args(args).current_dir(folder).stdin(Stdio::null());
    dies_at.map(|at| command.env("EGRET_FAIL_POINT", at));
    command.output().unwrap()
}

#[test]
fn rows_go_from_peer_to_peer_once_whatever_dies() {
    for (framing, name) in [(Framing::Lines, "lines"), (Framing::Length, "length")] {
        let (peer, folder) = (Peer::start(framing), tempfile::tempdir().unwrap());
        let port = peer.port;
        let there = format!("connector = 'socket', host = '127.0.0.1', port = {port}, framing = '{name}'");
        let job = format!(
            "CREATE STREAM t (id BIGINT) WITH ({there}, splits = 'a, b', bounded = true);\n\
             CREATE SINK o WITH ({there}, format = 'csv');\nINSERT INTO o SELECT id FROM t WHERE id % 3 <> 0;\n"
        );
        std::fs::write(folder.path().join("job.egret"), job).unwrap();
        let rows = |from: u32, to: u32| (from..to).map(|id| format!("{{\"id\":{id}}}")).collect::<Vec<_>>();
        peer.give("a", &rows(0, 1_000));
        peer.give("b", &rows(1_000, 3_000));
        for dies_at in ["manifest written@1", "publish@1", "published@1", "publish again@1", "finish@1"] {
            if dies_at == "finish@1" {
                peer.finish();
            }
            assert!(!run(folder.path(), Some(dies_at)).status.success(), "it dies at {dies_at}");
        }
        let output = run(folder.path(), None);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut shown: Vec<u32> = peer.shown().iter().map(|row| row.parse().unwrap()).collect();
        shown.sort_unstable();
        assert_eq!(shown, (0..3_000).filter(|id| id % 3 != 0).collect::<Vec<_>>(), "{name}");
        // What was said last is on its way.
        let (said, since) = (|| (peer.told("a").pop(), peer.told("b").pop()), Instant::now());
        while said() != (Some(1_000), Some(2_000)) {
            assert!(since.elapsed() < Duration::from_secs(20), "all may be forgotten, and it was told of {:?}", said());
            std::thread::yield_now();
        }
    }
}
