//! `cargo xtask cost`: what the stack of `template.yaml` costs a month, line by line: the floor, and what events add to it.

mod components;
mod prices;
mod stack;
#[cfg(test)]
mod tests;

use std::fmt::Write;

use anyhow::Result;

use self::components::Line;
use self::prices::{Dollars, Prices};
use self::stack::Stack;
use crate::machine::root;
use crate::template::Node;

/// Events a month if nothing is said: a company with some forty deals and invoices a working day.
pub(crate) const USUAL_EVENTS: u64 = 10_000;

/// What is asked for.
#[derive(Debug, PartialEq)]
pub(crate) struct Question {
    pub(crate) events_per_month: u64,
    /// Values of the template's parameters that are not the defaults.
    pub(crate) parameters: Vec<(String, String)>,
}

pub(crate) fn run(question: &Question) -> Result<()> {
    let mut stack = Stack::of(Node::read(&root().join("template.yaml"))?);
    // Which image does not matter, but that there is one: the first deployment has none, and no worker.
    stack.set("WorkerImage", "any")?;
    for (name, value) in &question.parameters {
        stack.set(name, value)?;
    }
    let prices = Prices::read(&root().join("infra/prices.yaml"))?;
    let bill = Bill::of(&stack, &prices, question.events_per_month.into())?;
    print!("{}", bill.table(&prices, question.events_per_month));
    Ok(())
}

/// Lines with their prices.
struct Bill(Vec<(Line, Dollars)>);

impl Bill {
    fn of(stack: &Stack, prices: &Prices, events: u128) -> Result<Self> {
        let mut lines = components::lines(&stack.resources()?, events)?;
        // What is free is used up by the floor first.
        lines.sort_by_key(|line| line.varies);
        let mut bill = prices.bill();
        let mut priced = Vec::with_capacity(lines.len());
        for line in lines {
            let dollars = bill.add(&line.price, line.quantity)?;
            priced.push((line, dollars));
        }
        // The dearest component first, its lines together.
        let total = |component: &str| -> Dollars {
            priced.iter().filter(|(line, _)| line.component == component).map(|(_, dollars)| *dollars).sum()
        };
        let totals: Vec<Dollars> = priced.iter().map(|(line, _)| total(line.component)).collect();
        let mut order: Vec<_> = totals.into_iter().zip(priced).collect();
        order.sort_by_key(|(total, (line, _))| (std::cmp::Reverse(*total), line.component, line.varies));
        Ok(Self(order.into_iter().map(|(_, line)| line).collect()))
    }

    /// Whole cents of all lines, each rounded up as it is shown: the floor, and what the events add.
    fn totals(&self) -> [u128; 2] {
        [false, true].map(|varies| {
            self.0.iter().filter(|(line, _)| line.varies == varies).map(|(_, dollars)| dollars.cents()).sum()
        })
    }

    fn table(&self, prices: &Prices, events: u64) -> String {
        let mut text = format!("A month in {}, in dollars at list prices of {}\n\n", prices.region, prices.dated);
        let head = format!("{events} events");
        let mut row = |component: &str, what: &str, floor: &str, varies: &str| {
            let line = format!("{component:<14}{what:<46}{floor:>9}{varies:>16}");
            writeln!(text, "{}", line.trim_end()).expect("a String takes all text");
        };
        row("", "", "floor", &head);
        let mut before = "";
        for (line, dollars) in &self.0 {
            let component = if line.component == before { "" } else { line.component };
            before = line.component;
            let amount = spoken(dollars.cents());
            let (floor, varies) = if line.varies { ("", amount.as_str()) } else { (amount.as_str(), "") };
            row(component, &line.what, floor, varies);
        }
        let [floor, varies] = self.totals();
        row("", "", "-----", "-----");
        row("Together", &spoken(floor + varies), &spoken(floor), &spoken(varies));
        text
    }
}

fn spoken(cents: u128) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}
