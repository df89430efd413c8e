//! Small programs, and random changes of them.

use super::super::support::Txn;
use egret_testkit::Random;

#[derive(Clone)]
pub(super) struct Program {
    pub(super) statements: Vec<Statement>,
    /// How many statements there have been: names are not reused.
    named: usize,
    /// How the text is formatted; 0 is plain.
    style: u64,
}

#[derive(Clone)]
pub(super) struct Statement {
    pub(super) name: String,
    uid: Option<String>,
    pub(super) what: What,
}

#[derive(Clone)]
pub(super) enum What {
    Filter(Condition),
    Window(Window),
    Pattern(Pattern),
}

#[derive(Clone)]
pub(super) struct Window {
    pub(super) key: &'static str,
    pub(super) seconds: i64,
    /// `count(*)`, `sum(id)` or `min(id)`; the greatest id is selected as well.
    pub(super) function: &'static str,
    pub(super) rows: Condition,
    /// The least value of the function that is written.
    pub(super) least: i64,
}

#[derive(Clone)]
pub(super) struct Pattern {
    pub(super) key: &'static str,
    pub(super) steps: Vec<Step>,
    pub(super) within: Option<i64>,
    /// Whether a match removes partial matches that began before its end.
    pub(super) skips: bool,
}

#[derive(Clone)]
pub(super) struct Step {
    name: String,
    pub(super) condition: Condition,
    /// Whether the amount must exceed that of the previous step.
    pub(super) rises: bool,
    /// A condition on events that must not come before it.
    pub(super) unless: Option<Condition>,
}

/// The range of the amount: from the first number to below the second.
#[derive(Clone, Copy)]
pub(super) struct Condition {
    least: i64,
    below: i64,
}

impl Condition {
    fn random(random: &mut Random) -> Self {
        let least = random.between(-40, 80);
        Self { least, below: least + random.between(20, 100) }
    }

    pub(super) fn holds(self, row: &Txn) -> bool {
        row.2 >= self.least as f64 && row.2 < self.below as f64
    }

    fn text(self) -> String {
        format!("amount >= {} AND amount < {}", self.least, self.below)
    }
}

impl Statement {
    pub(super) fn uid(&self) -> &str {
        self.uid.as_deref().unwrap_or(&self.name)
    }

    /// The refusal's words for the loss of its state; `None` if it has none.
    fn gone(&self) -> Option<String> {
        let name = match &self.what {
            What::Filter(_) => return None,
            What::Window(_) => format!("{}: window", self.uid()),
            What::Pattern(_) => format!("pattern {}", self.uid()),
        };
        Some(format!("'{name}' is not in the job any more"))
    }

    fn text(&self) -> String {
        let name = &self.name;
        let uid = self.uid.as_ref().map(|uid| format!(" WITH (uid = '{uid}')")).unwrap_or_default();
        let insert = format!("INSERT INTO out SELECT '{name}' AS name, a, b FROM {name}");
        match &self.what {
            What::Filter(rows) => {
                format!("INSERT INTO out SELECT '{name}' AS name, id AS a, card AS b FROM txn WHERE {}", rows.text())
            }
            What::Window(Window { key, seconds, function, rows, least }) => format!(
                "CREATE STREAM {name}{uid} AS SELECT {key}, window_start, {function} AS a, max(id) AS b
                   FROM TUMBLE(txn, INTERVAL '{seconds}' SECOND) WHERE {} GROUP BY {key}, window_start HAVING {function} >= {least};
                 {insert}",
                rows.text()
            ),
            What::Pattern(pattern) => format!("CREATE PATTERN {name} ON txn {}{uid};\n{insert}", pattern.text()),
        }
    }
}

impl Pattern {
    fn random(random: &mut Random) -> Self {
        let step = |number: usize, random: &mut Random| Step {
            name: format!("s{number}"),
            condition: Condition::random(random),
            rises: number > 0 && random.chance(30),
            unless: (number > 0 && random.chance(25)).then(|| Condition::random(random)),
        };
        Self {
            key: random_key(random),
            steps: (0..2 + random.below(2)).map(|number| step(number, random)).collect(),
            within: random.chance(70).then(|| random.between(5, 80)),
            skips: random.chance(40),
        }
    }

