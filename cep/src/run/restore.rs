//! Restores state, under a plan that may have other conditions, measures and options than the one that saved it.
//!
//! What happened before the snapshot was judged by the old plan: partial matches keep their place, and complete matches stay
//! complete. What happens later is judged by the new plan: its conditions, its window, its strategy. So partial matches whose
//! window is already over end at once; sets that the new plan cannot keep as sets become single runs; buffered rows get new
//! masks.

use super::count_window::CountWindow;
use super::damaged::damaged;
use super::expire::deadline;
use super::partial::{Held, Run};
use super::saved::{Saved, SavedHeld, SavedKey, SavedRun, VERSION};
use super::sets::{self, KeySets};
use super::slab::NONE;
use super::state::State;
use crate::plan::local::Masks;
use crate::plan::options::Overflow;
use crate::plan::pattern_plan::{Plan, Skip};
use arrow::array::{ArrayRef, BooleanArray, RecordBatch, new_null_array};
use arrow::compute::filter_record_batch;
use arrow::datatypes::Schema;
use egret_core::saved::{column, unfit, unread};
use egret_core::{Error, Result, Snapshot, Uncomputed, ipc};
use std::sync::Arc;

impl State {
    /// Restores the state that earlier instances saved.
    pub(crate) fn restore(&mut self, plan: &Plan, parts: Vec<Snapshot>) -> Result<()> {
        for part in parts {
            for bytes in part.keyed.into_iter().map(|(_, bytes)| bytes).chain(part.first) {
                let saved = decode(plan, &bytes)?;
                for rows in ipc::decode_rows(&saved.waiting)? {
                    let (rows, wrong) = judged(plan, &rows)?;
                    self.wrong.extend(wrong);
                    if let Some(time) = plan.rows.event_time() {
                        self.order.add(rows, time);
                    }
                }
                self.load(plan, saved)?;
            }
        }
        self.deadlines.sort();
        self.kept.output.flush(plan, &mut self.kept.store)?;
        self.kept.store.settle()
    }

    fn load(&mut self, plan: &Plan, saved: Saved) -> Result<()> {
        let events = self.load_events(plan, &saved)?;
        let mut chains: Vec<u32> = Vec::with_capacity(saved.links.len());
        for link in &saved.links {
            let previous = match link.previous {
                NONE => NONE,
                place => *chains.get(place as usize).ok_or_else(|| damaged("a chain"))?,
            };
            let event = *events.get(link.event as usize).ok_or_else(|| damaged("an event"))?;
            chains.push(self.kept.store.extend(previous, event, link.variable));
        }
        self.reached = self.reached.max(saved.reached);
        self.not_before = saved.reached;
        for key in saved.keys {
            if let Some(aside) = key.aside {
                self.load_aside(plan, key.key, aside);
                continue;
            }
            let place = self.load_key(plan, key, &events, &chains)?;
            self.judge(plan, place)?;
            self.kept.output.flush_if_full(plan, &mut self.kept.store)?;
        }
        self.not_before = i64::MIN;
        chains.into_iter().for_each(|chain| self.kept.store.release(chain));
        Ok(())
    }

    fn load_events(&mut self, plan: &Plan, saved: &Saved) -> Result<Vec<u32>> {
        let rows = ipc::decode_rows(&saved.rows)?;
        let events = match rows.as_slice() {
            [] if saved.events.is_empty() => Vec::new(),
            [rows] if rows.num_rows() == saved.events.len() => {
                let columns = (0..plan.stored.len()).map(|place| stored_column(plan, rows, place)).collect::<Result<_>>()?;
                let rows = RecordBatch::try_new(Arc::clone(self.kept.store.schema()), columns)?;
                self.kept.store.load(rows, &saved.events)
            }
            _ => return Err(damaged("the rows of its events")),
        };
        self.number = saved.events.iter().map(|moment| moment.number).fold(self.number, u64::max);
        Ok(events)
    }

