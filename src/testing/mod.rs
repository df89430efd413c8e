//! `TEST` statements: compares what a pattern finds in a few rows with what it should find.
//!
//! A test runs as a small job: the statements that its pattern needs, with the rows of the test in place of the sources, and
//! sinks in memory. So it goes through the planner and the engine like the job itself, including graphs and models. Shortened
//! patterns run with it, to tell which steps the rows reach: see [`Coverage`].

mod coverage;
mod expect;
mod rows;
mod slice;
mod value;

pub use coverage::{Coverage, Reached};
pub use expect::{Difference, Finding};

use crate::memory::MemorySink;
use crate::planner::{self, Given};
use crate::{Program, ProgramErrors};
use coverage::Probes;
use egret_connectors::Registry;
use egret_core::Sink;
use egret_dsl::{CreatePattern, Diagnostic, Program as Parsed, Statement, Test, parse, suggest};
use egret_engine::{JobReport, RunConfig, run};
use slice::Slice;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The sink for the matches of a test, and the one for its timeouts.
const SINKS: [&str; 2] = ["test matches", "test timeouts"];

/// The results of a program's tests.
#[derive(Clone, Debug)]
pub struct TestReport {
    /// Each test that was run, in the order of the text.
    pub tests: Vec<TestOutcome>,
    /// How far the rows of the tests get in each pattern of the program, whether it has a test or not.
    pub coverage: Vec<Coverage>,
    /// The errors of tests that could not be run.
    pub refused: Option<ProgramErrors>,
}

impl TestReport {
    /// How many tests failed.
    pub fn failed(&self) -> usize {
        self.tests.iter().filter(|test| !test.passed()).count()
    }
}

/// The result of one test.
#[derive(Clone, Debug)]
pub struct TestOutcome {
    /// The test's name.
    pub name: String,
    /// The pattern or stream that it tests.
    pub of: String,
    /// The line it stands at, from one.
    pub line: usize,
    /// The differences from its expectations.
    pub findings: Vec<Finding>,
    /// Notes that may explain them.
    pub notes: Vec<String>,
}

impl TestOutcome {
    /// Whether there are no differences.
    pub fn passed(&self) -> bool {
        self.findings.is_empty()
    }
}

impl Program {
    /// Runs the tests of the program whose name, or whose pattern's name, contains `filter`.
    ///
    /// ```
    /// let program = egret::Program::new("inline", "
    ///     CREATE STREAM t (card BIGINT, amount DOUBLE, at TIMESTAMP, WATERMARK FOR at AS at) WITH (connector = 'stdin');
    ///     CREATE PATTERN jump ON t PARTITION BY card MATCH small -> big
    ///       DEFINE small AS amount < 10, big AS amount > 100 * small.amount
    ///       WITHIN INTERVAL '1' MINUTE SELECT card, big.amount AS amount;
    ///     TEST 'one small, one big' FOR jump
    ///       GIVEN (card, amount, at) (7, 2.0, START), (7, 300.0, + 10 SECOND)
    ///       EXPECT MATCH (amount = 300.0);
    /// ");
    /// assert_eq!(program.test("")?.failed(), 0);
    /// # Ok::<(), egret::ProgramErrors>(())
    /// ```
    ///
    /// # Errors
    /// The program does not parse, or no test can be run; each error has its place in the text. If only some of several tests
    /// cannot be run, the report has their errors.
    pub fn test(&self, filter: &str) -> Result<TestReport, ProgramErrors> {
        self.each_test(filter, true)
    }

    /// Checks the tests of the program without running them.
    ///
    /// # Errors
    /// As [`Program::test`].
    pub fn check_tests(&self) -> Result<(), ProgramErrors> {
        self.each_test("", false).map(drop)
    }

    fn each_test(&self, filter: &str, runs: bool) -> Result<TestReport, ProgramErrors> {
        let (program, mut wrong) = parse(self.text());
        wrong.retain(Diagnostic::is_error);
        if !wrong.is_empty() {
            return Err(self.errors(wrong));
        }
        let mut coverage = Coverage::of_patterns(&program);
        let mut tests = Vec::new();
        for (index, statement) in program.statements.iter().enumerate() {
            let Statement::Test(test) = statement else { continue };
            if !test.name.text.contains(filter) && !test.of.text.contains(filter) {
                continue;
            }
            let job = TestJob::new(&program, index, test, self.registry());
            match job.and_then(|job| if runs { job.run(&mut coverage).map(Some) } else { job.check().map(|()| None) }) {
                Ok(outcome) => tests.extend(outcome),
                Err(more) => wrong.extend(more.into_iter().filter(Diagnostic::is_error)),
            }
        }
        let mut once: Vec<Diagnostic> = Vec::new();
        wrong.into_iter().for_each(|fault| {
            if !once.contains(&fault) {
                once.push(fault);
            }
        });
        // The errors of one test do not concern the others.
        match once.is_empty() {
            true => Ok(TestReport { tests, coverage, refused: None }),
            false if tests.is_empty() => Err(self.errors(once)),
            false => Ok(TestReport { tests, coverage, refused: Some(self.errors(once)) }),
        }
    }
}

