//! The arithmetic of windows and panes.

/// A window of `size` starts every `slide`. Both are multiples of the pane, so windows that overlap share panes.
#[derive(Clone, Copy, Debug)]
pub(super) struct PaneShape {
    pub(super) size: i64,
    pub(super) slide: i64,
    pub(super) pane: i64,
}

impl PaneShape {
    pub(super) fn new(size_us: i64, slide_us: i64) -> Self {
        Self { size: size_us, slide: slide_us, pane: greatest_common_divisor(size_us, slide_us) }
    }

    /// The start of the pane that a time lies in.
    pub(super) fn pane_of(self, time: i64) -> i64 {
        floor(time, self.pane)
    }

    /// The end of a pane, exclusive.
    pub(super) fn end_of(self, pane: i64) -> i64 {
        pane.saturating_add(self.pane)
    }

    /// The end of the first window that contains a pane; `None` if the pane lies between windows.
    pub(super) fn first_end(self, pane: i64) -> Option<i64> {
        let behind = pane.saturating_add(self.pane).saturating_sub(self.size);
        let start = floor(behind.saturating_add(self.slide - 1), self.slide);
        (start <= floor(pane, self.slide)).then(|| start.saturating_add(self.size))
    }

    /// The end of the last window that contains a pane.
    pub(super) fn last_end(self, pane: i64) -> i64 {
        floor(pane, self.slide).saturating_add(self.size)
    }

    /// The end of the first window above `after` that contains a pane.
    pub(super) fn next_end(self, pane: i64, after: i64) -> Option<i64> {
        let first = self.first_end(pane)?;
        let next = if first > after { first } else { self.next_start(after).saturating_add(self.size) };
        (next <= self.last_end(pane)).then_some(next)
    }

    /// The start of the first window that ends above a time, which is also the first pane still needed.
    pub(super) fn next_start(self, after: i64) -> i64 {
        floor(after.saturating_sub(self.size), self.slide).saturating_add(self.slide)
    }
}

fn floor(time: i64, step: i64) -> i64 {
    time.saturating_sub(time.rem_euclid(step))
}

pub(super) fn greatest_common_divisor(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}
