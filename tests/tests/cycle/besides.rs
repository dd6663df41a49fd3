//! What is read besides the figures: the rate and since when it is so, recurring revenue, the team and the pipeline.

use hubspot_simulator::Kind;
use report_worker::domain::record;

use crate::world::World;

#[tokio::test]
async fn a_deal_is_held_with_its_rate_its_team_and_its_pipeline() {
    let mut world = World::open(|_| ()).await;
    let created_at = world.now();
    let values = [
        ("amount", "1200"),
        ("deal_currency_code", "USD"),
        ("pipeline", "73150024"),
        ("dealstage", "141520871"),
        ("hubspot_owner_id", "53118204"),
    ];
    let deal = world.create(Kind::Deal, &values).await;
    world.report().await;
    world.set(Kind::Deal, deal, &[("dealstage", "141520872")]).await;
    world.report().await;
    let held = world.stored(record::Kind::Deal, deal).await.unwrap().record.unwrap();
    assert_eq!(held.exchange_rate(), Some(("0.921659", created_at)));
    assert_eq!((held.team.as_deref(), held.pipeline.as_deref()), (Some("DACH"), Some("Service & Wartung")));
    let recurring = ["hs_mrr", "hs_arr", "amount_in_home_currency"].map(|name| held.property(name));
    assert_eq!(recurring, [Some("100"), Some("1200"), Some("1105.9908")]);

    let moved_at = world.now();
    world.set(Kind::Deal, deal, &[("deal_currency_code", "EUR"), ("hubspot_owner_id", "49660981")]).await;
    world.report().await;
    let held = world.stored(record::Kind::Deal, deal).await.unwrap().record.unwrap();
    assert_eq!(held.exchange_rate(), Some(("1", moved_at)));
    assert_eq!((held.owner.as_deref(), held.team), (Some("Lars Østergaard"), None));
    assert_eq!(world.changes().await, ["deal.won", "deal.amount_changed"], "a rate is no finance change of its own");
}