/// A test and the job that it runs as.
struct TestJob<'a> {
    whole: &'a Parsed,
    test: &'a Test,
    registry: &'a Registry,
    slice: Slice,
    given: rows::GivenRows,
    /// The pattern that is tested, if it is one.
    pattern: Option<&'a CreatePattern>,
}

impl<'a> TestJob<'a> {
    /// The job of the test that is statement `index` of the program.
    fn new(whole: &'a Parsed, index: usize, test: &'a Test, registry: &'a Registry) -> Result<Self, Vec<Diagnostic>> {
        let above = &whole.statements[..index];
        let Some(target) = slice::defined(above, &test.of.text) else {
            return Err(vec![unknown_target(above, test)]);
        };
        let slice = Slice::new(above, &test.of.text, whole.source.text());
        let given = rows::given(whole, &slice, target, test, registry)?;
        let pattern = match target {
            Statement::CreatePattern(pattern) => Some(pattern),
            _ => None,
        };
        refuse_what_cannot_be_tested(test, pattern, &given)?;
        Ok(Self { whole, test, registry, slice, given, pattern })
    }

    fn check(self) -> Result<(), Vec<Diagnostic>> {
        let planned = Given { sources: self.given.as_sources(), ..Given::default() };
        match planner::schema_of(&self.test.of.text, &self.slice.program(self.whole), self.registry, &planned)? {
            Some(matches) => expect::check(self.test, &matches, self.given.clock),
            None => Ok(()),
        }
    }

    fn run(mut self, coverage: &mut [Coverage]) -> Result<TestOutcome, Vec<Diagnostic>> {
        let Test { name, of, span, .. } = self.test;
        self.slice.write(&of.text, None, SINKS[0]);
        if self.pattern.is_some() {
            self.slice.write(&of.text, Some("timed_out"), SINKS[1]);
        }
        let probes = self.pattern.map(Probes::of);
        probes.iter().for_each(|probes| probes.add_to(&mut self.slice));
        let sinks: BTreeMap<String, MemorySink> = self.slice.sinks().map(|name| (name.to_owned(), MemorySink::new())).collect();
        let as_sink = |(name, sink): (&String, &MemorySink)| (name.clone(), Arc::new(sink.clone()) as Arc<dyn Sink>);
        let planned =
            Given { sources: self.given.as_sources(), sinks: sinks.iter().map(as_sink).collect(), row_patterns_only: false };
        let plan = planner::plan(&self.slice.program(self.whole), self.registry, &planned)?;
        let line = self.whole.source.line_column(span.start).0;
        let outcome = |findings, notes| TestOutcome { name: name.text.clone(), of: of.text.clone(), line, findings, notes };
        let report = match run(&plan.job, &RunConfig::with_workers(1)) {
            Ok(report) => report,
            Err(error) => return Ok(outcome(vec![Finding::Failed(error.to_string())], Vec::new())),
        };
        if let Some(probes) = &probes {
            coverage.iter_mut().filter(|one| one.pattern == of.text).for_each(|one| probes.report(&sinks, one));
        }
        let found = expect::Found { matches: sinks.get(SINKS[0]), timeouts: sinks.get(SINKS[1]), clock: self.given.clock };
        let findings = expect::compare(self.whole, self.test, &found)?;
        Ok(outcome(findings, late_rows(&report)))
    }
}

/// A note about rows that came too late for the pattern.
fn late_rows(report: &JobReport) -> Vec<String> {
    match report.nodes.iter().map(|node| node.late).max().unwrap_or(0) {
        0 => Vec::new(),
        1 => vec!["1 row came too late to be looked at: it is behind the watermark".to_owned()],
        late => vec![format!("{late} rows came too late to be looked at: they are behind the watermark")],
    }
}

fn unknown_target(above: &[Statement], test: &Test) -> Diagnostic {
    let names = above.iter().filter(|statement| slice::is_definition(statement)).map(|statement| statement.name().text.as_str());
    Diagnostic::error(format!("there is no pattern `{}`", test.of))
        .label(test.of.span, "not defined above")
        .suggestion(suggest(&test.of.text, names))
}

/// Refuses expectations that the test's pattern cannot satisfy.
fn refuse_what_cannot_be_tested(
    test: &Test,
    pattern: Option<&CreatePattern>,
    given: &rows::GivenRows,
) -> Result<(), Vec<Diagnostic>> {
    use egret_dsl::ExpectKind;
    let timeouts = |kind: &ExpectKind| matches!(kind, ExpectKind::Timeout(_) | ExpectKind::NoTimeout);
    let mut wrong = Vec::new();
    if let Some(expect) = test.expects.iter().find(|expect| timeouts(&expect.kind) && pattern.is_none_or(|p| p.within.is_none()))
    {
        wrong.push(
            Diagnostic::error(format!("`{}` has no timeouts", test.of))
                .label(expect.span, "nothing times out")
                .help("partial matches time out in a pattern (CREATE PATTERN) with WITHIN"),
        );
    }
    if let Some(within) = pattern.and_then(|pattern| pattern.within).filter(|_| !given.has_event_time) {
        wrong.push(
            Diagnostic::error("the rows of this test have no event time")
                .label(test.of.span, "this pattern has a window, which is measured by the clock")
                .label(within.span, "the window")
                .help("give the stream a watermark: WATERMARK FOR at AS at"),
        );
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}
