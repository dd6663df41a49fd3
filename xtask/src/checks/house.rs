//! The rules of the house: which room may know which, and what no room does. ARCHITECTURE.md draws the picture.

use super::source::{Token, paths, tokens};

/// What breaks a rule.
#[derive(Debug, PartialEq)]
pub(super) struct Violation {
    pub(super) line: usize,
    pub(super) text: String,
}

/// Longer files hide what they hold.
const MAX_LINES: usize = 500;

/// The worker's rooms that touch the outside, and the report builder. Only `cycle` knows more than one of them.
const EDGES: [&str; 5] = ["queue", "store", "crm", "report", "mailer"];

/// Who may start a cycle; `lib` only declares it.
const STARTS_CYCLES: [&str; 5] = ["cycle", "main", "lib", "commands", "local"];

/// What in `source`, at `path` from the root of the checkout (`crates/NAME/src/…`), breaks a rule.
pub(super) fn violations(path: &str, source: &str) -> Vec<Violation> {
    let tokens = tokens(source);
    let mut found = length(source);
    found.extend(own_adapters(&tokens));
    if let Some(place) = path.strip_prefix("crates/report-worker/src/") {
        let module = module(place);
        found.extend(imports(&tokens, &module));
        found.extend(environment(&tokens, &module));
        found.extend(floats(&tokens, &module));
    }
    found.sort_by_key(|violation| violation.line);
    found
}

/// `store/sqlite/mod.rs` is `["store", "sqlite"]`. `main.rs` and `lib.rs` are rooms here, though Rust has them at the root.
fn module(place: &str) -> Vec<&str> {
    let stem = place.strip_suffix(".rs").unwrap_or(place);
    stem.split('/').filter(|name| *name != "mod").collect()
}

fn length(source: &str) -> Vec<Violation> {
    let lines = source.lines().count();
    if lines <= MAX_LINES {
        return Vec::new();
    }
    vec![Violation { line: lines, text: format!("{lines} lines; a file has at most {MAX_LINES}: divide it") }]
}

fn own_adapters(tokens: &[Token<'_>]) -> Vec<Violation> {
    let banned = |token: &&Token<'_>| matches!(token.text, "dyn" | "async_trait");
    let told = |token: &Token<'_>| Violation {
        line: token.line,
        text: format!("`{}`: adapters are enums, third parties are faked at the socket", token.text),
    };
    tokens.iter().filter(banned).map(told).collect()
}

