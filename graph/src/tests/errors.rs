//! What is refused, and with what words.

use super::*;
use arrow::datatypes::{DataType, Field};
use egret_core::{Epoch, Operator, OperatorInfo, Result, Snapshot};

#[track_caller]
fn says<T>(result: Result<T>, parts: &[&str]) {
    let text = result.err().expect("this is refused").to_string();
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in `{text}`");
    }
}

#[test]
fn a_graph_that_cannot_be() {
    let columns = columns();
    says(GraphSpec::new("ring", 0, 0, None, 10, &columns), &["graph 'ring'", "from a vertex to itself"]);
    says(GraphSpec::new("ring", 0, 1, Some(0), 10, &columns), &["expire after 0 ms", "EXPIRE AFTER INTERVAL"]);
    says(GraphSpec::new("ring", 0, 1, None, 0, &columns), &["graph 'ring'", "step of 0 ms"]);
    let timeless = StreamSchema::from_arrow(columns.arrow().clone(), None).unwrap();
    says(GraphSpec::new("ring", 0, 1, None, 10, &timeless), &["event time", "WATERMARK FOR"]);
    let list = DataType::new_list(DataType::Int64, true);
    let nested = StreamSchema::new(vec![Field::new("a", list, true), StreamSchema::time_field("at")], Some("at")).unwrap();
    says(GraphSpec::new("ring", 0, 1, None, 10, &nested), &["column 'a'", "cannot be a key"]);
    says(ring(None).same_kind(), &["'card' is Int64 and 'device' is Utf8", "cast"]);
}

#[test]
fn a_question_that_cannot_be_asked() {
    let spec = ring(None);
    let other = table("id:int name:text amount:float at:time").schema;
    says(spec.lookup("sise", 0, &columns()), &["does not know 'sise'", "did you mean 'size'?"]);
    says(spec.lookup("pagerank", 0, &columns()), &["it knows size, from_size, to_size, component"]);
    says(spec.lookup("size", 2, &other), &["'amount' is Float64, but 'card' in the graph 'ring' is Int64"]);
    says(spec.lookup_on("size", Side::To, 0, &other), &["'id' is Int64, but 'device'"]);
    assert_eq!(spec.lookup("size", 0, &other).unwrap().side, Side::From);
    assert_eq!(spec.lookup("size", 1, &other).unwrap().side, Side::To);
    let twins = table("a:int b:int at:time").schema;
    let twins = GraphSpec::new("twins", 0, 1, None, 10, &twins).unwrap();
    says(twins.lookup("size", 0, &other), &["'id' may be a 'a' or a 'b'", "with AS"]);
    let size = spec.lookup("size", 0, &columns()).unwrap();
    says(
        spec.reader_factory(vec![size], &["card".into()], &columns()).map(|_| ()),
        &["graph 'ring'", "two columns are named 'card'"],
    );
}

#[test]
fn warnings_say_what_grows() {
    assert!(ring(None).warnings(true)[0].contains("never forgets an edge"));
    assert!(ring(None).warnings(false).is_empty() && ring(Some(100)).warnings(true).is_empty());
    assert!(ring(Some(3)).warnings(false)[0].contains("most are never seen"));
    assert_eq!(
        GraphSpec::new("ring", 0, 1, Some(7 * 86_400_000_000), 1_000_000, &columns()).unwrap().describe(),
        ["connected components of edges card to device; each lives 7 days", "a version every 1 second of event time"]
    );
}

