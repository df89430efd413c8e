//! `egret why`: what a pattern did with a key's events, replayed from the job's input.

use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn egret(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_egret")).args(args).current_dir(folder).output().unwrap()
}

/// Exit status, standard output and standard error.
fn said(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (shown, error) = (text(&output.stdout), text(&output.stderr));
    assert!(!error.contains("panicked"), "{error}");
    (output.status.code().unwrap(), shown, error)
}

/// A job over events in `in.csv`, in a folder of its own.
fn job(statements: &str, events: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("in.csv"), events).unwrap();
    std::fs::write(folder.path().join("job.egret"), statements).unwrap();
    folder
}

const STREAM: &str = "CREATE STREAM txn (id BIGINT, card BIGINT, shop STRING, amount DOUBLE, country STRING, at TIMESTAMP,
      WATERMARK FOR at AS at - INTERVAL '5' SECOND) WITH (connector = 'file', path = 'in.csv', header = false, follow = true);\n";

const TESTING: &str = "CREATE PATTERN testing ON txn PARTITION BY card
      MATCH probe{2,} -> big
      DEFINE probe AS amount < 10, big AS amount > 10 * avg(probe.amount) AND country <> last(probe.country)
      WITHIN INTERVAL '10' MINUTE AFTER MATCH SKIP PAST LAST EVENT
      SELECT card, big.id AS txn;\n";

const EVENTS: &str = "1,7,a,5.0,DE,2024-03-01T10:00:00Z
2,7,a,3.0,DE,2024-03-01T10:00:30Z
3,8,a,60.0,FR,2024-03-01T10:00:40Z
4,7,b,90.0,FR,2024-03-01T10:01:00Z
5,7,b,2.0,FR,2024-03-01T10:30:00Z
6,7,b,4.0,FR,2024-03-01T10:31:00Z
7,7,b,95.0,FR,2024-03-01T10:32:00Z
8,7,b,25.0,DE,2024-03-01T10:33:00Z
9,9,b,25.0,DE,2024-03-01T10:50:00Z
";

const SHOWN: &str = "\
pattern testing: probe{2,} -> big within 10 min
card = 7: 7 events from 2024-03-01T10:00:00.000Z to 10:33:00.000
4 candidates: 1 matched, 1 skipped by a match, 2 timed out; 3 events cannot start a match

     event  1
         1  ppb      matched at 10:01:00.000: match 1
         2   p       skipped by match 1 at 10:01:00.000
         3     pp..  timed out at 10:40:00.000
         4      p..  timed out at 10:41:00.000
            p probe, b big, . passed over, ! ended it

candidate 1: matched at 10:01:00.000: match 1
     1  10:00:00.000  probe  amount 5.0, country 'DE'   probe.amount 5 < 10
     2  10:00:30.000  probe  amount 3.0, country 'DE'   probe.amount 3 < 10
     3  10:01:00.000  big    amount 90.0, country 'FR'  big.amount 90 > 10 * avg(probe.amount) 4 = 40
                                                        big.country 'FR' <> last(probe.country) 'DE'
    match 1, skip past the last event: ends all others that start up to it (2024-03-01T10:01:00.000Z)
";

const THIRD: &str = "\
candidate 3: timed out at 10:40:00.000
     4  10:30:00.000  probe  amount 2.0, country 'FR'  probe.amount 2 < 10
     5  10:31:00.000  probe  amount 4.0, country 'FR'  probe.amount 4 < 10
    at least 1 more event missing
    waited for 'probe' until WITHIN 10 min was over at 10:40:00.000
      wanted  probe.amount < 10
      2 events did not fit:
     6  10:32:00.000  fails  probe.amount 95 < 10
     7  10:33:00.000  fails  probe.amount 25 < 10
    waited for 'big' until WITHIN 10 min was over at 10:40:00.000
      wanted  big.amount > 10 * avg(probe.amount) 3 = 30
      wanted  big.country <> last(probe.country) 'FR'
      2 events did not fit:
     6  10:32:00.000  fails  big.country 'FR' <> last(probe.country) 'FR'
                      holds  big.amount 95 > 10 * avg(probe.amount) 3 = 30
     7  10:33:00.000  fails  big.amount 25 > 10 * avg(probe.amount) 3 = 30
                      holds  big.country 'DE' <> last(probe.country) 'FR'
