//! The names of classes and the values of categories as numbers, in the order in which they were learned.

use super::config::UNKNOWN;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// The names of classes and the values of categories.
#[derive(Clone, Debug)]
pub(crate) struct Vocabulary {
    classes: Vec<String>,
    categories: Vec<Category>,
    /// How many values of a category there are at most.
    most: usize,
    /// How many classes, and values of each category, were in the deltas so far.
    told: Lengths,
}

#[derive(Clone, Debug, Default)]
struct Category {
    values: Vec<Option<Box<str>>>,
    codes: HashMap<Box<str>, u32>,
    null: Option<u32>,
}

impl Category {
    fn find(&self, value: Option<&str>) -> Option<u32> {
        value.map_or(self.null, |value| self.codes.get(value).copied())
    }

    /// Adds a value, which there is not.
    fn add(&mut self, value: Option<&str>) -> u32 {
        let code = self.values.len() as u32;
        self.values.push(value.map(Box::from));
        match value {
            Some(value) => _ = self.codes.insert(Box::from(value), code),
            None => self.null = Some(code),
        }
        code
    }
}

/// How many classes there are, and how many values of each category.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lengths {
    classes: u32,
    values: Vec<u32>,
}

/// What came to a vocabulary: from where on, the classes, and the values of each category.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VocabularyDelta {
    from: Lengths,
    classes: Vec<String>,
    categories: Vec<Vec<Option<Box<str>>>>,
}

impl Vocabulary {
    /// Nothing, of so many categories with at most so many values each.
    pub(crate) fn new(categories: usize, most: usize) -> Self {
        let told = Lengths { classes: 0, values: vec![0; categories] };
        Self { classes: Vec::new(), categories: vec![Category::default(); categories], most, told }
    }

    pub(crate) fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The number of a class, which is new if it was not there.
    pub(crate) fn class(&mut self, name: &str) -> usize {
        self.classes.iter().position(|known| known == name).unwrap_or_else(|| {
            self.classes.push(name.to_owned());
            self.classes.len() - 1
        })
    }

    /// Writes the codes of a row's categories; those that are not there get one, if there is room.
    pub(crate) fn learn<'a>(&mut self, texts: impl Iterator<Item = Option<&'a str>>, codes: &mut Vec<u32>) {
        codes.clear();
        for (category, text) in self.categories.iter_mut().zip(texts) {
            let code = match category.find(text) {
                Some(code) => code,
                None if category.values.len() >= self.most => UNKNOWN,
                None => category.add(text),
            };
            codes.push(code);
        }
    }

    /// Writes the codes of a row's categories.
    pub(crate) fn read<'a>(&self, texts: impl Iterator<Item = Option<&'a str>>, codes: &mut Vec<u32>) {
        codes.clear();
        let code = |(category, text): (&Category, Option<&str>)| category.find(text).unwrap_or(UNKNOWN);
        codes.extend(self.categories.iter().zip(texts).map(code));
    }

    fn lengths(&self) -> Lengths {
        let values = self.categories.iter().map(|category| category.values.len() as u32).collect();
        Lengths { classes: self.classes.len() as u32, values }
    }

    /// What came since the last delta.
    pub(crate) fn take_delta(&mut self) -> VocabularyDelta {
        let delta = self.delta(self.told.clone());
        self.told = self.lengths();
        delta
    }

    /// Everything, as a delta from nothing.
    pub(crate) fn all(&self) -> VocabularyDelta {
        self.delta(Lengths { classes: 0, values: vec![0; self.categories.len()] })
    }

    fn delta(&self, from: Lengths) -> VocabularyDelta {
        let of_category = |(category, from): (&Category, &u32)| category.values[*from as usize..].to_vec();
        let categories = self.categories.iter().zip(&from.values).map(of_category).collect();
        VocabularyDelta { classes: self.classes[from.classes as usize..].to_vec(), categories, from }
    }

    /// How much was in the deltas so far.
    pub(crate) fn told(&self) -> &Lengths {
        &self.told
    }

    /// Says how much was in the deltas so far; `false` if there is less than that.
    pub(crate) fn restore_told(&mut self, told: Lengths) -> bool {
        let all = self.lengths();
        let fits = told.classes <= all.classes
            && told.values.len() == all.values.len()
            && told.values.iter().zip(&all.values).all(|(told, all)| told <= all);
        self.told = if fits { told } else { all };
        fits
    }

    /// Takes a delta in; `false` if it is not the next one, or says something twice.
    pub(crate) fn apply(&mut self, delta: VocabularyDelta) -> bool {
        if delta.from != self.lengths() || delta.categories.len() != self.categories.len() {
            return false;
        }
        for name in delta.classes {
            if self.classes.contains(&name) {
                return false;
            }
            self.classes.push(name);
        }
        for (category, values) in self.categories.iter_mut().zip(delta.categories) {
            for value in values {
                if category.find(value.as_deref()).is_some() {
                    return false;
                }
                category.add(value.as_deref());
            }
        }
        true
    }

    pub(crate) fn size_bytes(&self) -> usize {
        let text = |text: &Option<Box<str>>| 64 + 2 * text.as_ref().map_or(0, |text| text.len());
        let of_category = |category: &Category| category.values.iter().map(text).sum::<usize>();
        let classes: usize = self.classes.iter().map(|name| 24 + name.len()).sum();
        size_of::<Self>() + classes + self.categories.iter().map(of_category).sum::<usize>()
    }
}
