//! A TOML table that is read key by key. What is wrong is gathered with its place in the file, and reading goes on.

use jiff::civil::{Date, Time};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::super::nearest::nearest;

/// What is wrong with a file.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// Each with the byte of the file that it is about.
    pub(super) found: Vec<(usize, String)>,
    /// True if the file is no TOML, so that what is missing may stand in the part that cannot be read.
    pub(super) is_torn: bool,
}

impl Faults {
    pub(super) fn add(&mut self, at: usize, what: impl Into<String>) {
        self.found.push((at, what.into()));
    }

    /// Something is not there.
    pub(super) fn missing(&mut self, at: usize, what: impl Into<String>) {
        if !self.is_torn {
            self.add(at, what);
        }
    }
}

/// A value with its place in the file and the key that it is under.
#[derive(Debug, Clone)]
pub(super) struct Found<T> {
    pub(super) value: T,
    pub(super) at: usize,
    pub(super) key: String,
}

impl<T> Found<T> {
    /// What is made of the value, or what is wrong with it.
    pub(super) fn read<U>(&self, faults: &mut Faults, parse: impl FnOnce(&T) -> Result<U, String>) -> Option<U> {
        match parse(&self.value) {
            Ok(value) => Some(value),
            Err(what) => {
                faults.add(self.at, format!("{}: {what}", self.key));
                None
            }
        }
    }
}

/// A table, and the name that the messages have for it.
pub(super) struct Table<'t> {
    entries: &'t DeTable<'t>,
    pub(super) path: String,
    /// Where it begins.
    pub(super) at: usize,
}

impl<'t> Table<'t> {
    /// The whole file.
    pub(super) fn root(entries: &'t DeTable<'t>) -> Self {
        Self { entries, path: String::new(), at: 0 }
    }

    /// A key of this table as the messages name it.
    pub(super) fn key(&self, name: &str) -> String {
        let is_bare = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        let name = if is_bare { name.to_owned() } else { shortened(name) };
        if self.path.is_empty() { name } else { format!("{}.{name}", self.path) }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    fn value(&self, name: &str) -> Option<Found<&'t DeValue<'t>>> {
        let (_, value) = self.entries.iter().find(|(key, _)| key.get_ref() == name)?;
        Some(self.found(name, value))
    }

    fn found(&self, name: &str, value: &'t Spanned<DeValue<'t>>) -> Found<&'t DeValue<'t>> {
        Found { value: value.get_ref(), at: value.span().start, key: self.key(name) }
    }

    /// Tells of each key that is none of these.
    pub(super) fn only(&self, known: &[&str], faults: &mut Faults) {
        for key in self.entries.keys().filter(|key| !known.contains(&key.get_ref().as_ref())) {
            let name = key.get_ref();
            let what = match nearest(name, known.iter().copied()) {
                Some(meant) => format!("there is no such key; did you mean {meant}?"),
                None => format!("there is no such key; the keys here are {}", known.join(", ")),
            };
            faults.add(key.span().start, format!("{}: {what}", self.key(name)));
        }
    }

    /// A key that should not be there, or not so.
    pub(super) fn refuse(&self, name: &str, what: &str, faults: &mut Faults) {
        faults.add(self.at_key(name), format!("{}: {what}", self.key(name)));
    }

    /// A text.
    pub(super) fn text(&self, name: &str, example: &str, faults: &mut Faults) -> Option<Found<&'t str>> {
        let found = self.value(name)?;
        let text = found.read(faults, |value| text(value).ok_or_else(|| mistyped(value, &format!("{example:?}"))));
        Some(Found { value: text?, at: found.at, key: found.key })
    }