    /// Whether it can use a row.
    pub(super) fn can_use(&self, row: &Txn) -> bool {
        let unless = |step: &Step| step.unless.is_some_and(|unless| unless.holds(row));
        self.steps.iter().any(|step| step.condition.holds(row) || unless(step))
    }

    fn text(&self) -> String {
        let (mut steps, mut defines, mut shown) = (Vec::new(), Vec::new(), Vec::new());
        for (number, step) in self.steps.iter().enumerate() {
            if let Some(unless) = step.unless {
                steps.push(format!("!n{number}"));
                defines.push(format!("n{number} AS {}", unless.text()));
            }
            let rises = match number.checked_sub(1) {
                Some(before) if step.rises => format!(" AND amount > {}.amount", self.steps[before].name),
                _ => String::new(),
            };
            steps.push(step.name.clone());
            defines.push(format!("{} AS {}{rises}", step.name, step.condition.text()));
            shown.push(format!("{}.amount AS m{number}", step.name));
        }
        let within = self.within.map(|seconds| format!(" WITHIN INTERVAL '{seconds}' SECOND")).unwrap_or_default();
        let skip = if self.skips { " AFTER MATCH SKIP PAST LAST EVENT" } else { "" };
        let (first, last) = (&self.steps[0].name, &self.steps[self.steps.len() - 1].name);
        format!(
            "PARTITION BY {} MATCH {} DEFINE {}{within}{skip} SELECT {first}.id AS a, {last}.id AS b, {}",
            self.key,
            steps.join(" -> "),
            defines.join(", "),
            shown.join(", ")
        )
    }
}

impl Program {
    pub(super) fn random(random: &mut Random) -> Self {
        // The sink always has a statement that writes to it.
        let filter = Statement { name: "f".into(), uid: None, what: What::Filter(Condition::random(random)) };
        let mut program = Self { statements: vec![filter], named: 0, style: 0 };
        (0..1 + random.below(4)).for_each(|_| program.add(random));
        program
    }

    fn add(&mut self, random: &mut Random) {
        self.named += 1;
        let what = match random.below(10) {
            0 => What::Filter(Condition::random(random)),
            1..4 => What::Window(Window {
                key: random_key(random),
                seconds: random.between(5, 60),
                function: ["count(*)", "sum(id)", "min(id)"][random.below(3)],
                rows: Condition::random(random),
                least: random.between(0, 3),
            }),
            _ => What::Pattern(Pattern::random(random)),
        };
        let kind = match what {
            What::Filter(_) => "f",
            What::Window(_) => "w",
            What::Pattern(_) => "p",
        };
        let name = format!("{kind}{}", self.named);
        let uid = random.chance(40).then(|| format!("the_{name}"));
        self.statements.insert(random.below(self.statements.len() + 1), Statement { name, uid, what });
    }

    /// The same program, formatted differently.
    pub(super) fn restyled(&self, random: &mut Random) -> Self {
        Self { style: random.next(), ..self.clone() }
    }

    /// Makes a change; if it must be refused, returns what the refusal is about.
    pub(super) fn change(&mut self, may_drop: bool, random: &mut Random) -> Option<String> {
        for statement in &mut self.statements {
            if random.chance(60) {
                statement.what.allowed(random);
            }
            if statement.uid.is_some() && random.chance(30) {
                statement.name = format!("{}x", statement.name);
            }
        }
        if random.chance(30) {
            random.shuffle(&mut self.statements);
        }
        if random.chance(30) {
            self.add(random);
        }
        let gone = if random.chance(25) { self.remove(random) } else { None };
        // State that may be dropped may also start anew under another name.
        let renamed = if random.chance(15) { self.rename(random) } else { None };
        let other = if random.chance(20) { self.forbidden(random) } else { None };
        let dropped = gone.or(renamed).filter(|_| !may_drop);
        other.or(dropped)
    }

    fn remove(&mut self, random: &mut Random) -> Option<String> {
        let number = random.below(self.statements.len());
        if self.statements[number].name == "f" || self.is_new(number) {
            return None;
        }
        self.statements.remove(number).gone()
    }