";

/// Also for a file that is followed: it is read to its current end.
#[test]
fn every_candidate_says_how_far_it_came_and_what_stopped_it() {
    let folder = job(&format!("{STREAM}{TESTING}"), EVENTS);
    let (status, shown, error) = said(&egret(folder.path(), &["why", "job.egret", "--key", "7"]));
    assert_eq!((status, error.as_str()), (0, ""), "{shown}");
    assert!(shown.starts_with(SHOWN), "{shown}");
    assert!(shown.contains(THIRD), "{shown}");
    let (_, two, _) = said(&egret(folder.path(), &["why", "job.egret", "-p", "testing", "-k", "7", "--limit", "2"]));
    assert!(two.ends_with("\n2 candidates more; --limit 4 shows them, --at TIME those open at a time\n"), "{two}");
    assert!(!two.contains("candidate 3"), "{two}");
}

#[test]
fn a_time_chooses_the_candidates_open_then() {
    let folder = job(&format!("{STREAM}{TESTING}"), EVENTS);
    let at = |time: &str| said(&egret(folder.path(), &["why", "job.egret", "--key", "7", "--at", time])).1;
    let early = at("2024-03-01T10:00:10Z");
    assert!(
        early.contains("at 10:00:10.000: the candidates that were open then\n") && early.contains("candidate 1: matched"),
        "{early}"
    );
    assert!(!early.contains("candidate 2"), "{early}");
    let between = at("2024-03-01 10:20:00");
    assert!(between.contains("at 10:20:00.000: no candidate was open; the one that ended last\n"), "{between}");
    assert!(between.contains("candidate 2: skipped by match 1"), "{between}");
    assert!(at("0").contains("at 1970-01-01T00:00:00.000Z: no candidate had started\n"));
}

#[test]
fn as_json_it_is_one_object() {
    let folder = job(&format!("{STREAM}{TESTING}"), EVENTS);
    let (status, shown, _) = said(&egret(folder.path(), &["why", "job.egret", "--key", "7", "--format", "json", "--limit", "3"]));
    let all: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((status, &all["pattern"], &all["key"]), (0, &json!("testing"), &json!({"card": 7})));
    assert_eq!(all["events"][2]["values"], json!({"amount": 90.0, "country": "FR"}));
    assert_eq!(all["candidates_not_shown"], 1);
    let stop = &all["candidates"][2]["stops"][1];
    assert_eq!((&stop["reason"], &stop["variable"], &stop["near"][0]["event"]), (&json!("within"), &json!("big"), &json!(5)));
    assert_eq!(all["matches"][0]["steps"][2]["because"][0], "big.amount 90 > 10 * avg(probe.amount) 4 = 40");
}

#[test]
fn keys_of_several_columns_and_of_text() {
    let pattern = "CREATE PATTERN two ON txn PARTITION BY shop, card MATCH a b
        DEFINE a AS amount < 10, b AS amount > 90 SELECT card;";
    let events = format!("{EVENTS}10,7,\"x,y\",1.0,DE,2024-03-01T11:00:00Z\n");
    let folder = job(&format!("{STREAM}{pattern}"), &events);
    let key = |keys: &[&str]| {
        let mut args = vec!["why", "job.egret"];
        keys.iter().for_each(|key| args.extend(["--key", key]));
        said(&egret(folder.path(), &args))
    };
    let (status, shown, _) = key(&["b,7"]);
    assert!(status == 0 && shown.contains("shop = b, card = 7: 5 events"), "{shown}");
    assert!(
        shown.contains("    'b' had to be the very next event; event 3 (10:31:00.000) is none:\n              b.amount 4 > 90\n"),
        "{shown}"
    );
    assert!(shown.contains("pp!") || shown.contains("a!"), "{shown}");
    assert_eq!(key(&["b", "7"]).1, shown);
    assert!(key(&["\"x,y\",7"]).1.contains("shop = x,y, card = 7: 1 event "));
    let (status, _, error) = key(&["b"]);
    assert_eq!(status, 2);
    assert!(error.contains("the key has 1 values, and the pattern is partitioned by shop, card"), "{error}");
}