    /// A text, or a list of them, without those that are wrong: none is empty and none comes twice.
    pub(super) fn texts(&self, name: &str, example: &str, faults: &mut Faults) -> Option<Vec<Found<&'t str>>> {
        let found = self.value(name)?;
        let members: Vec<Found<&DeValue<'_>>> = match found.value {
            DeValue::Array(members) => members.iter().map(|member| self.found(name, member)).collect(),
            _ => vec![found.clone()],
        };
        if members.is_empty() {
            faults.add(found.at, format!("{}: is empty; write [{example:?}], or leave the key out", found.key));
            return None;
        }
        let mut texts: Vec<Found<&str>> = Vec::new();
        for member in members {
            let known =
                |text: &str| texts.iter().any(|it| it.value.trim().to_lowercase() == text.trim().to_lowercase());
            let text = member.read(faults, |value| match text(value) {
                None => Err(mistyped(value, &format!("{example:?}"))),
                Some(text) if text.trim().is_empty() => Err(format!("names nothing; write {example:?}")),
                Some(text) if known(text) => Err(format!("{} comes twice; once is enough", shortened(text))),
                Some(text) => Ok(text),
            });
            if let Some(value) = text {
                texts.push(Found { value, at: member.at, key: member.key });
            }
        }
        Some(texts)
    }

    /// One of some words.
    pub(super) fn word<T: Copy>(&self, name: &str, known: &[(T, &str)], faults: &mut Faults) -> Option<T> {
        let found = self.text(name, known.first()?.1, faults)?;
        found.read(faults, |word| one_of(word, known))
    }

    /// Some of some words, or one of them. Nothing where one is wrong, lest the others are taken for all.
    pub(super) fn words<T: Copy>(&self, name: &str, known: &[(T, &str)], faults: &mut Faults) -> Option<Vec<Found<T>>> {
        let faults_before = faults.found.len();
        let texts = self.texts(name, known.first()?.1, faults)?;
        let read = |text: Found<&str>, faults: &mut Faults| {
            let value = text.read(faults, |word| one_of(word, known))?;
            Some(Found { value, at: text.at, key: text.key })
        };
        let words = texts.into_iter().filter_map(|text| read(text, faults)).collect();
        (faults.found.len() == faults_before).then_some(words)
    }

    /// Yes or no.
    pub(super) fn flag(&self, name: &str, faults: &mut Faults) -> Option<bool> {
        self.value(name)?.read(faults, |value| match value {
            DeValue::Boolean(flag) => Ok(*flag),
            other => Err(mistyped(other, "true or false")),
        })
    }

    /// A time of day, to the minute.
    pub(super) fn time(&self, name: &str, faults: &mut Faults) -> Option<Time> {
        self.value(name)?.read(faults, |value| {
            let (hour, minute) = match value {
                DeValue::String(text) => text.split_once(':').and_then(|(hour, minute)| {
                    let number = |digits: &str| digits.parse().ok().filter(|_| digits.len() == 2);
                    Some((number(hour)?, number(minute)?))
                }),
                DeValue::Datetime(it) if it.date.is_none() && it.offset.is_none() => {
                    let to_the_minute = it.time.filter(|time| (time.second, time.nanosecond) <= (Some(0), Some(0)));
                    to_the_minute.map(|time| (time.hour, time.minute))
                }
                other => return Err(mistyped(other, "a time of day such as \"07:30\"")),
            }
            .unzip();
            let part = |part: Option<u8>| part.and_then(|part| i8::try_from(part).ok());
            let time = part(hour).zip(part(minute)).and_then(|(hour, minute)| Time::new(hour, minute, 0, 0).ok());
            time.ok_or_else(|| format!("{} is no time of day to the minute; write one such as \"07:30\"", shown(value)))
        })
    }

    /// A day.
    pub(super) fn date(&self, name: &str, faults: &mut Faults) -> Option<Date> {
        self.value(name)?.read(faults, |value| {
            let date = match value {
                DeValue::String(text) if text.len() == 10 => text.parse().ok(),
                DeValue::String(_) => None,
                DeValue::Datetime(it) if it.time.is_none() && it.offset.is_none() => {
                    it.date.and_then(|date| date.to_string().parse().ok())
                }
                other => return Err(mistyped(other, "a day such as 2026-12-31")),
            };
            date.ok_or_else(|| format!("{} is no day; write one such as 2026-12-31", shown(value)))
        })
    }

    /// A table in this one.
    pub(super) fn table(&self, name: &str, faults: &mut Faults) -> Option<Table<'t>> {
        let found = self.value(name)?;
        let entries = found.read(faults, |&value| match value {
            DeValue::Table(entries) => Ok(entries),
            other => Err(mistyped(other, &format!("a table, [{}]", found.key))),
        });
        Some(Table { entries: entries?, path: found.key, at: self.at_key(name) })
    }

    /// The tables in this one, by their names.
    pub(super) fn tables(&self, faults: &mut Faults) -> Vec<(&'t str, Table<'t>)> {
        let names = self.entries.keys().map(|key| key.get_ref().as_ref());
        names.filter_map(|name| Some((name, self.table(name, faults)?))).collect()
    }

    /// The names in this table.
    pub(super) fn names(&self) -> impl Iterator<Item = &'t str> {
        self.entries.keys().map(|key| key.get_ref().as_ref())
    }

    /// Where a key stands.
    pub(super) fn at_key(&self, name: &str) -> usize {
        self.entries.keys().find(|key| key.get_ref() == name).map_or(self.at, |key| key.span().start)
    }
}

fn one_of<T: Copy>(word: &str, known: &[(T, &str)]) -> Result<T, String> {
    if let Some((value, _)) = known.iter().find(|(_, it)| *it == word) {
        return Ok(*value);
    }
    let all = || known.iter().map(|(_, word)| *word);
    let list = all().collect::<Vec<_>>().join(", ");
    Err(match nearest(word, all()) {
        Some(meant) => format!("{} is not known; did you mean {meant:?}? There are {list}", shortened(word)),
        None => format!("{} is not known; there are {list}", shortened(word)),
    })
}

fn text<'t>(value: &'t DeValue<'_>) -> Option<&'t str> {
    if let DeValue::String(text) = value { Some(text) } else { None }
}

fn mistyped(value: &DeValue<'_>, wanted: &str) -> String {
    let is = match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a decimal number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or a time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    format!("is {is}; write {wanted}")
}

fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => shortened(text),
        DeValue::Datetime(moment) => moment.to_string(),
        _ => "this".to_owned(),
    }
}

/// What somebody wrote, quoted, as much of it as a message has room for.
pub(super) fn shortened(text: &str) -> String {
    match text.char_indices().nth(60) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}…", &text[..end]),
    }
}
