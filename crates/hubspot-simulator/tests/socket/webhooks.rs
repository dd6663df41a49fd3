//! The sender's contract, against a receiver that answers as it is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use hubspot_simulator::{EventShape, Kind, Settings, SignatureHeaders};
use hubspot_webhook::signature::{Secret, sign_v1, sign_v2, sign_v3};
use serde_json::{Value, json};
use tokio::sync::{oneshot, watch};

use crate::{NOW_MS, World};

/// What arrived, and what to answer next; 204 when nothing is planned.
#[derive(Debug, Default)]
struct Inbox {
    deliveries: Vec<(HeaderMap, Bytes)>,
    answers: VecDeque<u16>,
    /// So many deliveries are never answered.
    hanging: usize,
}

struct Receiver {
    url: String,
    inbox: Arc<Mutex<Inbox>>,
    _close: oneshot::Sender<()>,
}

impl Receiver {
    async fn new(answers: impl IntoIterator<Item = u16>) -> Self {
        let inbox = Arc::new(Mutex::new(Inbox { answers: answers.into_iter().collect(), ..Inbox::default() }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/webhooks/hubspot?a=1%2C2", listener.local_addr().unwrap());
        let take = async |State(inbox): State<Arc<Mutex<Inbox>>>, headers: HeaderMap, body: Bytes| {
            let (hangs, answer) = {
                let mut inbox = inbox.lock().unwrap();
                inbox.deliveries.push((headers, body));
                let hangs = inbox.hanging > 0;
                inbox.hanging -= usize::from(hangs);
                (hangs, inbox.answers.pop_front().unwrap_or(204))
            };
            if hangs {
                std::future::pending::<()>().await;
            }
            StatusCode::from_u16(answer).unwrap()
        };
        let router = axum::Router::new().fallback(take).with_state(inbox.clone());
        let (close, closes) = oneshot::channel::<()>();
        let server = axum::serve(listener, router).with_graceful_shutdown(async { drop(closes.await) });
        tokio::spawn(server.into_future());
        Self { url, inbox, _close: close }
    }

    fn deliveries(&self) -> Vec<(HeaderMap, Bytes)> {
        self.inbox.lock().unwrap().deliveries.clone()
    }

    fn bodies(&self) -> Vec<Vec<Value>> {
        self.deliveries().iter().map(|(_, body)| serde_json::from_slice(body).unwrap()).collect()
    }
}

/// An account with one open deal of old, 24 h in less than a tenth of a second, and a receiver.
async fn world(answers: impl IntoIterator<Item = u16>, change: impl FnOnce(&mut Settings)) -> (World, Receiver, i64) {
    let receiver = Receiver::new(answers).await;
    let target_url = Some(receiver.url.clone());
    let world = World::new(|settings| {
        (settings.target_url, settings.retry_speed) = (target_url, 1_000_000);
        change(settings);
    })
    .await;
    let deal = world.simulator.account().in_the_past(NOW_MS - 1_000).create(Kind::Deal, &[("amount", "1")]);
    (world, receiver, deal)
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).map_or("", |value| value.to_str().unwrap())
}

/// Whether the v3 signature of a delivery is right.
fn is_signed(receiver: &Receiver, (headers, body): &(HeaderMap, Bytes)) -> bool {
    let secret = Secret::new("simulated-client-secret").unwrap();
    let timestamp = header(headers, "x-hubspot-request-timestamp");
    header(headers, "x-hubspot-signature-v3") == sign_v3(&secret, "POST", &receiver.url, body, timestamp)
}

#[tokio::test]
async fn a_delivery_is_signed_as_hubspot_signs_it() {
    let (world, receiver, deal) = world([], |_| ()).await;
    world.simulator.account().set(Kind::Deal, deal, &[("amount", "12.50")]);
    world.simulator.drained().await;
    let deliveries = receiver.deliveries();
    let (headers, body) = &deliveries[0];
    let secret = Secret::new("simulated-client-secret").unwrap();
    assert!(is_signed(&receiver, &deliveries[0]));
    assert_eq!(header(headers, "x-hubspot-signature"), sign_v1(&secret, body));
    assert_eq!(header(headers, "x-hubspot-signature-version"), "v1");
    assert_eq!(header(headers, "x-hubspot-request-timestamp"), NOW_MS.to_string());
    assert_eq!(header(headers, "content-type"), "application/json");
    assert_eq!(header(headers, "x-hubspot-correlation-id").len(), 36);
    let event = &receiver.bodies()[0][0];
    let mut expected = json!({
        "portalId": 62_515_001,
        "appId": 7_340_112,
        "occurredAt": NOW_MS,
        "subscriptionType": "object.propertyChange",
        "attemptNumber": 0,
        "objectId": deal,
        "objectTypeId": "0-3",
        "propertyName": "amount",
        "propertyValue": "12.50",
        "isSensitive": false,
        "changeSource": "CRM_UI",
        "sourceId": "userId:12118204",
    });
    expected["eventId"] = event["eventId"].clone();
    expected["subscriptionId"] = event["subscriptionId"].clone();
    assert_eq!(*event, expected);
    world.simulator.stop().await;
}

#[tokio::test]
async fn other_signatures_and_shapes_can_be_chosen() {
    let secret = Secret::new("simulated-client-secret").unwrap();
    for headers in [SignatureHeaders::V2AndV3, SignatureHeaders::V3, SignatureHeaders::V1] {
        let (world, receiver, deal) =
            world([], |settings| (settings.signature_headers, settings.event_shape) = (headers, EventShape::Classic))
                .await;
        world.simulator.account().set(Kind::Deal, deal, &[("amount", "2")]);
        world.simulator.drained().await;
        let (sent, body) = &receiver.deliveries()[0];
        let expected = match headers {
            SignatureHeaders::V2AndV3 => sign_v2(&secret, "POST", &receiver.url, body),
            SignatureHeaders::V1 => sign_v1(&secret, body),
            _ => String::new(),
        };
        assert_eq!(header(sent, "x-hubspot-signature"), expected);
        assert_eq!(sent.contains_key("x-hubspot-signature-v3"), headers != SignatureHeaders::V1);
        let event = &receiver.bodies()[0][0];
        assert_eq!((&event["subscriptionType"], event.get("objectTypeId")), (&json!("deal.propertyChange"), None));
        world.simulator.stop().await;
    }
}

#[tokio::test]
async fn whatever_is_not_2xx_is_sent_again_with_a_higher_attempt_number() {
    let (world, receiver, deal) = world([500, 404, 302], |_| ()).await;
    world.simulator.account().set(Kind::Deal, deal, &[("amount", "2")]);
    world.simulator.drained().await;
    let attempts: Vec<_> = receiver.bodies().iter().map(|body| body[0]["attemptNumber"].as_u64().unwrap()).collect();
    assert_eq!(attempts, [0, 1, 2, 3]);
    let ids: Vec<_> = receiver.bodies().iter().map(|body| body[0]["eventId"].clone()).collect();
    assert!(ids.iter().all(|id| *id == ids[0]));
    assert!(receiver.deliveries().iter().all(|delivery| is_signed(&receiver, delivery)));
    let counters = world.simulator.counters();
    assert_eq!((counters.events, counters.deliveries, counters.accepted, counters.refused), (1, 4, 1, 3));
    world.simulator.stop().await;
}

#[tokio::test]
async fn after_ten_retries_an_event_is_given_up() {
    let (world, receiver, deal) = world([503; 99], |_| ()).await;
    world.simulator.account().set(Kind::Deal, deal, &[("amount", "2")]);
    world.simulator.drained().await;
    assert_eq!(receiver.deliveries().len(), 11);
    assert_eq!(world.simulator.counters().given_up, 1);
    world.simulator.set_target_url("http://127.0.0.1:1/");
    world.simulator.account().set(Kind::Deal, deal, &[("amount", "3")]);
    world.simulator.drained().await;
    assert_eq!((world.simulator.counters().given_up, world.simulator.counters().failed), (2, 11));
    world.simulator.stop().await;
}

#[tokio::test]
async fn bodies_hold_up_to_a_hundred_events_in_order() {
    let (world, receiver, deal) = world([], |_| ()).await;
    for cents in 0..250 {
        world.simulator.account().set(Kind::Deal, deal, &[("amount", &format!("5.{cents:03}"))]);
    }
    world.simulator.drained().await;
    let mut bodies = receiver.bodies();
    bodies.sort_by_key(|body| body[0]["propertyValue"].as_str().unwrap().to_owned());
    assert_eq!(bodies.iter().map(Vec::len).collect::<Vec<_>>(), [100, 100, 50]);
    assert!(bodies.concat().is_sorted_by_key(|event| event["propertyValue"].as_str().unwrap().to_owned()));
    world.simulator.stop().await;
}

#[tokio::test]
async fn ten_requests_are_in_flight_at_most() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target_url = Some(format!("http://{}/", listener.local_addr().unwrap()));
    // Nobody is answered before ten have come; from then on everybody is.
    let (count, full) = (watch::Sender::new((0, 0)), watch::Sender::new(false));
    let most = count.subscribe();
    let answer = async move || {
        count.send_modify(|(now, most)| (*now, *most) = (*now + 1, (*most).max(*now + 1)));
        if count.borrow().0 == 10 {
            full.send_replace(true);
        }
        full.subscribe().wait_for(|full| *full).await.unwrap();
        tokio::task::yield_now().await;
        count.send_modify(|(now, _)| *now -= 1);
    };
    let server = axum::serve(listener, axum::Router::new().fallback(answer));
    let server = tokio::spawn(server.into_future());
    let world = World::new(|settings| settings.target_url = target_url).await;
    let account = world.simulator.account();
    for number in 0..1_500 {
        account.create(Kind::Deal, &[("amount", &number.to_string())]);
    }
    world.simulator.drained().await;
    assert_eq!(most.borrow().1, 10);
    assert_eq!(world.simulator.counters().accepted, 75);
    server.abort();
    world.simulator.stop().await;
}

