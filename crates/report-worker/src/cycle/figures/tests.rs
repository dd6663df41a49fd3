use jiff::ToSpan;
use proptest::prelude::*;

use super::*;
use crate::domain::entries::Entry;
use crate::domain::ledger::{Ledger, Word};
use crate::domain::money::Amount;
use crate::domain::period::Cadence;
use crate::domain::time::BusinessDate;
use crate::report::{Filter, Schedule, Trigger};
use crate::store::{Due, NewPeriod, Outcome, Store, StoredRecord};

const FIRST_DAY: Date = Date::constant(2026, 1, 5);

/// So many weeks are told while things happen; then two more, in which nothing does.
const WEEKS: i64 = 6;

/// A record with other lines: the day, the amount, and whether its owner is the one whose records the report shows.
type Settled = (i64, Vec<(i64, i64)>, bool);

#[derive(Debug, Clone)]
enum Step {
    Settle(Settled),
    Report {
        /// What is settled after the period is announced and before the figures are read.
        announced: Vec<Settled>,
        /// What is settled after they are read and before the report is stored.
        read: Vec<Settled>,
        /// The worker dies before it is stored; another one does it again.
        dies: bool,
    },
    Revise {
        week: usize,
        read: Vec<Settled>,
    },
}

fn a_settled() -> impl Strategy<Value = Settled> {
    (0..4_i64, prop::collection::vec((0..WEEKS * 7, 1..1_000_i64), 0..3), prop::bool::weighted(0.8))
}

fn a_step() -> impl Strategy<Value = Step> {
    let few = || prop::collection::vec(a_settled(), 0..3);
    prop_oneof![
        4 => a_settled().prop_map(Step::Settle),
        3 => (few(), few(), any::<bool>()).prop_map(|(announced, read, dies)| Step::Report { announced, read, dies }),
        1 => (0..8_usize, few()).prop_map(|(week, read)| Step::Revise { week, read }),
    ]
}

/// A reader of all reports of a series: what stands told of each record.
#[derive(Debug, Default)]
struct Reader(BTreeMap<RecordKey, Vec<Entry>>);

impl Reader {
    fn takes(&mut self, figures: &PeriodFigures) {
        let is_here = |entry: &Entry| figures.period.contains(entry.date.date);
        for record in &figures.corrections {
            let entries = self.0.entry(record.key).or_default();
            for Correction { was, now, .. } in &record.corrections {
                if let Some(was) = was {
                    let told = entries.iter().position(|entry| entry == was).expect("what is corrected was told");
                    entries.remove(told);
                }
                entries.extend(now.clone());
            }
        }
        if figures.revision > 1 {
            // It has all of the period. What it corrects is what the reader needs to know the same, and nothing else.
            let mut corrected = Self::default();
            for (key, entries) in &mut self.0 {
                let here = entries.extract_if(.., |entry| is_here(entry)).collect();
                corrected.0.insert(*key, here);
            }
            let mut told = Self::default();
            for line in &figures.lines {
                told.0.entry(line.key).or_default().push(line.entry.clone());
            }
            assert_eq!(corrected.knows(), told.knows(), "a revision corrects what was known of its period");
            let is_so = |it: &Correction| difference(it.was.as_slice(), it.now.as_slice()).is_empty();
            let mut corrections = figures.corrections.iter().flat_map(|record| &record.corrections);
            assert!(!corrections.any(is_so), "and what is as it was is no correction");
        }
        for line in &figures.lines {
            self.0.entry(line.key).or_default().push(line.entry.clone());
        }
    }

    /// What stands told, in an order of its own.
    fn knows(&self) -> Vec<(RecordKey, Date, Amount)> {
        let each = |(key, entries): (&RecordKey, &Vec<Entry>)| -> Vec<_> {
            entries.iter().map(|entry| (*key, entry.date.date, entry.amount.clone())).collect()
        };
        let mut all: Vec<_> = self.0.iter().flat_map(each).collect();
        all.sort_by_key(|(key, date, amount)| (*key, *date, amount.text.clone()));
        all
    }
}

struct World {
    store: Store,
    definition: Definition,
    calendar: Calendar,
    reader: Reader,
    minutes: i64,
}