    fn load_key(&mut self, plan: &Plan, saved: SavedKey, events: &[u32], chains: &[u32]) -> Result<u32> {
        self.generation += 1;
        let place = self.kept.keys.add(saved.key, self.generation);
        let chain = |place: u32| chains.get(place as usize).copied().ok_or_else(|| damaged("a partial match"));
        let mut runs: Vec<Run> = Vec::with_capacity(saved.runs.len());
        for SavedRun { chain: of, node, open, start, start_time, last_time } in saved.runs {
            runs.push(Run { chain: chain(of)?, node, open, start, start_time, last_time });
            self.kept.store.hold(chain(of)?);
        }
        let mut held: Vec<Held> = Vec::with_capacity(saved.held.len());
        for SavedHeld { chain: of, start, time, moment } in saved.held {
            held.push(Held { chain: chain(of)?, start, time, moment });
            self.kept.store.hold(chain(of)?);
        }
        let sets = saved.sets.map(|sets| sets.load(&mut self.kept.store, plan, events, chains)).transpose()?;
        if let Some(sets) = sets {
            self.number = self.number.max(sets.floor);
            if plan.sets_from < usize::MAX {
                self.load_sets(plan, place, sets);
            } else {
                let key = self.kept.keys.states[place].key.clone();
                sets.into_runs(plan, &mut self.kept.store, &key, (&mut runs, &mut held))?;
                runs.sort_by_key(|run| run.start);
            }
        }
        self.drop_surplus(plan, &mut runs);
        self.load_runs(plan, place, runs)?;
        for held in held {
            self.number = self.number.max(held.moment);
            *self.kept.held.entry(held.time).or_default() += 1;
            self.kept.keys.states[place].held.push(held);
        }
        if let Some((count, starts)) = saved.window {
            // A start counts even if its partial matches are gone: new events must not get its number.
            self.number = starts.iter().fold(self.number, |latest, (start, _)| latest.max(*start));
            if plan.within_events.is_some() {
                self.windows.put(place, CountWindow { count, starts: starts.into() });
            }
        }
        Ok(place)
    }

    fn load_sets(&mut self, plan: &Plan, place: u32, sets: KeySets) {
        for held in &sets.held {
            *self.kept.held.entry(held.time).or_default() += 1;
            self.number = self.number.max(held.moment);
        }
        sets::put_sets(&mut self.kept, plan, place, Box::new(sets));
        sets::add_due(&mut self.kept, place);
    }

    /// Drops the partial matches that are more than a key may have, if the overflow option says so.
    fn drop_surplus(&mut self, plan: &Plan, runs: &mut Vec<Run>) {
        let surplus = runs.len().saturating_sub(plan.options.runs_per_key_max);
        let dropped = match plan.options.overflow {
            // Handled at the next row that changes a partial match of the key.
            Overflow::Fail | Overflow::PutAside => return,
            Overflow::DropOldest => runs.drain(..surplus),
            Overflow::DropNew => runs.drain(runs.len() - surplus..),
        };
        self.dropped += dropped.len() as u64;
        dropped.for_each(|run| self.kept.store.release(run.chain));
    }

    fn load_runs(&mut self, plan: &Plan, place: u32, mut runs: Vec<Run>) -> Result<()> {
        if runs.is_empty() {
            return Ok(());
        }
        for run in &runs {
            let of_node = plan.automaton.nodes.get(run.node as usize).ok_or_else(|| damaged("a partial match"))?;
            let state = &mut self.kept.keys.states[place];
            self.deadlines.add_restored(plan, run, place, state.generation);
            state.interest |= of_node.interest;
            if !of_node.gates.is_empty() {
                // The bound is only computed when a row changes the key's partial matches: until then every row is evaluated.
                state.bound = i32::MIN;
            }
            state.deadline = state.deadline.min(deadline(plan, run));
        }
        self.kept.keys.put_runs(place, &mut runs);
        Ok(())
    }

