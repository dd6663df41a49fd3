//! The working day of the simulator's story, told to a running `closing-bell local`.

use hubspot_simulator::story::{self, Pause, Step};
use hubspot_simulator::{Settings, Simulator};

use crate::figures::Figures;
use crate::local::Local;

/// A simulated account and the program that listens to it.
#[derive(Debug)]
pub struct Day {
    /// HubSpot.
    pub simulator: Simulator,
    /// The program.
    pub local: Local,
    /// What the account held when the books were opened.
    pub before: Figures,
}

impl Day {
    /// Fills the account, lets the program open its books, and connects the webhooks.
    ///
    /// # Panics
    /// If one of them does not start.
    pub async fn begin(settings: Settings, variables: &[(&str, &str)]) -> Self {
        let simulator = Simulator::start(settings).await.expect("the simulator starts");
        story::before_the_day(simulator.account());
        let local = Local::start(&simulator, variables).await;
        let before = Figures::of_account(simulator.account());
        simulator.set_target_url(local.url());
        Self { simulator, local, before }
    }

    /// Plays the whole day, each step in a delivery of its own, and waits until it is told.
    ///
    /// # Panics
    /// If it is not told in time.
    pub async fn play(&self) {
        for step in story::working_day(self.simulator.account()) {
            self.wait_as_asked(&step).await;
            step.run(self.simulator.account());
            self.local.drained(&self.simulator).await;
        }
        self.local.all_told(&self.simulator).await;
    }

    /// Plays the whole day as fast as it goes, so that a delivery holds many steps, and waits until it is told.
    ///
    /// # Panics
    /// If it is not told in time.
    pub async fn play_at_once(&self) {
        for step in story::working_day(self.simulator.account()) {
            self.wait_as_asked(&step).await;
            step.run(self.simulator.account());
        }
        self.local.all_told(&self.simulator).await;
    }

    async fn wait_as_asked(&self, step: &Step) {
        if step.pause == Pause::UntilReported {
            self.local.all_told(&self.simulator).await;
        }
    }

    /// What has happened since the books were opened, by the account itself.
    pub fn happened(&self) -> Figures {
        Figures::of_account(self.simulator.account()).since(&self.before)
    }
}