#[test]
fn damaged_state_is_refused() {
    let spec = Arc::new(ring(Some(50)));
    let (factory, info) = (spec.operator_factory(), OperatorInfo::alone("ring"));
    let mut harness = harness(&spec);
    harness.feed(0, on_time(txn(&[(Some(1), Some("a"), 3), (Some(2), Some("a"), 4), (Some(3), Some("b"), 70)]))).unwrap();
    harness.watermark(0, EventTime(20)).unwrap();
    let whole = harness.snapshot().unwrap().operators[0].first[0].clone();
    let restore = |bytes: &[u8]| {
        let part = Snapshot { first: vec![bytes.to_vec()], ..Snapshot::default() };
        factory.create(&info).unwrap().restore(vec![part])
    };
    assert!(restore(&whole).is_ok());
    says(restore(&[]), &["graph 'ring'", "version"]);
    says(restore(&[99, 0]), &["version"]);
    for cut in 1..whole.len() {
        assert!(restore(&whole[..cut]).is_err(), "cut at {cut}");
    }
    // A changed byte may give another valid state, but never a panic.
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 0x41;
        let _ = restore(&changed);
    }
    let longer = ring(Some(50));
    let longer = GraphSpec::new("ring", 0, 1, Some(50), longer.step_us() * 2, &columns()).unwrap();
    let part = Snapshot { first: vec![whole.clone()], ..Snapshot::default() };
    says(longer.operator_factory().create(&info).unwrap().restore(vec![part]), &["another step"]);

    let mut reader = GraphReader::new(Arc::clone(&spec), all_lookups(&spec));
    harness.take(MAIN).iter().for_each(|updates| reader.apply(updates.rows()).unwrap());
    let whole = reader.snapshot().unwrap();
    for cut in 0..whole.len() {
        assert!(reader.restore(&whole[..cut]).is_err(), "cut at {cut}");
    }
    reader.restore(&whole).unwrap();
    assert!(reader.state_size().keys > 0);
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// Bytes that were written when components were all that graphs knew.
#[test]
fn state_of_the_first_version_is_taken_up() {
    let operator = "0114000428018c01010500090101000000000000000100010a0101000000000000006101000009010200000000000000010000090103000000000000000101010a0101000000000000006201010300016a02016c03046e02018c01f0010304";
    let reader = "01000402000901010000000000000004020109010300000000000000020205000901010000000000000000000901020000000000000000000901030000000000000001010a0101000000000000006100010a0101000000000000006201";
    let spec = Arc::new(ring(Some(50)));
    let rows = [(Some(1), Some("a"), 3), (Some(2), Some("a"), 4), (Some(3), Some("b"), 5), (Some(3), Some("b"), 70)];
    let mut whole = harness(&spec);
    whole.feed(0, on_time(txn(&rows))).unwrap();
    whole.watermark(0, EventTime(20)).unwrap();
    let mut of_whole = GraphReader::new(Arc::clone(&spec), all_lookups(&spec));
    whole.take(MAIN).iter().for_each(|updates| of_whole.apply(updates.rows()).unwrap());

    let mut restored = spec.operator_factory().create(&OperatorInfo::alone("ring")).unwrap();
    restored.restore(vec![Snapshot { first: vec![bytes(operator)], ..Snapshot::default() }]).unwrap();
    assert_eq!(restored.snapshot(Epoch(1)).unwrap().first, whole.snapshot().unwrap().operators[0].first);
    let mut of_restored = GraphReader::new(Arc::clone(&spec), all_lookups(&spec));
    of_restored.restore(&bytes(reader)).unwrap();
    assert_eq!(of_restored.snapshot().unwrap(), of_whole.snapshot().unwrap());
    assert_eq!(of_restored.enrich(&txn(&rows)).unwrap(), of_whole.enrich(&txn(&rows)).unwrap());
}

#[test]
fn an_operator_that_was_restored_twice_is_a_bug() {
    let spec = Arc::new(ring(None));
    let mut operator = GraphOperator::new(Arc::clone(&spec)).unwrap();
    let part = operator.snapshot(Epoch(0)).unwrap();
    says(operator.restore(vec![part.clone(), part]), &["more than one instance"]);
    says(GraphReader::new(spec, Vec::new()).apply(&txn(&[])), &["updates of a graph"]);
}
