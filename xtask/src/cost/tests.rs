//! A small stack added up by hand, and the real one.

use super::*;

/// A door, a queue, one worker, no database.
const STACK: &str = "
Parameters:
  Nat: {Type: String, Default: 'no'}
Conditions:
  HasNat: !Equals [!Ref Nat, 'yes']
Resources:
  Api: {Type: AWS::Serverless::Api}
  Firewall: {Type: AWS::WAFv2::WebACL, Properties: {Rules: [{Name: one}, {Name: two}]}}
  Door: {Type: AWS::Serverless::Function, Properties: {MemorySize: 256, Architectures: [arm64]}}
  Queue: {Type: AWS::SQS::Queue}
  Secret: {Type: AWS::SecretsManager::Secret}
  Logs: {Type: AWS::Logs::LogGroup, Properties: {RetentionInDays: 90}}
  Nat: {Type: AWS::EC2::NatGateway, Condition: HasNat}
  Task: {Type: AWS::ECS::TaskDefinition, Properties: {Cpu: 256, Memory: 512}}
  Worker:
    Type: AWS::ECS::Service
    Properties:
      DesiredCount: 1
      TaskDefinition: !Ref Task
      NetworkConfiguration: {AwsvpcConfiguration: {AssignPublicIp: ENABLED}}
";

fn prices() -> Prices {
    Prices::read(&root().join("infra/prices.yaml")).unwrap()
}

fn totals(stack: &Stack, events: u128) -> [u128; 2] {
    Bill::of(stack, &prices(), events).unwrap().totals()
}

/// The floor by hand, each line rounded up to a cent: web ACL 5.00, two rules 2.00; worker 730 h x 0.25 x 0.04048 = 7.3876,
/// 730 x 0.5 x 0.004445 = 1.622425, address 730 x 0.005 = 3.65; 87,600 calls of SQS within the free million; three
/// metrics 0.90; 43.8 MB of log lines 0.0219, kept for three months 0.003942; secret 0.40.
///
/// A million events by hand: gateway 3.50; firewall 0.60; Lambda 0.20 and 1,000,000 x 0.05 s x 0.25 GB = 12,500 GB-seconds
/// x 0.0000133334 = 0.1666675; 3,000,000 calls of SQS less the 912,400 left free x 0.40 = 0.83504; ten metrics in every hour
/// 3.00; 2 GB of logs 1.00, kept for three months 0.18.
#[test]
fn a_small_stack_costs_what_it_does_by_hand() {
    let floor = 500 + 200 + 739 + 163 + 365 + 90 + 3 + 1 + 40;
    let million = 350 + 60 + 20 + 17 + 84 + 300 + 100 + 18;
    let mut stack = Stack::of(Node::parse(STACK).unwrap());
    assert_eq!(totals(&stack, 1_000_000), [floor, million]);
    assert_eq!(totals(&stack, 0), [floor, 0]);
    stack.set("Nat", "yes").unwrap();
    assert_eq!(totals(&stack, 0), [floor + 3_285, 0], "a NAT gateway is 730 h x 0.045");
}

#[test]
fn what_nobody_has_priced_is_named() {
    let stack = Stack::of(Node::parse("Resources: {Key: {Type: AWS::KMS::Key}}").unwrap());
    let error = Bill::of(&stack, &prices(), 0).err().unwrap();
    assert_eq!(
        format!("{error:#}"),
        "Key (AWS::KMS::Key): nobody has said what AWS::KMS::Key costs: write it into xtask/src/cost/components.rs"
    );
}

/// The floor of template.yaml by hand. Of the small stack above, without its secret and firewall: 7.39, 1.63, 3.65, 0.90, 0.03 and
/// 0.01. Beside it: web ACL 5.00 and four rules 4.00; five secrets 2.00; nine alarms 0.90; 60 MB of images 0.006; a GB of the
/// database 0.10, and five looks a day of six minutes each, 15.2083 hours of 0.12, 1.825.
const FLOOR: u128 = 739 + 163 + 365 + 90 + 3 + 1 + 500 + 400 + 200 + 90 + 1 + 10 + 183;

fn real(more: &str) -> Stack {
    let text = std::fs::read_to_string(root().join("template.yaml")).unwrap();
    let text = text.replace("\nResources:\n", &format!("\nResources:\n{more}"));
    let mut stack = Stack::of(Node::parse(&text).unwrap());
    stack.set("WorkerImage", "any").unwrap();
    stack
}

#[test]
fn the_real_stack_costs_what_it_does_by_hand() {
    assert_eq!(totals(&real(""), 0), [FLOOR, 0]);
    let nat = "  Nat: {Type: AWS::EC2::NatGateway}\n";
    assert_eq!(totals(&real(nat), 0), [FLOOR + 3_285, 0], "a NAT gateway is 730 h x 0.045");
}

/// 10,000 events by hand: gateway 0.035, firewall 0.006, Lambda 0.002 and 125 GB-seconds 0.0021; SQS within the free million; ten
/// metrics in every hour 3.00; 20 MB of logs 0.01, kept for three months 0.0018; 1.3 million bytes a month for thirteen, 0.00169;
/// 200,000 I/O 0.04; the database awake in 220 hours 26.40.
#[test]
fn ten_thousand_events_cost_what_they_do_by_hand() {
    assert_eq!(totals(&real(""), 10_000), [FLOOR, 4 + 1 + 1 + 1 + 300 + 1 + 1 + 1 + 4 + 2_640]);
}

#[test]
fn what_is_left_out_is_not_paid() {
    let mut stack = real("");
    stack.set("Firewall", "off").unwrap();
    stack.set("DatabaseSecretArn", "arn:of-a-database").unwrap();
    assert_eq!(totals(&stack, 0), [FLOOR - 900 - 193 - 40, 0]);
    stack.set("MaximumWorkers", "4").unwrap();
    // Two alarms that start and stop workers.
    assert_eq!(totals(&stack, 0), [FLOOR - 900 - 193 - 40 + 20, 0]);
}