    /// Applies this plan to a restored key: expires what is over, and sends the matches that are decided.
    fn judge(&mut self, plan: &Plan, place: u32) -> Result<()> {
        if self.kept.keys.states[place].runs.sets().is_some() {
            sets::judge_sets(&mut self.kept, plan, place)?;
            return Ok(());
        }
        if plan.within_events.is_some() {
            self.end_counted(plan, place)?;
        }
        if !self.expire_key(plan, place, self.not_before.saturating_sub(1))? {
            return Ok(());
        }
        if plan.skip == Skip::None {
            for held in self.kept.keys.states[place].held.take() {
                self.kept.release_held(held.time);
                self.kept.output.matched(held.chain, held.time);
            }
        } else {
            self.resolve(plan, place)?;
        }
        self.remove_if_empty(place);
        Ok(())
    }

    /// Ends the partial matches of a key that have had all the events of their window.
    fn end_counted(&mut self, plan: &Plan, place: u32) -> Result<()> {
        let Some(events) = plan.within_events else { return Ok(()) };
        if self.kept.keys.states[place].runs.is_empty() {
            return Ok(());
        }
        if self.windows.get(place).is_none() {
            let what = format!(
                "WITHIN {events} EVENTS is new, and of partial matches that are open it is not known how many events came"
            );
            return Err(unfit(what));
        }
        let mut runs = Vec::new();
        self.kept.keys.take_runs(place, &mut runs);
        let mut window = self.windows.take(Some(place));
        let floor = window.over(events);
        self.end_before(plan, floor, (self.not_before, self.number), &mut runs);
        self.windows.put(place, window);
        self.kept.keys.put_runs(place, &mut runs);
        self.settle_complete(plan, place)
    }
}

fn decode(plan: &Plan, bytes: &[u8]) -> Result<Saved> {
    let Some((&VERSION, rest)) = bytes.split_first() else {
        return Err(Error::job(format!("the state of a pattern has version {:?}, this program reads {VERSION}", bytes.first()))
            .help("restore with the version of Egret that wrote the state"));
    };
    let saved: Saved = postcard::from_bytes(rest).map_err(|_| damaged("an entry"))?;
    if saved.fingerprint != plan.fingerprint() {
        return Err(unfit("the saved state is of a pattern with other steps".into()));
    }
    Ok(saved)
}

/// One stored column of the events taken.
fn stored_column(plan: &Plan, rows: &RecordBatch, place: usize) -> Result<ArrayRef> {
    let of_rows = plan.stored[place];
    let field = plan.rows.arrow().field(of_rows);
    let is_read = plan.shown.is_some() || plan.values.iter().any(|value| value.column == Some(place));
    match column(rows, field, &plan.listed_name(plan.kept[of_rows])) {
        // One column of events has to be stored even if none is read.
        Err(_) if !is_read => unread(field, rows.num_rows()),
        found => found,
    }
}

/// Buffered rows as the prefilter of this plan would have sent them. (Rows that the old prefilter dropped are gone.)
fn judged(plan: &Plan, rows: &RecordBatch) -> Result<(RecordBatch, Vec<Uncomputed>)> {
    let input = plan.input.arrow();
    let is_needed = |index: &usize| plan.kept.contains(index) || plan.judged.contains(index);
    let of_input = |index: usize| match is_needed(&index) {
        true => column(rows, input.field(index), &plan.listed_name(index)),
        false => Ok(new_null_array(input.field(index).data_type(), rows.num_rows())),
    };
    let columns = (0..input.fields().len()).map(of_input).collect::<Result<Vec<ArrayRef>>>()?;
    let nullable = input.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect::<Vec<_>>();
    let whole = RecordBatch::try_new(Arc::new(Schema::new(nullable)), columns)?;
    let (masks, whole, wrong) = Masks::of(&plan.locals, &whole)?;
    let keep = masks.any().filter(|_| plan.drops_rows);
    let given = |&index: &usize| whole.column(index).clone();
    let columns = plan.kept.iter().map(given).chain(masks.into_columns()).chain(plan.judged.iter().map(given)).collect();
    let sent = RecordBatch::try_new(Arc::clone(plan.sent.arrow()), columns)?;
    match keep {
        Some(keep) => Ok((filter_record_batch(&sent, &BooleanArray::new(keep, None))?, wrong)),
        None => Ok((sent, wrong)),
    }
}
