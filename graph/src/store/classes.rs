//! Classes of edges: how long edges live, and their attribute, which many edges share. An edge stores the number of its class.

use super::edge::{Edge, NEVER};
use hashbrown::HashMap;

/// The duration of the edges, if they expire, and their attribute.
type Class = (Option<i64>, u32);

/// The classes in use.
#[derive(Debug, Default)]
pub(super) struct Classes {
    classes: Vec<(Class, u32)>,
    free: Vec<u32>,
    numbers: HashMap<Class, u32>,
    /// The class of the last edge. The next edge usually has the same.
    last: Option<(Class, u32)>,
}

impl Classes {
    /// Adds an edge to its class and returns the number of the class.
    pub(super) fn retain(&mut self, edge: &Edge) -> u32 {
        // Wrapping arithmetic represents every pair of time and expiry.
        let lives = (edge.expiry != NEVER).then(|| edge.expiry.wrapping_sub(edge.time));
        let class = (lives, edge.attribute);
        let number = match self.last.filter(|(last, _)| *last == class) {
            Some((_, number)) => number,
            None => self.number(class),
        };
        self.last = Some((class, number));
        self.classes[number as usize].1 += 1;
        number
    }

    /// Removes an edge from its class.
    pub(super) fn release(&mut self, number: u32) {
        let (class, edges) = &mut self.classes[number as usize];
        *edges -= 1;
        if *edges == 0 {
            self.numbers.remove(class);
            self.free.push(number);
            self.last = None;
        }
    }

    /// The expiry and the attribute of an edge with this class and time.
    pub(super) fn get(&self, number: u32, time: i64) -> (i64, u32) {
        let ((lives, attribute), _) = self.classes[number as usize];
        (lives.map_or(NEVER, |lives| time.wrapping_add(lives)), attribute)
    }

    pub(super) fn bytes(&self) -> usize {
        self.classes.capacity() * size_of::<(Class, u32)>()
            + self.free.capacity() * 4
            + self.numbers.capacity() * (size_of::<(Class, u32)>() + 1)
    }

    fn number(&mut self, class: Class) -> u32 {
        if let Some(&number) = self.numbers.get(&class) {
            return number;
        }
        let number = match self.free.pop() {
            Some(number) => {
                self.classes[number as usize] = (class, 0);
                number
            }
            None => {
                self.classes.push((class, 0));
                (self.classes.len() - 1) as u32
            }
        };
        self.numbers.insert(class, number);
        number
    }
}
