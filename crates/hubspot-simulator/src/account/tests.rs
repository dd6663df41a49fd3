//! The account's own rules, on a clock that stands still.

use super::*;
use crate::events::{EventShape, Subscription, Topic};

const NOW_MS: i64 = 1_795_341_600_000;

fn account(change: impl FnOnce(&mut Settings)) -> (Account, Clock) {
    let clock = Clock::manual(NOW_MS);
    let mut settings = Settings { clock: clock.clone(), ..Settings::default() };
    change(&mut settings);
    let outbox = Arc::new(Outbox::new(Some("http://localhost/".to_owned())));
    (Account::new(settings, outbox), clock)
}

/// The events so far, as `type name=value`.
fn heard(account: &Account) -> Vec<String> {
    let events = account.shared.outbox.take(1_000, tokio::time::Instant::now(), false);
    let show = |event: &Event| {
        let event = event.to_json();
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        match event["propertyName"].as_str() {
            Some(name) => format!("{} {name}={}", text("subscriptionType"), text("propertyValue")),
            None => format!("{}{}", text("subscriptionType"), text("changeFlag")),
        }
    };
    events.iter().map(show).collect()
}

#[test]
fn a_won_deal_gets_its_close_date_and_what_hubspot_calculates() {
    let (account, clock) = account(|_| ());
    let deal =
        account.create(Kind::Deal, &[("dealname", "Scanner"), ("amount", "1000.10"), ("deal_currency_code", "USD")]);
    let value = |name: &str| account.value(Kind::Deal, deal, name);
    assert_eq!((value("closedate"), value("hs_is_closed_won").as_deref()), (None, Some("false")));
    clock.advance(1_000);
    account.set(Kind::Deal, deal, &[("dealstage", "141520872")]);
    assert_eq!(value("closedate").as_deref(), Some("2026-11-22T10:00:01.000Z"));
    assert_eq!(value("hs_closed_won_date").as_deref(), Some("2026-11-22T10:00:01.000Z"));
    assert_eq!(value("hs_is_closed_won").as_deref(), Some("true"));
    assert_eq!(value("amount_in_home_currency").as_deref(), Some("921.7511659"));
    account.set(Kind::Deal, deal, &[("dealstage", "qualifiedtobuy")]);
    assert_eq!((value("hs_is_closed").as_deref(), value("hs_closed_won_date")), (Some("false"), None));
    assert_eq!(value("hs_deal_stage_probability").map(|text| text.len()), Some(55));
}

#[test]
fn only_service_contracts_recur_and_only_known_currencies_have_a_rate() {
    let (account, _) = account(|_| ());
    let service = [("amount", "7840.75"), ("pipeline", "73150024"), ("deal_currency_code", "USD")];
    let service = account.create(Kind::Deal, &service);
    let odd = account.create(Kind::Deal, &[("amount", "100"), ("deal_currency_code", "XOF")]);
    let values = |deal| {
        ["hs_mrr", "hs_arr", "hs_exchange_rate", "amount_in_home_currency"]
            .map(|name| account.value(Kind::Deal, deal, name))
    };
    let expected = ["653.395833333333", "7840.75", "0.921659", "7226.49780425"].map(|text| Some(text.to_owned()));
    assert_eq!(values(service), expected);
    assert_eq!(values(odd), [None, None, None, None]);
    let rates = account.lock().record(Kind::Deal, service).render(
        &Wanted { history: vec!["hs_exchange_rate".to_owned()], ..Wanted::default() },
        i64::MAX,
        7,
        |_| true,
    );
    let rate = &rates["propertiesWithHistory"]["hs_exchange_rate"][0];
    assert_eq!((&rate["value"], &rate["timestamp"]), (&"0.921659".into(), &"2026-11-22T10:00:00.000Z".into()));
}

#[test]
fn two_writes_at_once_have_two_moments() {
    let (account, _) = account(|_| ());
    let deal = account.create(Kind::Deal, &[("dealname", "Scanner")]);
    let stamp = || account.value(Kind::Deal, deal, "hs_lastmodifieddate");
    assert_eq!(stamp().as_deref(), Some("2026-11-22T10:00:00.000Z"));
    account.set(Kind::Deal, deal, &[("amount", "5")]);
    assert_eq!(stamp().as_deref(), Some("2026-11-22T10:00:00.001Z"));
}

