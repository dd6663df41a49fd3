//! However much is logged, no secret, no figure and no name is.

use end_to_end::Day;
use hubspot_simulator::Settings;

#[tokio::test]
async fn logs_hold_no_secrets_and_no_personal_data() {
    let simulated = Settings::default();
    let trace = "info,report_worker=trace,hubspot_webhook=trace,closing_bell=trace";
    let day = Day::begin(simulated.clone(), &[("RUST_LOG", trace)]).await;
    // What is refused, set aside or given up must not be told either.
    day.simulator.faults().arm("odd-events:1".parse().unwrap());
    day.play().await;
    let secret_deal = br#"[{"subscriptionType":"deal.creation","dealname":"Website relaunch","amount":"12300.00"}]"#;
    assert_eq!(day.local.post(secret_deal).await, 200);
    assert_eq!(day.local.post("no JSON of Website relaunch").await, 200);
    let unsigned = day.local.client().post(day.local.url()).body(&secret_deal[..]);
    assert_eq!(end_to_end::status(unsigned).await, 401);
    day.local.all_told(&day.simulator).await;

    let (ended, _folder) = day.local.end().await;
    let log = ended.stderr;
    for logged in ["a delivery is accepted", "signature_missing", "a report is built", "a mail is sent", "dead letters"]
    {
        assert!(log.contains(logged), "{logged} in:\n{log}");
    }
    let hidden = [
        simulated.client_secret.as_str(),
        &simulated.access_token,
        "Website relaunch",
        "Warehouse scanners",
        "Müller",
        "mueller-soehne",
        "Brightwater",
        "Anna",
        "Keller",
        "INV-20",
        "PAY-70",
        "12300",
        "12,300",
        "26899",
        "finance@example.com",
        "cfo@example.com",
    ];
    for word in hidden {
        let line = log.lines().find(|line| line.contains(word));
        assert_eq!(line, None, "{word:?} is logged");
    }
}
