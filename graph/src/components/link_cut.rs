//! A link-cut tree: a forest with links, cuts, and queries for the least weight on the path between two nodes
//! (Sleator & Tarjan, "A data structure for dynamic trees", 1983; the splay tree form of 1985).
//!
//! Each tree is partitioned into paths, and each path is a splay tree ordered by depth. All operations take amortised O(log n)
//! time and none is recursive, so a path of millions of nodes is no special case.
//! An edge is a node between its two ends. Edges carry the weights; vertices weigh more than any edge.
//! A node holds the least weight of its subtree beside its own and fills most of a cache line, so reading a child costs one cache miss.

/// No node.
const NONE: u32 = u32::MAX;

/// The weight of an edge: a later expiry weighs more; of two equal expiries, the older edge weighs more.
///
/// No two edges have the same weight, so the heaviest spanning forest is unique and depends on the edges alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Weight {
    /// The expiry of the edge.
    pub(super) expiry: i64,
    /// Decreases from edge to edge in the order of insertion.
    pub(super) age: u64,
}

impl Weight {
    /// More than any edge.
    pub(super) const MAX: Self = Self { expiry: i64::MAX, age: u64::MAX };
    /// Less than any edge.
    pub(super) const MIN: Self = Self { expiry: i64::MIN, age: 0 };
}

#[derive(Clone, Copy, Debug)]
struct Node {
    weight: Weight,
    /// The least weight in the splay subtree, and the node that has it.
    least_weight: Weight,
    least: u32,
    /// The parent in the splay tree; for the root of a splay tree, the node that the path is attached to.
    parent: u32,
    /// The child nearer to the root of the tree, and the child farther from it.
    children: [u32; 2],
    /// Whether the children in the whole splay subtree, including those of this node, are still to be swapped.
    flipped: bool,
}

impl Node {
    fn alone(node: u32, weight: Weight) -> Self {
        Self { weight, least_weight: weight, least: node, parent: NONE, children: [NONE; 2], flipped: false }
    }
}

/// The forest.
#[derive(Debug, Default)]
pub(super) struct LinkCut {
    nodes: Vec<Node>,
    /// Scratch space: the path from a node to the root of its splay tree.
    way: Vec<u32>,
}

impl LinkCut {
    /// Creates or resets a node, which becomes a tree of its own. The node must not be linked.
    pub(super) fn set_alone(&mut self, node: u32, weight: Weight) {
        while self.nodes.len() <= node as usize {
            self.nodes.push(Node::alone(self.nodes.len() as u32, Weight::MAX));
        }
        self.nodes[node as usize] = Node::alone(node, weight);
    }

    /// Joins the trees of `a` and `b` by `edge`, which is a tree of its own.
    pub(super) fn link(&mut self, a: u32, edge: u32, b: u32) {
        self.make_root(a);
        self.nodes[a as usize].parent = edge;
        self.access(b);
        self.nodes[edge as usize].parent = b;
    }

    /// The lightest node on the path between two nodes of one tree.
    pub(super) fn least_on_path(&mut self, a: u32, b: u32) -> u32 {
        self.make_root(a);
        self.access(b);
        self.nodes[b as usize].least
    }

    /// Removes the edge that [`LinkCut::least_on_path`] has just returned.
    pub(super) fn cut_least(&mut self, edge: u32) {
        self.splay(edge);
        for child in self.nodes[edge as usize].children {
            self.nodes[child as usize].parent = NONE;
        }
        let weight = self.nodes[edge as usize].weight;
        self.nodes[edge as usize] = Node::alone(edge, weight);
    }

    /// Removes the edge between two vertices.
    pub(super) fn cut(&mut self, a: u32, edge: u32, b: u32) {
        self.make_root(a);
        self.access(b);
        self.cut_least(edge);
    }

    /// Changes the weight of an edge.
    pub(super) fn set_weight(&mut self, edge: u32, weight: Weight) {
        self.access(edge);
        self.nodes[edge as usize].weight = weight;
        self.pull(edge);
    }

    /// Bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>()
    }

    fn make_root(&mut self, node: u32) {
        self.access(node);
        self.nodes[node as usize].flipped ^= true;
        self.push_down(node);
    }

    /// Makes the path from the root to `node` one splay tree with `node` at its root.
    fn access(&mut self, node: u32) {
        let (mut below, mut at) = (NONE, node);
        while at != NONE {
            self.splay(at);
            self.nodes[at as usize].children[1] = below;
            self.pull(at);
            below = at;
            at = self.nodes[at as usize].parent;
        }
        self.splay(node);
    }

    fn splay(&mut self, node: u32) {
        self.push_down_the_way_to(node);
        while let Some((parent, side)) = self.splay_parent(node) {
            if let Some((_, parent_side)) = self.splay_parent(parent) {
                self.rotate(if side == parent_side { parent } else { node });
            }
            self.rotate(node);
        }
        self.pull(node);
    }

    fn push_down_the_way_to(&mut self, node: u32) {
        let mut way = std::mem::take(&mut self.way);
        way.push(node);
        let mut at = node;
        while let Some((parent, _)) = self.splay_parent(at) {
            way.push(parent);
            at = parent;
        }
        while let Some(at) = way.pop() {
            self.push_down(at);
        }
        self.way = way;
    }

    /// The parent in the splay tree, and which of its children the node is; none for the root of a splay tree.
    fn splay_parent(&self, node: u32) -> Option<(u32, usize)> {
        let parent = self.nodes[node as usize].parent;
        let children = self.nodes.get(parent as usize)?.children;
        if children[0] == node {
            Some((parent, 0))
        } else if children[1] == node {
            Some((parent, 1))
        } else {
            None
        }
    }

    /// Rotates a node above its parent. The caller recomputes the least weight of the node.
    fn rotate(&mut self, node: u32) {
        let (parent, side) = self.splay_parent(node).expect("only nodes below a splay parent are rotated");
        if let Some((above, parent_side)) = self.splay_parent(parent) {
            self.nodes[above as usize].children[parent_side] = node;
        }
        self.nodes[node as usize].parent = self.nodes[parent as usize].parent;
        let moved = std::mem::replace(&mut self.nodes[node as usize].children[1 - side], parent);
        self.nodes[parent as usize].children[side] = moved;
        self.nodes[parent as usize].parent = node;
        if moved != NONE {
            self.nodes[moved as usize].parent = parent;
        }
        self.pull(parent);
    }

    fn push_down(&mut self, node: u32) {
        let at = &mut self.nodes[node as usize];
        if !at.flipped {
            return;
        }
        at.flipped = false;
        at.children.swap(0, 1);
        for child in at.children {
            if child != NONE {
                self.nodes[child as usize].flipped ^= true;
            }
        }
    }

    fn pull(&mut self, node: u32) {
        let at = self.nodes[node as usize];
        let mut least = (at.weight, node);
        for child in at.children {
            if let Some(child) = self.nodes.get(child as usize)
                && child.least_weight < least.0
            {
                least = (child.least_weight, child.least);
            }
        }
        let at = &mut self.nodes[node as usize];
        (at.least_weight, at.least) = least;
    }
}