impl World {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(1_767_571_200 + self.minutes * 60).unwrap()
    }

    async fn settle(&mut self, (id, days, is_shown): &Settled) {
        self.minutes += 1;
        let key = RecordKey { portal_id: 7, kind: Kind::Deal, id: *id };
        let owner = Word::from(if *is_shown { "Ada" } else { "Bob" });
        let face = Face {
            name: format!("Deal {id}"),
            company: None,
            owner: Some(owner),
            team: None,
            pipeline: None,
            rate: None,
            due: None,
            properties: vec![],
            unsettled: false,
        };
        let face = Arc::new(face);
        let line = |(n, (day, amount)): (u32, &(i64, i64))| Line {
            key,
            entry: Entry {
                figure: Figure::Won,
                n,
                date: BusinessDate { date: FIRST_DAY.saturating_add(day.days()), stated: true },
                at: self.now(),
                amount: Amount::read(Some(&amount.to_string()), "EUR"),
                billable: true,
            },
            face: face.clone(),
        };
        let ledger = Ledger { lines: (1..).zip(days).map(line).collect(), balances: vec![] };
        let due = Due {
            record: key,
            generation: 1,
            wanted_as_of: None,
            first_read_at: None,
            readings: 0,
            failures: 0,
            next_at: self.now(),
        };
        let stored = StoredRecord { key, state: RecordState::Known, record: None, unsettled: false };
        let outcome = Outcome { due, stored, open_until: None, changes: vec![], payments_follow: false };
        self.store.settle(&[outcome], &[], |_, _| Some(ledger.clone()), self.now()).await.unwrap();
    }

    async fn settle_all(&mut self, all: &[Settled]) {
        for settled in all {
            self.settle(settled).await;
        }
    }

    async fn series(&self) -> Series {
        self.store.series(7, "weekly-1").await.unwrap().unwrap()
    }

    fn view(&self) -> View<'_> {
        View { definition: &self.definition, calendar: &self.calendar, payments_since: None }
    }

    async fn store_period(&self, series: &Series, figures: &PeriodFigures, told: Vec<NowTold>) -> bool {
        let PeriodFigures { period, revision, .. } = figures;
        let new = NewPeriod {
            series: series.clone(),
            report_id: format!("{} {revision}", period.from),
            name: "weekly".to_owned(),
            definition_hash: String::new(),
            days: (period.from, period.to),
            revision: *revision,
            document: String::new(),
            told,
        };
        self.store.store_period(7, &new, None, self.now()).await.unwrap()
    }

    async fn report(&mut self, announced: &[Settled], read: &[Settled], dies: bool) {
        let series = self.series().await;
        let period = Period::containing(Cadence::Weekly, series.built_through, &self.calendar);
        self.store.announce(7, &series.id, period.to).await.unwrap();
        self.settle_all(announced).await;
        let mut snapshot = self.store.snapshot(7).await.unwrap();
        let (figures, told) = self.view().first(&mut snapshot, &series, period).await.unwrap();
        snapshot.end().await.unwrap();
        self.settle_all(read).await;
        if !dies {
            assert!(self.store_period(&series, &figures, told.clone()).await);
            assert!(!self.store_period(&series, &figures, told).await, "a second worker that built the same is late");
            self.reader.takes(&figures);
        }
    }

    async fn revise(&mut self, week: usize, read: &[Settled]) {
        let mut periods = self.store.periods(7, "weekly").await.unwrap();
        periods.dedup_by(|one, before| {
            one.from == before.from && {
                before.revision = one.revision;
                true
            }
        });
        let Some(newest) = periods.get(week) else { return };
        let series = self.series().await;
        let period = Period::containing(Cadence::Weekly, newest.from, &self.calendar);
        let mut snapshot = self.store.snapshot(7).await.unwrap();
        let told = self.view().anew(&mut snapshot, &series, period, newest.revision + 1).await;
        let (figures, told) = told.unwrap();
        snapshot.end().await.unwrap();
        self.settle_all(read).await;
        assert!(self.store_period(&series, &figures, told).await);
        self.reader.takes(&figures);
    }
}

async fn play(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::sqlite(&folder.path().join("books.sqlite")).await.unwrap();
    let schedule = Schedule { cadence: Cadence::Weekly, at: jiff::civil::time(6, 0, 0, 0) };
    let definition = Definition {
        filter: Filter { owners: vec!["Ada".to_owned()], ..Filter::default() },
        ..Definition::new("weekly", Trigger::Schedule(schedule))
    };
    let mut world = World { store, definition, calendar: Calendar::default(), reader: Reader::default(), minutes: 0 };
    // The first week is from before the series: nothing of it is ever told.
    let begin = FIRST_DAY.saturating_add(7.days());
    world.store.begin_series(7, ("weekly-1", "weekly"), begin, world.now()).await.unwrap();
    let mut weeks = 1;
    for step in steps {
        match step {
            Step::Settle(settled) => world.settle(&settled).await,
            Step::Report { announced, read, dies } if weeks < WEEKS => {
                world.report(&announced, &read, dies).await;
                weeks += i64::from(!dies);
            }
            Step::Report { .. } => {}
            Step::Revise { week, read } => world.revise(week, &read).await,
        }
    }
    while weeks < WEEKS + 2 {
        world.report(&[], &[], false).await;
        weeks += 1;
    }
    let mut recomputed = Reader::default();
    let mut snapshot = world.store.snapshot(7).await.unwrap();
    let end = FIRST_DAY.saturating_add((WEEKS * 7).days());
    let mut lines = Vec::new();
    snapshot.lines(begin, end, |line| lines.push(line)).await.unwrap();
    for line in lines.into_iter().filter(|line| world.view().shows(line)) {
        recomputed.0.entry(line.key).or_default().push(line.entry);
    }
    prop_assert_eq!(world.reader.knows(), recomputed.knows());
    let marks = snapshot.marks("weekly-1", Kind::Deal, i64::MIN, 9).await.unwrap();
    prop_assert!(marks.is_empty(), "nothing is left to say: {:?}", marks);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Always: whatever changes and whenever, between two reports or while one is built, the reports as sent and all that
    /// they corrected are what the books say in the end.
    #[test]
    fn as_sent_and_all_corrections_are_as_recomputed(steps in prop::collection::vec(a_step(), 1..25)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(play(steps))?;
    }
}