fn imports(tokens: &[Token<'_>], module: &[&str]) -> Vec<Violation> {
    let room = module[0];
    let place = if matches!(room, "main" | "lib") { &[] } else { module };
    let mut found = Vec::new();
    for path in paths(tokens, place) {
        let Some(&other) = path.names.first().filter(|other| **other != room) else { continue };
        let reason = match room {
            "domain" => "`domain` knows no other room",
            "report" if other != "domain" => "`report` knows only `domain`",
            _ if other == "cycle" && !STARTS_CYCLES.contains(&room) => "only main, commands and local start cycles",
            _ if EDGES.contains(&room) && (EDGES.contains(&other) || other == "*") => {
                "the edges never know one another; only `cycle` knows the order"
            }
            _ => continue,
        };
        found.push(Violation { line: path.line, text: format!("`{room}` names `crate::{other}`: {reason}") });
    }
    found
}

fn environment(tokens: &[Token<'_>], module: &[&str]) -> Vec<Violation> {
    if module[0] == "config" {
        return Vec::new();
    }
    let reads = |three: &&[Token<'_>]| {
        three[0].text == "env"
            && three[1].text == "::"
            && matches!(three[2].text, "var" | "var_os" | "vars" | "vars_os")
    };
    let told = |three: &[Token<'_>]| Violation {
        line: three[0].line,
        text: format!("`env::{}`: only `config` reads the environment", three[2].text),
    };
    tokens.windows(3).filter(reads).map(told).collect()
}

/// Where floats are not money: the ink of pictures, and the numbers of spreadsheets, which are doubles by their format.
const FLOATS_ALLOWED: [&[&str]; 2] = [&["report", "render", "chart"], &["report", "sheet"]];

fn floats(tokens: &[Token<'_>], module: &[&str]) -> Vec<Violation> {
    let is_allowed = FLOATS_ALLOWED.iter().any(|room| module.starts_with(room));
    if is_allowed || !matches!(module[0], "domain" | "report") {
        return Vec::new();
    }
    let is_float = |text: &str| {
        let is_decimal = text.starts_with(|first: char| first.is_ascii_digit()) && !text.starts_with("0x");
        ["f64", "f32"].iter().any(|float| text == *float || (is_decimal && text.ends_with(float)))
    };
    let told = |token: &Token<'_>| Violation {
        line: token.line,
        text: format!("`{}`: money is exact, and never a float", token.text),
    };
    tokens.iter().filter(|token| is_float(token.text)).map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is wrong with `source` at `place` in the worker, one a line.
    fn told(place: &str, source: &str) -> Vec<String> {
        let found = violations(&format!("crates/report-worker/src/{place}"), source);
        found.into_iter().map(|violation| format!("{}: {}", violation.line, violation.text)).collect()
    }

    const NOTHING: [&str; 0] = [];

    #[test]
    fn a_file_has_at_most_500_lines() {
        assert_eq!(told("store.rs", &"\n".repeat(500)), NOTHING);
        assert_eq!(told("store.rs", &"\n".repeat(501)), ["501: 501 lines; a file has at most 500: divide it"]);
    }

    #[test]
    fn adapters_are_enums_in_every_crate() {
        let text = "adapters are enums, third parties are faked at the socket";
        assert_eq!(
            told("store.rs", "// no dyn here\nfn f(_: &dyn Store) {}\n#[async_trait::async_trait]"),
            [format!("2: `dyn`: {text}"), format!("3: `async_trait`: {text}"), format!("3: `async_trait`: {text}")]
        );
        assert_eq!(violations("crates/hubspot-simulator/src/crm.rs", "Box<dyn Fn()>").len(), 1);
    }

    #[test]
    fn edges_know_neither_one_another_nor_the_cycle() {
        let edges = "the edges never know one another; only `cycle` knows the order";
        assert_eq!(
            told("store/sqlite.rs", "use crate::domain::Money;\nuse crate::{config, crm::Deal};"),
            [format!("2: `store` names `crate::crm`: {edges}")]
        );
        assert_eq!(told("queue.rs", "use super::mailer;"), [format!("1: `queue` names `crate::mailer`: {edges}")]);
        assert_eq!(told("mailer/mod.rs", "use crate::*;"), [format!("1: `mailer` names `crate::*`: {edges}")]);
        assert_eq!(
            told("crm/client.rs", "mod tests { use crate::cycle::send; }"),
            ["1: `crm` names `crate::cycle`: only main, commands and local start cycles"]
        );
        assert_eq!(told("store/records.rs", "use super::report; use crate::store::crm;"), NOTHING);
    }

    #[test]
    fn report_knows_domain_and_domain_knows_nobody() {
        assert_eq!(told("report/text.rs", "use crate::domain::Money; use super::Document;"), NOTHING);
        assert_eq!(
            told("report/text.rs", "use crate::config::Zone;"),
            ["1: `report` names `crate::config`: `report` knows only `domain`"]
        );
        assert_eq!(told("domain/changes/deal.rs", "use super::super::money; use crate::domain::Kind;"), NOTHING);
        assert_eq!(
            told("domain/changes/deal.rs", "use crate::report::Line;"),
            ["1: `domain` names `crate::report`: `domain` knows no other room"]
        );
    }

    #[test]
    fn only_main_commands_and_local_start_cycles() {
        for place in ["main.rs", "lib.rs", "commands/worker.rs", "local.rs", "cycle/send.rs"] {
            assert_eq!(told(place, "use crate::cycle::run;"), NOTHING, "{place}");
        }
        assert_eq!(
            told("status.rs", "crate::cycle::run()"),
            ["1: `status` names `crate::cycle`: only main, commands and local start cycles"]
        );
    }

    #[test]
    fn only_config_reads_the_environment() {
        let source = "let file = std::env::var(\"QUEUE_FILE\");";
        assert_eq!(told("queue.rs", source), ["1: `env::var`: only `config` reads the environment"]);
        assert_eq!(told("queue.rs", "env!(\"CARGO_PKG_VERSION\"); env::args()"), NOTHING);
        assert_eq!(told("config/variables.rs", source), NOTHING);
        assert_eq!(told("config.rs", source), NOTHING);
    }

    #[test]
    fn money_is_never_a_float() {
        let text = "money is exact, and never a float";
        assert_eq!(
            told("domain/money.rs", "// f64\nlet a: f64 = 1_f32;\nlet b = 0xf64;"),
            [format!("2: `f64`: {text}"), format!("2: `1_f32`: {text}")]
        );
        assert_eq!(told("report/mod.rs", "as f32"), [format!("1: `f32`: {text}")]);
        assert_eq!(told("report/render/text.rs", "as f32"), [format!("1: `f32`: {text}")]);
        for place in ["crm.rs", "report/render/chart/letters.rs", "report/sheet/xlsx.rs"] {
            assert_eq!(told(place, "as f64"), NOTHING, "{place}");
        }
    }
}
