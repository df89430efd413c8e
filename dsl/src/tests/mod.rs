#![allow(clippy::unwrap_used)]
//! The language as its users see it: text in, tree or diagnostics out.

mod docs;
mod faults;
mod match_recognize;
mod queries;
mod robust;
mod spans;
mod tree;

use crate::{Program, Statement, parse, render};

/// Every kind of statement once.
const EXAMPLE: &str = "\
CREATE STREAM txn (
  id BIGINT NOT NULL, card BIGINT, device STRING, amount DOUBLE, country STRING, at TIMESTAMP(3), fraud BOOLEAN,
  WATERMARK FOR at AS at - INTERVAL '5' SECOND
) WITH (connector = 'file', path = 'examples/fraud/transactions.jsonl.gz', format = 'json', bad_rows = 'dead_letter');

-- Who shares a device with whom.
CREATE GRAPH ring ON txn EDGE card TO device EXPIRE AFTER INTERVAL '7' DAY COMPUTE components;

CREATE MODEL risk ON txn
  FEATURES amount, extract(hour FROM at) AS hour, country, ring.size(card) AS ring_size
  LABEL fraud DELAYED BY INTERVAL '1' DAY
  USING logistic_regression(learning_rate => 0.05)
  EVALUATE roc_auc, log_loss EVERY 10000;

/* Small amounts to see
   whether the card works, then a large one. */
CREATE PATTERN card_testing ON txn PARTITION BY card
  MATCH probe{2,} -> big
  DEFINE probe AS amount < 10,
         big   AS amount > 10 * avg(probe.amount) AND country <> last(probe.country)
  WITHIN INTERVAL '10' MINUTE
  AFTER MATCH SKIP PAST LAST EVENT
  SELECT card, count(probe) AS probes, big.id AS txn, big.amount AS amount, risk(big) AS risk;

CREATE STREAM per_minute AS
  SELECT card, count(*) AS n FROM TUMBLE(txn, at, INTERVAL '1' MINUTE) GROUP BY card, window_start;

CREATE SINK alerts WITH (connector = 'file', path = 'out/alerts.jsonl', format = 'json');
INSERT INTO alerts SELECT * FROM card_testing WHERE risk > 0.2;

TEST 'abroad' FOR card_testing
  GIVEN txn (id, card, amount, country, at) (1, 7, 5.0, 'DE', '2024-03-01'), (2, 7, 3.0, 'DE', + 1 HOUR 30 MINUTE)
  GIVEN other (at) (START + INTERVAL '5' MINUTE), (START)
  EXPECT MATCH (card = 7, \"Probes\" = 1 + 1) EXPECT NO MATCH BY + 5 SECOND EXPECT TIMEOUT;
";

/// Runs a test with the seeds from 0 on; one that fails is printed.
fn for_seeds(seeds: u64, test: impl Fn(&mut fastrand::Rng)) {
    struct Say(u64);
    impl Drop for Say {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("it failed with seed {}", self.0);
            }
        }
    }
    for seed in 0..seeds {
        let _say = Say(seed);
        test(&mut fastrand::Rng::with_seed(seed));
    }
}

/// A text of fewer than `most` of these characters.
fn text_of(characters: &str, most: usize, random: &mut fastrand::Rng) -> String {
    let characters: Vec<char> = characters.chars().collect();
    (0..random.usize(..most)).map(|_| characters[random.usize(..characters.len())]).collect()
}

/// Parses a text that has no fault.
fn good(text: &str) -> Program {
    let (program, diagnostics) = parse(text);
    assert!(diagnostics.is_empty(), "{}", render(&diagnostics, "test.egret", text, false));
    program
}

/// Parses one statement that has no fault.
fn one(text: &str) -> Statement {
    let mut program = good(text);
    assert_eq!(program.statements.len(), 1, "{text}");
    program.statements.remove(0)
}

/// What is wrong with a text: for each fault the place and the message.
fn faults(text: &str) -> Vec<(&str, String)> {
    let (_, diagnostics) = parse(text);
    diagnostics.iter().map(|fault| (fault.span().unwrap_or_default().of(text), fault.message.clone())).collect()
}
