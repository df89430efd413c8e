//! Where each row of a batch stands.

/// The lines (of messages: the numbers) that the rows of a batch stand in. Mostly one comes after the other: only where it does not is anything kept.
#[derive(Default)]
pub(crate) struct RowLines {
    /// Rows and their lines where a run begins.
    runs: Vec<(usize, u64)>,
    /// The line of the next row, if it goes on so.
    next: u64,
}

impl RowLines {
    #[inline]
    pub(crate) fn add(&mut self, row: usize, line: u64) {
        if line != self.next || row == 0 {
            self.runs.push((row, line));
        }
        self.next = line + 1;
    }

    pub(crate) fn clear(&mut self) {
        self.runs.clear();
    }

    pub(crate) fn of(&self, row: usize) -> u64 {
        let run = self.runs.partition_point(|(first, _)| *first <= row);
        run.checked_sub(1).map_or(0, |run| self.runs[run].1 + (row - self.runs[run].0) as u64)
    }
}
