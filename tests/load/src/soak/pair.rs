//! Two operators, of which one leads, and what becomes of them.

use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client};
use ras_tests::{Cluster, Error, Operator, OperatorOptions, Signal, TestNamespace};

/// Actions between the end of an operator and its next start, as kubelet waits a while.
const PAUSE: u64 = 3;

/// One of the two.
pub struct Member {
    pub name: &'static str,
    options: OperatorOptions,
    pub operator: Option<Operator>,
    /// When it is started again.
    again: u64,
    /// When it goes on, if it stands still.
    thaws: Option<u64>,
    /// How often it was started.
    pub lives: u64,
}

pub struct Pair {
    /// Where their lease is.
    namespace: String,
    pub members: [Member; 2],
}

impl Pair {
    /// Nobody runs yet: [`Pair::tend`] starts them.
    pub fn new(namespace: String, options: &OperatorOptions) -> Self {
        let member = |name: &'static str| Member {
            name,
            options: options.clone().account(&format!("operator-{name}")).elected(name),
            operator: None,
            again: 0,
            thaws: None,
            lives: 0,
        };
        Self {
            namespace,
            members: [member("a"), member("b")],
        }
    }

    /// Starts who does not run, and lets go on who stood still long enough. Says what happened that nobody asked for.
    pub async fn tend(&mut self, cluster: &Cluster, home: &TestNamespace, number: u64) -> Vec<String> {
        let mut news = Vec::new();
        for member in &mut self.members {
            if member.thaws.is_some_and(|thaws| thaws <= number) {
                member.thaws = None;
                if let Some(operator) = &mut member.operator {
                    operator.signal(Signal::Cont);
                }
            }
            if let Some(operator) = &mut member.operator
                && let Err(error) = operator.check_running()
            {
                // Who loses the lease ends by itself. Nothing else is a reason to.
                let log = operator.log();
                let end: Vec<&str> = log.lines().rev().take(4).collect();
                if !end.iter().any(|line| line.contains("this process ends")) {
                    news.push(format!("operator {} ended by itself: {error}", member.name));
                }
                member.operator = None;
                member.again = number + PAUSE;
            }
            if member.operator.is_none() && member.again <= number {
                match Operator::start(cluster, home, &member.options).await {
                    Ok(operator) => {
                        member.operator = Some(operator);
                        member.lives += 1;
                    }
                    // The API server is not there.
                    Err(_) => member.again = number + 1,
                }
            }
        }
        news
    }

    /// The one that holds the lease, and the other one.
    async fn order(&mut self, client: &Client) -> Option<[&mut Member; 2]> {
        let leases: Api<Lease> = Api::namespaced(client.clone(), &self.namespace);
        let lease = leases.get("ras-operator").await.ok()?;
        let holder = lease.spec?.holder_identity?;
        let [a, b] = &mut self.members;
        if holder == a.name { Some([a, b]) } else { Some([b, a]) }
    }

    /// Kills the one that leads, or the other one.
    pub async fn kill(&mut self, client: &Client, leader: bool, number: u64) -> String {
        let Some([first, second]) = self.order(client).await else {
            return "nobody leads".to_owned();
        };
        let member = if leader { first } else { second };
        if let Some(mut operator) = member.operator.take() {
            operator.kill();
        }
        member.thaws = None;
        member.again = number + PAUSE;
        member.name.to_owned()
    }

    /// Asks the leader to end.
    pub async fn end(&mut self, client: &Client, number: u64) -> Result<String, Error> {
        let Some([member, _]) = self.order(client).await else {
            return Ok("nobody leads".to_owned());
        };
        if member.thaws.is_some() {
            return Ok("it stands still".to_owned());
        }
        member.again = number + PAUSE;
        if let Some(mut operator) = member.operator.take()
            && operator.check_running().is_ok()
        {
            let status = operator.stop().await?;
            return Ok(format!("{}: {status}", member.name));
        }
        Ok("it does not run".to_owned())
    }

    /// Lets the leader stand still.
    pub async fn freeze(&mut self, client: &Client, until: u64) -> String {
        let Some([member, _]) = self.order(client).await else {
            return "nobody leads".to_owned();
        };
        if let Some(operator) = &mut member.operator {
            operator.signal(Signal::Stop);
            member.thaws = Some(until);
        }
        member.name.to_owned()
    }

    /// Lets both go on.
    pub fn thaw(&mut self) {
        for member in &mut self.members {
            member.thaws = member.thaws.map(|_| 0);
        }
    }

    /// Asks both to end.
    pub async fn stop(mut self) -> Result<(), Error> {
        for member in &mut self.members {
            if let Some(operator) = &mut member.operator {
                operator.stop().await?;
            }
        }
        Ok(())
    }
}
