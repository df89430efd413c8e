//! Shapes that are slow for a careless structure: each of these is quick, or the whole test run is seen to hang.

use super::super::{DynamicComponents, NEVER};

const MANY: u32 = 100_000;

#[test]
fn a_star_whose_leaves_come_and_expire_one_by_one() {
    let mut graph = DynamicComponents::new();
    for round in 0..3 {
        let start = i64::from(round) * i64::from(MANY);
        (1..=MANY).for_each(|leaf| graph.insert(0, leaf, start + i64::from(leaf)));
        assert_eq!(graph.size(0), MANY + 1);
        graph.take_changes();
        for time in 1..=MANY {
            graph.expire_until(start + i64::from(time));
            assert_eq!(graph.size(0), MANY + 1 - time);
            assert_eq!(graph.take_changes().len(), if time < MANY { 1 } else { 2 });
        }
        assert_eq!((graph.kept_edges(), graph.component(0)), (0, None));
    }
}

#[test]
fn a_long_path_that_expires_from_its_end_from_its_middle_and_at_once() {
    let orders: [fn(u32) -> u32; 3] = [|link| link, |link| (MANY / 2).abs_diff(link), |_| 0];
    for (round, order) in orders.into_iter().enumerate() {
        let mut graph = DynamicComponents::new();
        (0..MANY).for_each(|link| graph.insert(link, link + 1, 1 + i64::from(order(link))));
        assert_eq!(graph.size(MANY), MANY + 1, "round {round}");
        (1..=i64::from(MANY) + 1).for_each(|time| graph.expire_until(time));
        assert_eq!(graph.kept_edges(), 0, "round {round}");
        assert_eq!(graph.take_changes(), [], "round {round}");
    }
}

#[test]
fn a_ring_that_is_cut_and_closed_again() {
    let mut graph = DynamicComponents::with_deletions();
    (0..MANY).for_each(|vertex| graph.insert(vertex, (vertex + 1) % MANY, NEVER));
    graph.take_changes();
    for cut in (0..MANY).step_by(7) {
        assert!(graph.remove(cut, (cut + 1) % MANY).unwrap());
        assert_eq!(graph.size(cut), MANY);
        graph.insert(cut, (cut + 1) % MANY, NEVER);
        if cut > 200 {
            break; // a cut in the middle of the tree walks half of it
        }
    }
    assert_eq!(graph.take_changes(), []);
}

#[test]
fn one_edge_that_is_repeated_for_ever_is_kept_once() {
    let mut graph = DynamicComponents::new();
    for time in 0..300_000 {
        graph.insert(7, 8, time + 1_000);
        graph.insert(8, 7, time + 900);
        graph.insert(7, 7, time + 1_000);
        graph.expire_until(time);
    }
    assert_eq!(graph.kept_edges(), 1);
    assert!(graph.bytes() < 20_000, "{} bytes", graph.bytes());
}

#[test]
fn a_window_that_slides_over_ever_new_vertices_does_not_grow() {
    let mut graph = DynamicComponents::new();
    let mut bytes = Vec::new();
    for time in 0..400_000_u32 {
        // Vertex numbers are given again once they are free: here after twice the window.
        graph.insert(time % 2_000, (time * 7 + 1) % 2_000, i64::from(time) + 500);
        graph.expire_until(i64::from(time));
        if time % 100_000 == 99_999 {
            graph.take_changes();
            bytes.push(graph.bytes());
        }
    }
    assert!(bytes[3] <= bytes[0] * 2, "{bytes:?}");
}