    fn rename(&mut self, random: &mut Random) -> Option<String> {
        let number = random.below(self.statements.len());
        if self.is_new(number) || self.statements[number].uid.is_some() || self.statements[number].name == "f" {
            return None;
        }
        let gone = self.statements[number].gone();
        self.statements[number].name.push('y');
        gone
    }

    /// Whether it was added by the last change.
    fn is_new(&self, number: usize) -> bool {
        self.statements[number].name[1..].parse() == Ok(self.named)
    }

    /// Changes something that state depends on.
    fn forbidden(&mut self, random: &mut Random) -> Option<String> {
        let number = random.below(self.statements.len());
        if self.is_new(number) || self.statements[number].name.ends_with('y') {
            return None;
        }
        let uid = self.statements[number].uid().to_owned();
        match &mut self.statements[number].what {
            What::Filter(_) => None,
            What::Window(window) => Some(format!("'{uid}: window': {}", window.forbidden(random))),
            What::Pattern(pattern) => Some(format!("'pattern {uid}': {}", pattern.forbidden(random))),
        }
    }

    pub(super) fn text(&self) -> String {
        let texts: Vec<String> = self.statements.iter().map(|statement| format!("{};", statement.text())).collect();
        if self.style == 0 { texts.join("\n") } else { styled(&texts.join(" "), &mut Random::new(self.style)) }
    }
}

impl What {
    fn allowed(&mut self, random: &mut Random) {
        match self {
            Self::Filter(rows) => *rows = Condition::random(random),
            Self::Window(window) => {
                window.rows = Condition::random(random);
                window.least = random.between(0, 4);
            }
            Self::Pattern(pattern) => pattern.allowed(random),
        }
    }
}

impl Window {
    fn forbidden(&mut self, random: &mut Random) -> String {
        match random.below(3) {
            0 => {
                self.seconds += random.between(1, 30);
                "windows was".into()
            }
            1 => {
                self.key = other_key(self.key);
                "key was".into()
            }
            _ => {
                self.function = if self.function == "sum(id)" { "max(card)" } else { "sum(id)" };
                format!("aggregate {} was nothing", self.function)
            }
        }
    }
}

impl Pattern {
    fn allowed(&mut self, random: &mut Random) {
        for (number, step) in self.steps.iter_mut().enumerate() {
            if random.chance(60) {
                step.condition = Condition::random(random);
            }
            if number > 0 && random.chance(40) {
                step.rises = !step.rises;
            }
            if let Some(unless) = &mut step.unless {
                *unless = if random.chance(50) { Condition::random(random) } else { *unless };
            }
        }
        if random.chance(50) {
            self.within = random.chance(70).then(|| random.between(5, 80));
        }
        if random.chance(30) {
            self.skips = !self.skips;
        }
    }

    fn forbidden(&mut self, random: &mut Random) -> String {
        let last = self.steps.len() - 1;
        match random.below(4) {
            0 => {
                self.key = other_key(self.key);
                "key was".into()
            }
            1 => {
                self.steps[last].name = "other".into();
                "the sequence of variables was".into()
            }
            2 => {
                let step = Step { name: "more".into(), condition: Condition::random(random), rises: false, unless: None };
                self.steps.insert(random.below(last + 1), step);
                "the sequence of variables was".into()
            }
            _ => {
                let unless = self.steps[last].unless.is_none().then(|| Condition::random(random));
                self.steps[last].unless = unless;
                "how they follow each other was".into()
            }
        }
    }
}

fn random_key(random: &mut Random) -> &'static str {
    ["card", "device"][random.below(2)]
}

fn other_key(key: &str) -> &'static str {
    if key == "card" { "device" } else { "card" }
}

/// The same text in lower case, with comments and white space. Quoted texts have neither blanks nor capitals.
fn styled(text: &str, random: &mut Random) -> String {
    let blanks = [" ", "  ", "\n", "\t ", " /* for now */ ", " -- INSERT; it's 'so'\n "];
    let words = text.split_whitespace().map(|word| if random.chance(60) { word.to_lowercase() } else { word.to_owned() });
    let words: Vec<String> = words.collect();
    words.iter().fold(String::new(), |text, word| text + word + blanks[random.below(blanks.len())])
}
