//! A forest of trees that are linked and cut, with the least weight on the path between two nodes: a link-cut tree
//! (Sleator & Tarjan, "A data structure for dynamic trees", 1983; the splay tree form of 1985).
//!
//! Every tree is cut into paths, every path is a splay tree ordered by depth. All operations are amortised O(log n) and
//! none recurses, so a path of millions of nodes is as good as any other tree.
//! Edges are nodes too, between their two ends: they carry the weights, the ends weigh more than any edge.
//! A node fills most of a cache line: the least weight is kept beside its node, so that looking at a child costs one miss.

/// No node.
const NONE: u32 = u32::MAX;

/// What an edge weighs: the later it expires the more, of two that expire together the older one more.
///
/// No two edges weigh the same, so the heaviest spanning forest is unique: it depends on the edges alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Weight {
    /// When the edge expires.
    pub(super) expiry: i64,
    /// Falls from edge to edge.
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
    /// The least weight in the splay tree below, and whose it is.
    least_weight: Weight,
    least: u32,
    /// In the splay tree, or, for its root, the node that the path hangs on.
    parent: u32,
    /// Nearer the root of the tree, farther from it.
    children: [u32; 2],
    /// The children of the whole splay tree below are to be swapped, this node's own included.
    flipped: bool,
}

impl Node {
    fn alone(node: u32, weight: Weight) -> Self {
        Self { weight, least_weight: weight, least: node, parent: NONE, children: [NONE; 2], flipped: false }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct LinkCut {
    nodes: Vec<Node>,
    /// Scratch: the way from a node to the root of its splay tree.
    way: Vec<u32>,
}

impl LinkCut {
    /// Makes a node, or makes it anew: a tree of its own. It must not be linked.
    pub(super) fn set_alone(&mut self, node: u32, weight: Weight) {
        while self.nodes.len() <= node as usize {
            self.nodes.push(Node::alone(self.nodes.len() as u32, Weight::MAX));
        }
        self.nodes[node as usize] = Node::alone(node, weight);
    }

    /// Joins the trees of `a` and `b` by `edge`, a node of its own.
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

    /// Takes out an edge which [`LinkCut::least_on_path`] has just given.
    pub(super) fn cut_least(&mut self, edge: u32) {
        self.splay(edge);
        for child in self.nodes[edge as usize].children {
            self.nodes[child as usize].parent = NONE;
        }
        let weight = self.nodes[edge as usize].weight;
        self.nodes[edge as usize] = Node::alone(edge, weight);
    }

    /// Takes out the edge between two ends.
    pub(super) fn cut(&mut self, a: u32, edge: u32, b: u32) {
        self.make_root(a);
        self.access(b);
        self.cut_least(edge);
    }

    /// Gives an edge another weight.
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

    /// Makes the way from the root to `node` one path, and `node` the root of its splay tree.
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

    /// The parent in the splay tree and which of its children the node is; none for a splay tree's root.
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

    /// Moves a node above its parent. The node's own least weight is left for the caller to mend.
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