#[test]
fn a_creation_stands_in_the_middle_of_its_own_changes() {
    let (account, _) = account(|settings| settings.event_shape = EventShape::Classic);
    account.create(Kind::Deal, &[("dealname", "Scanner"), ("amount", "5"), ("closedate", "2026-11-22T10:00:00Z")]);
    assert_eq!(
        heard(&account),
        [
            "deal.propertyChange dealname=Scanner",
            "deal.propertyChange amount=5",
            "deal.propertyChange closedate=1795341600000",
            "deal.creationCREATED",
            "deal.propertyChange pipeline=default",
            "deal.propertyChange dealstage=appointmentscheduled",
            "deal.propertyChange deal_currency_code=EUR",
        ]
    );
}

#[test]
fn nobody_hears_of_the_past_of_unsubscribed_things_or_of_no_change() {
    let (account, _) = account(|_| ());
    let deal = account.in_the_past(NOW_MS - 1).create(Kind::Deal, &[("amount", "5")]);
    account.create(Kind::Company, &[("name", "Müller & Söhne GmbH")]);
    account.set(Kind::Deal, deal, &[("amount", "5"), ("description", "unheard")]);
    assert_eq!(heard(&account), [""; 0]);
    account.set(Kind::Deal, deal, &[("amount", "")]);
    assert_eq!(heard(&account), ["object.propertyChange amount="]);
}

#[test]
fn a_loser_leads_to_its_winner_through_any_number_of_merges() {
    let (account, _) = account(|_| ());
    let [a, b, c] = ["A", "B", "C"].map(|name| account.create(Kind::Deal, &[("dealname", name)]));
    account.set(Kind::Deal, b, &[("amount", "7")]);
    let company = account.create(Kind::Company, &[("name", "Kolibri")]);
    account.associate(Kind::Deal, b, Kind::Company, company);
    heard(&account);
    account.merge(Kind::Deal, a, b);
    account.merge(Kind::Deal, c, a);
    assert_eq!(account.value(Kind::Deal, b, "dealname").as_deref(), Some("C"));
    assert_eq!(account.value(Kind::Deal, b, "amount").as_deref(), Some("7"));
    assert_eq!(account.lock().associations[&(Kind::Deal, c, Kind::Company)], [company]);
    assert_eq!(account.lock().associations[&(Kind::Company, company, Kind::Deal)], [c]);
    assert_eq!(heard(&account), ["object.merge", "object.merge"]);
}

#[test]
fn an_association_is_told_twice_and_without_an_object_id() {
    let (account, _) = account(|settings| {
        settings.subscriptions =
            [Kind::Deal, Kind::Company].map(|kind| Subscription { kind, topic: Topic::AssociationChange }).to_vec();
    });
    let (deal, company) = (account.create(Kind::Deal, &[]), account.create(Kind::Company, &[]));
    account.associate(Kind::Deal, deal, Kind::Company, company);
    let events = account.shared.outbox.take(9, tokio::time::Instant::now(), false);
    let ends = |event: &Event| event.to_json()["fromObjectId"].as_i64();
    assert_eq!(events.iter().map(ends).collect::<Vec<_>>(), [Some(deal), Some(company)]);
    assert!(events.iter().all(|event| event.to_json().get("objectId").is_none()));
}

#[test]
fn payments_settle_an_invoice() {
    let (account, clock) = account(|_| ());
    let invoice = account.create(Kind::Invoice, &[("hs_invoice_status", "open"), ("hs_amount_billed", "119.00")]);
    let value = |name: &str| account.value(Kind::Invoice, invoice, name).unwrap();
    account.pay(invoice, "19.50", "PAY-1");
    assert_eq!((value("hs_balance_due"), value("hs_invoice_status")), ("99.5".to_owned(), "open".to_owned()));
    clock.advance(1_000);
    account.pay(invoice, "99.50", "PAY-2");
    assert_eq!((value("hs_balance_due"), value("hs_invoice_status")), ("0".to_owned(), "paid".to_owned()));
    assert_eq!(value("hs_payment_date"), "2026-11-22T10:00:01.000Z");
    assert_eq!(account.ids(Kind::Payment).len(), 2);
}

#[test]
fn two_changes_in_one_millisecond_stay_two() {
    let (account, _) = account(|_| ());
    let deal = account.create(Kind::Deal, &[("amount", "1")]);
    for amount in ["2", "1", "2"] {
        account.set(Kind::Deal, deal, &[("amount", amount)]);
    }
    let state = account.lock();
    let wanted = Wanted { history: vec!["amount".to_owned()], ..Wanted::default() };
    let shown = state.resolve(Kind::Deal, deal).unwrap().render(&wanted, i64::MAX, 1, |_| true);
    let history = shown["propertiesWithHistory"]["amount"].as_array().unwrap();
    let times: Vec<_> = history.iter().map(|entry| entry["timestamp"].as_str().unwrap().to_owned()).collect();
    assert!(times.is_sorted_by(|newer, older| newer > older) && times.len() == 4, "{times:?}");
}
