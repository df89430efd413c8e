//! The facts that saved state depends on, as text. They stay the same for the life of the state; conditions and measures may
//! change.

use super::pattern_plan::Plan;
use crate::plan::automaton::{Edge, EdgeLink, Node, Target};
use egret_core::key::hash_key;
use egret_core::{StateLayout, StreamSchema};

/// Longer texts are cut; their hash stands for the rest.
const SHOWN_MAX: usize = 400;

impl Plan {
    /// The facts that the state depends on, in words: a checkpoint can be restored only where they are the same.
    ///
    /// Partial matches are saved by their nodes and open edges, so both must mean the same. The stored columns of events are not
    /// among these facts: they are found by name, and a missing one is noticed at restore.
    pub(crate) fn state_layout(&self, name: Option<&str>) -> StateLayout {
        let keys = self.kept_names(&self.keys).unwrap_or_else(|| column_names(&self.rows, &self.keys));
        // Buffered rows name their streams by number.
        let streams = self.streams.iter().map(|streams| ("the order of the streams".to_owned(), streams.names.join(", ")));
        let facts = [
            ("key".to_owned(), keys),
            ("the sequence of variables".to_owned(), shortened(self.sequence())),
            ("how they follow each other".to_owned(), shortened(self.ways())),
        ];
        let facts = facts.into_iter().chain(streams).collect();
        StateLayout { name: name.map(|name| format!("pattern {name}")), facts }
    }

    /// A hash of all that saved partial matches refer to by number.
    pub(crate) fn fingerprint(&self) -> u64 {
        hash_key(format!("{}\n{}", self.sequence(), self.ways()).as_bytes())
    }

    /// The variable of every node.
    fn sequence(&self) -> String {
        let variable = |node: &Node| self.automaton.variables[node.variable].name.as_str();
        self.automaton.nodes.iter().map(variable).collect::<Vec<_>>().join(" ")
    }

    /// For each node, numbered from one: the edges out of it, and what closes them.
    fn ways(&self) -> String {
        let nodes = self.automaton.nodes.iter().enumerate();
        nodes.map(|(number, node)| format!("{}{}", number + 1, ways(node))).collect::<Vec<_>>().join("; ")
    }
}

/// The edges out of a node: ` -> 2, -> 3 unless (-> 3)`. A `.` says that a match may end here.
fn ways(node: &Node) -> String {
    let mut text = String::from(if node.accept { "." } else { "" });
    text.push_str(&node.edges.iter().map(edge_text).collect::<Vec<_>>().join(","));
    for guard in &node.guards {
        let closed = (0..node.edges.len()).filter(|edge| guard.edges >> edge & 1 == 1).map(|edge| (edge + 1).to_string());
        text.push_str(if guard.once { " unless at once" } else { " unless" });
        text.push_str(if guard.release.is_some() { " before its end" } else { "" });
        text.push_str(&format!("({})", closed.collect::<Vec<_>>().join(" ")));
    }
    text
}

fn edge_text(edge: &Edge) -> String {
    let link = match edge.link {
        EdgeLink::Strict => " ",
        EdgeLink::Relaxed => " -> ",
        EdgeLink::Any => " ->> ",
    };
    match edge.target {
        Target::Take(node) => format!("{link}{}", node + 1),
        Target::AtDeadline => " -> end of time".into(),
        Target::AtNextEvent => " next event".into(),
    }
}

fn shortened(text: String) -> String {
    if text.len() <= SHOWN_MAX {
        return text;
    }
    let start: String = text.chars().take(SHOWN_MAX / 2).collect();
    format!("{start} ... ({:016x})", hash_key(text.as_bytes()))
}

/// Columns with their types.
fn column_names(schema: &StreamSchema, columns: &[usize]) -> String {
    let name = |&column: &usize| {
        let field = schema.arrow().field(column);
        format!("{} {}", field.name(), field.data_type())
    };
    columns.iter().map(name).collect::<Vec<_>>().join(", ")
}
