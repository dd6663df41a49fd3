//! infra/hubspot-app is what `hs project upload` reads: it asks for what the worker reads and README.md names, and nothing else.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use report_worker::domain::record::Kind;
use serde_json::Value;

type Names = BTreeSet<String>;

fn text(file: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn json(file: &str) -> Value {
    serde_json::from_str(&text(&format!("infra/hubspot-app/{file}"))).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// What a `crmObjects` entry calls this kind, and the README's word for several.
fn words(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Deal => ("deal", "deals"),
        Kind::Invoice => ("invoice", "invoices"),
        Kind::Payment => ("commerce_payment", "payments"),
    }
}

/// A subscription in one line: `object.propertyChange deal amount`.
fn wanted() -> Names {
    let mut wanted = Names::new();
    for kind in Kind::ALL {
        let (object, _) = words(kind);
        let whole = ["creation", "deletion", "merge", "restore"];
        wanted.extend(whole.map(|event| format!("object.{event} {object}")));
        wanted.extend(kind.tracked_properties().iter().map(|name| format!("object.propertyChange {object} {name}")));
    }
    wanted
}

/// The words between backticks.
fn code(text: &str) -> Names {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The README's step "In HubSpot".
fn in_hubspot() -> String {
    let readme = text("README.md");
    let (_, step) = readme.split_once("1. **In HubSpot**").expect("README.md has the step");
    let (step, _) = step.split_once("2. **On the machine**").expect("README.md has the step after it");
    step.to_owned()
}

#[test]
fn the_subscriptions_are_what_the_worker_tracks() {
    let config = &json("src/app/webhooks/webhooks-hsmeta.json")["config"];
    let subscriptions = &config["subscriptions"];
    let entries = subscriptions["crmObjects"].as_array().expect("it is a list");
    let line = |entry: &Value| {
        assert_eq!(entry["active"], true, "{entry}");
        let words = ["subscriptionType", "objectType", "propertyName"].map(|key| entry[key].as_str());
        words.into_iter().flatten().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(entries.iter().map(line).collect::<Names>(), wanted());
    assert_eq!(entries.len(), wanted().len(), "none is there twice");
    for other in ["legacyCrmObjects", "hubEvents"] {
        assert_eq!(subscriptions[other], Value::Array(Vec::new()), "{other}");
    }
    assert_eq!(config["settings"]["targetUrl"], "${TARGET_URL}", "whoever uploads says it, in a profile");
}

#[test]
fn the_scopes_and_properties_are_those_of_the_readme() {
    let step = in_hubspot();
    let app = json("src/app/app-hsmeta.json");
    let auth = &app["config"]["auth"];
    let scopes = auth["requiredScopes"].as_array().expect("it is a list").iter();
    let scopes: Names = scopes.map(|scope| scope.as_str().expect("it is a string").to_owned()).collect();
    let told: Names = code(&step).into_iter().filter(|word| word.starts_with("crm.")).collect();
    assert_eq!(scopes, told);
    assert_eq!((&app["config"]["distribution"], &auth["type"]), (&"private".into(), &"static".into()));
    for kind in Kind::ALL {
        let (_, plural) = words(kind);
        let (_, list) = step.split_once(&format!("   - {plural}: ")).expect("README.md lists the properties");
        let list = list.split("\n   - ").next().and_then(|list| list.split("\n\n").next()).unwrap_or_default();
        let tracked: Names = kind.tracked_properties().iter().map(|&name| name.to_owned()).collect();
        assert_eq!(code(list), tracked, "{plural}");
    }
}

#[test]
fn everything_that_is_to_be_filled_in_is_named_in_its_readme() {
    let readme = code(&text("infra/hubspot-app/README.md"));
    for file in ["src/app/app-hsmeta.json", "src/app/webhooks/webhooks-hsmeta.json"] {
        let text = json(file).to_string();
        for rest in text.split("${").skip(1) {
            let (variable, _) = rest.split_once('}').expect("a variable ends");
            assert!(readme.contains(variable), "{file}: {variable}");
        }
    }
    assert_eq!(json("hsproject.json")["srcDir"], "src");
}