#[test]
fn what_cannot_be_traced_is_said_with_what_there_is() {
    let other = "CREATE PATTERN other ON txn MATCH a DEFINE a AS amount < 0 SELECT a.id AS id;
        CREATE STREAM renamed AS SELECT id FROM txn;
        CREATE STREAM made (n BIGINT, at TIMESTAMP, WATERMARK FOR at AS at) WITH (connector = 'generator', kind = 'sequence');
        CREATE PATTERN endless ON made MATCH a SELECT a.n AS n;";
    let folder = job(&format!("{STREAM}{TESTING}{other}"), EVENTS);
    let why = |args: &[&str]| said(&egret(folder.path(), &[&["why", "job.egret"], args].concat()));
    for (args, status, words) in [
        (&["-p", "testin", "-k", "7"][..], 2, "there is no pattern 'testin'\nhelp: did you mean 'testing'?"),
        (&["-p", "renamed", "-k", "7"], 2, "'renamed' is a query, not a pattern"),
        (&["-p", "txn", "-k", "7"], 2, "'txn' is not a pattern"),
        (&["-k", "7"], 2, "the program has 3 patterns\nhelp: say which with --pattern: testing, other, endless"),
        (&["-p", "testing"], 2, "the pattern looks at every card for itself\nhelp: say which: --key <card>"),
        (&["-p", "other", "-k", "7"], 2, "the pattern has no PARTITION BY, so there are no keys\nhelp: leave --key away"),
        (&["-p", "testing", "-k", "seven"], 2, "'seven' cannot be a value of the key column 'card', whose type is Int64"),
        (&["-p", "testing", "-k", "7", "--at", "noon"], 2, "'noon' is not a time"),
        (
            &["-p", "testing", "-k", "6"],
            1,
            "there are no events with card = 6\nhelp: there are 3 keys; those with the most events are 7 (7), 8 (1), 9 (1)",
        ),
        (&["-p", "endless"], 1, "the input of 'made' has no end, so it cannot be read again"),
    ] {
        let (found, _, error) = why(args);
        assert!(found == status && error.contains(words), "{args:?}: {found} {error}");
    }
    let (status, shown, _) = why(&["-p", "other"]);
    assert!(
        status == 0 && shown.contains("all rows: 9 events") && shown.contains("no event can start a match; the nearest:"),
        "{shown}"
    );
    let (_, shown, _) = why(&["-p", "testing", "-k", "8"]);
    assert!(shown.ends_with("the nearest:\n     1  10:00:40.000  fails  probe.amount 60 < 10\n"), "{shown}");
}