#[tokio::test]
async fn a_receiver_that_is_too_slow_gets_it_again() {
    let (world, receiver, deal) = world([], |settings| settings.delivery_timeout = Duration::from_millis(80)).await;
    receiver.inbox.lock().unwrap().hanging = 1;
    world.simulator.account().set(Kind::Deal, deal, &[("amount", "2")]);
    world.simulator.drained().await;
    let counters = world.simulator.counters();
    assert_eq!(
        (counters.failed, counters.accepted, receiver.bodies()[1][0]["attemptNumber"].as_u64()),
        (1, 1, Some(1))
    );
    world.simulator.stop().await;
}

#[tokio::test]
async fn faults_spoil_deliveries_and_hubspot_still_gets_them_through() {
    let (world, receiver, deal) = world([], |_| ()).await;
    let account = world.simulator.account();
    let mut amount = 100;
    let mut sent = async |fault: &str, changes: usize| {
        world.arm(fault);
        let before = receiver.deliveries().len();
        for _ in 0..changes {
            amount += 1;
            account.set(Kind::Deal, deal, &[("amount", &amount.to_string())]);
        }
        world.simulator.drained().await;
        (receiver.deliveries()[before..].to_vec(), receiver.bodies()[before..].to_vec())
    };
    let values = |body: &[Value]| {
        body.iter().map(|event| event["propertyValue"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };

    let (_, bodies) = sent("duplicate-deliveries:1", 1).await;
    assert_eq!((bodies.len(), &bodies[0]), (2, &bodies[1]));
    let (_, bodies) = sent("wrong-order:1", 3).await;
    assert!(values(&bodies[0]).is_sorted_by(|one, next| one > next), "{bodies:?}");
    let (_, bodies) = sent("shuffle-events:1", 60).await;
    assert!(!values(&bodies[0]).is_sorted());
    let (_, bodies) = sent("lost-events:1", 2).await;
    assert_eq!(bodies[0].len(), 1);
    let (_, bodies) = sent("odd-events:1", 1).await;
    assert_eq!((bodies[0].len(), &bodies[0][0], &bodies[0][1]), (4, &Value::Null, &json!(7)));
    let (_, bodies) = sent("foreign-portal:1", 1).await;
    assert_eq!(bodies[0][0]["portalId"], json!(62_515_002));
    let (deliveries, _) = sent("wrong-signature:1", 1).await;
    assert!(!is_signed(&receiver, &deliveries[0]));
    let (deliveries, _) = sent("stale-timestamp:1", 1).await;
    assert!(is_signed(&receiver, &deliveries[0]));
    assert_eq!(header(&deliveries[0].0, "x-hubspot-request-timestamp"), (NOW_MS - 360_000).to_string());
    receiver.inbox.lock().unwrap().answers.push_back(400);
    let (_, bodies) = sent("renumber-retries:1", 1).await;
    assert_ne!(bodies[0][0]["eventId"], bodies[1][0]["eventId"]);
    let started = tokio::time::Instant::now();
    let (_, bodies) = sent("late-events:200ms", 1).await;
    assert_eq!(bodies.len(), 1);
    assert!(started.elapsed().as_millis() >= 200);
    world.simulator.stop().await;
}

#[tokio::test]
async fn a_body_of_ones_own_is_signed_as_it_is() {
    let (world, receiver, _) = world([], |_| ()).await;
    let body = b"[ {\"eventId\" : 1}, null, 7 ]\n".to_vec();
    assert!(world.simulator.sender().post(body.clone()).await.is_accepted());
    assert_eq!(receiver.deliveries()[0].1, body);
    assert!(is_signed(&receiver, &receiver.deliveries()[0]));
    world.simulator.stop().await;
}