/// The bundled job: answers of graphs and models are read as the job reads them, and every alert's match is traced.
#[test]
fn the_alerts_of_the_example_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    let program = std::fs::read_to_string(root().join("examples/fraud/fraud.egret")).unwrap();
    let program = program.replace("examples/fraud/", &format!("{}/examples/fraud/", root().display()));
    let program = program
        .replace("country <> last(probe.country)", "country <> last(probe.country) AND ring.size(card) >= 0 AND risk(big) >= 0");
    std::fs::write(folder.path().join("job.egret"), program).unwrap();
    let (status, _, error) = said(&egret(folder.path(), &["run", "job.egret", "--quiet"]));
    assert_eq!(status, 0, "{error}");
    let alerts = std::fs::read_to_string(folder.path().join("out/alerts.jsonl")).unwrap();
    std::fs::remove_dir_all(folder.path().join("out")).unwrap();
    let alert: Value = serde_json::from_str(alerts.lines().next().unwrap()).unwrap();
    let key = alert["card"].to_string();
    let (status, shown, error) =
        said(&egret(folder.path(), &["why", "job.egret", "--key", &key, "--format", "json", "--limit", "1000"]));
    assert_eq!((status, error.as_str()), (0, ""));
    let all: Value = serde_json::from_str(&shown).unwrap();
    let matches = all["matches"].as_array().unwrap();
    let of_card =
        alerts.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).filter(|other| other["card"] == alert["card"]);
    for alert in of_card {
        let is_it = |found: &&Value| {
            let steps = found["steps"].as_array().unwrap();
            let last = &all["events"][steps.last().unwrap()["event"].as_u64().unwrap() as usize];
            last["at"] == alert["at"] && steps.len() as i64 == alert["probes"].as_i64().unwrap() + 1
        };
        let found = matches.iter().find(is_it).unwrap_or_else(|| panic!("{alert} is none of {matches:#?}"));
        let because = found["steps"].as_array().unwrap().last().unwrap()["because"].as_array().unwrap();
        let words = |index: usize| because[index].as_str().unwrap();
        assert!(words(0).starts_with("big.amount ") && words(0).contains(" > 10 * avg(probe.amount) "), "{because:?}");
        assert!(words(2).starts_with("ring.size(big.card) ") && words(3).starts_with("risk(big) 0."), "{because:?}");
    }
    // Tracing writes nothing.
    assert!(!folder.path().join("out").exists());
}

/// The tracer knows no limit; what the job did with a key with too many partial matches is shown first.
#[test]
fn a_key_that_was_put_aside_is_said_to_be() {
    let many: String = (0..9).map(|id| format!("{id},7,a,5.0,DE,2024-03-01T10:00:0{id}Z\n")).collect();
    let events = format!("{many}9,7,a,90.0,FR,2024-03-01T10:00:09Z\n10,8,a,5.0,DE,2024-03-01T10:00:10Z\n");
    let why = |overflow: &str, args: &[&str]| {
        let with = format!("SELECT card, big.id AS txn WITH (max_partial_matches = 20{overflow})");
        let pattern = TESTING.replace("SELECT card, big.id AS txn", &with);
        let folder = job(
            &format!("{STREAM}{pattern}CREATE SINK o WITH (connector = 'stdout'); INSERT INTO o SELECT * FROM testing;"),
            &events,
        );
        let output = egret(folder.path(), &[&["why", "job.egret"], args].concat());
        let (status, shown, error) = said(&output);
        assert_eq!(status, 0, "{error}");
        shown
    };
    let shown = why("", &["--key", "7"]);
    let note = "at 10:00:06.000 the key had too many partial matches, 22: its partial matches are dropped, and it is put aside until 2024-03-01 10:10:06.000\n";
    assert!(shown.contains(note), "{shown}");
    assert!(shown.contains("what stands of candidates is what they come to where none of that happens"), "{shown}");
    assert!(!why("", &["--key", "8"]).contains("too many"));
    let oldest = why(", overflow = 'drop_oldest'", &["--key", "7"]);
    assert!(oldest.contains("that began first are dropped"), "{oldest}");
    let fails = why(", overflow = 'fail'", &["--key", "7"]);
    assert!(fails.contains("the job ends: the key 7 has more than 20 partial matches"), "{fails}");
    let json: Value = serde_json::from_str(&why("", &["--key", "7", "--format", "json"])).unwrap();
    assert_eq!(json["overflow"][0]["at"], json!("2024-03-01T10:00:06.000Z"));
    assert_eq!(json["overflow"][0]["until"], json!("2024-03-01T10:10:06.000Z"));
}
